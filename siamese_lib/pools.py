"""Pooled batches (ours): a pool of classes x k images is embedded once and gives all its triplets.

A pool of S classes with k images each has S k (k - 1) ordered same-class pairs: anchors with their positives. The negatives tell the batches
apart: all that were drawn (`PooledTriplets`), the pool's hardest (`PooledHard`), the hardest of a pool of near classes (`PooledNear`).
"""

import functools

import torch
from torch import Tensor, nn

from siamese_lib.batches import ClassSamples, Hard, Outcome, Part, pair_outcome
from siamese_lib.errors import InputError
from siamese_lib.losses import ContrastiveLoss, MetricLoss, distance


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """(n, D), (m, D) -> (n, m); by differences, exact for near points, with gradient zero at distance zero."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _without_self(matrix: Tensor) -> Tensor:
    """(S, k, k) -> (S k, k - 1): each image's row without its own column. Slices alone, so the backward pass need not scatter."""
    s, k, _ = matrix.shape
    return matrix.reshape(s, k * k)[:, 1:].view(s, k - 1, k + 1)[:, :, :-1].reshape(s * k, k - 1)


def _positive_distances(x: Tensor, k: int) -> Tensor:
    """Embeddings (S k, D), k of each class in a row -> d_AP (S k, k - 1) of each anchor and the others of its class: the ordered pairs."""
    of = x.view(-1, k, x.shape[1])
    return _without_self(distance(of[:, :, None], of[:, None, :]))


@functools.lru_cache(maxsize=8)
def _ahead(s: int, k: int, device: torch.device) -> Tensor:
    """(S k, S k): how many classes of the pool lie between those of two images, 0 for the next one, S - 1 for the same."""
    slot = torch.arange(s * k, device=device) // k
    return (slot[None, :] - slot[:, None] - 1) % s


def _check_k(k: int) -> None:
    if k < 2:
        raise InputError(f"k={k}: a pool needs at least 2 images a class for a positive pair")


def _every_negative(
    loss: nn.Module,
    k: int,
    anchors: tuple[Tensor, Tensor],
    others: tuple[Tensor, Tensor],
    centroids: Tensor | None,
    hard: Hard | None,
) -> Outcome:
    """Mean loss over all triplets of anchors' ordered pairs with every image of `others` that is of another class; with `hard`, over those it keeps.

    `anchors`, `others`: embeddings in the loss's space, (S k, D) and (M, D), each with its classes.
    """
    (x, class_x), (y, class_y) = anchors, others
    d_an = _distances(x, y)
    other = (class_x[:, None] != class_y[None, :]).to(x.dtype)  # (S k, M): two different classes
    d_ap = _positive_distances(x, k)
    values = loss.from_distances(d_ap[:, :, None], d_an[:, None, :])  # (S k, k - 1, M)
    count = (k - 1) * other.sum()
    with torch.no_grad():
        active = ((d_ap[:, :, None] - d_an[:, None, :] + loss.alpha > 0).sum(1) * other).sum() / count.clamp(
            min=1
        )
        logged = d_ap.mean(), (d_an * other).sum() / other.sum().clamp(min=1), active
    stable = isinstance(loss, MetricLoss) and centroids is not None
    g3 = (loss.stability(x, centroids[class_x]), loss.stability(y, centroids[class_y])) if stable else None
    if hard is not None:
        if g3 is not None:
            of_positives = _without_self(g3[0].view(-1, 1, k).expand(-1, k, -1))
            values = values + (g3[0][:, None] + of_positives)[:, :, None] + g3[1]
        values = values[(other > 0)[:, None, :].expand_as(values)]
        values = values[hard(values.detach())]
        return Outcome(
            values.sum() / max(len(values), 1), *logged, torch.full((), len(values), device=x.device)
        )
    total = (values.sum(1) * other).sum()
    if g3 is not None:
        # An image counts in g3 once for each triplet that it is anchor, positive or negative of.
        total = total + (2 * (k - 1) * other.sum(1) * g3[0]).sum()
        total = total + ((k - 1) * other.sum(0) * g3[1]).sum()
    return Outcome(total / count.clamp(min=1), *logged, count.long())


