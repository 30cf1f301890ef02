"""Are these two drawings of one character (reading C of Table 4), and which of these 20 is it (Lake's one-shot runs)?

Both ask a network about characters of alphabets that it has never seen. Distances are those of the loss's space.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.omniglot_one_shot import OneShotRuns
from siamese_lib.errors import InputError
from siamese_lib.evaluation import BOOTSTRAP
from siamese_lib.losses import distance
from siamese_lib.model import embed

PAIRS = 10_000


def balanced_pairs(
    labels: np.ndarray, groups: np.ndarray, count: int = PAIRS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of images, half of them of one class.

    The paper does not say how its pairs were drawn. Ours: the first image's group (alphabet) is drawn uniformly, then its class among the
    group's, then the image; the second image is another one of that class, or any image of another class, all such classes equally likely.

    Args:
        labels: (N,) classes of the images, each with two images or more.
        groups: (C,) group of each class.
        count: of pairs, even.
        seed: of the draws.

    Returns:
        first, second (count,) image numbers, and same (count,) bool.

    Raises:
        InputError: an odd count, a class with one image, or fewer than two classes.
    """
    classes, sizes = np.unique(labels), np.bincount(labels, minlength=len(groups))
    if count % 2 or len(classes) < 2 or (sizes[classes] < 2).any():
        raise InputError(
            f"{count} pairs of {len(classes)} classes with {sizes[classes].min()} images or more: wanted are an even count, 2 and 2"
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
    """The distance up to which a pair is called one class, so that most pairs are right; midway between two pairs, the smallest of equals."""
    order = np.argsort(distances, kind="stable")
    d, good = distances[order], np.where(same[order], 1, -1)
    gain = np.concatenate([[0], np.cumsum(good)])
    cut = np.concatenate([[True], d[1:] > d[:-1], [True]])  # between equal distances there is no threshold
    place = int(np.flatnonzero(cut)[gain[cut].argmax()])
    low, high = d[max(place - 1, 0)], d[min(place, len(d) - 1)]
    return float((low + high) / 2) if 0 < place < len(d) else float(low - 1 if place == 0 else high)


def pair_distances(
    forward: Callable[[Tensor], Tensor],
    bank: ImageBank,
    first: np.ndarray,
    second: np.ndarray,
    device,
    chunk: int,
) -> np.ndarray:
    """Distances of pairs of a bank's images (count,)."""
    e = embed(forward, torch.as_tensor(bank.images, device=device), chunk)
    return (
        distance(e[torch.from_numpy(first).to(device)], e[torch.from_numpy(second).to(device)])
        .double()
        .cpu()
        .numpy()
    )


def verify(
    forward: Callable[[Tensor], Tensor],
    validation: tuple[ImageBank, np.ndarray],
    test: tuple[ImageBank, np.ndarray],
    device: torch.device,
    chunk: int = 256,
    seed: int = 0,
) -> dict:
    """Share of `PAIRS` balanced pairs of the test bank that are told right, by a threshold that is best on as many of the validation bank.

    Args:
        forward: images -> embeddings in the loss's space.
        validation, test: a bank and the group (alphabet) of each of its classes.
        device: where the network is.
        chunk: images embedded at once.
        seed: of the pairs.

    Returns:
        For a record: accuracy and its 95 % interval (bootstrap over pairs), images (pairs), classes, threshold, accuracy of the same on validation.
    """
    found = []
    for bank, groups in (validation, test):
        first, second, same = balanced_pairs(bank.labels, groups, seed=seed)
        found.append((pair_distances(forward, bank, first, second, device, chunk), same))
    threshold = best_threshold(*found[0])
    right = [(distances <= threshold) == same for distances, same in found]
    return _facts(right[1], len(np.unique(test[0].labels))) | {
        "threshold": threshold,
        "validation_accuracy": 100 * float(right[0].mean()),
    }


def one_shot(
    forward: Callable[[Tensor], Tensor], runs: OneShotRuns, device: torch.device, chunk: int = 256
) -> dict:
    """Share of Lake's 400 trials in which the nearest of the run's 20 drawings is of the item's character.

    Returns:
        For a record: accuracy, its 95 % interval (bootstrap over the 20 runs), accuracy by run.
    """
    training, test = (
        embed(forward, torch.as_tensor(each.reshape(-1, *each.shape[2:]), device=device), chunk).view(
            *each.shape[:2], -1
        )
        for each in (runs.training, runs.test)
    )
    nearest = (
        torch.stack([torch.cdist(t, r).argmin(1) for t, r in zip(test, training, strict=True)]).cpu().numpy()
    )
    right = nearest == runs.answers
    return _facts(right, right.shape[1]) | {"by_run": [100 * float(each) for each in right.mean(1)]}


def _facts(right: np.ndarray, classes: int) -> dict:
    """Of (n,) answers, or (n, m): n units of the bootstrap with m answers each."""
    share = 100 * right.reshape(len(right), -1).mean(1)
    draws = np.random.default_rng(0).integers(0, len(share), (BOOTSTRAP, len(share)))
    low, high = np.percentile(share[draws].mean(1), [2.5, 97.5])
    return {
        "accuracy": float(share.mean()),
        "accuracy_interval": [float(low), float(high)],
        "images": right.size,
        "classes": classes,
    }
