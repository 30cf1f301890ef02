"""A line of text cut into characters: counts, order, parts that stand side by side, spaces, bad input."""

import numpy as np
import pytest
from PIL import Image

from siamese_lib.data.lines import MARGIN, split_line
from siamese_lib.data.pictures import on_black
from siamese_lib.errors import InputError


def line(*marks, cell=20, gap=0, light=False):
    """Marks in cells of 20 pixels, in turn: a full square, two bars side by side, a dot, or nothing."""
    picture = np.zeros((40, 10 + (cell + gap) * len(marks) + 10), np.uint8)
    for place, mark in enumerate(marks):
        left = 10 + place * (cell + gap)
        if mark == "square":
            picture[10:28, left + 1 : left + 19] = 255
        elif mark == "bars":
            picture[10:28, left + 2 : left + 6] = picture[10:28, left + 14 : left + 18] = 255
        elif mark == "dot":
            picture[16:21, left + 8 : left + 13] = 255
    return picture if light else 255 - picture


TEXT = ("square", "bars", "dot", "bars", "", "square", "dot", "square")
SIZES = [(18, 18), (18, 16), (5, 5), (18, 16), (18, 18), (5, 5), (18, 18)]


def sizes(pieces) -> list[tuple[int, int]]:
    """Of the ink; around it is a margin."""
    return [(piece.shape[0] - 2 * MARGIN, piece.shape[1] - 2 * MARGIN) for piece in pieces]


@pytest.mark.parametrize("light", [False, True])
def test_cells_keep_the_parts_of_a_character_together(light):
    found = split_line(line(*TEXT, light=light))
    assert sizes(found) == SIZES
    assert all(piece.dtype == np.uint8 and piece.max() == 255 for piece in found)
    large = split_line(np.kron(line(*TEXT, light=light), np.ones((6, 6), np.uint8)))
    for piece in found + large:  # what reads them finds the ink, also of a square that is all ink
        assert np.array_equal(on_black(piece), piece)


def test_without_cells_gaps_decide():
    found = split_line(line(*TEXT), cells=False)
    assert sizes(found) == [(18, 18), (18, 4), (18, 4), (5, 5), (18, 4), (18, 4)] + SIZES[-3:]


def test_other_pitches_and_a_single_character():
    assert sizes(split_line(line(*TEXT, gap=5))) == SIZES
    assert sizes(split_line(line("bars"))) == [(18, 16)]


def test_a_file_is_read(tmp_path):
    Image.fromarray(line(*TEXT)).save(tmp_path / "line.png")
    assert sizes(split_line(tmp_path / "line.png")) == SIZES


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((20, 80, 3), np.uint8), r"the picture of a line has shape \(20, 80, 3\); give grey"),
        (np.zeros((0, 80), np.uint8), "give grey levels"),
        (np.full((20, 80), 255, np.uint8), "the picture of a line shows nothing"),
        (np.full((20, 80), np.nan), "the picture of a line holds numbers that are not finite"),
        ("nowhere.png", "nowhere.png"),
    ],
)
def test_what_is_no_line(picture, message):
    with pytest.raises(InputError, match=message):
        split_line(picture)
