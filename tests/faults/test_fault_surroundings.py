"""A full disk, a read-only home, no shared memory, a clock that goes back: one sentence, or no difference."""

import os
import resource
import subprocess
import sys
import time

import pytest
from forked import complaint_of
from small_run import bits

SIZES = [0, 1_000, 100_000, 1_500_000]  # bytes that a file may have; the checkpoint has some 2 MB


def with_files_up_to(size: int, work):
    """Work whose files cannot grow beyond a size, as under a quota or on a full disk."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        work()

    return limited


@pytest.mark.parametrize("size", SIZES)
def test_fault_full_disk(work, tmp_path, size):
    message = complaint_of(with_files_up_to(size, lambda: work("full")))
    assert message.startswith("cannot write ") and "free some space" in message
    assert not list(tmp_path.glob("full/*/record.json"))
    assert not [path for path in tmp_path.glob("full/*/.*") if path.name != ".lock"]  # no half file is left
    assert bits(work("full")) == bits(work("undisturbed"))


def test_fault_disk_full_after_the_training(work, tmp_path):
    """The checkpoint stands, and what comes after it finds no room."""

    def training_fits() -> None:
        os.environ["SIAMESE_RUNS"] = str(tmp_path / "full")
        replace = os.replace

        def full_after_the_last_checkpoint(source, target) -> None:
            replace(source, target)
            if str(target).endswith("model.pt"):
                resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

        os.replace = full_after_the_last_checkpoint
        work("full")

    assert "arrays.npz: File too large; " in complaint_of(training_fits)
    assert bits(work("full")) == bits(work("undisturbed"))


def run_in(environment: dict[str, str], code: str) -> subprocess.CompletedProcess:
    """A new process, without this package's variables but with those of `environment`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SIAMESE", "XDG"))}
    kept |= {"PYTHONPATH": os.path.dirname(os.path.dirname(__file__)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def test_fault_home_that_cannot_be_written(debian_faces, tmp_path):
    code = (
        "from small_run import small_run; import siamese_lib.plots.style; "
        "print(small_run().record['evaluations']['phd08-sim']['images'])"
    )
    done = run_in({"HOME": "/proc/none", "SIAMESE_RUNS": str(tmp_path)}, code)
    assert done.stdout.strip() == "216"
    assert "cache folder /proc/none/.cache/siamese_lib cannot be written; new files go to" in done.stderr


def test_fault_no_shared_memory(debian_faces, tmp_path):
    """Without /dev/shm there are no semaphores, so no process beside another: the runs go one by one."""
    code = """
import _multiprocessing

class Refused:
    SEM_VALUE_MAX = 1

    def __init__(*_, **__):
        raise OSError(30, "Read-only file system")

_multiprocessing.SemLock = Refused
from siamese_lib.experiments.grid import run_table

small = dict(profile="smoke", variants=1, images=512, num_classes=24, validation_images=20)
print(len(run_table("table3", ["random"], seeds=[0, 1], sets=["phd08-sim"], device="cpu", jobs=2, **small)))
"""
    done = run_in({"SIAMESE_RUNS": str(tmp_path)}, code)
    assert done.stdout.strip() == "2" and "joblib will operate in serial mode" in done.stderr


def test_fault_clock_that_goes_back(work, monkeypatch):
    wanted, now = bits(work("undisturbed")), [2e9]

    def earlier() -> float:
        now[0] -= 1_000
        return now[0]

    monkeypatch.setattr(time, "time", earlier)
    run = work("back")
    assert bits(run) == wanted
    assert 0 < run.record["totals"]["seconds"] < 60
    assert all(0 < line["seconds"] < 60 for line in run.record["history"])
