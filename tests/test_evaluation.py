from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from siamese_lib import evaluation
from siamese_lib.data.bank import ImageBank
from siamese_lib.errors import InputError, NotFinite
from siamese_lib.evaluation import _samples_of_classes, evaluate, nearest, nearest_is_own
from siamese_lib.model import embed


def flat(x: torch.Tensor) -> torch.Tensor:
    """A 'network' whose embedding is the first two pixels."""
    return x.flatten(1)[:, :2]


def bank(points, labels, classes="abcdefg", fonts=None) -> ImageBank:
    images = np.zeros((len(points), 37, 37), np.uint8)
    images[:, 0, :2] = points
    meta = None if fonts is None else pd.DataFrame({"font": fonts})
    return ImageBank(images, np.array(labels, np.int64), list(classes), meta)


CENTROIDS = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5], [0.5, 0], [0, 0.5]])


def test_by_hand():
    test = bank([[0, 0], [255, 10], [240, 250], [0, 0]], [0, 1, 3, 3], fonts=["S", "S", "G", "G"])
    gallery = (torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
    result = evaluate(flat, CENTROIDS, list("abcdefg"), [test], gallery, by={"font": ("S", "G")}).summary()
    assert result["images"] == 4 and result["classes"] == 3
    assert result["accuracy"] == 75 and result["recall_at_1"] == 50
    assert result["top5"] == 75  # of (0, 0), class d at (1, 1) is the farthest but one of seven
    assert result["by_font"] == {"S": {"accuracy": 100.0, "images": 2}, "G": {"accuracy": 50.0, "images": 2}}
    assert result["confusions"] == [["d", "a", 1]]
    low, high = result["accuracy_interval"]
    assert 50 <= low <= 75 <= high <= 100


def test_accuracy_by_variant_and_class():
    """Every index has its own counts; values come in order, whichever bank is first."""
    first = replace(
        bank([[0, 0], [255, 0]], [0, 1]), meta=pd.DataFrame({"font": ["H1", "S"], "fs": 2, "sl": [1, 0]})
    )
    second = replace(
        bank([[0, 0], [0, 0], [0, 255]], [0, 1, 2]),
        meta=pd.DataFrame({"font": "S", "fs": [2, 0, 0], "sl": 1}),
    )
    by = {"font": ("S", "G"), "fs": (), "sl": ()}
    result = evaluate(flat, CENTROIDS, list("abcdefg"), [first, second], by=by)
    summary = result.summary()
    assert list(summary["by_font"]) == ["S", "H1"] and summary["by_font"]["S"] == {
        "accuracy": 75.0,
        "images": 4,
    }
    assert summary["by_variant"] == {
        "fs": {"0": {"accuracy": 50.0, "images": 2}, "2": {"accuracy": 100.0, "images": 3}},
        "sl": {"0": {"accuracy": 100.0, "images": 1}, "1": {"accuracy": 75.0, "images": 4}},
    }
    assert summary["worst_classes"] == [["b", 50.0, 2], ["a", 100.0, 2], ["c", 100.0, 1]]
    np.testing.assert_array_equal(result.class_accuracy(), [100, 50, 100, np.nan, np.nan, np.nan, np.nan])


def test_an_image_of_each_frequent_confusion_is_kept(monkeypatch):
    """b is read as a once in the first bank and twice in the second, c as a once: b's first image stays."""
    monkeypatch.setattr("siamese_lib.evaluation.EXAMPLES", 1)
    first = bank([[0, 0], [1, 0]], [2, 1])
    second = bank([[2, 0], [3, 0], [0, 0]], [1, 1, 0])
    result = evaluate(flat, CENTROIDS, list("abcdefg"), [first, second])
    assert result.confusions.most_common(1) == [((1, 0), 3)]
    assert result.mistakes().tolist() == [second.images[0].tolist()]  # c's image was kept for the first bank
    monkeypatch.setattr("siamese_lib.evaluation.EXAMPLES", 16)
    result = evaluate(flat, CENTROIDS, list("abcdefg"), [first, second])
    assert result.mistakes().tolist() == [first.images[1].tolist(), first.images[0].tolist()]
    assert evaluate(flat, CENTROIDS, list("abcdefg"), [bank([[0, 0]], [0])]).mistakes().size == 0


def test_streaming_in_banks_and_chunks_changes_nothing():
    rng = np.random.default_rng(0)
    points, labels = rng.integers(0, 256, (100, 2)), rng.integers(0, 7, 100)
    fonts = [f"f{k % 3}" for k in range(100)]
    whole = evaluate(
        flat, CENTROIDS, list("abcdefg"), [bank(points, labels, fonts=fonts)], chunk=256
    ).summary()
    pieces = [
        bank(points[s], labels[s], fonts=fonts[s.start : s.stop])
        for s in (slice(0, 33), slice(33, 34), slice(34, 34), slice(34, 100))
    ]
    parts = evaluate(flat, CENTROIDS, list("abcdefg"), iter(pieces), chunk=7).summary()
    assert whole == parts | {"confusions": whole["confusions"]} and sorted(whole["confusions"]) == sorted(
        parts["confusions"]
    )
    d = np.linalg.norm(points[:, None] / 255 - CENTROIDS.numpy(), axis=2)
    assert whole["accuracy"] == pytest.approx(100 * (d.argmin(1) == labels).mean())
    assert whole["top5"] == pytest.approx(100 * (np.argsort(d, 1)[:, :5] == labels[:, None]).any(1).mean())


def test_bootstrap_interval_covers_classes_not_images():
    """With whole classes right or wrong the interval is as wide as a binomial over classes, however many
    images each has.
    """
    rng = np.random.default_rng(1)
    points = np.repeat(rng.integers(0, 2, (7, 1)) * 0, 500, axis=0).repeat(2, axis=1)
    result = evaluate(
        flat, CENTROIDS, list("abcdefg"), [bank(points, np.repeat(np.arange(7), 500))]
    ).summary()
    low, high = result["accuracy_interval"]
    assert result["accuracy"] == pytest.approx(100 / 7) and low == 0 and high > 30


def test_embed_chunks():
    images = torch.randint(0, 256, (23, 37, 37), dtype=torch.uint8)
    torch.testing.assert_close(embed(flat, images, 5), embed(flat, images, 1000))
    shapes = []
    embed(lambda x: shapes.append(len(x)) or flat(x), images, 5)
    assert set(shapes) == {5}


def test_nearest_in_blocks():
    g = torch.Generator().manual_seed(0)
    x, y = (
        torch.randn(150, 3, generator=g) + 40,
        torch.randn(20, 3, generator=g) + 40,
    )  # three blocks, far from zero
    numbers, ties = nearest(x, y, 4)
    assert torch.equal(numbers, torch.cdist(x.double(), y.double()).argsort(1)[:, :4]) and not ties.any()


@pytest.mark.parametrize("columns", [7, 4_096])
def test_nearest_is_own_against_all_distances(columns, monkeypatch):
    monkeypatch.setattr(evaluation, "COLUMNS", columns)
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(150, 3, generator=g), torch.randn(40, 3, generator=g)
    labels, gallery = (
        torch.randint(0, 9, (150,), generator=g),
        torch.cat([torch.arange(9), torch.randint(0, 9, (31,), generator=g)]),
    )
    own = _samples_of_classes(gallery, 9)
    assert all(set(own[c].tolist()) == set(torch.nonzero(gallery == c)[:, 0].tolist()) for c in range(9))
    wanted = gallery[torch.cdist(x, y).argmin(1)] == labels
    assert torch.equal(nearest_is_own(x, y, own[labels]), wanted) and 0 < wanted.sum() < 150


def test_other_classes_and_empty_sets_are_errors():
    with pytest.raises(InputError, match="other than the 7 of training"):
        evaluate(flat, CENTROIDS, list("abcdefg"), [bank([[0, 0]], [0], "abcdefx")])
    with pytest.raises(InputError, match="no image"):
        evaluate(flat, CENTROIDS, list("abcdefg"), []).summary()


def test_a_tie_with_another_class_is_no_hit():
    """Constant embeddings once had a Recall@1 of 100 %: all references are nearest."""
    test = bank([[0, 0], [0, 0], [255, 0]], [0, 1, 1])
    points = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])  # classes a and b in one point, c apart
    gallery = (points, torch.tensor([0, 1, 2]))
    with pytest.warns(UserWarning, match="2 of 3 images are as near to two ideal vectors"):
        result = evaluate(flat, points, list("abc"), [replace(test, classes=list("abc"))], gallery).summary()
    assert result["accuracy"] == result["recall_at_1"] == 0 and result["ties"] == pytest.approx(200 / 3)


