"""Simulated PHD08, for whoever lacks the real files.

Nine test typefaces are printed, photocopied, scanned, thresholded and tilted as PHD08's fonts were. From a
glyph at 128 pixels an em to one bitmap:

1. scan: one warp scales to the em of the point size and resolution and tilts. The glyph is first averaged
   over squares of 2 or 3 pixels and then sampled linearly, which together blur as a scanner does. The
   position of the pixel grid is random.
2. photocopies and threshold move every edge by the measured offset (`EDGE_OFFSET`) and roughen it
   (`EDGE_JITTER`): white noise where the grey is neither ink nor paper. Both are displacements in pixels,
   turned into grey by the profile of a straight edge.
3. binarise, crop to the ink, frame.

The random numbers belong to a scan: they depend on seed, font, FS, CP, RE and character, and not on the
alphabet, the batch or the order. As in PHD08, TH and SL are further treatments of the same scan and share its
noise. One device type always gives the same bits; between CPU and GPU very few pixels differ, where rounding
decides about a threshold.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.checks import whole_number
from siamese_lib.data.faces import FoundFace, find_faces
from siamese_lib.data.framing import FRAMINGS, frame, tight
from siamese_lib.data.glyphs import Masters, masters
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.data.phd08_records import write_phd08
from siamese_lib.data.phd08_variants import FIELDS, chosen_fonts, chosen_variants
from siamese_lib.data.scanner import CHUNK, Sheet
from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write, cache_target, cached, load_arrays
from siamese_lib.model import SIDE
from siamese_lib.runtime import choose_device

SIMULATOR_VERSION = 2  # raise it whenever a bitmap may change: finished runs are then tested anew
POINTS = (12, 13, 14)  # by FS
DPI = (200, 240, 280)  # by RE
CLOCKWISE = (3.15, 0.0, -3.18)  # degrees as displayed, by SL
# Measured on three real classes: outward displacement of edges in pixels, [RE][CP][TH], relative to CP 0 and
# TH 1; standard deviation of its jitter along a straight edge, [RE][CP], the mean of both directions.
EDGE_OFFSET = (
    ((0.08, 0.00, -0.06), (0.00, -0.08, -0.14), (-0.07, -0.14, -0.22)),
    ((0.15, 0.00, -0.15), (0.03, -0.13, -0.28), (-0.05, -0.21, -0.35)),
    ((0.12, 0.00, -0.12), (-0.03, -0.16, -0.28), (-0.11, -0.24, -0.37)),
)
EDGE_JITTER = ((0.095, 0.135, 0.175), (0.100, 0.190, 0.235), (0.125, 0.225, 0.290))
# By CP: factor on the jitter that makes straight edges as rough as real ones (phd08_calibration.roughness).
ROUGHER = (1.0, 1.1, 1.1)
# Measured on the same classes, upright: height and width by FS and RE, ink in pixels [CP][TH].
SIZE = {"fs": (1, 1.082, 1.176), "re": (1, 1.2015, 1.4058)}
INK = ((1.075, 1, 0.933), (1.001, 0.927, 0.855), (0.957, 0.882, 0.811))
FALLBACK_FONT = "G"  # letter of the single typeface of the PyPI fallback

_FILES = 32  # class files written at once: 70,000 bitmaps

Scans = Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor, torch.Tensor]]


def iter_simulated_phd08(
    num_classes: int = 2350,
    variants: int | Iterable[Sequence[int]] | None = 243,
    fonts: str | Iterable[str] | None = None,
    seed: int = 0,
    framing: str = "aspect",
    device: str | torch.device = "cpu",
    characters: Sequence[str] | None = None,
    keep: bool = False,
) -> Iterator[ImageBank]:
    """Simulated bitmaps of all classes, one bank for each font and variant, in the order of the real files.

    Args:
        num_classes: 2350 or 11172.
        variants: a count (1, 9, 27, 81, 243: see `siamese_lib.data.phd08.variant_indices`) or tuples (fs, cp,
            re, th, sl).
        fonts: letters among S G M N B D Y H1 H2; None for all there are. The PyPI fallback has a single one,
            G.
        seed: of the noise, a whole number.
        framing: "aspect" or "square", see `siamese_lib.data.framing.frame`.
        device: where the work is done.
        characters: use these characters as the classes instead.
        keep: whether banks come from the cache, and go there; one of 2,350 classes has 3 MB.

    Yields:
        ImageBank with meta columns font, fs, cp, re, th, sl. Characters that a typeface does not draw
        properly are not in it.

    Raises:
        InputError: unknown settings, no usable fonts, or a glyph larger than 1.1 em.
    """
    import pandas as pd

    if framing not in FRAMINGS:
        raise InputError(f"framing {framing!r} is unknown; use one of {', '.join(FRAMINGS)}")
    seed, device = whole_number("seed", seed, 0), choose_device(str(device))
    classes = hangul_classes(num_classes) if characters is None else list(characters)
    variants = chosen_variants(variants)
    for letter, found in simulated_faces(fonts).items():
        glyphs = masters(found, classes)
        for variant, pieces in scans(letter, glyphs, np.arange(len(classes)), variants, seed, device):
            name = _cache_name(letter, glyphs, variant, seed, framing, device) if keep else ""
            arrays = _load(name) if keep else None
            if arrays is None:
                arrays = _framed(pieces(), framing)
                if keep:
                    with atomic_write(cache_target(name)) as temporary, open(temporary, "wb") as file:
                        np.savez(file, **arrays)
            meta = pd.DataFrame(
                {"font": letter, **dict(zip(FIELDS, variant, strict=True))},
                index=range(len(arrays["labels"])),
            )
            yield ImageBank(arrays["images"], arrays["labels"], classes, meta)


def _framed(pieces: Scans, framing: str) -> dict[str, np.ndarray]:
    """Images (n, 37, 37) and labels (n,) of a variant."""
    images, labels = [], []
    for numbers, bitmaps, heights, widths in pieces:
        inked = heights.cpu().numpy() > 0  # all of them, unless the threshold removes a whole glyph
        images.append(frame(bitmaps, heights, widths, framing).cpu().numpy()[inked])
        labels.append(numbers[inked].astype(np.int64))
    return {"images": np.concatenate(images), "labels": np.concatenate(labels)}


def _cache_name(letter: str, glyphs: Masters, variant, seed: int, framing: str, device) -> str:
    """All that the bits of a bank depend on."""
    alphabet = hashlib.sha256("".join(glyphs.characters).encode()).hexdigest()
    kind = torch.device(device).type
    facts = letter, glyphs.digest, alphabet, tuple(variant), int(seed), framing, kind, torch.__version__
    return f"scans-{SIMULATOR_VERSION}/{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}.npz"


def _load(name: str) -> dict[str, np.ndarray] | None:
    def fits(arrays: dict[str, np.ndarray]) -> bool:
        images, labels = arrays["images"], arrays["labels"]
        return (
            (images.dtype, labels.dtype) == (np.uint8, np.int64)
            and images.shape == (len(labels), SIDE, SIDE)
            and labels.ndim == 1
        )

    return next(filter(None, (load_arrays(p, ("images", "labels"), fits) for p in cached(name))), None)


def write_simulated_phd08(
    folder: Path | str,
    variants: int | Iterable[Sequence[int]] | None = 243,
    fonts: str | Iterable[str] | None = None,
    seed: int = 0,
    characters: Sequence[str] | None = None,
) -> list[Path]:
    """Write the bitmaps of `iter_simulated_phd08`, before framing, as class files in the format of PHD08.

    A class with all fonts and variants has 3 MB.

    Args:
        folder: where the files 가.txt ... are written.
        variants, fonts, seed: as there.
        characters: KS X 1001 syllables; default all 2,350.

    Returns:
        The files, in the order of the characters. A character that no typeface draws has no file.

    Raises:
        InputError: as there, or a folder that cannot be written.
    """
    classes = hangul_classes(2350) if characters is None else list(characters)
    variants, written = chosen_variants(variants), []
    drawn = {letter: masters(found, classes) for letter, found in simulated_faces(fonts).items()}
    for start in range(0, len(classes), _FILES):
        records: dict[str, list] = {character: [] for character in classes[start : start + _FILES]}
        for letter, glyphs in drawn.items():
            here = np.arange(start, min(start + _FILES, len(classes)))
            for variant, pieces in scans(letter, glyphs, here, variants, seed, "cpu"):
                for numbers, *bitmaps in pieces():
                    arrays = (tensor.numpy() for tensor in bitmaps)
                    for number, bits, height, width in zip(numbers, *arrays, strict=True):
                        if height:
                            records[classes[number]].append((letter, variant, bits[:height, :width]))
        for character, bitmaps in records.items():
            if bitmaps:
                written.append(Path(folder) / f"{character}.txt")
                write_phd08(written[-1], bitmaps)
    return written


def simulated_faces(fonts: str | Iterable[str] | None = None) -> dict[str, FoundFace]:
    """PHD08 letter -> test typeface that stands for it, those of `fonts` that this machine has.

    Raises:
        InputError: unknown letters, no usable fonts, or none of those asked for.
    """
    faces = {found.face.letter or FALLBACK_FONT: found for found in find_faces("test")}
    wanted = chosen_fonts(fonts)
    if not any(letter in faces for letter in wanted):
        raise InputError(
            f"of the fonts {' '.join(wanted)} none is there, only {' '.join(faces)}; run `make fonts`, or "
            "choose one of these"
        )
    return {letter: faces[letter] for letter in wanted if letter in faces}


def scans(
    letter: str,
    glyphs: Masters,
    numbers: np.ndarray,
    variants: Iterable[Sequence[int]],
    seed: int,
    device: str | torch.device,
) -> Iterator[tuple[Sequence[int], Callable[[], Scans]]]:
    """Glyphs of one typeface, scanned.

    Args:
        letter: PHD08 font.
        glyphs: of the typeface.
        numbers: (n,) which of its characters; those that it does not draw properly are left out.
        variants: tuples (fs, cp, re, th, sl).
        seed, device: see `iter_simulated_phd08`.

    Yields:
        A variant, and what scans it when called, in pieces: numbers (m,) of the characters, and `tight`
        bitmaps (m, H, W) with heights and widths (m,).
    """
    drawn = numbers[glyphs.usable[numbers]]
    if not len(drawn):
        return

    @functools.cache
    def sheet() -> Sheet:
        names = [glyphs.characters[number] for number in drawn]
        return Sheet(
            letter, names, glyphs.images[drawn], glyphs.heights[drawn], glyphs.widths[drawn], seed, device
        )

    def pieces(variant: Sequence[int]) -> Scans:
        for start in range(0, len(drawn), CHUNK):
            part = slice(start, start + CHUNK)
            yield drawn[part], *tight(scan_variant(sheet(), variant, part))

    for variant in variants:
        yield variant, functools.partial(pieces, variant)


def scan_variant(sheet: Sheet, variant: Sequence[int], part: slice) -> torch.Tensor:
    """Bitmaps (n, S, S) uint8, 0 and 255, at native resolution with a margin.

    Args:
        sheet: the glyphs of a typeface.
        variant: (fs, cp, re, th, sl).
        part: which of the characters.
    """
    fs, cp, re, th, sl = variant
    em, jitter = POINTS[fs] / 72 * DPI[re], ROUGHER[cp] * EDGE_JITTER[re][cp]
    return sheet.scan(em, CLOCKWISE[sl], jitter, EDGE_OFFSET[re][cp][th], (fs, cp, re), part)
