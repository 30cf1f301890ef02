"""Faults that are really injected: a few in every test run, all with SIAMESE_FAULTS=all (`make faults`)."""

import os

import pytest


@pytest.fixture(scope="session")
def every_fault() -> bool:
    """Whether all faults are asked for."""
    return os.environ.get("SIAMESE_FAULTS") == "all"
