#!/usr/bin/env bash
# Debian's fonts-unfonts-core 1:1.0.2-080608-18 and -extra 1:1.0.2-080608+dfsg-11: typefaces whose Hangul differs have the very same kana.
#
# The Un fonts are families of their own: a dotum, a brush, a jamo display face. A test set "in typefaces that were not trained
# on" is sound for Hangul then. For hiragana it is not: UnJamoNovel draws every one exactly as UnDotum does, and UnBatang exactly
# as UnPen, because the second script was copied from one source font into many. A recogniser of kana tested that way is tested on
# its training images. siamese_lib.data.alphabet.distinct_typefaces compares the glyphs; notebook 10 chooses its typefaces by it.
#
# Output seen (Debian, Python 3.11, Pillow 13.0.0; apt-get with an index of packages):
#     UnJamoNovel and UnDotum: 71 of 71 hiragana alike, 0 of 71 Hangul syllables
#     UnBatang and UnPen: 71 of 71 hiragana alike, 0 of 71 Hangul syllables
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download fonts-unfonts-core=1:1.0.2-080608-18 fonts-unfonts-extra=1:1.0.2-080608+dfsg-11
for package in *.deb; do dpkg -x "$package" fonts; done
python3 -m venv venv
venv/bin/pip install -q pillow==13.0.0
cat >compare.py <<'PY'
import pathlib

from PIL import Image, ImageDraw, ImageFont

FILES = {path.stem: str(path) for path in pathlib.Path("fonts").rglob("*.ttf")}
HIRAGANA = [c for c in map(chr, range(0x3042, 0x3094)) if c not in "ぃぅぇぉっゃゅょゎゐゑ"]
HANGUL = [chr(0xAC00 + 28 * k) for k in range(len(HIRAGANA))]


def ink(font, character):
    canvas = Image.new("L", (300, 300))
    ImageDraw.Draw(canvas).text((100, 200), character, fill=255, font=font, anchor="ls")
    box = canvas.getbbox()
    return box[2] - box[0], box[3] - box[1], canvas.crop(box).tobytes()


def alike(one, other, characters):
    fonts = [ImageFont.truetype(FILES[name], 100) for name in (one, other)]
    return sum(ink(fonts[0], c) == ink(fonts[1], c) for c in characters)


for one, other in (("UnJamoNovel", "UnDotum"), ("UnBatang", "UnPen")):
    kana, hangul = (alike(one, other, characters) for characters in (HIRAGANA, HANGUL))
    print(f"{one} and {other}: {kana} of {len(HIRAGANA)} hiragana alike, {hangul} of {len(HANGUL)} Hangul syllables")
PY
venv/bin/python compare.py | tee out
diff - out <<'END'
UnJamoNovel and UnDotum: 71 of 71 hiragana alike, 0 of 71 Hangul syllables
UnBatang and UnPen: 71 of 71 hiragana alike, 0 of 71 Hangul syllables
END
