"""What one optimiser step sees: `literal` batches as in the paper, `pooled` ones that use every image many times.

A batch draws image numbers (`draw`) and turns their embeddings into a loss (`loss`). It knows samplers and losses by what they do:
`positives.sample`, `negatives.sample`; a triplet loss has `from_distances(d_ap, d_an)`, ContrastiveLoss `from_distances(d, same)`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from siamese_lib.errors import InputError
from siamese_lib.losses import ContrastiveLoss, MetricLoss, distance


@dataclass(frozen=True)
class Part:
    """Images that are embedded together: numbers (n,) long, their classes (n,) long, and their share of the step's loss."""

    images: Tensor
    classes: Tensor
    share: float


@dataclass(frozen=True)
class Outcome:
    """A part's loss (scalar) with what is logged of it: mean d_AP and d_AN, share of active triplets (or pairs), how many they are."""

    loss: Tensor
    d_ap: Tensor
    d_an: Tensor
    active: Tensor
    count: Tensor


class ClassSamples:
    """Draws samples of given classes. A class with fewer samples than asked for repeats them: they then differ by augmentation only.

    Args:
        labels: (N,) long.
        num_classes: C; every class must have a sample.
    """

    def __init__(self, labels: Tensor, num_classes: int) -> None:
        counts = torch.bincount(labels, minlength=num_classes)
        if (counts == 0).any():
            raise InputError(f"{int((counts == 0).sum())} of {num_classes} classes have no sample (first: class {int(torch.argmin(counts))})")
        self.counts = counts
        order = torch.argsort(labels, stable=True)
        place = torch.arange(len(labels), device=labels.device) - (counts.cumsum(0) - counts)[labels[order]]
        self.table = torch.full((num_classes, int(counts.max())), -1, device=labels.device)  # (C, most) image numbers
        self.table[labels[order], place] = order

    def draw(self, classes: Tensor, k: int, generator: torch.Generator) -> Tensor:
        """classes (n,) -> (n, k) image numbers, different within a row as far as the class has them."""
        width = self.table.shape[1]
        keys = torch.rand(len(classes), width, generator=generator, device=classes.device)
        counts = self.counts[classes, None]
        keys = keys.masked_fill(torch.arange(width, device=classes.device) >= counts, 2.0)
        order = keys.argsort(dim=1)
        column = torch.arange(k, device=classes.device) % counts
        return self.table[classes].gather(1, order.gather(1, column))


