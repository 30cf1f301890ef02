"""How long a schedule each method needs for each target of benchmarks.time_to_accuracy: found with a seed that is not among its seeds.

    python -m benchmarks.plans            writes results/benchmarks/plans.csv

A method takes its best rate (and pool) of results/benchmarks/rates.csv, then schedules of growing length, each run to its end, until one
reaches the last of its targets or the longest has been tried. Finished runs are kept in runs/benchmarks/.
"""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from benchmarks.common import kept, publish
from benchmarks.time_to_accuracy import LENGTHS, METHODS, TARGETS, TUNING_SEED
from siamese_lib.files import results_folder
from siamese_lib.runtime import choose_device

SCOPE = {  # kind of method -> shortest and longest schedule that is tried, last target it is tried for
    "literal": (340_000, 2_000_000, 40),  # rates.csv: at 120,000 images half of 40 % ...
    "pooled": (150_000, 340_000, 40),  # ... and 40 %
}
OTHERS = (20_000, 340_000, 80)


def settings(method: str, rates: pd.DataFrame) -> dict:
    """Rate and pool of the method's best line in rates.csv."""
    batch = METHODS[method].get("batch", "pooled")
    of = (
        rates[rates.loss == method]
        if method.startswith("pml/")
        else rates[(rates.loss == "metric") & (rates.batch == batch)]
    )
    best = (
        of[(of["images"] == of["images"].min()) & (of.schedule == "one-cycle")]
        .sort_values("accuracy")
        .iloc[-1]
    )
    pool = {} if batch == "literal" else {"pool_classes": int(best.pool_images) // 8}
    return {"rate": float(best.rate), **pool}


def search(method: str, chosen: dict, device, threads: int | None) -> list[dict]:
    """The tried schedules, shortest first, up to the first that reached the last target; strides are longer where the first is far."""
    shortest, longest, goal = SCOPE.get(method.partition("/")[0], OTHERS)
    tries, lines, place = [n for n in LENGTHS if shortest <= n <= longest], [], 0
    while not lines or (lines[-1]["best"] < goal and lines[-1]["images"] < longest):
        one = [
            method,
            100,
            TUNING_SEED,
            chosen | {"images": tries[place]},
        ]  # to its end: nothing reaches 100 %
        best = kept("benchmarks.time_to_accuracy", one, device, threads)["best"]
        lines.append({"method": method, **chosen, "images": tries[place], "seed": TUNING_SEED, "best": best})
        print(f"{method}: {tries[place]:,} images give {best:.1f} %", flush=True)
        place = min(place + (2 if best < TARGETS[0] / 2 else 1), len(tries) - 1)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plans", description=__doc__.splitlines()[0])
    parser.add_argument("--device")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    device = choose_device(options.device)
    rates = pd.read_csv(results_folder() / "benchmarks" / "rates.csv")
    with ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(
            lambda each: search(each, settings(each, rates), device, 1 if options.jobs > 1 else None), METHODS
        )
    publish("plans", [line for lines in found for line in lines], device)


if __name__ == "__main__":
    main()
