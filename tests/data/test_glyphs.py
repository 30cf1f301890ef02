import warnings

import numpy as np
import pytest
from PIL import ImageDraw
from read_only import make_read_only

from siamese_lib.data import glyphs
from siamese_lib.data.faces import FoundFace, find_faces, font_file, font_folders
from siamese_lib.data.glyphs import BLANK, EM, IDENTICAL, NOTDEF, UNMAPPED, masters
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.errors import InputError

BAR, TALL = [(100, 0, 900, 125)], [(250, -125, 500, 1000)]
BOX = [(100, 0, 900, 900), (200, 100, 800, 800)]  # the .notdef of the tiny fonts


def test_renders_are_tight_and_at_128_pixels_an_em(tiny_font, cache):
    renders = masters(font_file(tiny_font("a.ttf", {"가": BAR, "나": TALL})), ["나", "가"])
    assert renders.characters == ["나", "가"] and renders.problems == {} and renders.usable.all()
    assert renders.images.dtype == np.uint8 and renders.images.shape == (
        2,
        *np.maximum(renders.heights.max(), 0)[None],
        renders.widths.max(),
    )
    expected = [(1.125 * EM, 0.25 * EM), (0.125 * EM, 0.8 * EM)]
    for place, (height, width) in enumerate(expected):
        assert abs(renders.heights[place] - height) <= 2 and abs(renders.widths[place] - width) <= 2
        ink = renders.images[place]
        assert ink[: renders.heights[place], : renders.widths[place]].mean() > 230
        assert not ink[renders.heights[place] :].any() and not ink[:, renders.widths[place] :].any()
        assert (
            ink[0].any()
            and ink[:, 0].any()
            and ink[renders.heights[place] - 1].any()
            and ink[:, renders.widths[place] - 1].any()
        )


def test_bad_glyphs_are_found_and_left_out(tiny_font, cache):
    face = font_file(tiny_font("a.ttf", {"가": BAR, "나": TALL, "다": BAR, "라": [], "마": BOX}))
    renders = masters(face, list("가나다라마바"))
    assert renders.problems == {"가": IDENTICAL, "다": IDENTICAL, "라": BLANK, "마": NOTDEF, "바": UNMAPPED}
    assert renders.usable.tolist() == [False, True, False, False, False, False]
    assert (renders.heights[~renders.usable] == 0).all() and not renders.images[~renders.usable].any()
    # Sameness is a matter of the alphabet: without 다, 가 is fine.
    assert masters(face, list("가나")).problems == {}


def test_font_without_the_alphabet(tiny_font, cache):
    path = tiny_font("latin.ttf", {"a": BAR, "가": []})
    with pytest.raises(
        InputError, match=r"latin.ttf cannot be used: it maps 1 of the 3 characters.*give a font"
    ):
        masters(font_file(path), list("가나다"))
    with pytest.raises(InputError, match=r"maps 0 of the 2 "):
        masters(font_file(path), list("나다"))


def test_file_that_is_no_font(tmp_path, cache):
    path = tmp_path / "text.ttf"
    path.write_text("not a font")
    with pytest.raises(InputError, match="text.ttf.*cannot be read"):
        masters(font_file(path), ["가"])


@pytest.mark.parametrize(
    "characters", [[], ["가", "가"], ["가나"], [""], [1, 2], [["가"]], ["\ud800"], "\u1100\u1161" * 2]
)
def test_characters_must_be_different_and_single(tiny_font, cache, characters):
    with pytest.raises(InputError, match="different single characters"):
        masters(font_file(tiny_font("a.ttf", {"가": BAR})), characters)


def test_cache_is_used_and_gives_the_same(tiny_font, cache, monkeypatch):
    face = font_file(tiny_font("a.ttf", {"가": BAR, "나": TALL, "다": BAR}))
    first = masters(face, list("가나다"))
    monkeypatch.setattr(glyphs, "_render", lambda *_: pytest.fail("rendered again"))
    again = masters(face, list("가나다"))
    assert (
        np.array_equal(first.images, again.images)
        and first.problems == again.problems
        and first.digest == again.digest
    )


def test_many_glyphs_are_rendered_side_by_side_and_the_same(tiny_font, cache, monkeypatch):
    faces = [
        font_file(tiny_font(f"{name}.ttf", {"가": BAR, "나": TALL, "다": drawing}))
        for name, drawing in (("a", BAR), ("b", []))
    ]
    alone = [masters(face, list("가나다")) for face in faces]
    for path in cache.rglob("*.npz"):
        path.unlink()
    glyphs.render_missing(faces, list("가나다"))
    assert not list(cache.rglob("*.npz"))  # few are left to masters
    monkeypatch.setattr(glyphs, "PARALLEL", 6)
    glyphs.render_missing(
        [*faces, FoundFace(faces[0].face, None, "0" * 64)], list("가나다")
    )  # one without a file
    assert len(list(cache.rglob("*.npz"))) == 2
    monkeypatch.setattr(glyphs, "_render", lambda *_: pytest.fail("rendered again"))
    for face, first in zip(faces, alone, strict=True):
        again = masters(face, list("가나다"))
        assert (
            np.array_equal(first.images, again.images)
            and first.problems == again.problems
            and first.digest == again.digest
        )
    glyphs.render_missing(faces, list("가나다"))  # nothing is missing


