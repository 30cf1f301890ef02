"""Which learning rate, pool and reading for which loss and batch: scans of the validation typefaces.

    python -m benchmarks.rates            writes results/benchmarks/rates.csv; the tuned values of
                                          siamese_lib.experiments.profiles follow its best lines
    python -m benchmarks.rates omniglot   writes rates_omniglot.csv: reading `drawers`, its validation drawers
    python -m benchmarks.rates full       writes rates_full.csv: Table 2's 11,172 classes
    python -m benchmarks.rates best       writes rates_best.csv: profile `best`, 200,000 images
    python -m benchmarks.rates drawers    writes rates_drawers.csv: the same for Omniglot, 0.3 and 1 M
    python -m benchmarks.rates --jobs 1   one run at a time (default: one on each processor, a thread each)

80,000 images each where nothing else is said. Nothing is timed. The seed is used by no table. Finished runs
are kept in runs/benchmarks/.
"""

from benchmarks.common import command_line, run_grid
from benchmarks.time_to_accuracy import TUNING_SEED, trainer_of
from siamese_lib.experiments.test_sets import accuracy_of

FIXED = {"images": 80_000, "shift": 0.08}  # of every run, but where a line changes the shift
CLUSTERING, NEAR = "auto-clustering", "pooled-near"
Entry = tuple[str, dict]  # method of time_to_accuracy.trainer_of, its settings


def _ours(row: str, batch: str, *rates: float, **settings) -> list[Entry]:
    return [("ours", {"row": row, "batch": batch, "rate": rate} | settings) for rate in rates]


def _pml(optimiser: str, *rates: float) -> list[Entry]:
    names = ("circle", "multi-similarity")
    settings = {"optimiser": optimiser, "pool_classes": 16}
    return [(f"pml/{name}", {"rate": rate} | settings) for name in names for rate in rates]


