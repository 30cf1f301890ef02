"""How long a schedule each method needs for each target of benchmarks.time_to_accuracy, by another seed.

    python -m benchmarks.plans            writes results/benchmarks/plans.csv

A method takes its best learning rate (and pool) of results/benchmarks/rates.csv, then schedules of growing
length, each run to its end, until one reaches the last of its targets or the longest has been tried. Finished
runs are kept in runs/benchmarks/.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from benchmarks.common import command_line, kept, publish
from benchmarks.time_to_accuracy import LENGTHS, METHODS, TARGETS, TUNING_SEED
from siamese_lib.files import results_folder
from siamese_lib.runtime import choose_device

SCOPE = {  # kind of method -> shortest and longest schedule that is tried, last target it is tried for
    "literal": (340_000, 2_000_000, 40),  # rates.csv: at 120,000 images half of 40 % ...
    "pooled": (150_000, 340_000, 40),  # ... and 40 %
}
OTHERS = (20_000, 340_000, 80)


def settings(method: str, rates: pd.DataFrame) -> dict:
    """Learning rate and pool of the method's best line in rates.csv."""
    batch = METHODS[method].get("batch", "pooled")
    mine = rates.loss == method
    if not method.startswith("pml/"):
        mine = (rates.loss == "metric") & (rates.batch == batch)
    tried = rates[mine & (rates.schedule == "one-cycle")]
    best = tried[tried["images"] == rates[mine]["images"].min()].sort_values("accuracy").iloc[-1]
    pool = {} if batch == "literal" else {"pool_classes": int(best.pool_images) // 8}
    return {"rate": float(best.rate), **pool}


def search(method: str, chosen: dict, device, threads: int | None) -> list[dict]:
    """The tried schedules, shortest first, up to the first that reached the last target.

    Where a schedule stays far from the first target, the next one is skipped.
    """
    shortest, longest, goal = SCOPE.get(method.partition("/")[0], OTHERS)
    lengths, lines, n = [length for length in LENGTHS if shortest <= length <= longest], [], 0
    while not lines or (lines[-1]["best"] < goal and lines[-1]["images"] < longest):
        images = lengths[n]
        one = [method, 100, TUNING_SEED, chosen | {"images": images}]  # to its end: nothing reaches 100 %
        best = kept("benchmarks.time_to_accuracy", one, device, threads)["best"]
        lines.append({"method": method, **chosen, "images": images, "seed": TUNING_SEED, "best": best})
        print(f"{method}: {images:,} images give {best:.1f} %", flush=True)
        n = min(n + (2 if best < TARGETS[0] / 2 else 1), len(lengths) - 1)
    return lines


def main() -> None:
    parser = command_line("benchmarks.plans", __doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    device = choose_device(options.device)
    rates = pd.read_csv(results_folder() / "benchmarks" / "rates.csv")
    threads = 1 if options.jobs > 1 else None
    with ThreadPoolExecutor(options.jobs) as pool:
        tried = pool.map(lambda method: search(method, settings(method, rates), device, threads), METHODS)
    publish("plans", [line for lines in tried for line in lines], device)


if __name__ == "__main__":
    main()
