"""One JSON record a run, with an .npz beside it for curves and pictures.

Working records lie in runs/, published ones in results/runs/.
"""

import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from siamese_lib.data.faces import is_stopgap
from siamese_lib.errors import InputError
from siamese_lib.experiments.config import METHOD_VERSION, RunConfig
from siamese_lib.files import atomic_write, repository_root, results_folder, runs_folder, write_text

NUMBER = (int, float)
# The parts of a record that tables and figures read, with their types; `...` stands for every key.
PARTS = {
    "config": {"table": str, "row": str, "profile": str, "batch": str},
    "seed": int,
    "manifest": {},
    "history": [{"images": NUMBER, "seconds": NUMBER, "accuracy": NUMBER}],
    "totals": {"images_seen": int, "seconds": NUMBER},
    "evaluations": {...: {"accuracy": NUMBER, "classes": int, "images": int}},
    "id": str,
    "method_version": int,
    "device": {"type": str},
    "created": str,
    "not_run": {},
}
# The fields of RunConfig that two runs of different rows share when they can be compared.
COMPARED = ("table", "profile", "batch", "num_classes", "framing", "images", "updates")
DEFAULTS = json.loads(
    json.dumps(
        {f.name: f.default for f in dataclasses.fields(RunConfig) if f.default is not dataclasses.MISSING}
    )
)
NPZ_LIMIT = 1_000_000  # bytes of a published .npz


def environment(device: torch.device) -> dict:
    """Device, processor, versions and git commit, as they stand in every record."""
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
        "processor": processor(),
        "versions": versions,
        "git": git_commit(),
        "method_version": METHOD_VERSION,
    }


def processor() -> str:
    """The processor's model and what torch uses of it: on others, runs of one seed end with other bits."""
    facts = Path("/proc/cpuinfo")  # Python's platform module knows no more than x86_64
    lines = facts.read_text(encoding="utf-8", errors="replace").splitlines() if facts.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model}, {torch.backends.cpu.get_cpu_capability()}"


def git_commit() -> str | None:
    """Commit of this package's checkout, with `+changes` where tracked files differ from it (but those of
    results/, which benchmarks write).

    None without git, for an installed wheel, and where the checkout is only a folder of another repository,
    since that one's commit says nothing about this code.
    """
    root = repository_root().resolve()
    if Path(__file__).resolve().parents[2] != root:
        return None
    try:
        head = _git(root, "rev-parse", "--show-toplevel", "HEAD")
        changed = _git(root, "diff", "--quiet", "HEAD", "--", ".", ":!results")
    except (OSError, subprocess.TimeoutExpired):
        return None
    top, _, commit = head.stdout.strip().rpartition("\n")
    if head.returncode or Path(top).resolve() != root:
        return None
    return commit + ("+changes" if changed.returncode == 1 else "")


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run git on the repository of a folder, even where a git hook has named another one."""
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR")
    variables = {name: value for name, value in os.environ.items() if name not in elsewhere}
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=10)


def load_record(path: Path) -> dict:
    """A finished record. A parameter that came later than the record has its default.

    Raises:
        InputError: the file cannot be read, or a part of PARTS is missing or of another type.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"record {path} cannot be read ({error}); delete it and run the row again"
        ) from error
    if faults := list(_faults(record, PARTS)):
        more = f" and {len(faults) - 12} more" if len(faults) > 12 else ""
        raise InputError(
            f"record {path} lacks {', '.join(faults[:12])}{more}; delete it and run the row again"
        )
    record["config"] = DEFAULTS | record["config"]
    record["config"]["protocol"] = record["config"]["protocol"] or ""  # null in some old records
    record["config"].pop("variants", None)  # once a field; now a part of each evaluation
    return record


def _faults(value: object, wanted: object, name: str = "") -> Iterator[str]:
    """Names of the parts of `value` that are missing or of another type than `wanted` says."""
    kind = type(wanted) if isinstance(wanted, (dict, list)) else wanted
    if name and not isinstance(value, kind):
        yield name
    elif isinstance(wanted, list):
        for place, item in enumerate(value):
            yield from _faults(item, wanted[0], f"{name}[{place}]")
    elif isinstance(wanted, dict):
        parts = value if isinstance(value, dict) else {}
        inner = {key: wanted[...] for key in parts} if ... in wanted else wanted
        for key, part in inner.items():
            yield from _faults(parts.get(key), part, f"{name}.{key}" if name else key)


