"""What a configuration trains on and is validated on: Hangul typefaces, or Omniglot in one of its
readings.
"""

import functools
from dataclasses import dataclass

import numpy as np

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.hangul import font_manifest, load_hangul
from siamese_lib.data.hangul_classes import class_list
from siamese_lib.data.omniglot import load_omniglot
from siamese_lib.data.omniglot_splits import Split, alphabet_of, omniglot_split
from siamese_lib.data.validation_scans import VALIDATION_SCANS_VERSION, validation_scans
from siamese_lib.experiments.config import RunConfig


@dataclass(frozen=True)
class TrainingData:
    """What a network learns from and is validated on.

    Attributes:
        train, validation: banks.
        manifest: fingerprint of both and of where they come from.
        references: images of the validation's classes, where these are not trained; None: those of `train`.
        clean: the validation faces' glyphs as the fonts draw them, beside their scans; None: Omniglot.
        groups: (C,) group (alphabet) of each class; each has the same weight in training. None: no groups.
        split: Omniglot's, for its tests.
    """

    train: ImageBank
    validation: ImageBank
    manifest: dict
    references: ImageBank | None = None
    clean: ImageBank | None = None
    groups: np.ndarray | None = None
    split: Split | None = None


def data_of(config: RunConfig) -> TrainingData:
    """The data of a configuration, read once a process."""
    if config.protocol:
        return omniglot_data(config.protocol, config.split_seed, config.num_classes, config.framing)
    return training_data(config.num_classes, config.framing, config.faces)


@functools.lru_cache(maxsize=2)
def training_data(num_classes: int, framing: str, faces: str = "train") -> TrainingData:
    """Glyphs of the training faces (or of `train-wide`), and scans of the validation faces."""
    classes = class_list(num_classes)
    train = load_hangul(split=faces, framing=framing, characters=classes)
    clean = load_hangul(split="validation", framing=framing, characters=classes)
    validation = validation_scans(framing=framing, characters=classes)
    manifest = {
        "train": train.sha256(),
        "validation": clean.sha256(),
        "validation_scans": VALIDATION_SCANS_VERSION,
        "fonts": font_manifest(faces, "validation", characters=classes),
    }
    return TrainingData(train, validation, manifest, clean=clean)


@functools.lru_cache(maxsize=2)
def omniglot_data(protocol: str, split_seed: int, num_classes: int, framing: str) -> TrainingData:
    """Drawings of a reading of the split."""
    split = omniglot_split(protocol, split_seed, num_classes, load_omniglot(framing=framing))
    names = ("train", "validation", "validation_references", "test", "test_references")
    prints = {name: bank.sha256() for name in names if (bank := getattr(split, name)) is not None}
    groups = alphabet_of(split.train.classes)
    return TrainingData(
        split.train,
        split.validation,
        prints | {"split": split.facts},
        split.validation_references,
        groups=groups,
        split=split,
    )
