"""How long until 40 and 80 % of the validation images are read: 2,350 classes, nearest ideal vector.

    python -m benchmarks.time_to_accuracy            all methods, targets and seeds
    python -m benchmarks.time_to_accuracy --only pooled-near --target 80

Finished runs are kept in runs/benchmarks/. Every method has its own learning rate and its own length of the
one-cycle schedule for each target, chosen with another seed on the same validation images by benchmarks.rates
and benchmarks.plans. A run is stopped at the target. The clock holds steps, statistics passes and updates of
the samplers; it does not hold compilation, nor the check that every method gets after each twentieth of a
run's second half: ideal vectors of all training images, all validation images. A target that no plan came
near has no run, and `seeds` is 0.
"""

import itertools
import json
import statistics

import pandas as pd

from benchmarks.common import command_line, kept, load, publish
from siamese_lib.errors import InputError
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.datasets import data_of
from siamese_lib.experiments.test_sets import accuracy_of
from siamese_lib.files import results_folder
from siamese_lib.runtime import choose_device

TARGETS = (40, 80)
THOUSANDS = (20, 30, 45, 70, 100, 150, 225, 340, 500, 750, 1_100, 1_500, 2_000)
LENGTHS = tuple(1_000 * n for n in THOUSANDS)  # images of a schedule
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
    """The shortest schedule in results/benchmarks/plans.csv that reached the target.

    Where it did so by less than two points, it is the next longer one, so that chance seldom decides. Where
    none reached it, it is the longest, if that came to nine tenths of the target; below that the pair is left
    out.

    Returns:
        (method, target) -> learning rate, pool and images, as settings of RunConfig.
    """
    path = results_folder() / "benchmarks" / "plans.csv"
    if not path.is_file():
        raise InputError(
            f"{path} is not there; run python -m benchmarks.rates, then python -m benchmarks.plans"
        )
    chosen, kinds = {}, {"pool_classes": int, "images": int, "rate": float}
    for method, tried in pd.read_csv(path).sort_values("images").groupby("method", sort=False):
        for target in TARGETS:
            reached = tried[tried.best >= target]
            line = tried.iloc[-1] if reached.empty else reached.iloc[0]
            if line.best >= 0.9 * target:
                plan = {name: kind(line[name]) for name, kind in kinds.items() if pd.notna(line[name])}
                if target <= line.best < target + 2:
                    plan["images"] = min(n for n in LENGTHS if n > line["images"])
                chosen[method, target] = plan
    return chosen


def trainer_of(method: str, seed: int, device, **changes):
    """Trainer and data of a method; pml/... puts a loss of pytorch-metric-learning into the same loop."""
    settings = {"table": "table3", "row": "random", "batch": "pooled"} | METHODS.get(method, {}) | changes
    config = make_config(profile="quick", **settings)
    data, parts = data_of(config), {}
    if method.startswith("pml/"):
        from benchmarks.pml import pml_batch, pml_loss

        parts = {"loss": pml_loss(method.removeprefix("pml/")), "batch": pml_batch}
    # no validation: `run` looks at all validation images
    return build_trainer(config, seed, device, data, validate=None, **parts), data


def run(method: str, target: float, seed: int, device, **changes) -> dict:
    """One run, to the target or to the end of its plan."""
    trainer, data = trainer_of(method, seed, device, **changes)
    curve = []
    for line in trainer.periods():
        if 2 * trainer.step < trainer.plan.steps:
            continue
        centroids = trainer.class_statistics().centroids
        accuracy = accuracy_of(trainer.forward, centroids, data.validation, trainer.plan.chunk)
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
        mine = [run for run in runs if (run["method"], run["target"]) == (method, target)]
        ends = [run["curve"][-1] for run in mine if run["reached"]]
        line = {
            "method": method,
            "target": target,
            "seconds_median": statistics.median(seconds for _, seconds, _ in ends) if ends else None,
            "images_median": statistics.median(images for images, *_ in ends) if ends else None,
            "seeds": len(mine),
            "reached": len(ends),
        }
        lines.append(line)
    return lines


def main() -> None:
    parser = command_line("benchmarks.time_to_accuracy", __doc__)
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--target", nargs="+", type=int, choices=TARGETS, default=TARGETS)
    parser.add_argument("--one", metavar="JSON", help="run [method, target, seed, settings] and print JSON")
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.one:
        method, target, seed, changes = json.loads(options.one)
        print(json.dumps(run(method, target, seed, device, **changes)))
        return
    before, runs, planned = load(), [], plans()
    for method, target, seed in itertools.product(options.only, options.target, SEEDS):
        if (method, target) in planned:
            entry = [method, target, seed, planned[method, target]]
            runs.append(kept("benchmarks.time_to_accuracy", entry, device))
            best, (images, seconds, _) = runs[-1]["best"], runs[-1]["curve"][-1]
            print(
                f"{method} {target} % seed {seed}: {best:.1f} % after {images:,} images, {seconds:.0f} s",
                flush=True,
            )
    publish("time_to_accuracy", summary(runs), device, load=before, runs=runs)


if __name__ == "__main__":
    main()
