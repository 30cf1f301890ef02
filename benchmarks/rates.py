"""Which rate for which loss and batch: validation faces, 2,350 classes, 120,000 images, a seed that no table uses.

    python -m benchmarks.rates            writes results/benchmarks/rates.csv; RunConfig's defaults (config.TUNED) follow its best lines
    python -m benchmarks.rates omniglot   writes rates_omniglot.csv: reading `drawers`, its validation drawers
    python -m benchmarks.rates full       writes rates_full.csv: the 11,172 classes of Table 2, random and hard mining
    python -m benchmarks.rates --jobs 1   one run at a time (default: one on each processor, a thread each; nothing is timed)

Finished runs are kept in runs/benchmarks/.
"""

import argparse
import itertools
import json
import os

from benchmarks.common import kept, publish, side_by_side
from benchmarks.pml import SETUPS
from benchmarks.time_to_accuracy import TUNING_SEED, trainer_of
from siamese_lib.experiments.tables import BATCHES, LOSSES
from siamese_lib.experiments.test_sets import accuracy_of
from siamese_lib.runtime import choose_device

IMAGES = 120_000
RATES = [
    *[("literal", rate) for rate in (3e-3, 6e-3, 1e-2, 2e-2)],
    *[("pooled", rate) for rate in (3e-3, 6e-3, 1e-2, 2e-2, 4e-2)],
]
HARD = list(itertools.product(("pooled-hard", "pooled-near"), (3e-3, 6e-3, 1e-2), (16, 32))) + [
    ("pooled-hard", 2e-2, 32)
]
PML_BEST = list(
    itertools.product(("multi-similarity", "circle"), [(2e-2, 32), (3e-3, 16), (1e-2, 16)])
)  # what led at 256 images
SMALL = list(itertools.product((3e-3, 6e-3), (8,)))  # and what led at 128
OTHER = list(itertools.product(("contrastive", "triplet"), BATCHES, (1e-3, 3e-3, 1e-2)))
EDGE = [
    ("contrastive", "pooled-hard"),
    ("contrastive", "pooled-near"),
    *[("triplet", batch) for batch in BATCHES],
]  # best at the edge of these
GRID = [  # method of time_to_accuracy.trainer_of, its settings
    *[("ours", {"row": "random", "batch": batch, "rate": rate}) for batch, rate in RATES],
    *[
        ("ours", {"row": "random", "batch": batch, "rate": rate, "pool_classes": half})
        for batch, rate, half in HARD
    ],
    *[(f"pml/{name}", {"rate": rate}) for name in SETUPS for rate in (3e-3, 1e-2)],
    *[(f"pml/{name}", {"rate": rate, "pool_classes": half}) for name, (rate, half) in PML_BEST],
    *[
        ("ours", {"row": "random", "batch": "pooled-near", "rate": rate, "pool_classes": half})
        for rate, half in SMALL
    ],
    *[("pml/circle", {"rate": rate, "pool_classes": half}) for rate, half in SMALL],
    *[
        ("ours", {"row": "random", "batch": b, "rate": 3e-3, "schedule": "constant"})
        for b in ("pooled", "pooled-near")
    ],
    *[
        ("ours", {"row": f"{loss}/random", "batch": batch, "rate": rate})
        for loss, batch, rate in [*OTHER, *[(*each, 2e-2) for each in EDGE]]
    ],
]
FRAMING = "aspect"  # of Omniglot's drawings: square is not better, canvas far worse (the first three lines)
OMNIGLOT = [  # how drawings are reduced, then rates, with batches of the sizes that are best on Hangul
    (
        "ours",
        {
            "table": "table4",
            "row": "random",
            "batch": batch,
            "rate": rate,
            "pool_classes": 16 if batch == "pooled-near" else 32,
            "framing": how,
        },
    )
    for batch, rate, how in [
        *[("pooled-near", 3e-3, how) for how in ("canvas", "aspect", "square")],
        *[
            each
            for each in itertools.product(BATCHES, (1e-3, 3e-3, 6e-3, 1e-2), [FRAMING])
            if each != ("pooled-near", 3e-3, FRAMING)
        ],
        ("pooled", 2e-2, FRAMING),
    ]
]

FULL = [  # Table 2's 11,172 classes; hard mining is run there only, and learns from an eighth of what it has seen
    ("ours", {"table": "table2", "row": row, "batch": "pooled", "rate": rate})
    for row, rate in [
        *itertools.product([f"{loss}/hard" for loss in LOSSES], (1e-3, 3e-3, 6e-3, 1e-2, 2e-2)),
        ("triplet/hard", 3e-4),
        *itertools.product(["contrastive/random"], (1e-3, 3e-3, 6e-3, 1e-2)),
        *itertools.product(["metric/random", "triplet/random"], (6e-3, 1e-2, 2e-2, 4e-2)),
    ]
]
GRIDS = {"hangul": ("rates", GRID), "omniglot": ("rates_omniglot", OMNIGLOT), "full": ("rates_full", FULL)}


def measure(method: str, settings: dict, device) -> dict:
    trainer, data = trainer_of(method, TUNING_SEED, device, **{"images": IMAGES} | settings)
    statistics = trainer.fit()
    accuracy = accuracy_of(trainer.forward, statistics.centroids, data.validation, trainer.plan.chunk)
    pml = method.startswith("pml/")
    return {
        "loss": method if pml else settings["row"].rpartition("/")[0] or "metric",
        "batch": "pool" if pml else settings["batch"],
        "pool_images": trainer.batch.images_a_step,
        "rate": settings["rate"],
        "schedule": settings.get("schedule", "one-cycle"),
        "images": settings.get("images", IMAGES),
        "seed": TUNING_SEED,
        "accuracy": accuracy,
    } | ({"framing": settings["framing"]} if "framing" in settings else {})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rates", description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", choices=tuple(GRIDS), default="hangul")
    parser.add_argument("--device")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--one", metavar="JSON", help="run [method, settings] alone and print JSON")
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.one:
        print(json.dumps(measure(*json.loads(options.one), device)))
        return

    name, grid = GRIDS[options.data]
    threads = 1 if options.jobs > 1 else None

    def one(each: tuple) -> dict:
        mining = {"mining": each[1]["row"].rpartition("/")[2]} if name == "rates_full" else {}
        return mining | kept("benchmarks.rates", list(each), device, threads)

    publish(name, side_by_side(one, grid, options.jobs), device)


if __name__ == "__main__":
    main()
