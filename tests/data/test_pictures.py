import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from siamese_lib.data.pictures import read_png
from siamese_lib.errors import InputError

GREY = np.add.outer(np.arange(0, 200, 20), np.arange(0, 50, 5)).astype(np.uint8)  # 10 x 10


def png(picture: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def read(content: bytes) -> np.ndarray:
    return read_png(content, 10, "x.png", "remedy")


def with_alpha(mode: str) -> Image.Image:
    """`GREY` as black ink whose opacity varies."""
    channels = [0] * (len(mode) - 1)
    return Image.merge(mode, [*(Image.new("L", (10, 10), c) for c in channels), Image.fromarray(255 - GREY)])


def palette(greys, transparent=None) -> Image.Image:
    picture = Image.fromarray(GREY // 20)
    picture = picture.convert("P")
    picture.putpalette([level for grey in greys for level in (grey, grey, grey)])
    return picture


PICTURES = {
    "grey": Image.fromarray(GREY),
    "16 bits": Image.fromarray(GREY.astype(np.uint16) * 257),
    "grey as red, green, blue": Image.fromarray(GREY).convert("RGB"),
    "opaque": Image.fromarray(GREY).convert("RGBA"),
    "grey and opacity": with_alpha("LA"),
    "colour and opacity": with_alpha("RGBA"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_what_has_one_meaning_is_converted(name):
    found = read(png(PICTURES[name]))
    assert found.dtype == np.uint8 and np.array_equal(found, GREY)


def test_palettes_and_bits():
    levels = np.arange(255, 0, -20)
    assert np.array_equal(read(png(palette(levels))), levels[GREY // 20])
    bits = Image.fromarray(GREY > 100)
    assert np.array_equal(read(png(bits)), np.where(GREY > 100, 255, 0))
    # index 0, which would be white, is clear anyway; index 1 is half clear
    half = read(png(palette([0] * 13), transparency=bytes([0, 127] + [255] * 11)))
    assert np.array_equal(half, np.select([GREY // 20 == 0, GREY // 20 == 1], [255, 128], 0))
    # one grey level declared transparent
    clear = read(png(Image.fromarray(GREY), transparency=0))
    assert np.array_equal(clear, np.where(GREY == 0, 255, GREY))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_is_refused(mode):
    red = Image.new("RGB", (10, 10), "white")
    red.putpixel((3, 4), (200, 0, 0))
    with pytest.raises(
        InputError, match=rf"^x\.png is a colour image \(mode {mode}\); convert it to grey levels, or remedy$"
    ):
        read(png(red.convert(mode)))


def declaring(side: int) -> bytes:
    """A PNG file of 10 x 10 pixels that declares others."""
    content = bytearray(png(Image.fromarray(GREY)))
    struct.pack_into(">LL", content, 16, side, side)
    struct.pack_into(">L", content, 29, zlib.crc32(content[12:29]))
    return bytes(content)


@pytest.mark.parametrize("side", [11, 9_000, 50_000])
def test_the_declared_size_is_checked_before_any_pixel_is_decoded(monkeypatch, side):
    """Pillow warns above 89 million pixels and raises a kind of its own above twice that."""
    content = declaring(side)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"^x\.png (has|cannot be decoded \(Image size) .*pixels.*; remedy$"):
        read(content)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"


@pytest.mark.parametrize("content", [b"", b"no picture", EPS])
def test_other_files(content):
    with pytest.raises(InputError, match=r"^x\.png cannot be decoded \(it is no PNG image\); remedy$"):
        read(content)
    with pytest.raises(InputError, match="no PNG image"):
        file = io.BytesIO()
        Image.fromarray(GREY).save(file, "BMP")
        read(file.getvalue())


def test_no_damage_raises_anything_else():
    refused = 0
    for whole in (png(PICTURES["grey"]), png(palette([0] * 13), transparency=bytes([0, 127] + [255] * 11))):
        for place in range(len(whole)):
            for spoilt in (whole[:place], whole[:place] + b"\xff" + whole[place + 1 :]):
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        assert read(spoilt).shape == (10, 10)
                except InputError as error:
                    refused += 1
                    assert str(error).startswith("x.png ") and "\n" not in str(error)
    assert refused > 200
