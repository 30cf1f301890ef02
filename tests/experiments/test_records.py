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


def record(identifier: str) -> dict:
    return {
        "id": identifier,
        "config": dict(records.DEFAULTS),
        "seed": 0,
        "manifest": {},
        "history": [],
        "totals": {},
        "evaluations": {},
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
    old["config"] = {"row": "random", "eta": 5}
    write_json(folders / "runs" / "aa11" / "record.json", old)
    config = records.load_record(folders / "runs" / "aa11" / "record.json")["config"]
    assert (
        config == records.DEFAULTS | {"row": "random", "eta": 5}
        and config["ratio"] == 8
        and config["pixelation"] == [0.7, 0.9]
    )


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
        (b'{"id": "abc", "config": {}}', "lacks seed, manifest, history, totals, evaluations; delete it"),
        (b"[1, 2]", "lacks config, seed"),
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


def test_environment_names_device_and_versions():
    found = records.environment(torch.device("cpu"))
    assert found["device"]["type"] == "cpu" and "CPU" in found["device"]["name"]
    assert {"python", "torch", "numpy"} <= found["versions"].keys() and found["versions"][
        "torch"
    ] in torch.__version__
    assert found["method_version"] == records.METHOD_VERSION and found["git"] == records.git_commit()


def test_git_commit_form(tmp_path, monkeypatch):
    commit = records.git_commit()
    assert commit is None or re.fullmatch(r"[0-9a-f]{40}(\+changes)?", commit)
    monkeypatch.setattr(records, "repository_root", lambda: tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert records.git_commit() is None  # outside a checkout
    if shutil.which("git") is None:
        return
    for name in ("AUTHOR", "COMMITTER"):
        (
            monkeypatch.setenv(f"GIT_{name}_NAME", "somebody"),
            monkeypatch.setenv(f"GIT_{name}_EMAIL", "somebody@example.org"),
        )
    (tmp_path / "file").write_text("old")
    for command in (
        ["init", "-q"],
        ["add", "file"],
        ["-c", "commit.gpgsign=false", "commit", "-q", "-m", "first"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)
    clean = records.git_commit()
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (tmp_path / "untracked").write_text("")
    assert records.git_commit() == clean
    (tmp_path / "file").write_text("new")
    assert records.git_commit() == clean + "+changes"


def test_published_records_keep_their_ids():
    """A run id is the hash of what the record itself holds: configuration, seed, device type, manifest and method version."""
    paths = sorted((results_folder() / "runs").glob("*.json"))
    assert paths
    for path in paths:
        stored = json.loads(path.read_text(encoding="utf-8"))
        kind = stored["device"]["type"]
        identifier = hash_of(
            stored["method_version"], stored["config"], stored["seed"], kind, stored["manifest"]
        )
        assert identifier == stored["id"] == path.stem
