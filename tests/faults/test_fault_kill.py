"""SIGKILL in training, while files are written, in testing: a new start ends with the bits of an undisturbed
run.
"""

import itertools
import shutil
import time

import numpy as np
import pytest
from forked import contents, finishes, killed_at_replacement
from small_run import bits

from siamese_lib.files import repository_root
from siamese_lib.report import pages


@pytest.mark.parametrize("before", [False, True])
def test_fault_killed_where_files_are_written(work, before):
    """Each start dies one to three files further: at checkpoints, network, arrays, record, test result."""
    wanted, kills = bits(work("undisturbed")), 0
    for number in itertools.cycle((1, 2, 3)):
        if finishes(killed_at_replacement(number + before, before)(lambda: work("killed"))):
            break
        kills += 1
    assert kills >= 6 and bits(work("killed")) == wanted
    assert not list(work("killed").folder.glob("checkpoint*"))


def test_fault_killed_at_random_moments(work, every_fault):
    kills, runs, random, began = 0, 0, np.random.default_rng(0), time.monotonic()
    wanted = bits(work("undisturbed"))
    duration = time.monotonic() - began
    while kills < (50 if every_fault else 4):
        runs, name = runs + 1, f"killed {runs}"
        while not finishes(lambda folder=name: work(folder), duration * random.random()):
            kills += 1
        assert bits(work(name)) == wanted


@pytest.fixture
def pages_of(monkeypatch, tmp_path):
    """The repository's pages and some of its records, in a folder where tables are written."""
    root = repository_root()
    (tmp_path / "results" / "runs").mkdir(parents=True)
    for path in sorted((root / "results" / "runs").glob("*.json"))[:12]:
        shutil.copy(path, tmp_path / "results" / "runs")
    for name in ("README.md", "results/README.md"):
        shutil.copy(root / name, tmp_path / name)
    monkeypatch.setattr(pages, "repository_root", lambda: tmp_path)
    monkeypatch.setattr(pages, "results_folder", lambda: tmp_path / "results")
    from siamese_lib.experiments import records

    monkeypatch.setattr(records, "results_folder", lambda: tmp_path / "results")
    return tmp_path


def test_fault_killed_while_tables_are_written(pages_of, every_fault):
    old = contents(pages_of)
    assert finishes(pages.write_tables)
    new = contents(pages_of)
    assert len(new) > len(old) + 15
    every = [(number, before) for number in range(1, 20) for before in (True, False)]
    for number, before in every if every_fault else [(2, True), (12, False)]:
        shutil.rmtree(pages_of)
        for name, content in old.items():
            (pages_of / name).parent.mkdir(parents=True, exist_ok=True)
            (pages_of / name).write_bytes(content)
        assert not finishes(killed_at_replacement(number, before)(pages.write_tables))
        for name, content in contents(pages_of).items():
            hidden = name.rpartition("/")[2].startswith(".")  # what was being written
            assert hidden or content in (new[name], old.get(name)), name
        assert finishes(pages.write_tables)
        found = {name: c for name, c in contents(pages_of).items() if "/." not in f"/{name}"}
        assert found == new
