"""What is measured of samplers, on a few made-up classes."""

import numpy as np
import pytest
import torch

from siamese_lib.data.bank import ImageBank
from siamese_lib.losses import ContrastiveLoss
from siamese_lib.report import samplers
from siamese_lib.statistics import ClassStatistics


def on_a_line(*places: float) -> ClassStatistics:
    points = torch.tensor(places)[:, None]
    return ClassStatistics(points, torch.linspace(1, 2, len(points)))


def test_statistics_of_arrays():
    arrays = {"centroids": np.eye(3, 5).astype(np.float16), "spread": np.ones(3, np.float16), "other": None}
    statistics = samplers.statistics_of(arrays, torch.device("cpu"))
    assert statistics.centroids.dtype == torch.float32 and statistics.centroids.shape == (3, 5)
    assert statistics.spread.tolist() == [1, 1, 1]


def test_mining_cost_stands_beside_the_papers_epoch():
    frame, words = samplers.mining_cost(on_a_line(*range(50)), images_per_second=1000.0, repeats=1)
    assert list(frame.index) == ["auto-probabilistic", "auto-clustering", "distance"]
    seconds, percent, milliseconds = frame.to_numpy().T
    np.testing.assert_allclose(percent, 100 * seconds / (50 * 30_720 / 1000))
    assert (seconds > 0).all() and (milliseconds > 0).all()
    assert "1,000 images a second an epoch of the paper would take 1,536 s" in words
    assert "of 8 pairs that go through it, 7 teach nothing" in words


def test_drawn_negatives_are_others_and_near_where_they_should_be():
    places = [10.0 * k + offset for k in range(12) for offset in (0, 0.1, 0.2, 0.3)]  # twelve groups of four
    found = samplers.drawn_negatives(on_a_line(*places), eta=3 * 12, classes=6, most=5)
    assert len(found) == 6
    for number, negatives in found.items():
        group = set(range(number // 4 * 4, number // 4 * 4 + 4)) - {number}
        assert set(negatives["cluster"]) == group
        assert len(negatives["distance"]) == 5 and set(negatives["distance"][:1]) <= set(range(48))
        assert all(number not in drawn and len(set(drawn)) == len(drawn) for drawn in negatives.values())
        assert len(negatives["random"]) == 5


def test_half_of_the_classes_have_company():
    places = [*(1000.0 * k for k in range(1, 37)), 0.0, 0.1, 0.2, 0.3]
    found = samplers.drawn_negatives(on_a_line(*places), eta=6)
    assert sum(bool(negatives["cluster"]) for negatives in found.values()) >= 3
    alone = samplers.drawn_negatives(on_a_line(*places), eta=0)
    assert not any(negatives["cluster"] for negatives in alone.values())


@pytest.fixture
def bank() -> ImageBank:
    """Two images of each of 40 classes; the first pixel is six times the class, plus 1 in the second."""
    labels = np.repeat(np.arange(40), 2)
    images = np.zeros((80, 37, 37), np.uint8)
    images[:, 0, 0] = 6 * labels + np.arange(80) % 2
    return ImageBank(images, labels, [str(k) for k in range(40)])


def test_kept_pairs_have_the_largest_losses(bank):
    def forward(x):
        return 255 * x[:, 0, :1, 0]  # the first pixel is the embedding

    loss = ContrastiveLoss(10.0)
    kept, words = samplers.kept_pairs(forward, loss, bank, torch.device("cpu"), pairs=400)
    sizes = {name: len(first) for name, (first, _) in kept.items()}
    assert (
        sum(sizes.values()) == 50
        and f"Of the 50 pairs that hard mining keeps, {2 * sizes['one class']} %" in words
    )
    first, second = (side[:, 0, 0].astype(int) for side in kept["two classes"])
    assert (first // 6 != second // 6).all()
    distances = np.abs(first - second)
    assert (np.diff(distances) >= 0).all() and distances.max() <= 10  # largest loss first: nearest first
    one = [side[:, 0, 0].astype(int) // 6 for side in kept["one class"]]
    assert (one[0] == one[1]).all()
