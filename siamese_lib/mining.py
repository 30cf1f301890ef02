"""Which classes a triplet is drawn from: positives (Eq. 3, 4) and negatives (Section 3.3).

Samplers know classes only: `update` takes ClassStatistics, `sample` gives class numbers. Those that learn have a state to checkpoint.
"""

import torch
from torch import Tensor

from siamese_lib.errors import InputError
from siamese_lib.nearest import nearest_classes, smallest_pairs
from siamese_lib.statistics import ClassStatistics


def _check_classes(num_classes: int, at_least: int) -> None:
    if num_classes < at_least:
        raise InputError(f"num_classes={num_classes}: at least {at_least} needed")


class UniformPositives:
    """Every class is equally likely to give anchor and positive ("random-mining" of Tables 2 to 4)."""

    def __init__(self, num_classes: int) -> None:
        _check_classes(num_classes, 1)
        self.num_classes = num_classes
        self.probabilities = torch.full((num_classes,), 1 / num_classes, dtype=torch.float64)

    def update(self, statistics: ClassStatistics) -> None:
        """Nothing is learnt from the statistics."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,) long: classes drawn independently and uniformly, on the generator's device."""
        return torch.randint(self.num_classes, (n,), generator=generator, device=generator.device)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        pass


class AutoProbabilistic:
    """Eq. 3 and 4: a class is drawn the more often, the farther its samples lie from its ideal vector.

    P = d^gamma / sum d^gamma (3); P_k = normalise(((1 - w) P + w P_{k-1})^gamma) (4).
    Readings that are ours: P_0 is uniform; gamma acts twice, as printed, so with w = 0 P_k is proportional to d^(gamma^2).

    Args:
        num_classes: N.
        gamma: amplification; the paper's best is 1 alone, 2 with auto-clustering.
        w: weight of the previous distribution; the paper's best is 0.
    """

    def __init__(self, num_classes: int, gamma: float = 1.0, w: float = 0.0) -> None:
        _check_classes(num_classes, 1)
        if not 0 <= gamma < float("inf") or not 0 <= w <= 1:
            raise InputError(f"gamma={gamma!r}, w={w!r}: gamma must be finite and 0 or more, w in [0, 1]")
        self.num_classes, self.gamma, self.w = num_classes, gamma, w
        self._set(torch.full((num_classes,), 1 / num_classes, dtype=torch.float64))

    def _set(self, probabilities: Tensor) -> None:
        self.probabilities = probabilities
        self._cumulative = probabilities.cumsum(0)

    def update(self, statistics: ClassStatistics) -> None:
        """P_{k-1} -> P_k from the class spreads d (N,)."""
        d = statistics.spread.double()
        if d.shape != (self.num_classes,) or not torch.isfinite(d).all() or (d < 0).any():
            raise InputError(
                f"class spread must be ({self.num_classes},), finite and not negative; got {tuple(d.shape)} from {d.min()} to {d.max()}"
            )
        if not d.any():
            d = torch.ones_like(d)  # every class in one point: nothing to prefer
        p = (d / d.max()) ** self.gamma  # the scale cancels in Eq. 3; it keeps the power from overflowing
        p = p / p.sum()
        p_k = (1 - self.w) * p + self.w * self.probabilities.to(p.device)
        p_k = (p_k / p_k.max()) ** self.gamma
        self._set(p_k / p_k.sum())

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,) long: classes drawn independently from P_k, on the generator's device."""
        if self._cumulative.device != generator.device:
            self._set(self.probabilities.to(generator.device))
        return _draw(self._cumulative, n, generator)

    def state_dict(self) -> dict[str, Tensor]:
        return {"probabilities": self.probabilities}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._set(state["probabilities"])


