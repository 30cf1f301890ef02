"""Search among class centroids in blocks: never all C x C distances at once."""

import torch
from torch import Tensor

BLOCK = 256  # rows a block: at 11,172 classes 23 MB of float64 distances


def smallest_pairs(points: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` smallest distances between different points.

    Args:
        points: (C, D).
        count: how many; all pairs where there are fewer.

    Returns:
        i, j (m,) long with i < j, and their float64 distances (m,), in ascending order; ties in order of (i, j).
    """
    points = points.double()
    device = points.device
    kept_i = kept_j = torch.empty(0, dtype=torch.long, device=device)
    kept_d = torch.empty(0, dtype=torch.float64, device=device)
    bound = float("inf")
    for start in range(0, len(points) if count else 0, BLOCK):
        rows = points[start : start + BLOCK]
        # Differences, not the dot-product identity: exact for near ties and for large common offsets.
        d = torch.cdist(rows, points[start:], compute_mode="donot_use_mm_for_euclid_dist")
        d[torch.ones_like(d, dtype=torch.bool).tril_()] = float("inf")
        i, j = torch.nonzero((d <= bound) & (d < float("inf")), as_tuple=True)
        kept_d = torch.cat([kept_d, d[i, j]])
        kept_i, kept_j = torch.cat([kept_i, i + start]), torch.cat([kept_j, j + start])
        order = torch.sort(kept_d, stable=True).indices[:count]  # earlier blocks first among ties: order of (i, j)
        kept_i, kept_j, kept_d = kept_i[order], kept_j[order], kept_d[order]
        if len(kept_d) == count:
            bound = float(kept_d[-1])
    return kept_i, kept_j, kept_d


def nearest_classes(points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """points (C, D) -> the k nearest other points of each, nearest first: numbers (C, k) long, float64 distances (C, k); k at most C - 1."""
    points = points.double()
    found = []
    for start in range(0, len(points), BLOCK):
        d = torch.cdist(points[start : start + BLOCK], points, compute_mode="donot_use_mm_for_euclid_dist")
        d[torch.arange(len(d)), torch.arange(start, start + len(d))] = float("inf")
        found.append(d.topk(k, largest=False))
    return torch.cat([each.indices for each in found]), torch.cat([each.values for each in found])
