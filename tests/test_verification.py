import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.omniglot_one_shot import OneShotRuns
from siamese_lib.errors import InputError
from siamese_lib.verification import balanced_pairs, best_threshold, one_shot, verify

CPU = torch.device("cpu")


def bank(classes: int, copies: int = 4, seed: int = 0) -> ImageBank:
    """Each image holds its class's number in its corner and its own number beside it."""
    labels = np.random.default_rng(seed).permutation(np.arange(classes).repeat(copies))
    images = np.zeros((len(labels), 37, 37), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = labels, np.arange(len(labels))
    names, drawers = [f"A/{c}" for c in range(classes)], np.arange(len(labels))
    return ImageBank(images, labels, names, pd.DataFrame({"drawer": drawers}))


def test_pairs_are_balanced_and_what_they_say():
    labels = np.random.default_rng(0).permutation(np.arange(9).repeat(4))
    groups = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
    first, second, same = balanced_pairs(labels, groups, 30_000, seed=1)
    assert same.sum() == 15_000 and (first != second).all()
    assert ((labels[first] == labels[second]) == same).all()
    for drawn in (first[same], first[~same]):  # each group a third, each class of a group alike
        share = np.bincount(labels[drawn], minlength=9) / len(drawn)
        np.testing.assert_allclose(share, [1 / 18] * 6 + [1 / 6] * 2 + [1 / 3], atol=0.015)
    table = np.zeros((9, 9))
    np.add.at(table, (labels[first[~same]], labels[second[~same]]), 1)
    other = table / table.sum(1, keepdims=True)
    np.testing.assert_allclose(other[~np.eye(9, dtype=bool)], 1 / 8, atol=0.04)
    pairs = np.bincount(labels[first[same]] * 0 + (first[same] % 36), minlength=36)
    assert pairs.min() > 0  # every image comes first in some pair
    once, again = balanced_pairs(labels, groups, 100, 3), balanced_pairs(labels, groups, 100, 3)
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    with pytest.raises(InputError, match="an even count, 2 and 2"):
        balanced_pairs(np.array([0, 0, 1]), np.zeros(2, int), 10)


def test_best_threshold_is_the_best_of_all():
    rng = np.random.default_rng(0)
    for _ in range(50):
        d, same = rng.integers(0, 6, 12) / 2, rng.random(12) < 0.5
        accuracy = {t: ((d <= t) == same).mean() for t in [-1, *(np.arange(7) / 2 + 0.25)]}
        assert ((d <= best_threshold(d, same)) == same).mean() == max(accuracy.values())
    assert best_threshold(np.array([1.0, 3.0]), np.array([True, False])) == 2


def constant(x):
    return x.new_zeros(len(x), 25)


def knows_the_class(x):
    return torch.nn.functional.one_hot((255 * x[:, 0, 0, 0]).round().long(), 25).float()


def test_a_constant_network_verifies_half():
    sides = (bank(12), np.zeros(12, int)), (bank(20, seed=1), np.arange(20) % 3)
    found = verify(constant, *sides, CPU)
    assert found["accuracy"] == found["validation_accuracy"] == 50
    assert found["images"] == 10_000 and found["classes"] == 20
    perfect = verify(knows_the_class, *sides, CPU)
    assert perfect["accuracy"] == 100 and 0 < perfect["threshold"] < 2**0.5


def runs(seed: int = 0) -> OneShotRuns:
    rng = np.random.default_rng(seed)
    answers = np.stack([rng.permutation(20) for _ in range(20)])
    training, test = np.zeros((20, 20, 37, 37), np.uint8), np.zeros((20, 20, 37, 37), np.uint8)
    training[:, :, 0, 0], test[:, :, 0, 0] = np.arange(20), answers
    return OneShotRuns(training, test, answers)


def test_embeddings_at_random_find_one_in_twenty():
    generator, counter = torch.Generator().manual_seed(0), itertools.count()

    def at_random(x):
        next(counter)
        return torch.randn(len(x), 25, generator=generator)

    found = [one_shot(at_random, runs(), CPU)["accuracy"] for _ in range(25)]
    assert abs(np.mean(found) - 5) < 2 and next(counter) > 0


def test_one_shot_counts_by_run():
    assert one_shot(knows_the_class, runs(), CPU)["accuracy"] == 100
    some = runs()
    some.test[:5, :, 0, 0] = (some.test[:5, :, 0, 0] + 1) % 20  # five runs get every answer wrong
    found = one_shot(knows_the_class, some, CPU)
    assert found["accuracy"] == 75 and found["by_run"] == [0] * 5 + [100] * 15
    assert found["images"] == 400 and found["classes"] == 20
    low, high = found["accuracy_interval"]
    assert 45 < low < 65 and 85 < high <= 100


def test_a_constant_network_names_no_drawing():
    with pytest.warns(UserWarning, match="400 of 400 images are as near"):
        found = one_shot(constant, runs(), CPU)
    assert found["accuracy"] == 0 and found["ties"] == 100
