"""What the tests of batches share: a training set of 12 classes with 6 images each, in a shuffled order."""

import copy

import torch

from siamese_lib.batches import ClassSamples

C, SAMPLES = 12, 6


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples() -> ClassSamples:
    labels = torch.arange(C).repeat(SAMPLES)
    return ClassSamples(labels[torch.randperm(len(labels), generator=generator(7))], C)


def labels_of(batch) -> torch.Tensor:
    labels = torch.empty(C * SAMPLES, dtype=torch.long)
    for c, row in enumerate(batch.samples.table):
        labels[row] = c
    return labels


def ideal_vectors(loss, centroids, *classes) -> tuple:
    """The last argument of a loss of triplets of these classes (n,), if it has a term of ideal vectors."""
    if centroids is None or loss.stability is None:
        return ()
    return (tuple(centroids[c] for c in classes),)


def of_each(loss):
    """The same loss, triplet by triplet."""
    every = copy.copy(loss)
    every.reduction = "none"
    return every


def logged(outcome) -> tuple:
    return outcome.d_ap, outcome.d_an, outcome.active
