"""What a notebook does first: `start` checks its parameters and sets how its figures look.

papermill passes on whatever it is given: a misspelt name is only warned of in its log, `-p show_real false`
is the string "false", `-p seeds 0` the number 0.
"""

import types
from collections.abc import Mapping

from siamese_lib.errors import InputError
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.tables import BATCHES, choose

Kind = type | types.GenericAlias | types.UnionType | range

IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}
CHOICES = {"profile": PROFILES, "batch": BATCHES}
# What a parameter may be: in words, and how such a value is written for papermill.
KINDS = {
    str: ("a string", "-p {name} some_text"),
    int: ("a whole number", "-p {name} 1"),
    bool: ("True or False", "-p {name} True"),
    list[str]: ("a list of strings, not empty", "-y '{name}: [first, second]'"),
    list[int]: ("a list of whole numbers, not empty", "-y '{name}: [0, 1, 2]'"),
    str | None: ("a string or None", "-p {name} None"),
}


def start(namespace: Mapping[str, object], **kinds: Kind) -> None:
    """First call of a notebook: check its parameters, then set the style and alternative texts of figures.

    Args:
        namespace: `globals()` of the notebook, before it has defined anything but its parameters.
        kinds: what each of its parameters may be: a key of KINDS, or a range of whole numbers.

    Raises:
        InputError: see `check_parameters`.
    """
    check_parameters(namespace, kinds)
    from siamese_lib.plots import use_alt_text, use_style

    use_style()
    use_alt_text()


def check_parameters(namespace: Mapping[str, object], kinds: Mapping[str, Kind]) -> None:
    """Refuse parameters that the notebook does not have, and values that it cannot use.

    Raises:
        InputError: an unknown name, a value of another kind, an empty list, or a profile or batch that there
            is not. The message names parameter and value, and says how to write it for papermill.
    """
    given = {
        name
        for name, value in namespace.items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    unknown = sorted(given - set(kinds) - IPYTHON - {"start"})
    if unknown:
        raise InputError(f"unknown parameter {', '.join(unknown)}; this notebook takes {', '.join(kinds)}")
    for name, kind in kinds.items():
        value = namespace[name]
        if not _is(value, kind):
            words, example = _described(kind)
            example = example.format(name=name)
            raise InputError(f"parameter {name}={value!r} must be {words}; with papermill: {example}")
        if name in CHOICES:
            choose(name, value, CHOICES[name])


def _is(value: object, kind: Kind) -> bool:
    if isinstance(kind, range):
        return type(value) is int and value in kind
    if kind == str | None:
        return value is None or type(value) is str
    if isinstance(kind, types.GenericAlias):
        (item,) = kind.__args__
        return type(value) is list and bool(value) and all(type(each) is item for each in value)
    return type(value) is kind


def _described(kind: Kind) -> tuple[str, str]:
    """A kind in words, and an example for papermill."""
    if isinstance(kind, range):
        return f"a whole number from {kind.start:,} to {kind.stop - 1:,}", f"-p {{name}} {kind.start}"
    return KINDS[kind]
