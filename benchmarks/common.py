"""What the benchmarks share: a quiet machine, timing, result files."""

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


def load() -> float:
    """Programs waiting for a processor, mean of the last minute, after three minutes of waiting at most; a notice where that is too many."""
    for _ in range(18):  # what ran just before is in that mean for a minute or two
        if os.getloadavg()[0] <= 0.5:
            break
        time.sleep(10)
    one_minute = os.getloadavg()[0]
    if one_minute > 0.5:
        print(
            f"notice: the load of this machine is {one_minute:.1f}; stop other programs, or the figures are theirs too",
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
    """Run `python -m module arguments` and parse the last line of its output, so that peak memory and compiled code are its own."""
    command = [sys.executable, "-m", module, *arguments]
    variables = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {}) | (variables or {})
    done = subprocess.run(command, cwd=repository_root(), stdout=subprocess.PIPE, text=True, env=variables)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def kept(module: str, one: list, device: torch.device, threads: int | None = None) -> dict:
    """The finished run of these settings in this version of the method, or a new one: `python -m module --one JSON`."""
    identifier = hashlib.sha256(json.dumps([module, one, str(device), METHOD_VERSION]).encode()).hexdigest()[
        :16
    ]
    path = runs_folder() / "benchmarks" / f"{identifier}.json"
    if not path.is_file():
        write_json(
            path, in_own_process(module, "--one", json.dumps(one), "--device", str(device), threads=threads)
        )
    return json.loads(path.read_text(encoding="utf-8"))


def side_by_side(one: Callable[..., dict], grid: list, jobs: int) -> list[dict]:
    """Lines of a table, `one` for each entry of the grid, `jobs` at a time; each is printed as soon as it is there."""

    def shown(each) -> dict:
        line = one(each)
        print(" ".join(str(value) for value in line.values()), flush=True)
        return line

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(shown, grid))


def publish(name: str, lines: list[dict], device: torch.device, **details) -> None:
    """Print the table; write results/benchmarks/<name>.csv, and beside it <name>.json with machine, versions and all raw figures."""
    table = pd.DataFrame(lines)
    print(table.to_string(index=False, float_format="%.3g"))
    folder = results_folder() / "benchmarks"
    write_text(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    facts = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "threads": torch.get_num_threads(),
    }
    write_json(folder / f"{name}.json", facts | environment(device) | details)
