"""pytorch-metric-learning in our loop: its losses and miners on the same network, data and augmentation."""

from collections.abc import Callable

import torch
from pytorch_metric_learning import losses, miners
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from siamese_lib.batches import ClassSamples, MicroBatch, Outcome
from siamese_lib.experiments.config import RunConfig
from siamese_lib.mining import NegativeSampler, PositiveSampler, UniformNegatives, UniformPositives
from siamese_lib.model import EMBEDDING_SIZE
from siamese_lib.training import Trainer


class Softmax(nn.Module):
    """Cross-entropy of a linear layer with an output for each class, called as the library's losses are."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(EMBEDDING_SIZE, num_classes)

    def forward(self, embeddings: Tensor, labels: Tensor, indices_tuple: object = None) -> Tensor:
        return cross_entropy(self.head(embeddings), labels)


# name -> (loss, miner): as their documentation sets them up. The last two keep a learnt vector for each
# class; `softmax` is not of the library.
SETUPS = {
    "multi-similarity": lambda c: (losses.MultiSimilarityLoss(), miners.MultiSimilarityMiner()),
    "triplet-semihard": lambda c: (
        losses.TripletMarginLoss(),
        miners.TripletMarginMiner(type_of_triplets="semihard"),
    ),
    "circle": lambda c: (losses.CircleLoss(), None),
    "supcon": lambda c: (losses.SupConLoss(), None),
    "proxy-anchor": lambda c: (losses.ProxyAnchorLoss(c, EMBEDDING_SIZE), None),
    "softmax": lambda c: (Softmax(c), None),
    "normalised-softmax": lambda c: (losses.NormalizedSoftmaxLoss(c, EMBEDDING_SIZE), None),
}


class PmlLoss(nn.Module):
    """A loss of the library, which takes embeddings with labels: `PmlBatch` alone can score it.

    Distances are taken between normalised embeddings, as the library takes them; the classifier has none.
    """

    alpha = 0.0
    takes = "labels"
    stability = None

    def __init__(self, setup: str, num_classes: int) -> None:
        super().__init__()
        self.loss, self.miner = SETUPS[setup](num_classes)

    def space(self, x: Tensor) -> Tensor:
        return normalize(x, dim=-1) if hasattr(self.loss, "distance") else x

    def from_distances(self, d: Tensor, other: Tensor) -> Tensor:
        raise NotImplementedError("a loss of pytorch-metric-learning takes embeddings with labels")


class PmlBatch(nn.Module):
    """`classes` different classes with `k` images each, like those of the library's MPerClassSampler."""

    def __init__(
        self,
        samples: ClassSamples,
        positives: PositiveSampler,
        negatives: NegativeSampler,
        classes: int,
        k: int,
    ) -> None:
        super().__init__()
        self.samples, self.positives, self.negatives = samples, positives, negatives
        self.classes, self.k, self.images_a_step = classes, k, classes * k

    def draw(self, generator: torch.Generator) -> list[MicroBatch]:
        every = torch.randperm(self.positives.num_classes, generator=generator, device=generator.device)
        classes = every[: self.classes]
        images = self.samples.draw(classes, self.k, generator)
        return [MicroBatch(images.flatten(), classes.repeat_interleave(self.k))]

    def score(
        self, loss: PmlLoss, micro_batch: MicroBatch, outputs: Tensor, centroids: Tensor | None
    ) -> Outcome:
        chosen = None if loss.miner is None else loss.miner(outputs, micro_batch.classes)
        zero = outputs.new_zeros(())
        return Outcome(loss.loss(outputs, micro_batch.classes, chosen), zero, zero, zero, zero.long())

    def learn(self, outcome: Outcome) -> None:
        """Nothing."""


def pml_loss(setup: str) -> Callable[[RunConfig], PmlLoss]:
    """In the place of siamese_lib.experiments.build.make_loss."""
    return lambda config: PmlLoss(setup, config.num_classes)


def pml_batch(config: RunConfig, labels: Tensor, groups: Tensor | None = None) -> PmlBatch:
    """In the place of siamese_lib.experiments.build.make_batch: as many images as our pools have."""
    c = config.num_classes
    samples, classes = ClassSamples(labels, c), 2 * config.pool_classes
    batch = PmlBatch(samples, UniformPositives(c), UniformNegatives(c), classes, config.pool_samples)
    return batch.to(labels.device)


def without_statistics(trainer: Trainer) -> None:
    """Take no class statistics between the steps: the library's losses have no use for them."""
    kept = trainer.class_statistics(1)
    trainer.class_statistics.at_period_end = lambda last: kept
