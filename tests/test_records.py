import json
import re

import numpy as np
import pytest

from siamese_lib import records
from siamese_lib.errors import InputError
from siamese_lib.storage import atomic_write, write_json


def record(identifier: str) -> dict:
    return {"id": identifier, "config": {}, "seed": 0, "manifest": {}, "history": [], "totals": {}, "evaluations": {}}


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
    assert json.loads(target.read_text()) == record("bb33") and records.published_records() == [record("bb33")]
    assert records.published_arrays(records.published_records())["bb33"]["p"].tolist() == [0, 1, 2]
    assert [r["id"] for r in records.working_records()] == ["aa11", "aa22", "bb33"]


@pytest.mark.parametrize("identifier, count", [("aa", 2), ("cc", 0), ("", 0)])
def test_publish_wants_one_run(folders, identifier, count):
    with pytest.raises(InputError, match=f"names {count} finished runs .*aa11, aa22, bb33"):
        records.publish(identifier)


def test_large_arrays_stay_behind(folders, monkeypatch):
    monkeypatch.setattr(records, "NPZ_LIMIT", 10)
    assert not records.publish("bb33").with_suffix(".npz").exists()


def test_atomic_write_keeps_the_old_file_when_interrupted(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_nan_is_refused_in_json(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_git_commit_form():
    commit = records.git_commit()
    assert commit is None or re.fullmatch(r"[0-9a-f]{40}(\+changes)?", commit)
