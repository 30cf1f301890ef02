import importlib.util
import json

import numpy as np
import pytest

from siamese_lib.data import faces
from siamese_lib.data.faces import SPLITS, declared_faces, find_faces, font_file
from siamese_lib.data.framing import frame
from siamese_lib.data.glyphs import masters
from siamese_lib.data.hangul import font_manifest, largest_overlap, load_hangul
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.errors import InputError

SAMPLE = hangul_classes(2350)[::200]


@pytest.fixture
def stopgap(tmp_path, monkeypatch, cache):
    """Only the PyPI fonts are there."""
    if not all(importlib.util.find_spec(package) for package in faces.PYPI_PACKAGES):
        pytest.skip("koreanize-matplotlib and pylopdf-fonts-ko are not installed")
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("SIAMESE_FONTS", str(tmp_path / "none"))


@pytest.mark.filterwarnings("ignore:using the few typefaces")
def test_stopgap_bank_and_manifest(stopgap):
    bank = load_hangul(characters=SAMPLE)
    assert len(bank) == 4 * len(SAMPLE) and bank.classes == SAMPLE
    manifest = font_manifest(characters=SAMPLE)
    assert manifest["fallback"] is True
    assert [len(manifest["faces"][split]) for split in SPLITS] == [4, 1, 1]
    assert largest_overlap(12)[2] == "NotoSansKR"


@pytest.mark.filterwarnings("ignore:using the few typefaces")
def test_characters_that_some_or_all_faces_lack(stopgap):
    bank = load_hangul(characters=["가", "뷁"])  # NanumGothicLight has the 2,350 only
    assert bank.labels.tolist() == [0, 0, 1, 0, 1, 0, 1]
    assert (
        bank.meta["face"].tolist()
        == ["NanumGothicLight"] + ["NanumGothic"] * 2 + ["NanumGothicBold"] * 2 + ["NotoSerifKR"] * 2
    )
    with pytest.raises(
        InputError, match="1 of the 2 classes are drawn by none of the typefaces of the test split"
    ):
        load_hangul(split="test", characters=["가", "\ue123"])


def test_bank_is_face_major_and_framed(debian_faces, cache):
    bank = load_hangul(characters=SAMPLE)
    assert len(bank) == 8 * len(SAMPLE)
    assert bank.labels.reshape(8, -1).tolist() == [list(range(len(SAMPLE)))] * 8
    assert bank.meta["face"].tolist() == [face.key for face in declared_faces("train") for _ in SAMPLE]
    inside = bank.images[:, 1:-1, 1:-1]
    assert inside.sum() == bank.images.sum(dtype=np.int64)  # nothing in the border
    touching = (inside[:, [0, -1]].any(axis=2).all(axis=1)) | (inside[:, :, [0, -1]].any(axis=1).all(axis=1))
    assert touching.mean() > 0.95  # the longer side fills the frame; hair-thin ends may fade out
    renders = masters(find_faces("train")[3], SAMPLE)
    assert np.array_equal(
        bank.images[3 * len(SAMPLE) :][: len(SAMPLE)],
        frame(renders.images, renders.heights, renders.widths).numpy(),
    )


def test_framings_differ_and_repeat(debian_faces, cache):
    aspect, square = (
        load_hangul(split="validation", characters=SAMPLE, framing=framing)
        for framing in ("aspect", "square")
    )
    assert aspect.sha256() != square.sha256()
    assert aspect.sha256() == load_hangul(split="validation", characters=SAMPLE).sha256()
    with pytest.raises(InputError, match="'round'"):
        load_hangul(split="validation", characters=SAMPLE, framing="round")


def test_all_2350_in_the_validation_faces(debian_faces, cache):
    bank = load_hangul(2350, "validation")
    assert len(bank) == 4700 and (np.bincount(bank.labels) == 2).all()
    flat = bank.images.reshape(len(bank), -1)
    assert len(np.unique(flat, axis=0)) == len(bank)  # no two syllables look the same
    assert 0.1 < flat.mean() / 255 < 0.4


def test_manifest(debian_faces, cache):
    manifest = font_manifest("train", "test", characters=[*SAMPLE, "쏀"])
    assert (
        manifest["fallback"] is False
        and manifest["classes"] == len(SAMPLE) + 1
        and list(manifest["faces"]) == ["train", "test"]
    )
    test = {face["letter"]: face for face in manifest["faces"]["test"]}
    assert len(test) == 9 and all(face["declared"] for face in test.values())
    assert test["D"]["glyphs"] == len(SAMPLE) and test["D"]["left_out"] == {
        "drawn blank": {"count": 1, "first": "쏀"}
    }
    assert test["S"]["glyphs"] == len(SAMPLE) + 1 and test["S"]["left_out"] == {}
    assert len({face["pixels"] for listed in manifest["faces"].values() for face in listed}) == 17
    assert json.loads(json.dumps(manifest)) == manifest
    assert manifest == font_manifest("train", "test", characters=[*SAMPLE, "쏀"])


def test_no_test_face_is_a_training_face_in_disguise(debian_faces, cache):
    overlap, face, test_face = largest_overlap()
    # Two serifs of separate origin come closest; two weights of one typeface, or NanumGothic and
    # NanumBarunGothic, reach 0.84 and more.
    assert 0.5 < overlap < 0.8, f"{face} and {test_face} overlap by {overlap:.2f}"
    assert (face, test_face) == ("NanumMyeongjo", "UnBatang")
    first = find_faces("train")[:1]
    assert largest_overlap(12, first, first)[0] == pytest.approx(1)
    sister = first[0].path.with_name("NanumGothicBold.ttf")
    if sister.is_file():
        assert largest_overlap(98, first, [font_file(sister)])[0] > 0.8


def test_no_wide_training_face_validates_or_tests_in_disguise(debian_faces, cache):
    against = [*find_faces("validation"), *find_faces("test")]
    overlap, face, other = largest_overlap(49, find_faces("train-wide"), against)
    assert 0.5 < overlap < 0.8, f"{face} and {other} overlap by {overlap:.2f}"


def test_no_sample_for_the_overlap():
    with pytest.raises(InputError, match="sample=0 is not possible; give a whole number from 1"):
        largest_overlap(0)


@pytest.mark.parametrize("characters", ["", "가가", ["가", None], ["가나"]])
def test_characters_that_are_no_classes(characters):
    with pytest.raises(InputError, match="one or more different single characters"):
        load_hangul(split="validation", characters=characters)


def test_unknown_class_count_or_split():
    with pytest.raises(InputError, match="2350"):
        load_hangul(100)
    with pytest.raises(InputError, match="'dev'"):
        load_hangul(split="dev")
