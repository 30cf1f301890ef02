"""Faults that are really injected: a few in every test run, all with SIAMESE_FAULTS=all (`make faults`)."""

import os

import pytest
from small_run import small_run


@pytest.fixture(scope="session")
def every_fault() -> bool:
    """Whether all faults are asked for."""
    return os.environ.get("SIAMESE_FAULTS") == "all"


@pytest.fixture
def work(debian_faces, monkeypatch, tmp_path):
    """Train and test a small run in a folder of runs: call(folder name, report) -> Run."""

    def call(folder: str, report=None):
        monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / folder))
        return small_run(report)

    return call
