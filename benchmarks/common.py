"""What the benchmarks share: command line, a quiet machine, timing, grids of runs, result files."""

import argparse
import datetime
import functools
import hashlib
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pandas as pd
import torch

from siamese_lib.experiments.config import METHOD_VERSION
from siamese_lib.experiments.records import environment
from siamese_lib.files import repository_root, results_folder, runs_folder, write_json, write_text
from siamese_lib.runtime import choose_device


def command_line(module: str, doc: str) -> argparse.ArgumentParser:
    """The parser of a benchmark's options, with `--device`."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=doc.splitlines()[0])
    parser.add_argument("--device")
    return parser


def load() -> float:
    """The load of the machine: programs that want a processor, mean of the last minute.

    It is waited for up to three minutes until the machine is quiet; where it does not become so, a notice is
    printed.
    """
    for _ in range(18):  # what ran just before is in that mean for a minute or two
        if os.getloadavg()[0] <= 0.5:
            break
        time.sleep(10)
    one_minute = os.getloadavg()[0]
    if one_minute > 0.5:
        print(
            f"notice: the load of this machine is {one_minute:.1f}; stop other programs: they count, too",
            file=sys.stderr,
        )
    return one_minute


def seconds(function: Callable[[], object], device: torch.device) -> float:
    """How long one call takes, to the end of its work on the device."""
    _synchronise(device)
    began = time.perf_counter()
    function()
    _synchronise(device)
    return time.perf_counter() - began


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_mb(device: torch.device) -> float:
    """Most memory that this process ever held: on the device, or resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def in_own_process(
    module: str, *arguments: str, threads: int | None = None, variables: dict[str, str] | None = None
) -> dict:
    """Run `python -m module arguments`, with memory and compiled code of its own; parse its last line.

    Args:
        module, arguments: what to run.
        threads: of OpenMP; None: its default.
        variables: of the environment, beside the present ones.
    """
    command = [sys.executable, "-m", module, *arguments]
    variables = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {}) | (variables or {})
    done = subprocess.run(command, cwd=repository_root(), stdout=subprocess.PIPE, text=True, env=variables)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def kept(name: str, entry: list, device: torch.device, measure: Callable[[], object]) -> object:
    """The finished run of this entry in this version of the method; else a new one, which is kept.

    Args:
        name: of the benchmark.
        entry: what is measured, in JSON's types.
        device: where.
        measure: makes the result, in JSON's types.
    """
    text = json.dumps([name, entry, str(device), METHOD_VERSION])
    path = runs_folder() / "benchmarks" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        write_json(path, measure())
    return json.loads(path.read_text(encoding="utf-8"))


def run_grid(
    name: str,
    parser: argparse.ArgumentParser,
    measure: Callable[..., list[dict]],
    table: Callable[[argparse.Namespace], tuple[str, list[list]]],
) -> None:
    """The main program of a benchmark that is a grid of runs, side by side, a thread each.

    Finished runs are kept; the table is published when all are there. A worker makes many runs, so that the
    network is compiled once.

    Args:
        name: of the benchmark.
        parser: of its command line.
        measure: called with (*entry, device), makes the lines of an entry of the grid.
        table: options -> name of the table and entries of the grid.
    """
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs side by side")
    options = parser.parse_args()
    device = choose_device(options.device)
    published, grid = table(options)

    found = []
    for lines in side_by_side(functools.partial(_lines, name, measure, device), grid, options.jobs):
        for line in lines:
            print(*line.values(), flush=True)
        found += lines
    publish(published, found, device)


def _lines(name: str, measure: Callable[..., list[dict]], device: torch.device, entry: list) -> list[dict]:
    return kept(name, entry, device, lambda: measure(*entry, device))


def side_by_side(function: Callable[[object], object], entries: list, jobs: int) -> Iterator[object]:
    """What a function of a module makes of each entry, in their order.

    It is called in worker processes of one thread each; they live on, so each compiles the network once.
    """
    if jobs == 1:
        yield from map(function, entries)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, torch.set_num_threads, (1,)) as workers:
        yield from workers.map(function, entries)


def publish(name: str, lines: list[dict], device: torch.device, **details) -> None:
    """Print the table; write results/benchmarks/<name>.csv, and <name>.json with machine and `details`."""
    table = pd.DataFrame(lines)
    print(table.to_string(index=False, float_format="%.3g"))
    facts = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "threads": torch.get_num_threads(),
        **environment(device),  # before a file of the repository changes: it has the commit
    }
    folder = results_folder() / "benchmarks"
    write_text(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    write_json(folder / f"{name}.json", facts | details)