class PooledTriplets:
    """A pool of `classes` positive and as many negative classes with `k` images each gives all its valid triplets.

    Anchor and positive are two images of one drawn positive class; the negative is any image of any drawn negative class that
    is another class. The positives' classes come from the positive sampler, the negatives' from the negative sampler, one for each positive.
    """

    def __init__(
        self, samples: ClassSamples, positives, negatives, classes: int, k: int, hard: Hard | None = None
    ) -> None:
        _check_k(k)
        self.samples, self.positives, self.negatives, self.classes, self.k, self.hard = (
            samples,
            positives,
            negatives,
            classes,
            k,
            hard,
        )
        self.images_a_step = 2 * classes * k

    def draw(self, generator: torch.Generator) -> list[Part]:
        """One part: the images of the positive classes, then those of the negative ones, class by class."""
        positive = self.positives.sample(self.classes, generator)
        classes = torch.cat([positive, self.negatives.sample(positive, generator)])
        return [
            Part(self.samples.draw(classes, self.k, generator).flatten(), classes.repeat_interleave(self.k))
        ]

    def loss(self, loss: nn.Module, part: Part, outputs: Tensor, centroids: Tensor | None) -> Outcome:
        """The loss's mean over all triplets of the pool; arguments as in LiteralTriplets.loss."""
        (x_p, x_n), (class_p, class_n) = loss.space(outputs).chunk(2), part.classes.chunk(2)
        return _every_negative(loss, self.k, (x_p, class_p), (x_n, class_n), centroids, self.hard)


class PooledPairs:
    """The pool of PooledTriplets for the contrastive loss: all same-class pairs of the positive classes and as many with the negative classes."""

    def __init__(
        self, samples: ClassSamples, positives, negatives, classes: int, k: int, hard: Hard | None = None
    ) -> None:
        pool = PooledTriplets(samples, positives, negatives, classes, k)
        self.samples, self.positives, self.negatives, self.classes, self.k, self.hard = (
            samples,
            positives,
            negatives,
            classes,
            k,
            hard,
        )
        self.images_a_step, self.draw = pool.images_a_step, pool.draw

    def loss(self, loss: ContrastiveLoss, part: Part, outputs: Tensor, centroids: Tensor | None) -> Outcome:
        """Mean over the pairs; image i of a positive class meets images j > i of its own class and of the negative class drawn for it."""
        x_p, x_n = loss.space(outputs).view(2, self.classes, self.k, -1)
        i, j = torch.triu_indices(self.k, self.k, offset=1, device=outputs.device)
        d = torch.stack([distance(x_p[:, i], x_p[:, j]), distance(x_p[:, i], x_n[:, j])])
        same = (torch.arange(2, device=outputs.device) == 0)[:, None, None].expand_as(d)
        return pair_outcome(loss, d.flatten(), same.flatten(), self.hard)


