"""The drawings carry the package's own numbers."""

import numpy as np
import pytest
import torch

from siamese_lib import plots
from siamese_lib.losses import MetricLoss
from siamese_lib.mining import AutoClustering
from siamese_lib.statistics import ClassStatistics


def texts(figure) -> str:
    return "\n".join(t.get_text() for ax in figure.axes for t in ax.texts) + "\n".join(t.get_text() for t in figure.texts)


@pytest.mark.parametrize("draw", [plots.contrastive_figure, plots.triplet_figure, plots.network_figure, plots.loss_surfaces])
def test_each_draws_without_warning(draw, recwarn):
    draw().canvas.draw()
    assert not recwarn.list


def test_network_sizes_are_those_of_table_1():
    shown = texts(plots.network_figure())
    assert "77,561" in shown
    for size in ("35×35\n×16", "18×18\n×16", "9×9\n×24", "25"):
        assert size in shown


def test_loss_surface_is_the_losses_own():
    axes = plots.loss_surfaces().axes[:3]
    low, high = axes[2].collections[0].get_clim() if axes[2].collections[0].get_array() is not None else (0, 0)
    largest = float(MetricLoss().from_distances(torch.tensor(25.0), torch.tensor(0.0)))
    assert low <= 0 and high == pytest.approx(largest, rel=0.2)


def test_mining_example_by_hand():
    axes = plots.mining_example([1.0, 2.0, 5.0]).axes
    heights = [[bar.get_height() for bar in ax.patches] for ax in axes]
    np.testing.assert_allclose(heights[0], [1, 2, 5])
    np.testing.assert_allclose(heights[1], [1 / 8, 2 / 8, 5 / 8])
    np.testing.assert_allclose(heights[2], [1 / 642, 16 / 642, 625 / 642])  # d^(gamma^2) = d^4
    np.testing.assert_allclose(heights[3], np.array([1 / 8, 2 / 8, 5 / 8]) / 2 + 1 / 6)


def test_cluster_example_counts_components():
    points = plots.example_points()
    sampler = AutoClustering(len(points), eta=14)
    sampler.update(ClassStatistics(points, torch.ones(len(points))))
    sizes = torch.bincount(sampler.clusters)
    title = plots.cluster_example(points).axes[1].get_title()
    assert title == f"eta = 14: {int((sizes > 1).sum())} clusters, the largest of {int(sizes.max())}"