GRID = [
    *_ours(CLUSTERING, "pooled", 6e-3, 1e-2, 2e-2),
    *_ours(CLUSTERING, "pooled", 1e-2, 2e-2, gather=True),
    *_ours(CLUSTERING, "pooled", 1e-2, 2e-2, optimiser="adam"),
    *_ours("triplet/random", NEAR, 1e-2, 2e-2, 4e-2, pool_classes=16),
    *_ours("triplet/random", NEAR, 2e-2, pool_classes=16, gather=True),
    *_ours("triplet/random", NEAR, 2e-2, pool_classes=32),
    *_ours("triplet/random", NEAR, 1e-2, 2e-2, pool_classes=16, optimiser="adam"),
    *_pml("adam", 3e-3, 1e-2, 2e-2, 4e-2),
    *_pml("soap", 6e-3, 1e-2, 2e-2, 4e-2),
    # the budget of profile quick, and the shift that it has
    *_ours(CLUSTERING, "pooled", 6e-3, 1e-2, 2e-2, images=240_000, shift=0.12),
    *_ours("random", "pooled", 6e-3, 1e-2, 2e-2, images=240_000, shift=0.12),
    *[
        entry
        for change in ({}, {"scan_share": 0.5}, {"scan_share": 0.5, "pixelation": (0.4, 0.9)})
        for entry in _ours(
            "triplet/random", NEAR, 2e-2, images=240_000, shift=0.12, pool_classes=16, **change
        )
    ],
    # readings and augmentation
    *_ours(CLUSTERING, "pooled", 1e-2, pixelation=(0.4, 0.9)),
    *_ours(CLUSTERING, "pooled", 1e-2, scan_share=0.5),
    *_ours(CLUSTERING, "pooled", 1e-2, framing="aspect"),
    *[entry for shift in (0.04, 0.12, 0.16) for entry in _ours(CLUSTERING, "pooled", 1e-2, shift=shift)],
    *_ours("triplet/random", NEAR, 2e-2, pool_classes=16, framing="aspect"),
    *[
        entry
        for change in (
            {"shift": 0.04},
            {"shift": 0.12},
            {"shift": 0.16},
            {"pixelation": (0.4, 0.9)},
            {"scan_share": 0.5},
        )
        for entry in _ours("triplet/random", NEAR, 2e-2, pool_classes=16, **change)
    ],
    # the other losses and batches
    *_ours("random", "pooled", 6e-3, 1e-2, 2e-2),
    *_ours("random", NEAR, 6e-3, 1e-2, 2e-2, pool_classes=16),
    *_ours("random", NEAR, 1e-2, pool_classes=16, xi=0.0, rho=0.0),
    *_ours("contrastive/random", NEAR, 6e-3, 1e-2, 2e-2, pool_classes=16),
    *_ours("contrastive/random", NEAR, 1e-2, pool_classes=32),
    *_ours("contrastive/random", "pooled", 3e-3, 1e-2),
    *_ours("triplet/random", "pooled", 1e-2, 2e-2),
    *[
        entry
        for loss in ("", "contrastive/", "triplet/")
        for entry in _ours(f"{loss}random", "pooled-hard", 1e-2, 2e-2)
    ],
    *_ours("random", "literal", 1e-2, 2e-2),
    *_ours("contrastive/random", "literal", 3e-3, 1e-2),
    *_ours("triplet/random", "literal", 1e-2, 2e-2),
]
OMNIGLOT = [
    *[
        entry
        for framing in ("canvas", "square")
        for entry in _ours("contrastive/random", NEAR, 1e-2, framing=framing, table="table4")
    ],
    *_ours("contrastive/random", NEAR, 6e-3, 1e-2, 2e-2, table="table4"),
    *_ours("contrastive/random", NEAR, 1e-2, table="table4", shift=0.04),
    *_ours("contrastive/random", NEAR, 1e-2, table="table4", shift=0.12),
    *_ours("random", "pooled", 1e-2, table="table4", shift=0.04),
    *_ours("random", "pooled", 1e-2, table="table4", shift=0.12),
    *_ours("random", "pooled", 1e-2, table="table4", framing="square"),
    *_ours("random", "pooled", 6e-3, 1e-2, 2e-2, table="table4"),
    *_ours(CLUSTERING, "pooled", 1e-2, table="table4"),
    *_ours("random", NEAR, 1e-2, table="table4"),
    *_ours("triplet/random", NEAR, 2e-2, table="table4"),
]
FULL = [
    *_ours("contrastive/random", "pooled", 3e-3, 1e-2, 2e-2, table="table2"),
    *_ours("contrastive/hard", "pooled", 1e-3, 3e-3, 1e-2, 2e-2, table="table2"),
    *_ours("contrastive/distance", "pooled", 3e-3, 1e-2, 2e-2, table="table2"),
    *_ours("contrastive/auto-clustering", "pooled", 3e-3, 1e-2, 2e-2, table="table2"),
    *_ours("metric/random", "pooled", 6e-3, 1e-2, 2e-2, table="table2"),
]
BEST = {"images": 200_000, "shift": 0.12, "scan_share": 0.5, "faces": "train-wide"}
LONGER = _ours("prototype/random", NEAR, 1e-2, 2e-2, 4e-2, pool_classes=32, **BEST)
DRAWN = {"pool_classes": 32, "table": "table4", "images": 300_000}
# the best of benchmarks.drawers, with other losses
LITTLE = {"shift": 0.04, "degrees": 3.0, "probability": 0.5}
MORE = {"shift": 0.08, "degrees": 10.0, "probability": 0.5}
DRAWERS = [
    *_ours("prototype/random", NEAR, 6e-3, 1e-2, 2e-2, **DRAWN | LITTLE),
    *_ours("prototype/random", NEAR, 1e-2, **DRAWN | LITTLE | {"pool_classes": 64}),
    *_ours("prototype/random", NEAR, 1e-2, **DRAWN | MORE),
    *_ours("prototype/random", NEAR, 1e-2, **DRAWN | LITTLE | {"probability": 0.0}),
    *[
        entry
        for change in (
            {"shift": 0.12, "degrees": 15.0, "probability": 0.7},
            {"probability": 0.9},
            {"pixelation": (0.9, 1.0)},
            {"pool_classes": 16},
            {"impostors": 7},
            {"degrees": 20.0},
            {"probability": 0.9, "degrees": 15.0},
            {"probability": 0.9, "degrees": 20.0, "impostors": 7},
        )
        for entry in _ours("prototype/random", NEAR, 1e-2, **DRAWN | MORE | change)
    ],
    *[  # long enough to overfit to twelve drawers
        entry
        for change in (
            {"shift": 0.12, "degrees": 15.0},
            {"shift": 0.16, "degrees": 20.0},
            {"shift": 0.12, "degrees": 15.0, "scan_share": 0.5},
            {"elastic": 0.04},
            {"elastic": 0.08},
        )
        for entry in _ours(
            "prototype/random",
            NEAR,
            1e-2,
            **DRAWN | MORE | {"images": 1_000_000, "probability": 0.95} | change,
        )
    ],
]
GRIDS = {
    "hangul": ("rates", GRID),
    "omniglot": ("rates_omniglot", OMNIGLOT),
    "full": ("rates_full", FULL),
    "best": ("rates_best", LONGER),
    "drawers": ("rates_drawers", DRAWERS),
}


def measure(method: str, settings: dict, device) -> list[dict]:
    trainer, data = trainer_of(method, TUNING_SEED, device, **FIXED | settings)
    centroids, chunk = trainer.fit().centroids, trainer.plan.chunk
    pml = method.startswith("pml/")
    loss, _, mining = settings.get("row", "").rpartition("/")
    shown = ("row", "batch", "optimiser", "rate", "pool_classes", "images", "table")
    line = {
        "mining": "" if pml else mining,
        "loss": method if pml else loss or "metric",
        "batch": "pool" if pml else settings["batch"],
        "optimiser": settings.get("optimiser", "soap"),
        "pool_images": trainer.batch.images_a_step,
        "rate": settings["rate"],
        "other": " ".join(f"{name}={value}" for name, value in settings.items() if name not in shown),
        "images": (FIXED | settings)["images"],
        "seed": TUNING_SEED,
        "accuracy": accuracy_of(trainer.forward, centroids, data.validation, chunk),
    }
    if data.clean is not None:
        line["clean"] = accuracy_of(trainer.forward, centroids, data.clean, chunk)
    return [line]


def main() -> None:
    parser = command_line("benchmarks.rates", __doc__)
    parser.add_argument("data", nargs="?", choices=tuple(GRIDS), default="hangul")
    run_grid("benchmarks.rates", parser, measure, lambda options: GRIDS[options.data])


if __name__ == "__main__":
    main()
