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


@pytest.mark.parametrize("labels, message", [([0, 0, 2], "class 1"), ([0, 1, 3], "too large")])
def test_a_class_without_sample_is_an_error(labels, message):
    with pytest.raises(InputError, match=message):
        class_statistics(torch.zeros(3, 2), torch.tensor(labels), 3)