class PooledHard:
    """A pool of `classes` positive classes: every ordered same-class pair with the image of another class that is nearest to its anchor.

    From random weights on, the pool's hardest negatives draw everything into one point: where negatives are on average nearer than positives,
    the loss falls by shrinking all distances. So the nearest image is looked for among the next m classes of the pool alone. m starts at 1,
    which is drawing at random; a step whose negatives are on average farther than its positives widens the search by `widening`, up to
    the whole pool, any other narrows it by as much. The contrastive loss takes the same pairs: (anchor, positive) and (anchor, negative).
    """

    def __init__(
        self, samples: ClassSamples, positives, negatives, classes: int, k: int, widening: float = 0.05
    ) -> None:
        _check_k(k)
        self.samples, self.positives, self.negatives, self.classes, self.k, self.widening = (
            samples,
            positives,
            negatives,
            classes,
            k,
            widening,
        )
        self.images_a_step = classes * k
        self.reach = torch.ones((), device=samples.counts.device)  # m

    def draw(self, generator: torch.Generator) -> list[Part]:
        """One part, class by class."""
        return [self.part(self.positives.sample(self.classes, generator), generator)]

    def part(self, classes: Tensor, generator: torch.Generator) -> Part:
        """k images of each of the classes (S,)."""
        return Part(
            self.samples.draw(classes, self.k, generator).flatten(), classes.repeat_interleave(self.k)
        )

    def loss(self, loss: nn.Module, part: Part, outputs: Tensor, centroids: Tensor | None) -> Outcome:
        """The loss's mean over the ordered pairs, then a new reach; arguments as in LiteralTriplets.loss."""
        x, classes = loss.space(outputs), part.classes
        contrastive = isinstance(loss, ContrastiveLoss)
        d_ap = _positive_distances(x, self.k)  # (n, k - 1)
        with torch.no_grad():
            out = (classes[:, None] == classes[None, :]) | (
                _ahead(self.classes, self.k, x.device) >= self.reach.round()
            )
            negative = _distances(x, x).masked_fill_(out, float("inf")).argmin(1)  # (n,): one for each anchor
            valid = (~out.gather(1, negative[:, None])).to(
                x.dtype
            )  # (n, 1): 0 where no other class is within reach
            count = (self.k - 1) * valid.sum()
        d_an = distance(x, x[negative])[:, None]
        if contrastive:
            same = torch.ones_like(d_ap, dtype=torch.bool)
            values = (loss.from_distances(d_ap, same) + loss.from_distances(d_an, ~same[:, :1])) / 2
        else:
            values = loss.from_distances(d_ap, d_an)
        if isinstance(loss, MetricLoss) and centroids is not None:
            g3 = loss.stability(x, centroids[classes])
            of_positives = _without_self(g3.view(-1, 1, self.k).expand(-1, self.k, -1))
            values = values + g3[:, None] + of_positives + g3[negative][:, None]
        with torch.no_grad():
            active = (
                (d_an < loss.alpha if contrastive else d_ap - d_an + loss.alpha > 0)
                .to(x.dtype)
                .expand_as(d_ap)
            )
            means = [
                (each * valid).sum() / count.clamp(min=1) for each in (d_ap, d_an.expand_as(d_ap), active)
            ]
            factor = torch.where(means[1] > means[0], 1 + self.widening, 1 / (1 + self.widening))
            self.reach = (self.reach * factor).clamp(1, max(1, self.classes - 1))
        return Outcome((values * valid).sum() / count.clamp(min=1), *means, count.long())

    def state_dict(self) -> dict[str, Tensor]:
        return {"reach": self.reach}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.reach = state["reach"]


class PooledNear:
    """PooledHard on a pool of near classes: `classes` / 4 drawn by the positive sampler, each with three of its nearest impostors.

    A class that would come twice is replaced by one drawn uniformly. `negatives` is a DistanceBased sampler; before its first update,
    when nothing is near yet, three quarters of the pool are thus drawn uniformly. All drawn classes come first, then all first impostors ...,
    so that the next classes of the pool, among which the search begins, are not the near ones.
    """

    IMPOSTORS = 3  # beside each drawn class

    def __init__(
        self, samples: ClassSamples, positives, negatives, classes: int, k: int, widening: float = 0.05
    ) -> None:
        if classes % (self.IMPOSTORS + 1):
            raise InputError(
                f"pool_classes={classes}: a pool of near classes needs a multiple of {self.IMPOSTORS + 1}"
            )
        self._hard = PooledHard(samples, positives, negatives, classes, k, widening)
        self.samples, self.positives, self.negatives, self.classes, self.k = (
            samples,
            positives,
            negatives,
            classes,
            k,
        )
        self.images_a_step, self.loss = self._hard.images_a_step, self._hard.loss
        self.state_dict, self.load_state_dict = self._hard.state_dict, self._hard.load_state_dict

    def draw(self, generator: torch.Generator) -> list[Part]:
        """One part."""
        drawn = self.positives.sample(self.classes // (self.IMPOSTORS + 1), generator)
        classes = torch.cat(
            [drawn[:, None], self.negatives.near(drawn, self.IMPOSTORS, generator)], 1
        ).T.flatten()
        twice = (classes[:, None] == classes[None, :]).tril_(-1).any(1)
        other = torch.randint(
            len(self.samples.counts), classes.shape, generator=generator, device=classes.device
        )
        return [self._hard.part(torch.where(twice, other, classes), generator)]
