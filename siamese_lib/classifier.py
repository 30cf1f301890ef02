"""An alphabet of one's own: siamese network and nearest ideal vector as a scikit-learn estimator."""

import math
import numbers
import os
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data
from torch import Tensor

from siamese_lib import runtime
from siamese_lib.data.labels import distinct, or_unknown, same_type, shown
from siamese_lib.data.samples import PIXELS, as_rows, drawn, scale
from siamese_lib.errors import InputError
from siamese_lib.export.onnx_graph import session_of
from siamese_lib.fitting import fit_network
from siamese_lib.model import EmbeddingNet, embed, finite
from siamese_lib.pretrained import LOSSES, load_pretrained, plain, read_card, reading, write_card

BLOCK = 1_024  # images whose distances to all classes are held at once
FEW = 16  # images that are read through onnxruntime where it is installed


class SiameseClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClassifierMixin, BaseEstimator):
    """Reads a character by the nearest ideal vector (Eq. 8) of a network that it trains on the samples.

    X is one of
    - a list of pictures of one character each, grey arrays (H, W) or paths, of any size; they are framed;
    - framed images (n, 37, 37), ink = 255, or their flat rows (n, 1369);
    - a table of other numbers (n, m): a row is drawn as m squares, and is not augmented.
    In images uint8 stays as it is, and fractions (0 to 1) have ink = 1; of other numbers the least and the
    largest of the training set become paper and ink.

    Args:
        images: how many images are trained on; 2,350 syllables in eight typefaces want 200,000.
        rate: highest learning rate.
        scan_share: share of the images that look scanned (augment.ScanAugmentation).
        framing: of pictures, `square` (stretched) or `aspect` (proportions kept).
        ink: of pictures, `dark` or `light`; None: found for each.
        unknown: answer of `predict` where the nearest ideal vector is farther than `threshold_`; None: there
            always is an answer.
        device: that `fit` trains on, `cpu` or `cuda`; None: CUDA where there is one. Reading is on the CPU.
        random_state: of weights and batches.
        verbose: whether to show a bar.

    Attributes:
        classes_: (C,) labels, sorted.
        centroids_: (C, 25) their ideal vectors.
        counts_: (C,) samples behind each.
        threshold_: see `choose_threshold`; inf before it.
        network_: the EmbeddingNet.

    Raises:
        InputError: pictures or numbers that cannot be used; the message says which.
    """

    def __init__(
        self,
        images: int = 100_000,
        rate: float = 1e-2,
        scan_share: float = 0.5,
        framing: str = "square",
        ink: str | None = None,
        unknown: object = None,
        device: str | None = None,
        random_state: int | None = 0,
        verbose: bool = False,
    ) -> None:
        self.images = images
        self.rate = rate
        self.scan_share = scan_share
        self.framing = framing
        self.ink = ink
        self.unknown = unknown
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y) -> "SiameseClassifier":
        """Train a network on samples of two classes or more.

        Args:
            X: see above.
            y: (n,) labels.
        """
        before = dict(vars(self))
        try:
            return self._fitted(X, y)
        except BaseException:  # an interrupt, too, leaves the network that was there
            vars(self).clear()
            vars(self).update(before)
            raise

    def _fitted(self, X, y) -> "SiameseClassifier":
        rows, y = validate_data(self, as_rows(X, self.framing, self.ink), y, dtype="numeric")
        labels, places = distinct(y)
        if len(labels) < 2:
            raise InputError(f"y has one class, {shown(labels[0])}; give samples of two classes or more")
        self._range = scale(rows)
        self.loss_ = "prototype"
        images = self._drawn(rows)
        self.network_ = self._trained(images, torch.from_numpy(places))
        vars(self).pop("_kept_session", None)
        self.threshold_ = math.inf
        return self._know(labels, *self._totals(images, places, len(labels)))

    def partial_fit(self, X, y, classes=None) -> "SiameseClassifier":
        """Add samples, of known classes or of new ones: ideal vectors move or are added, nothing is trained.

        Before `fit` it is `fit`.

        Args:
            X: see above.
            y: (n,) labels.
            classes: all labels that may come; not needed, and checked where given.
        """
        if classes is not None and len(strange := np.setdiff1d(y, classes)):
            raise InputError(f"y has {shown(strange[0])}, none of the {len(classes)} classes given")
        if not hasattr(self, "network_"):
            return self.fit(X, y)
        rows, y = validate_data(self, as_rows(X, self.framing, self.ink), y, dtype="numeric", reset=False)
        labels, _ = distinct(y)
        same_type(labels, self.classes_)
        every = np.union1d(self.classes_, labels)
        sums, counts = self._totals(self._drawn(rows), np.searchsorted(every, y), len(every))
        place = np.searchsorted(every, self.classes_)
        sums[place] += self._sums
        counts[place] += self.counts_
        return self._know(every, sums, counts)

    def add_classes(self, X, y) -> "SiameseClassifier":
        """`partial_fit` with new classes only: InputError where one of y is known already."""
        check_is_fitted(self)
        if len(known := np.intersect1d(y, self.classes_)):
            raise InputError(
                f"{shown(known[0])} is a class already; partial_fit adds samples to classes that there are"
            )
        return self.partial_fit(X, y)

    def choose_threshold(self, X, y, kept: float = 0.95) -> "SiameseClassifier":
        """Set `threshold_` so that of validation samples that are read right a share `kept` stays known.

        Args:
            X, y: samples that were not trained on.
            kept: share, 0 to 1.

        Raises:
            InputError: none of them is read right, or another share.
        """
        if not 0 < kept <= 1:
            raise InputError(f"kept={kept!r}: a share, above 0 and at most 1")
        answers, distances = self.predict_top_k(X, 1)
        check_consistent_length(answers, y)
        right = answers[:, 0] == np.asarray(y)
        if not right.any():
            raise InputError(f"none of the {len(right)} samples is read right, so they set no threshold")
        self.threshold_ = float(np.quantile(distances[right, 0], kept))
        return self

    def predict(self, X) -> np.ndarray:
        """(n,) labels; `unknown` where that is set and the nearest ideal vector is beyond `threshold_`."""
        answers, distances = self.predict_top_k(X, 1)
        if self.unknown is None:
            return answers[:, 0]
        return or_unknown(answers[:, 0], distances[:, 0] <= self.threshold_, self.unknown, self.classes_)

    def predict_top_k(self, X, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest classes (n, k), nearest first, and their distances (n, k); fewer where there are."""
        if not (isinstance(k, numbers.Integral) and k >= 1):
            raise InputError(f"k={k!r}: 1 or more, a whole number")
        x, k = self._transformed(X), min(k, len(self.centroids_))
        near = np.concatenate([self._nearest(x[at : at + BLOCK], k) for at in range(0, len(x), BLOCK)])
        distances = np.sqrt(np.square(x[:, None] - self.centroids_[near]).sum(2))
        if k > 1:
            order = distances.argsort(axis=1, kind="stable")
            near, distances = (np.take_along_axis(of, order, 1) for of in (near, distances))
        return self.classes_[near], distances

    def transform(self, X) -> np.ndarray:
        """(n, 25) float32: the embeddings, in whose space distances are taken."""
        return self._transformed(X)

    def _transformed(self, X) -> np.ndarray:
        """As `transform`, and an array whatever `set_output` says."""
        return self._embedded(self.framed_images(X))

    def framed_images(self, X) -> Tensor:
        """uint8 (n, 37, 37): X as the network sees it, ink = 255."""
        if not hasattr(self, "network_"):
            check_is_fitted(self)  # raises; it takes a tenth of the time of an answer
        rows = as_rows(X, self.framing, self.ink)
        pictures = isinstance(X, (list, tuple)) and isinstance(rows, np.ndarray)
        if not pictures or self.n_features_in_ != PIXELS:  # rows just made of pictures are as they should be
            rows = validate_data(self, rows, dtype="numeric", reset=False)
        return self._drawn(rows)

    def score(self, X, y, sample_weight=None) -> float:
        """Share of samples that are read right; InputError for a label that is no class.

        In a cross-validation with classes of a single sample take scoring="accuracy", which counts them as
        misread.
        """
        check_is_fitted(self)
        known = self.classes_ if self.unknown is None else np.append(self.classes_, self.unknown)
        if len(strange := np.setdiff1d(y, known)):
            raise InputError(
                f"y has {shown(strange[0])}, which is none of the {len(self.classes_)} classes; "
                "add it with add_classes, or leave it out"
            )
        return super().score(X, y, sample_weight)

    def save(self, path: str | os.PathLike) -> None:
        """Write everything into one safetensors file; with as many threads `load` gives the same bits.

        Raises:
            InputError: labels or parameters that are neither text nor numbers.
        """
        card = {
            "classes": self.labels(),
            "parameters": plain(self.get_params()),
            "type": self.classes_.dtype.str if self.classes_.dtype.kind != "O" else "O",
            "loss": self.loss_,
            "range": self._range,
            "features": self.n_features_in_,
            "threshold": None if math.isinf(self.threshold_) else self.threshold_,
        }
        tensors = {"sums": torch.from_numpy(self._sums), "counts": torch.from_numpy(self.counts_)}
        write_card(Path(path), self.network_.state_dict() | tensors, card)

    @classmethod
    def load(cls, path: str | os.PathLike, classes=None) -> "SiameseClassifier":
        """A classifier from a file of `save`.

        Args:
            path: of the file.
            classes: the alphabet that is expected, in any order; None: whatever is there.

        Raises:
            InputError: no such file, a damaged or changed one, or another alphabet.
        """
        path = Path(path)
        if not path.exists():
            raise InputError(f"{path} is not there; give a file that SiameseClassifier.save has written")
        keys = ("parameters", "classes", "type", "loss", "range", "features", "threshold")
        with reading(path, "save the classifier again"):
            tensors, card = read_card(path, keys)
            found = cls(**card["parameters"])
            totals = [tensors.pop(name).numpy() for name in ("sums", "counts")]
            found.network_ = EmbeddingNet()
            found.network_.load_state_dict(tensors)
            found.network_.eval()
            found._know(np.array(card["classes"], card["type"]), *totals)
            found._range, found.loss_ = tuple(card["range"]), card["loss"]
            found.n_features_in_ = card["features"]
            found.threshold_ = math.inf if card["threshold"] is None else card["threshold"]
        if classes is not None and set(classes) != set(found.classes_.tolist()):
            expected = sorted(set(classes), key=str)
            raise InputError(
                f"{path} knows another alphabet: {len(found.classes_)} classes such as "
                f"{shown(found.classes_[0])}; {len(expected)} were expected"
                + (f", such as {shown(expected[0])}" if expected else "")
            )
        return found

    @classmethod
    def from_pretrained(cls, name: str = "hangul-2350") -> "SiameseClassifier":
        """A classifier of a pretrained network (siamese_lib.load_pretrained), to read with or to add to.

        Its ideal vectors count as of one sample each.
        """
        given = load_pretrained(name)
        found = cls(framing=given.card["framing"])
        order = np.argsort(given.classes)
        sums = given.centroids.double().numpy()[order]
        found._know(np.array(given.classes)[order], sums, np.ones(len(order), np.int64))
        found.network_, found.loss_, found._range = given.network, given.card["loss"], (0.0, 255.0)
        found.n_features_in_, found.threshold_ = PIXELS, math.inf
        return found

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def labels(self) -> list:
        """`classes_` as a file holds them; InputError for labels that are neither text nor numbers."""
        check_is_fitted(self)
        labels = self.classes_.tolist()
        if not all(isinstance(label, (str, int, float)) for label in labels):
            raise InputError(f"labels such as {shown(labels[0])} cannot be saved; give text or numbers")
        return labels

    @property
    def _n_features_out(self) -> int:
        return self._sums.shape[1]

    def _drawn(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(drawn(rows, *self._range))

    def _trained(self, images: Tensor, labels: Tensor) -> EmbeddingNet:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        share = self.scan_share if self.n_features_in_ == PIXELS else None
        device = runtime.choose_device(self.device)
        return fit_network(images, labels, self.images, self.rate, share, seed, device, self.verbose)

    def _know(self, classes: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> "SiameseClassifier":
        """Set the classes, and the sums of the embeddings of each."""
        self.classes_, self._sums, self.counts_ = classes, sums, counts
        self.centroids_ = (sums / counts[:, None]).astype(np.float32)
        self._middle = self.centroids_.mean(0)  # products of differences from it are most exact
        self._centred = (self.centroids_ - self._middle).T.copy()
        self._halves = np.square(self._centred).sum(0) / 2
        return self

    def _nearest(self, x: np.ndarray, k: int) -> np.ndarray:
        """Numbers (n, k) of the nearest ideal vectors, in no order, by one product of matrices."""
        scores = (x - self._middle) @ self._centred - self._halves  # the larger, the nearer
        return scores.argmax(1)[:, None] if k == 1 else np.argpartition(scores, -k, axis=1)[:, -k:]

    def _embedded(self, images: Tensor) -> np.ndarray:
        if len(images) <= FEW and (session := self._session()) is not None:
            x = session.run(None, {"images": images.numpy()})[0]
            return x if np.isfinite(x).all() else finite(torch.from_numpy(x)).numpy()
        space = LOSSES[self.loss_].space
        return embed(lambda x: space(self.network_(x)), images).numpy()

    def _session(self):
        """The network in onnxruntime, which reads a single image four times as fast; None without it."""
        if "_kept_session" not in vars(self):
            self._kept_session = session_of(self.network_, self.loss_)
        return self._kept_session

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "_kept_session"}

    def _totals(self, images: Tensor, places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the embeddings of each of `count` classes, and how many there are."""
        embedded = self._embedded(images)
        sums = np.zeros((count, embedded.shape[1]))
        np.add.at(sums, places, embedded)
        return sums, np.bincount(places, minlength=count)
