"""Search among class centroids: the same answer as all C x C distances in float64, without holding them.

The search takes a block of rows at a time. One product of float32 matrices gives all squared distances of a
block, wrong by a known bound; of every group of columns only the smallest is kept. Groups that may hold an
answer are computed again in float64, from differences, so that near ties, coinciding points and points far
from the origin come out as they would without any of this; where those are many, the whole block is. Memory
grows with C, time with C^2.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from siamese_lib.errors import InputError

GROUP = 32  # columns that share one minimum
ROWS = 512  # of a block
# Columns of a tile: 2 MB of float32, what caches hold, or 128 MB, so that few kernels are started.
COLUMNS = {"cpu": 32 * GROUP, "cuda": 2048 * GROUP}
EXACT = 1 << 20  # pairs looked at at once
NUMBERS = 1 << 22  # float64 numbers of their points held at once
# Share of a block's groups from which on all of its distances are computed: picking pairs out costs that much
# more each.
MANY = 1 / 32


def _float32_is_exact() -> bool:
    """Whether products of float32 matrices are made in float32: a user may have let TF32 or bfloat16 in."""
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # set through torch.backends, which this call does not know
        return False


class _Points:
    """points (C, D), and what the float32 product needs: centred, of norms of at most 1, in whole groups."""

    def __init__(self, points: Tensor) -> None:
        self.exact = points.double()
        centred = self.exact - self.exact.mean(0)
        self.scale = centred.norm(dim=1).max().clamp(min=1e-300)
        if not torch.isfinite(self.scale):
            raise InputError(
                f"{tuple(points.shape)} centroids hold a value that is not finite; lower the learning rate"
            )
        self.rows = (centred / self.scale).to(torch.float32 if _float32_is_exact() else torch.float64)
        missing = -len(points) % GROUP
        self.columns = torch.cat([self.rows, self.rows.new_zeros(missing, points.shape[1])])
        self.norms = torch.cat([self.rows.square().sum(1), self.rows.new_full((missing,), float("inf"))])
        # Three sums of D products of numbers whose squares add up to 1 at most, and the points' own rounding:
        # twice the usual bound.
        self.slack = (3 * points.shape[1] + 12) * torch.finfo(torch.float32).eps

    def minima(self, start: int, end: int, upper: bool) -> Tensor:
        """Smallest squared distance of rows `start` to `end` to each group of columns, within `slack`.

        A point's distance to itself counts as infinite, with `upper` also that to all points before it.

        Returns:
            (end - start, groups).
        """
        rows, width = self.rows[start:end], COLUMNS[self.rows.device.type]
        smallest = rows.new_full((end - start, len(self.columns) // GROUP), float("inf"))
        for left in range(start // GROUP * GROUP if upper else 0, len(self.columns), width):
            right = min(left + width, len(self.columns))
            with torch.autocast(rows.device.type, enabled=False):
                d2 = torch.addmm(self.norms[left:right], rows, self.columns[left:right].T, alpha=-2)
            if left < end and start < right:
                i, j = (
                    torch.arange(start, end, device=rows.device),
                    torch.arange(left, right, device=rows.device),
                )
                ahead = j[None] - i[:, None]
                d2.masked_fill_(ahead <= 0 if upper else ahead == 0, float("inf"))
            smallest[:, left // GROUP : right // GROUP] = d2.view(end - start, -1, GROUP).amin(2)
        return smallest.add_(rows.square().sum(1, keepdim=True))

    def blocks(self, start: int, end: int, upper: bool) -> Iterator[tuple[int, Tensor]]:
        """Float64 distances of rows `start` to `end` to all points, a few rows at a time.

        Yields:
            The first of the rows, and their distances, infinite as in `minima`; with `upper` those to the
            points before the first are left out, so that column 0 is the first row itself.
        """
        step, j = max(1, EXACT // len(self.exact)), torch.arange(len(self.exact), device=self.exact.device)
        for first in range(start, end, step):
            last, left = min(first + step, end), first if upper else 0
            d = torch.cdist(
                self.exact[first:last], self.exact[left:], compute_mode="donot_use_mm_for_euclid_dist"
            )
            ahead = j[left:] - j[first:last, None]
            yield first, d.masked_fill_(ahead <= 0 if upper else ahead == 0, float("inf"))

    def distances(
        self, start: int, minima: Tensor, bound: Tensor, upper: bool
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Pairs of all groups whose minimum is at most `bound`, with their float64 distances.

        Yields:
            i, j and distances, (m,) each, in order of (i, j), about EXACT at a time.
        """
        i, group = torch.nonzero(minima <= bound, as_tuple=True)
        step = max(1, NUMBERS // self.exact.shape[1])
        for rows, groups in zip((i + start).split(EXACT // GROUP), group.split(EXACT // GROUP), strict=True):
            j = groups[:, None] * GROUP + torch.arange(GROUP, device=i.device)
            i_of_j = rows[:, None].expand_as(j)
            wanted = (j < len(self.exact)) & (j > i_of_j if upper else j != i_of_j)
            for a, b in zip(i_of_j[wanted].split(step), j[wanted].split(step), strict=True):
                yield a, b, torch.linalg.vector_norm(self.exact[a] - self.exact[b], dim=1)


class _SmallestPairs:
    """The `count` smallest distances seen so far.

    `pairs` holds i, j and distances (m,), ascending, ties in order of (i, j); `bound` is the largest distance
    that is still of interest.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        none = torch.empty(0, dtype=torch.long, device=device)
        self.count, self.bound, self.pairs = count, float("inf"), (none, none, none.double())

    def full(self) -> bool:
        return len(self.pairs[2]) == self.count

    def add(self, i: Tensor, j: Tensor, d: Tensor) -> None:
        near = d < self.bound if self.full() else d <= self.bound  # of equals those before it are in already
        pairs = [torch.cat([old, new[near]]) for old, new in zip(self.pairs, (i, j, d), strict=True)]
        order = torch.sort(pairs[2], stable=True).indices[: self.count]
        self.pairs = tuple(column[order] for column in pairs)
        if self.full():
            self.bound = min(self.bound, float(self.pairs[2][-1]))


def smallest_pairs(points: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` smallest distances between different points.

    Args:
        points: (C, D), finite.
        count: how many; all pairs where there are fewer.

    Returns:
        i, j (m,) long with i < j, and their float64 distances (m,), in ascending order; ties in order of (i,
        j).

    Raises:
        InputError: a value that is not finite.
    """
    search, found = _Points(points), _SmallestPairs(count, points.device)
    for start in range(0, len(points) if count else 0, ROWS):
        end = min(start + ROWS, len(points))
        minima = search.minima(start, end, upper=True)
        if not found.full() and count <= minima.numel():
            # `count` groups, each with a pair as near as its minimum: those pairs are a bound
            within = minima.flatten().topk(count, largest=False).values[-1].clamp(min=0) + search.slack
            found.bound = min(found.bound, float(within.sqrt() * search.scale))
        bound = torch.full((), found.bound, dtype=torch.float64, device=points.device).div(search.scale)
        bound = bound.square().add(search.slack).to(minima.dtype) * (1 + 1e-6)
        if float((minima <= bound).float().mean()) > MANY:
            for first, d in search.blocks(start, end, upper=True):
                i, j = torch.nonzero((d <= found.bound) & (d < float("inf")), as_tuple=True)
                found.add(i + first, j + first, d[i, j])
        else:
            for pairs in search.distances(start, minima, bound, upper=True):
                found.add(*pairs)
    return found.pairs


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
    search, blocks = _Points(points), []
    for start in range(0, len(points), ROWS):
        end = min(start + ROWS, len(points))
        minima = search.minima(start, end, upper=False)
        bound = torch.full_like(minima[:, :1], float("inf"))
        if k <= minima.shape[1]:  # k groups, each with a point as near as its minimum
            bound = minima.topk(k, dim=1, largest=False).values[:, -1:] + 2 * search.slack
        if float((minima <= bound).float().mean()) > MANY:
            blocks += [_smallest(d, k) for _, d in search.blocks(start, end, upper=False)]
            continue
        numbers = torch.full((end - start, k), len(points), device=points.device)
        best = torch.full((end - start, k), float("inf"), dtype=torch.float64, device=points.device)
        for i, j, d in search.distances(start, minima, bound, upper=False):
            near = d < best[i - start, -1]  # of equals those before it are in already
            numbers, best = _merge(numbers, best, i[near] - start, j[near], d[near])
        blocks.append((numbers, best))
    return torch.cat([numbers for numbers, _ in blocks]), torch.cat([best for _, best in blocks])


def _smallest(d: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Distances (R, C) -> numbers and distances (R, k) of each row's k smallest; ties by number."""
    values, numbers = d.topk(k, dim=1, largest=False)
    most = values[:, -1:]
    if (d <= most).sum() > numbers.numel():  # ties about the last of the k: the first of them
        less, equal = d < most, d == most
        kept = less | equal & (equal.cumsum(1) <= k - less.sum(1, keepdim=True))
        numbers = torch.nonzero(kept)[:, 1].view(len(d), k)
    numbers = numbers.sort(dim=1).values
    values, order = d.gather(1, numbers).sort(dim=1, stable=True)
    return numbers.gather(1, order), values


def _merge(numbers: Tensor, best: Tensor, i: Tensor, j: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """The k smallest of each row's (R, k) and of new ones (m,): rows i, ascending, numbers j, distances d."""
    rows, k = best.shape
    i = torch.cat([torch.arange(rows, device=i.device).repeat_interleave(k), i])
    j, d = torch.cat([numbers.flatten(), j]), torch.cat([best.flatten(), d])
    order = torch.sort(
        d, stable=True
    ).indices  # of equals the older ones first, which have the smaller numbers
    order = order[torch.sort(i[order], stable=True).indices]
    counts = torch.bincount(i, minlength=rows)
    first_k = (counts.cumsum(0) - counts)[:, None] + torch.arange(k, device=i.device)
    chosen = order[first_k]
    return j[chosen], d[chosen]
