"""Eq. 8: nearest ideal vector, streamed over banks of images; beside it top-5 and Recall@1."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from siamese_lib.errors import InputError, NotFinite
from siamese_lib.model import embed

BOOTSTRAP = 1000  # resamples of the classes
TIES = 0.01  # share of the images from which on ties are warned of
EXAMPLES = 16  # most frequent confusions of which an image is kept
BLOCK = 64  # rows of distances at a time
COLUMNS = 4_096  # of a block, where there are more: with 64 rows 1 MB


class LabelledImages(Protocol):
    """What is evaluated: uint8 images (N, 37, 37), labels (N,), names of the classes, and a table of facts or
    None (ImageBank is one).
    """

    images: np.ndarray
    labels: np.ndarray
    classes: list[str]
    meta: object

    def __len__(self) -> int: ...


@dataclass
class Evaluation:
    """Counts of a streamed evaluation. Class arrays are (C,), over all training classes."""

    classes: list[str]
    total: np.ndarray
    correct: np.ndarray
    top5: int = 0
    recall: int = 0
    ties: int = 0  # images as near to another ideal vector as to the nearest; they are no hits
    gallery: bool = False
    by: Mapping[str, Sequence[str]] = field(default_factory=dict)  # column of meta -> its first values
    groups: dict[str, dict[str, list[int]]] = field(
        default_factory=dict
    )  # column of meta -> value -> [correct, total]
    confusions: Counter = field(default_factory=Counter)  # (true, predicted) -> images
    examples: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)  # of confusions: an image

    def summary(self) -> dict:
        """Plain numbers for a record, in percent.

        accuracy (Eq. 8) with a 95 % interval by bootstrap over classes, top5, recall_at_1, ties, accuracy by
        font, by alphabet and by each index of a PHD08 variant, the 50 classes read worst, the 50 most
        frequent confusions.
        """
        seen = self.total > 0
        images = int(self.total.sum())
        if not images:
            raise InputError("nothing was evaluated: the test set holds no image")
        correct, total = self.correct[seen], self.total[seen]
        draws = np.random.default_rng(0).integers(0, len(total), (BOOTSTRAP, len(total)))
        resampled = 100 * correct[draws].sum(1) / total[draws].sum(1)
        low, high = np.percentile(resampled, [2.5, 97.5])
        return {
            "images": images,
            "classes": int(seen.sum()),
            "accuracy": 100 * float(correct.sum()) / images,
            "accuracy_interval": [float(low), float(high)],
            "top5": 100 * self.top5 / images,
            "recall_at_1": 100 * self.recall / images if self.gallery else None,
            "ties": 100 * self.ties / images,
            "by_font": self._shares("font") or self._shares("face"),
            "by_alphabet": self._shares("alphabet"),
            "by_variant": {
                column: self._shares(column)
                for column in self.groups
                if column not in ("font", "face", "alphabet")
            },
            "worst_classes": self._worst(50),
            "confusions": [
                [self.classes[t], self.classes[p], n] for (t, p), n in self.confusions.most_common(50)
            ],
        }

    def mistakes(self) -> np.ndarray:
        """uint8 (at most EXAMPLES, 37, 37): an image of each of the most frequent confusions, in order."""
        pairs = [pair for pair, _ in self.confusions.most_common(EXAMPLES)]
        return np.array([self.examples[pair] for pair in pairs], np.uint8)

    def class_accuracy(self) -> np.ndarray:
        """(C,) percent, NaN for a class without images."""
        return 100 * self.correct / np.where(self.total > 0, self.total, np.nan)

    def _worst(self, n: int) -> list[list]:
        """[class, accuracy, images], worst first; of equals the first class comes first."""
        accuracy = self.class_accuracy()
        order = np.argsort(accuracy, kind="stable")[: min(n, int((self.total > 0).sum()))]  # NaN sorts last
        return [[self.classes[c], float(accuracy[c]), int(self.total[c])] for c in order]

    def _shares(self, column: str) -> dict[str, dict]:
        first = list(self.by.get(column, ()))
        groups = sorted(
            self.groups.get(column, {}).items(),
            key=lambda item: (first.index(item[0]) if item[0] in first else len(first), item[0]),
        )
        return {value: {"accuracy": 100 * c / t, "images": t} for value, (c, t) in groups}


def evaluate(
    forward: Callable[[Tensor], Tensor],
    centroids: Tensor,
    classes: list[str],
    banks: Iterable[LabelledImages],
    gallery: tuple[Tensor, Tensor] | None = None,
    chunk: int = 256,
    by: Mapping[str, Sequence[str]] | None = None,
) -> Evaluation:
    """Classify every image by the nearest ideal vector among all training classes.

    Args:
        forward: images (B, 1, 37, 37) -> embeddings (B, D) in the loss's space.
        centroids: (C, D) ideal vectors of the training classes.
        classes: their C names; a bank's classes must be the same list.
        banks: test images, streamed; only one bank is in memory at a time.
        gallery: embeddings (M, D) and labels (M,) of the training samples. Recall@1 is the share of test
            images whose nearest single training sample is of their class (ours: test images of one class are
            copies of a few scans, so neighbours among them say little).
        chunk: images embedded at once.
        by: columns of the banks' meta by whose values answers are counted too, each with the values that come
            first in a summary, in their order; all others follow by name.
    """
    result = Evaluation(
        classes,
        np.zeros(len(classes), np.int64),
        np.zeros(len(classes), np.int64),
        gallery=gallery is not None,
        by=by or {},
    )
    device = centroids.device
    own = None if gallery is None else _samples_of_classes(gallery[1], len(classes))
    for bank in banks:
        if bank.classes != classes:
            raise InputError(
                f"a test bank lists {len(bank.classes)} classes other than the {len(classes)} of training; "
                "load it with the same class list"
            )
        if not len(bank):
            continue
        embeddings = embed(forward, torch.as_tensor(bank.images, device=device), chunk)
        labels = torch.as_tensor(bank.labels, device=device)
        near, tied = nearest(embeddings, centroids, min(5, len(classes)))
        hit = (near[:, 0] == labels) & ~tied
        result.ties += int(tied.sum())
        result.top5 += int((near == labels[:, None]).any(1).sum())
        if gallery is not None:
            result.recall += int(nearest_is_own(embeddings, gallery[0], own[labels]).sum())
        hit = hit.cpu().numpy()
        result.total += np.bincount(bank.labels, minlength=len(classes))
        result.correct += np.bincount(bank.labels[hit], minlength=len(classes))
        wrong = np.flatnonzero(~hit)
        pairs = list(zip(bank.labels[wrong].tolist(), near[:, 0].cpu().numpy()[wrong].tolist(), strict=True))
        result.confusions.update(pairs)
        for number, pair in zip(wrong, pairs, strict=True):
            if pair not in result.examples:
                result.examples[pair] = bank.images[number].copy()
        # counts only grow: a confusion that is among the most frequent in the end is so when it last occurs
        kept = dict(result.confusions.most_common(EXAMPLES))
        result.examples = {pair: image for pair, image in result.examples.items() if pair in kept}
        _count_groups(result, bank, hit, result.by)
    warn_of_ties(result.ties, int(result.total.sum()))
    return result


def warn_of_ties(ties: int, images: int) -> None:
    """Say so where many images are as near to two references as float32 can tell."""
    if ties > TIES * images:
        warnings.warn(
            f"{ties:,} of {images:,} images are as near to two ideal vectors as float32 can tell; they "
            "count as wrong: has the embedding collapsed?",
            stacklevel=3,
        )


def nearest(embeddings: Tensor, references: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The nearest references of each embedding.

    Args:
        embeddings: (N, D).
        references: (M, D).
        k: at most M.

    Returns:
        Numbers (N, k), nearest first, and (N,) bool: whether float32 cannot tell the nearest from the second
        (a tie).
    """
    limit = _resolution(embeddings, references)
    numbers, ties = [], []
    for scores in _scores(embeddings, references):
        best = scores.topk(min(max(k, 2), scores.shape[1]))
        numbers.append(best.indices[:, :k])
        ties.append(best.values[:, :1] - best.values[:, 1:2] <= limit)
    return torch.cat(numbers), torch.cat(ties).any(1)  # one reference alone has no tie


