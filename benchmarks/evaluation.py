"""How fast the simulated PHD08 is drawn, framed and read, beside the network alone on ready images.

    python -m benchmarks.evaluation [--device cuda]

Whole: nine typefaces, 2,350 classes, from the rendered glyphs to the counts by font, variant and class, with
top-5 and Recall@1, as a run does it. Bare: the same network on the same number of ready images of one bank.
Both alternate, typeface by typeface; medians are reported. The lines differ in the number of variants, which
must not move the peak of memory.
"""

import json
from statistics import median

import torch

from benchmarks.common import command_line, in_own_process, load, peak_mb, publish, seconds
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

    labels, ready = (torch.as_tensor(a, device=device) for a in (data.train.labels, data.train.images))
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
            result = evaluate(forward, centroids, data.train.classes, banks, gallery, config.chunk)
            images = int(result.total.sum())

        rates["whole"].append((seconds(whole, device), images))
        for _ in range(2):
            rates["bare"].append((seconds(lambda: embed(forward, ready, config.chunk), device), len(ready)))
    per_image = {name: median(took / n for took, n in runs) for name, runs in rates.items()}
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
    parser = command_line("benchmarks.evaluation", __doc__)
    parser.add_argument("--variants", type=int, choices=VARIANTS, help="measure these alone and print JSON")
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.variants:
        print(json.dumps(measure(options.variants, device)))
        return
    before = load()
    arguments = [("--variants", str(n), "--device", str(device)) for n in VARIANTS]
    raw = [in_own_process("benchmarks.evaluation", *a) for a in arguments]
    lines = [{key: value for key, value in line.items() if key != "seconds"} for line in raw]
    publish("evaluation", lines, device, load=before, raw=raw)


if __name__ == "__main__":
    main()
