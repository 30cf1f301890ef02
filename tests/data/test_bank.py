import numpy as np
import pandas as pd
import pytest

from siamese_lib.data.bank import ImageBank
from siamese_lib.errors import InputError


def make(count=4, classes=("a", "b", "c"), meta=True):
    images = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 37, 37), np.uint8)
    labels = np.arange(count, dtype=np.int64) % len(classes)
    return ImageBank(
        images,
        labels,
        list(classes),
        pd.DataFrame({"font": [f"f{i}" for i in range(count)]}) if meta else None,
    )


def test_length_and_classes():
    bank = make()
    assert len(bank) == 4 and bank.num_classes == 3


@pytest.mark.parametrize("which", [np.array([True, False, False, True]), np.array([0, 3]), [0, 3]])
def test_subset_keeps_images_labels_meta_together(which):
    part = make().subset(which)
    assert part.images[:, 0, 0].tolist() == [0, 3] and part.labels.tolist() == [0, 0]
    assert part.meta["font"].tolist() == ["f0", "f3"] and part.meta.index.tolist() == [0, 1]
    assert part.classes == ["a", "b", "c"]


def test_subset_may_be_empty_and_repeats():
    assert len(make().subset([])) == 0
    assert make().subset([2, 2]).meta["font"].tolist() == ["f2", "f2"]


@pytest.mark.parametrize("which", [[4], np.array([True, False])])
def test_subset_out_of_range(which):
    with pytest.raises(InputError, match="bank of 4 images"):
        make().subset(which)


def test_fingerprint_follows_content():
    bank = make()
    assert bank.sha256() == make(meta=False).sha256()
    assert bank.sha256() == bank.subset(np.ones(4, bool)).sha256()
    assert bank.sha256() != make(classes=("a", "b", "d")).sha256()
    assert bank.sha256() != bank.subset([1, 0, 2, 3]).sha256()
    changed = bank.images.copy()
    changed[0, 5, 5] += 1
    assert bank.sha256() != ImageBank(changed, bank.labels, bank.classes).sha256()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((4, 36, 37), np.uint8)}, r"\(4, 36, 37\)"),
        ({"images": np.zeros((4, 37, 37), np.float32)}, "float32"),
        ({"images": [1, 2]}, "list"),
        ({"labels": np.zeros(3, np.int64)}, r"\(3,\)"),
        ({"labels": np.zeros(4, np.int32)}, "int32"),
        ({"labels": np.array([0, 1, 2, 3])}, "there are 3 classes"),
        ({"labels": np.array([0, -1, 2, 0])}, "from -1 to 2"),
        ({"classes": ["a", "b", "a"]}, "repeat"),
        ({"meta": pd.DataFrame({"font": ["x"]})}, "1 rows for 4 images"),
    ],
)
def test_bad_parts_are_refused(change, message):
    bank = make()
    parts = {"images": bank.images, "labels": bank.labels, "classes": bank.classes, "meta": bank.meta}
    with pytest.raises(InputError, match=message):
        ImageBank(**(parts | change))
