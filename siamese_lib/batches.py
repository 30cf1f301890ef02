"""What one optimiser step sees: `literal` batches are the paper's; siamese_lib.pools has those that are ours.

A batch draws image numbers (`draw`) and turns their embeddings into a loss (`score`). `Batch` and `Loss` say
what that takes of a batch and of a loss. With `hard` (HardMining) the loss is the mean over the triplets or
pairs that it keeps; what is logged of distances is of all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from siamese_lib.errors import InputError
from siamese_lib.losses import distance
from siamese_lib.mining import HardMining, NegativeSampler, PositiveSampler


@dataclass(frozen=True)
class MicroBatch:
    """Images that go through the network together.

    Attributes:
        images: (n,) long, image numbers.
        classes: (n,) long, their classes.
        share: their share of the step's loss; the shares of a step's micro-batches add up to 1.
    """

    images: Tensor
    classes: Tensor
    share: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """The loss of a micro-batch and what is logged of it, scalars all.

    Attributes:
        loss: the mean over `count` triplets, pairs or images.
        d_ap, d_an: mean distance of anchors to their positives and to their negatives; of images to the ideal
            vectors of their own class and of the nearest other.
        active: share of the triplets (or pairs) within the margin, or of the images that are misread.
        count: how many triplets, pairs or images make the loss.
    """

    loss: Tensor
    d_ap: Tensor
    d_an: Tensor
    active: Tensor
    count: Tensor

    def logged(self, share: float) -> Tensor:
        """(5,) float64: loss, d_AP, d_AN and active share, times the micro-batch's `share`; the count."""
        means = torch.stack([self.loss.detach(), self.d_ap, self.d_an, self.active]).double() * share
        return torch.cat([means, self.count.double()[None]])


@runtime_checkable
class Loss(Protocol):
    """What trainer and batches ask of a loss, an nn.Module.

    Attributes:
        alpha: the margin; 0 where there is none.
        takes: "pairs", "triplets" or "classes": distances of an image to the ideal vectors of classes.
        stability: (a, c) -> (n,), the term of embeddings a (n, D) in the loss's space and their ideal vectors
            c (n, D), which counts once for each image of a triplet; None: the loss has no such term. One that
            has it also has with_stability(values, *terms): the loss of triplets from that of their distances
            and the terms of their images.
    """

    alpha: float
    takes: Literal["pairs", "triplets", "classes"]
    stability: Callable[[Tensor, Tensor], Tensor] | None

    def space(self, x: Tensor, /) -> Tensor:
        """Network outputs (..., D) -> the space that distances are taken in."""

    def from_distances(self, d: Tensor, other: Tensor, /) -> Tensor:
        """The loss elementwise: of a pair's distance and bool `same`, of a triplet's d_AP and d_AN, or of an
        image's distances to classes and the number of its own.
        """

    def state_dict(self) -> dict:
        """Its parameters and buffers, for a checkpoint."""

    def load_state_dict(self, state: dict, /) -> object:
        """Go on from there."""


@runtime_checkable
class Batch(Protocol):
    """What the trainer asks of a batch.

    Attributes:
        samples: the training images by class.
        positives, negatives: its samplers; the trainer updates them from the class statistics.
        images_a_step: how many images go through the network in a step.
    """

    samples: "ClassSamples"
    positives: PositiveSampler
    negatives: NegativeSampler
    images_a_step: int

    def draw(self, generator: torch.Generator) -> list[MicroBatch]:
        """The images of one step."""

    def score(
        self, loss: Loss, micro_batch: MicroBatch, outputs: Tensor, centroids: Tensor | None
    ) -> Outcome:
        """The loss of a micro-batch; it changes nothing in the batch.

        Args:
            loss: of a kind that the batch can score.
            micro_batch: one of those that `draw` returned.
            outputs: (n, D) raw network outputs of its images.
            centroids: (C, D) ideal vectors in the loss's space, or None before the first statistics.
        """

    def learn(self, outcome: Outcome) -> None:
        """What the batch learns from a micro-batch, once it has been scored."""

    def state_dict(self) -> dict:
        """What a checkpoint keeps: the samplers' states and what was learnt."""

    def load_state_dict(self, state: dict, /) -> object:
        """Go on from there."""


