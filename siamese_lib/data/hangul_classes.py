"""The two fixed class lists of Hangul syllables."""

from functools import lru_cache

from siamese_lib.data.checks import whole_number
from siamese_lib.errors import InputError


@lru_cache(maxsize=2)
def _syllables(count: int) -> tuple[str, ...]:
    every = tuple(map(chr, range(0xAC00, 0xD7A4)))
    if count == 11172:
        return every
    # Python's euc_kr writes a syllable outside KS X 1001 as eight bytes (its jamo).
    return tuple(syllable for syllable in every if len(syllable.encode("euc_kr")) == 2)


def hangul_classes(count: int = 2350) -> list[str]:
    """Syllables in code point order, which for the 2,350 is also the order of KS X 1001.

    Args:
        count: 2350 for KS X 1001 (the classes of PHD08), 11172 for all modern syllables U+AC00..U+D7A3.

    Raises:
        InputError: any other count.
    """
    if count not in (2350, 11172):
        raise InputError(
            f"no Hangul class list has {count!r} classes; use 2350 (KS X 1001) or 11172 (all modern "
            "syllables), or give characters yourself"
        )
    return list(_syllables(int(count)))


def class_list(num_classes: int) -> list[str]:
    """2,350 or 11,172 syllables; fewer: that many of the 2,350, evenly spaced in code point order.

    Raises:
        InputError: any other number.
    """
    num_classes = whole_number("num_classes", num_classes, 1)
    if num_classes in (2350, 11172):
        return hangul_classes(num_classes)
    if num_classes > 2350:
        raise InputError(f"num_classes={num_classes} is not possible; give 2350, 11172 or fewer than 2350")
    all_classes = hangul_classes(2350)
    return [all_classes[i * 2350 // num_classes] for i in range(num_classes)]
