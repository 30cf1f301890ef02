"""Sheets of glyphs, and the alternative texts of figures."""

import io
import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from siamese_lib import plots
from siamese_lib.data.bank import ImageBank
from siamese_lib.plots.glyphs import GAP

STEP = 37 + GAP


@pytest.fixture(autouse=True)
def styled():
    plots.use_style()


@pytest.fixture
def bank() -> ImageBank:
    """Ten classes, one image each; all pixels of an image are its class's number times 20."""
    images = np.zeros((10, 37, 37), np.uint8) + 20 * np.arange(10, dtype=np.uint8)[:, None, None]
    return ImageBank(images, np.arange(10), list("abcdefghij"))


def sheet_of(figure: Figure) -> np.ndarray:
    """Ink of the tiles of a sheet: (lines, columns)."""
    (picture,) = figure.axes[0].images
    return 255 - np.asarray(picture.get_array())[18::STEP, 18::STEP]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_negatives_stand_beside_their_class_which_is_drawn_once(bank):
    negatives = {3: {"random": [1, 2], "cluster": []}, 5: {"random": [9], "cluster": [4, 6, 7]}}
    figure = plots.negatives_sheet(negatives, bank, title="T")
    assert sheet_of(figure).tolist() == [
        [60, 0, 20, 40, 0],
        [0, 0, 0, 0, 0],
        [100, 0, 180, 0, 0],
        [0, 0, 80, 120, 140],
    ]
    assert texts(figure) == ["random", "cluster", "random", "cluster", "class", "negatives"]


def test_pairs_are_one_below_the_other(bank):
    figure = plots.pairs_sheet(
        {"one class": (bank.images[[1, 2, 3]], bank.images[[4, 5, 6]]), "none": (bank.images[:0],) * 2},
        columns=2,
    )
    assert sheet_of(figure).tolist() == [[20, 40], [80, 100], [0, 0], [0, 0]]
    assert texts(figure) == ["one class", "", "none", ""]


def test_answers_are_green_where_right_and_say_what_it_should_be(bank):
    figure = plots.answers_sheet(bank.images[:4], list("abcd"), list("abxd"), columns=3, title="T")
    labels = [ax.xaxis.label for ax in figure.axes]
    assert [label.get_text() for label in labels] == ["a", "b", "x (is c)", "d"]
    assert [label.get_color() for label in labels] == ["#1b7837", "#1b7837", "#b2182b", "#1b7837"]


def test_a_grid_of_several_banks_is_that_of_all_their_images(bank):
    one = sheet_of(plots.glyph_grid(bank, columns=5))
    several = sheet_of(
        plots.glyph_grid(iter([bank.subset(np.arange(4)), bank.subset(np.arange(4, 10))]), columns=5)
    )
    assert one.tolist() == several.tolist() == (20 * np.arange(10)).reshape(2, 5).tolist()


def test_alt_text_is_heading_panels_and_legend():
    figure = plots.new_figure(6, 2, r"Losses, $\alpha$ = 10", "a note\nof two lines")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], label="first")
    left.set(title="left", xlabel="$d_{AP}$", ylabel="cost")
    right.set(xlabel="seconds")
    figure.legend(*left.get_legend_handles_labels())
    assert plots.alt_text(figure) == (
        "Losses, alpha = 10; a note of two lines; left: cost over d_AP; seconds; first"
    )


def test_every_drawing_of_the_equations_has_a_telling_alt_text():
    for draw in (plots.contrastive_figure, plots.triplet_figure, plots.network_figure, plots.loss_surfaces):
        text = plots.alt_text(draw())
        assert len(text) > 60 and not set("$\\{}\n") & set(text)


CELLS = """
from siamese_lib import plots
plots.use_alt_text()
figure = plots.new_figure(2, 1, "A heading")
figure.add_subplot().set(xlabel="images")
figure
"""


def test_a_notebook_keeps_alternative_texts_and_nbconvert_can_find_them(tmp_path):
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELLS)])
    made = NotebookClient(made, kernel_name="python3", timeout=120).execute()
    file = io.StringIO()
    nbformat.write(made, file)
    ((output,),) = (cell["outputs"] for cell in json.loads(file.getvalue())["cells"])
    assert output["metadata"] == {"image/png": {"alt": "A heading; images"}}
    assert "".join(output["data"]["text/plain"]) == "A heading; images"
    html, _ = HTMLExporter(template_name="classic").from_notebook_node(made)
    assert 'alt="A heading; images"' in html


def test_outside_a_kernel_nothing_happens():
    assert plots.use_alt_text() is None


def test_a_picture_is_shown_as_it_is():
    picture = np.arange(60, dtype=np.uint8).reshape(4, 15)
    figure = plots.picture_figure(picture, "A line")
    assert np.array_equal(figure.axes[0].images[0].get_array(), picture)
    assert plots.alt.alt_text(figure) == "A line"
