"""Our losses beside pytorch-metric-learning's and a softmax classifier: one network, budget and optimiser.

    python -m benchmarks.comparison rates   writes results/benchmarks/rates_comparison.csv
    python -m benchmarks.comparison         with the best of these rates: results/benchmarks/comparison.csv,
                                            a line a run; `make tables` makes results/comparison.csv of it

Every method has the network of Table 1, the same eight typefaces, augmentation (half of the images look
scanned) and SOAP, 128 images a step, and as many images in all. Its learning rate is the best of RATES after
80,000 images on scans of the validation typefaces, with a seed that no other line uses. Three seeds each. All
are read by the nearest ideal vector; the softmax classifier by its own outputs where they read more of the
validation scans (`read_by`). `validation` are scans of the validation typefaces; `accuracy` and `top5` are
percent of simulated PHD08. `minutes` of runs side by side are no benchmark of speed.
"""

import argparse
from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from benchmarks.common import command_line, run_grid
from benchmarks.time_to_accuracy import TUNING_SEED, config_of, trainer_of
from siamese_lib.data.phd08 import FONTS
from siamese_lib.errors import InputError, NotFinite
from siamese_lib.evaluation import evaluate
from siamese_lib.experiments.test_sets import accuracy_of, hangul_stream
from siamese_lib.files import results_folder

IMAGES, TUNING_IMAGES, SEEDS, VARIANTS = 240_000, 80_000, (0, 1, 2), 3
RATES = (3e-3, 1e-2, 2e-2, 4e-2)
LOWER = {"ProxyAnchor": (1e-4, 3e-4, 1e-3)}  # tried as well: it collapses at all of RATES
COMMON = {"shift": 0.12, "scan_share": 0.5, "pool_classes": 16}  # 32 classes, four images of each
NEAR = {"batch": "pooled-near", "updates": 10}
METHODS = {
    "ours: metric loss, auto-clustering": ("ours", {"row": "auto-clustering"}),
    "ours: triplet loss, nearest classes": ("ours", {"row": "triplet/random", **NEAR}),
    "ours: prototype loss, nearest classes": ("ours", {"row": "prototype/random", **NEAR}),
    "MultiSimilarity with its miner": ("pml/multi-similarity", {}),
    "Circle": ("pml/circle", {}),
    "SupCon": ("pml/supcon", {}),
    "ProxyAnchor": ("pml/proxy-anchor", {}),
    "softmax classifier": ("pml/softmax", {}),
}


def by_outputs(network: Callable[[Tensor], Tensor], head: nn.Linear) -> tuple[Callable, Tensor]:
    """The largest output of a linear layer as a nearest vector: forward, and vectors (C, D + 2).

    An image is (x, 1, 0), a class (w, b, s) with the s that makes all classes equally long; then
    |(x, 1, 0) - (w, b, s)|^2 is a constant of the image less twice its output w x + b.
    """
    classes = torch.cat([head.weight, head.bias[:, None]], 1).detach()
    length = classes.square().sum(1)
    classes = torch.cat([classes, (length.max() - length).sqrt()[:, None]], 1)
    return lambda x: pad(pad(network(x), (0, 1), value=1.0), (0, 1)), classes


def measure(method: str, rate: float, images: int, seed: int, device: torch.device) -> dict:
    """A run of a method: its accuracies in percent, 0 where it diverged."""
    name, settings = METHODS[method]
    changes = COMMON | settings | {"rate": rate, "images": images}
    config = config_of(name, **changes)
    trainer, data = trainer_of(name, seed, device, **changes)
    line = {"method": method, "rate": rate, "images": images, "seed": seed}
    trainer.fit()
    ideal = trainer.class_statistics(None).centroids  # the library's losses have taken none meanwhile
    readings, chunk = {"ideal vectors": (trainer.forward, ideal)}, trainer.plan.chunk
    if name == "pml/softmax":
        readings["outputs"] = by_outputs(trainer.network, trainer.loss.loss.head)
    validation = {by: accuracy_of(*reading, data.validation, chunk) for by, reading in readings.items()}
    line["read_by"] = max(validation, key=validation.get)
    line["validation"] = validation[line["read_by"]]
    if seed != TUNING_SEED:
        banks, _ = hangul_stream("phd08-sim", config, device, VARIANTS)
        found = evaluate(
            *readings[line["read_by"]], data.train.classes, banks, None, chunk, {"font": FONTS}
        ).summary()
        line |= {"accuracy": found["accuracy"], "top5": found["top5"], "minutes": trainer.seconds / 60}
        line |= {
            "classes": found["classes"],
            "images_tested": found["images"],
            "fonts": len(found["by_font"]),
        }
        line |= described(method)
    return line


def described(method: str) -> dict:
    """What stands beside a method in comparison.csv, whatever it reads."""
    name, settings = METHODS[method]
    config = config_of(name, **(COMMON | settings))
    own = {"row": config.row, "loss": config.loss} if name == "ours" else {"row": name, "loss": name}
    return own | {"batch": config.batch, "positives": config.positives, "negatives": config.negatives}


def lines(method: str, rate: float, images: int, seed: int, device: torch.device) -> list[dict]:
    """The line of a run; one that diverged reads nothing, 0 %."""
    try:
        return [measure(method, rate, images, seed, device)]
    except NotFinite as error:
        line = {"method": method, "rate": rate, "images": images, "seed": seed, "validation": 0.0}
        tested = {"accuracy": 0.0, "top5": 0.0} | described(method)
        return [line | ({} if seed == TUNING_SEED else tested) | {"diverged": str(error)}]


def best_rates() -> dict[str, float]:
    """Method -> the rate of its best run on the validation scans, of rates_comparison.csv."""
    path = results_folder() / "benchmarks" / "rates_comparison.csv"
    if not path.is_file():
        raise InputError(f"{path} is not there; run python -m benchmarks.comparison rates")
    tuning = pd.read_csv(path).sort_values("validation", kind="stable")
    return dict(zip(tuning.method, tuning.rate, strict=True))


def grid(options: argparse.Namespace) -> tuple[str, list[list]]:
    """Name and entries (method, rate, images, seed) of the table that is asked for."""
    if options.table == "rates":
        tried = [(method, rate) for method in METHODS for rate in (*LOWER.get(method, ()), *RATES)]
        return "rates_comparison", [[*each, TUNING_IMAGES, TUNING_SEED] for each in tried]
    best = best_rates()
    return "comparison", [[method, best[method], IMAGES, seed] for method in METHODS for seed in SEEDS]


def main() -> None:
    parser = command_line("benchmarks.comparison", __doc__)
    parser.add_argument("table", nargs="?", choices=("methods", "rates"), default="methods")
    run_grid("benchmarks.comparison", parser, lines, grid)


if __name__ == "__main__":
    main()
