"""Made-up images of classes that a network tells apart within seconds."""

import numpy as np

SIDE = 37


def bars(count: int = 6, samples: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (count x samples, 37, 37) and labels: a bar at the angle of its class, noisy."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    labels = np.repeat(np.arange(count), samples)
    images = []
    for label in labels:
        angle = np.pi * (label + rng.normal(0, 0.05)) / count
        images.append(np.abs(x * np.sin(angle) - y * np.cos(angle) + rng.normal()) < 4)
    noise = rng.integers(0, 60, (len(labels), SIDE, SIDE))
    return np.clip(np.array(images) * 195 + noise, 0, 255).astype(np.uint8), labels
