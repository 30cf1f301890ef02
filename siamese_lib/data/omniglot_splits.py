"""Omniglot, split as the paper may mean it: by drawers (reading B, default) or by alphabets (A and C).

The paper gives "60 % for training, 20 % for validation, 20 % for test" beside a sentence on alphabets and
drawers that does not add up to it.
"""

from dataclasses import dataclass

import numpy as np

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.checks import whole_number
from siamese_lib.data.omniglot import load_omniglot
from siamese_lib.data.omniglot_alphabets import ALPHABETS, DRAWERS
from siamese_lib.errors import InputError

# The alphabets of Lake's 20 one-shot runs (all_runs.zip), identified by their drawings; the other ten of the
# evaluation set are for validation.
TEST_ALPHABETS = (
    "Atlantean",
    "Ge_ez",
    "Glagolitic",
    "Gurmukhi",
    "Kannada",
    "Malayalam",
    "Manipuri",
    "Old_Church_Slavonic_(Cyrillic)",
    "Tengwar",
    "Tibetan",
)
PROTOCOLS = {"drawers": 1623, "alphabets": 964}  # reading of the split -> number of training classes
FIRST = range(1, 13)  # drawers of references and of training
VALIDATION, TEST = range(13, 17), range(17, 21)  # drawers of queries


@dataclass(frozen=True)
class Split:
    """Banks of one reading.

    Attributes:
        train: what the network learns from.
        validation, test: queries.
        validation_references, test_references: images whose ideal vectors the queries are compared with;
            None: those of `train`.
        facts: alphabets and drawers of each part, in plain lists, for the record.
    """

    train: ImageBank
    validation: ImageBank
    test: ImageBank
    validation_references: ImageBank | None
    test_references: ImageBank | None
    facts: dict


def omniglot_split(
    protocol: str = "drawers", split_seed: int = 0, classes: int | None = None, bank: ImageBank | None = None
) -> Split:
    """One reading of the paper's split.

    Args:
        protocol: `drawers` (B): of each of the 1,623 characters, 12 of the 20 drawers are for training, 4 for
            validation, 4 for test; `split_seed` decides which. `alphabets` (A, C): the 30 background
            alphabets are for training, the ten alphabets of the one-shot runs for test, the other ten for
            validation; drawers 1-12 are for training and references, 13-16 are the queries of validation,
            17-20 those of the test.
        split_seed: of `drawers`, a whole number from 0; the other reading is not random.
        classes: use at most this many characters of each part, evenly spaced; None: all.
        bank: default `load_omniglot()`.

    Raises:
        InputError: an unknown protocol, a split_seed or number of classes that is no such number, or no
            Omniglot.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol={protocol!r} is unknown; choose one of {', '.join(PROTOCOLS)}")
    split_seed = whole_number("split_seed", split_seed, 0)
    if classes is not None:
        classes = whole_number("classes", classes, 1)
    bank = load_omniglot() if bank is None else bank
    drawer = bank.meta.drawer.to_numpy()
    if protocol == "drawers":
        order = np.random.default_rng(split_seed).permutation(DRAWERS) + 1
        parts = {
            name: sorted(part.tolist())
            for name, part in zip(("train", "validation", "test"), np.split(order, [12, 16]), strict=True)
        }
        bank = _some(bank, np.ones(bank.num_classes, bool), classes)
        drawer = bank.meta.drawer.to_numpy()
        banks = [bank.subset(np.isin(drawer, part)) for part in parts.values()]
        return Split(*banks, None, None, {"protocol": protocol, "split_seed": split_seed, "drawers": parts})
    alphabets = np.array([name.rpartition("/")[0] for name in bank.classes])
    names = {
        "train": list(ALPHABETS["background"]),
        "validation": [a for a in ALPHABETS["evaluation"] if a not in TEST_ALPHABETS],
    }
    names["test"] = list(TEST_ALPHABETS)
    parts = {part: _some(bank, np.isin(alphabets, listed), classes) for part, listed in names.items()}

    def drawn_by(part: str, drawers: range) -> ImageBank:
        return parts[part].subset(np.isin(parts[part].meta.drawer, drawers))

    facts = {
        "protocol": protocol,
        "alphabets": names,
        "drawers": {"train": [*FIRST], "validation": [*VALIDATION], "test": [*TEST]},
    }
    banks = (
        drawn_by("train", FIRST),
        drawn_by("validation", VALIDATION),
        drawn_by("test", TEST),
        drawn_by("validation", FIRST),
        drawn_by("test", FIRST),
    )
    return Split(*banks, facts)


def alphabet_of(classes: list[str]) -> np.ndarray:
    """Class names `alphabet/character` (C,) -> number of their alphabet by order of appearance (C,) int64."""
    names = [name.rpartition("/")[0] for name in classes]
    number = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], np.int64)


def _some(bank: ImageBank, wanted: np.ndarray, most: int | None) -> ImageBank:
    """The classes under a mask (C,), at most `most` of them, evenly spaced, as a bank of their own."""
    kept = np.flatnonzero(wanted)
    if most is not None and most < len(kept):
        kept = kept[np.arange(most) * len(kept) // most]
    new_label = np.full(bank.num_classes, -1)
    new_label[kept] = np.arange(len(kept))
    chosen = np.flatnonzero(new_label[bank.labels] >= 0)
    part = bank.subset(chosen)
    return ImageBank(part.images, new_label[bank.labels[chosen]], [bank.classes[k] for k in kept], part.meta)
