import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from siamese_lib.data.glyphs import masters
from siamese_lib.data.hangul_classes import class_list
from siamese_lib.data.pictures import grey_levels, on_black, read_glyph, read_png
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


# --- pictures of one character, of any kind


def character(height=40, width=30, paper=230, ink=20) -> np.ndarray:
    """A bar on paper."""
    picture = np.full((height, width), paper, np.uint8)
    picture[5:-5, 10:14] = ink
    return picture


def saved(tmp_path, picture: Image.Image, name="x.png", **options):
    picture.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("paper, ink", [(230, 20), (20, 230), (255, 0), (120, 60)])
def test_polarity_is_found(tmp_path, paper, ink):
    found = read_glyph(saved(tmp_path, Image.fromarray(character(paper=paper, ink=ink))))
    wanted = np.zeros((40, 30), np.uint8)
    wanted[5:-5, 10:14] = 255
    assert found.dtype == np.uint8 and np.array_equal(found, wanted)


def test_polarity_can_be_said():
    """Ink that covers the whole edge is taken for paper, unless one says so."""
    frame = np.full((20, 20), 10, np.uint8)
    frame[4:-4, 4:-4] = 250
    assert on_black(frame)[10, 10] == 255 and on_black(frame)[0, 0] == 0
    assert on_black(frame, "dark")[10, 10] == 0 and on_black(frame, "dark")[0, 0] == 255
    assert on_black(255 - frame, "dark")[10, 10] == 255
    for ink, paper, said in ((20, 230, "light"), (230, 20, "dark")):
        with pytest.raises(
            InputError, match=f"shows nothing: .*, nearly all of them ink if ink='{said}'; give"
        ):
            on_black(character(paper=paper, ink=ink), said)


@pytest.mark.parametrize("ink", [None, "dark", "light"])
def test_characters_cropped_tight_are_read_as_with_a_margin(ink):
    """Bars along two of the four edges: most of the edge is ink, most of the picture is paper."""
    glyph = np.zeros((40, 40), np.uint8)
    glyph[-6:] = glyph[:, :6] = 255
    assert np.array_equal(on_black(255 - glyph if ink != "light" else glyph, ink), glyph)
    wide = np.pad(glyph, 3)
    assert np.array_equal(on_black(255 - wide if ink != "light" else wide, ink), wide)


def test_most_tight_glyphs_of_bold_typefaces_are_read_as_they_are(debian_faces):
    """At most half as many come out as their own paper as by the median of the edge alone."""
    characters = class_list(2350)[::5]
    wrong = by_edge = 0
    for face in debian_faces["train"]:
        glyphs = masters(face, characters)
        for n in np.flatnonzero(glyphs.usable):
            glyph = glyphs.images[n, : glyphs.heights[n], : glyphs.widths[n]]
            wrong += on_black(255 - glyph)[glyph > 200].mean() < 128
            edge = np.concatenate([glyph[0], glyph[-1], glyph[:, 0], glyph[:, -1]])
            by_edge += np.median(edge) > 127
    assert by_edge > 50 and wrong < by_edge / 2, (wrong, by_edge)


def test_numbers_that_are_no_grey_levels_are_refused():
    picture = character().astype(np.float64)
    assert np.array_equal(on_black(picture), on_black(character()))
    assert np.array_equal(on_black(character() > 100), on_black(character()))  # bool: True is white
    for spoilt in (np.nan, np.inf):
        picture[20, 12] = spoilt
        with pytest.raises(InputError, match="holds numbers that are not finite; give grey levels, 0 to 255"):
            on_black(picture)
    with pytest.raises(InputError, match="holds numbers from 0.0784314 to 0.901961; give grey levels"):
        on_black(character() / 255)
    for kind in ("complex64", "U3"):
        with pytest.raises(InputError, match="give grey levels, 0 to 255"):
            on_black(character().astype(kind))


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_pictures_are_turned_as_their_camera_was_held(tmp_path, ending):
    """Orientation 6: the stored picture is to be turned by a quarter to the right."""
    upright = character(200, 150)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.rot90(upright))
    path = saved(tmp_path, turned, f"x.{ending}", exif=exif)
    found = read_glyph(path)
    if ending != "tif":  # Pillow 13.0.0 does not turn a TIFF that is opened by its path
        with Image.open(path) as opened:
            assert np.array_equal(on_black(grey_levels(opened, "x")), found)
    assert found.shape == (200, 150) and found[100, 12] > 200 and found[100, 80:].max() == 0


def test_faint_noise_is_paper_and_steps_stay():
    picture = character().astype(int)
    picture[0:3, 0:3] = 225
    picture[20, 10] = 125
    found = on_black(picture)
    assert found[1, 1] == 0 and found[20, 10] == round(255 * 105 / 210)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "I;16"])
def test_many_kinds_of_pictures(tmp_path, mode):
    grey = Image.fromarray(character(paper=255, ink=0))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        picture = grey.convert(mode)
    path = saved(tmp_path, picture, "x.tif")
    assert np.array_equal(read_glyph(path), 255 - np.asarray(grey))


def test_transparent_pictures_and_colour(tmp_path):
    clear = Image.new("RGBA", (30, 40), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (10, 5, 14, 35))
    assert np.array_equal(read_glyph(saved(tmp_path, clear)), 255 - character(paper=255, ink=0))
    red = Image.new("RGB", (30, 40), "white")
    red.paste((200, 0, 0), (10, 5, 14, 35))
    assert read_glyph(saved(tmp_path, red))[20, 12] == 255


def test_jpeg(tmp_path):
    path = saved(tmp_path, Image.fromarray(character(200, 150)), "x.jpg", quality=60)
    found = read_glyph(path)
    assert found[100, 12] > 240 and found[100, 60:].max() == 0


def test_what_cannot_be_read_is_said(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    blank = saved(tmp_path, Image.new("L", (30, 30), 200), "blank.png")
    cut = saved(tmp_path, Image.fromarray(character()), "cut.png")
    cut.write_bytes(cut.read_bytes()[:60])
    for path, message in (
        (
            tmp_path / "text.png",
            r"text.png cannot be decoded \(it is no picture that Pillow reads\); "
            r"give a picture of one character",
        ),
        (blank, "blank.png shows nothing: its greys run from 200 to 200"),
        (cut, "cut.png cannot be decoded"),
        (tmp_path / "absent.png", "cannot read .*absent.png"),
        (tmp_path, "not an ordinary file"),
    ):
        with pytest.raises(InputError, match=message):
            read_glyph(path)
    with pytest.raises(InputError, match="ink='red': choose one of dark, light"):
        on_black(character(), "red")
