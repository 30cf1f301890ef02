import copy
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

from siamese_lib.errors import InputError
from siamese_lib.experiments import records
from siamese_lib.experiments.config import hash_of
from siamese_lib.files import results_folder, write_json

NAMES = {"table": "table3", "row": "random", "profile": "quick", "batch": "pooled"}


def record(identifier: str) -> dict:
    return {
        "id": identifier,
        "config": records.DEFAULTS | NAMES,
        "seed": 0,
        "manifest": {},
        "method_version": 3,
        "device": {"type": "cpu"},
        "created": "2026-01-01",
        "history": [{"images": 10, "seconds": 1.5, "accuracy": 40}],
        "totals": {"images_seen": 10, "seconds": 1.5},
        "evaluations": {"phd08-sim": {"accuracy": 40.0, "classes": 2350, "images": 100}},
        "not_run": {"phd08": "no class files"},
    }


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(records, "results_folder", lambda: tmp_path / "results")
    for identifier in ("aa11", "aa22", "bb33"):
        write_json(tmp_path / "runs" / identifier / "record.json", record(identifier))
        records.save_arrays(tmp_path / "runs" / identifier / "arrays.npz", {"p": np.arange(3)})
    return tmp_path


def test_publish_copies_record_and_arrays(folders):
    target = records.publish("bb")
    assert json.loads(target.read_text()) == record("bb33") and records.published_records() == [
        record("bb33")
    ]
    assert records.published_arrays(records.published_records())["bb33"]["p"].tolist() == [0, 1, 2]
    assert [r["id"] for r in records.working_records()] == ["aa11", "aa22", "bb33"]


def test_a_run_that_is_still_tested_is_not_published(folders):
    """Training is over and the record written, then one test set after the other is added to it."""
    half = record("cc44") | {"evaluations": {}}
    write_json(folders / "runs" / "cc44" / "record.json", half)
    with pytest.raises(InputError, match="run cc44 has not been tested on phd08-sim: it is still running"):
        records.publish("cc44")
    assert not (folders / "results" / "runs" / "cc44.json").exists()


@pytest.mark.parametrize("identifier, count", [("aa", 2), ("cc", 0), ("", 0)])
def test_publish_wants_one_run(folders, identifier, count):
    with pytest.raises(InputError, match=f"names {count} finished runs .*aa11, aa22, bb33"):
        records.publish(identifier)


def test_large_arrays_stay_behind(folders, monkeypatch):
    monkeypatch.setattr(records, "NPZ_LIMIT", 10)
    assert not records.publish("bb33").with_suffix(".npz").exists()


def test_an_unfinished_run_cannot_be_published(folders):
    (folders / "runs" / "dd44").mkdir()
    (folders / "runs" / "dd44" / "checkpoint.pt").touch()
    with pytest.raises(InputError, match="RUN='dd44' names 0 finished runs"):
        records.publish("dd44")


def test_a_parameter_that_came_later_has_its_default(folders):
    old = record("aa11")
    old["config"] = NAMES | {"eta": 5, "protocol": None}
    write_json(folders / "runs" / "aa11" / "record.json", old)
    config = records.load_record(folders / "runs" / "aa11" / "record.json")["config"]
    assert config == records.DEFAULTS | NAMES | {"eta": 5}
    assert config["ratio"] == 8 and config["pixelation"] == [0.7, 0.9] and config["protocol"] == ""


def test_publishing_keeps_the_record_as_it_is(folders):
    """An older record without a later parameter: its id is the hash of what it holds."""
    old = record("bb33") | {"config": NAMES | {"variants": None}}
    write_json(folders / "runs" / "bb33" / "record.json", old)
    assert json.loads(records.publish("bb33").read_text()) == old


@pytest.mark.parametrize(
    "identifier", ["/", "/tmp", "..", "../runs/bb33", "*", "b?33", "[b]b33", ".", "bb33/"]
)
def test_publish_takes_an_id_not_a_path(folders, identifier):
    """An absolute path was a traceback of pathlib's, `..` and wildcards named runs."""
    with pytest.raises(InputError, match="names 0 finished runs .*aa11, aa22, bb33"):
        records.publish(identifier)


