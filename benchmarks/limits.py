"""What limits profile `best`: the typefaces that it learns from, the network, or classes that look alike.

    python -m benchmarks.limits             writes results/benchmarks/limits.csv

The row of profile `best` with fewer images, trained on 8 typefaces, on 37, and on 37 with the very typefaces
that it is then validated or tested on. The last two are upper bounds, no results: what is missing to 100 %
there, no further typeface would bring. Nothing is timed and nothing chosen: it was written when `best` stood.
"""

import numpy as np
import pandas as pd
import torch

from benchmarks.common import command_line, run_grid
from siamese_lib.data.bank import ImageBank
from siamese_lib.data.hangul import load_hangul
from siamese_lib.evaluation import evaluate
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.datasets import TrainingData, data_of
from siamese_lib.experiments.test_sets import accuracy_of, hangul_stream

IMAGES, SEED, VARIANTS = 600_000, 10, 3
SPLITS = ("train", "train-wide", "train-wide + validation", "train-wide + test")


def united(banks: list[ImageBank]) -> ImageBank:
    """The images of banks with the same classes."""
    return ImageBank(
        np.concatenate([bank.images for bank in banks]),
        np.concatenate([bank.labels for bank in banks]),
        banks[0].classes,
        pd.concat([bank.meta for bank in banks], ignore_index=True),
    )


def measure(splits: str, device: torch.device) -> list[dict]:
    """The line of a run that learns from the typefaces of these splits."""
    config = make_config("table3", "prototype/random", "best", images=IMAGES)
    given = data_of(config)
    classes, framing = given.train.classes, config.framing
    train = united(
        [load_hangul(split=split, framing=framing, characters=classes) for split in splits.split(" + ")]
    )
    data = TrainingData(train, given.validation, {}, clean=given.clean)
    trainer = build_trainer(config, SEED, device, data, validate=None)
    centroids, chunk = trainer.fit().centroids, config.chunk

    def test(banks) -> dict:
        return evaluate(trainer.forward, centroids, classes, banks, None, chunk).summary()

    simulated = test(hangul_stream("phd08-sim", config, device, VARIANTS)[0])
    line = {"splits": splits, "typefaces": train.meta.face.nunique(), "images": IMAGES, "seed": SEED}
    line["train_clean"] = accuracy_of(trainer.forward, centroids, train, chunk)
    line["validation_scans"] = test([given.validation])["accuracy"]
    return [line | {"test_scans": simulated["accuracy"], "test_scans_top5": simulated["top5"]}]


def main() -> None:
    parser = command_line("benchmarks.limits", __doc__)
    run_grid("benchmarks.limits", parser, measure, lambda options: ("limits", [[s] for s in SPLITS]))


if __name__ == "__main__":
    main()
