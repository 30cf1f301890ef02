"""What the ways of mining cost, draw and keep, measured on the ideal vectors of a trained network."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from siamese_lib.batches import ClassSamples
from siamese_lib.data.bank import ImageBank
from siamese_lib.losses import ContrastiveLoss, distance
from siamese_lib.mining import AutoClustering, AutoProbabilistic, DistanceBased, HardMining, UniformNegatives
from siamese_lib.model import embed
from siamese_lib.report.summaries import Text
from siamese_lib.statistics import ClassStatistics

STEP, STEPS = 3 * 10_240, 50  # images of a step of the paper, steps of its epoch


def statistics_of(arrays: dict[str, np.ndarray], device: torch.device) -> ClassStatistics:
    """Class statistics from the arrays of a run."""
    parts = (torch.from_numpy(arrays[name].astype(np.float32)) for name in ("centroids", "spread"))
    return ClassStatistics(*(part.to(device) for part in parts))


def mining_cost(
    statistics: ClassStatistics, images_per_second: float, repeats: int = 3
) -> tuple[pd.DataFrame, Text]:
    """Seconds of each sampler's update and draw on this machine, beside an epoch of the paper.

    Args:
        statistics: of C classes, on the device.
        images_per_second: of training.
        repeats: the fastest of so many is taken.

    Returns:
        A line for each way of mining, and what an epoch and hard mining cost in words.
    """
    classes, device = len(statistics.centroids), statistics.centroids.device
    generator = torch.Generator(device).manual_seed(0)
    epoch = STEPS * STEP / images_per_second
    positive = torch.randint(classes, (STEP,), generator=generator, device=device)
    samplers = {
        "auto-probabilistic": (AutoProbabilistic(classes), STEP),
        "auto-clustering": (AutoClustering(classes), positive),
        "distance": (DistanceBased(classes), positive),
    }
    lines = []
    for sampler, given in samplers.values():
        search = _seconds(lambda sampler=sampler: sampler.update(statistics), repeats, device)
        draw = _seconds(
            lambda sampler=sampler, given=given: sampler.sample(given, generator), repeats, device
        )
        lines.append((search, 100 * search / epoch, 1000 * draw))
    columns = ["search, s", "search, % of an epoch", f"{STEP:,} draws, ms"]
    ratio = HardMining().ratio
    return pd.DataFrame(lines, pd.Index(samplers, name="mining"), columns), Text(
        f"At {images_per_second:,.0f} images a second an epoch of the paper would take {epoch:,.0f} s. Hard "
        "mining needs "
        f"no search and pays with passes of the network instead: of {ratio} pairs that go through it, "
        f"{ratio - 1} teach "
        "nothing."
    )


def _seconds(function: Callable[[], object], repeats: int, device: torch.device) -> float:
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(time.perf_counter() - began)
    return min(took)


def drawn_negatives(
    statistics: ClassStatistics, eta: int = 1000, classes: int = 6, most: int = 12, seed: int = 0
) -> dict[int, dict[str, list[int]]]:
    """Negatives that three samplers draw for a few classes, spread over the alphabet.

    Every other class is one that has company in its cluster, as far as there are such.

    Returns:
        class -> `random`, `distance`, `cluster` -> at most `most` different classes; of a cluster the others
        in it.
    """
    count, device = len(statistics.centroids), statistics.centroids.device
    generator = torch.Generator(device).manual_seed(seed)
    clustering, near = AutoClustering(count, eta=eta), DistanceBased(count)
    clustering.update(statistics)
    near.update(statistics)
    clusters = clustering.clusters.cpu().numpy()
    chosen = (np.linspace(0.04, 0.96, classes) * count).astype(int)
    together = np.flatnonzero(np.bincount(clusters)[clusters] > 3)
    if len(together):
        half = len(chosen[::2])
        chosen[::2] = together[np.linspace(0, len(together) - 1, half).astype(int)]
    found = {}
    for number in map(int, chosen):
        positive = torch.full((200,), number, device=device)
        drawn = {
            name: list(dict.fromkeys(sampler.sample(positive, generator).tolist()))[:most]
            for name, sampler in (("random", UniformNegatives(count)), ("distance", near))
        }
        company = np.flatnonzero(clusters == clusters[number])
        found[number] = drawn | {"cluster": company[company != number][:most].tolist()}
    return found


def kept_pairs(
    forward: Callable[[Tensor], Tensor],
    loss: ContrastiveLoss,
    bank: ImageBank,
    device: torch.device,
    pairs: int = 4096,
    seed: int = 0,
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], Text]:
    """Of random pairs, half of them of one class, those that hard mining keeps.

    Args:
        forward: images (B, 1, 37, 37) -> embeddings (B, D) in the loss's space.
        loss: whose largest values are kept.
        bank: images that the pairs are drawn from.
        device: where the network is.
        pairs: how many are drawn.
        seed: of the draw.

    Returns:
        `one class` and `two classes` -> first and second images, (n, 37, 37) each, largest loss first; and
        their shares in words.
    """
    generator = torch.Generator().manual_seed(seed)
    samples = ClassSamples(torch.as_tensor(bank.labels), bank.num_classes)
    first = torch.randint(bank.num_classes, (pairs,), generator=generator)
    same = torch.arange(pairs) % 2 == 0
    second = torch.where(same, first, UniformNegatives(bank.num_classes).sample(first, generator))
    of_one = samples.draw(first, 2, generator)
    i, j = of_one[:, 0], torch.where(same, of_one[:, 1], samples.draw(second, 1, generator)[:, 0])
    x, y = (embed(forward, torch.as_tensor(bank.images[side.numpy()], device=device)) for side in (i, j))
    kept = HardMining()(loss.from_distances(distance(x, y), same.to(device))).cpu()
    groups = {"one class": kept[same[kept]], "two classes": kept[~same[kept]]}
    images = {
        name: (bank.images[i[which].numpy()], bank.images[j[which].numpy()]) for name, which in groups.items()
    }
    share = 100 * len(groups["one class"]) / len(kept)
    return images, Text(
        f"Of the {len(kept)} pairs that hard mining keeps, {share:.0f} % are of one class and "
        f"{100 - share:.0f} % of two."
    )
