"""Which learning rate for which loss and batch: validation typefaces, 2,350 classes, 120,000 images.

    python -m benchmarks.rates            writes results/benchmarks/rates.csv; the tuned values of
                                          siamese_lib.experiments.profiles follow its best lines
    python -m benchmarks.rates omniglot   writes rates_omniglot.csv: reading `drawers`, its validation drawers
    python -m benchmarks.rates full       writes rates_full.csv: Table 2, random and hard mining
    python -m benchmarks.rates --jobs 1   one run at a time (default: one on each processor, a thread each)

Nothing is timed. The seed is used by no table. Finished runs are kept in runs/benchmarks/.
"""

import itertools

from benchmarks.common import command_line, run_grid
from benchmarks.pml import SETUPS
from benchmarks.time_to_accuracy import TUNING_SEED, trainer_of
from siamese_lib.experiments.tables import BATCHES, LOSSES
from siamese_lib.experiments.test_sets import accuracy_of

IMAGES = 120_000
RATES = [
    *[("literal", rate) for rate in (3e-3, 6e-3, 1e-2, 2e-2)],
    *[("pooled", rate) for rate in (3e-3, 6e-3, 1e-2, 2e-2, 4e-2)],
]
HARD = [
    *itertools.product(("pooled-hard", "pooled-near"), (3e-3, 6e-3, 1e-2), (16, 32)),
    ("pooled-hard", 2e-2, 32),
]
PML_BEST = [  # what led at 256 images
    (name, rate, classes)
    for name in ("multi-similarity", "circle")
    for rate, classes in ((2e-2, 32), (3e-3, 16), (1e-2, 16))
]
SMALL = [(3e-3, 8), (6e-3, 8)]  # and what led at 128
OTHER = [
    *itertools.product(("contrastive", "triplet"), BATCHES, (1e-3, 3e-3, 1e-2)),
    # 2e-2 where the best was at the edge of these
    *[("contrastive", batch, 2e-2) for batch in ("pooled-hard", "pooled-near")],
    *[("triplet", batch, 2e-2) for batch in BATCHES],
]


def _ours(batch: str, rate: float, row: str = "random", **settings) -> tuple[str, dict]:
    return "ours", {"row": row, "batch": batch, "rate": rate} | settings


GRID = [  # method of time_to_accuracy.trainer_of, its settings
    *[_ours(batch, rate) for batch, rate in RATES],
    *[_ours(batch, rate, pool_classes=classes) for batch, rate, classes in HARD],
    *[(f"pml/{name}", {"rate": rate}) for name in SETUPS for rate in (3e-3, 1e-2)],
    *[(f"pml/{name}", {"rate": rate, "pool_classes": classes}) for name, rate, classes in PML_BEST],
    *[_ours("pooled-near", rate, pool_classes=classes) for rate, classes in SMALL],
    *[("pml/circle", {"rate": rate, "pool_classes": classes}) for rate, classes in SMALL],
    *[_ours(batch, 3e-3, schedule="constant") for batch in ("pooled", "pooled-near")],
    *[_ours(batch, rate, f"{loss}/random") for loss, batch, rate in OTHER],
]
FRAMING = "aspect"  # of Omniglot's drawings: square is not better, canvas far worse (the first 3 lines)
OMNIGLOT = [  # how drawings are reduced, then learning rates, with the pools that are best on Hangul
    (
        "ours",
        {
            "table": "table4",
            "row": "random",
            "batch": batch,
            "rate": rate,
            "pool_classes": 16 if batch == "pooled-near" else 32,
            "framing": framing,
        },
    )
    for batch, rate, framing in [
        *[("pooled-near", 3e-3, framing) for framing in ("canvas", "aspect", "square")],
        *[
            (batch, rate, FRAMING)
            for batch, rate in itertools.product(BATCHES, (1e-3, 3e-3, 6e-3, 1e-2))
            if (batch, rate) != ("pooled-near", 3e-3)
        ],
        ("pooled", 2e-2, FRAMING),
    ]
]
FULL = [  # Table 2's 11,172 classes; hard mining is run there alone and learns from an eighth of its images
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
    centroids = trainer.fit().centroids
    pml = method.startswith("pml/")
    return {
        "loss": method if pml else settings["row"].rpartition("/")[0] or "metric",
        "batch": "pool" if pml else settings["batch"],
        "pool_images": trainer.batch.images_a_step,
        "rate": settings["rate"],
        "schedule": settings.get("schedule", "one-cycle"),
        "images": settings.get("images", IMAGES),
        "seed": TUNING_SEED,
        "accuracy": accuracy_of(trainer.forward, centroids, data.validation, trainer.plan.chunk),
    } | ({"framing": settings["framing"]} if "framing" in settings else {})


def mining(method: str, settings: dict) -> dict:
    """The first column of rates_full."""
    return {"mining": settings["row"].rpartition("/")[2]} if settings.get("table") == "table2" else {}


def main() -> None:
    parser = command_line("benchmarks.rates", __doc__)
    parser.add_argument("data", nargs="?", choices=tuple(GRIDS), default="hangul")
    run_grid("benchmarks.rates", parser, measure, lambda options: GRIDS[options.data], mining)


if __name__ == "__main__":
    main()
