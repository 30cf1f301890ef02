"""Equations 1, 2, 5 and 6 and Section 3.4: the three losses; and one of ours, PrototypeLoss.

Every loss has a `space`, the map from network outputs to the space its distances live in; class statistics,
mining and classification use that space too. `from_distances` is the formula alone, elementwise; `forward` is
the formula on embeddings. `takes` says whether it is a loss of pairs, of triplets or of images among classes;
`stability` is its term of ideal vectors, None where it has none. siamese_lib.batches.Loss lists what a loss
of one's own needs.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from siamese_lib.errors import InputError

THIRD_TERMS = ("plain", "squared", "raw")


def distance(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distance of rows, (..., D) and (..., D) -> (...); its gradient at zero is 0, not NaN."""
    return torch.linalg.vector_norm(x - y, dim=-1)


def reduced(values: Tensor, reduction: str = "mean") -> Tensor:
    """The values, their sum or their mean; an empty batch gives 0 and still has a gradient."""
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    total = values.sum(dtype=torch.promote_types(values.dtype, torch.float32))  # float16 ends at 65,504
    return (total / max(values.numel(), 1)).to(values.dtype)


def _check(reduction: str, **positive: float) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"reduction={reduction!r}: choose 'mean', 'sum' or 'none'")
    for name, value in positive.items():
        if not 0 <= value < float("inf"):
            raise InputError(f"{name}={value!r}: must be a finite number, zero or more")


def _same_shape(**inputs: Tensor) -> None:
    shapes = {name: tuple(x.shape) for name, x in inputs.items()}
    if len(set(shapes.values())) > 1 or any(len(s) != 2 for s in shapes.values()):
        raise InputError(f"embeddings must be (B, D) and of one shape, got {shapes}")


class ContrastiveLoss(nn.Module):
    """Eq. 1: y d^2 + (1 - y) max(0, alpha - d)^2, d the Euclidean distance of a pair, y = 1 for one class."""

    takes = "pairs"
    stability = None

    def __init__(self, alpha: float, reduction: str = "mean") -> None:
        super().__init__()
        _check(reduction, alpha=alpha)
        self.alpha, self.reduction = alpha, reduction

    def space(self, x: Tensor) -> Tensor:
        """Distances are taken between the network's outputs themselves."""
        return x

    def from_distances(self, d: Tensor, same: Tensor) -> Tensor:
        """Eq. 1 elementwise: distances d and bool `same`, of one shape."""
        return torch.where(same, d.square(), (self.alpha - d).clamp(min=0).square())

    def forward(self, x_i: Tensor, x_j: Tensor, same: Tensor) -> Tensor:
        """x_i, x_j: (B, D) network outputs; same: (B,) bool, True = one class."""
        _same_shape(x_i=x_i, x_j=x_j)
        if same.dtype != torch.bool or same.shape != x_i.shape[:1]:
            raise InputError(
                f"same must be bool of shape ({len(x_i)},), got {same.dtype} {tuple(same.shape)}"
            )
        return reduced(self.from_distances(distance(x_i, x_j), same), self.reduction)


class TripletLoss(nn.Module):
    """Eq. 2: max(0, d_AP - d_AN + alpha); the distances are not squared."""

    takes = "triplets"
    stability = None

    def __init__(self, alpha: float, reduction: str = "mean") -> None:
        super().__init__()
        _check(reduction, alpha=alpha)
        self.alpha, self.reduction = alpha, reduction

    def space(self, x: Tensor) -> Tensor:
        """Distances are taken between the network's outputs themselves."""
        return x

    def from_distances(self, d_ap: Tensor, d_an: Tensor) -> Tensor:
        """Eq. 2 elementwise (the two broadcast)."""
        return (d_ap - d_an + self.alpha).clamp(min=0)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """anchor, positive, negative: (B, D) network outputs."""
        _same_shape(anchor=anchor, positive=positive, negative=negative)
        d_ap, d_an = distance(anchor, positive), distance(anchor, negative)
        return reduced(self.from_distances(d_ap, d_an), self.reduction)


