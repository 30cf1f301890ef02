import pytest
import torch

from siamese_lib.errors import InputError
from siamese_lib.statistics import class_statistics


def test_by_hand():
    e = torch.tensor([[0.0, 0.0], [10.0, 0.0], [6.0, 8.0], [1.0, 1.0], [0.0, 0.0]])
    result = class_statistics(e, torch.tensor([0, 1, 0, 2, 1]), 3)
    torch.testing.assert_close(result.centroids, torch.tensor([[3.0, 4.0], [5.0, 0.0], [1.0, 1.0]]))
    torch.testing.assert_close(result.spread, torch.tensor([5.0, 5.0, 0.0]))


def test_equals_a_loop():
    g = torch.Generator().manual_seed(0)
    e = torch.randn(200, 25, generator=g)
    labels = torch.cat([torch.arange(13), torch.randint(13, (187,), generator=g)])
    result = class_statistics(e, labels, 13)
    for c in range(13):
        mine = e[labels == c]
        torch.testing.assert_close(result.centroids[c], mine.mean(0))
        torch.testing.assert_close(result.spread[c], (mine - mine.mean(0)).norm(dim=1).mean())


@pytest.mark.parametrize(
    "labels, message",
    [([0, 0, 2], "class 1"), ([0, 1, 3], "labels up to 3: 0 to 2 wanted"), ([0, 1, 2**40], "labels up to")],
)
def test_a_class_without_sample_is_an_error(labels, message):
    with pytest.raises(InputError, match=message):
        class_statistics(torch.zeros(3, 2), torch.tensor(labels), 3)


@pytest.mark.parametrize(
    "labels, wanted",
    [
        (torch.zeros(4, 1, dtype=torch.long), r"labels \(4, 1\) of int64: whole numbers \(4,\) wanted"),
        (torch.zeros(4), r"labels \(4,\) of float32: whole numbers"),
        (torch.zeros(4, dtype=torch.bool), r"labels \(4,\) of bool: whole numbers"),
        (torch.tensor([0, 0, 0, -1]), "labels from -1: 0 to 0 wanted"),
        (
            torch.zeros(3, dtype=torch.long),
            r"labels \(3,\) of int64: whole numbers \(4,\) wanted, one an embedding",
        ),
    ],
)
def test_labels_of_another_shape_or_type_are_refused(labels, wanted):
    with pytest.raises(InputError, match=wanted):
        class_statistics(torch.randn(4, 3), labels, 1)


def test_embeddings_of_another_shape_or_type_are_refused():
    for embeddings in (torch.randn(4), torch.ones(4, 3, dtype=torch.long)):
        with pytest.raises(InputError, match=r"embeddings .*: a floating-point tensor \(N, D\) wanted"):
            class_statistics(embeddings, torch.zeros(4, dtype=torch.long), 1)
