"""How fast training is beside other busy programs, by how threads wait and how many there are.

    python -m benchmarks.shared

Images a second of `pooled` steps. Each measurement is a process of its own. `policy` is how OpenMP's threads
wait for one another: `spinning` (its own default), `brief` (spinning a three-hundredth as long, then
sleeping) or `passive` (sleeping at once: the package's default). `busy` counts the other programs, each of
which keeps one core at work; `runs` trainings go on side by side, and `images_per_s` is what they see
together. `of_spinning` is the share of what one training with two spinning threads sees on a quiet machine.
Two runs of one thread side by side are what a grid does.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.common import in_own_process, load, publish

SECONDS = 10.0
POLICIES = {
    "spinning": {"GOMP_SPINCOUNT": "300000"},
    "brief": {"GOMP_SPINCOUNT": "1000"},
    "passive": {"GOMP_SPINCOUNT": "0"},
}
SETTINGS = [  # policy, threads, busy programs, runs
    *[(policy, 2, busy, 1) for busy in (0, 1) for policy in POLICIES],
    *[("brief", 1, busy, runs) for busy in (0, 1) for runs in (1, 2)],
    *[(policy, 2, 2, 1) for policy in ("spinning", "brief")],
    ("brief", 1, 2, 2),
]


def measure(device: str) -> dict:
    """Images a second of one training, for SECONDS."""
    from benchmarks.common import seconds
    from siamese_lib.experiments.build import build_trainer
    from siamese_lib.experiments.config import make_config
    from siamese_lib.experiments.datasets import data_of
    from siamese_lib.runtime import choose_device

    where = choose_device(device)
    config = make_config("table3", "random", "cpu", "pooled")
    trainer = build_trainer(config, 0, where, data_of(config))
    for _ in range(3):
        trainer.one_step()
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        seconds(trainer.one_step, where)
        steps += 1
    return {"images_per_s": steps * trainer.batch.images_a_step / (time.perf_counter() - began)}


def together(policy: str, threads: int, busy: int, runs: int) -> float:
    """Images a second of so many trainings together, beside so many busy programs."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        with ThreadPoolExecutor(runs) as pool:
            variables = POLICIES[policy]
            found = pool.map(
                lambda _: in_own_process("benchmarks.shared", "--one", threads=threads, variables=variables),
                range(runs),
            )
            return sum(each["images_per_s"] for each in found)
    finally:
        for other in others:
            other.kill()
            other.wait()


def lines(rates: dict[tuple, float]) -> list[dict]:
    """(policy, threads, busy, runs) -> images a second, as lines of the table."""
    spinning = rates["spinning", 2, 0, 1]
    return [
        {"policy": policy, "threads": threads, "busy": busy, "runs": runs, "images_per_s": rate}
        | {"of_spinning": rate / spinning}
        for (policy, threads, busy, runs), rate in rates.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--one", action="store_true", help="measure one training in this process and print JSON"
    )
    if parser.parse_args().one:
        print(json.dumps(measure("cpu")))
        return
    import torch

    before, rates = load(), {}
    for setting in SETTINGS:
        rates[setting] = together(*setting)
        print(*setting, f"{rates[setting]:,.0f} images/s", flush=True)
    raw = [[*setting, rate] for setting, rate in rates.items()]
    publish("shared", lines(rates), torch.device("cpu"), load=before, raw=raw, cores=os.cpu_count())


if __name__ == "__main__":
    main()
