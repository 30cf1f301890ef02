"""What notebook 11 shows: figures of one syllable, of two and of a picture, and its controls."""

import datetime

import numpy as np
import pandas as pd
import pytest
from made_images import SIDE, bars
from traitlets.utils.bunch import Bunch

from siamese_lib import SiameseClassifier
from siamese_lib.data.bank import ImageBank
from siamese_lib.errors import InputError
from siamese_lib.plots.style import label
from siamese_lib.report import explore, widgets
from siamese_lib.report.explore import Explorer

NAMES = ["가", "각", "간", "갇", "갈", "감"]


@pytest.fixture(scope="module")
def explorer():
    """Six bars under the names of syllables, as two typefaces have them; two clusters; made-up chances."""
    images, labels = bars(samples=2)
    bank = ImageBank(images, labels, NAMES, pd.DataFrame({"face": ["One", "Other"] * 6}))
    reader = SiameseClassifier(images=6_000).fit(*(lambda x, y: (x, np.array(NAMES)[y]))(*bars()))
    arrays = {
        "auto-clustering": {"clusters": np.array([0, 0, 0, 3, 3, 5])},
        "auto-probabilistic": {"probabilities": np.linspace(1, 3, 18, dtype=np.float16).reshape(3, 6)},
    }
    return Explorer(reader, bank, arrays)


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in (*ax.texts, ax.title, ax.yaxis.label)] + [
        ax.get_title(loc="left") for ax in figure.axes
    ]


@pytest.fixture
def scans(explorer, monkeypatch):
    """In place of simulated scans of 각: nine of its own glyphs and one of 간."""
    images = np.stack([explorer.picture("각")] * 9 + [explorer.picture("간")])
    asked = []

    def made(characters, variants, framing):
        asked.append((characters, variants, framing))
        yield ImageBank(images, np.zeros(10, np.int64), list(characters))

    monkeypatch.setattr(explore, "iter_simulated_phd08", made)
    return asked


def test_a_syllable_with_its_neighbours_cluster_mistakes_and_chances(explorer, scans):
    figure = explore.syllable(explorer, "각")
    found = texts(figure)
    assert scans == [(["각"], 9, "square")]
    assert (
        "9 of 10 simulated scans are read rightly; the others as" in found and f"{label('간')} × 1" in found
    )
    reader = explorer.reader
    distances = np.linalg.norm(reader.centroids_ - reader.centroids_[1], axis=1)
    nearest = distances.argsort()[1]
    assert f"{label(NAMES[nearest])} {distances[nearest]:.1f}" in found
    members = figure.axes[2]
    assert members.get_title(loc="left").startswith("In its cluster")
    assert [text.get_text() for text in members.texts] == [label("가"), label("간")]
    chances = figure.axes[-1].lines[0].get_ydata()
    expected = explorer.arrays["auto-probabilistic"]["probabilities"][:, 1]
    assert np.allclose(chances, expected)


def test_what_is_not_published_is_left_out(explorer, scans):
    bare = Explorer(explorer.reader, explorer.glyphs, {})
    assert len(explore.syllable(bare, "각").axes) == len(explore.syllable(explorer, "각").axes) - 2


def test_erasing_what_tells_two_apart_shows(explorer):
    figure = explore.two(explorer, "가", "감")
    assert [ax.get_ylabel() for ax in figure.axes[::4]] == ["One", "Other"]
    glyph, spots = (figure.axes[place].images[0].get_array() for place in (0, 1))
    assert glyph.shape == spots.shape == (SIDE, SIDE)
    blank = np.ones((SIDE, SIDE), bool)
    for y, x in np.argwhere(np.asarray(glyph) < 195):  # ink, and all squares that reach it
        blank[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] = False
    assert np.abs(np.asarray(spots)[~blank]).max() > 0.05
    image = explorer.glyphs.images[0]
    one = image.copy()
    one[15:22, 15:22] = 0  # the square around the middle
    ideal = explorer.reader.centroids_[[0, 5]]
    d = np.linalg.norm(explorer.reader.transform(np.stack([image, one]))[:, None] - ideal, axis=2)
    expected = ((d[1, 0] - d[1, 1]) - (d[0, 0] - d[0, 1])) / np.linalg.norm(ideal[0] - ideal[1])
    assert float(spots[18, 18]) == pytest.approx(expected, abs=1e-3)


def test_a_drawing_is_read(explorer):
    level = widgets.inked([[(20, 92), (165, 92)]])
    assert level.shape == (185, 185) and level.min() == 0 and level[0, 0] == 255
    figure = explore.reading(explorer, level, k=3)
    answers, distances = explorer.reader.predict_top_k([level], 3)
    assert f"{label(answers[0, 0])}  {distances[0, 0]:.1f}" in texts(figure)


@pytest.mark.parametrize("wrong", ["A", "", "가각"])
def test_what_is_no_syllable_of_the_alphabet(explorer, wrong):
    with pytest.raises(InputError, match="is none of the 2,350 syllables"):
        explore.syllable(explorer, wrong)
    with pytest.raises(InputError, match="give two different"):
        explore.two(explorer, "가", "가")


def test_controls_show_the_figure_and_what_is_wrong(explorer, scans):
    box, image, message = widgets.syllable(explorer, "각").children
    first = image.value
    assert len(scans) == 1 and bytes(first).startswith(b"\x89PNG") and message.value == ""
    box.value = "각 "
    assert len(scans) == 2  # spaces do not matter
    box.value = "?"
    assert len(scans) == 2 and "'?' is none of" in message.value and image.layout.display == "none"
    one, _, image, _ = widgets.two(explorer, "가", "감").children
    first = image.value
    one.value = "각"
    assert image.value not in (first, b"") and image.layout.display == ""


def test_strokes_on_the_canvas_are_read_when_the_pen_is_lifted(explorer, monkeypatch):
    shown = []
    monkeypatch.setattr(explore, "reading", lambda explorer, picture: shown.append(picture))  # no figure
    made = widgets.canvas(explorer)
    field, clear = made.children[0].children
    for x in (20, 90, 165):
        field._mouse_move_callbacks(x, 92)  # the pen is not down yet
    field._mouse_down_callbacks(20, 92)
    field._mouse_move_callbacks(165, 92)
    field._mouse_up_callbacks(165, 92)
    assert np.array_equal(shown[0], widgets.inked([[(20, 92), (165, 92), (165, 92)]]))
    clear.click()
    field._mouse_down_callbacks(90, 20)
    field._mouse_up_callbacks(90, 160)
    assert np.array_equal(shown[1], widgets.inked([[(90, 20), (90, 160)]]))


def test_a_file_that_is_no_picture_is_named(explorer):
    button, _, message = widgets.upload(explorer).children
    content = memoryview(b"no picture")
    now = datetime.datetime.now()
    button.value = (Bunch(name="a.png", type="image/png", size=10, content=content, last_modified=now),)
    assert "a.png is no picture that Pillow reads" in message.value
