"""Scans of the validation typefaces: what every choice is made on.

Clean glyphs mislead: a network reads them ever better and scans ever worse. The path is that of
`siamese_lib.data.phd08_simulated`, widened to lower resolutions: from a glyph of some 12 pixels, at 10 points
and 100 dpi, to one of 50. Every glyph is scanned `copies` times. A copy divides the characters of a face at
random into groups of one treatment each: resolution, point size, photocopies, threshold and tilt. The
resolutions of a copy are spread evenly over the logarithm of the range, so that a small alphabet meets all of
it too.
"""

from collections.abc import Sequence

import numpy as np
import torch

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.faces import find_faces
from siamese_lib.data.framing import FRAMINGS, frame, tight
from siamese_lib.data.glyphs import masters, render_missing
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.data.phd08_simulated import DPI, EDGE_JITTER, EDGE_OFFSET, ROUGHER
from siamese_lib.data.scanner import Sheet
from siamese_lib.errors import InputError

VALIDATION_SCANS_VERSION = 1  # raise it whenever a bitmap may change
LOWEST, HIGHEST = 100, 280  # dpi
POINTS = (10, 12, 13, 14)
TILT = 3.2  # degrees, either way
GROUPS = 16  # treatments of a copy of a face
SMALLEST = 12  # pixels: a scan whose longer side is shorter cannot be read, and is left out


def validation_scans(
    num_classes: int = 2350,
    copies: int = 2,
    seed: int = 0,
    framing: str = "square",
    device: str | torch.device = "cpu",
    characters: Sequence[str] | None = None,
) -> ImageBank:
    """Scans of every syllable in both validation faces.

    Args:
        num_classes: 2350 (KS X 1001) or 11172 (all modern syllables).
        copies: scans of a glyph.
        seed: of treatments and noise.
        framing: "aspect" or "square", see `siamese_lib.data.framing.frame`.
        device: where the work is done.
        characters: use these characters as the classes instead.

    Returns:
        Bank with meta columns `face` (its key), `dpi`, `points`, `cp`, `th`, `tilt` (degrees, clockwise) and
        `pixels` (longer side of the ink in the scan). Characters that a face does not draw properly and scans
        too small to read are not in it. The same arguments give the same bits on one type of device.

    Raises:
        InputError: unknown settings, no usable fonts, or a glyph larger than 1.1 em.
    """
    import pandas as pd

    if framing not in FRAMINGS:
        raise InputError(f"framing {framing!r} is unknown; use one of {', '.join(FRAMINGS)}")
    if copies < 1:
        raise InputError(f"copies={copies}: at least one scan of a glyph is needed")
    classes = hangul_classes(num_classes) if characters is None else list(characters)
    faces = find_faces("validation")
    render_missing(faces, classes)
    images, labels, rows = [], [], []
    for number, found in enumerate(faces):
        glyphs = masters(found, classes)
        drawn = np.flatnonzero(glyphs.usable)
        names = [classes[label] for label in drawn]
        sheet = Sheet(
            found.face.key,
            names,
            glyphs.images[drawn],
            glyphs.heights[drawn],
            glyphs.widths[drawn],
            seed,
            device,
        )
        chance = np.random.default_rng([seed, number])
        for copy in range(copies):
            groups = np.array_split(chance.permutation(len(drawn)), GROUPS)
            for group, (chosen, treatment) in enumerate(zip(groups, _treatments(chance), strict=True)):
                if not len(chosen):
                    continue
                chosen = np.sort(chosen)
                bits, heights, widths = tight(_scan(sheet, (copy, group), treatment, chosen))
                pixels = torch.maximum(heights, widths).cpu().numpy()
                seen = pixels >= SMALLEST
                images.append(frame(bits, heights, widths, framing).cpu().numpy()[seen])
                labels.append(drawn[chosen][seen])
                rows.append(pd.DataFrame({"face": found.face.key, **treatment, "pixels": pixels[seen]}))
    meta = pd.concat(rows, ignore_index=True)
    return ImageBank(np.concatenate(images), np.concatenate(labels).astype(np.int64), classes, meta)


def _treatments(chance: np.random.Generator) -> list[dict]:
    """A treatment for each group: each takes another of GROUPS equal parts of the range of resolutions."""
    place = (chance.permutation(GROUPS) + chance.random(GROUPS)) / GROUPS
    return [
        {
            "dpi": float(LOWEST * (HIGHEST / LOWEST) ** place[group]),
            "points": POINTS[chance.integers(len(POINTS))],
            "cp": int(chance.integers(3)),
            "th": int(chance.integers(3)),
            "tilt": float(chance.uniform(-TILT, TILT)),
        }
        for group in range(GROUPS)
    ]


def _scan(sheet: Sheet, scan: tuple[int, int], treatment: dict, chosen: np.ndarray) -> torch.Tensor:
    """Bitmaps (n, S, S) of the chosen characters at native resolution."""
    cp, th = treatment["cp"], treatment["th"]
    return sheet.scan(
        em=treatment["points"] / 72 * treatment["dpi"],
        clockwise=treatment["tilt"],
        jitter=ROUGHER[cp] * _measured([row[cp] for row in EDGE_JITTER], treatment["dpi"]),
        offset=_measured([row[cp][th] for row in EDGE_OFFSET], treatment["dpi"]),
        name=scan,
        part=torch.as_tensor(chosen, device=sheet.device),
    )


def _measured(by_dpi: Sequence[float], dpi: float) -> float:
    """Pixels of displacement at a resolution: linear between those measured; below, one length on paper."""
    return float(np.interp(dpi, DPI, by_dpi)) * min(1.0, dpi / DPI[0])
