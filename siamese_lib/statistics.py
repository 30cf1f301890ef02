"""Ideal vectors and class spreads (Section 3.2): all that mining, loss and classifier know of the classes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from siamese_lib.errors import InputError


@dataclass(frozen=True)
class ClassStatistics:
    """Where the classes lie and how far they spread.

    Attributes:
        centroids: (C, D), c_i: the mean embedding ("ideal vector") of class i.
        spread: (C,), d_i: the mean distance of its samples to c_i.
    """

    centroids: Tensor
    spread: Tensor


def class_statistics(embeddings: Tensor, labels: Tensor, num_classes: int) -> ClassStatistics:
    """c_i and d_i of Section 3.2 from embeddings in the loss's space.

    Args:
        embeddings: (N, D), of clean (not augmented) training samples (ours).
        labels: (N,) long in [0, num_classes).
        num_classes: C.

    Returns:
        ClassStatistics in the dtype of the embeddings; sums are taken in float64.

    Raises:
        InputError: a class without a sample: it has no ideal vector.
    """
    counts = torch.bincount(labels, minlength=num_classes)
    if len(counts) > num_classes or (counts == 0).any():
        known = counts[:num_classes]
        raise InputError(
            f"{int((known == 0).sum())} of {num_classes} classes have no sample (first: class "
            f"{int(torch.argmin(known))}) and {len(counts) - num_classes} labels are too large; "
            "give every class a sample"
        )
    e = embeddings.double()
    sums = torch.zeros(num_classes, e.shape[1], dtype=e.dtype, device=e.device).index_add_(0, labels, e)
    centroids = sums / counts[:, None]
    distances = torch.linalg.vector_norm(e - centroids[labels], dim=1)
    spread = (
        torch.zeros(num_classes, dtype=e.dtype, device=e.device).index_add_(0, labels, distances) / counts
    )
    return ClassStatistics(centroids.to(embeddings.dtype), spread.to(embeddings.dtype))
