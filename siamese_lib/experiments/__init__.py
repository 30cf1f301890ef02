"""Experiments: what a run is, what it trains on, what it is tested on, and its record.

`run_table` runs rows of a table over seeds, `run_ablations` rows with one parameter changed,
`run_one` a single configuration, which `make_config` makes. They are loaded when first used, so that
reading tables and records does not load the training.
"""

import importlib

_LAZY = {
    "Run": "siamese_lib.experiments.run",
    "RunConfig": "siamese_lib.experiments.config",
    "make_config": "siamese_lib.experiments.config",
    "run_ablations": "siamese_lib.experiments.grid",
    "run_one": "siamese_lib.experiments.run",
    "run_table": "siamese_lib.experiments.grid",
}

__all__ = list(_LAZY)


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