def test_a_collapsed_network_reads_nothing():
    """The weights of a collapsed network differ in rounding alone; so do its ideal vectors."""
    g = torch.Generator().manual_seed(0)
    point = torch.randn(1, 25, generator=g) * 3
    rounded = point + torch.randn(40, 25, generator=g) * 1e-7
    numbers, ties = nearest(point.expand(8, -1) + torch.randn(8, 25, generator=g) * 1e-7, rounded, 5)
    assert ties.all() and numbers.shape == (8, 5)
    own = torch.arange(8)[:, None]
    assert not nearest_is_own(point.expand(8, -1), rounded, own).any()
    apart = torch.randn(40, 25, generator=g) * 3
    assert (
        not nearest(apart + 0.01, apart, 1)[1].any()
        and nearest_is_own(apart + 0.01, apart, torch.arange(40)[:, None]).all()
    )


def test_distances_that_are_not_finite_are_an_error():
    """Embeddings may be finite and their distances not."""
    test = bank([[0, 0], [255, 0]], [0, 1])
    broken = CENTROIDS.clone()
    broken[3] = float("nan")
    for forward, centroids in ((flat, broken), (lambda x: flat(x) * 1e30, CENTROIDS)):
        with pytest.raises(NotFinite, match="distances between embeddings and references are not finite"):
            evaluate(forward, centroids, list("abcdefg"), [test])
