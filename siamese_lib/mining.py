"""The classes of a triplet: that of anchor and positive (Eq. 3, 4) and that of the negative (Section 3.3).

Samplers know classes only: `update` takes ClassStatistics, `sample` gives class numbers. They are torch
modules without parameters: `state_dict` holds all that a checkpoint needs of them, and `.to(device)` moves
them to where they sample.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from siamese_lib.errors import InputError
from siamese_lib.nearest import nearest_classes, smallest_pairs
from siamese_lib.statistics import ClassStatistics


@runtime_checkable
class PositiveSampler(Protocol):
    """Samples the classes of anchors and positives."""

    num_classes: int  # C
    probabilities: Tensor  # (C,) float64, sums to 1

    def update(self, statistics: ClassStatistics) -> None:
        """Learn from the class statistics, at the end of each period of training."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,) long, classes sampled independently, on the generator's device."""

    def state_dict(self) -> dict:
        """What a checkpoint keeps."""

    def load_state_dict(self, state: dict, /) -> object:
        """Go on from there."""


@runtime_checkable
class NegativeSampler(Protocol):
    """Samples the class of the negative for each positive."""

    num_classes: int  # C

    def update(self, statistics: ClassStatistics) -> None:
        """Learn from the class statistics, at the end of each period of training."""

    def sample(self, positive: Tensor, generator: torch.Generator) -> Tensor:
        """positive (n,) long -> (n,) long, never equal to `positive`."""

    def state_dict(self) -> dict:
        """What a checkpoint keeps."""

    def load_state_dict(self, state: dict, /) -> object:
        """Go on from there."""


def _check_classes(num_classes: int, at_least: int) -> None:
    if num_classes < at_least:
        raise InputError(f"num_classes={num_classes}: at least {at_least} needed")


def _check_statistics(statistics: ClassStatistics, num_classes: int) -> None:
    if len(statistics.centroids) != num_classes:
        raise InputError(f"statistics of {len(statistics.centroids)} classes for a sampler of {num_classes}")


def _uniform(num_classes: int) -> Tensor:
    return torch.full((num_classes,), 1 / num_classes, dtype=torch.float64)


def _sample(cumulative: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """(n,) classes, from the cumulative sums of their probabilities (C,)."""
    u = torch.rand(n, generator=generator, dtype=torch.float64, device=generator.device) * cumulative[-1]
    return torch.searchsorted(cumulative, u, right=True).clamp_(max=len(cumulative) - 1)


def _other_class(positive: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    other = torch.randint(num_classes - 1, positive.shape, generator=generator, device=positive.device)
    return other + (other >= positive)


class UniformPositives(nn.Module):
    """Every class is equally likely to give anchor and positive ("random-mining" of Tables 2 to 4)."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        _check_classes(num_classes, 1)
        self.num_classes = num_classes
        self.register_buffer("probabilities", _uniform(num_classes))

    def update(self, statistics: ClassStatistics) -> None:
        """Nothing is learnt from the statistics."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,) long: classes sampled independently and uniformly, on the generator's device."""
        return torch.randint(self.num_classes, (n,), generator=generator, device=generator.device)


class AutoProbabilistic(nn.Module):
    """Eq. 3 and 4: the farther a class's samples lie from its ideal vector, the more often it is sampled.

    P = d^gamma / sum d^gamma (3); P_k = normalise(((1 - w) P + w P_{k-1})^gamma) (4).
    Readings that are ours: P_0 is uniform; gamma acts twice, as printed, so with w = 0 P_k is proportional to
    d^(gamma^2).

    Args:
        num_classes: N.
        gamma: amplification; the paper's best is 1 alone, 2 with auto-clustering.
        w: weight of the previous distribution; the paper's best is 0.
    """

    def __init__(self, num_classes: int, gamma: float = 1.0, w: float = 0.0) -> None:
        super().__init__()
        _check_classes(num_classes, 1)
        if not 0 <= gamma < float("inf") or not 0 <= w <= 1:
            raise InputError(f"gamma={gamma!r}, w={w!r}: gamma must be finite and 0 or more, w in [0, 1]")
        self.num_classes, self.gamma, self.w = num_classes, gamma, w
        self.register_buffer("probabilities", _uniform(num_classes))  # P_k (N,)
        self.register_buffer("_cumulative", self.probabilities.cumsum(0))

    def update(self, statistics: ClassStatistics) -> None:
        """P_{k-1} -> P_k from the class spreads d (N,)."""
        d = statistics.spread.double()
        if d.shape != (self.num_classes,) or not torch.isfinite(d).all() or (d < 0).any():
            raise InputError(
                f"class spread must be ({self.num_classes},), finite and not negative; "
                f"got {tuple(d.shape)} from {d.min()} to {d.max()}"
            )
        if not d.any():
            d = torch.ones_like(d)  # every class in one point: nothing to prefer
        p = (d / d.max()) ** self.gamma  # the scale cancels in Eq. 3; it keeps the power from overflowing
        p = p / p.sum()
        p_k = (1 - self.w) * p + self.w * self.probabilities.to(p.device)
        p_k = (p_k / p_k.max()) ** self.gamma
        self.probabilities = p_k / p_k.sum()
        self._cumulative = self.probabilities.cumsum(0)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,) long: classes sampled independently from P_k, on the generator's device."""
        return _sample(self._cumulative, n, generator)


class EqualGroups(nn.Module):
    """Every group of classes (an alphabet) is equally likely; within it another sampler decides.

    Section 4.2 gives each alphabet equal representation. Composed with Eq. 4 in our reading: class i of group
    g is sampled with probability 1 / G times P_k(i) / (sum of P_k over g). The negatives are not touched:
    their sampler works as it does on any data.

    Args:
        inner: UniformPositives or AutoProbabilistic over all classes; it is updated as it would be alone.
        groups: (C,) long in [0, G): the group of each class; every group has a class.
    """

    def __init__(self, inner: PositiveSampler, groups: Tensor) -> None:
        super().__init__()
        if groups.shape != (inner.num_classes,) or (torch.bincount(groups) == 0).any():
            raise InputError(
                f"groups {tuple(groups.shape)} for {inner.num_classes} classes: "
                "one group a class, and no group without a class"
            )
        self.inner, self.num_classes = inner, inner.num_classes
        self.register_buffer("groups", groups, persistent=False)
        self._weigh()

    def _weigh(self) -> None:
        p = self.inner.probabilities
        groups = self.groups.to(p.device)
        total = torch.zeros(int(groups.max()) + 1, dtype=p.dtype, device=p.device).index_add_(0, groups, p)
        self.register_buffer("probabilities", p / total[groups] / len(total))
        self.register_buffer("_cumulative", self.probabilities.cumsum(0))

    def update(self, statistics: ClassStatistics) -> None:
        """Update the inner sampler, then weigh the groups anew."""
        self.inner.update(statistics)
        self._weigh()

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,) long: classes sampled independently, on the generator's device."""
        return _sample(self._cumulative, n, generator)


