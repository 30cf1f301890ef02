"""(e) How fast the simulated PHD08 is drawn, framed and read, beside the network alone on ready images.

    python -m benchmarks.evaluation [--device cuda]

Whole: nine faces, 2,350 classes, from the rendered glyphs to the counts by font, variant and class, with top-5 and Recall@1, as a run does it.
Bare: the same network on the same number of ready images of one bank. Both alternate, face by face; medians are reported. The lines differ in the
number of variants, which must not move the peak of memory.
"""

import argparse
import json
from statistics import median

import torch

from benchmarks.common import in_own_process, load, peak_mb, publish, seconds
from siamese_lib import runtime
from siamese_lib.data.phd08 import FONTS
from siamese_lib.data.phd08_simulated import iter_simulated_phd08
from siamese_lib.evaluation import evaluate
from siamese_lib.experiments.build import make_loss
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.datasets import data_of
from siamese_lib.model import EmbeddingNet, embed
from siamese_lib.runtime import choose_device
from siamese_lib.statistics import class_statistics

VARIANTS = (3, 9, 27)


def measure(variants: int, device: torch.device) -> dict:
    config = make_config("table3", "random", "quick")
    data, loss = data_of(config), make_loss(config)
    runtime.keep_memory()
    blank = torch.zeros(config.chunk, *data.train.images.shape[1:], dtype=torch.uint8, device=device)
    network = runtime.compiled(EmbeddingNet().to(device), lambda network: embed(network, blank, config.chunk))

    def forward(x: torch.Tensor) -> torch.Tensor:
        return loss.space(network(x))

    labels, ready = (torch.as_tensor(each, device=device) for each in (data.train.labels, data.train.images))
    gallery = embed(forward, ready, config.chunk), labels
    centroids = class_statistics(*gallery, config.num_classes).centroids
    ready, rates = ready[: config.num_classes], {"whole": [], "bare": []}
    for font in FONTS:
        images = 0

        def whole(font: str = font) -> None:
            nonlocal images
            banks = iter_simulated_phd08(
                variants=variants,
                fonts=font,
                framing=config.framing,
                device=str(device),
                characters=data.train.classes,
            )
            images = int(
                evaluate(forward, centroids, data.train.classes, banks, gallery, config.chunk).total.sum()
            )

        rates["whole"].append((seconds(whole, device), images))
        rates["bare"] += [
            (seconds(lambda: embed(forward, ready, config.chunk), device), len(ready)) for _ in range(2)
        ]
    per_image = {name: median(took / n for took, n in each) for name, each in rates.items()}
    return {
        "device": device.type,
        "images": sum(n for _, n in rates["whole"]),
        "images_per_s": 1 / per_image["whole"],
        "bare_images_per_s": 1 / per_image["bare"],
        "ratio": per_image["bare"] / per_image["whole"],
        "peak_mb": peak_mb(device),
        "seconds": rates,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluation", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--device")
    parser.add_argument(
        "--variants", type=int, choices=VARIANTS, help="measure this many alone and print JSON"
    )
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.variants:
        print(json.dumps(measure(options.variants, device)))
        return
    before = load()
    raw = [
        in_own_process("benchmarks.evaluation", "--variants", str(n), "--device", str(device))
        for n in VARIANTS
    ]
    publish(
        "evaluation",
        [{key: value for key, value in each.items() if key != "seconds"} for each in raw],
        device,
        load=before,
        raw=raw,
    )


if __name__ == "__main__":
    main()
