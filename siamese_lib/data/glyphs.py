"""Glyphs of a face, rendered once at a large size, checked, and kept in the cache.

A font may map a character and still draw nothing, or the box of a missing glyph, or the same picture for several characters. Such characters are
reported and left out: a network must not learn them.
"""

import hashlib
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamese_lib.data.faces import FoundFace, masters_folder, masters_stem
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write

EM = 128
PARALLEL = 20_000  # glyphs: fewer are drawn sooner than other processes have started

UNMAPPED = "not in the font"
BLANK = "drawn blank"
NOTDEF = "drawn as the missing-glyph box"
IDENTICAL = "drawn the same as another character"
_REASONS = (
    "",
    UNMAPPED,
    BLANK,
    NOTDEF,
)  # what is known of a character without knowing the rest of the alphabet


@dataclass(frozen=True, eq=False)
class Masters:
    """Large renders of one face, one a character.

    Attributes:
        characters: the C characters asked for, in that order.
        images: (C, H, W) uint8, grey, ink = 255, at 128 pixels an em; each ink box lies at the top left of its canvas.
        heights, widths: (C,) int64, pixels; 0 for a character that is left out, whose image is blank.
        problems: character left out -> reason.
        digest: fingerprint of all pixels.
    """

    characters: list[str]
    images: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    problems: dict[str, str]
    digest: str

    @property
    def usable(self) -> np.ndarray:
        """(C,) bool: drawn, and unlike every other character."""
        return self.heights > 0


def masters(face: FoundFace, characters: Sequence[str]) -> Masters:
    """Renders of `characters`, from the cache where they are there.

    Args:
        face: from `find_faces` or `font_file`.
        characters: different single characters.

    Raises:
        InputError: the file is no font, draws none of the characters, or is absent while the cache lacks them; or characters repeat.
    """
    characters = list(characters)
    if (
        not characters
        or len(set(characters)) != len(characters)
        or any(len(character) != 1 for character in characters)
    ):
        raise InputError(
            f"characters to render must be one or more different single characters, got {''.join(characters)[:40]!r} ({len(characters)})"
        )
    glyphs = _load(_cache_file(face, characters))
    if glyphs is None and face.path is not None:
        glyphs = _render_into(_cache_file(face, characters), face, characters)
    if glyphs is None:
        glyphs = _part_of_cached_alphabet(face, characters)
    return _checked(face, characters, glyphs)


def render_missing(faces: Sequence[FoundFace], characters: Sequence[str]) -> None:
    """Render what the cache lacks, a face on each processor, with a bar; few glyphs are left to `masters`, one face after the other.

    Raises:
        InputError: a font file that cannot be read.
    """
    import joblib
    from tqdm import tqdm

    characters = list(characters)
    missing = [
        face for face in faces if face.path is not None and not _cache_file(face, characters).is_file()
    ]
    if len(missing) * len(characters) < PARALLEL or len(missing) < 2:
        return

    def render(face: FoundFace):
        return joblib.delayed(_render_into)(
            _cache_file(face, characters), face, characters, progress=False, give=False
        )

    work = joblib.Parallel(n_jobs=min(len(missing), joblib.cpu_count(), 8), return_as="generator_unordered")
    for _ in tqdm(
        work(map(render, missing)),
        total=len(missing),
        desc=f"rendering {len(characters):,} glyphs a face",
        unit="face",
        ascii=True,
    ):
        pass


def _render_into(
    path: Path, face: FoundFace, characters: list[str], progress: bool = True, give: bool = True
) -> dict[str, np.ndarray] | None:
    """Render into the cache; `give`: return what was rendered (not from another process: a large alphabet takes 250 MB)."""
    glyphs = _render(face, characters, progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **glyphs)
    return glyphs if give else None


def _checked(face: FoundFace, characters: list[str], glyphs: dict[str, np.ndarray]) -> Masters:
    """Leaves out what cannot be used. Sameness is judged within the alphabet asked for, so it is not in the cache."""
    reasons = [_REASONS[code] for code in glyphs["reasons"]]
    drawn = glyphs["reasons"] == 0
    _, which, count = np.unique(glyphs["digests"], return_inverse=True, return_counts=True)
    for place in np.flatnonzero(drawn & (count[which] > 1)):
        reasons[place] = IDENTICAL
    problems = {character: reason for character, reason in zip(characters, reasons, strict=True) if reason}
    if len(problems) == len(characters):
        mapped = sum(reason != UNMAPPED for reason in reasons)
        raise InputError(
            f"font {face.path or face.face.file} cannot be used: it maps {mapped} of the {len(characters)} characters and draws none properly; "
            "give a font that has this alphabet"
        )
    left_out = np.array([bool(reason) for reason in reasons])
    images, heights, widths = (
        glyphs["images"],
        glyphs["heights"].astype(np.int64),
        glyphs["widths"].astype(np.int64),
    )
    images[left_out], heights[left_out], widths[left_out] = 0, 0, 0
    digest = hashlib.sha256(np.where(left_out, 0, glyphs["digests"]).astype("<u8")).hexdigest()
    return Masters(characters, images[:, : heights.max(), : widths.max()], heights, widths, problems, digest)