def _part_size(size: int, most: int) -> int:
    """Equal parts of at most `most` where `size` has a fitting divisor: one shape, so a compiled network is compiled once."""
    most = max(1, min(size, most))
    return next((part for part in range(most, most // 2, -1) if size % part == 0), most)


class LiteralTriplets:
    """The paper's batches: `size` triplets a step, each drawing its own anchor, positive and negative image; a part holds `chunk` images."""

    def __init__(self, samples: ClassSamples, positives, negatives, size: int, chunk: int) -> None:
        self.samples, self.positives, self.negatives, self.size = samples, positives, negatives, size
        self.triplets_a_part = _part_size(size, chunk // 3)
        self.images_a_step = 3 * size

    def draw(self, generator: torch.Generator) -> list[Part]:
        """Parts of triplets; within one the images are all anchors, then all positives, then all negatives."""
        positive = self.positives.sample(self.size, generator)
        negative = self.negatives.sample(positive, generator)
        pairs = self.samples.draw(positive, 2, generator)
        images = torch.stack([pairs[:, 0], pairs[:, 1], self.samples.draw(negative, 1, generator)[:, 0]])
        classes = torch.stack([positive, positive, negative])
        cuts = zip(images.split(self.triplets_a_part, 1), classes.split(self.triplets_a_part, 1), strict=True)
        return [Part(i.flatten(), c.flatten(), i.shape[1] / self.size) for i, c in cuts]

    def loss(self, loss: nn.Module, part: Part, outputs: Tensor, centroids: Tensor | None) -> Outcome:
        """outputs (n, D) of the part's images; centroids (C, D) in the loss's space, or None before the first statistics."""
        a, p, n = outputs.chunk(3)
        if isinstance(loss, MetricLoss):
            value = loss(a, p, n, None if centroids is None else centroids[part.classes].chunk(3))
        else:
            value = loss(a, p, n)
        with torch.no_grad():
            d_ap, d_an = distance(loss.space(a), loss.space(p)), distance(loss.space(a), loss.space(n))
            active = (d_ap - d_an + loss.alpha > 0).float().mean()
            count = torch.tensor(len(a), device=a.device)
        return Outcome(value, d_ap.mean(), d_an.mean(), active, count)


class LiteralPairs:
    """Pairs for the contrastive loss, half of one class: `size` pairs a step, each drawing its own two images; a part holds `chunk` images."""

    def __init__(self, samples: ClassSamples, positives, negatives, size: int, chunk: int) -> None:
        self.samples, self.positives, self.negatives, self.size = samples, positives, negatives, size
        self.pairs_a_part = _part_size(size, chunk // 2)
        self.images_a_step = 2 * size

    def draw(self, generator: torch.Generator) -> list[Part]:
        """Parts of pairs, same-class and different-class ones alternating; within one the images are all first, then all second members."""
        first = self.positives.sample(self.size, generator)
        same = torch.arange(self.size, device=first.device) % 2 == 0
        second = torch.where(same, first, self.negatives.sample(first, generator))
        pairs = self.samples.draw(first, 2, generator)
        images = torch.stack([pairs[:, 0], torch.where(same, pairs[:, 1], self.samples.draw(second, 1, generator)[:, 0])])
        cuts = zip(images.split(self.pairs_a_part, 1), torch.stack([first, second]).split(self.pairs_a_part, 1), strict=True)
        return [Part(i.flatten(), c.flatten(), i.shape[1] / self.size) for i, c in cuts]

    def loss(self, loss: ContrastiveLoss, part: Part, outputs: Tensor, centroids: Tensor | None) -> Outcome:
        """outputs (n, D) of the part's images; Eq. 1 uses no centroids."""
        x_i, x_j = outputs.chunk(2)
        c_i, c_j = part.classes.chunk(2)
        return _pair_outcome(loss, distance(loss.space(x_i), loss.space(x_j)), c_i == c_j)


class PooledTriplets:
    """A pool of 2 x `classes` classes with `k` images each is embedded once and gives all its valid triplets.

    Anchor and positive are two images of one drawn positive class; the negative is any image of any drawn negative class that
    is another class. The positives' classes come from the positive sampler, the negatives' from the negative sampler, one for each positive.
    """

    def __init__(self, samples: ClassSamples, positives, negatives, classes: int, k: int) -> None:
        if k < 2:
            raise InputError(f"k={k}: a pool needs at least 2 images a class for a positive pair")
        self.samples, self.positives, self.negatives, self.classes, self.k = samples, positives, negatives, classes, k
        self.images_a_step = 2 * classes * k

    def draw(self, generator: torch.Generator) -> list[Part]:
        """One part: the images of the positive classes, then those of the negative ones, class by class."""
        positive = self.positives.sample(self.classes, generator)
        classes = torch.cat([positive, self.negatives.sample(positive, generator)])
        return [Part(self.samples.draw(classes, self.k, generator).flatten(), classes.repeat_interleave(self.k), 1.0)]

    def loss(self, loss: nn.Module, part: Part, outputs: Tensor, centroids: Tensor | None) -> Outcome:
        """The loss's mean over all triplets of the pool; arguments as in LiteralTriplets.loss."""
        s, k = self.classes, self.k
        space = loss.space(outputs)
        pool_p, pool_n = space.chunk(2)  # (S k, D) each
        d_an = torch.cdist(pool_p, pool_n, compute_mode="donot_use_mm_for_euclid_dist")  # (S k, S k)
        class_p, class_n = part.classes.chunk(2)
        other = (class_p[:, None] != class_n[None, :]).to(space.dtype)  # (S k, S k): two different classes
        a, p = _ordered_pairs(s, k, space.device)
        d_ap = distance(pool_p[a], pool_p[p])  # (S k (k - 1),)
        values = loss.from_distances(d_ap[:, None], d_an[a])  # (pairs, S k)
        valid = other[a]
        count = valid.sum()
        total = (values * valid).sum()
        if isinstance(loss, MetricLoss) and centroids is not None:
            # An image counts in g3 once for each triplet that it is anchor, positive or negative of.
            weight_p = 2 * (k - 1) * other.sum(1)
            weight_n = (k - 1) * other.sum(0)
            total = total + (torch.cat([weight_p, weight_n]) * loss.stability(space, centroids[part.classes])).sum()
        with torch.no_grad():
            active = ((d_ap[:, None] - d_an[a] + loss.alpha > 0) * valid).sum() / count.clamp(min=1)
            mean_an = (d_an * other).sum() / other.sum().clamp(min=1)
        return Outcome(total / count.clamp(min=1), d_ap.detach().mean(), mean_an, active, count.long())


def _ordered_pairs(s: int, k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Numbers of anchors and positives in a pool of s classes with k images each: every ordered pair of two images of a class."""
    anchor = torch.arange(s * k, device=device).repeat_interleave(k - 1)
    other = torch.arange(k - 1, device=device).repeat(s * k)
    within = anchor % k
    return anchor, anchor - within + other + (other >= within)


class PooledPairs:
    """The pool of PooledTriplets for the contrastive loss: all same-class pairs of the positive classes and as many with the negative classes."""

    def __init__(self, samples: ClassSamples, positives, negatives, classes: int, k: int) -> None:
        pool = PooledTriplets(samples, positives, negatives, classes, k)
        self.samples, self.positives, self.negatives, self.classes, self.k = samples, positives, negatives, classes, k
        self.images_a_step, self.draw = pool.images_a_step, pool.draw

    def loss(self, loss: ContrastiveLoss, part: Part, outputs: Tensor, centroids: Tensor | None) -> Outcome:
        """Mean over the pairs; image i of a positive class meets images j > i of its own class and of the negative class drawn for it."""
        x_p, x_n = loss.space(outputs).view(2, self.classes, self.k, -1)
        i, j = torch.triu_indices(self.k, self.k, offset=1, device=outputs.device)
        d = torch.stack([distance(x_p[:, i], x_p[:, j]), distance(x_p[:, i], x_n[:, j])])
        same = torch.tensor([True, False], device=outputs.device)[:, None, None].expand_as(d)
        return _pair_outcome(loss, d.flatten(), same.flatten())


def _pair_outcome(loss: ContrastiveLoss, d: Tensor, same: Tensor) -> Outcome:
    with torch.no_grad():
        ones = same.float()
        d_ap = (d * ones).sum() / ones.sum().clamp(min=1)
        d_an = (d * (1 - ones)).sum() / (1 - ones).sum().clamp(min=1)
        active = torch.where(same, d > 0, d < loss.alpha).float().mean()
    return Outcome(loss.from_distances(d, same).mean(), d_ap, d_an, active, torch.tensor(len(d), device=d.device))
