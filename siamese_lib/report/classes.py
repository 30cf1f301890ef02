"""What the arrays of a run say of its classes: who is drawn, who is alone, whose neighbours look alike."""

from collections.abc import Sequence

import numpy as np
import torch

from siamese_lib.evaluation import nearest
from siamese_lib.report.summaries import Text


def share_of_draws(probabilities: np.ndarray, row: str) -> Text:
    """How unevenly the last update draws: the share of draws that the most drawn tenth of the classes takes.

    Args:
        probabilities: (U + 1, C), one line an update.
        row: that they are of.
    """
    last = np.sort(np.asarray(probabilities[-1], np.float64))
    tenth = 100 * last[-max(1, len(last) // 10) :].sum() / last.sum()
    return Text(
        f"**{row}**: at the end, the tenth of the classes that is drawn most often takes {tenth:.0f} % of "
        "the draws."
    )


def clustered(clusters: np.ndarray, row: str, groups: Sequence[str] | None = None) -> Text:
    """How many classes have company in their cluster.

    Args:
        clusters: (C,), the number of each class's cluster.
        row: that they are of.
        groups: of each class, its alphabet; how often two classes of a cluster share it is then said, too.
    """
    sizes = np.bincount(clusters)
    alone = int((sizes == 1).sum())
    text = (
        f"**{row}**: {alone:,} of {len(clusters):,} classes ({100 * alone / len(clusters):.0f} %) are alone "
        "in their "
        f"cluster, so all of their negatives are drawn at random; the largest cluster holds {sizes.max()}."
    )
    if groups is not None and (sizes > 1).any():
        pairs = same = 0
        for cluster in np.flatnonzero(sizes > 1):
            _, counts = np.unique(np.asarray(groups)[clusters == cluster], return_counts=True)
            pairs += sizes[cluster] * (sizes[cluster] - 1)
            same += int((counts * (counts - 1)).sum())
        text += f" Two classes of a cluster are of one alphabet in {100 * same / pairs:.0f} % of the cases."
    return Text(text)


def shared_with_neighbours(centroids: np.ndarray, groups: Sequence[str], what: str) -> Text:
    """How often the nearest other ideal vector is of a class of the same group.

    Args:
        centroids: (C, D) ideal vectors.
        groups: of each class, its layout (`plots.hangul_layout`) or its alphabet.
        what: a group is, in a word.
    """
    vectors, groups = torch.from_numpy(np.asarray(centroids, np.float32)), np.asarray(groups)
    nearest_two = nearest(vectors, vectors, 2)[0].numpy()
    own = nearest_two[:, 0] == np.arange(len(vectors))
    neighbour = np.where(own, nearest_two[:, 1], nearest_two[:, 0])
    share = 100 * (groups[neighbour] == groups).mean()
    _, counts = np.unique(groups, return_counts=True)
    chance = 100 * (counts * (counts - 1)).sum() / (len(groups) * (len(groups) - 1))
    return Text(
        f"For {share:.0f} % of the classes the nearest other ideal vector is of the same {what}; "
        f"by chance it would be {chance:.0f} %."
    )
