"""What the benchmarks share: command line, a quiet machine, timing, grids of runs, result files."""

import argparse
import datetime
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

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


def kept(module: str, one: list, device: torch.device, threads: int | None = None) -> dict:
    """The finished run of these settings in this version of the method, else a new one: `--one JSON`."""
    text = json.dumps([module, one, str(device), METHOD_VERSION])
    path = runs_folder() / "benchmarks" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        arguments = "--one", json.dumps(one), "--device", str(device)
        write_json(path, in_own_process(module, *arguments, threads=threads))
    return json.loads(path.read_text(encoding="utf-8"))


def run_grid(
    module: str,
    parser: argparse.ArgumentParser,
    measure: Callable[..., dict],
    table: Callable[[argparse.Namespace], tuple[str, list[list]]],
    front: Callable[..., dict] = lambda *entry: {},
) -> None:
    """The main program of a benchmark that is a grid of runs, each in a process of its own.

    Finished runs are kept; the table is published when all are there.

    Args:
        module: the benchmark's name; it is started again with `--one` for each run.
        parser: of its command line.
        measure: called with (*entry, device), makes the line of an entry of the grid.
        table: options -> name of the table and entries of the grid.
        front: called with *entry, makes the columns in front of the measured ones.
    """
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs side by side")
    parser.add_argument("--one", metavar="JSON", help="run this entry alone and print JSON")
    options = parser.parse_args()
    device, threads = choose_device(options.device), 1 if options.jobs > 1 else None
    if options.one:
        print(json.dumps(measure(*json.loads(options.one), device)))
        return

    def line(entry: list) -> dict:
        columns = front(*entry) | kept(module, entry, device, threads)
        print(*columns.values(), flush=True)
        return columns

    name, grid = table(options)
    with ThreadPoolExecutor(options.jobs) as pool:
        publish(name, list(pool.map(line, grid)), device)


def publish(name: str, lines: list[dict], device: torch.device, **details) -> None:
    """Print the table; write results/benchmarks/<name>.csv, and <name>.json with machine and `details`."""
    table = pd.DataFrame(lines)
    print(table.to_string(index=False, float_format="%.3g"))
    folder = results_folder() / "benchmarks"
    write_text(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    facts = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "threads": torch.get_num_threads(),
    }
    write_json(folder / f"{name}.json", facts | environment(device) | details)