class MetricLoss(nn.Module):
    """Section 3.4: g1^2 + g2^2 + g3 in the space a(x) = log(1 + e^x) (Eq. 5).

    d_AP, d_AN = distances of a(outputs) (Eq. 6); g1 = rho d_AP; g2 = tau a(d_AP - d_AN + alpha);
    g3 = xi (d(x_A, c_A) + d(x_P, c_P) + d(x_N, c_N)), c the ideal vectors.

    Readings that are ours: the `f` of g2 is Eq. 5; g3 is not squared, as only g1 and g2 are said to be; it is
    a sum over A, P, N (their mean is xi = 1/3); c lives in the same softplus space and carries no gradient;
    without centroids (before the first statistics) there is no g3.

    Args:
        rho, tau, xi: weights of g1, g2, g3.
        alpha: margin.
        reduction: mean, sum or none.
        third: how g3 is read: `plain`, as above; `squared`, g3^2 in its place; `raw`, with distances between
            a^-1(a(x)) and a^-1(c), that is, outside of the softplus space.
    """

    takes = "triplets"

    def __init__(
        self,
        rho: float = 0.1,
        tau: float = 1.0,
        xi: float = 1.0,
        alpha: float = 10.0,
        reduction: str = "mean",
        third: str = "plain",
    ) -> None:
        super().__init__()
        _check(reduction, rho=rho, tau=tau, xi=xi, alpha=alpha)
        if third not in THIRD_TERMS:
            raise InputError(f"third={third!r}: choose one of {', '.join(THIRD_TERMS)}")
        self.rho, self.tau, self.xi, self.alpha = rho, tau, xi, alpha
        self.reduction, self.third = reduction, third

    def space(self, x: Tensor) -> Tensor:
        """Eq. 5: a(x) = log(1 + e^x), without overflow."""
        return softplus(x)

    def from_distances(self, d_ap: Tensor, d_an: Tensor) -> Tensor:
        """g1^2 + g2^2 elementwise (the two broadcast)."""
        g1 = self.rho * d_ap
        g2 = self.tau * softplus(d_ap - d_an + self.alpha)
        return g1.square() + g2.square()

    def stability(self, a: Tensor, c: Tensor) -> Tensor:
        """One summand of g3: xi d(x, c), for a = a(x) already in softplus space; no gradient into c."""
        if self.third == "raw":
            a, c = _inverse_softplus(a), _inverse_softplus(c)
        return self.xi * distance(a, c.detach())

    def with_stability(self, values: Tensor, *summands: Tensor) -> Tensor:
        """g1^2 + g2^2 + g3, from the first two and the summands of g3 (all broadcast)."""
        if self.third == "squared":
            return values + sum(summands).square()
        for summand in summands:
            values = values + summand
        return values

    def forward(
        self,
        anchor: Tensor,
        positive: Tensor,
        negative: Tensor,
        centroids: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> Tensor:
        """The loss of raw network outputs.

        Args:
            anchor, positive, negative: (B, D) raw network outputs.
            centroids: (c_A, c_P, c_N), each (B, D), in softplus space.
        """
        _same_shape(anchor=anchor, positive=positive, negative=negative)
        a_a, a_p, a_n = self.space(anchor), self.space(positive), self.space(negative)
        values = self.from_distances(distance(a_a, a_p), distance(a_a, a_n))
        if centroids is not None:
            _same_shape(anchor=anchor, c_A=centroids[0], c_P=centroids[1], c_N=centroids[2])
            g3 = [self.stability(a, c) for a, c in zip((a_a, a_p, a_n), centroids, strict=True)]
            values = self.with_stability(values, *g3)
        return reduced(values, self.reduction)


class PrototypeLoss(nn.Module):
    """-log softmax(-d) of an image's own class, d its distances to the ideal vectors of some classes.

    Ours: the cross-entropy of the classifier of Eq. 8. The ideal vectors are means of embeddings of the same
    step, that of the image's own class without the image itself, so there is no margin and no weight. Known
    as the loss of prototypical networks (Snell, Swersky, Zemel 2017), which take squared distances.
    """

    takes = "classes"
    stability = None
    alpha = 0.0

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        _check(reduction)
        self.reduction = reduction

    def space(self, x: Tensor) -> Tensor:
        """Distances are taken between the network's outputs themselves."""
        return x

    def from_distances(self, d: Tensor, own: Tensor) -> Tensor:
        """The loss of each image (n,): distances d (n, S), inf for none, and its own class, own (n,) long."""
        return cross_entropy(-d, own, reduction="none")

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """x: (B, D) network outputs; labels: (B,) long; every class there must have two images or more."""
        if x.dim() != 2 or labels.shape != x.shape[:1] or labels.is_floating_point():
            raise InputError(
                f"x must be (B, D) and labels whole numbers (B,), got {tuple(x.shape)} and {labels.dtype} "
                f"{tuple(labels.shape)}"
            )
        classes, own, counts = labels.unique(return_inverse=True, return_counts=True)
        if (counts == 1).any():
            raise InputError(
                f"class {classes[counts == 1][0]} has a single image, so no ideal vector without it: "
                "give every class two images or more"
            )
        total = x.new_zeros(len(classes), x.shape[1]).index_add(0, own, x)
        others = (total[own] - x) / (counts[own] - 1)[:, None]
        d = distance(x[:, None], (total / counts[:, None])[None])
        d = d.scatter(1, own[:, None], distance(x, others)[:, None])
        return reduced(self.from_distances(d, own), self.reduction)


def _inverse_softplus(a: Tensor) -> Tensor:
    """x of a = log(1 + e^x), without overflow; an `a` of 0 counts as the smallest normal number."""
    a = a.clamp(min=torch.finfo(a.dtype).tiny)
    return a + torch.log(-torch.expm1(-a))
