"""What the notebook on alphabets of one's own says of a classifier."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from siamese_lib.classifier import SiameseClassifier
from siamese_lib.data.bank import ImageBank
from siamese_lib.report.summaries import Text


def by_typeface(classifier: SiameseClassifier, banks: Iterable[ImageBank], column: str) -> pd.DataFrame:
    """How much of each typeface is read right, in percent, and its most frequent mistake.

    Args:
        classifier: a fitted one.
        banks: their classes are the classifier's.
        column: of `meta`, which names the typeface.
    """
    read = [
        pd.DataFrame(
            {"typeface": bank.meta[column], "is": bank.names, "read": classifier.predict(bank.images)}
        )
        for bank in banks
    ]
    read = pd.concat(read, ignore_index=True)
    lines = []
    for typeface, found in read.groupby("typeface", sort=False):
        wrong = found[found["is"] != found["read"]]
        pairs = (wrong["is"] + " as " + wrong["read"].astype(str)).value_counts()
        common = f"{pairs.index[0]}, {pairs.iloc[0]} times" if len(pairs) else ""
        lines.append([typeface, len(found), 100 * (1 - len(wrong) / len(found)), common])
    return pd.DataFrame(lines, columns=["typeface", "images", "read right, %", "most frequent mistake"])


def grown(before: float, classifier: SiameseClassifier, old: ImageBank, new: ImageBank) -> Text:
    """What adding classes cost the old ones, and how well the new ones are read.

    Args:
        before: share of `old` that was read right before.
        classifier: with the new classes.
        old, new: images of typefaces that it does not know.
    """
    after, fresh = (100 * classifier.score(bank.images, bank.names) for bank in (old, new))
    return Text(
        f"Of the {old.num_classes} characters that the network was trained on, {100 * before:.1f} % of "
        f"{len(old)} images were read right before and {after:.1f} % are now, among "
        f"{len(classifier.classes_)}. Of the {new.num_classes} new ones it is {fresh:.1f} % of {len(new)}."
    )


def refused(classifier: SiameseClassifier, known: ImageBank, strangers: ImageBank) -> Text:
    """How many known characters are kept and how many strangers are refused; `unknown` must be set."""
    kept, given = (classifier.predict(bank.images) for bank in (known, strangers))
    stopped = 100 * (given == classifier.unknown).mean()
    share, right = 100 * (kept != classifier.unknown).mean(), 100 * (kept == known.names).mean()
    return Text(
        f"Beyond a distance of {classifier.threshold_:.1f} there is no answer. So {stopped:.1f} % of "
        f"{len(strangers)} images of characters that the classifier does not know are refused; of "
        f"{len(known)} images of those that it knows {share:.1f} % are answered, {right:.1f} % rightly."
    )


def answers_agree(
    classifier: SiameseClassifier, images: np.ndarray, distances: np.ndarray, path: Path
) -> Text:
    """Whether another runtime names the same classes as torch.

    Args:
        classifier: what was exported.
        images: (n, 37, 37) that both were asked.
        distances: (n, C) that the runtime gave.
        path: the exported file.
    """
    same = classifier.classes_[distances.argmin(1)] == classifier.predict_top_k(images, 1)[0][:, 0]
    kilobytes = path.stat().st_size / 1000
    return Text(
        f"`{path.name}` has {kilobytes:,.0f} kB. It gives the same answer as torch to {same.sum():,} of "
        f"{len(same):,} images."
    )


def line_read(text: str, answers: Sequence[str]) -> Text:
    """What stands on a picture and what was read."""
    read = "".join(answers)
    right = sum(a == b for a, b in zip(text, read, strict=False))
    return Text(f"It says {text}\n\nRead: **{read}**\n\n{right} of {len(text)} characters are right.")