def test_files_of_other_programs_are_no_records(folders):
    records.publish("bb33")
    for name in ("._bb33.json", ".bb33-1a2b3c4d.json", "bb33.json~", ".DS_Store"):
        (folders / "results" / "runs" / name).write_bytes(b"\x00\x05\x16\x07")
    for name in ("._bb33", ".Trash"):
        (folders / "runs" / name).mkdir()
        (folders / "runs" / name / "record.json").write_bytes(b"\x00\x05\x16\x07")
    (folders / "runs" / "bb33" / "._record.json").write_bytes(b"\x00")
    assert [r["id"] for r in records.published_records()] == ["bb33"]
    assert [r["id"] for r in records.working_records()] == ["aa11", "aa22", "bb33"]
    assert records.publish("bb33").stem == "bb33"


def test_publishing_again_replaces(folders):
    target = records.publish("bb33")
    write_json(folders / "runs" / "bb33" / "record.json", record("bb33") | {"seed": 5})
    records.save_arrays(folders / "runs" / "bb33" / "arrays.npz", {"p": np.arange(4)})
    assert records.publish("bb33") == target and records.load_record(target)["seed"] == 5
    assert len(records.published_arrays([record("bb33")])["bb33"]["p"]) == 4
    assert sorted(path.name for path in target.parent.iterdir()) == ["bb33.json", "bb33.npz"]


def test_results_that_cannot_be_written(folders, monkeypatch):
    (folders / "file").write_text("")
    monkeypatch.setattr(records, "results_folder", lambda: folders / "file")
    with pytest.raises(InputError, match=r"cannot write .*bb33\.json: "):
        records.publish("bb33")


@pytest.mark.parametrize(
    "content, message",
    [
        (b'{"id": "abc", "config"', "cannot be read .*delete it and run the row again"),
        (b"\x80\x81", "cannot be read"),
        (
            b'{"id": "abc", "config": {}}',
            "lacks config.table, config.row, config.profile, config.batch, seed, manifest, history, totals, "
            "evaluations, method_version, device, created and 1 more; delete it",
        ),
        (b"[1, 2]", "lacks config, seed"),
        (b"null", "lacks config, seed"),
        (None, "cannot be read .*No such file"),
    ],
)
def test_damaged_records_are_named(tmp_path, content, message):
    path = tmp_path / "record.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"record .*record\.json {message}") as caught:
        records.load_record(path)
    assert "\n" not in str(caught.value)


def without(value, path: str, put=None):
    """A copy of a record in which `path` ("totals.seconds") is absent, or has the value `put`."""
    changed = copy.deepcopy(value)
    *outer, last = path.split(".")
    part = changed
    for name in outer:
        part = part[int(name) if isinstance(part, list) else name]
    if put is None:
        del part[last]
    else:
        part[last] = put
    return changed


@pytest.mark.parametrize(
    "path",
    ["id", "seed", "manifest", "method_version", "device", "created", "history", "totals", "evaluations"]
    + ["not_run", "config", "config.table", "config.row", "config.profile", "config.batch", "device.type"]
    + ["totals.images_seen", "totals.seconds", "history.0.images", "history.0.accuracy"]
    + [f"evaluations.phd08-sim.{name}" for name in ("accuracy", "classes", "images")],
)
@pytest.mark.parametrize("put", [None, [[]]], ids=["absent", "of another type"])
def test_a_record_without_a_part_is_named(tmp_path, path, put):
    """Each part that tables and figures use; a raw KeyError or TypeError came from far away."""
    write_json(tmp_path / "record.json", without(record("aa11"), path, put))
    named = re.escape(path.replace(".0.", "[0]."))
    if path == "history" and put:
        named = r"history\[0\]"
    with pytest.raises(InputError, match=rf"record\.json lacks {named}[,;]") as caught:
        records.load_record(tmp_path / "record.json")
    assert "\n" not in str(caught.value)


