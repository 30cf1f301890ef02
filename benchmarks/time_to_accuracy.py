"""How long until a share of the validation images is read: 2,350 classes, nearest ideal vector.

    python -m benchmarks.time_to_accuracy            all methods, targets and seeds
    python -m benchmarks.time_to_accuracy --only triplet/pooled-near --target clean-80

Targets: 40, 80 and 90 % of the clean glyphs of the validation typefaces, and 80 % of their scans. Each method
has its own learning rate, pool and length of the one-cycle schedule for each target, chosen with another seed
on the same images by benchmarks.rates and benchmarks.plans. A run is stopped at the target. The clock holds
steps, and of our methods statistics passes and updates of the samplers; it does not hold compilation, nor the
check that every method gets after each period of a run's last quarter (a run has 20, with near pools 10):
ideal vectors of two training images a class, all images of the target. A target that no plan came near has
no run, and `seeds` is 0. Finished runs are kept in runs/benchmarks/.
"""

import itertools
import json
import statistics

import pandas as pd
import torch

from benchmarks.common import command_line, in_own_process, kept, load, publish
from siamese_lib.errors import InputError
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import RunConfig, make_config
from siamese_lib.experiments.datasets import TrainingData, data_of
from siamese_lib.experiments.test_sets import accuracy_of
from siamese_lib.files import results_folder
from siamese_lib.runtime import choose_device
from siamese_lib.training import Trainer

TARGETS = {  # name -> images, percent of them
    "clean-40": ("clean", 40),
    "clean-80": ("clean", 80),
    "clean-90": ("clean", 90),
    "scans-80": ("scans", 80),
}
THOUSANDS = (10, 15, 20, 30, 40, 55, 75, 100, 135, 180, 240, 320, 430, 570)
LENGTHS = tuple(1_000 * n for n in THOUSANDS)  # images of a schedule
SEEDS, TUNING_SEED = (0, 1, 2), 10
NEAR = {"row": "triplet/random", "batch": "pooled-near", "updates": 10, "statistics_samples": 1}
METHODS = {
    "pooled/random": {},
    "pooled/auto-clustering": {"row": "auto-clustering"},
    "triplet/pooled-near": NEAR,
    # with Adam, ten statistics of one image a class end in a collapse too often
    "triplet/pooled-near, adam": {"row": "triplet/random", "batch": "pooled-near", "optimiser": "adam"},
    "pml/circle, adam": {"optimiser": "adam"},
    "pml/circle, soap": {},
    "pml/multi-similarity, adam": {"optimiser": "adam"},
    "pml/multi-similarity, soap": {},
}


def plans() -> dict[tuple[str, str], dict]:
    """The shortest schedule in results/benchmarks/plans.csv that reached the target.

    Where it did so by less than a point, it is the next longer one, so that chance seldom decides.

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
        for target, (images, percent) in TARGETS.items():
            reached = tried[tried[images] >= percent]
            if not reached.empty:
                line = reached.iloc[0]
                plan = {name: kind(line[name]) for name, kind in kinds.items() if pd.notna(line[name])}
                if line[images] < percent + 1:
                    plan["images"] = min(n for n in (*LENGTHS, 2 * LENGTHS[-1]) if n > line["images"])
                chosen[method, target] = plan
    return chosen


def config_of(method: str, **changes) -> RunConfig:
    """The configuration of a method; of pml/... that of the loop around its loss and batch."""
    settings = {"table": "table3", "row": "random", "batch": "pooled"} | METHODS.get(method, {}) | changes
    return make_config(profile="quick", **settings)


def trainer_of(method: str, seed: int, device: torch.device, **changes) -> tuple[Trainer, TrainingData]:
    """Trainer and data of a method; pml/... puts a loss of pytorch-metric-learning into the same loop."""
    config = config_of(method, **changes)
    data, parts = data_of(config), {}
    if method.startswith("pml/"):
        from benchmarks.pml import pml_batch, pml_loss, without_statistics

        name = method.removeprefix("pml/").partition(",")[0]
        parts = {"loss": pml_loss(name), "batch": pml_batch}
    # no validation: `run` looks at all validation images
    trainer = build_trainer(config, seed, device, data, validate=None, **parts)
    if parts:
        without_statistics(trainer)
    return trainer, data


def accuracies(trainer: Trainer, data: TrainingData, images: tuple[str, ...]) -> dict[str, float]:
    """Percent of all clean validation glyphs (`clean`) and of all scans (`scans`) that are read."""
    banks, centroids = {"clean": data.clean, "scans": data.validation}, trainer.class_statistics(2).centroids
    return {name: accuracy_of(trainer.forward, centroids, banks[name], trainer.plan.chunk) for name in images}


def run(method: str, target: str, seed: int, device: torch.device, changes: dict) -> dict:
    """One run, to the target or to the end of its plan."""
    trainer, data = trainer_of(method, seed, device, **changes)
    images, percent = TARGETS[target]
    curve = []
    for line in trainer.periods():
        if 4 * trainer.step < 3 * trainer.plan.steps:
            continue
        accuracy = accuracies(trainer, data, (images,))[images]
        curve.append([line["images"], line["seconds"], accuracy])
        if accuracy >= percent:
            break
    best = max(accuracy for *_, accuracy in curve)
    entry = {"method": method, "target": target, "seed": seed, "plan": changes}
    return entry | {"reached": best >= percent, "best": best, "curve": curve}


def runs_of(method: str, target: str, changes: dict, device: torch.device) -> list[dict]:
    """A run of each seed, in one process; a short one before, unseen, so that all of them are warm."""
    run(method, target, TUNING_SEED, device, changes | {"images": LENGTHS[0]})
    return [run(method, target, seed, device, changes) for seed in SEEDS]


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
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--one", metavar="JSON", help="run [method, target, settings] and print JSON")
    options = parser.parse_args()
    device, name = choose_device(options.device), "benchmarks.time_to_accuracy"
    if options.one:
        print(json.dumps(runs_of(*json.loads(options.one), device)))
        return
    before, runs, planned = load(), [], plans()
    for method, target in itertools.product(options.only, options.target):
        if (method, target) not in planned:
            continue
        entry = [method, target, METHODS[method] | planned[method, target]]
        command = name, "--one", json.dumps(entry), "--device", str(device)
        runs += kept(name, entry, device, lambda command=command: in_own_process(*command))
        for one in runs[-len(SEEDS) :]:
            images, seconds, _ = one["curve"][-1]
            print(
                f"{method} {target}: {one['best']:.1f} % after {images:,} images, {seconds:.0f} s", flush=True
            )
    publish("time_to_accuracy", summary(runs), device, load=before, runs=runs)


if __name__ == "__main__":
    main()
