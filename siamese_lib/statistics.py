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
        embeddings: (N, D), of training samples: clean ones (ours), or with `gather` those of the training
            steps.
        labels: (N,) long in [0, num_classes).
        num_classes: C.

    Returns:
        ClassStatistics in the dtype of the embeddings, without gradient; sums are taken in float64.

    Raises:
        InputError: embeddings or labels of another shape or type, or a class without a sample: it has no
            ideal vector.
    """
    if embeddings.dim() != 2 or not embeddings.is_floating_point():
        raise InputError(f"embeddings {_described(embeddings)}: a floating-point tensor (N, D) wanted")
    if labels.shape != embeddings.shape[:1] or labels.dtype not in (torch.int64, torch.int32):
        raise InputError(
            f"labels {_described(labels)}: whole numbers ({len(embeddings)},) wanted, one an embedding"
        )
    if (labels < 0).any():
        raise InputError(f"labels from {int(labels.min())}: 0 to {num_classes - 1} wanted")
    if (labels >= num_classes).any():
        raise InputError(f"labels up to {int(labels.max())}: 0 to {num_classes - 1} wanted")
    counts = torch.bincount(labels, minlength=num_classes)
    if (counts == 0).any():
        raise InputError(
            f"{int((counts == 0).sum())} of {num_classes} classes have no sample (first: class "
            f"{int(torch.argmin(counts))}); give every class a sample"
        )
    e = embeddings.detach().double()
    sums = torch.zeros(num_classes, e.shape[1], dtype=e.dtype, device=e.device).index_add_(0, labels, e)
    centroids = sums / counts[:, None]
    distances = torch.linalg.vector_norm(e - centroids[labels], dim=1)
    spread = (
        torch.zeros(num_classes, dtype=e.dtype, device=e.device).index_add_(0, labels, distances) / counts
    )
    return ClassStatistics(centroids.to(embeddings.dtype), spread.to(embeddings.dtype))


def _described(x: Tensor) -> str:
    return f"{tuple(x.shape)} of {str(x.dtype).removeprefix('torch.')}"
