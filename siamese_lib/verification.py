"""Do two drawings show one character (reading C of Table 4), and which of 20 is it (Lake's one-shot runs)?

Both ask a network about characters of alphabets that it has never seen. Distances are those of the loss's
space.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from siamese_lib.errors import InputError, NotFinite
from siamese_lib.evaluation import BOOTSTRAP, LabelledImages, nearest, warn_of_ties
from siamese_lib.losses import distance
from siamese_lib.model import embed

PAIRS = 10_000


class Trials(Protocol):
    """Lake's runs: training and test uint8 (R, 20, 37, 37); answers (R, 20): which is which."""

    training: np.ndarray
    test: np.ndarray
    answers: np.ndarray


def balanced_pairs(
    labels: np.ndarray, groups: np.ndarray, count: int = PAIRS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of images, half of them of one class.

    The paper does not say how its pairs were made. Ours: the first image's group (alphabet) is chosen
    uniformly, then its class among the group's, then the image; the second image is another one of that
    class, or any image of another class, all such classes equally likely.

    Args:
        labels: (N,) classes of the images, each with two images or more.
        groups: (C,) group of each class.
        count: of pairs, even.
        seed: of the choice.

    Returns:
        first, second (count,) image numbers, and same (count,) bool.

    Raises:
        InputError: an odd count, a class with one image, or fewer than two classes.
    """
    classes, sizes = np.unique(labels), np.bincount(labels, minlength=len(groups))
    if count % 2 or len(classes) < 2 or (sizes[classes] < 2).any():
        raise InputError(
            f"{count} pairs of {len(classes)} classes with {sizes[classes].min()} images or more: "
            "wanted are an even count, 2 and 2"
        )
    rng, order = np.random.default_rng(seed), np.argsort(labels, kind="stable")
    starts = np.cumsum(sizes) - sizes
    present, same = groups[classes], np.arange(count) < count // 2
    names, members = np.unique(present, return_counts=True)
    by_group = classes[np.argsort(present, kind="stable")]
    group = rng.integers(len(names), size=count)
    first_class = by_group[(np.cumsum(members) - members)[group] + rng.integers(members[group])]
    other = rng.integers(len(classes) - 1, size=count)
    other_class = classes[other + (other >= np.searchsorted(classes, first_class))]
    second_class = np.where(same, first_class, other_class)
    a = rng.integers(sizes[first_class])
    b = rng.integers(sizes[second_class] - same)
    b += same & (b >= a)  # another image of the class
    return order[starts[first_class] + a], order[starts[second_class] + b], same


def best_threshold(distances: np.ndarray, same: np.ndarray) -> float:
    """The threshold of highest accuracy, pairs up to it being called one class.

    It lies midway between two distances; of equally good ones it is the smallest.

    Args:
        distances: (n,) of the pairs.
        same: (n,) bool.
    """
    order = np.argsort(distances, kind="stable")
    d, good = distances[order], np.where(same[order], 1, -1)
    gain = np.concatenate([[0], np.cumsum(good)])
    cut = np.concatenate([[True], d[1:] > d[:-1], [True]])  # between equal distances there is no threshold
    n = int(np.flatnonzero(cut)[gain[cut].argmax()])  # that many pairs are called one class
    low, high = d[max(n - 1, 0)], d[min(n, len(d) - 1)]
    return float((low + high) / 2) if 0 < n < len(d) else float(low - 1 if n == 0 else high)


def pair_distances(
    forward: Callable[[Tensor], Tensor],
    bank: LabelledImages,
    first: np.ndarray,
    second: np.ndarray,
    device: torch.device,
    chunk: int,
) -> np.ndarray:
    """Distances (count,) of pairs of a bank's images, given by their numbers."""
    e = embed(forward, torch.as_tensor(bank.images, device=device), chunk)
    i, j = torch.from_numpy(first).to(device), torch.from_numpy(second).to(device)
    distances = distance(e[i], e[j]).double().cpu().numpy()
    if not np.isfinite(distances).all():
        raise NotFinite(
            "distances of pairs are not finite: the network has diverged; "
            "train it again with a lower learning rate"
        )
    return distances


def verify(
    forward: Callable[[Tensor], Tensor],
    validation: tuple[LabelledImages, np.ndarray],
    test: tuple[LabelledImages, np.ndarray],
    device: torch.device,
    chunk: int = 256,
    seed: int = 0,
) -> dict:
    """Accuracy on `PAIRS` balanced test pairs, at the threshold that maximises validation accuracy.

    Args:
        forward: images -> embeddings in the loss's space.
        validation, test: a bank and the group (alphabet) of each of its classes; as many pairs of both.
        device: where the network is.
        chunk: images embedded at once.
        seed: of the pairs.

    Returns:
        For a record: accuracy and its 95 % interval (bootstrap over pairs), images (pairs), classes,
        threshold, accuracy on the validation pairs.
    """
    measured = []
    for bank, groups in (validation, test):
        first, second, same = balanced_pairs(bank.labels, groups, seed=seed)
        measured.append((pair_distances(forward, bank, first, second, device, chunk), same))
    threshold = best_threshold(*measured[0])
    on_validation, on_test = ((distances <= threshold) == same for distances, same in measured)
    return _facts(on_test, len(np.unique(test[0].labels))) | {
        "threshold": threshold,
        "validation_accuracy": 100 * float(on_validation.mean()),
    }


def one_shot(
    forward: Callable[[Tensor], Tensor], runs: Trials, device: torch.device, chunk: int = 256
) -> dict:
    """Share of Lake's 400 trials in which the nearest of the run's 20 drawings is of the item's character.

    Returns:
        For a record: accuracy, its 95 % interval (bootstrap over the 20 runs), ties, accuracy by run.
    """

    def embeddings(images: np.ndarray) -> Tensor:
        flat = torch.as_tensor(images.reshape(-1, *images.shape[2:]), device=device)
        return embed(forward, flat, chunk).view(*images.shape[:2], -1)

    training, test = embeddings(runs.training), embeddings(runs.test)
    found = [nearest(t, r, 1) for t, r in zip(test, training, strict=True)]
    answers = torch.stack([numbers[:, 0] for numbers, _ in found]).cpu().numpy()
    tied = torch.stack([ties for _, ties in found]).cpu().numpy()
    right = (answers == runs.answers) & ~tied
    warn_of_ties(int(tied.sum()), tied.size)
    return _facts(right, right.shape[1]) | {
        "ties": 100 * float(tied.mean()),
        "by_run": [100 * float(share) for share in right.mean(1)],
    }


def _facts(right: np.ndarray, classes: int) -> dict:
    """Of bool answers (n,), or (n, m): n units of the bootstrap with m answers each."""
    share = 100 * right.reshape(len(right), -1).mean(1)
    resamples = np.random.default_rng(0).integers(0, len(share), (BOOTSTRAP, len(share)))
    low, high = np.percentile(share[resamples].mean(1), [2.5, 97.5])
    return {
        "accuracy": float(share.mean()),
        "accuracy_interval": [float(low), float(high)],
        "images": right.size,
        "classes": classes,
    }
