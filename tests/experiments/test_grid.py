"""Grids: runs side by side give what runs in turn give, go on where they stopped, and do not stop one
another.
"""

import os
import subprocess
import sys

import pytest

from siamese_lib.errors import InputError
from siamese_lib.experiments import grid
from siamese_lib.experiments.grid import run_table
from siamese_lib.experiments.records import load_record
from siamese_lib.experiments.tables import TABLES

SMALL = {"profile": "smoke", "sets": ["phd08-sim"], "images": 512, "device": "cpu", "progress": False}


def numbers(runs):
    return [
        (run.record["id"], [line["loss"] for line in run.record["history"]], run.record["evaluations"])
        for run in runs
    ]


def test_runs_side_by_side_are_those_in_turn(debian_faces, tmp_path, monkeypatch):
    """Both with one thread a run, in the order of rows and seeds; each is announced once."""
    monkeypatch.setattr(grid, "_cores", lambda: 2)
    found = {}
    for jobs in (1, 2):
        monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / str(jobs)))
        said = []
        runs = run_table(
            "table3", ["random", "auto-clustering"], seeds=[0, 1], jobs=jobs, finished=said.append, **SMALL
        )
        found[jobs] = numbers(runs)
        assert sorted(run.record["id"] for run in said) == sorted(run.record["id"] for run in runs)
        assert [(run.record["config"]["row"], run.record["seed"]) for run in runs] == [
            ("random", 0),
            ("random", 1),
            ("auto-clustering", 0),
            ("auto-clustering", 1),
        ]
    assert found[1] == found[2]


def test_a_run_that_fails_does_not_stop_the_others(debian_faces, tmp_path, monkeypatch):
    """A damaged record of one run: the others are finished, then the error is raised; the next call trains
    nothing anew.
    """
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    first = run_table("table3", ["random"], seeds=[0], jobs=1, **SMALL)[0]
    created = first.record["created"]
    path = first.folder / "record.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    for jobs in (1, 2):
        with pytest.raises(InputError, match="record .* cannot be read"):
            run_table("table3", ["random"], seeds=[0, 1], jobs=jobs, **SMALL)
        assert len([p for p in tmp_path.glob("*/record.json") if p != path]) == 1
    path.write_bytes(whole)
    assert run_table("table3", ["random"], seeds=[0, 1], jobs=2, **SMALL)[0].record["created"] == created
    assert load_record(path)["created"] == created


def test_a_worker_that_is_killed_is_said(monkeypatch):
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    def one_run_then_killed():
        yield 0, "run", []
        raise TerminatedWorkerError

    results = grid._while_workers_live(one_run_then_killed())
    assert next(results) == (0, "run", [])
    with pytest.raises(InputError, match="was killed .*finished runs are kept: give the same command again"):
        next(results)


def test_profile_best_runs_the_row_that_is_its_own():
    def rows(profile, batch=None):
        plan = grid._plan("table3", None, None, None, profile, batch, None, None, None, {})
        return list(dict.fromkeys(config.row for config, *_ in plan))

    assert rows("best") == ["prototype/random"]
    assert rows("best", "pooled") == rows("cpu") == TABLES["table3"].rows()


def test_the_number_of_jobs_is_checked(debian_faces):
    for jobs in (0, -1, 1.5, True):
        with pytest.raises(InputError, match=f"jobs={jobs}: a whole number, 1 or more"):
            run_table("table3", ["random"], jobs=jobs, **SMALL)


def test_side_by_side_as_far_as_cores_and_memory_reach(monkeypatch):
    monkeypatch.setattr(grid, "_cores", lambda: 64)
    for gigabytes, jobs in ((0.5, 1), (9, 4), (1000, 64)):
        pages = {"SC_PHYS_PAGES": int(gigabytes * 1e9 / 4096), "SC_PAGE_SIZE": 4096}
        monkeypatch.setattr(grid.os, "sysconf", pages.get)
        assert grid.side_by_side() == jobs

    def unknown(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(grid.os, "sysconf", unknown)
    assert grid.side_by_side() == 64


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """Address of a dask scheduler with two workers, started as one would on other machines."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SIAMESE_RUNS": str(tmp_path / "another")}
    options = {
        "env": environment,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "cwd": tmp_path,
    }
    address_file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    commands = [
        [*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(address_file)],
        [*dask, "worker", "--nworkers", "2", "--nthreads", "1", "--scheduler-file", str(address_file)],
    ]
    started = [subprocess.Popen([*command], **options) for command in commands]
    yield str(address_file)
    for process in started:
        process.terminate()
    for process in started:
        process.wait(timeout=30)


def test_a_grid_is_spread_over_machines_by_dask(debian_faces, cluster, tmp_path, monkeypatch, capfd):
    """With its bar: the workers are no children of this process, so they cannot move it themselves."""
    import joblib
    from distributed import Client

    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / "dask"))
    small = SMALL | {"progress": True, "num_classes": 24, "validation_images": 20, "variants": 1}
    with Client(scheduler_file=cluster, timeout=60) as client, joblib.parallel_config(backend="dask"):
        client.wait_for_workers(2, timeout=60)
        runs = run_table("table3", ["random"], seeds=[0, 1, 2], jobs=2, **small)
    found = numbers(runs)
    assert "1.54k/1.54k" in capfd.readouterr().err
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / "here"))
    assert numbers(run_table("table3", ["random"], seeds=[0, 1, 2], jobs=1, **small)) == found


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a system without processor affinity")
def test_cores_are_those_that_the_process_may_use():
    """Under taskset, or in a container, these are fewer than the machine has."""
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from siamese_lib.experiments.grid import side_by_side; print(side_by_side())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
