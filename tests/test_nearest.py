import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from siamese_lib import nearest as search
from siamese_lib.errors import InputError
from siamese_lib.nearest import nearest_classes, smallest_pairs


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
    # every neighbour at distance exactly 1, across blocks
    grid = torch.arange(600, dtype=torch.float64)[:, None] + 1e9
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


def cloud(kind: str) -> torch.Tensor:
    """4,200 points: more rows than a block, more columns than a tile."""
    g = torch.Generator().manual_seed(3)
    points = torch.randn(4200, 25, generator=g, dtype=torch.float64)
    if kind == "duplicates":
        points = points[torch.randint(1500, (4200,), generator=g)]
    elif kind == "offset":
        points += 1e6
    elif kind == "near ties":  # a lattice: few different distances, disturbed below what float32 can tell
        points = points.round() + 1e-6 * torch.randn(4200, 25, generator=g, dtype=torch.float64)
    elif kind == "two far heaps":  # float32 cannot tell the members of a heap apart
        points = 1e-4 * points + 1e3 * (torch.arange(4200)[:, None] % 2)
    return points


@pytest.mark.parametrize("kind", ["plain", "duplicates", "offset", "near ties", "two far heaps"])
def test_large_and_awkward_clouds_equal_brute_force(kind):
    points = cloud(kind)
    d = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    i, j = torch.triu_indices(len(points), len(points), offset=1)
    order = torch.nonzero(d[i, j] <= d[i, j].kthvalue(1000).values)[:, 0]
    order = order[d[i, j][order].sort(stable=True).indices][:1000]
    found_i, found_j, found_d = smallest_pairs(points, 1000)
    np.testing.assert_allclose(found_d, d[i, j][order], rtol=1e-12, atol=1e-15)
    # Where two distances are equal but for the last bit, either order is right.
    gap, end = found_d.diff() > 1e-11 * found_d[1:], torch.tensor([True])
    exact = torch.cat([end, gap]) & torch.cat([gap, ~end]) | (found_d == 0)
    assert exact.sum() > 300
    assert torch.equal(found_i[exact], i[order][exact]) and torch.equal(found_j[exact], j[order][exact])
    assert len(found_d) == 1000 and (d[found_i, found_j] <= found_d.max() * (1 + 1e-12)).all()
    assert (found_i < found_j).all()

    numbers, near = nearest_classes(points, 8)
    d.fill_diagonal_(float("inf"))
    values, wanted = d.sort(dim=1, stable=True)
    np.testing.assert_allclose(near, values[:, :8], rtol=1e-12, atol=1e-15)
    gap = values[:, :9].diff(dim=1) > 1e-11 * values[:, 1:9]
    clear = torch.cat([torch.ones(len(gap), 1, dtype=torch.bool), gap[:, :-1]], 1) & gap | (near == 0)
    assert clear.float().mean() > 0.3 and torch.equal(numbers[clear], wanted[:, :8][clear])
    assert (numbers != torch.arange(len(points))[:, None]).all()
    assert all(len(set(row)) == 8 for row in numbers.tolist())


def test_two_points_and_all_points_in_one_place():
    numbers, d = nearest_classes(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), 1)
    assert numbers.tolist() == [[1], [0]] and d.tolist() == [[5.0], [5.0]]
    numbers, d = nearest_classes(torch.full((700, 3), 7.3), 2)
    assert numbers[:3].tolist() == [[1, 2], [0, 2], [0, 1]] and numbers[699].tolist() == [0, 1]
    assert not d.any()


def test_a_product_of_lower_precision_is_not_trusted(monkeypatch):
    assert search._Points(cloud("plain")).rows.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        test_nearest_classes_equal_brute_force(600, 8)
        test_equals_brute_force(600, 40)
    for answer in (lambda: "medium", lambda: (_ for _ in ()).throw(RuntimeError("mixed settings"))):
        monkeypatch.setattr(torch, "get_float32_matmul_precision", answer)
        assert search._Points(cloud("plain")).rows.dtype == torch.float64
        test_nearest_classes_equal_brute_force(600, 8)


def test_what_cannot_be_searched_is_refused():
    points = torch.randn(5, 3)
    for k in (0, 5):
        with pytest.raises(InputError, match=f"k={k} nearest of 5 points: from 1 to 4"):
            nearest_classes(points, k)
    points[2, 1] = float("nan")
    for find in (nearest_classes, smallest_pairs):
        with pytest.raises(InputError, match=r"\(5, 3\) centroids hold a value that is not finite"):
            find(points, 1)
