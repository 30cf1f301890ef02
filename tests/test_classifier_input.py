"""What a SiameseClassifier makes of the forms that images, labels and parameters come in."""

import pickle

import numpy as np
import pandas as pd
import pytest
from made_images import SIDE, bars
from PIL import Image
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from siamese_lib import SiameseClassifier, classifier
from siamese_lib.errors import InputError


@pytest.fixture(scope="module")
def fitted():
    return SiameseClassifier(images=6_000).fit(*bars())


@pytest.fixture(scope="module")
def of_shares():
    """Learned from images / 255, as torchvision gives them."""
    images, labels = bars()
    return SiameseClassifier(images=6_000).fit(images / 255, labels)


@pytest.fixture
def files(tmp_path):
    """Bars as files, dark on light with a margin, and their labels."""
    images, labels = bars(2, 6)
    for n, image in enumerate(images):
        Image.fromarray(255 - np.pad(image, 5 + n % 3)).save(tmp_path / f"{n}.png")
    return [tmp_path / f"{n}.png" for n in range(len(images))], labels


def test_bool_and_bytes_mean_one_thing_whatever_was_learned_from(fitted, of_shares):
    images, labels = bars(seed=1)
    black_and_white = images > 127
    for one in (fitted, of_shares):
        assert one.score(images, labels) > 0.9 and one.score(black_and_white, labels) > 0.9
        np.testing.assert_array_equal(
            one.transform(black_and_white), one.transform(np.uint8(255) * black_and_white)
        )
    assert (of_shares.predict(images) == of_shares.predict(images / 255)).all()


def test_pixels_on_another_scale_are_refused(fitted, of_shares):
    images, labels = bars(seed=1)
    for kind in (int, np.uint8):
        with pytest.raises(InputError, match="X holds numbers up to 1, but ink is 255 here; give 255"):
            fitted.predict((images > 127).astype(kind))
    with pytest.raises(InputError, match="X holds numbers up to 254, but ink is 1 here; give uint8 images"):
        of_shares.predict(images.astype(float))
    with pytest.raises(InputError, match="X holds numbers up to 1, but ink is 255"):
        SiameseClassifier(images=300).fit((images > 127).astype(np.uint8), labels)