class ClassSamples:
    """The images of each class; a class with fewer than asked for repeats them: only augmentation differs.

    Args:
        labels: (N,) long.
        num_classes: C; every class must have an image.

    Raises:
        InputError: a class without an image.
    """

    def __init__(self, labels: Tensor, num_classes: int) -> None:
        counts = torch.bincount(labels, minlength=num_classes)
        if (counts == 0).any():
            raise InputError(
                f"{int((counts == 0).sum())} of {num_classes} classes have no sample "
                f"(first: class {int(torch.argmin(counts))})"
            )
        self.counts = counts
        order = torch.argsort(labels, stable=True)
        column = torch.arange(len(labels), device=labels.device) - (counts.cumsum(0) - counts)[labels[order]]
        # (C, largest count): image numbers
        self.table = torch.full((num_classes, int(counts.max())), -1, device=labels.device)
        self.table[labels[order], column] = order

    def draw(self, classes: Tensor, k: int, generator: torch.Generator) -> Tensor:
        """classes (n,) -> (n, k) image numbers, different within a row as far as the class has them."""
        width = self.table.shape[1]
        keys = torch.rand(len(classes), width, generator=generator, device=classes.device)
        counts = self.counts[classes, None]
        keys = keys.masked_fill(torch.arange(width, device=classes.device) >= counts, 2.0)
        order = keys.argsort(dim=1)
        column = torch.arange(k, device=classes.device) % counts
        return self.table[classes].gather(1, order.gather(1, column))


def check_takes(loss: Loss, *made_of: str) -> None:
    """Raises InputError where a batch made of these has not what the loss takes."""
    if loss.takes not in made_of:
        raise InputError(
            f"{type(loss).__name__} takes {loss.takes}, this batch is made of {' or '.join(made_of)}"
        )


