"""(b) How long until 40 and 80 % of the validation faces' images are read: 2,350 classes, nearest ideal vector.

    python -m benchmarks.time_to_accuracy            all methods, targets and seeds; finished ones are kept in runs/benchmarks/
    python -m benchmarks.time_to_accuracy --only pooled-near --target 80

Every method has its own rate and its own length of the one-cycle schedule for each target, chosen with another seed on the same validation
faces by benchmarks.rates and benchmarks.plans. A run is stopped at the target. The clock holds steps, statistics passes and updates of the samplers;
it does not hold compilation, nor the check that every method gets after each twentieth of a run's second half: ideal vectors of all training
images, all validation images. A target that no plan came near has no run, and `seeds` is 0.
"""

import argparse
import itertools
import json
import statistics

import pandas as pd

from benchmarks.common import kept, load, publish
from siamese_lib.errors import InputError
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.datasets import data_of
from siamese_lib.experiments.test_sets import accuracy_of
from siamese_lib.files import results_folder
from siamese_lib.runtime import choose_device

TARGETS = (40, 80)
LENGTHS = (
    20_000,
    30_000,
    45_000,
    70_000,
    100_000,
    150_000,
    225_000,
    340_000,
    500_000,
    750_000,
    1_100_000,
    1_500_000,
    2_000_000,
)  # images
SEEDS, TUNING_SEED = (0, 1, 2), 10
BOTH = "auto-probabilistic+auto-clustering"
METHODS = {
    "literal": {"batch": "literal"},
    "pooled/random": {},
    "pooled/auto-probabilistic": {"row": "auto-probabilistic"},
    "pooled/auto-clustering": {"row": "auto-clustering"},
    f"pooled/{BOTH}": {"row": BOTH},
    "pooled-hard": {"batch": "pooled-hard"},
    "pooled-near": {"batch": "pooled-near"},
    "pml/circle": {},
}


def plans() -> dict[tuple[str, int], dict]:
    """(method, target) -> rate, pool and images: the shortest schedule in results/benchmarks/plans.csv that reached the target.

    Where it did so by less than two points, the next longer one, so that chance seldom decides. Where none reached it, the longest, if it came
    to nine tenths of the target; below that the pair is left out.
    """
    path = results_folder() / "benchmarks" / "plans.csv"
    if not path.is_file():
        raise InputError(
            f"{path} is not there; run python -m benchmarks.rates, then python -m benchmarks.plans"
        )
    found, whole = {}, {"pool_classes": int, "images": int, "rate": float}
    for method, tried in pd.read_csv(path).sort_values("images").groupby("method", sort=False):
        for target in TARGETS:
            reached = tried[tried.best >= target]
            line = tried.iloc[-1] if reached.empty else reached.iloc[0]
            if line.best >= 0.9 * target:
                found[method, target] = {
                    name: kind(line[name]) for name, kind in whole.items() if pd.notna(line[name])
                }
                if target <= line.best < target + 2:
                    found[method, target]["images"] = min(n for n in LENGTHS if n > line["images"])
    return found


def trainer_of(method: str, seed: int, device, **changes):
    """(trainer, data) of a method; a name pml/... puts that loss and batch of pytorch-metric-learning into the same loop."""
    settings = METHODS.get(method, {}) | changes
    table, row, batch = (
        settings.pop("table", "table3"),
        settings.pop("row", "random"),
        settings.pop("batch", "pooled"),
    )
    config = make_config(table, row, "quick", batch, **settings)
    data = data_of(config)
    trainer = build_trainer(config, seed, device, data)
    trainer.validate = None  # `run` looks at all validation images
    if method.startswith("pml/"):
        from benchmarks.pml import PmlBatch, PmlLoss

        old = trainer.batch
        trainer.batch = PmlBatch(
            old.samples, old.positives, old.negatives, 2 * config.pool_classes, config.pool_samples
        )
        trainer.loss = PmlLoss(method.removeprefix("pml/"), config.num_classes).to(device)
        if parameters := list(trainer.loss.parameters()):
            trainer.optimiser.add_param_group({"params": parameters})
    return trainer, data


def run(method: str, target: float, seed: int, device, **changes) -> dict:
    """One run, to the target or to the end of its plan."""
    trainer, data = trainer_of(method, seed, device, **changes)
    curve = []
    for line in trainer.periods():
        if 2 * trainer.step < trainer.plan.steps:
            continue
        found = trainer.class_statistics(None)
        accuracy = accuracy_of(trainer.forward, found.centroids, data.validation, trainer.plan.chunk)
        curve.append([line["images"], line["seconds"], accuracy])
        if accuracy >= target:
            break
    best = max(accuracy for *_, accuracy in curve)
    return {
        "method": method,
        "target": target,
        "seed": seed,
        "reached": best >= target,
        "best": best,
        "plan": changes,
        "curve": curve,
    }


def summary(runs: list[dict]) -> list[dict]:
    """A line for each method and target, in the order of METHODS; medians over the runs that reached it."""
    lines = []
    for method, target in itertools.product(METHODS, TARGETS):
        of = [each for each in runs if (each["method"], each["target"]) == (method, target)]
        ends = [each["curve"][-1] for each in of if each["reached"]]
        images, seconds = (
            [statistics.median(column) for column in list(zip(*ends, strict=True))[:2]]
            if ends
            else [None, None]
        )
        line = {"method": method, "target": target, "seconds_median": seconds, "images_median": images}
        lines.append(line | {"seeds": len(of), "reached": len(ends)})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.time_to_accuracy", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--device")
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--target", nargs="+", type=int, choices=TARGETS, default=TARGETS)
    parser.add_argument(
        "--one", metavar="JSON", help="run [method, target, seed, changes] alone and print JSON"
    )
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.one:
        method, target, seed, changes = json.loads(options.one)
        print(json.dumps(run(method, target, seed, device, **changes)))
        return
    before, runs, planned = load(), [], plans()
    for method, target, seed in itertools.product(options.only, options.target, SEEDS):
        if (method, target) in planned:
            runs.append(
                kept("benchmarks.time_to_accuracy", [method, target, seed, planned[method, target]], device)
            )
            end = runs[-1]["curve"][-1]
            print(
                f"{method} {target} % seed {seed}: best {runs[-1]['best']:.1f} % after {end[0]:,} images, {end[1]:.0f} s",
                flush=True,
            )
    publish("time_to_accuracy", summary(runs), device, load=before, runs=runs)


if __name__ == "__main__":
    main()
