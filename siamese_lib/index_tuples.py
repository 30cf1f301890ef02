"""The losses and samplers of this package in loops that pass index tuples, as pytorch-metric-learning's do.

There a batch is embeddings (n, D) with labels (n,); a miner picks index tuples out of it, (a, p, n) of
triplets or (a1, p, a2, n) of pairs, and a loss is called with embeddings, labels and tuples. This module
needs no part of that library.

    sampler = ClassPairBatches(labels, positives, negatives, pairs=32, k=4, batches=1_000)
    loader = DataLoader(data, batch_sampler=sampler)
    loss = FromTuples(MetricLoss())
    for images, labels in loader:
        outputs = network(images)
        value = loss(outputs, labels, sampled_triplets(labels, k=4))
        ...
    statistics = class_statistics(loss.space(outputs_of_all), labels_of_all, num_classes)
    positives.update(statistics), negatives.update(statistics), loss.update(statistics)

Batches are drawn on the CPU; with a network on a GPU, take the outputs of all images to the CPU first.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from siamese_lib.batches import ClassSamples, Loss
from siamese_lib.errors import InputError
from siamese_lib.losses import distance, reduced
from siamese_lib.mining import NegativeSampler, PositiveSampler
from siamese_lib.statistics import ClassStatistics


class FromTuples(nn.Module):
    """A loss of siamese_lib.losses, called with embeddings, labels and index tuples; mean over the tuples.

    Args:
        loss: of triplets or of pairs.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        if loss.takes not in ("pairs", "triplets"):
            raise InputError(f"{type(loss).__name__} takes {loss.takes}; give a loss of pairs or of triplets")
        self.loss = loss
        self.register_buffer("centroids", None, persistent=False)  # (C, D) or None: kept as extra state

    def space(self, x: Tensor) -> Tensor:
        """Where the loss takes its distances, and class statistics belong."""
        return self.loss.space(x)

    def update(self, statistics: ClassStatistics) -> None:
        """Take the ideal vectors for the term that pulls images to them, where the loss has one."""
        self.centroids = statistics.centroids.detach()

    def get_extra_state(self) -> Tensor | None:
        return self.centroids

    def set_extra_state(self, state: Tensor | None) -> None:
        self.centroids = state

    def forward(self, embeddings: Tensor, labels: Tensor, indices_tuple=None) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: (n, D) network outputs.
            labels: (n,) classes.
            indices_tuple: (a, p, n) of triplets, which a loss of pairs takes as pairs; or (a1, p, a2, n) of
                pairs, of which a loss of triplets takes those with one anchor. None: all triplets, or every
                pair once.

        Raises:
            InputError: labels of another shape, or a tuple of another length.
        """
        if labels.shape != embeddings.shape[:1]:
            raise InputError(f"labels {tuple(labels.shape)} for {len(embeddings)} embeddings: one each, (n,)")
        if indices_tuple is None:
            indices_tuple = (all_pairs if self.loss.takes == "pairs" else all_triplets)(labels)
        if len(indices_tuple) not in (3, 4):
            raise InputError(
                f"indices_tuple has {len(indices_tuple)} parts; give (a, p, n) or (a1, p, a2, n)"
            )
        x = self.loss.space(embeddings)
        values = (self._pairs if self.loss.takes == "pairs" else self._triplets)(x, labels, indices_tuple)
        return reduced(values)

    def _pairs(self, x: Tensor, labels: Tensor, indices_tuple) -> Tensor:
        a, p, *others = indices_tuple
        other, n = others if len(others) == 2 else (a, *others)
        first, second = torch.cat([a, other]), torch.cat([p, n])
        same = torch.arange(len(first), device=x.device) < len(a)
        return self.loss.from_distances(distance(x[first], x[second]), same)

    def _triplets(self, x: Tensor, labels: Tensor, indices_tuple) -> Tensor:
        if len(indices_tuple) == 4:
            a1, p, a2, n = indices_tuple
            i, j = (a1[:, None] == a2).nonzero().T
            indices_tuple = a1[i], p[i], n[j]
        a, p, n = indices_tuple
        values = self.loss.from_distances(distance(x[a], x[p]), distance(x[a], x[n]))
        if self.loss.stability is not None and self.centroids is not None:
            g3 = self.loss.stability(x, self.centroids.to(x.device)[labels])
            values = self.loss.with_stability(values, g3[a], g3[p], g3[n])
        return values


def all_pairs(labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(a1, p, a2, n): every pair of images once, those of one class and those of two."""
    i, j = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
    same = labels[i] == labels[j]
    return i[same], j[same], i[~same], j[~same]


def all_triplets(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(a, p, n): every ordered pair of one class with every image of another."""
    same = labels[:, None] == labels
    pairs = (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device))[:, :, None]
    return (pairs & ~same[:, None, :]).nonzero().unbind(1)


def sampled_triplets(labels: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """(a, p, n) of a batch of ClassPairBatches: ordered pairs of a class with the images of its own negative.

    Args:
        labels: (2 P k,) as the batch has them.
        k: images a class.

    Raises:
        InputError: no such batch.
    """
    if len(labels) % (2 * k) or (labels.view(-1, k) != labels.view(-1, k)[:, :1]).any():
        raise InputError(f"{len(labels)} labels are no batch of ClassPairBatches with k={k}")
    pairs, half = len(labels) // (2 * k), len(labels) // 2
    place, device = torch.arange(k, device=labels.device), labels.device
    p, a, b, n = torch.meshgrid(torch.arange(pairs, device=device), place, place, place, indexing="ij")
    kept = a != b
    p, a, b, n = p[kept], a[kept], b[kept], n[kept]
    return p * k + a, p * k + b, half + p * k + n


class ClassPairBatches(torch.utils.data.Sampler[list[int]]):
    """Batches for a DataLoader (`batch_sampler`): classes that the positive sampler draws, k images each;
    then, for each of them, k images of the class that the negative sampler draws for it.

    Args:
        labels: (N,) classes of the data set, each of 0 ... C - 1 at least once.
        positives, negatives: samplers of siamese_lib.mining.
        pairs: P, classes with their negative classes in a batch.
        k: images a class.
        batches: how many there are in an epoch.
        seed: of all draws.

    Raises:
        InputError: samplers of another number of classes.
    """

    def __init__(
        self,
        labels: Tensor,
        positives: PositiveSampler,
        negatives: NegativeSampler,
        pairs: int,
        k: int,
        batches: int,
        seed: int = 0,
    ) -> None:
        labels = torch.as_tensor(labels)
        count = int(labels.max()) + 1
        for sampler in (positives, negatives):
            if sampler.num_classes != count:
                raise InputError(f"labels of {count} classes for a sampler of {sampler.num_classes}")
        self.samples = ClassSamples(labels, count)
        self.positives, self.negatives = positives, negatives
        self.pairs, self.k, self.batches = pairs, k, batches
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(self.batches):
            positive = self.positives.sample(self.pairs, self.generator)
            negative = self.negatives.sample(positive, self.generator)
            classes = torch.cat([positive, negative])
            yield self.samples.draw(classes, self.k, self.generator).flatten().tolist()