def _micro_batch_size(size: int, most: int) -> int:
    """Equal micro-batches of at most `most` where `size` has a fitting divisor: one shape to compile for."""
    most = max(1, min(size, most))
    return next((n for n in range(most, most // 2, -1) if size % n == 0), most)


def _micro_batches(images: Tensor, classes: Tensor, n: int) -> list[MicroBatch]:
    """Cut images and classes of a step's pairs (2, size) or triplets (3, size) into micro-batches of n."""
    cuts = zip(images.split(n, 1), classes.split(n, 1), strict=True)
    return [MicroBatch(i.flatten(), c.flatten(), i.shape[1] / images.shape[1]) for i, c in cuts]


class LiteralTriplets(nn.Module):
    """The paper's batches: each triplet draws its own anchor, positive and negative image.

    Args:
        samples: the training images by class.
        positives, negatives: samplers of the classes.
        size: triplets a step.
        chunk: images of a micro-batch, at most.
        hard: which triplets of a micro-batch make the loss; default all.
    """

    def __init__(
        self,
        samples: ClassSamples,
        positives: PositiveSampler,
        negatives: NegativeSampler,
        size: int,
        chunk: int,
        hard: HardMining | None = None,
    ) -> None:
        super().__init__()
        self.samples, self.positives, self.negatives = samples, positives, negatives
        self.size, self.hard = size, hard
        self.images_a_step = 3 * size
        self._at_once = _micro_batch_size(size, chunk // 3)

    def draw(self, generator: torch.Generator) -> list[MicroBatch]:
        """Micro-batches of triplets; the images of each are its anchors, then positives, then negatives."""
        positive = self.positives.sample(self.size, generator)
        negative = self.negatives.sample(positive, generator)
        pairs = self.samples.draw(positive, 2, generator)
        images = torch.stack([*pairs.unbind(1), self.samples.draw(negative, 1, generator)[:, 0]])
        return _micro_batches(images, torch.stack([positive, positive, negative]), self._at_once)

    def score(
        self, loss: Loss, micro_batch: MicroBatch, outputs: Tensor, centroids: Tensor | None
    ) -> Outcome:
        """Mean over the triplets; see Batch.score."""
        check_takes(loss, "triplets")
        triplet, centres = outputs.chunk(3), None
        if loss.stability is not None and centroids is not None:
            centres = centroids[micro_batch.classes].chunk(3)
        values, d_ap, d_an = _triplet_values(loss, triplet, centres)
        with torch.no_grad():
            logged = d_ap.mean(), d_an.mean(), (d_ap - d_an + loss.alpha > 0).float().mean()
        if self.hard is not None:
            kept = self.hard(values.detach())
            centres = centres and [c[kept] for c in centres]
            values, *_ = _triplet_values(loss, [x[kept] for x in triplet], centres)
        count = torch.full((), len(values), device=values.device)
        return Outcome(values.sum() / max(len(values), 1), *logged, count)

    def learn(self, outcome: Outcome) -> None:
        """Nothing."""


def _triplet_values(
    loss: Loss, triplet: Sequence[Tensor], centres: Sequence[Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Raw outputs and ideal vectors of (A, P, N), each (n, D) -> loss, d_AP and d_AN of each triplet (n,)."""
    a, p, n = map(loss.space, triplet)
    d_ap, d_an = distance(a, p), distance(a, n)
    values = loss.from_distances(d_ap, d_an)
    if centres is not None:
        g3 = [loss.stability(x, c) for x, c in zip((a, p, n), centres, strict=True)]
        values = loss.with_stability(values, *g3)
    return values, d_ap, d_an


class LiteralPairs(nn.Module):
    """Pairs for the contrastive loss, half of them of one class; each draws its own two images.

    Args:
        samples: the training images by class.
        positives, negatives: samplers of the classes.
        size: pairs a step.
        chunk: images of a micro-batch, at most.
        hard: which pairs of a micro-batch make the loss; default all.
    """

    def __init__(
        self,
        samples: ClassSamples,
        positives: PositiveSampler,
        negatives: NegativeSampler,
        size: int,
        chunk: int,
        hard: HardMining | None = None,
    ) -> None:
        super().__init__()
        self.samples, self.positives, self.negatives = samples, positives, negatives
        self.size, self.hard = size, hard
        self.images_a_step = 2 * size
        self._at_once = _micro_batch_size(size, chunk // 2)

    def draw(self, generator: torch.Generator) -> list[MicroBatch]:
        """Micro-batches of pairs, of one class and of two in turn; the first images, then the second ones."""
        first = self.positives.sample(self.size, generator)
        same = torch.arange(self.size, device=first.device) % 2 == 0
        second = torch.where(same, first, self.negatives.sample(first, generator))
        one, other = self.samples.draw(first, 2, generator).unbind(1)
        images = torch.stack([one, torch.where(same, other, self.samples.draw(second, 1, generator)[:, 0])])
        return _micro_batches(images, torch.stack([first, second]), self._at_once)

    def score(
        self, loss: Loss, micro_batch: MicroBatch, outputs: Tensor, centroids: Tensor | None
    ) -> Outcome:
        """Mean over the pairs; see Batch.score. A loss of pairs has no use for centroids."""
        check_takes(loss, "pairs")
        x_i, x_j = map(loss.space, outputs.chunk(2))
        c_i, c_j = micro_batch.classes.chunk(2)
        return pair_outcome(loss, distance(x_i, x_j), c_i == c_j, self.hard)

    def learn(self, outcome: Outcome) -> None:
        """Nothing."""


def pair_outcome(loss: Loss, d: Tensor, same: Tensor, hard: HardMining | None = None) -> Outcome:
    """Mean of a loss over pairs, with `hard` over those that it keeps: distances d (n,), same (n,) bool."""
    with torch.no_grad():
        ones = same.float()
        d_ap = (d * ones).sum() / ones.sum().clamp(min=1)
        d_an = (d * (1 - ones)).sum() / (1 - ones).sum().clamp(min=1)
        active = torch.where(same, d > 0, d < loss.alpha).float().mean()
    values = loss.from_distances(d, same)
    if hard is not None:
        values = values[hard(values.detach())]
    return Outcome(values.mean(), d_ap, d_an, active, torch.full((), len(values), device=d.device))