def _render(face: FoundFace, characters: list[str], progress: bool) -> dict[str, np.ndarray]:
    from PIL import Image, ImageDraw, ImageFont
    from tqdm import tqdm

    mapped = _mapped(face.path, face.face.index)
    try:
        font = ImageFont.truetype(
            str(face.path), EM, index=face.face.index, layout_engine=ImageFont.Layout.BASIC
        )
    except OSError as error:
        raise InputError(
            f"font file {face.path} cannot be opened ({error}); give a .ttf, .otf or .ttc file"
        ) from None
    canvas = Image.new("L", (3 * EM, 3 * EM))
    draw = ImageDraw.Draw(canvas)

    def ink(character: str) -> np.ndarray:
        canvas.paste(0, (0, 0, *canvas.size))
        draw.text((EM, 2 * EM), character, fill=255, font=font, anchor="ls")
        box = canvas.getbbox()
        return np.zeros((0, 0), np.uint8) if box is None else np.asarray(canvas.crop(box))

    absent = next(chr(code) for code in range(0xE000, 0xF8FF) if code not in mapped)
    notdef = _digest(ink(absent))
    pieces, reasons, digests = [], [], []
    # The bar appears only where this takes more than five seconds.
    for character in tqdm(
        characters,
        desc=f"rendering {face.face.key}",
        unit="glyph",
        delay=5,
        mininterval=1,
        leave=False,
        disable=not progress,
    ):
        piece = ink(character) if ord(character) in mapped else np.zeros((0, 0), np.uint8)
        digests.append(_digest(piece))
        reason = (
            UNMAPPED
            if ord(character) not in mapped
            else BLANK
            if piece.size == 0
            else NOTDEF
            if digests[-1] == notdef
            else ""
        )
        pieces.append(piece if not reason else piece[:0, :0])
        reasons.append(_REASONS.index(reason))
    heights = np.array([piece.shape[0] for piece in pieces], np.uint16)
    widths = np.array([piece.shape[1] for piece in pieces], np.uint16)
    images = np.zeros((len(pieces), max(1, heights.max()), max(1, widths.max())), np.uint8)
    for place, piece in enumerate(pieces):
        images[place, : piece.shape[0], : piece.shape[1]] = piece
    return {
        "images": images,
        "heights": heights,
        "widths": widths,
        "reasons": np.array(reasons, np.uint8),
        "digests": np.array(digests, np.uint64),
    }


def _digest(piece: np.ndarray) -> int:
    """64 bits that stand for the pixels and their shape."""
    code = hashlib.blake2b(repr(piece.shape).encode() + piece.tobytes(), digest_size=8)
    return int.from_bytes(code.digest(), "little")


def _mapped(path: Path, index: int) -> set[int]:
    """Code points that the font says it has."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path, fontNumber=index, lazy=True) as font:
            # Glyph names are not needed, and reading them makes fontTools complain about the name tables of some of these fonts.
            font.setGlyphOrder([f"glyph{number}" for number in range(font["maxp"].numGlyphs)])
            return set(font.getBestCmap() or {})
    except (TTLibError, OSError, KeyError) as error:
        raise InputError(
            f"font file {path} (face {index}) cannot be read ({error}); give a .ttf, .otf or .ttc file"
        ) from None


def _cache_file(face: FoundFace, characters: Sequence[str]) -> Path:
    alphabet = hashlib.sha256("".join(characters).encode()).hexdigest()[:16]
    return masters_folder() / f"{masters_stem(face.sha256, face.face.index)}{alphabet}.npz"


def _load(path: Path) -> dict[str, np.ndarray] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in ("images", "heights", "widths", "reasons", "digests")}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        warnings.warn(f"cached glyphs {path} are damaged; rendering them again", stacklevel=3)
        return None


def _part_of_cached_alphabet(face: FoundFace, characters: list[str]) -> dict[str, np.ndarray]:
    """For a face without a file: any characters of an alphabet whose renders are in the cache."""
    for count in (2350, 11172):
        alphabet = {character: place for place, character in enumerate(hangul_classes(count))}
        glyphs = _load(_cache_file(face, list(alphabet))) if alphabet.keys() >= set(characters) else None
        if glyphs is not None:
            places = [alphabet[character] for character in characters]
            return {name: values[places] for name, values in glyphs.items()}
    raise InputError(
        f"{face.face.file} is not on this machine, and the cache {masters_folder()} lacks these {len(characters)} characters of it; "
        "run `make fonts`, set SIAMESE_FONTS, or pack this alphabet on a machine that has the fonts (`python -m siamese_lib data --pack DIR`)"
    )
