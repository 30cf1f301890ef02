"""What a network reads while it trains on: clean glyphs and scans of validation faces, test scans, real ones.

    python -m benchmarks.long_run           writes results/benchmarks/long_run.csv, for notebook 04

Nothing is timed and nothing chosen: the test sets are looked at, ten times a run, to see whether training
on helps them, too. Ideal vectors are those of all clean training glyphs; the real scans are of the classes
that are there.
"""

from benchmarks.common import command_line, run_grid
from benchmarks.time_to_accuracy import NEAR, trainer_of
from siamese_lib.evaluation import evaluate
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.test_sets import accuracy_of, hangul_stream

IMAGES, SEED = 400_000, 0
SCANS = {"scan_share": 0.5}  # augmentation of our own, as in profile `best`
METHODS = {
    "auto-clustering": {"row": "auto-clustering"},
    "triplet/pooled-near, scanned": NEAR | SCANS,
}


def measure(method: str, device) -> list[dict]:
    """A line for each tenth of the run."""
    settings = METHODS[method] | {"images": IMAGES}
    trainer, data = trainer_of("ours", SEED, device, **settings)
    config = make_config(profile="quick", **({"batch": "pooled"} | settings))
    lines = []
    for number, line in enumerate(trainer.periods()):
        if number % 2 == 0:
            continue
        centroids, chunk = trainer.class_statistics().centroids, config.chunk
        found = {"clean": data.clean, "scans": data.validation}
        found = {name: accuracy_of(trainer.forward, centroids, bank, chunk) for name, bank in found.items()}
        for name in ("phd08-sim", "phd08"):
            banks, _ = hangul_stream(name, config, device, variants=1)
            result = evaluate(trainer.forward, centroids, data.train.classes, banks, None, chunk)
            found[name] = result.summary()["accuracy"]
        lines.append({"method": method, "images": line["images"], "seed": SEED} | found)
    return lines


def main() -> None:
    parser = command_line("benchmarks.long_run", __doc__)
    run_grid("benchmarks.long_run", parser, measure, lambda options: ("long_run", [[m] for m in METHODS]))


if __name__ == "__main__":
    main()