class UniformNegatives(nn.Module):
    """The negative's class is any class but the positive's, all equally likely."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        _check_classes(num_classes, 2)
        self.num_classes = num_classes

    def update(self, statistics: ClassStatistics) -> None:
        """Nothing is learnt from the statistics."""

    def sample(self, positive: Tensor, generator: torch.Generator) -> Tensor:
        """positive (n,) long -> (n,) long, never equal to `positive`."""
        return _other_class(positive, self.num_classes, generator)


class AutoClustering(nn.Module):
    """Section 3.3: negatives from the cluster of classes that the network finds similar.

    Of all distances between ideal vectors the `eta` smallest make edges; connected components are the
    clusters (ours). With probability `theta` the negative's class is sampled from the positive's cluster,
    never the class itself; otherwise, or where the class is alone in its cluster, uniformly from the other
    classes. Before the first update every class is alone.

    Args:
        num_classes: C.
        theta: probability of sampling from the cluster; paper: 0.5.
        eta: number of smallest distances; paper: 1000.
    """

    def __init__(self, num_classes: int, theta: float = 0.5, eta: int = 1000) -> None:
        super().__init__()
        _check_classes(num_classes, 2)
        if not 0 <= theta <= 1 or int(eta) != eta or eta < 0:
            raise InputError(
                f"theta={theta!r}, eta={eta!r}: theta must lie in [0, 1], eta be a whole number, 0 or more"
            )
        self.num_classes, self.theta, self.eta = num_classes, theta, int(eta)
        self._list(torch.arange(num_classes))

    def _list(self, clusters: Tensor) -> None:
        """Of class c's cluster: _size[c] members, from _members[_start[c]] on; c is number _rank[c]."""
        sizes = torch.bincount(clusters)
        starts = sizes.cumsum(0) - sizes
        members = torch.argsort(clusters, stable=True)
        place = torch.empty_like(clusters)
        place[members] = torch.arange(len(clusters), device=clusters.device)
        self.register_buffer("clusters", clusters)  # (C,) long: the number of each class's cluster
        self.register_buffer("_members", members)
        self.register_buffer("_size", sizes[clusters])
        self.register_buffer("_start", starts[clusters])
        self.register_buffer("_rank", place - starts[clusters])

    def update(self, statistics: ClassStatistics) -> None:
        """Cluster anew from the ideal vectors (C, D)."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        _check_statistics(statistics, self.num_classes)
        i, j, _ = smallest_pairs(statistics.centroids, self.eta)
        edges = i.cpu().numpy(), j.cpu().numpy()
        graph = coo_array(([True] * len(i), edges), shape=(self.num_classes, self.num_classes))
        _, clusters = connected_components(graph, directed=False)
        self._list(torch.from_numpy(clusters).long().to(statistics.centroids.device))

    def sample(self, positive: Tensor, generator: torch.Generator) -> Tensor:
        """positive (n,) long -> (n,) long, never equal to `positive`."""
        size, rank = self._size[positive], self._rank[positive]
        u = torch.rand(2, len(positive), generator=generator, dtype=torch.float64, device=positive.device)
        other = (u[0] * (size - 1)).long()
        other += other >= rank  # skip the class itself
        inside = self._members[(self._start[positive] + other).clamp_(max=self.num_classes - 1)]
        anywhere = _other_class(positive, self.num_classes, generator)
        return torch.where((u[1] < self.theta) & (size > 1), inside, anywhere)


class DistanceBased(nn.Module):
    """Negatives from the nearest impostor classes, after [7].

    The paper's [7] weighs all impostors by distance. Ours samples in two stages, so that it stays cheap for
    large alphabets: the `k` nearest ideal vectors of each class are kept at every update; one of them is
    sampled with a weight of 1 / distance. Before the first update any other class is sampled, all equally
    likely.

    Args:
        num_classes: C.
        k: impostors kept for each class; at most C - 1 are.
    """

    def __init__(self, num_classes: int, k: int = 8) -> None:
        super().__init__()
        _check_classes(num_classes, 2)
        if k < 1:
            raise InputError(f"k={k!r}: at least one impostor a class must be kept")
        self.num_classes, self.k = num_classes, min(k, num_classes - 1)
        self.register_buffer("impostors", None, persistent=False)  # (C, k) long, nearest first
        self.register_buffer("_cumulative", None, persistent=False)  # (C, k) float64, of their weights

    def update(self, statistics: ClassStatistics) -> None:
        """Find the nearest ideal vectors anew."""
        _check_statistics(statistics, self.num_classes)
        self.impostors, d = nearest_classes(statistics.centroids, self.k)
        weight = 1 / (d + 1e-6 * d.mean() + 1e-300)  # finite where ideal vectors coincide
        self._cumulative = (weight / weight.sum(1, keepdim=True)).cumsum(1)

    def sample(self, positive: Tensor, generator: torch.Generator) -> Tensor:
        """positive (n,) long -> (n,) long, never equal to `positive`."""
        if self.impostors is None:
            return _other_class(positive, self.num_classes, generator)
        u = torch.rand(len(positive), 1, generator=generator, dtype=torch.float64, device=positive.device)
        column = torch.searchsorted(self._cumulative[positive], u, right=True).clamp_(max=self.k - 1)
        return self.impostors[positive].gather(1, column)[:, 0]

    def nearest(self, positive: Tensor, generator: torch.Generator) -> Tensor:
        """positive (n,) long -> (n, k) long: all impostors of each in a random order.

        Before the first update nothing is near yet: `positive` itself, k times.
        """
        if self.impostors is None:
            return positive[:, None].expand(-1, self.k)
        keys = torch.rand(len(positive), self.k, generator=generator, device=positive.device)
        return self.impostors[positive].gather(1, keys.argsort(1))

    # Torch's way to keep in `state_dict` what a buffer cannot: that there are no impostors yet.

    def get_extra_state(self) -> dict:
        return {"impostors": self.impostors, "cumulative": self._cumulative}

    def set_extra_state(self, state: dict) -> None:
        shape, own = getattr(state["impostors"], "shape", None), (self.num_classes, self.k)
        if shape is not None and shape != own:
            raise InputError(f"a state of impostors {tuple(shape)} for a sampler of {own}")
        self.impostors, self._cumulative = state["impostors"], state["cumulative"]


class HardMining:
    """The 1/`ratio` of the pairs (or triplets) with the largest loss is learnt from (Simo-Serra et al. 2015).

    Ours: the ratio, and that it holds among what goes through the network at once (a pool, a micro-batch of a
    literal batch). The others' forward passes are paid for all the same, so a run counts them as images seen.

    Args:
        ratio: 1 keeps all.
    """

    def __init__(self, ratio: int = 8) -> None:
        if int(ratio) != ratio or ratio < 1:
            raise InputError(f"ratio={ratio!r}: a whole number, 1 or more")
        self.ratio = int(ratio)

    def __call__(self, losses: Tensor) -> Tensor:
        """losses (n,) -> (ceil(n / ratio),) long: which to keep, largest first; of equals the first."""
        return losses.sort(descending=True, stable=True).indices[: -(-len(losses) // self.ratio)]
