"""Search among class centroids: the same answer as all C x C distances in float64, without holding them.

A block of rows at a time. One product of float32 matrices gives all squared distances of a block, wrong by a known bound; of every group of columns
only the smallest is kept. Groups that may hold an answer are computed again in float64, from differences, so that near ties, coinciding points and
points far from the origin come out as they would without any of this; where those are many, the whole block is. Memory grows with C, time with C^2.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from siamese_lib.errors import InputError

GROUP = 32  # columns that share one minimum
ROWS = 512  # a block
COLUMNS = {
    "cpu": 32 * GROUP,
    "cuda": 2048 * GROUP,
}  # of a tile: 2 MB of float32, what caches hold, or 128 MB, so that few kernels are started
EXACT = 1 << 20  # pairs looked at at once
NUMBERS = 1 << 22  # float64 numbers of their points held at once
MANY = (
    1 / 32
)  # share of a block's groups from which on all of its distances are computed: picking pairs out costs that much more each


def _float32_is_exact() -> bool:
    """Whether products of float32 matrices are made in float32: a user may have let TF32 or bfloat16 in."""
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # set through torch.backends, which this call does not know
        return False


class _Points:
    """points (C, D), and what the float32 product needs of them: centred, scaled to norms of at most 1, padded to whole groups."""

    def __init__(self, points: Tensor) -> None:
        self.exact = points.double()
        centred = self.exact - self.exact.mean(0)
        self.scale = centred.norm(dim=1).max().clamp(min=1e-300)
        if not torch.isfinite(self.scale):
            raise InputError(
                f"{tuple(points.shape)} centroids hold a value that is not finite; lower the rate"
            )
        self.rows = (centred / self.scale).to(torch.float32 if _float32_is_exact() else torch.float64)
        missing = -len(points) % GROUP
        self.columns = torch.cat([self.rows, self.rows.new_zeros(missing, points.shape[1])])
        self.norms = torch.cat([self.rows.square().sum(1), self.rows.new_full((missing,), float("inf"))])
        # Three sums of D products of numbers whose squares add up to 1 at most, and the points' own rounding: twice the usual bound.
        self.slack = (3 * points.shape[1] + 12) * torch.finfo(torch.float32).eps

    def minima(self, start: int, end: int, upper: bool) -> Tensor:
        """(end - start, groups): of rows `start` to `end` the smallest squared distance to each group of columns, within `slack`.

        A point's distance to itself counts as infinite, with `upper` also that to all points before it.
        """
        first = start // GROUP * GROUP if upper else 0
        rows, out = (
            self.rows[start:end],
            self.rows.new_full((end - start, len(self.columns) // GROUP), float("inf")),
        )
        own, wide = rows.square().sum(1, keepdim=True), COLUMNS[rows.device.type]
        for left in range(first, len(self.columns), wide):
            right = min(left + wide, len(self.columns))
            with torch.autocast(rows.device.type, enabled=False):
                d2 = torch.addmm(self.norms[left:right], rows, self.columns[left:right].T, alpha=-2)
            if left < end and start < right:
                place = (
                    torch.arange(left, right, device=rows.device)[None]
                    - torch.arange(start, end, device=rows.device)[:, None]
                )
                d2.masked_fill_(place <= 0 if upper else place == 0, float("inf"))
            out[:, left // GROUP : right // GROUP] = d2.view(end - start, -1, GROUP).amin(2)
        return out.add_(own)

    def blocks(self, start: int, end: int, upper: bool) -> Iterator[tuple[int, Tensor]]:
        """Of rows `start` to `end` a few at a time: the first of them, and their distances in float64 to all points, infinite as in `minima`.

        With `upper` the points before the first are left out: column 0 is the first.
        """
        step, numbers = (
            max(1, EXACT // len(self.exact)),
            torch.arange(len(self.exact), device=self.exact.device),
        )
        for first in range(start, end, step):
            last, left = min(first + step, end), first if upper else 0
            d = torch.cdist(
                self.exact[first:last], self.exact[left:], compute_mode="donot_use_mm_for_euclid_dist"
            )
            place = numbers[left:] - numbers[first:last, None]
            yield first, d.masked_fill_(place <= 0 if upper else place == 0, float("inf"))

    def distances(
        self, start: int, minima: Tensor, bound: Tensor, upper: bool
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Pairs (i, j) and their distances in float64, of all groups whose minimum is at most `bound`; EXACT at a time, in order of (i, j)."""
        i, group = torch.nonzero(minima <= bound, as_tuple=True)
        pairs = max(1, NUMBERS // self.exact.shape[1])
        for some, groups in zip((i + start).split(EXACT // GROUP), group.split(EXACT // GROUP), strict=True):
            j = groups[:, None] * GROUP + torch.arange(GROUP, device=i.device)
            many = some[:, None].expand_as(j)
            wanted = (j < len(self.exact)) & (j > many if upper else j != many)
            one, other = many[wanted], j[wanted]
            for a, b in zip(one.split(pairs), other.split(pairs), strict=True):
                yield a, b, torch.linalg.vector_norm(self.exact[a] - self.exact[b], dim=1)


def smallest_pairs(points: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` smallest distances between different points.

    Args:
        points: (C, D), finite.
        count: how many; all pairs where there are fewer.

    Returns:
        i, j (m,) long with i < j, and their float64 distances (m,), in ascending order; ties in order of (i, j).

    Raises:
        InputError: a value that is not finite.
    """
    of, device = _Points(points), points.device
    kept = [torch.empty(0, dtype=torch.long, device=device)] * 2 + [
        torch.empty(0, dtype=torch.float64, device=device)
    ]
    bound = float("inf")  # the largest distance that is still of interest

    def add(i: Tensor, j: Tensor, d: Tensor) -> None:
        nonlocal kept, bound
        near = d < bound if len(kept[2]) == count else d <= bound  # of equals those before it are in already
        kept = [torch.cat([old, new[near]]) for old, new in zip(kept, (i, j, d), strict=True)]
        order = torch.sort(kept[2], stable=True).indices[:count]
        kept = [each[order] for each in kept]
        if len(order) == count:
            bound = min(bound, float(kept[2][-1]))

    for start in range(0, len(points) if count else 0, ROWS):
        end = min(start + ROWS, len(points))
        minima = of.minima(start, end, upper=True)
        if len(kept[2]) < count <= minima.numel():
            # `count` groups, each with a pair as near as its minimum: those pairs are a bound
            within = minima.flatten().topk(count, largest=False).values[-1].clamp(min=0) + of.slack
            bound = min(bound, float(within.sqrt() * of.scale))
        most = torch.full((), bound, dtype=torch.float64, device=device).div(of.scale).square().add(
            of.slack
        ).to(minima.dtype) * (1 + 1e-6)
        if float((minima <= most).float().mean()) > MANY:
            for first, d in of.blocks(start, end, upper=True):
                i, j = torch.nonzero((d <= bound) & (d < float("inf")), as_tuple=True)
                add(i + first, j + first, d[i, j])
        else:
            for found in of.distances(start, minima, most, upper=True):
                add(*found)
    return tuple(kept)


def nearest_classes(points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest other points of each.

    Args:
        points: (C, D), finite.
        k: at most C - 1.

    Returns:
        Their numbers (C, k) long, nearest first, ties in order of the number; float64 distances (C, k).

    Raises:
        InputError: a value that is not finite, or another k.
    """
    if not 1 <= k < len(points):
        raise InputError(f"k={k!r} nearest of {len(points)} points: from 1 to {len(points) - 1}")
    of, found = _Points(points), []
    for start in range(0, len(points), ROWS):
        end = min(start + ROWS, len(points))
        minima = of.minima(start, end, upper=False)
        bound = torch.full_like(minima[:, :1], float("inf"))
        if k <= minima.shape[1]:  # k groups, each with a point as near as its minimum
            bound = minima.topk(k, dim=1, largest=False).values[:, -1:] + 2 * of.slack
        if float((minima <= bound).float().mean()) > MANY:
            found += [_smallest(d, k) for _, d in of.blocks(start, end, upper=False)]
            continue
        numbers = torch.full((end - start, k), len(points), device=points.device)
        best = torch.full((end - start, k), float("inf"), dtype=torch.float64, device=points.device)
        for i, j, d in of.distances(start, minima, bound, upper=False):
            near = d < best[i - start, -1]  # of equals those before it are in already
            numbers, best = _merge(numbers, best, i[near] - start, j[near], d[near])
        found.append((numbers, best))
    return torch.cat([numbers for numbers, _ in found]), torch.cat([best for _, best in found])


def _smallest(d: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Distances (R, C) -> numbers and distances (R, k) of the k smallest of each row, ties in order of the number."""
    values, numbers = d.topk(k, dim=1, largest=False)
    most = values[:, -1:]
    if (d <= most).sum() > numbers.numel():  # ties about the last place: the first of them
        less, equal = d < most, d == most
        numbers = torch.nonzero(less | equal & (equal.cumsum(1) <= k - less.sum(1, keepdim=True)))[:, 1].view(
            len(d), k
        )
    numbers = numbers.sort(dim=1).values
    values, order = d.gather(1, numbers).sort(dim=1, stable=True)
    return numbers.gather(1, order), values


def _merge(numbers: Tensor, best: Tensor, i: Tensor, j: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """The k smallest of each row's (R, k) and of new ones: rows i, ascending, numbers j and distances d (m,)."""
    rows, k = best.shape
    i = torch.cat([torch.arange(rows, device=i.device).repeat_interleave(k), i])
    j, d = torch.cat([numbers.flatten(), j]), torch.cat([best.flatten(), d])
    order = torch.sort(
        d, stable=True
    ).indices  # of equals the older ones first, which have the smaller numbers
    order = order[torch.sort(i[order], stable=True).indices]
    counts = torch.bincount(i, minlength=rows)
    place = (counts.cumsum(0) - counts)[:, None] + torch.arange(k, device=i.device)
    chosen = order[place]
    return j[chosen], d[chosen]
