"""Tiny fonts made on the spot, so that the font code is tested where no Hangul font is installed."""

import pytest

BOX = [(100, 0, 900, 900), (200, 100, 800, 800)]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SIAMESE_CACHE", str(folder))
    return folder


@pytest.fixture
def tiny_font(tmp_path):
    """make(name, {character: rectangles}) -> a TrueType file of 1,000 units an em, whose .notdef is `BOX`.

    Rectangles are (left, bottom, right, top); the first is ink, later ones are holes in it. With `weights`
    (least, default, most) it is a variable font.
    """
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    def glyph(rectangles):
        pen = TTGlyphPen(None)
        for number, (left, bottom, right, top) in enumerate(rectangles):
            corners = [(left, bottom), (left, top), (right, top), (right, bottom)]
            corners = corners if number == 0 else corners[::-1]  # later rectangles are holes
            pen.moveTo(corners[0])
            for corner in corners[1:]:
                pen.lineTo(corner)
            pen.closePath()
        return pen.glyph()

    def make(name, drawings, weights=None):
        path = tmp_path / "fonts" / name
        path.parent.mkdir(exist_ok=True)
        names = {ord(character): f"u{ord(character):04X}" for character in drawings}
        builder = FontBuilder(1000, isTTF=True)
        builder.setupGlyphOrder([".notdef", *names.values()])
        builder.setupCharacterMap(names)
        builder.setupGlyf(
            {".notdef": glyph(BOX)}
            | {names[ord(character)]: glyph(rectangles) for character, rectangles in drawings.items()}
        )
        builder.setupHorizontalMetrics({each: (1000, 0) for each in [".notdef", *names.values()]})
        builder.setupHorizontalHeader(ascent=900, descent=-100)
        builder.setupNameTable({"familyName": name, "styleName": "Regular"})
        builder.setupOS2()
        builder.setupPost()
        if weights:
            builder.setupFvar([("wght", *weights, "Weight"), ("wdth", 75, 100, 125, "Width")], [])
        builder.save(path)
        return path

    return make
