"""What it costs that nothing is lost: checkpoints, the lock, and looking for values that are not finite.

    python -m benchmarks.safety             writes results/benchmarks/safety.csv

Two trainings of one plan take turns, a period at a time: one saves and checks as every run does, the other
does neither. The lock, taken once, is added. `percent`: how much longer the first takes.
"""

import tempfile
from pathlib import Path

import torch

from benchmarks.common import command_line, load, publish, seconds
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import RunConfig, make_config
from siamese_lib.experiments.datasets import data_of
from siamese_lib.experiments.run import one_at_a_time
from siamese_lib.runtime import choose_device
from siamese_lib.training import Trainer

BATCHES = ("literal", "pooled", "pooled-near")
IMAGES = 240_000  # profile quick, the shortest; all have twenty periods, so saving weighs less in longer ones


def measure(config: RunConfig, device: torch.device) -> dict:
    """The line of a configuration."""
    data = data_of(config)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        safe = build_trainer(config, 0, device, data, folder / "checkpoint.pt", validate=None)
        bare = build_trainer(config, 0, device, data, validate=None)
        bare._check_finite = lambda *_: None
        taken = {"with": 0.0, "without": 0.0}
        pairs = {"with": safe.periods(), "without": bare.periods()}
        for number in range(config.updates):
            names = list(pairs) if number % 2 else list(pairs)[::-1]
            for name in names:
                taken[name] += seconds(lambda periods=pairs[name]: next(periods), device)
        _same(safe, bare)
        lock = one_at_a_time(folder / "run")
        taken["with"] += seconds(lock.__enter__, device)
        lock.__exit__(None, None, None)
    return {
        "device": device.type,
        "batch": config.batch,
        "images": config.images,
        "with_s": taken["with"],
        "without_s": taken["without"],
        "percent": 100 * (taken["with"] / taken["without"] - 1),
    }


def _same(one: Trainer, other: Trainer) -> None:
    """Both have done the same work."""
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    if not all(torch.equal(a, b) for a, b in pairs):
        raise SystemExit("error: the two trainings ended with different weights")


def main() -> None:
    device = choose_device(command_line("benchmarks.safety", __doc__).parse_args().device)
    before = load()
    configs = [make_config("table3", "random", "quick", batch, images=IMAGES) for batch in BATCHES]
    publish("safety", [measure(config, device) for config in configs], device, load=before)


if __name__ == "__main__":
    main()
