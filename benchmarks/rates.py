"""Which rate for which loss and batch: validation faces, 2,350 classes, 120,000 images, a seed that no table uses.

    python -m benchmarks.rates            writes results/benchmarks/rates.csv; RunConfig's defaults (config.TUNED) follow its best lines
    python -m benchmarks.rates --jobs 1   one run at a time (default: one on each processor, a thread each; nothing is timed)

Finished runs are kept in runs/benchmarks/.
"""

import argparse
import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor

from benchmarks.common import kept, publish
from benchmarks.time_to_accuracy import trainer_of
from siamese_lib.config import BATCHES
from siamese_lib.experiments import _accuracy
from siamese_lib.training import choose_device

SEED, IMAGES = 10, 120_000
RATES = (1.5e-3, 3e-3, 6e-3, 1e-2)
GRID = [
    *[("", "literal", {"rate": rate}) for rate in RATES],
    *[("", "pooled", {"rate": rate}) for rate in RATES],
    *[("", b, {"rate": r, "pool_classes": c}) for b, r, c in itertools.product(("pooled-hard", "pooled-near"), (3e-3, 6e-3, 1e-2), (16, 32))],
    *[(f"{loss}/", batch, {"rate": rate}) for loss, batch, rate in itertools.product(("contrastive", "triplet"), BATCHES, (1.5e-3, 3e-3, 6e-3))],
]
PML = [
    *[(f"pml/{name}", {"rate": rate}) for name, rate in itertools.product(("multi-similarity", "triplet-semihard", "circle"), (1.5e-3, 3e-3, 6e-3))],
    *[(f"pml/{name}", {"rate": rate}) for name, rate in itertools.product(("supcon", "proxy-anchor", "normalised-softmax"), (1.5e-3, 3e-3, 6e-3))],
]


def measure(method: str, settings: dict, device) -> dict:
    trainer, data = trainer_of(method, SEED, device, images=IMAGES, **settings)
    statistics = trainer.fit()
    accuracy = float(_accuracy(trainer.forward, statistics.centroids, data.validation, trainer.plan.chunk))
    pool = 0 if settings.get("batch") == "literal" else getattr(trainer.batch, "images_a_step", 0)
    name, _, setup = method.partition("/")
    loss = method if name == "pml" else settings.get("row", "metric/random").partition("/")[0]
    batch = "64 x 4" if name == "pml" else settings["batch"]
    return {"loss": loss, "batch": batch, "pool_images": pool, "rate": settings["rate"], "images": IMAGES, "seed": SEED, "accuracy": accuracy}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rates", description=__doc__.splitlines()[0])
    parser.add_argument("--device")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--one", metavar="JSON", help="run [method, settings] alone and print JSON")
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.one:
        print(json.dumps(measure(*json.loads(options.one), device)))
        return
    todo = [["ours", {"row": f"{prefix}random", "batch": batch, **settings}] for prefix, batch, settings in GRID] + [list(each) for each in PML]

    def one(each: list) -> dict:
        line = kept("benchmarks.rates", each, device, threads=1 if options.jobs > 1 else None)
        print(" ".join(str(value) for value in line.values()), flush=True)
        return line

    with ThreadPoolExecutor(options.jobs) as pool:
        lines = list(pool.map(one, todo))
    publish("rates", lines, device)


if __name__ == "__main__":
    main()
