"""SiameseClassifier: scikit-learn's own suite, new classes, strangers, files, and input that is refused."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from made_images import SIDE, bars
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

from siamese_lib import SiameseClassifier
from siamese_lib.data.samples import drawn
from siamese_lib.errors import InputError

EXPECTED = {
    "check_methods_subset_invariance": "float32: the last bits of an embedding depend on how many images go "
    "through the network at once",
}


def test_check_estimator_runs_and_passes():
    results = check_estimator(
        SiameseClassifier(images=1_000), expected_failed_checks=EXPECTED, on_fail=None, on_skip=None
    )
    ran = [result for result in results if result["status"] != "skipped"]
    failed = [(result["check_name"], result["exception"]) for result in ran if result["status"] == "failed"]
    assert len(ran) >= 60 and not failed
    assert len(EXPECTED) <= 8


@pytest.fixture(scope="module")
def fitted():
    return SiameseClassifier(images=6_000).fit(*bars())


def test_it_learns_and_reads(fitted):
    images, labels = bars(seed=1)
    assert fitted.score(images, labels) > 0.9
    answers, distances = fitted.predict_top_k(images, 3)
    assert answers.shape == distances.shape == (36, 3) and (np.diff(distances) >= 0).all()
    assert (answers[:, 0] == fitted.predict(images)).all()
    x, c = fitted.transform(images), fitted.centroids_
    wanted = np.linalg.norm(x[:, None] - c, axis=2)
    np.testing.assert_allclose(distances, np.sort(wanted)[:, :3], rtol=1e-4, atol=1e-4)
    assert fitted.predict_top_k(images, 99)[0].shape == (36, 6)


def test_answers_do_not_depend_on_the_kind_of_table_that_transform_gives(fitted):
    images, _ = bars(seed=1)
    wanted = fitted.predict(images)
    framed = clone(fitted).set_output(transform="pandas")
    framed.__dict__ |= vars(fitted)
    assert list(framed.transform(images).columns[:2]) == ["siameseclassifier0", "siameseclassifier1"]
    assert (framed.predict(images) == wanted).all()


def test_centroids_are_means_of_the_embeddings(fitted):
    images, labels = bars()
    wanted = [fitted.transform(images[labels == label]).mean(0) for label in range(6)]
    np.testing.assert_allclose(fitted.centroids_, wanted, rtol=1e-4, atol=1e-4)


def test_one_seed_gives_the_same_bits():
    images, labels = bars(3, 4)
    first, second = (SiameseClassifier(images=600).fit(images, labels).transform(images) for _ in range(2))
    assert np.array_equal(first, second)
    other = SiameseClassifier(images=600, random_state=1).fit(images, labels).transform(images)
    assert not np.array_equal(first, other)


def test_flat_rows_images_and_floats_are_the_same(fitted):
    images, labels = bars(seed=2)
    rows = images.reshape(len(images), -1)
    assert (fitted.predict(rows) == fitted.predict(images)).all()
    shares = SiameseClassifier(images=600).fit(images / 255, labels)
    assert shares.n_features_in_ == fitted.n_features_in_ == SIDE * SIDE
    assert (shares.predict(rows / 255) == shares.predict(images / 255)).all()


def test_fractions_where_ink_is_255_are_refused(fitted):
    """They would be read as blank images; the network itself takes fractions, so they are easily given."""
    images, _ = bars(seed=2)
    with pytest.raises(InputError, match="X holds fractions up to 0.996, but ink is 255 here; give 255"):
        fitted.predict(images / 255)


def test_pictures_of_any_size_and_paths(tmp_path):
    """Dark bars on light paper in frames of their own size, as arrays and as files."""
    images, labels = bars(4, 6)
    pictures = [255 - np.pad(image, 5 + n % 7) for n, image in enumerate(images)]
    paths = []
    for n, picture in enumerate(pictures):
        paths.append(tmp_path / f"{n}.png")
        Image.fromarray(picture).save(paths[-1])
    classifier = SiameseClassifier(images=6_000, framing="aspect").fit(pictures, labels)
    assert classifier.score(pictures, labels) > 0.9
    assert (classifier.predict(paths) == classifier.predict(pictures)).all()


def test_new_classes_without_training(fitted):
    images, labels = bars(8, 6, seed=3)
    classifier = pickle.loads(pickle.dumps(fitted))
    weights = classifier.network_.linear.weight.clone()
    new = np.random.default_rng(0).integers(0, 255, (3, SIDE, SIDE)).astype(np.uint8)
    classifier.add_classes(new, [99, 99, 99])
    assert classifier.classes_.tolist() == [0, 1, 2, 3, 4, 5, 99]
    assert classifier.counts_.tolist() == [6, 6, 6, 6, 6, 6, 3]
    assert (classifier.network_.linear.weight == weights).all()
    np.testing.assert_allclose(classifier.centroids_[6], fitted.transform(new).mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(classifier.centroids_[:6], fitted.centroids_)
    assert classifier.predict(new).tolist() == [99] * 3
    with pytest.raises(InputError, match="99 is a class already; partial_fit adds samples"):
        classifier.add_classes(new, [100, 99, 100])
    classifier.partial_fit(images[:6], labels[:6])
    assert classifier.counts_.tolist() == [12, 6, 6, 6, 6, 6, 3]
    with pytest.raises(InputError, match="labels such as 'a', the classes so far are such as 0"):
        classifier.partial_fit(new, ["a", "b", "a"])
    with pytest.raises(InputError, match="y has 7, none of the 2 classes given"):
        classifier.partial_fit(new, [7, 1, 1], classes=[0, 1])


def test_samples_that_cannot_be_embedded_change_nothing(fitted):
    classifier = pickle.loads(pickle.dumps(fitted))
    classifier.network_.linear.bias.data.fill_(float("nan"))
    with pytest.raises(InputError, match="3 of 3 embeddings are not finite"):
        classifier.partial_fit(bars()[0][:3], [0, 1, 99])
    assert classifier.classes_.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(classifier.centroids_, fitted.centroids_)


def test_strangers_are_refused(fitted):
    images, labels = bars(seed=4)
    classifier = clone(fitted).set_params(unknown=-1, images=6_000).fit(*bars())
    assert (classifier.predict(images) == fitted.predict(images)).all()  # no threshold yet
    classifier.choose_threshold(images, labels, kept=0.9)
    right = fitted.predict(images) == labels
    kept = classifier.predict(images) == labels
    assert 0.85 <= kept.sum() / right.sum() <= 0.95
    strangers = np.full((4, SIDE, SIDE), 255, np.uint8)
    assert (classifier.predict(strangers) == -1).all()
    with pytest.raises(InputError, match="kept=0: a share"):
        classifier.choose_threshold(images, labels, kept=0)
    with pytest.raises(InputError, match="none of the 36 samples is read right"):
        classifier.choose_threshold(images, labels + 50)


def test_saved_and_loaded_in_a_new_process_gives_the_same_bits(fitted, tmp_path):
    images, labels = bars(seed=5)
    path = tmp_path / "bars.safetensors"
    fitted.save(path)
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys, torch, numpy as np; from siamese_lib import SiameseClassifier as S; "
        "folder = sys.argv[1]; torch.set_num_threads(1); "  # as in the tests
        "s = S.load(folder + '/bars.safetensors', classes=range(6)); x = np.load(folder + '/images.npy'); "
        "np.savez(folder + '/found.npz', x=s.transform(x), y=s.predict(x), c=s.classes_)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    found = np.load(tmp_path / "found.npz")
    assert np.array_equal(found["x"], fitted.transform(images))
    assert np.array_equal(found["y"], fitted.predict(images)) and found["y"].dtype == labels.dtype
    again = SiameseClassifier.load(path)
    again.save(tmp_path / "again.safetensors")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    with pytest.raises(
        InputError, match="another alphabet: 6 classes such as 0; 2 were expected, such as 'a'"
    ):
        SiameseClassifier.load(path, classes="ab")
    with pytest.raises(InputError, match="6 classes such as 0; 0 were expected$"):
        SiameseClassifier.load(path, classes=[])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="cannot be read .*it was changed after it was written"):
        SiameseClassifier.load(path)
    with pytest.raises(InputError, match="nothing.safetensors is not there"):
        SiameseClassifier.load(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("labels", [["a", "b", "a", "b"], np.array(["x", "y"] * 2, object)])
def test_labels_of_other_types_are_saved(labels, tmp_path):
    images = bars(2, 2)[0]
    classifier = SiameseClassifier(images=300).fit(images, labels)
    classifier.save(tmp_path / "s.safetensors")
    found = SiameseClassifier.load(tmp_path / "s.safetensors")
    assert found.classes_.dtype == classifier.classes_.dtype
    assert (found.predict(images) == classifier.predict(images)).all()


def test_pipeline_grid_search_and_cross_validation():
    images, labels = bars(3, 6)
    rows = images.reshape(len(images), -1)
    search = GridSearchCV(SiameseClassifier(images=600), {"rate": [3e-3, 1e-2]}, cv=2).fit(rows, labels)
    assert set(search.best_params_) == {"rate"} and search.best_estimator_.classes_.tolist() == [0, 1, 2]
    scores = cross_val_score(SiameseClassifier(images=2_000), list(images), labels, cv=3)
    assert scores.shape == (3,) and scores.mean() > 0.6
    piped = make_pipeline(MinMaxScaler(), SiameseClassifier(images=2_000)).fit(rows, labels)
    assert piped.score(rows, labels) > 0.6
    assert piped[-1].get_feature_names_out().tolist()[:2] == ["siameseclassifier0", "siameseclassifier1"]


def test_numbers_that_are_no_pixels_are_drawn():
    by_hand = drawn(np.array([[0.0, 1.0, 2.0]]), 0.0, 2.0)[0]  # squares: 0, 128, 255, and paper
    assert by_hand.shape == (SIDE, SIDE) and by_hand[0, 0] == 0 and by_hand[0, -1] == 128
    assert by_hand[-1, 0] == 255 and by_hand[-1, -1] == 0
    assert drawn(np.full((1, 5_000), 7), 7.0, 7.0).max() == 0  # one value alone is paper


@pytest.mark.parametrize(
    "X, message",
    [
        (np.zeros((4, SIDE, SIDE, 3), np.uint8), r"X holds colour images \(4, 37, 37, 3\); give grey ones"),
        (np.zeros((4, 20, 20), np.uint8), r"X holds images \(4, 20, 20\); give grey ones"),
        ([np.zeros((9, 9, 3), np.uint8)] * 4, r"picture 0 is a colour image, \(9, 9, 3\); give grey levels"),
        ([np.eye(9) * 255, np.zeros((0, 9))] * 2, r"picture 1 is empty, \(0, 9\); give grey levels"),
        ([np.zeros((9, 9), np.uint8)] * 4, "picture 0 shows nothing: its greys run from 0 to 0"),
        ([np.eye(9) * 255, 7] * 2, "picture 1 is a int; give grey levels"),
    ],
)
def test_pictures_that_cannot_be_used(X, message):
    with pytest.raises(InputError, match=message):
        SiameseClassifier().fit(X, [0, 1, 0, 1])


def test_labels_that_cannot_be_used(fitted):
    images, labels = bars()
    with pytest.raises(InputError, match="y has one class, 0; give samples of two classes or more"):
        SiameseClassifier().fit(images[:6], labels[:6])
    with pytest.raises(InputError, match="y has 77, which is none of the 6 classes; add it with add_classes"):
        fitted.score(images, np.where(labels == 3, 77, labels))
    with pytest.raises(NotFittedError):
        SiameseClassifier().predict(images)


def test_a_pretrained_network_reads_and_learns_new_characters(debian_faces):
    """Syllables in a typeface that validates, then three Latin letters from its training typefaces."""
    from siamese_lib.data.alphabet import load_rendered

    classifier = SiameseClassifier.from_pretrained("hangul-2350")
    syllables = classifier.classes_[::47].tolist()
    read = load_rendered(syllables, debian_faces["validation"][:1])
    assert classifier.score(read.images, np.array(syllables)[read.labels]) >= 0.9
    letters = load_rendered("QRS", debian_faces["train"][:3])
    names = np.array(list("QRS"))[letters.labels]
    classifier.add_classes(letters.images, names)
    assert len(classifier.classes_) == 2_353 and classifier.counts_.max() == 3
    assert classifier.score(letters.images, names) == 1
    assert classifier.score(read.images, np.array(syllables)[read.labels]) >= 0.9


def test_fitted_again_it_reads_with_the_new_network(fitted):
    images, labels = bars(seed=1)
    again = SiameseClassifier(images=2_000).fit(*bars())
    first = again.transform(images[:4])
    again.set_params(random_state=1).fit(*bars())
    assert np.abs(again.transform(images[:4]) - first).max() > 1
    assert np.allclose(again.transform(images[:4]), again.transform(images)[:4], atol=1e-3)


def test_few_images_and_many_are_read_alike(fitted):
    """Few go through onnxruntime where it is installed, and a product finds the nearest ideal vectors."""
    images, _ = bars(seed=2)
    answers, distances = fitted.predict_top_k(images, 4)
    for place in range(0, len(images), 5):
        few = fitted.predict_top_k(images[place : place + 1], 4)
        assert (few[0] == answers[place]).all() and np.allclose(few[1], distances[place], atol=1e-3)
    x = fitted.transform(images)
    every = np.linalg.norm(x[:, None] - fitted.centroids_, axis=2)
    assert (fitted.classes_[every.argsort(1)[:, :4]] == answers).all()
    assert np.allclose(np.sort(every, 1)[:, :4], distances)
    with pytest.raises(InputError, match="k=0: 1 or more"):
        fitted.predict_top_k(images, 0)


def test_unknown_is_of_the_type_of_the_labels():
    images, labels = bars(count=2)
    odd = SiameseClassifier(images=500, unknown="?").fit(images, labels)
    with pytest.raises(InputError, match=r"unknown='\?', but classes are such as 0; give one of their type"):
        odd.predict(images)
    assert set(odd.set_params(unknown=-1).predict(images)) <= {0, 1, -1}