def nearest_is_own(embeddings: Tensor, references: Tensor, own: Tensor) -> Tensor:
    """Whether the nearest reference of each embedding is one of its own; a tie with another's is no.

    Args:
        embeddings: (N, D).
        references: (M, D).
        own: (N, j) numbers of each embedding's own references, -1 for none.

    Returns:
        (N,) bool.
    """
    limit = _resolution(embeddings, references)
    best, others = embeddings.new_full((2, len(embeddings)), -torch.inf)
    for start in range(0, len(references), COLUMNS):  # what fits in a cache, of all training samples
        for row, scores in enumerate(_scores(embeddings, references, slice(start, start + COLUMNS))):
            some = slice(row * BLOCK, row * BLOCK + len(scores))
            columns = own[some] - start
            rows, place = ((columns >= 0) & (columns < scores.shape[1]) & (own[some] >= 0)).nonzero().T
            columns = columns[rows, place]
            best[some].scatter_reduce_(0, rows, scores[rows, columns], "amax")
            scores[rows, columns] = -torch.inf
            others[some] = torch.maximum(others[some], scores.amax(1))
    return best > others + limit


def _resolution(embeddings: Tensor, references: Tensor) -> Tensor:
    """The difference of two scores (below) that rounding of the embeddings themselves can make."""
    middle = references.mean(0)
    size = torch.maximum(embeddings.norm(dim=1).max(), references.norm(dim=1).max())
    reach = (embeddings - middle).norm(dim=1).max() + (references - middle).norm(dim=1).max()
    limit = 4 * torch.finfo(embeddings.dtype).eps * size * reach
    if not torch.isfinite(limit):
        raise NotFinite(
            "distances between embeddings and references are not finite (one of these is not, or they "
            "overflow): the network has diverged; train it again with a lower learning rate"
        )
    return limit


