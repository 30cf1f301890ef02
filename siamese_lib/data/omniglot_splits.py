"""Omniglot, split as the paper may have meant it: by drawers (reading B, the default) or by alphabets (readings A and C).

The paper gives "60 % for training, 20 % for validation, 20 % for test" beside a sentence on alphabets and drawers that does not add up to it.
"""

from dataclasses import dataclass

import numpy as np

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.omniglot import ALPHABETS, DRAWERS, load_omniglot
from siamese_lib.errors import InputError

# The alphabets of Lake's 20 one-shot runs (all_runs.zip), found by their drawings; the other ten of the evaluation set serve validation.
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
PROTOCOLS = {
    "drawers": 1623,
    "alphabets": 964,
}  # readings of the split, and how many classes are trained in each
FIRST = range(1, 13)  # drawers of references and of training
VALIDATION, TEST = range(13, 17), range(17, 21)  # drawers of queries


@dataclass(frozen=True)
class Split:
    """Banks of one reading.

    Attributes:
        train: what the network learns from.
        validation, test: queries.
        validation_references, test_references: images whose ideal vectors the queries are compared with; None: those of `train`.
        facts: who and what is in it, in plain lists, for the record.
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
        protocol: `drawers` (B): 12 of the 20 drawers of every one of the 1,623 characters train, 4 validate, 4 test; `split_seed` says which.
            `alphabets` (A, C): the 30 background alphabets train, the ten alphabets of the one-shot runs test, the other ten validate; drawers
            1-12 train and are references, 13-16 are the queries of validation, 17-20 those of the test.
        split_seed: of `drawers`; the other reading has no chance in it.
        classes: take this many characters of each part, evenly spaced, in place of all.
        bank: default `load_omniglot()`.

    Raises:
        InputError: an unknown protocol, or no Omniglot.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol={protocol!r} is unknown; choose one of {', '.join(PROTOCOLS)}")
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
    of = {part: _some(bank, np.isin(alphabets, listed), classes) for part, listed in names.items()}

    def by(part: str, drawers: range) -> ImageBank:
        return of[part].subset(np.isin(of[part].meta.drawer, drawers))

    facts = {
        "protocol": protocol,
        "alphabets": names,
        "drawers": {"train": [*FIRST], "validation": [*VALIDATION], "test": [*TEST]},
    }
    banks = (
        by("train", FIRST),
        by("validation", VALIDATION),
        by("test", TEST),
        by("validation", FIRST),
        by("test", FIRST),
    )
    return Split(*banks, facts)


def alphabet_of(classes: list[str]) -> np.ndarray:
    """Class names `alphabet/character` (C,) -> number of the alphabet of each, in order of appearance (C,) int64."""
    names = [name.rpartition("/")[0] for name in classes]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], np.int64)


def _some(bank: ImageBank, wanted: np.ndarray, most: int | None) -> ImageBank:
    """The classes under a mask (C,), at most `most` of them, evenly spaced; they become the class list."""
    kept = np.flatnonzero(wanted)
    if most is not None and most < len(kept):
        kept = kept[np.arange(most) * len(kept) // most]
    place = np.full(bank.num_classes, -1)
    place[kept] = np.arange(len(kept))
    chosen = np.flatnonzero(place[bank.labels] >= 0)
    part = bank.subset(chosen)
    return ImageBank(part.images, place[bank.labels[chosen]], [bank.classes[k] for k in kept], part.meta)
