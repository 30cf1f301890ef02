"""Checks that several readers share."""

import numbers

from siamese_lib.errors import InputError


def whole_number(name: str, value: object, least: int) -> int:
    """`value` as an int.

    Raises:
        InputError: it is no whole number (None, True, 1.5), or below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise InputError(f"{name}={value!r} is not possible; give a whole number from {least}")
    return int(value)
