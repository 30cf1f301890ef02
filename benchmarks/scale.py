"""What more classes cost: step, statistics pass, samplers, memory; 8 made-up images a class.

    python -m benchmarks.scale [--device cuda]

The network has the same size at any number of classes, so what grows is the data, the statistics pass, and
the search among ideal vectors.
"""

import json
import statistics

import numpy as np
import pandas as pd
import torch

from benchmarks.common import command_line, in_own_process, load, peak_mb, publish, seconds
from siamese_lib.data.bank import ImageBank
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.datasets import TrainingData
from siamese_lib.runtime import choose_device

CLASSES = (256, 512, 1024, 2350, 4096, 11172)
# batch -> row: those that search among ideal vectors
METHODS = {"pooled": "auto-probabilistic+auto-clustering", "pooled-near": "random"}
REPEATS = 20


def made_up(classes: int, copies: int) -> ImageBank:
    """A bank of noise: `copies` images of each class."""
    images = np.random.default_rng(0).integers(0, 256, (classes * copies, 37, 37), dtype=np.uint8)
    meta = pd.DataFrame({"face": np.tile(np.arange(copies), classes).astype(str)})
    return ImageBank(images, np.arange(classes).repeat(copies), [str(c) for c in range(classes)], meta)


def measure(batch: str, classes: int, device: torch.device) -> dict:
    config = make_config("table3", METHODS[batch], "cpu", batch, num_classes=classes)
    trainer = build_trainer(config, 0, device, TrainingData(made_up(classes, 8), made_up(classes, 1), {}))
    found = trainer.class_statistics.at_period_end(last=True)
    pass_seconds = seconds(lambda: trainer.class_statistics(config.statistics_samples), device)

    def update() -> None:
        trainer.batch.positives.update(found)
        trainer.batch.negatives.update(found)

    update_seconds = [seconds(update, device) for _ in range(3)]
    trainer.statistics = found
    trainer.one_step()
    steps = [seconds(trainer.one_step, device) for _ in range(REPEATS)]
    draws = [seconds(lambda: trainer.batch.draw(trainer.generator), device) for _ in range(REPEATS)]
    return {
        "device": device.type,
        "batch": batch,
        "classes": classes,
        "images_per_s": trainer.batch.images_a_step / statistics.median(steps),
        "pass_seconds": pass_seconds,
        "update_seconds": statistics.median(update_seconds),
        "draw_ms": 1000 * statistics.median(draws),
        "peak_mb": peak_mb(device),
    }


def main() -> None:
    parser = command_line("benchmarks.scale", __doc__)
    parser.add_argument(
        "--one", nargs=2, metavar=("BATCH", "CLASSES"), help="measure this alone and print JSON"
    )
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]), device)))
        return
    before = load()
    arguments = [("--one", b, str(c), "--device", str(device)) for b in METHODS for c in CLASSES]
    publish("scale", [in_own_process("benchmarks.scale", *a) for a in arguments], device, load=before)


if __name__ == "__main__":
    main()
