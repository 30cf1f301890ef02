"""From a configuration to the parts of a run: loss, samplers, batch, trainer."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from siamese_lib.augment import Augmentation, ScanAugmentation
from siamese_lib.batches import Batch, ClassSamples, LiteralPairs, LiteralTriplets, Loss
from siamese_lib.data.bank import ImageBank
from siamese_lib.experiments.config import RunConfig
from siamese_lib.experiments.datasets import TrainingData
from siamese_lib.experiments.test_sets import accuracy_of, references_of
from siamese_lib.losses import ContrastiveLoss, MetricLoss, PrototypeLoss, TripletLoss
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
from siamese_lib.optimiser import SOAP
from siamese_lib.pools import (
    ClassesAlone,
    ClassesWithImpostors,
    ClassesWithNegatives,
    HardestNegatives,
    Pool,
    PoolPrototypes,
    SampledNegatives,
)
from siamese_lib.runtime import Processes, deterministic, keep_memory, seeded_generator
from siamese_lib.statistics import ClassStatistics
from siamese_lib.training import Forward, Optimiser, Plan, Trainer, Validate, adam


def make_loss(config: RunConfig) -> ContrastiveLoss | TripletLoss | MetricLoss | PrototypeLoss:
    """The loss of a configuration."""
    if config.loss == "prototype":
        return PrototypeLoss()
    if config.loss == "metric":
        return MetricLoss(config.rho, config.tau, config.xi, config.alpha, third=config.third)
    return {"contrastive": ContrastiveLoss, "triplet": TripletLoss}[config.loss](config.alpha)


def make_batch(config: RunConfig, labels: torch.Tensor, groups: torch.Tensor | None = None) -> Batch:
    """Samplers and batch of a configuration, on the device of the labels.

    Args:
        config: of the run.
        labels: (N,) classes of the training images.
        groups: (C,) group of each class, where groups of classes have equal weight.

    Raises:
        InputError: a pool of near classes whose size is no multiple of impostors + 1.
    """
    c = config.num_classes
    if config.positives == "auto-probabilistic":
        positives = AutoProbabilistic(c, config.gamma, config.w)
    else:
        positives = UniformPositives(c)
    if groups is not None:
        positives = EqualGroups(positives, groups)
    if config.negatives == "auto-clustering":
        negatives = AutoClustering(c, config.theta, config.eta)
    elif config.negatives in ("distance", "nearest"):
        negatives = DistanceBased(c, config.impostors)
    else:
        negatives = UniformNegatives(c)
    hard = HardMining(config.ratio) if config.negatives == "hard" else None
    samples, k = ClassSamples(labels, c), config.pool_samples
    if config.batch == "pooled":
        filling = ClassesWithNegatives(positives, negatives, config.pool_classes)
        batch = Pool(samples, filling, SampledNegatives(hard), k)
    elif config.batch in ("pooled-hard", "pooled-near"):
        kind = ClassesAlone if config.batch == "pooled-hard" else ClassesWithImpostors
        filling = kind(positives, negatives, 2 * config.pool_classes)
        scoring = PoolPrototypes() if config.loss == "prototype" else HardestNegatives(config.widening)
        batch = Pool(samples, filling, scoring, k)
    else:
        literal = LiteralPairs if make_loss(config).takes == "pairs" else LiteralTriplets
        batch = literal(samples, positives, negatives, config.triplets, config.chunk, hard)
    return batch.to(labels.device)


def make_augmentation(config: RunConfig) -> Augmentation:
    """The augmentation of a configuration."""
    scan = ScanAugmentation(config.scan_share) if config.scan_share else None
    return Augmentation(
        config.probability, config.shift, config.degrees, config.pixelation, scan, config.elastic
    )


def make_optimiser(config: RunConfig) -> Optimiser:
    """The optimiser of a configuration; the plan sets its learning rate."""
    return adam if config.optimiser == "adam" else functools.partial(SOAP, lr=config.rate)


def make_validate(config: RunConfig, data: TrainingData, device: torch.device) -> Validate:
    """Validation after each period: accuracy on `config.validation_images` of the validation images, and
    `clean` accuracy on as many of the clean glyphs beside them.
    """
    banks = {"accuracy": data.validation} | ({} if data.clean is None else {"clean": data.clean})
    subsets = {name: _some_of(bank, config.validation_images) for name, bank in banks.items()}

    def validate(forward: Forward, statistics: ClassStatistics) -> dict[str, float]:
        centroids = statistics.centroids
        if data.references is not None:  # classes that are not trained
            centroids, _ = references_of(forward, data.references, device, config.chunk)
        return {name: accuracy_of(forward, centroids, bank, config.chunk) for name, bank in subsets.items()}

    return validate


def _some_of(bank: ImageBank, count: int) -> ImageBank:
    chosen = np.random.default_rng(0).permutation(len(bank))[:count]
    return bank.subset(np.sort(chosen))


def build_trainer(
    config: RunConfig,
    seed: int,
    device: torch.device,
    data: TrainingData,
    checkpoint: Path | None = None,
    report: Callable[[dict], None] | None = None,
    processes: Processes | None = None,
    *,
    loss: Callable[[RunConfig], Loss] = make_loss,
    batch: Callable[[RunConfig, torch.Tensor, torch.Tensor | None], Batch] = make_batch,
    validate: Callable[[RunConfig, TrainingData, torch.device], Validate] | None = make_validate,
    optimiser: Callable[[RunConfig], Optimiser] = make_optimiser,
) -> Trainer:
    """Everything of a run but the data, put together; `Trainer.fit` trains it.

    Args:
        config: from `make_config`.
        seed: of weights and batches.
        device: where to train.
        data: what to train and validate on.
        checkpoint, report, processes: see Trainer.
        loss, batch, validate, optimiser: what makes the run's loss, batch, validation and optimiser. Another
            function of the same arguments puts something else in their place; validate=None leaves validation
            out.
    """
    deterministic(device)
    keep_memory()
    torch.manual_seed(seed)
    model = EmbeddingNet().to(device)
    images, labels = (torch.as_tensor(a, device=device) for a in (data.train.images, data.train.labels))
    groups = None if data.groups is None else torch.as_tensor(data.groups, device=device)
    made = batch(config, labels, groups)
    steps = -(-config.images // made.images_a_step)
    plan = Plan(
        steps=steps,
        updates=min(config.updates, steps),
        learning_rate=config.rate,
        schedule=config.schedule,
        statistics_samples=config.statistics_samples,
        gather=config.gather,
        chunk=config.chunk,
    )
    return Trainer(
        model=model,
        loss=loss(config).to(device),
        batch=made,
        images=images,
        labels=labels,
        plan=plan,
        augment=make_augmentation(config),
        generator=seeded_generator(seed, device),
        optimiser=optimiser(config),
        validate=validate and validate(config, data, device),
        checkpoint=checkpoint,
        compiled=config.compiled,
        report=report,
        processes=processes,
    )
