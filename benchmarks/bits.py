"""Which runs of one seed end with the same bits: two processes, other numbers of threads, torch.compile.

    python -m benchmarks.bits               writes results/benchmarks/bits.csv

One short training, each time in a process of its own and twice for each line. `bits`: the beginning of the
SHA-256 of all weights; `same_again`: whether the second process ended with the same; `scans`: percent of the
validation scans that are read. Nothing is timed.
"""

import hashlib
import itertools
import json

import torch

from benchmarks.common import command_line, in_own_process, publish
from benchmarks.time_to_accuracy import accuracies
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import RunConfig, make_config
from siamese_lib.experiments.datasets import data_of
from siamese_lib.runtime import choose_device

THREADS, IMAGES, SEED = (1, 2), 48_000, 0
ROW = "auto-probabilistic+auto-clustering"


def trained(config: RunConfig, device: torch.device) -> dict:
    """Weights and accuracy at the end of a run in this process."""
    data = data_of(config)
    trainer = build_trainer(config, SEED, device, data, validate=None)
    trainer.fit()
    if config.compiled != trainer.compiled:
        raise SystemExit("error: torch.compile does not work here")
    weights = hashlib.sha256()
    for parameter in trainer.model.state_dict().values():
        weights.update(parameter.cpu().numpy().tobytes())
    return {"bits": weights.hexdigest()[:12], **accuracies(trainer, data, ("scans",))}


def line(threads: int, compiled: bool, device: torch.device) -> dict:
    """The line of a number of threads, compiled or not."""
    command = ["benchmarks.bits", "--one", json.dumps(compiled), "--device", str(device)]
    first, second = (in_own_process(*command, threads=threads) for _ in range(2))
    facts = {"device": device.type, "threads": threads, "compiled": compiled, "images": IMAGES, "seed": SEED}
    return facts | {"bits": first["bits"], "same_again": first == second, "scans": first["scans"]}


def main() -> None:
    parser = command_line("benchmarks.bits", __doc__)
    parser.add_argument("--one", metavar="COMPILED", help="train once, `true` or `false`, and print JSON")
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.one:
        config = make_config("table3", ROW, "quick", images=IMAGES, compiled=json.loads(options.one))
        print(json.dumps(trained(config, device)))
        return
    grid = itertools.product(THREADS if device.type == "cpu" else THREADS[:1], (True, False))
    publish("bits", [line(*entry, device) for entry in grid], device)


if __name__ == "__main__":
    main()