def test_a_broken_font_among_many_is_named(tiny_font, cache, monkeypatch, tmp_path):
    monkeypatch.setattr(glyphs, "PARALLEL", 1)
    broken = font_file(tiny_font("b.ttf", {"가": BAR}))
    broken.path.write_text("not a font")
    with pytest.raises(InputError, match="b.ttf.*cannot be read"):
        glyphs.render_missing([font_file(tiny_font("a.ttf", {"가": BAR})), broken], ["가"])


def test_key_of_the_cache(tiny_font, cache):
    face, other = (
        font_file(tiny_font("a.ttf", {"가": BAR, "나": TALL})),
        font_file(tiny_font("b.ttf", {"가": TALL, "나": BAR})),
    )
    assert np.array_equal(masters(face, ["가", "나"]).heights, masters(face, ["나", "가"]).heights[::-1])
    assert np.array_equal(masters(face, ["가", "나"]).heights, masters(other, ["나", "가"]).heights)
    assert masters(face, ["가", "나"]).digest != masters(other, ["가", "나"]).digest
    assert (
        len(list(cache.rglob("*.npz"))) == 4 and len(list(cache.rglob("*.*"))) == 4
    )  # and nothing half written


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_damaged_cache_is_rendered_again(tiny_font, cache, damage):
    face = font_file(tiny_font("a.ttf", {"가": BAR, "나": TALL}))
    first = masters(face, ["가", "나"])
    (path,) = cache.rglob("*.npz")
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[damage])
    with pytest.warns(UserWarning, match="damaged"):
        assert np.array_equal(masters(face, ["가", "나"]).images, first.images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masters(face, ["가", "나"])


def test_cached_arrays_that_do_not_fit_are_rendered_again(tiny_font, cache):
    face = font_file(tiny_font("a.ttf", {"가": BAR, "나": TALL}))
    first = masters(face, ["가", "나"])
    (path,) = cache.rglob("*.npz")
    with np.load(path) as stored:
        arrays = dict(stored)
    for changed in (
        {name: values[:1] for name, values in arrays.items()},
        arrays | {"reasons": arrays["reasons"] + 9},
        arrays | {"images": arrays["images"].astype(float)},
        arrays | {"heights": arrays["heights"] + 99},
    ):
        np.savez(path, **changed)
        with pytest.warns(UserWarning, match="damaged .its arrays do not fit"):
            assert np.array_equal(masters(face, ["가", "나"]).images, first.images)


def test_a_read_only_cache_is_used_and_new_glyphs_go_elsewhere(tiny_font, cache, monkeypatch):
    face = font_file(tiny_font("a.ttf", {"가": BAR, "나": TALL}))
    first = masters(face, ["가"])
    files = sorted(cache.rglob("*"))
    make_read_only(monkeypatch, cache)
    render = glyphs._render
    monkeypatch.setattr(glyphs, "_render", lambda *_: pytest.fail("rendered again"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(masters(face, ["가"]).images, first.images)
        assert np.array_equal(masters(FoundFace(face.face, None, face.sha256), ["가"]).images, first.images)
    monkeypatch.setattr(glyphs, "_render", render)
    with pytest.warns(UserWarning, match="cannot be written; new files go to"):
        second = masters(face, ["나"])
    monkeypatch.setattr(glyphs, "_render", lambda *_: pytest.fail("rendered again"))
    assert np.array_equal(masters(face, ["나"]).images, second.images) and sorted(cache.rglob("*")) == files


def test_a_font_that_maps_every_private_character(tiny_font, cache):
    """The missing glyph is drawn with another character that is not mapped."""
    private = {chr(code): BAR for code in range(0xE000, 0xF900)}
    face = font_file(tiny_font("icons.ttf", private | {"가": BOX, "나": TALL}))
    assert masters(face, ["가", "나"]).problems == {"가": NOTDEF}


def test_a_glyph_that_cannot_be_drawn_is_named(tiny_font, cache, monkeypatch):
    def fail(*_, **__):
        raise OSError("too many function definitions")

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", fail)
    with pytest.raises(InputError, match=r"a\.ttf cannot draw U\+E000 \(too many function definitions\); "):
        masters(font_file(tiny_font("a.ttf", {"가": BAR})), ["가"])


def test_part_of_a_cached_alphabet_without_the_file(tiny_font, cache, monkeypatch):
    alphabet = ["가", "각", "간", "갇"]
    monkeypatch.setattr(glyphs, "hangul_classes", lambda count: alphabet)
    face = font_file(tiny_font("a.ttf", {"가": BAR, "각": TALL, "간": BAR}))
    masters(face, alphabet)
    absent = FoundFace(face.face, None, face.sha256)
    part = masters(absent, ["간", "각"])
    assert part.problems == {} and np.array_equal(part.images, masters(face, ["간", "각"]).images)
    with pytest.raises(InputError, match="not on this machine"):
        masters(absent, ["나"])


def test_known_gaps_of_real_faces(debian_faces, cache):
    found = {face.face.key: face for split in ("train", "test") for face in find_faces(split)}
    assert masters(found["BaekmukDotum"], list("가쏀")).problems == {
        "쏀": BLANK
    }  # U+C3C0 is one of the 2,350
    headline = next(path for folder in font_folders() for path in folder.rglob("hline.ttf"))
    assert masters(font_file(headline), list("가뷁")).problems == {"뷁": BLANK}
    assert masters(found["BMJua"], list("가왰")).problems == {"왰": BLANK}
    assert masters(found["NanumGothic"], hangul_classes(2350)[::50]).problems == {}