class EqualGroups:
    """Every group of classes (an alphabet) equally likely; within it, classes as another positive sampler has them.

    Section 4.2 gives each alphabet equal representation. Composed with Eq. 4 in our reading: class i of group g is drawn with probability
    1 / G times P_k(i) / (sum of P_k over g). The negatives are not touched: their sampler draws as it does on any data.

    Args:
        inner: UniformPositives or AutoProbabilistic over all classes; it is updated as it would be alone.
        groups: (C,) long in [0, G): the group of each class; every group has a class.
    """

    def __init__(self, inner, groups: Tensor) -> None:
        if groups.shape != (inner.num_classes,) or (torch.bincount(groups) == 0).any():
            raise InputError(
                f"groups {tuple(groups.shape)} for {inner.num_classes} classes: one group a class, and no group without a class"
            )
        self.inner, self.groups, self.num_classes = inner, groups, inner.num_classes
        self._set()

    def _set(self) -> None:
        p = self.inner.probabilities
        groups = self.groups.to(p.device)
        total = torch.zeros(int(groups.max()) + 1, dtype=p.dtype, device=p.device).index_add_(0, groups, p)
        self.probabilities = p / total[groups] / len(total)
        self._cumulative = self.probabilities.cumsum(0)

    def update(self, statistics: ClassStatistics) -> None:
        """Update the inner sampler, then weigh the groups anew."""
        self.inner.update(statistics)
        self._set()

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,) long: classes drawn independently, on the generator's device."""
        if self._cumulative.device != generator.device:
            self._cumulative = self._cumulative.to(generator.device)
        return _draw(self._cumulative, n, generator)

    def state_dict(self) -> dict[str, Tensor]:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.inner.load_state_dict(state)
        self._set()


def _draw(cumulative: Tensor, n: int, generator: torch.Generator) -> Tensor:
    u = torch.rand(n, generator=generator, dtype=torch.float64, device=generator.device) * cumulative[-1]
    return torch.searchsorted(cumulative, u, right=True).clamp_(max=len(cumulative) - 1)