def _scores(embeddings: Tensor, references: Tensor, some: slice = slice(None)) -> Iterator[Tensor]:
    """`BLOCK` rows of (N, M) at a time, of all references or of some; the larger, the nearer.

    The order of the distances is that of e.r - |r|^2 / 2, one product of matrices; about the mean of the
    references, where it is most exact.
    """
    middle = references.mean(0)
    r = references[some] - middle
    offset = r.square().sum(1) / -2
    for part in embeddings.split(BLOCK):
        yield torch.addmm(offset, part - middle, r.T)


def _samples_of_classes(labels: Tensor, num_classes: int) -> Tensor:
    """(M,) labels -> (C, j) numbers of each class's samples; the last is repeated where there are fewer than
    in the largest class, -1 is none.
    """
    counts = torch.bincount(labels, minlength=num_classes)
    place = torch.arange(int(counts.max()), device=labels.device).expand(num_classes, -1)
    row = (counts.cumsum(0) - counts)[:, None] + torch.minimum(place, counts[:, None] - 1).clamp(min=0)
    return torch.where(
        counts[:, None] > 0, torch.argsort(labels, stable=True)[row.clamp(max=len(labels) - 1)], -1
    )


def _count_groups(result: Evaluation, bank: LabelledImages, hit: np.ndarray, by: Iterable[str]) -> None:
    for column in by if bank.meta is not None else ():
        if column in bank.meta:
            values = bank.meta[column].to_numpy()
            for value in dict.fromkeys(values.tolist()):
                of = values == value
                counts = result.groups.setdefault(column, {}).setdefault(str(value), [0, 0])
                counts[0] += int(hit[of].sum())
                counts[1] += int(of.sum())
