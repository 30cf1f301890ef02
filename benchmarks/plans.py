"""How long a schedule each method needs for each target of benchmarks.time_to_accuracy, by another seed.

    python -m benchmarks.plans            writes results/benchmarks/plans.csv

A method takes its best learning rate (and pool) of results/benchmarks/rates.csv, then schedules of growing
length, each run to its end, until one has reached all of its targets or the longest has been tried. Finished
runs are kept in runs/benchmarks/.
"""

import os

import pandas as pd
import torch

from benchmarks.common import command_line, kept, publish, side_by_side
from benchmarks.time_to_accuracy import LENGTHS, METHODS, TARGETS, TUNING_SEED, accuracies, trainer_of
from siamese_lib.files import results_folder
from siamese_lib.runtime import choose_device

FIRST = {"pooled": 55_000}  # of the metric loss's rows: shortest schedule that is tried
LONGEST = 240_000
KINDS = tuple(dict.fromkeys(images for images, _ in TARGETS.values()))


def settings(method: str, rates: pd.DataFrame) -> dict:
    """Learning rate and pool of the method's best line in rates.csv, by the scans."""
    of_method = METHODS[method]
    loss, _, _ = of_method.get("row", "random").rpartition("/")
    wanted = {"optimiser": of_method.get("optimiser", "soap")}
    if method.startswith("pml/"):
        wanted |= {"loss": method.partition(",")[0]}
    else:
        wanted |= {"loss": loss or "metric", "batch": of_method.get("batch", "pooled")}
    mine = rates[rates.other.isna()]
    for column, value in wanted.items():
        mine = mine[mine[column] == value]
    best = mine.sort_values("accuracy").iloc[-1]
    return {"rate": float(best.rate), "pool_classes": int(best.pool_images) // 8}


def goals(method: str) -> dict[str, float]:
    """images -> percent that ends the search."""
    if method == "pooled/random":
        return {"clean": 40}
    return {images: percent for images, percent in TARGETS.values()}  # the last of each


def search(method: str, chosen: dict, device: torch.device) -> list[dict]:
    """The tried schedules, shortest first, up to the first that reached all goals."""
    lines, n = [], LENGTHS.index(FIRST.get(method.partition("/")[0], LENGTHS[0]))
    while True:
        images = LENGTHS[n]
        entry = [method, METHODS[method] | chosen | {"images": images}]
        found = kept("benchmarks.plans", entry, device, lambda entry=entry: measure(*entry, device))
        lines.append({"method": method, **chosen, "images": images, "seed": TUNING_SEED, **found})
        print(f"{method}: {images:,} images give", found, flush=True)
        if all(found[name] >= percent + 1 for name, percent in goals(method).items()) or images >= LONGEST:
            return lines
        n += 2 if found["clean"] < TARGETS["clean-40"][1] / 2 else 1


def measure(method: str, changes: dict, device: torch.device) -> dict[str, float]:
    trainer, data = trainer_of(method, TUNING_SEED, device, **changes)
    trainer.fit()
    return accuracies(trainer, data, KINDS)


def main() -> None:
    parser = command_line("benchmarks.plans", __doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    device = choose_device(options.device)
    rates = pd.read_csv(results_folder() / "benchmarks" / "rates.csv")
    searches = [(method, settings(method, rates), device) for method in METHODS]
    found = side_by_side(_search, searches, options.jobs)
    publish("plans", [line for lines in found for line in lines], device)


def _search(arguments: tuple) -> list[dict]:
    return search(*arguments)


if __name__ == "__main__":
    main()