def test_numbers_beyond_those_that_were_learned_from_are_cut():
    """A pixel above the training maximum, or levels of another depth, are no other scale."""
    (images, labels), (asked, wanted) = bars(), bars(seed=1)
    rows, few = images.reshape(len(images), -1), asked.reshape(len(asked), -1)
    piped = make_pipeline(MaxAbsScaler(), SiameseClassifier(images=3_000)).fit(rows, labels)
    assert piped.score(few, wanted) > 0.9
    of_sixteen = SiameseClassifier(images=3_000).fit((images // 16).astype(np.int64), labels)
    assert of_sixteen.score((asked // 16).astype(np.uint8), wanted) > 0.9
    of_floats = SiameseClassifier(images=300).fit(np.minimum(images, 254).astype(float), labels)
    with pytest.raises(InputError, match="X holds fractions up to 0.996, but ink is 254 here; give 254"):
        of_floats.predict(asked / 255)


def test_pictures_after_fractions_keep_their_greys(of_shares):
    """As uint8 of their own, not on the scale of what was learned from."""
    images, _ = bars(seed=1)
    pictures = [image.astype(float) for image in images]
    framed = of_shares.framed_images(pictures).numpy()
    assert framed.shape == (36, SIDE, SIDE) and len(np.unique(framed)) > 50


def test_paths_and_pictures_come_in_many_containers(files):
    paths, labels = files
    one = SiameseClassifier(images=2_000).fit(paths, labels)
    wanted = one.transform(paths)
    columns = (
        np.array(paths, object),
        pd.Series(map(str, paths), range(5, 17)),
        np.array(list(map(str, paths))),
    )
    for column in (*columns, [Image.open(path) for path in paths], tuple(map(str, paths))):
        np.testing.assert_array_equal(one.transform(column), wanted)
    assert cross_val_score(one, columns[0], labels, cv=2).shape == (2,)
    for single in (paths[0], str(paths[0])):
        with pytest.raises(InputError, match=r"X is the single picture .*0\.png; give a list of pictures"):
            one.predict(single)
    with pytest.raises(InputError, match="X is empty; give one picture or more"):
        one.predict([])


def test_numbers_that_are_not_finite_are_refused_in_pictures(fitted):
    pictures = [image.astype(float) for image in bars()[0][:2]]
    pictures[1][18, 18] = np.nan
    with pytest.raises(InputError, match="picture 1 holds numbers that are not finite"):
        fitted.predict(pictures)


@pytest.mark.parametrize(
    ("kind", "unknown", "wanted"), [("uint8", -1, -1), ("int8", 999, 999), ("uint16", 70_000, 70_000)]
)
def test_unknown_is_not_wrapped_into_a_class(kind, unknown, wanted):
    images, labels = bars(2)
    one = SiameseClassifier(images=500, unknown=unknown).fit(images, labels.astype(kind))
    one.threshold_ = 0.0
    assert set(one.predict(images).tolist()) == {wanted}


def test_unknown_is_none_of_the_classes():
    images, labels = bars(2)
    with pytest.raises(InputError, match="unknown=1 is one of the classes; give another"):
        SiameseClassifier(images=500, unknown=1).fit(images, labels).predict(images)
    text = SiameseClassifier(images=500, unknown="b").fit(images, np.array(["a", "b"])[labels])
    with pytest.raises(InputError, match="unknown='b' is one of the classes"):
        text.predict(images)


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, MemoryError])
def test_a_fit_that_ends_early_leaves_what_was_there(fitted, monkeypatch, stopped):
    one, (images, labels) = pickle.loads(pickle.dumps(fitted)), bars(seed=1)
    wanted = one.transform(images)

    def stops(*arguments):
        raise stopped

    monkeypatch.setattr(classifier, "fit_network", stops)
    with pytest.raises(stopped):
        one.fit(images / 255, labels > 2)
    np.testing.assert_array_equal(one.transform(images), wanted)
    with pytest.raises(InputError, match="y has one class"):
        one.fit(images.reshape(len(images), -1)[:, :100], np.zeros(len(images)))
    np.testing.assert_array_equal(one.transform(images), wanted)
    assert one.classes_.tolist() == [0, 1, 2, 3, 4, 5]


def test_text_of_pandas_and_of_numpy_is_text():
    images, labels = bars(2)
    names, new = np.array(["a", "b"])[labels], bars(1)[0]
    one = SiameseClassifier(images=500).fit(images, pd.Series(names)).add_classes(new, ["c"] * len(new))
    other = SiameseClassifier(images=500).fit(images, names).add_classes(new, pd.Series(["c"] * len(new)))
    assert one.classes_.tolist() == other.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(one.centroids_, other.centroids_)


def test_parameters_of_a_grid_search_are_saved(tmp_path):
    images, labels = bars(2)
    one = SiameseClassifier(images=np.int64(500), rate=np.float32(0.01), unknown=np.int64(-1))
    one.fit(images, labels).save(tmp_path / "s.safetensors")
    found = SiameseClassifier.load(tmp_path / "s.safetensors")
    assert found.get_params() == one.get_params()
    one.set_params(random_state=np.random.RandomState(0))
    with pytest.raises(InputError, match="random_state=RandomState.* cannot be saved; set it to text or a"):
        one.save(tmp_path / "s.safetensors")
    assert SiameseClassifier.load(tmp_path / "s.safetensors").get_params() == found.get_params()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"images": 0}, "images=0: a whole number, 1 or more"),
        ({"images": 5e2}, r"images=500\.0: a whole number"),
        ({"rate": 0}, "rate=0: a number above 0"),
        ({"scan_share": 1.5}, r"scan_share=1\.5: a share, 0 to 1"),
        ({"framing": "round"}, "framing 'round' is unknown; use one of aspect, square"),
        ({"ink": "Dark"}, "ink='Dark': choose one of dark, light"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(InputError, match=message):
        SiameseClassifier(**parameters).fit(*bars())


def test_a_threshold_wants_a_label_for_each_sample(fitted):
    images, labels = bars(seed=1)
    for wrong in (labels[:1], labels[:-1]):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            fitted.choose_threshold(images, wrong)


def test_calibration_may_be_on_any_scale(of_shares, tmp_path):
    """As fractions it was cut to blank images, and nothing said so."""
    openvino = pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    from siamese_lib.export import export

    images, _ = bars(samples=20)
    asked, _ = bars(samples=20, seed=1)
    for name, calibration in {"shares": images / 255, "bool": images > 127}.items():
        path = export(of_shares, tmp_path / f"{name}.xml", calibration=calibration)
        found = openvino.Core().compile_model(path, "CPU")(asked)["distances"].argmin(1)
        assert (of_shares.classes_[found] == of_shares.predict(asked)).mean() > 0.95
    with pytest.raises(InputError, match="X is empty"):
        export(of_shares, tmp_path / "a.xml", calibration=[])
