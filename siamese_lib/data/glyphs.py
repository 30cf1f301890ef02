"""Glyphs of a typeface, rendered once at a large size, checked, and kept in the cache.

A font may map a character and still draw nothing, or the box of a missing glyph, or the same picture for
several characters. Such characters are reported and left out: a network must not learn them.
"""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamese_lib.data.faces import FoundFace, masters_name
from siamese_lib.data.font_files import code_points
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write, cache_folder, cache_target, cached, load_arrays

EM = 128
PARALLEL = 20_000  # glyphs: fewer are rendered sooner than other processes start

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
_ARRAYS = ("images", "heights", "widths", "reasons", "digests")


@dataclass(frozen=True, eq=False)
class Masters:
    """Large renders of one typeface, one a character.

    Attributes:
        characters: the C characters asked for, in that order.
        images: (C, H, W) uint8, grey, ink = 255, at 128 pixels an em; each ink box lies at the top left of
            its canvas.
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
        InputError: the file is no font, draws none of the characters, or is absent while the cache lacks
            them; or characters repeat.
    """
    characters = _different(characters)
    name = cache_name(face, characters)
    glyphs = _load(name, len(characters))
    if glyphs is None and face.path is not None:
        glyphs = _render_into(cache_target(name), face, characters)
    if glyphs is None:
        glyphs = _part_of_cached_alphabet(face, characters)
    return _checked(face, characters, glyphs)


def render_missing(faces: Sequence[FoundFace], characters: Sequence[str]) -> None:
    """Render what the cache lacks, one typeface a processor; few glyphs are left to `masters`.

    Raises:
        InputError: a font file that cannot be read, or characters that repeat.
    """
    import joblib
    from tqdm import tqdm

    characters = _different(characters)
    missing = [face for face in faces if face.path is not None and not cached(cache_name(face, characters))]
    if len(missing) * len(characters) < PARALLEL or len(missing) < 2:
        return
    render = joblib.delayed(_render_into)
    targets = [cache_target(cache_name(face, characters)) for face in missing]
    work = joblib.Parallel(n_jobs=min(len(missing), joblib.cpu_count(), 8), return_as="generator_unordered")
    for _ in tqdm(
        work(render(*job, characters, False, False) for job in zip(targets, missing, strict=True)),
        total=len(missing),
        desc=f"rendering {len(characters):,} glyphs a typeface",
        unit="typeface",
        ascii=True,
    ):
        pass


def _different(characters: Sequence[str]) -> list[str]:
    characters = list(characters)
    single = all(isinstance(c, str) and len(c) == 1 and not "\ud800" <= c <= "\udfff" for c in characters)
    if not single or not len(set(characters)) == len(characters) > 0:
        raise InputError(
            "characters to render must be one or more different single characters, got "
            f"{characters[:20]!r} ({len(characters)})"
        )
    return characters


def _render_into(
    path: Path, face: FoundFace, characters: list[str], progress: bool = True, give: bool = True
) -> dict[str, np.ndarray] | None:
    """Render into a file of the cache.

    `give`: return the renders. Another process does not: those of a large alphabet have 250 MB.
    """
    glyphs = _render(face, characters, progress)
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **glyphs)
    return glyphs if give else None


def _checked(face: FoundFace, characters: list[str], glyphs: dict[str, np.ndarray]) -> Masters:
    """Leave out what cannot be used.

    Sameness is judged within the alphabet asked for, so it is not in the cache.
    """
    reasons = [_REASONS[code] for code in glyphs["reasons"]]
    drawn = glyphs["reasons"] == 0
    _, which, count = np.unique(glyphs["digests"], return_inverse=True, return_counts=True)
    for index in np.flatnonzero(drawn & (count[which] > 1)):
        reasons[index] = IDENTICAL
    problems = {character: reason for character, reason in zip(characters, reasons, strict=True) if reason}
    if len(problems) == len(characters):
        mapped = sum(reason != UNMAPPED for reason in reasons)
        raise InputError(
            f"font {face.path or face.face.file} cannot be used: it maps {mapped} of the {len(characters)} "
            "characters and draws none properly; give a font that has this alphabet"
        )
    left_out = np.array([bool(reason) for reason in reasons])
    images = glyphs["images"]
    heights, widths = (glyphs[name].astype(np.int64) for name in ("heights", "widths"))
    images[left_out], heights[left_out], widths[left_out] = 0, 0, 0
    digest = hashlib.sha256(np.where(left_out, 0, glyphs["digests"]).astype("<u8")).hexdigest()
    return Masters(characters, images[:, : heights.max(), : widths.max()], heights, widths, problems, digest)


