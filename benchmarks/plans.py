"""How long a schedule each method needs for each target of benchmarks.time_to_accuracy: found with a seed that is not among its seeds.

    python -m benchmarks.plans            writes results/benchmarks/plans.csv; the last line of a method and target is its plan

A method takes its best rate (and pool) of results/benchmarks/rates.csv, then schedules of growing length until one ends at the target, or
until the longest that is tried. Finished runs are kept in runs/benchmarks/.
"""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from benchmarks.common import kept, publish
from benchmarks.time_to_accuracy import METHODS, TARGETS, TUNING_SEED
from siamese_lib.paths import results_folder
from siamese_lib.training import choose_device

LENGTHS = (20_000, 30_000, 45_000, 70_000, 100_000, 150_000, 225_000, 340_000, 500_000, 750_000, 1_100_000, 1_500_000, 2_000_000)  # images
LONGEST = {"literal": 2_000_000}
OTHERS_LONGEST = 750_000


def settings(method: str, rates: pd.DataFrame) -> dict:
    """Rate and pool of the method's best line in rates.csv."""
    batch = METHODS[method].get("batch", "pooled")
    of = rates[rates.loss == method] if method.startswith("pml/") else rates[(rates.loss == "metric") & (rates.batch == batch)]
    best = of[(of["images"] == of["images"].min()) & (of.schedule == "one-cycle")].sort_values("accuracy").iloc[-1]
    pool = {"pool_classes": int(best.pool_images) // 8} if batch in ("pooled-hard", "pooled-near") else {}
    return {"rate": float(best.rate), **pool}


def search(method: str, target: int, chosen: dict, device, threads: int | None) -> list[dict]:
    """The tried schedules, shortest first, up to the first that reached the target; strides are longer where it is far."""
    longest = LONGEST.get(method, OTHERS_LONGEST)
    lengths, lines, place = [n for n in LENGTHS if n <= longest], [], 0
    while place < len(lengths):
        one = [method, target, TUNING_SEED, chosen | {"images": lengths[place]}]
        run = kept("benchmarks.time_to_accuracy", one, device, threads)
        line = {"method": method, "target": target, **chosen, "images": lengths[place], "seed": TUNING_SEED}
        lines.append(line | {"best": run["best"], "reached": run["reached"]})
        print(f"{method} {target} %: {lengths[place]:,} images give {run['best']:.1f} %", flush=True)
        if run["reached"] or place == len(lengths) - 1:
            break
        share = run["best"] / target
        place = min(place + (4 if share < 0.25 else 3 if share < 0.5 else 2 if share < 0.75 else 1), len(lengths) - 1)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plans", description=__doc__.splitlines()[0])
    parser.add_argument("--device")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    device = choose_device(options.device)
    rates = pd.read_csv(results_folder() / "benchmarks" / "rates.csv")
    todo = [(method, target) for method in METHODS for target in TARGETS]
    with ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda each: search(*each, settings(each[0], rates), device, 1 if options.jobs > 1 else None), todo)
    publish("plans", [line for lines in found for line in lines], device)


if __name__ == "__main__":
    main()
