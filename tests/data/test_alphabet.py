"""Alphabets of one's own: rendered with any fonts, and read from folders of pictures."""

import shutil
import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from siamese_lib import load_image_folder, load_rendered
from siamese_lib.data.alphabet import distinct_typefaces, typefaces_with
from siamese_lib.data.faces import find_faces, font_file
from siamese_lib.errors import InputError

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
SANS, SERIF = FONTS / "DejaVuSans.ttf", FONTS / "DejaVuSerif.ttf"
ARMENIAN = [chr(code) for code in range(0x531, 0x557)]


def test_characters_of_any_script_are_drawn_with_any_font():
    bank = load_rendered(ARMENIAN, [SANS, font_file(SERIF)])
    assert bank.images.shape == (76, 37, 37) and bank.classes == ARMENIAN
    assert bank.meta.face.tolist() == ["DejaVuSans"] * 38 + ["DejaVuSerif"] * 38
    assert (bank.images.reshape(76, -1).max(1) == 255).all()
    columns = bank.images[:, :, 1:-1].max(1)
    assert (columns[:, 0] > 0).all() and (columns[:, -1] > 0).all()  # square: ink from edge to edge


def test_typefaces_with_an_alphabet_draw_all_of_it(tiny_font, cache):
    half = font_file(tiny_font("half.ttf", {"A": [(0, 0, 500, 500)], "B": []}))  # maps B, draws nothing
    none = font_file(tiny_font("none.ttf", {"C": [(0, 0, 500, 500)]}))
    whole = font_file(SANS)
    assert typefaces_with("AB", [half, whole, none]) == [whole]
    assert typefaces_with("A", iter([half, none])) == [half]


def test_typefaces_that_share_glyphs_are_told(tiny_font, cache):
    square, level = [(0, 0, 500, 500)], [(0, 0, 900, 200), (0, 300, 900, 350)]
    first = font_file(tiny_font("first.ttf", {"A": square, "B": level}))
    copy = font_file(tiny_font("copy.ttf", {"A": square, "B": level, "C": level}))
    moved = font_file(tiny_font("moved.ttf", {"A": square, "B": [(0, 0, 900, 205), (0, 300, 900, 350)]}))
    other = font_file(tiny_font("other.ttf", {"A": level, "B": square}))
    assert distinct_typefaces("AB", [first, copy, other, moved]) == [first, other]
    assert distinct_typefaces("AB", [first, other], known=[copy]) == [other]
    assert distinct_typefaces("AB", [first, copy], least=0.0) == [first, copy]


def test_kana_of_hangul_typefaces_are_shared(debian_faces):
    kana, hangul = "あいうえおかきくけこ", "가각간갇갈감갑값갓강"
    faces = {face.face.key: face for split in ("train-wide", "test") for face in find_faces(split)}
    test, train = faces["UnJamoNovel"], faces["UnDotum"]
    assert distinct_typefaces(kana, [train], known=[test]) == []
    assert distinct_typefaces(hangul, [train], known=[test]) == [train]


def test_characters_drawn_alike_or_not_at_all_are_left_out():
    """The Latin A and the Greek Alpha are one picture, U+E123 has none."""
    with pytest.raises(
        InputError, match=r"3 of the 4 classes are drawn by none of the fonts DejaVuSans.ttf \(AΑ"
    ):
        load_rendered(["A", "Α", "B", "\ue123"], [SANS])
    assert load_rendered(["A", "B"], [SANS]).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    "characters, fonts, message",
    [
        ("AB", [], "fonts is empty; give one font file or more"),
        ("AA", [SANS], "must be one or more different single characters"),
        ("AB", ["nothing.ttf"], "font file nothing.ttf does not exist"),
        ("가나", [SANS], "it maps 0 of the 2 characters and draws none properly"),
    ],
)
def test_what_cannot_be_drawn(characters, fonts, message):
    with pytest.raises(InputError, match=message):
        load_rendered(characters, fonts)


@pytest.fixture
def folder(tmp_path):
    """Two classes: dark on light and light on dark, each in a size of its own."""
    for name, top, pictures in (("b", 3, 2), ("a", 12, 3)):
        (tmp_path / name).mkdir()
        for n in range(pictures):
            picture = np.full((30 + n, 25), 240, np.uint8)
            picture[top : top + 8, 4:21], picture[5:25, 10:14] = 20, 20
            Image.fromarray(255 - picture if n % 2 else picture).save(tmp_path / name / f"{n}.png")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "readme.txt").write_text("not a class")
    (tmp_path / "a" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_a_folder_a_class(folder):
    bank = load_image_folder(folder)
    assert bank.classes == ["a", "b"] and bank.labels.tolist() == [0, 0, 0, 1, 1]
    assert bank.meta.file.tolist()[:2] == [str(Path("a") / "0.png"), str(Path("a") / "1.png")]
    assert np.array_equal(bank.images[0], bank.images[1])  # the same ink, dark and light
    assert not np.array_equal(bank.images[0], bank.images[3])
    aspect = load_image_folder(folder, framing="aspect")
    assert (aspect.images[0, :, 1] == 0).all() and not (bank.images[0, :, 1] == 0).all()


def test_the_ink_can_be_given(folder):
    with pytest.raises(InputError, match=r"a.1\.png shows nothing: its greys run from 15 to 235"):
        load_image_folder(folder, ink="dark")
    for light in folder.glob("?/1.png"):
        light.unlink()
    assert np.array_equal(load_image_folder(folder, ink="dark").images, load_image_folder(folder).images)


def test_names_of_folders_are_composed(folder):
    """Archives of macOS take letters apart; a class must equal the character that is typed."""
    (folder / "a").rename(folder / unicodedata.normalize("NFD", "한"))
    assert load_image_folder(folder).classes == ["b", "한"]
    shutil.copytree(folder / "b", folder / "한")
    with pytest.raises(InputError, match="two folders of the class 한, composed and not; join them"):
        load_image_folder(folder)


def test_a_single_font_needs_no_list():
    for one in (SANS, str(SANS), font_file(SANS)):
        assert np.array_equal(load_rendered("ab", one).images, load_rendered("ab", [SANS]).images)


def test_folders_that_cannot_be_used(folder):
    with pytest.raises(InputError, match="nothing is no folder; give one with a folder of pictures"):
        load_image_folder(folder / "nothing")
    with pytest.raises(InputError, match="a has no folders; put the pictures of each class into one"):
        load_image_folder(folder / "a")
    (folder / "a" / "9.png").write_text("no picture")
    Image.new("L", (9, 9), 255).save(folder / "b" / "9.png")
    with pytest.raises(InputError, match=r"a.9\.png cannot be decoded .*; .*b.9\.png shows nothing"):
        load_image_folder(folder)
    (folder / "c").mkdir()
    with pytest.raises(InputError, match=r"1 of the 3 classes in .* have no picture \(c\); a picture ends"):
        load_image_folder(folder)
