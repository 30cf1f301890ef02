"""Names of PHD08's fonts and variants, and balanced subsets of the variants.

The five indices of a variant run over 0, 1, 2: size (12, 13, 14 point), photocopies (none, one, two),
resolution (200, 240, 280 dpi), threshold, and tilt (clockwise, upright, counter-clockwise).
"""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from siamese_lib.errors import InputError

FONTS = ("S", "G", "M", "N", "B", "D", "Y", "H1", "H2")  # in the order of the files
FIELDS = ("fs", "cp", "re", "th", "sl")

# Each equation, in indices counted from the centre (-1, 0, 1) and modulo 3, keeps a third of the variants
# that those before it keep.
_EQUATIONS = ((1, 1, 1, 1, 1), (0, 1, -1, 0, -1), (1, 0, -1, 0, 0), (1, 0, 0, -1, 0))


def variant_indices(count: int = 243) -> list[tuple[int, int, int, int, int]]:
    """The variants (fs, cp, re, th, sl) of a font, in the order of the files.

    FS, CP, RE and TH ascend, SL runs as 1, 0, 2.

    Args:
        count: 243 for all of them, or a balanced subset. In subsets of 81, 27, 9 and 3 every value of every
            index occurs equally often. In 81 every combination of four indices does, in 27 every combination
            of two, and in 9 every combination of two except that FS equals RE and TH equals SL throughout; in
            3 only single values are balanced. 1 is the centre, (1, 1, 1, 1, 1). Each subset contains the
            smaller ones.

    Raises:
        InputError: any other count.
    """
    kept = {243: 0, 81: 1, 27: 2, 9: 3, 3: 4}
    if isinstance(count, bool) or count not in (1, *kept):
        raise InputError(f"{count!r} variants of a font are not offered; use 1, 3, 9, 27, 81 or 243")
    if count == 1:
        return [(1, 1, 1, 1, 1)]
    every = itertools.product((0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 2), (1, 0, 2))
    equations = _EQUATIONS[: kept[count]]
    return [
        variant
        for variant in every
        if all(sum(k * (i - 1) for k, i in zip(row, variant, strict=True)) % 3 == 0 for row in equations)
    ]


def chosen_variants(variants: int | Iterable[Sequence[int]] | None) -> list[tuple[int, ...]]:
    """A choice of variants as a list of tuples, each once, in the order of the files.

    Args:
        variants: None (all 243), a count for `variant_indices`, or tuples (fs, cp, re, th, sl).

    Raises:
        InputError: a count or a tuple that does not exist, or none at all.
    """
    every = variant_indices(243)
    if variants is None:
        return every
    if isinstance(variants, (int, np.integer)):
        return variant_indices(variants)
    try:
        wanted = {tuple(int(index) for index in variant) for variant in variants}
    except (TypeError, ValueError):
        raise InputError(
            f"variants must be a count or tuples (fs, cp, re, th, sl), got {variants!r}"
        ) from None
    if not wanted or not wanted <= set(every):
        bad = sorted(wanted - set(every))[:1] or "none"
        raise InputError(
            f"variants must be tuples (fs, cp, re, th, sl) of 0, 1 or 2, got {bad}; use None for all 243"
        )
    return [variant for variant in every if variant in wanted]


def chosen_fonts(fonts: str | Iterable[str] | None) -> list[str]:
    """A choice of fonts as a list of letters in the order of the files.

    Args:
        fonts: None (all nine), a font letter, or several.

    Raises:
        InputError: an unknown letter, or none at all.
    """
    wanted = set(FONTS) if fonts is None else {fonts} if isinstance(fonts, str) else set(fonts)
    unknown = sorted(map(str, wanted - set(FONTS)))
    if unknown or not wanted:
        raise InputError(
            f"PHD08 has no font {', '.join(unknown) or '(an empty list)'}; use some of {' '.join(FONTS)}, or "
            "None for all"
        )
    return [font for font in FONTS if font in wanted]
