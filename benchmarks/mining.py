"""What mining costs as the alphabet grows, on made-up ideal vectors.

    python -m benchmarks.mining [--device cuda] [--classes 1000 11172 100000]

The vectors have 25 numbers; eta is 1,000, each class has 8 impostors.
The search (clusters and nearest impostors) stands beside the paper's epoch of 512,000 triplets, the sampling
of 30,720 classes beside one of its steps of as many images, both at the speed of a literal step on 2,350
classes in the same run. `mb` is what the search holds beyond the vectors. `pass_ratio` is the seconds of a
statistics pass over those of the network alone on the same images (`PASS` of them).
"""

import dataclasses
import json
import statistics as stats

import torch

from benchmarks.common import command_line, in_own_process, load, peak_mb, publish, seconds
from benchmarks.scale import made_up
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.datasets import TrainingData
from siamese_lib.mining import AutoClustering, AutoProbabilistic, DistanceBased
from siamese_lib.model import embed
from siamese_lib.runtime import choose_device, seeded_generator
from siamese_lib.statistics import ClassStatistics

CLASSES = (1_000, 11_172, 100_000, 1_000_000)
EPOCH, STEP = 3 * 512_000, 30_720  # images of the paper's epoch and of its step
PASS = 89_376  # of 8 typefaces with 11,172 classes


def search(classes: int, device: torch.device) -> dict:
    """Seconds and memory of one update of each sampler, milliseconds of sampling once."""
    generator = seeded_generator(0, device)
    points = torch.randn(classes, 25, generator=generator, device=device)
    points /= torch.arange(1, 26, device=device).sqrt()  # no two directions alike
    found = ClassStatistics(points, points.norm(dim=1))
    clustering, distance = AutoClustering(classes), DistanceBased(classes)
    positives = AutoProbabilistic(classes)
    few = ClassStatistics(points[:70], points[:70].norm(dim=1))
    AutoClustering(70).update(few), DistanceBased(70).update(few)  # libraries are loaded
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    before = peak_mb(device)
    took = {"clusters_seconds": seconds(lambda: clustering.update(found), device)}
    took["impostors_seconds"] = seconds(lambda: distance.update(found), device)
    mb = peak_mb(device) - before
    positives.update(found)
    positive = positives.sample(STEP, generator)
    calls = [
        lambda: positives.sample(STEP, generator),
        lambda: clustering.sample(positive, generator),
        lambda: distance.sample(positive, generator),
    ]
    slowest = max(stats.median(seconds(call, device) for _ in range(9)) for call in calls)
    return took | {"mb": mb, "draw_ms": 1000 * slowest}


def speed(device: torch.device) -> dict:
    """Images a second of literal steps; seconds of a statistics pass over those of the bare network."""
    config = make_config("table3", "random", "cpu", "literal")
    bank = made_up(PASS // 8, 8)
    trainer = build_trainer(config, 0, device, TrainingData(made_up(2350, 8), made_up(2350, 1), {}))
    trainer.one_step()
    steps = [seconds(trainer.one_step, device) for _ in range(30)]
    images, labels = (torch.as_tensor(a, device=device) for a in (bank.images, bank.labels))
    class_statistics = dataclasses.replace(trainer.class_statistics, images=images, labels=labels)
    passes, bare = [], []
    for _ in range(3):
        passes.append(seconds(class_statistics, device))
        bare.append(seconds(lambda: embed(trainer.forward, images, config.chunk), device))
    return {
        "images_per_s": trainer.batch.images_a_step / stats.median(steps),
        "pass_ratio": stats.median(passes) / stats.median(bare),
    }


def lines(rates: dict, searches: dict[int, dict], device: torch.device) -> list[dict]:
    """The table: for each number of classes search in percent of an epoch, sampling in percent of a step."""
    table = []
    for classes, found in searches.items():
        both = found["clusters_seconds"] + found["impostors_seconds"]
        line = {
            "device": device.type,
            "classes": classes,
            "clusters_seconds": found["clusters_seconds"],
            "impostors_seconds": found["impostors_seconds"],
            "percent_of_epoch": 100 * both * rates["images_per_s"] / EPOCH,
            "mb": found["mb"],
            "draw_ms": found["draw_ms"],
            "percent_of_step": 0.1 * found["draw_ms"] * rates["images_per_s"] / STEP,
            "pass_ratio": rates["pass_ratio"],
        }
        table.append(line)
    return table


def main() -> None:
    parser = command_line("benchmarks.mining", __doc__)
    parser.add_argument("--classes", nargs="+", type=int, default=CLASSES)
    parser.add_argument("--one", metavar="CLASSES", help="measure these alone, or `speed`, and print JSON")
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.one:
        print(json.dumps(speed(device) if options.one == "speed" else search(int(options.one), device)))
        return
    before = load()
    names, module = ["speed", *map(str, options.classes)], "benchmarks.mining"
    raw = {name: in_own_process(module, "--one", name, "--device", str(device)) for name in names}
    searches = {int(name): found for name, found in raw.items() if name != "speed"}
    publish("mining", lines(raw["speed"], searches, device), device, load=before, raw=raw)


if __name__ == "__main__":
    main()