def _render(face: FoundFace, characters: list[str], progress: bool) -> dict[str, np.ndarray]:
    from tqdm import tqdm

    mapped = code_points(face.path, face.face.index)
    ink = _pen(face)
    absent = _unmapped(mapped)
    notdef = None if absent is None else _digest(ink(absent))
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
    for image, piece in zip(images, pieces, strict=True):
        image[: piece.shape[0], : piece.shape[1]] = piece
    return {
        "images": images,
        "heights": heights,
        "widths": widths,
        "reasons": np.array(reasons, np.uint8),
        "digests": np.array(digests, np.uint64),
    }


def _pen(face: FoundFace) -> Callable[[str], np.ndarray]:
    """Character -> its ink (H, W) uint8, cropped tight; (0, 0) for a blank glyph."""
    from PIL import Image, ImageDraw, ImageFont

    path, index = face.path, face.face.index
    try:
        font = ImageFont.truetype(str(path), EM, index=index, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise InputError(
            f"font file {path} cannot be opened ({error}); give a .ttf, .otf or .ttc file"
        ) from None
    canvas = Image.new("L", (3 * EM, 3 * EM))
    draw = ImageDraw.Draw(canvas)

    def ink(character: str) -> np.ndarray:
        canvas.paste(0, (0, 0, *canvas.size))
        try:
            draw.text((EM, 2 * EM), character, fill=255, font=font, anchor="ls")
        except Exception as error:  # FreeType and Pillow raise several kinds for a damaged or boundless glyph
            reason = str(error) or type(error).__name__
            raise InputError(
                f"font file {path} cannot draw U+{ord(character):04X} ({reason}); install the font again, or "
                "leave the character out"
            ) from error
        box = canvas.getbbox()
        return np.zeros((0, 0), np.uint8) if box is None else np.asarray(canvas.crop(box))

    return ink


def _unmapped(mapped: set[int]) -> str | None:
    """A character that the font does not map and so draws as its missing glyph; a private one if possible."""
    candidates = itertools.chain(range(0xE000, 0xF900), range(0xF0000, 0x110000), range(0x21, 0xD800))
    return next((chr(code) for code in candidates if code not in mapped), None)


def _digest(piece: np.ndarray) -> int:
    """64 bits that stand for the pixels and their shape."""
    code = hashlib.blake2b(repr(piece.shape).encode() + piece.tobytes(), digest_size=8)
    return int.from_bytes(code.digest(), "little")


def cache_name(face: FoundFace, characters: Sequence[str]) -> str:
    """Name within the cache of the renders of these characters."""
    alphabet = hashlib.sha256("".join(characters).encode()).hexdigest()[:16]
    return masters_name(face.sha256, face.face.index, alphabet)


def _load(name: str, count: int) -> dict[str, np.ndarray] | None:
    """Renders of `count` characters from the cache."""

    def fits(arrays: dict[str, np.ndarray]) -> bool:
        images, heights, widths, reasons, digests = (arrays[each] for each in _ARRAYS)
        return (
            images.dtype == np.uint8
            and images.ndim == 3
            and all(len(values) == count for values in arrays.values())
            and all(values.shape == (count,) for values in (heights, widths, reasons, digests))
            and heights.max() <= images.shape[1]
            and widths.max() <= images.shape[2]
            and reasons.max() < len(_REASONS)
        )

    return next(filter(None, (load_arrays(path, _ARRAYS, fits) for path in cached(name))), None)


def _part_of_cached_alphabet(face: FoundFace, characters: list[str]) -> dict[str, np.ndarray]:
    """For a typeface without a file: any characters of an alphabet whose renders are in the cache."""
    for count in (2350, 11172):
        alphabet = {character: index for index, character in enumerate(hangul_classes(count))}
        if alphabet.keys() >= set(characters):
            glyphs = _load(cache_name(face, list(alphabet)), len(alphabet))
            if glyphs is not None:
                indices = [alphabet[character] for character in characters]
                return {name: values[indices] for name, values in glyphs.items()}
    raise InputError(
        f"{face.face.file} is not on this machine, and the cache {cache_folder()} lacks these "
        f"{len(characters)} characters of it; run `make fonts`, set SIAMESE_FONTS, or pack this alphabet on "
        "a machine that has the fonts (`python -m siamese_lib data --pack DIR`)"
    )