def run_kind(record: dict, fields: Iterable[str] | None = COMPARED) -> str:
    """What must agree for two runs to be compared: configuration, data, method and device.

    Args:
        record: of the run.
        fields: of the configuration; by default those that rows of one table share. None: all fields, so
            that runs of one kind differ in their seed alone.
    """
    config = record["config"]
    config = config if fields is None else {name: config.get(name) for name in fields}
    parts = [config, record["manifest"], record.get("method_version"), record["device"]["type"]]
    return json.dumps(parts, sort_keys=True)


def uses_stopgap(record: dict) -> bool:
    """Whether a run used the PyPI typefaces in place of the declared ones; it then never enters a table."""
    return is_stopgap(record["manifest"])


def published_records(ablations: bool = False) -> list[dict]:
    """The records of results/runs/ that result tables are made of, in order of their ids.

    Names with a leading dot are not records.

    Args:
        ablations: those of profile `ablation` in their place.
    """
    paths = sorted((results_folder() / "runs").glob("*.json"))
    records = [load_record(path) for path in paths if not path.name.startswith(".")]
    return [record for record in records if (record["config"]["profile"] == "ablation") == ablations]


def working_records() -> list[dict]:
    """All finished records of runs/, in order of their ids."""
    return [load_record(path) for path in _finished()]


def _finished() -> list[Path]:
    """record.json of each finished run of runs/; folders with a leading dot are not runs."""
    paths = sorted(runs_folder().glob("*/record.json"))
    return [path for path in paths if not path.parent.name.startswith(".")]


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Compressed .npz, written atomically."""
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def finished_run(identifier: str) -> tuple[dict, Path]:
    """Record and folder of a finished run of runs/.

    Args:
        identifier: the run id, or an unambiguous beginning of it.

    Raises:
        InputError: no such run, or several of them.
    """
    finished = _finished()
    found = [path for path in finished if identifier and path.parent.name.startswith(identifier)]
    if len(found) != 1:
        known = ", ".join(path.parent.name for path in finished) or "none"
        raise InputError(
            f"RUN={identifier!r} names {len(found)} finished runs in {runs_folder()}; finished there: {known}"
        )
    return load_record(found[0]), found[0].parent


def publish(identifier: str) -> Path:
    """Copy a finished run's record, and its .npz where that is small enough, into results/runs/.

    Args:
        identifier: the run id, or an unambiguous beginning of it.

    Raises:
        InputError: no such run, several of them, one that is still trained or tested, or an unwritable
            results folder.
    """
    from siamese_lib.experiments.test_sets import test_sets_of  # which knows the data sets

    record, folder = finished_run(identifier)
    seen = record["evaluations"].keys() | record["not_run"].keys()
    if missing := [name for name in test_sets_of(record["config"]["protocol"]) if name not in seen]:
        raise InputError(
            f"run {record['id']} has not been tested on {', '.join(missing)}: it is still running, was "
            "interrupted, or was run with --evaluate; the same command without that tests it"
        )
    target = results_folder() / "runs" / f"{record['id']}.json"
    text = (folder / "record.json").read_text(encoding="utf-8")
    write_text(target, text)  # as it is: its id is the hash of what it holds
    arrays = folder / "arrays.npz"
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
            f"{folder} cannot be written ({error.strerror}); make it writable or set SIAMESE_RUNS to another "
            "folder"
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


def font_results(evaluations: Iterable[dict]) -> dict[str, list[dict]]:
    """Font -> its result (accuracy in percent, images) in each evaluation that has it, in their order."""
    found: dict[str, list[dict]] = {}
    for evaluation in evaluations:
        for font, result in evaluation.get("by_font", {}).items():
            found.setdefault(font, []).append(result)
    return found
