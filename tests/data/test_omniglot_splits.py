import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from siamese_lib.data import omniglot_splits as splits
from siamese_lib.data.bank import ImageBank
from siamese_lib.data.omniglot import ALPHABETS, load_omniglot
from siamese_lib.data.omniglot_splits import PROTOCOLS, TEST_ALPHABETS, alphabet_of, omniglot_split
from siamese_lib.errors import InputError


@pytest.fixture(scope="module")
def bank(omniglot_folder) -> ImageBank:
    return load_omniglot(omniglot_folder)


def keys(part: ImageBank) -> set[tuple[str, int]]:
    """(class name, drawer) of each drawing."""
    return {
        (part.classes[label], drawer) for label, drawer in zip(part.labels, part.meta.drawer, strict=True)
    }


def test_drawers_share_every_character_and_no_drawing(bank):
    split = omniglot_split("drawers", 0, bank=bank)
    parts = split.train, split.validation, split.test
    assert [len(part) for part in parts] == [
        1623 * 12,
        1623 * 4,
        1623 * 4,
    ] and split.test_references is split.validation_references is None
    for part in parts:
        assert part.classes == bank.classes and (np.bincount(part.labels) == len(part) // 1623).all()
    drawers = [set(part.meta.drawer) for part in parts]
    assert [len(each) for each in drawers] == [12, 4, 4] and set.union(*drawers) == set(range(1, 21))
    assert {name: set(each) for name, each in split.facts["drawers"].items()} == dict(
        zip(("train", "validation", "test"), drawers, strict=True)
    )
    assert not keys(parts[0]) & keys(parts[1]) and not (keys(parts[0]) | keys(parts[1])) & keys(parts[2])
    for part in parts:  # the images are those of the drawers that the table names
        chosen = bank.meta.drawer.isin(set(part.meta.drawer)).to_numpy()
        assert np.array_equal(part.images, bank.images[chosen]) and np.array_equal(
            part.labels, bank.labels[chosen]
        )


def test_the_split_has_a_seed_of_its_own(bank):
    facts = [omniglot_split("drawers", seed, bank=bank).facts for seed in (0, 0, 1)]
    assert facts[0] == facts[1] and facts[0]["drawers"] != facts[2]["drawers"] and facts[2]["split_seed"] == 1


def test_alphabets_share_no_alphabet(bank):
    split = omniglot_split("alphabets", bank=bank)
    sides = {
        "train": [split.train],
        "validation": [split.validation, split.validation_references],
        "test": [split.test, split.test_references],
    }
    alphabets = {name: {each for part in of for each in part.meta.alphabet} for name, of in sides.items()}
    assert [len(each) for each in alphabets.values()] == [30, 10, 10] and len(
        set.union(*alphabets.values())
    ) == 50
    assert alphabets["train"] == set(ALPHABETS["background"]) and alphabets["test"] == set(TEST_ALPHABETS)
    assert {name: set(each) for name, each in split.facts["alphabets"].items()} == alphabets
    assert [of[0].num_classes for of in sides.values()] == [964, 277, 382] and len(split.train) == 964 * 12
    assert all(part.classes == of[0].classes for of in sides.values() for part in of)
    for part, drawers in zip(
        (split.train, split.validation, split.test, split.validation_references, split.test_references),
        (range(1, 13), range(13, 17), range(17, 21), range(1, 13), range(1, 13)),
        strict=True,
    ):
        assert set(part.meta.drawer) == set(drawers) and (np.bincount(part.labels) == len(drawers)).all()
        assert [
            part.classes[label].rpartition("/")[0] for label in part.labels
        ] == part.meta.alphabet.tolist()
    where = bank.meta.alphabet.isin(TEST_ALPHABETS) & bank.meta.drawer.between(17, 20)
    assert np.array_equal(split.test.images, bank.images[where.to_numpy()])


def test_test_alphabets_are_those_of_the_one_shot_runs(omniglot_folder):
    """Each drawing of all_runs.zip is also in the evaluation set: a run has two drawers of one alphabet."""

    def ink(archive, name) -> bytes:
        with archive.open(name) as file:
            return np.asarray(Image.open(file).convert("L")).tobytes()

    found = {}
    with zipfile.ZipFile(omniglot_folder / "images_evaluation.zip") as archive:
        for name in archive.namelist():
            if match := re.search(r"([^/]+)/character\d\d/\d{4}_(\d\d)\.png", name):
                found[ink(archive, name)] = match[1], int(match[2])
    published = []
    with zipfile.ZipFile(omniglot_folder / "all_runs.zip") as archive:
        for run in range(1, 21):
            sides = [
                {found[ink(archive, f"run{run:02}/{kind}{k:02}.png")] for k in range(1, 21)}
                for kind in ("training/class", "test/item")
            ]
            ((alphabet, reference),), ((other, drawer),) = sides
            assert alphabet == other and reference != drawer
            published.append((alphabet, reference, drawer))
    assert published == [
        ("Atlantean", 5, 8),
        ("Atlantean", 3, 2),
        ("Ge_ez", 3, 7),
        ("Ge_ez", 4, 2),
        ("Glagolitic", 6, 4),
        ("Glagolitic", 3, 2),
        ("Gurmukhi", 5, 2),
        ("Gurmukhi", 8, 3),
        ("Kannada", 2, 1),
        ("Kannada", 8, 3),
        ("Malayalam", 3, 7),
        ("Malayalam", 4, 2),
        ("Manipuri", 8, 4),
        ("Manipuri", 7, 3),
        ("Old_Church_Slavonic_(Cyrillic)", 4, 8),
        ("Old_Church_Slavonic_(Cyrillic)", 1, 2),
        ("Tengwar", 1, 4),
        ("Tengwar", 8, 7),
        ("Tibetan", 1, 3),
        ("Tibetan", 8, 5),
    ]
    assert {alphabet for alphabet, *_ in published} == set(TEST_ALPHABETS)


def small() -> ImageBank:
    names = [("Alef", 3), ("Bet", 2), ("Gimel", 1)]
    rows = [
        (alphabet, f"character{c:02}", d)
        for alphabet, count in names
        for c in range(1, count + 1)
        for d in range(1, 21)
    ]
    labels = np.repeat(np.arange(6), 20)
    images = np.random.default_rng(0).integers(0, 256, (120, 37, 37), dtype=np.uint8)
    return ImageBank(
        images,
        labels,
        [f"{a}/{c}" for a, c, d in rows[::20]],
        pd.DataFrame(rows, columns=["alphabet", "character", "drawer"]),
    )


def test_fewer_classes_are_evenly_spaced_and_keep_their_images(monkeypatch):
    whole, few = small(), omniglot_split("drawers", 0, 3, small())
    assert (
        few.train.classes == [whole.classes[k] for k in (0, 2, 4)] == few.test.classes
        and len(few.train) == 36
    )
    for label, name in enumerate(few.train.classes):
        chosen = (whole.labels == whole.classes.index(name)) & whole.meta.drawer.isin(
            few.facts["drawers"]["train"]
        ).to_numpy()
        assert np.array_equal(few.train.images[few.train.labels == label], whole.images[chosen])
    monkeypatch.setattr(
        splits, "ALPHABETS", {"background": {"Alef": 3}, "evaluation": {"Bet": 2, "Gimel": 1}}
    )
    monkeypatch.setattr(splits, "TEST_ALPHABETS", ("Gimel",))
    few = omniglot_split("alphabets", 0, 2, small())
    assert (
        few.train.classes == ["Alef/character01", "Alef/character02"]
        and few.validation.num_classes == 2
        and few.test.num_classes == 1
    )


def test_alphabets_are_numbered_in_order():
    assert alphabet_of(["B/1", "B/2", "A/1", "B/3", "C/9"]).tolist() == [0, 0, 1, 0, 2]


@pytest.mark.parametrize("seed", [-1, 0.5, None, "0", True])
def test_split_seeds_that_are_none(seed):
    """None would give another split each time."""
    for protocol in PROTOCOLS:
        with pytest.raises(
            InputError, match=rf"^split_seed={seed!r} is not possible; give a whole number from 0$"
        ):
            omniglot_split(protocol, seed, bank=small())
    assert omniglot_split("drawers", np.int64(3), bank=small()).facts["split_seed"] == 3


@pytest.mark.parametrize("classes", [0, -2, 1.5])
def test_numbers_of_classes_that_are_none(classes):
    with pytest.raises(InputError, match=rf"^classes={classes} is not possible; give a whole number from 1$"):
        omniglot_split("drawers", 0, classes, small())


def test_unknown_protocol():
    with pytest.raises(InputError, match="protocol='halves' is unknown; choose one of drawers, alphabets"):
        omniglot_split("halves", bank=small())
