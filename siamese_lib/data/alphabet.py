"""An alphabet of one's own: any characters drawn with any fonts, or pictures in a folder a class."""

import contextlib
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.faces import FoundFace, font_file
from siamese_lib.data.framing import frame
from siamese_lib.data.glyphs import masters, render_missing
from siamese_lib.data.pictures import framed, read_glyph
from siamese_lib.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".pbm")


def load_rendered(
    characters: Sequence[str],
    fonts: str | os.PathLike | FoundFace | Iterable[str | os.PathLike | FoundFace],
    framing: str = "square",
) -> ImageBank:
    """One clean image of every character in every font: Hanja, kana, Armenian, Ethiopic, whatever they have.

    Args:
        characters: different single characters, the classes.
        fonts: font files, or typefaces of siamese_lib.data.faces.font_file (for collections); one or more.
        framing: "square" (stretches) or "aspect" (keeps proportions).

    Returns:
        Bank ordered by font, then by character. Glyphs that a font does not draw properly (not mapped, blank,
        its missing-glyph box, the picture of another character) are not in it: `masters(...).problems` says
        which. `meta` has the column `face`.

    Raises:
        InputError: no font, a file that is none or has none of the characters, characters that repeat, or one
            that no font draws.
    """
    fonts = [fonts] if isinstance(fonts, (str, os.PathLike, FoundFace)) else fonts
    faces = [font if isinstance(font, FoundFace) else font_file(font) for font in fonts]
    classes = list(characters)
    if not faces:
        raise InputError("fonts is empty; give one font file or more")
    render_missing(faces, classes)
    return bank_of_faces(faces, classes, framing, "the fonts " + ", ".join(f.face.file for f in faces))


def typefaces_with(characters: Iterable[str], faces: Iterable[FoundFace]) -> list[FoundFace]:
    """Those of the typefaces (`find_faces`, `font_file`) that draw all of the characters properly; a font may
    map characters that it does not draw.
    """
    characters, found = list(characters), []
    for face in faces:
        with contextlib.suppress(InputError):  # it draws none
            found += [face] if masters(face, characters).usable.all() else []
    return found


def distinct_typefaces(
    characters: Sequence[str],
    faces: Iterable[FoundFace],
    known: Iterable[FoundFace] = (),
    least: float = 8.0,
) -> list[FoundFace]:
    """Those of the typefaces that draw the characters otherwise than all of `known` and than those before.

    Fonts of different design families often share the glyphs of a second script: of the nine test typefaces
    of Hangul five draw the kana of a training typeface. Give the test typefaces as `known` when choosing what
    to train on.

    Args:
        characters: what all of the typefaces draw (`typefaces_with`).
        faces: typefaces, the preferred ones first.
        known: typefaces that none of them may resemble.
        least: grey levels, of 255, by which framed glyphs must differ on average.
    """

    def drawn(face: FoundFace) -> np.ndarray:
        glyphs = masters(face, list(characters))
        return frame(glyphs.images, glyphs.heights, glyphs.widths, "square").numpy().astype(np.int16)

    seen, kept = [drawn(face) for face in known], []
    for face in faces:
        images = drawn(face)
        if all(np.abs(images - other).mean() >= least for other in seen):
            kept.append(face)
            seen.append(images)
    return kept


def bank_of_faces(faces: Sequence[FoundFace], classes: list[str], framing: str, shown: str) -> ImageBank:
    """The glyphs of all typefaces; see `load_rendered`.

    Args:
        faces: typefaces.
        classes: different single characters.
        framing: of siamese_lib.data.framing.frame.
        shown: what these typefaces are, in messages.

    Raises:
        InputError: a class that none of them draws.
    """
    import pandas as pd

    images, labels, keys = [], [], []
    for found in faces:
        glyphs = masters(found, classes)
        drawn = np.flatnonzero(glyphs.usable)
        images.append(frame(glyphs.images, glyphs.heights, glyphs.widths, framing).numpy()[drawn])
        labels.append(drawn)
        keys += [found.face.key] * len(drawn)
    bank = ImageBank(
        np.concatenate(images), np.concatenate(labels).astype(np.int64), classes, pd.DataFrame({"face": keys})
    )
    undrawn = np.flatnonzero(np.bincount(bank.labels, minlength=len(classes)) == 0)
    if len(undrawn):
        sample = "".join(classes[label] for label in undrawn[:10])
        raise InputError(
            f"{len(undrawn)} of the {len(classes)} classes are drawn by none of {shown} ({sample}), or only "
            "as another of them is; leave them out of characters"
        )
    return bank


def load_image_folder(
    folder: str | os.PathLike, framing: str = "square", ink: str | None = None
) -> ImageBank:
    """Pictures of single characters, a folder a class, named as the class (in Unicode's composed form).

    Args:
        folder: with the folders of the classes; hidden ones, and files that are no pictures by their name
            (PICTURES), are passed over.
        framing: "square" (stretches) or "aspect" (keeps proportions).
        ink: "dark" on light paper or "light" on dark; None: found for each picture.

    Returns:
        Bank with the classes in the order of their names. `meta` has the column `file`.

    Raises:
        InputError: no such folder, no class in it, two of one name, a class without a picture, or pictures
            that cannot be read; all of these are named.
    """
    import pandas as pd

    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give one with a folder of pictures for each class")
    places = sorted(place for place in folder.iterdir() if place.is_dir() and place.name[0] != ".")
    files = {}
    for place in places:
        name = unicodedata.normalize("NFC", place.name)  # archives of macOS hold letters taken apart
        if name in files:
            raise InputError(f"{folder} has two folders of the class {name}, composed and not; join them")
        files[name] = sorted(file for file in place.iterdir() if _is_picture(file))
    if not files:
        raise InputError(f"{folder} has no folders; put the pictures of each class into one of its own")
    if empty := [name for name, found in files.items() if not found]:
        raise InputError(
            f"{len(empty)} of the {len(files)} classes in {folder} have no picture "
            f"({', '.join(empty[:10])}); a picture ends in one of {' '.join(PICTURES)}"
        )
    glyphs, labels, names, problems = [], [], [], []
    for label, found in enumerate(files.values()):
        for file in found:
            try:
                glyphs.append(read_glyph(file, ink))
            except InputError as problem:
                problems.append(str(problem))
                continue
            labels.append(label)
            names.append(str(file.relative_to(folder)))
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise InputError("; ".join(problems[:5]) + more)
    images = framed(glyphs, framing)
    return ImageBank(images, np.array(labels, np.int64), list(files), pd.DataFrame({"file": names}))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and path.name[0] != "." and path.is_file()
