"""Scans of the validation faces: reproducible, of every class and face, of the promised sizes."""

import numpy as np
import pytest

from siamese_lib.data import validation_scans as scans
from siamese_lib.data.faces import font_file
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.data.phd08_simulated import EDGE_JITTER
from siamese_lib.errors import InputError

SHAPES = {
    "가": [(100, 0, 900, 800)],
    "나": [(450, 0, 650, 900)],
    "다": [(50, 400, 950, 580)],
    "라": [(0, 0, 800, 80), (0, 0, 80, 800), (720, 0, 800, 800)],
}
CHARACTERS = "".join(SHAPES)


@pytest.fixture
def faces(tiny_font, cache, monkeypatch):
    """Two validation faces that draw SHAPES, the second one without its last character."""
    last = list(SHAPES)[-1]
    found = [
        font_file(tiny_font("one.ttf", SHAPES)),
        font_file(tiny_font("two.ttf", {name: shape for name, shape in SHAPES.items() if name != last})),
    ]
    monkeypatch.setattr(scans, "find_faces", lambda split: found if split == "validation" else [])
    return found


def test_every_character_of_every_face_is_scanned(faces):
    bank = scans.validation_scans(characters=CHARACTERS, copies=6)
    assert bank.classes == list(CHARACTERS) and bank.images.shape == (len(bank), 37, 37)
    assert np.bincount(bank.labels).tolist() == [12, 12, 12, 6]
    assert bank.meta.groupby("face").size().tolist() == [24, 18]
    assert (bank.meta.pixels >= scans.SMALLEST).all()
    assert bank.meta.dpi.between(scans.LOWEST, scans.HIGHEST).all() and bank.meta.dpi.nunique() > 20
    assert set(bank.meta.cp) == set(bank.meta.th) == {0, 1, 2}
    # a taller em gives more pixels: 800 or 900 of 1,000 units
    em = bank.meta.points / 72 * bank.meta.dpi
    assert (bank.meta.pixels / em).between(0.7, 1.1).all()


def test_same_arguments_same_bits(faces):
    first, second, other = (scans.validation_scans(characters=CHARACTERS, seed=seed) for seed in (3, 3, 4))
    assert first.sha256() == second.sha256() != other.sha256() and first.meta.equals(second.meta)


def test_framings(faces):
    square, aspect = (
        scans.validation_scans(characters=CHARACTERS, framing=how).images for how in ("square", "aspect")
    )
    assert (square > 0).any(axis=(1, 2)).all() and (aspect > 0).any(axis=(1, 2)).all()
    assert (square[:, 1:-1, 1:-1].max(axis=2) > 0).mean() > (aspect[:, 1:-1, 1:-1].max(axis=2) > 0).mean()


def test_resolutions_cover_the_range_in_every_copy():
    chance = np.random.default_rng(0)
    for _ in range(5):
        dpi = np.log([each["dpi"] for each in scans._treatments(chance)])
        place = np.sort((dpi - np.log(scans.LOWEST)) / np.log(scans.HIGHEST / scans.LOWEST) * scans.GROUPS)
        assert np.floor(place).tolist() == list(range(scans.GROUPS))


def test_displacement_follows_the_measured_ones():
    of = [row[1] for row in EDGE_JITTER]
    assert [scans._measured(of, dpi) for dpi in (200, 240, 280)] == pytest.approx(of)
    assert scans._measured(of, 220) == pytest.approx((of[0] + of[1]) / 2)
    assert scans._measured(of, 100) == pytest.approx(of[0] / 2)


@pytest.mark.parametrize("wrong", [{"framing": "round"}, {"copies": 0}, {"num_classes": 7}])
def test_bad_settings(faces, wrong):
    with pytest.raises(InputError):
        scans.validation_scans(**{"characters": None if "num_classes" in wrong else CHARACTERS} | wrong)


@pytest.mark.skipif(len(scans.find_faces("validation")) < 2, reason="needs the two validation faces")
def test_real_faces_span_small_and_large_scans():
    bank = scans.validation_scans(characters=hangul_classes(2350)[::25])
    assert 12 <= bank.meta.pixels.min() <= 14 and bank.meta.pixels.max() >= 40
    assert len(bank) > 0.99 * 2 * 2 * bank.num_classes
