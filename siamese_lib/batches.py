"""What one optimiser step sees: `literal` batches as in the paper; those of siamese_lib.pools use every image many times.

A batch draws image numbers (`draw`) and turns their embeddings into a loss (`loss`). It knows samplers and losses by what they do:
`positives.sample`, `negatives.sample`; a triplet loss has `from_distances(d_ap, d_an)`, ContrastiveLoss `from_distances(d, same)`.
With `hard` (HardMining) the loss is the mean over the triplets or pairs that it keeps; what is logged of distances is of all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from siamese_lib.errors import InputError
from siamese_lib.losses import ContrastiveLoss, MetricLoss, distance

Hard = Callable[[Tensor], Tensor]  # losses (n,) -> numbers of those to keep


@dataclass(frozen=True)
class Part:
    """Images that are embedded together: numbers (n,) long, their classes (n,) long, and their share of the step's loss."""

    images: Tensor
    classes: Tensor
    share: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """A part's loss (scalar) with what is logged of it: mean d_AP and d_AN, share of active triplets (or pairs), how many make the loss."""

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
            raise InputError(
                f"{int((counts == 0).sum())} of {num_classes} classes have no sample (first: class {int(torch.argmin(counts))})"
            )
        self.counts = counts
        order = torch.argsort(labels, stable=True)
        place = torch.arange(len(labels), device=labels.device) - (counts.cumsum(0) - counts)[labels[order]]
        self.table = torch.full(
            (num_classes, int(counts.max())), -1, device=labels.device
        )  # (C, most) image numbers
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

    def __init__(
        self, samples: ClassSamples, positives, negatives, size: int, chunk: int, hard: Hard | None = None
    ) -> None:
        self.samples, self.positives, self.negatives, self.size, self.hard = (
            samples,
            positives,
            negatives,
            size,
            hard,
        )
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
        triplet = outputs.chunk(3)
        centres = (
            centroids[part.classes].chunk(3)
            if isinstance(loss, MetricLoss) and centroids is not None
            else None
        )
        with torch.no_grad():
            a, p, n = map(loss.space, triplet)
            d_ap, d_an = distance(a, p), distance(a, n)
            active = (d_ap - d_an + loss.alpha > 0).float().mean()
            if self.hard is not None:
                values = loss.from_distances(d_ap, d_an)
                kept = self.hard(
                    values if centres is None else values + sum(map(loss.stability, (a, p, n), centres))
                )
        if self.hard is not None:
            triplet, centres = [x[kept] for x in triplet], centres and [c[kept] for c in centres]
        value = loss(*triplet) if centres is None else loss(*triplet, centres)
        return Outcome(
            value, d_ap.mean(), d_an.mean(), active, torch.full((), len(triplet[0]), device=d_ap.device)
        )


class LiteralPairs:
    """Pairs for the contrastive loss, half of one class: `size` pairs a step, each drawing its own two images; a part holds `chunk` images."""

    def __init__(
        self, samples: ClassSamples, positives, negatives, size: int, chunk: int, hard: Hard | None = None
    ) -> None:
        self.samples, self.positives, self.negatives, self.size, self.hard = (
            samples,
            positives,
            negatives,
            size,
            hard,
        )
        self.pairs_a_part = _part_size(size, chunk // 2)
        self.images_a_step = 2 * size

    def draw(self, generator: torch.Generator) -> list[Part]:
        """Parts of pairs, same-class and different-class ones alternating; within one the images are all first, then all second members."""
        first = self.positives.sample(self.size, generator)
        same = torch.arange(self.size, device=first.device) % 2 == 0
        second = torch.where(same, first, self.negatives.sample(first, generator))
        pairs = self.samples.draw(first, 2, generator)
        images = torch.stack(
            [pairs[:, 0], torch.where(same, pairs[:, 1], self.samples.draw(second, 1, generator)[:, 0])]
        )
        cuts = zip(
            images.split(self.pairs_a_part, 1),
            torch.stack([first, second]).split(self.pairs_a_part, 1),
            strict=True,
        )
        return [Part(i.flatten(), c.flatten(), i.shape[1] / self.size) for i, c in cuts]

    def loss(self, loss: ContrastiveLoss, part: Part, outputs: Tensor, centroids: Tensor | None) -> Outcome:
        """outputs (n, D) of the part's images; Eq. 1 uses no centroids."""
        x_i, x_j = outputs.chunk(2)
        c_i, c_j = part.classes.chunk(2)
        return pair_outcome(loss, distance(loss.space(x_i), loss.space(x_j)), c_i == c_j, self.hard)


def pair_outcome(loss: ContrastiveLoss, d: Tensor, same: Tensor, hard: Hard | None = None) -> Outcome:
    """Mean of Eq. 1 over pairs, with `hard` over those that it keeps: distances d (n,), same (n,) bool."""
    with torch.no_grad():
        ones = same.float()
        d_ap = (d * ones).sum() / ones.sum().clamp(min=1)
        d_an = (d * (1 - ones)).sum() / (1 - ones).sum().clamp(min=1)
        active = torch.where(same, d > 0, d < loss.alpha).float().mean()
    values = loss.from_distances(d, same)
    if hard is not None:
        values = values[hard(values.detach())]
    return Outcome(values.mean(), d_ap, d_an, active, torch.full((), len(values), device=d.device))