def test_runs_of_one_kind():
    """Across rows a few fields count; within a line of a table all but the seed."""
    one, other_row = record("a"), record("b")
    other_row["config"] = other_row["config"] | {"row": "auto-clustering", "negatives": "auto-clustering"}
    assert records.run_kind(one) == records.run_kind(other_row)
    assert records.run_kind(one, None) != records.run_kind(other_row, None)
    assert records.run_kind(one, None) == records.run_kind(one | {"seed": 7, "created": "2027"}, None)
    for changed in (
        without(one, "config.images", 5),
        without(one, "manifest", {"fonts": 1}),
        without(one, "method_version", 9),
        without(one, "device.type", "cuda"),
    ):
        assert records.run_kind(one) != records.run_kind(changed)
        assert records.run_kind(one, None) != records.run_kind(changed, None)


def test_environment_names_device_and_versions():
    found = records.environment(torch.device("cpu"))
    assert found["device"]["type"] == "cpu" and "CPU" in found["device"]["name"]
    assert {"python", "torch", "numpy"} <= found["versions"].keys() and found["versions"][
        "torch"
    ] in torch.__version__
    assert found["processor"].endswith(torch.backends.cpu.get_cpu_capability())
    assert found["method_version"] == records.METHOD_VERSION and found["git"] == records.git_commit()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """checkout(folder, *files): makes `folder` a git repository of these files."""
    if shutil.which("git") is None:
        pytest.skip("no git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "somebody@example.org")

    def make(folder, *files):
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text("old")

        def git(*arguments):
            subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)

        git("init", "-q")
        git("add", *files)
        git("-c", "commit.gpgsign=false", "commit", "-q", "-m", "first")

    return make


MODULE = "siamese_lib/experiments/records.py"


def this_package_in(folder, monkeypatch):
    monkeypatch.setattr(records, "repository_root", lambda: folder)
    monkeypatch.setattr(records, "__file__", str(folder / MODULE))


def test_git_commit_form(checkout, tmp_path, monkeypatch):
    commit = records.git_commit()
    assert commit is None or re.fullmatch(r"[0-9a-f]{40}(\+changes)?", commit)
    this_package_in(tmp_path, monkeypatch)
    assert records.git_commit() is None  # outside a repository
    checkout(tmp_path, MODULE, "file", "results/benchmarks/step.csv")
    clean = records.git_commit()
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (tmp_path / "untracked").write_text("")
    assert records.git_commit() == clean
    (tmp_path / "results" / "benchmarks" / "step.csv").write_text("new")  # of the benchmark before this one
    assert records.git_commit() == clean
    (tmp_path / "file").write_text("new")
    assert records.git_commit() == clean + "+changes"


def test_another_repository_around_the_checkout_is_not_named(checkout, tmp_path, monkeypatch):
    """A source archive unpacked in somebody's repository, tracked there or not."""
    checkout(tmp_path, "thesis.tex", f"vendored/{MODULE}")
    for name in ("vendored", "unpacked"):
        (tmp_path / name).mkdir(exist_ok=True)
        this_package_in(tmp_path / name, monkeypatch)
        assert records.git_commit() is None


def test_the_repository_of_the_current_folder_is_not_named(checkout, tmp_path, monkeypatch):
    """An installed wheel: `repository_root` is the current folder, the user's own repository."""
    checkout(tmp_path, "thesis.tex")
    this_package_in(tmp_path / ".venv" / "site-packages", monkeypatch)
    monkeypatch.setattr(records, "repository_root", lambda: tmp_path)
    assert records.git_commit() is None


def test_the_repository_of_a_git_hook_is_not_named(checkout, tmp_path, monkeypatch):
    """git sets GIT_DIR for its hooks; it then holds for every git beneath them."""
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        checkout(tmp_path / name, MODULE, name)
    this_package_in(tmp_path / "ours", monkeypatch)
    ours = records.git_commit()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "theirs" / ".git"))
    assert ours and records.git_commit() == ours


def test_published_records_keep_their_ids():
    """A run id is the hash of configuration, seed, device type, manifest and method version, as recorded."""
    paths = sorted((results_folder() / "runs").glob("*.json"))
    assert paths
    for path in paths:
        stored = json.loads(path.read_text(encoding="utf-8"))
        kind = stored["device"]["type"]
        identifier = hash_of(
            stored["method_version"], stored["config"], stored["seed"], kind, stored["manifest"]
        )
        assert identifier == stored["id"] == path.stem