def _other_class(positive: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    drawn = torch.randint(num_classes - 1, positive.shape, generator=generator, device=positive.device)
    return drawn + (drawn >= positive)


class UniformNegatives:
    """The negative's class is any class but the positive's, all equally likely."""

    def __init__(self, num_classes: int) -> None:
        _check_classes(num_classes, 2)
        self.num_classes = num_classes

    def update(self, statistics: ClassStatistics) -> None:
        """Nothing is learnt from the statistics."""

    def sample(self, positive: Tensor, generator: torch.Generator) -> Tensor:
        """positive (n,) long -> (n,) long, never equal to `positive`."""
        return _other_class(positive, self.num_classes, generator)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        pass


class AutoClustering:
    """Section 3.3: negatives from the cluster of classes that the network finds similar.

    Of all distances between ideal vectors the `eta` smallest make edges; connected components are the clusters (ours).
    With probability `theta` the negative's class is drawn from the positive's cluster, never the class itself; otherwise,
    or where the class is alone in its cluster, uniformly from the other classes. Before the first update every class is alone.

    Args:
        num_classes: C.
        theta: probability of drawing from the cluster; paper: 0.5.
        eta: number of smallest distances; paper: 1000.
    """

    def __init__(self, num_classes: int, theta: float = 0.5, eta: int = 1000) -> None:
        _check_classes(num_classes, 2)
        if not 0 <= theta <= 1 or int(eta) != eta or eta < 0:
            raise InputError(
                f"theta={theta!r}, eta={eta!r}: theta must lie in [0, 1], eta be a whole number, 0 or more"
            )
        self.num_classes, self.theta, self.eta = num_classes, theta, int(eta)
        self._set(torch.arange(num_classes))

    def _set(self, clusters: Tensor) -> None:
        self.clusters = clusters  # (C,) long: the cluster's number of each class
        self._order = torch.argsort(clusters, stable=True)  # classes, cluster by cluster
        sizes = torch.bincount(clusters)
        starts = sizes.cumsum(0) - sizes
        self._size, self._start = sizes[clusters], starts[clusters]
        self._rank = torch.empty_like(clusters)
        self._rank[self._order] = torch.arange(len(clusters), device=clusters.device)
        self._rank -= self._start

    def update(self, statistics: ClassStatistics) -> None:
        """Cluster anew from the ideal vectors (C, D)."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        c = statistics.centroids
        if len(c) != self.num_classes:
            raise InputError(f"statistics of {len(c)} classes for a sampler of {self.num_classes}")
        i, j, _ = smallest_pairs(c, self.eta)
        i, j = i.cpu().numpy(), j.cpu().numpy()
        graph = coo_array(([True] * len(i), (i, j)), shape=(self.num_classes, self.num_classes))
        _, clusters = connected_components(graph, directed=False)
        self._set(torch.from_numpy(clusters).long().to(c.device))

    def sample(self, positive: Tensor, generator: torch.Generator) -> Tensor:
        """positive (n,) long -> (n,) long, never equal to `positive`."""
        if self.clusters.device != positive.device:
            self._set(self.clusters.to(positive.device))
        size, rank = self._size[positive], self._rank[positive]
        u = torch.rand(2, len(positive), generator=generator, dtype=torch.float64, device=positive.device)
        place = (u[0] * (size - 1)).long()
        place += place >= rank  # skip the class itself
        inside = self._order[(self._start[positive] + place).clamp_(max=self.num_classes - 1)]
        return torch.where(
            (u[1] < self.theta) & (size > 1), inside, _other_class(positive, self.num_classes, generator)
        )

    def state_dict(self) -> dict[str, Tensor]:
        return {"clusters": self.clusters}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._set(state["clusters"])


class DistanceBased:
    """Negatives from the nearest impostor classes, after [7].

    The paper's [7] weighs all impostors by distance. Ours draws in two stages, so that it stays cheap for large alphabets: the `k` nearest
    ideal vectors of each class are kept at every update; one of them is drawn with a weight of 1 / distance.
    Before the first update any other class is drawn, all equally likely.

    Args:
        num_classes: C.
        k: impostors kept for each class.
    """

    def __init__(self, num_classes: int, k: int = 8) -> None:
        _check_classes(num_classes, 2)
        if k < 1:
            raise InputError(f"k={k!r}: at least one impostor a class must be kept")
        self.num_classes, self.k = num_classes, min(k, num_classes - 1)
        self.impostors = self._cumulative = None

    def update(self, statistics: ClassStatistics) -> None:
        """Find the nearest ideal vectors anew."""
        if len(statistics.centroids) != self.num_classes:
            raise InputError(
                f"statistics of {len(statistics.centroids)} classes for a sampler of {self.num_classes}"
            )
        self.impostors, d = nearest_classes(statistics.centroids, self.k)  # (C, k), nearest first
        weight = 1 / (d + 1e-6 * d.mean() + 1e-300)  # finite where ideal vectors coincide
        self._cumulative = (weight / weight.sum(1, keepdim=True)).cumsum(1)

    def sample(self, positive: Tensor, generator: torch.Generator) -> Tensor:
        """positive (n,) long -> (n,) long, never equal to `positive`."""
        if self.impostors is None:
            return _other_class(positive, self.num_classes, generator)
        u = torch.rand(len(positive), 1, generator=generator, dtype=torch.float64, device=positive.device)
        column = torch.searchsorted(self._cumulative[positive], u, right=True).clamp_(max=self.k - 1)
        return self.impostors[positive].gather(1, column)[:, 0]

    def near(self, positive: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """positive (m,) long -> (m, n) long: n different ones of the k nearest, all equally likely; before the first update the class itself."""
        if self.impostors is None:
            return positive[:, None].expand(-1, n)
        keys = torch.rand(len(positive), self.k, generator=generator, device=positive.device)
        return self.impostors[positive].gather(1, keys.argsort(1)[:, :n])

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.impostors is None else {"impostors": self.impostors, "cumulative": self._cumulative}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.impostors, self._cumulative = state.get("impostors"), state.get("cumulative")


class HardMining:
    """[19]: of `ratio` pairs (or triplets) that went through the network, only the one of largest loss is learnt from.

    Ours: the ratio, and that it holds among what goes through the network at once (a pool, a part of a literal batch). The others' forward passes
    are paid for all the same, so a run counts them as images seen.

    Args:
        ratio: 1 keeps all.
    """

    def __init__(self, ratio: int = 8) -> None:
        if int(ratio) != ratio or ratio < 1:
            raise InputError(f"ratio={ratio!r}: a whole number, 1 or more")
        self.ratio = int(ratio)

    def __call__(self, losses: Tensor) -> Tensor:
        """losses (n,), one a pair -> (ceil(n / ratio),) long: which to keep, largest first; of equals the first."""
        return losses.sort(descending=True, stable=True).indices[: -(-len(losses) // self.ratio)]
