"""How much of the network's own speed the whole training step keeps.

    python -m benchmarks.step [--device cuda]

Bare: compiled forward and backward pass on the ready images of a micro-batch. Whole: sampling of classes and
images, augmentation, loss, optimiser, and one pass of class statistics over all training samples per 1.54 M
images (the paper's epoch). The two alternate, ten steps each, so a change in the machine's speed meets both;
medians of these tens are reported. `ratio_cpu_updates` has the passes of profile `cpu` in their place: 20 in
0.6 M images, 2 samples a class. On a CPU once with all cores and once with one thread, as a run beside others
has it.
"""

import json
from statistics import median

import torch

from benchmarks.common import command_line, in_own_process, load, peak_mb, publish, seconds
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.datasets import data_of
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.tables import BATCHES
from siamese_lib.model import to_float
from siamese_lib.runtime import choose_device

EPOCH = 3 * 512_000  # images
TEN = 10  # steps that are timed together: one of ten renews the bases of SOAP


def rate(images: int, steps: list[float], pass_seconds: float, every: float) -> float:
    """Images a second, of steps with that many images and a statistics pass after every so many."""
    return images / (median(steps) + pass_seconds * images / every)


def measure(batch: str, device: torch.device, repeats: int) -> dict:
    row = "triplet/random" if batch == "pooled-near" else "random"  # as they are used
    config = make_config("table3", row, "paper" if device.type == "cuda" else "cpu", batch, images=EPOCH)
    trainer = build_trainer(config, 0, device, data_of(config))
    chosen = trainer.batch.draw(trainer.generator)[0].images
    chunk, images = len(chosen), trainer.batch.images_a_step
    ready = to_float(trainer.images[chosen])

    def bare() -> None:
        trainer.optimiser.zero_grad(set_to_none=True)
        trainer.network(ready).square().mean().backward()

    def update(samples: int | None) -> None:
        found = trainer.class_statistics(samples)
        trainer.batch.positives.update(found)
        trainer.batch.negatives.update(found)
        trainer.statistics = found

    update(None)  # so that the third term of the loss is there
    for warm in (bare, trainer.one_step):
        warm()
    times = {"bare": [], "step": []}
    for _ in range(repeats):
        times["step"].append(seconds(lambda: [trainer.one_step() for _ in range(TEN)], device) / TEN)
        bare_calls = TEN * max(1, images // chunk)
        times["bare"].append(seconds(lambda n=bare_calls: [bare() for _ in range(n)], device) / bare_calls)
    every = median(seconds(lambda: update(None), device) for _ in range(3))
    two = median(seconds(lambda: update(config.statistics_samples), device) for _ in range(3))
    bare_rate = chunk / median(times["bare"])
    whole = rate(images, times["step"], every, EPOCH)
    with_cpu_updates = rate(images, times["step"], two, PROFILES["cpu"].settings["images"] / 20)
    return {
        "device": device.type,
        "threads": torch.get_num_threads(),
        "batch": batch,
        "chunk": chunk,
        "images_per_s": whole,
        "bare_images_per_s": bare_rate,
        "ratio": whole / bare_rate,
        "peak_mb": peak_mb(device),
        "ratio_cpu_updates": with_cpu_updates / bare_rate,
        "step_seconds": times["step"],
        "bare_seconds": times["bare"],
        "pass_seconds": {"None": every, "2": two},
        "compiled": trainer.compiled,
    }


def main() -> None:
    parser = command_line("benchmarks.step", __doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--batch", choices=BATCHES, help="measure this one alone and print JSON")
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.batch:
        print(json.dumps(measure(options.batch, device, options.repeats)))
        return
    before = load()
    common = "--device", str(device), "--repeats", str(options.repeats)
    raw = [
        in_own_process("benchmarks.step", "--batch", batch, *common, threads=threads)
        for threads in ((None, 1) if device.type == "cpu" else (None,))
        for batch in BATCHES
    ]
    hidden = ("step_seconds", "bare_seconds", "pass_seconds", "compiled")
    lines = [{key: value for key, value in line.items() if key not in hidden} for line in raw]
    publish("step", lines, device, load=before, raw=raw)


if __name__ == "__main__":
    main()
