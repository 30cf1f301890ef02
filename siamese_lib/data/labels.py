"""Labels of an estimator: text or numbers."""

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from siamese_lib.errors import InputError


def distinct(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct labels (C,), sorted, and for each sample the index of its label (n,)."""
    check_classification_targets(y)
    return np.unique(column_or_1d(y), return_inverse=True)


def shown(label: object) -> str:
    """A label in a message."""
    return repr(label.item() if isinstance(label, np.generic) else label)


def same_type(labels: np.ndarray, classes: np.ndarray) -> None:
    """InputError where one is text and the other numbers; text of pandas is an array of objects."""
    if isinstance(labels[0], str) != isinstance(classes[0], str):
        raise InputError(
            f"y has labels such as {shown(labels[0])}, the classes so far are such as {shown(classes[0])}; "
            "give labels of one type"
        )


def or_unknown(answers: np.ndarray, known: np.ndarray, unknown: object, classes: np.ndarray) -> np.ndarray:
    """Answers (n,), `unknown` where they are not known (n,).

    Args:
        answers: some of the classes.
        known: bool.
        unknown: of the type of the classes, and none of them.
        classes: sorted.

    Raises:
        InputError: it is of another type, or one of the classes.
    """
    if isinstance(unknown, str) != isinstance(classes[0], str):
        raise InputError(
            f"unknown={unknown!r}, but classes are such as {shown(classes[0])}; give one of their type"
        )
    place = np.searchsorted(classes, unknown)
    if place < len(classes) and classes[place] == unknown:
        raise InputError(f"unknown={unknown!r} is one of the classes; give another")
    return np.where(known, answers, np.asarray(unknown))  # wide enough for both: -1 has no place in uint8
