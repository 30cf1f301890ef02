"""The container of labelled images that all data sets share."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siamese_lib.errors import InputError
from siamese_lib.model import SIDE

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ImageBank:
    """Labelled images, all in memory.

    Attributes:
        images: (N, 37, 37) uint8, ink = 255 on 0.
        labels: (N,) int64, index into `classes`.
        classes: names of all classes, without repetition; some may have no image here.
        meta: one row an image (font and variant, or alphabet and drawer), or None.

    Raises:
        InputError: a shape, a dtype or a label does not fit.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: list[str]
    meta: "pd.DataFrame | None" = None

    def __post_init__(self) -> None:
        images, labels, count = self.images, self.labels, len(self.classes)
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE):
            raise InputError(
                f"images of an ImageBank must be a uint8 array (N, {SIDE}, {SIDE}), got {_describe(images)}; "
                "see siamese_lib.data.framing.frame"
            )
        if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.shape != (len(images),):
            raise InputError(
                f"labels of an ImageBank must be an int64 array ({len(images)},), one an image, got "
                f"{_describe(labels)}"
            )
        if len(labels) and not 0 <= labels.min() <= labels.max() < count:
            raise InputError(
                f"labels run from {labels.min()} to {labels.max()}, but there are {count} classes; labels "
                "are indices into classes"
            )
        if len(set(self.classes)) != count:
            raise InputError(
                f"class names repeat: {count} names, {len(set(self.classes))} different; give every class "
                "its own name"
            )
        if self.meta is not None and len(self.meta) != len(images):
            raise InputError(
                f"meta has {len(self.meta)} rows for {len(images)} images; give one row an image, or None"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_classes(self) -> int:
        """Length of the class list, whether or not every class has images here."""
        return len(self.classes)

    @property
    def names(self) -> np.ndarray:
        """(N,) the class name of each image: an estimator's y."""
        return np.array(self.classes)[self.labels]

    def subset(self, which: np.ndarray) -> "ImageBank":
        """The images under a boolean mask (N,) or at integer indices (M,), with the same class list.

        Raises:
            InputError: a mask of another length, or an index out of range.
        """
        which = np.asarray(which)
        if which.size == 0:
            which = which.astype(np.int64).reshape(-1)
        try:
            meta = self.meta
            if meta is not None:
                rows = np.flatnonzero(which) if which.dtype == bool else which
                meta = meta.iloc[rows].reset_index(drop=True)
            return ImageBank(self.images[which], self.labels[which], self.classes, meta)
        except IndexError as error:
            raise InputError(
                f"subset of a bank of {len(self)} images: {error}; give a mask of that length or indices "
                "below it"
            ) from None

    def sha256(self) -> str:
        """Fingerprint of images, labels and class names (not of meta), for manifests."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.images))
        digest.update(np.ascontiguousarray(self.labels).astype("<i8"))
        digest.update("\n".join(self.classes).encode())
        return digest.hexdigest()


def _describe(value: object) -> str:
    return (
        f"{value.dtype} {tuple(value.shape)}"
        if hasattr(value, "dtype") and hasattr(value, "shape")
        else type(value).__name__
    )
