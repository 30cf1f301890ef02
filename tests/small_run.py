"""A run of seconds, and what must be the same of it however it was disturbed."""

import json
from collections.abc import Callable

import numpy as np
import torch

from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.run import Run, run_one

ROW = "auto-probabilistic+auto-clustering"
SMALL = {"images": 1_024, "updates": 8, "num_classes": 24, "validation_images": 20}
TIMES = ("seconds", "compile_seconds", "created")


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in TIMES}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def bits(run: Run) -> tuple:
    """Record, network and arrays of a run, without times."""
    record = without_times(json.loads((run.folder / "record.json").read_text(encoding="utf-8")))
    network = torch.load(run.folder / "model.pt", weights_only=True)
    with np.load(run.folder / "arrays.npz") as file:
        arrays = {name: file[name].tobytes() for name in file.files}
    weights = {name: value.numpy().tobytes() for name, value in network["model"].items()}
    return record, weights, network["centroids"].numpy().tobytes(), arrays


def small_run(report: Callable[[dict], None] | None = None, seed: int = 3) -> Run:
    """Train and test a network, in the folder of runs; `report` as in run_one."""
    config = make_config("table3", ROW, "smoke", **SMALL)
    return run_one(config, seed, device="cpu", sets=["phd08-sim"], variants=1, progress=False, report=report)
