"""One JSON record a run, with an .npz beside it for curves and pictures; working ones in runs/, published ones in results/runs/."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import torch

from siamese_lib.data.faces import is_stopgap
from siamese_lib.errors import InputError
from siamese_lib.experiments.config import METHOD_VERSION, RunConfig
from siamese_lib.files import atomic_write, repository_root, results_folder, runs_folder, write_json

FINISHED = (
    "config",
    "seed",
    "manifest",
    "history",
    "totals",
    "evaluations",
)  # keys of a record that can be tabulated
DEFAULTS = json.loads(
    json.dumps(
        {f.name: f.default for f in dataclasses.fields(RunConfig) if f.default is not dataclasses.MISSING}
    )
)
NPZ_LIMIT = 1_000_000  # bytes of a published .npz


def environment(device: torch.device) -> dict:
    """Device, versions and git commit, as they stand in every record."""
    packages = ("torch", "numpy", "scipy", "pillow", "pandas")
    versions = {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in packages
    }
    on_cpu = device.type == "cpu"
    name = (
        f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
        if on_cpu
        else torch.cuda.get_device_name(device)
    )
    return {
        "device": {"type": device.type, "name": name},
        "versions": versions,
        "git": git_commit(),
        "method_version": METHOD_VERSION,
    }


def git_commit() -> str | None:
    """Commit of the checkout, with `+changes` where tracked files differ from it; None outside one."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=repository_root(), capture_output=True, text=True, timeout=10
        )
        changed = subprocess.run(
            ["git", "diff", "--quiet", "HEAD"], cwd=repository_root(), capture_output=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (
        head.stdout.strip() + ("+changes" if changed.returncode == 1 else "")
        if head.returncode == 0
        else None
    )


def load_record(path: Path) -> dict:
    """A finished record. A parameter that came later than the record has its default.

    Raises:
        InputError: the file cannot be read or lacks a part.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"record {path} cannot be read ({error}); delete it and run the row again"
        ) from error
    missing = [key for key in FINISHED if key not in record]
    if missing:
        raise InputError(f"record {path} lacks {', '.join(missing)}; delete it and run the row again")
    record["config"] = DEFAULTS | record["config"]
    record["config"].pop("variants", None)  # once a field; each evaluation says it itself
    return record


def run_kind(record: dict) -> str:
    """What must agree for two runs of different rows to be compared: budget, batch, framing, data, method and device."""
    fields = ("table", "profile", "batch", "num_classes", "framing", "images", "updates")
    config = {name: record["config"].get(name) for name in fields}
    parts = [config, record["manifest"], record.get("method_version"), record["device"]["type"]]
    return json.dumps(parts, sort_keys=True)


def uses_stopgap(record: dict) -> bool:
    """Whether a run used the few PyPI faces in place of the declared ones: such runs never enter a published table."""
    return is_stopgap(record["manifest"])


def published_records() -> list[dict]:
    """All records of results/runs/, in order of their ids."""
    return [load_record(path) for path in sorted((results_folder() / "runs").glob("*.json"))]


def working_records() -> list[dict]:
    """All finished records of runs/, in order of their ids."""
    return [load_record(path) for path in sorted(runs_folder().glob("*/record.json"))]


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Compressed .npz, written atomically."""
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def publish(identifier: str) -> Path:
    """Copy a finished run's record, and its .npz where that is small enough, into results/runs/.

    Args:
        identifier: the run id, or an unambiguous beginning of it.

    Raises:
        InputError: no such run, several of them, an unfinished run, or a results folder that cannot be written.
    """
    found = sorted(runs_folder().glob(f"{identifier}*/record.json")) if identifier else []
    if len(found) != 1:
        known = ", ".join(sorted(path.parent.name for path in runs_folder().glob("*/record.json"))) or "none"
        raise InputError(
            f"RUN={identifier!r} names {len(found)} finished runs in {runs_folder()}; finished there: {known}"
        )
    record = load_record(found[0])
    target = results_folder() / "runs" / f"{record['id']}.json"
    write_json(target, record)
    arrays = found[0].with_name("arrays.npz")
    if arrays.is_file() and arrays.stat().st_size <= NPZ_LIMIT:
        with atomic_write(target.with_suffix(".npz")) as temporary:
            shutil.copyfile(arrays, temporary)
    return target


def check_writable(folder: Path) -> None:
    """Fail before hours of work rather than after.

    Raises:
        InputError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}); make it writable or set SIAMESE_RUNS to another folder"
        ) from error


def published_arrays(records: list[dict]) -> dict[str, dict[str, np.ndarray]]:
    """Run id -> arrays of the published .npz, for those records that have one."""
    arrays = {}
    for record in records:
        path = results_folder() / "runs" / f"{record['id']}.npz"
        if path.is_file():
            with np.load(path) as stored:
                arrays[record["id"]] = {name: stored[name] for name in stored.files}
    return arrays


def font_results(records: list[dict], test_set: str) -> dict[str, list[dict]]:
    """Font -> its result (accuracy in percent, images) in each record that was tested on the set, in their order."""
    found: dict[str, list[dict]] = {}
    for record in records:
        for font, result in record["evaluations"].get(test_set, {}).get("by_font", {}).items():
            found.setdefault(font, []).append(result)
    return found
