"""Synthetic Hangul: every syllable of a class list in every typeface of a split."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from siamese_lib.data.alphabet import bank_of_faces
from siamese_lib.data.bank import ImageBank
from siamese_lib.data.checks import whole_number
from siamese_lib.data.faces import RENDERER_VERSION, SPLITS, FoundFace, find_faces
from siamese_lib.data.framing import FRAMINGS, frame
from siamese_lib.data.glyphs import EM, masters, render_missing
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.errors import InputError


def load_hangul(
    num_classes: int = 2350,
    split: str = "train",
    framing: str = "aspect",
    characters: Sequence[str] | None = None,
) -> ImageBank:
    """One clean image of every syllable in every typeface of a split (section 4.1: synthetic training data).

    Args:
        num_classes: 2350 (KS X 1001) or 11172 (all modern syllables).
        split: "train" (8 typefaces), "train-wide" (37: those and more), "validation" (2) or "test" (9,
            without PHD08's degradations, for which see `iter_simulated_phd08`).
        framing: "aspect" (keeps proportions) or "square" (stretches).
        characters: use these characters as the classes instead.

    Returns:
        Bank ordered by typeface: all syllables of the first in class order, then those of the second, and so
        on. Glyphs that a typeface does not draw properly are not in it, so a class may have fewer images than
        there are typefaces. `meta` has the column `face`, the key of the typeface.

    Raises:
        InputError: unknown class count, split or framing, no usable fonts, or a class that no typeface of the
            split can draw.
    """
    if framing not in FRAMINGS:
        raise InputError(f"framing {framing!r} is unknown; use one of {', '.join(FRAMINGS)}")
    classes, faces = _classes(num_classes, characters), find_faces(split)
    render_missing(faces, classes)
    return bank_of_faces(faces, classes, framing, f"the typefaces of the {split} split")


def font_manifest(*splits: str, num_classes: int = 2350, characters: Sequence[str] | None = None) -> dict:
    """What the images of some splits (default: all three) are drawn with.

    It is the same on all machines with the same fonts.

    Returns:
        Ready for JSON: `fallback` (bool), `em`, `renderer`, `classes` and `faces`: for each split a list of
        key, letter, family, file, sha256, `declared` (whether that is the hash written in this package),
        `glyphs` used, `left_out` (reason -> count and the first characters) and `pixels`, a fingerprint of
        the renders.
    """
    classes = _classes(num_classes, characters)
    faces = {split: find_faces(split) for split in splits or SPLITS}
    return {
        "fallback": any(found.fallback for listed in faces.values() for found in listed),
        "em": EM,
        "renderer": RENDERER_VERSION,
        "classes": len(classes),
        "faces": {split: [_describe(found, classes) for found in listed] for split, listed in faces.items()},
    }


def largest_overlap(
    sample: int = 98, faces: Sequence[FoundFace] | None = None, against: Sequence[FoundFace] | None = None
) -> tuple[float, str, str]:
    """The most similar pair of a training or validation typeface and a test typeface.

    It checks that no test typeface is a training typeface under another name. The measure is the correlation
    of framed glyphs, averaged over characters that both draw. Two copies of one typeface give 1, two weights
    of one about 0.8.

    Args:
        sample: number of characters, spread evenly over the 2,350.
        faces: default the training and validation typefaces.
        against: default the test typefaces.

    Returns:
        (correlation, key of the typeface, key of the test typeface).
    """
    classes = hangul_classes(2350)
    characters = classes[:: max(1, len(classes) // whole_number("sample", sample, 1))]
    faces = [*find_faces("train"), *find_faces("validation")] if faces is None else list(faces)
    against = find_faces("test") if against is None else list(against)
    ours, theirs = [[_standardised(face, characters) for face in listed] for listed in (faces, against)]
    alike = []
    for face, (glyphs, drawn) in zip(faces, ours, strict=True):
        for other, (others, also) in zip(against, theirs, strict=True):
            both = drawn & also
            overlap = float((glyphs[both] * others[both]).sum(axis=1).mean())
            alike.append((overlap, face.face.key, other.face.key))
    return max(alike)


def _standardised(face: FoundFace, characters: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Framed glyphs (C, 1369) of zero mean and unit length, and which of them are drawn (C,)."""
    glyphs = masters(face, characters)
    framed = frame(glyphs.images, glyphs.heights, glyphs.widths).numpy()
    flat = framed.reshape(len(characters), -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12), glyphs.usable


def _classes(num_classes: int, characters: Sequence[str] | None) -> list[str]:
    return hangul_classes(num_classes) if characters is None else list(characters)


def _describe(found: FoundFace, classes: list[str]) -> dict:
    glyphs = masters(found, classes)
    left_out = {}
    for reason, count in sorted(Counter(glyphs.problems.values()).items()):
        first = [character for character, cause in glyphs.problems.items() if cause == reason][:10]
        left_out[reason] = {"count": count, "first": "".join(first)}
    return {
        "key": found.face.key,
        "letter": found.face.letter,
        "family": found.face.family,
        "file": found.face.file,
        "sha256": found.sha256,
        "declared": found.sha256 == found.face.sha256,
        "glyphs": int(glyphs.usable.sum()),
        "left_out": left_out,
        "pixels": glyphs.digest,
    }
