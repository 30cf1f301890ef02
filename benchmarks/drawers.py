"""What limits reading B of Omniglot: other losses, framings and augmentation, judged on the validation drawers (longer runs: profile best).

    python -m benchmarks.drawers            writes results/benchmarks/drawers.csv
    python -m benchmarks.drawers --jobs 1   one run at a time (default: one on each processor, a thread each; nothing is timed)

The accuracy on the clean drawings that were trained on tells whether it is the network or the twelve drawers that ran out. Seed 10, which no table
uses; the test drawers are not looked at. Finished runs are kept in runs/benchmarks/.
"""

import argparse
import json
import os

from benchmarks.common import kept, publish, side_by_side
from benchmarks.time_to_accuracy import TUNING_SEED, trainer_of
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.test_sets import accuracy_of
from siamese_lib.runtime import choose_device

IMAGES = 300_000
PAIRS = {"row": "contrastive/random", "rate": 1e-2, "pool_classes": 32}
NEAR = {"row": "random", "rate": 6e-3, "pool_classes": 16}
MORE = {"shift": 0.15, "degrees": 10.0, "probability": 0.9}  # augmentation
LESS = {"shift": 0.04, "degrees": 3.0, "probability": 0.5}
GRID = [
    NEAR,
    NEAR | MORE,
    NEAR | {"framing": "square"},
    {"row": "triplet/random", "rate": 1e-2, "pool_classes": 32},
    NEAR | LESS,
    {"row": "triplet/random", "rate": 2e-2, "pool_classes": 32},
    PAIRS,
    PAIRS | LESS,
    PAIRS | {"rate": 2e-2},
]
SHOWN = (
    "loss",
    "batch",
    "rate",
    "images",
    "framing",
    "probability",
    "shift",
    "degrees",
    "impostors",
)  # of the configuration


def measure(settings: dict, device) -> dict:
    trainer, data = trainer_of("ours", TUNING_SEED, device, table="table4", **settings)
    statistics = trainer.fit()
    found = {
        name: accuracy_of(trainer.forward, statistics.centroids, getattr(data, name), trainer.plan.chunk)
        for name in ("train", "validation")
    }
    return {
        "pool_images": trainer.batch.images_a_step,
        "seed": TUNING_SEED,
        "train_accuracy": found["train"],
        "accuracy": found["validation"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawers", description=__doc__.splitlines()[0])
    parser.add_argument("--device")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--one", metavar="JSON", help="run these settings alone and print JSON")
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.one:
        print(json.dumps(measure(json.loads(options.one)[0], device)))
        return

    def one(settings: dict) -> dict:
        settings = {"batch": "pooled-near", "images": IMAGES} | settings
        config = make_config("table4", profile="quick", **settings)
        shown = {name: getattr(config, name) for name in SHOWN}
        return shown | kept("benchmarks.drawers", [settings], device, 1 if options.jobs > 1 else None)

    publish("drawers", side_by_side(one, GRID, options.jobs), device)


if __name__ == "__main__":
    main()
