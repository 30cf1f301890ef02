"""Experiments: what a run is, what it trains on, what it is tested on, and its record.

`run_table` runs rows of a table over seeds; `run_one` one of them; `make_config` names one.
"""

from siamese_lib.experiments.config import RunConfig, make_config
from siamese_lib.experiments.run import Run, run_one

__all__ = ["Run", "RunConfig", "make_config", "run_one"]
