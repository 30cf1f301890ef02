"""The drawings carry the package's own numbers."""

import numpy as np
import pytest
import torch
from matplotlib.contour import QuadContourSet
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist

from siamese_lib import plots


def texts(figure) -> str:
    return "\n".join(t.get_text() for ax in figure.axes for t in ax.texts) + "\n".join(
        t.get_text() for t in figure.texts
    )


@pytest.mark.parametrize(
    "draw", [plots.contrastive_figure, plots.triplet_figure, plots.network_figure, plots.loss_surfaces]
)
def test_each_draws_without_warning(draw, recwarn):
    draw().canvas.draw()
    assert not recwarn.list


def test_network_sizes_are_those_of_table_1():
    shown = texts(plots.network_figure())
    assert "77,561" in shown
    for size in ("35×35\n×16", "18×18\n×16", "9×9\n×24", "25"):
        assert size in shown


def test_loss_surfaces_are_the_losses_own():
    axes = plots.loss_surfaces().axes
    outlines = [
        next(each for each in ax.collections if isinstance(each, QuadContourSet) and not each.filled)
        for ax in axes
    ]
    d_ap, d_an = {}, {}
    for place, outline in enumerate(outlines):
        for level, path in zip(outline.levels, outline.get_paths(), strict=True):
            d_ap[place, level], d_an[place, level] = torch.from_numpy(path.vertices.T.copy())
    assert len(d_ap) > 20
    for (place, level), a in d_ap.items():
        n = d_an[place, level]
        if place == 0:
            value = a**2 + torch.clamp(10 - n, min=0) ** 2
        elif place == 1:
            value = torch.clamp(a - n + 10, min=0)
        else:
            value = (0.1 * a) ** 2 + torch.log1p(torch.exp(a - n + 10)) ** 2
        torch.testing.assert_close(value, torch.full_like(value, level), rtol=2e-2, atol=2e-2)


def test_mining_example_by_hand():
    axes = plots.mining_example([1.0, 2.0, 5.0], updates=2).axes
    heights = [[bar.get_height() for bar in ax.patches] for ax in axes]
    first, fourth = np.array([1, 2, 5]) / 8, np.array([1, 16, 625]) / 642  # gamma acts twice: d^(2 * 2)
    np.testing.assert_allclose(heights[0], [1, 2, 5])
    np.testing.assert_allclose(heights[1], first)
    np.testing.assert_allclose(heights[2], fourth)
    p_1 = first / 2 + 1 / 6
    np.testing.assert_allclose(heights[3], [*p_1, *(first / 2 + p_1 / 2)])


def test_cluster_example_counts_components():
    points = plots.example_points()
    for ax, eta in zip(plots.cluster_example(points, etas=(12, 46)).axes, (12, 46), strict=True):
        order = np.argsort(pdist(points.numpy()))[:eta]
        i, j = (index[order] for index in np.triu_indices(len(points), 1))
        _, labels = connected_components(
            coo_matrix((np.ones(eta), (i, j)), (len(points),) * 2), directed=False
        )
        sizes = np.bincount(labels)
        several = sorted(sizes[sizes > 1].tolist(), reverse=True)
        expected = f"{len(several)} clusters ({', '.join(map(str, several))}), {(sizes == 1).sum()} alone"
        assert ax.get_title().endswith(f"= {eta}: {expected}")


def test_a_step_of_the_contrastive_figure_moves_only_what_the_loss_moves():
    """N3 lies outside the circle: its loss and its arrow are nothing."""
    plane, _ = plots.contrastive_figure(alpha=3.0).axes
    names = [text.get_text() for text in plane.texts if text.get_text()]
    assert {"A", "P1", "P2", "N1", "N2", "N3"} <= set(names)
    arrows = [text for text in plane.texts if getattr(text, "arrow_patch", None) is not None]
    assert len(arrows) == 4


def test_after_the_descent_the_triplet_costs_nothing():
    for alpha in (1.0, 2.5):
        cost = plots.triplet_figure(alpha).axes[2]
        before, after = (
            line.get_xydata()[0] for line in cost.lines if line.get_label() in ("before", "after")
        )
        assert (
            before[1] == pytest.approx(alpha - before[0], rel=1e-5)
            and after[1] == pytest.approx(0, abs=1e-6)
            and after[0] >= alpha * 0.999
        )
