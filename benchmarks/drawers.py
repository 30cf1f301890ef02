"""What limits reading B of Omniglot: losses, augmentation and length, judged on the validation drawers.

    python -m benchmarks.drawers            writes results/benchmarks/drawers.csv
    python -m benchmarks.drawers --jobs 1   one run at a time (default: one on each processor, a thread each)

Nothing is timed. The accuracy on the clean drawings that were trained on tells whether it is the network or
the twelve drawers that ran out. Seed 10 is used by no table; the test drawers are not looked at. Finished
runs are kept in runs/benchmarks/.
"""

from benchmarks.common import command_line, run_grid
from benchmarks.time_to_accuracy import TUNING_SEED, trainer_of
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.test_sets import accuracy_of

IMAGES = 300_000
BEST = {"row": "prototype/random"} | PROFILES["best"].of_table["table4"]  # its augmentation and length
GRID = [
    {"row": "random"},
    {"row": "contrastive/random"},
    {"row": "triplet/random"},
    {"row": "prototype/random"},
    BEST | {"images": IMAGES},
    BEST,
]
# Columns that are settings.
SHOWN = ("loss", "batch", "rate", "images", "probability", "shift", "degrees", "elastic")


def measure(settings: dict, device) -> list[dict]:
    trainer, data = trainer_of("ours", TUNING_SEED, device, table="table4", **settings)
    centroids, chunk = trainer.fit().centroids, trainer.plan.chunk
    config = make_config("table4", profile="quick", **settings)
    line = {name: getattr(config, name) for name in SHOWN} | {
        "pool_images": trainer.batch.images_a_step,
        "seed": TUNING_SEED,
        "train_accuracy": accuracy_of(trainer.forward, centroids, data.train, chunk),
        "accuracy": accuracy_of(trainer.forward, centroids, data.validation, chunk),
    }
    return [line]


def main() -> None:
    grid = [[{"batch": "pooled-near", "images": IMAGES} | settings] for settings in GRID]
    parser = command_line("benchmarks.drawers", __doc__)
    run_grid("benchmarks.drawers", parser, measure, lambda options: ("drawers", grid))


if __name__ == "__main__":
    main()
