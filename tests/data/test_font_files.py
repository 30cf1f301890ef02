import hashlib
import shutil
import struct
import warnings

import numpy as np
import pytest
from fontTools.ttLib import TTCollection, TTFont, woff2
from fontTools.ttLib.tables.DefaultTable import DefaultTable

from siamese_lib.data.faces import font_file
from siamese_lib.data.font_files import code_points, designation, file_sha256
from siamese_lib.data.glyphs import masters
from siamese_lib.errors import InputError

BAR, TALL = [(100, 0, 900, 125)], [(250, -125, 500, 1000)]
SHAPES = {"가": BAR, "나": TALL}


@pytest.fixture
def font(tiny_font):
    return tiny_font("a.ttf", SHAPES)


def with_cmap(path, spoil):
    """The same font, its table of characters changed: spoil(bytes) -> bytes."""
    font = TTFont(path)
    table = DefaultTable("cmap")
    table.data = spoil(font.reader["cmap"])
    font["cmap"] = table
    font.save(path)
    return path


def changed(table, place, value):
    return table[:place] + bytes([value]) + table[place + 1 :]


def groups(*ranges):
    """A table of characters of format 12: (first, last) code points."""
    body = b"".join(struct.pack(">LLL", first, last, 1) for first, last in ranges)
    return struct.pack(">HHHHLHHLLL", 0, 1, 3, 10, 12, 12, 0, 16 + len(body), 0, len(ranges)) + body


def test_code_points(font):
    assert code_points(font) == {ord("가"), ord("나")}
    assert code_points(with_cmap(font, lambda _: groups((0xAC00, 0xAC02)))) == {0xAC00, 0xAC01, 0xAC02}


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda table: table[:-6], ""),
        (lambda table: table[:3], ""),
        (lambda table: b"", ""),
        (lambda table: groups((0xAC00, 0xAC01))[:-4], ""),
        (lambda table: changed(table, 23, 8), "requires a buffer of 8 bytes"),  # it says that it ends early
        (lambda table: changed(table, 27, 8), "index out of range"),  # more segments than it holds
        (lambda table: changed(table, 21, 0), "not 262 bytes"),  # another format
        (lambda table: groups((0, 0xFFFFFFFF)), "its cmap declares 4,294,967,296 characters"),
        (lambda table: groups(*[(0, 0x10FFFF)] * 4), "its cmap declares 4,456,448 characters"),
        (
            lambda table: groups((0, 0xFFFFFFFF), (0xFFFFFFFF, 0)),
            "its cmap declares 4,294,967,296 characters",
        ),
    ],
)
def test_a_cmap_that_is_cut_short_or_declares_too_much(font, cache, spoil, reason):
    """fontTools would write out 4 billion characters, or raise one of many kinds."""
    face = font_file(with_cmap(font, spoil))
    with pytest.raises(
        InputError, match=rf"^font file .*a\.ttf .*cannot be read \(.*{reason}.*\); give a \.ttf"
    ) as caught:
        masters(face, ["가"])
    assert "\n" not in str(caught.value)


def test_woff2_without_its_decompressor(monkeypatch, tmp_path):
    path = tmp_path / "a.woff2"
    path.write_bytes(b"wOF2" + bytes(60))
    monkeypatch.setattr(woff2, "haveBrotli", False)
    with pytest.raises(
        InputError, match=r"a\.woff2 is WOFF2, which needs `pip install brotli`; or give a \.ttf"
    ):
        font_file(path)
    monkeypatch.setattr(woff2, "haveBrotli", True)
    with pytest.raises(InputError, match=r"a\.woff2 .*cannot be read \(.+\); give a \.ttf"):
        font_file(path)


@pytest.mark.parametrize("kind", [b"wOF2", b"wOFF"])
def test_compressed_fonts_that_declare_too_much(monkeypatch, tmp_path, kind):
    path = tmp_path / "a.woff"
    path.write_bytes(kind + bytes(12) + struct.pack(">L", 2_000_000_000) + bytes(40))
    monkeypatch.setattr(woff2, "haveBrotli", True)
    with pytest.raises(InputError, match=r"a\.woff .*cannot be read \(it declares 2,000,000,000 bytes\)"):
        font_file(path)


def test_a_compressed_font_is_drawn_like_the_plain_one(font, cache):
    woff = TTFont(font)
    woff.flavor = "woff"
    woff.save(font.with_suffix(".woff"))
    plain, compressed = (masters(font_file(path), SHAPES) for path in (font, font.with_suffix(".woff")))
    assert np.array_equal(plain.images, compressed.images)


def test_no_damage_raises_anything_else(font, cache):
    whole = font.read_bytes()
    path = font.with_name("b.ttf")
    refused = 0
    for place in range(0, len(whole), 5):
        for spoilt in (whole[:place], whole[:place] + b"\xff" + whole[place + 1 :]):
            path.write_bytes(spoilt)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    masters(font_file(path), ["가"])
            except InputError as error:
                refused += 1
                assert "b.ttf" in str(error) and "\n" not in str(error), error
    assert refused > len(whole) / 10


def test_a_plain_font_is_named_by_its_file(font):
    face = font_file(font)
    assert (face.face.key, face.face.family, face.note, designation(font)) == ("a", "a", "", ("", ""))
    for index in (1, 65536):
        with pytest.raises(
            InputError, match=rf"typeface {index}\) cannot be read \(it holds 1, number 0 to 0\)"
        ):
            font_file(font, index)
    for index in (-1, 0.5, None, True):
        with pytest.raises(InputError, match="index=.* is not possible; give a whole number from 0"):
            font_file(font, index)


def test_typefaces_of_a_collection_have_keys_of_their_own(font, tiny_font, cache):
    collection = TTCollection()
    collection.fonts = [TTFont(font), TTFont(tiny_font("b.ttf", {"가": TALL, "나": BAR}))]
    path = font.with_name("both.ttc")
    collection.save(path)
    faces = [font_file(path, index) for index in (0, 1)]
    assert [face.face.key for face in faces] == ["both[0]", "both[1]"]
    assert [face.face.family for face in faces] == ["both", "both"]
    assert faces[1].note == "number 1 of the 2 typefaces 0 to 1 in both.ttc"
    assert masters(faces[0], "가나").heights.tolist() == masters(faces[1], "나가").heights.tolist()
    with pytest.raises(
        InputError, match=r"both\.ttc \(typeface 2\) cannot be read \(specify a font number between 0 and 1"
    ):
        font_file(path, 2)


def test_a_variable_font_says_at_which_weight_it_is_drawn(tiny_font, cache):
    face = font_file(tiny_font("v.ttf", SHAPES, weights=(100, 300, 900)))
    assert face.face.key == "v[wght=300,wdth=100]" and face.face.family == "v"
    assert "drawn at its defaults wght=300 (100 to 900), wdth=100 (75 to 125); for others" in face.note
    assert masters(face, "가나").usable.all()


def test_hash_of_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = file_sha256(path)
    path.write_bytes(b"three")
    assert first != file_sha256(path) == hashlib.sha256(b"three").hexdigest()
    path.unlink()
    with pytest.raises(InputError, match=r"font file .*file cannot be read \(No such file or directory\)"):
        file_sha256(path)
    shutil.rmtree(tmp_path)
