"""From a configuration to the parts of a run: loss, samplers, batch, trainer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from siamese_lib.augment import Augmentation
from siamese_lib.batches import ClassSamples, LiteralPairs, LiteralTriplets
from siamese_lib.experiments.config import RunConfig
from siamese_lib.experiments.datasets import TrainingData
from siamese_lib.experiments.test_sets import accuracy_of, references_of
from siamese_lib.losses import ContrastiveLoss, MetricLoss, TripletLoss
from siamese_lib.mining import (
    AutoClustering,
    AutoProbabilistic,
    DistanceBased,
    EqualGroups,
    HardMining,
    UniformNegatives,
    UniformPositives,
)
from siamese_lib.model import EmbeddingNet
from siamese_lib.pools import PooledHard, PooledNear, PooledPairs, PooledTriplets
from siamese_lib.runtime import Processes, deterministic, keep_memory, seeded_generator
from siamese_lib.training import Plan, Trainer


def make_loss(config: RunConfig) -> ContrastiveLoss | TripletLoss | MetricLoss:
    if config.loss == "metric":
        return MetricLoss(config.rho, config.tau, config.xi, config.alpha)
    return {"contrastive": ContrastiveLoss, "triplet": TripletLoss}[config.loss](config.alpha)


def make_batch(config: RunConfig, labels: torch.Tensor, groups: torch.Tensor | None = None):
    """Samplers and batch of a configuration; labels (N,) and, where groups of classes have equal weight,
    groups (C,) on the training device.
    """
    c = config.num_classes
    positives = (
        AutoProbabilistic(c, config.gamma, config.w)
        if config.positives == "auto-probabilistic"
        else UniformPositives(c)
    )
    if groups is not None:
        positives = EqualGroups(positives, groups)
    if config.negatives == "auto-clustering":
        negatives = AutoClustering(c, config.theta, config.eta)
    else:
        negatives = (
            DistanceBased(c, config.impostors)
            if config.negatives in ("distance", "nearest")
            else UniformNegatives(c)
        )
    hard = HardMining(config.ratio) if config.negatives == "hard" else None
    samples = ClassSamples(labels, c)
    if config.batch in ("pooled-hard", "pooled-near"):
        kind = PooledHard if config.batch == "pooled-hard" else PooledNear
        return kind(
            samples, positives, negatives, 2 * config.pool_classes, config.pool_samples, config.widening
        )
    contrastive = config.loss == "contrastive"
    if config.batch == "pooled":
        return (PooledPairs if contrastive else PooledTriplets)(
            samples, positives, negatives, config.pool_classes, config.pool_samples, hard
        )
    return (LiteralPairs if contrastive else LiteralTriplets)(
        samples, positives, negatives, config.triplets, config.chunk, hard
    )


def build_trainer(
    config: RunConfig,
    seed: int,
    device: torch.device,
    data: TrainingData,
    checkpoint: Path | None = None,
    report: Callable[[dict], None] | None = None,
    processes: Processes | None = None,
) -> Trainer:
    """Everything of a run but the data, put together; `Trainer.fit` trains it."""
    deterministic(device)
    keep_memory()
    torch.manual_seed(seed)
    model = EmbeddingNet().to(device)
    images, labels = (
        torch.as_tensor(data.train.images, device=device),
        torch.as_tensor(data.train.labels, device=device),
    )
    batch = make_batch(
        config, labels, None if data.groups is None else torch.as_tensor(data.groups, device=device)
    )
    steps = -(-config.images // batch.images_a_step)
    plan = Plan(
        steps,
        min(config.updates, steps),
        config.rate,
        config.schedule,
        config.statistics_samples,
        config.gather,
        config.chunk,
    )
    chosen = np.random.default_rng(0).permutation(len(data.validation))[: config.validation_images]
    subset = data.validation.subset(np.sort(chosen))

    def validate(forward, statistics) -> float:
        unseen = data.references is not None
        centroids = (
            references_of(forward, data.references, device, config.chunk)[0]
            if unseen
            else statistics.centroids
        )
        return accuracy_of(forward, centroids, subset, config.chunk)

    return Trainer(
        model,
        make_loss(config),
        batch,
        images,
        labels,
        plan,
        Augmentation(config.probability, config.shift, config.degrees, config.pixelation),
        seeded_generator(seed, device),
        validate,
        checkpoint,
        config.compiled,
        report,
        processes,
    )
