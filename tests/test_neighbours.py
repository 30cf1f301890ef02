import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from siamese_lib.neighbours import nearest_classes, smallest_pairs


def brute_force(points: np.ndarray, count: int):
    d = squareform(pdist(points))
    i, j = np.triu_indices(len(points), 1)
    order = np.argsort(d[i, j], kind="stable")[:count]
    return i[order], j[order], d[i, j][order]


@pytest.mark.parametrize("count", [0, 1, 40, 1000, 10**6])
@pytest.mark.parametrize("size", [1, 2, 30, 600])
def test_equals_brute_force(size, count):
    points = torch.randn(size, 25, generator=torch.Generator().manual_seed(size))
    i, j, d = smallest_pairs(points, count)
    wanted = brute_force(points.double().numpy(), count)
    assert i.tolist() == wanted[0].tolist() and j.tolist() == wanted[1].tolist()
    np.testing.assert_allclose(d.numpy(), wanted[2], atol=1e-12)


def test_ties_and_a_large_offset_keep_the_order_of_pairs():
    grid = torch.arange(600, dtype=torch.float64)[:, None] + 1e9  # every neighbour at distance exactly 1, across blocks
    i, j, d = smallest_pairs(grid, 450)
    assert i.tolist() == list(range(450)) and j.tolist() == list(range(1, 451)) and (d == 1).all()


def test_all_points_coinciding():
    i, j, d = smallest_pairs(torch.ones(300, 3), 5)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(0, k) for k in range(1, 6)] and (d == 0).all()


@pytest.mark.parametrize("size, k", [(2, 1), (30, 29), (600, 8)])
def test_nearest_classes_equal_brute_force(size, k):
    points = torch.randn(size, 25, generator=torch.Generator().manual_seed(size))
    found, d = nearest_classes(points, k)
    everything = squareform(pdist(points.double().numpy()))
    np.fill_diagonal(everything, np.inf)
    assert found.tolist() == np.argsort(everything, axis=1)[:, :k].tolist()
    np.testing.assert_allclose(d.numpy(), np.sort(everything, axis=1)[:, :k], atol=1e-12)
