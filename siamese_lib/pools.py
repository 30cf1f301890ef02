"""Pooled batches (ours): a pool of classes with K images each is embedded once and gives many triplets.

A `Pool` has two parts. The first says which classes fill it: positive classes, each with the negative class
sampled for it (`ClassesWithNegatives`), on their own (`ClassesAlone`), or each with its nearest impostors
(`ClassesWithImpostors`). The second says which pairs or triplets of it count: those with the sampled
negatives (`SampledNegatives`) or with the pool's hardest (`HardestNegatives`); a loss of images among classes
meets all ideal vectors of the pool (`PoolPrototypes`). S classes have S K (K - 1) ordered same-class pairs:
anchors with their positives.
"""

import functools
from typing import Protocol

import torch
from torch import Tensor, nn

from siamese_lib.batches import ClassSamples, Loss, MicroBatch, Outcome, check_takes, pair_outcome
from siamese_lib.errors import InputError
from siamese_lib.losses import distance
from siamese_lib.mining import DistanceBased, HardMining, NegativeSampler, PositiveSampler


class Filling(Protocol):
    """Which classes fill a pool."""

    positives: PositiveSampler
    negatives: NegativeSampler
    size: int

    def draw(self, generator: torch.Generator) -> Tensor:
        """(size,) long, the classes of a pool."""


class Scoring(Protocol):
    """Which pairs, triplets or images among classes of a pool count; `made_of` says which of these it has."""

    made_of: tuple[str, ...]

    def score(self, loss: Loss, x: Tensor, classes: Tensor, k: int, centroids: Tensor | None) -> Outcome:
        """The loss's mean over them.

        Args:
            loss: of a kind that it can score.
            x: (S k, D), k embeddings of each class in the loss's space.
            classes: (S k,) their classes.
            k: images a class.
            centroids: (C, D) ideal vectors in the loss's space, or None before the first statistics.
        """

    def learn(self, outcome: Outcome, size: int) -> None:
        """What is learnt from a pool of `size` classes, once it has been scored."""


class ClassesWithNegatives:
    """`classes` of the positive sampler, then for each of them one of the negative sampler."""

    def __init__(self, positives: PositiveSampler, negatives: NegativeSampler, classes: int) -> None:
        self.positives, self.negatives, self.classes = positives, negatives, classes
        self.size = 2 * classes

    def draw(self, generator: torch.Generator) -> Tensor:
        """(size,) long, the classes of a pool."""
        positive = self.positives.sample(self.classes, generator)
        return torch.cat([positive, self.negatives.sample(positive, generator)])


class ClassesAlone:
    """`classes` of the positive sampler; the negative sampler is not asked: negatives are these."""

    def __init__(self, positives: PositiveSampler, negatives: NegativeSampler, classes: int) -> None:
        self.positives, self.negatives, self.size = positives, negatives, classes

    def draw(self, generator: torch.Generator) -> Tensor:
        """(size,) long, the classes of a pool."""
        return self.positives.sample(self.size, generator)


class ClassesWithImpostors:
    """`classes` in all: a share of them of the positive sampler, each with its k nearest impostors.

    k is what the DistanceBased sampler keeps for each class. A class that would come twice is replaced by one
    sampled uniformly; before the sampler's first update, when nothing is near yet, all impostors are. The
    classes of the positive sampler come first, then all first impostors and so on, so that the next classes
    of the pool, among which HardestNegatives begins its search, are not the near ones.

    Raises:
        InputError: `classes` is no multiple of k + 1.
    """

    def __init__(self, positives: PositiveSampler, negatives: DistanceBased, classes: int) -> None:
        self.positives, self.negatives, self.size = positives, negatives, classes
        if classes % (negatives.k + 1):
            raise InputError(
                f"a pool of {classes} classes with impostors={negatives.k}: each class brings its impostors "
                f"along: take a multiple of {negatives.k + 1} classes (2 * pool_classes) or other impostors"
            )

    def draw(self, generator: torch.Generator) -> Tensor:
        """(size,) long, the classes of a pool."""
        positive = self.positives.sample(self.size // (self.negatives.k + 1), generator)
        classes = torch.cat([positive[:, None], self.negatives.nearest(positive, generator)], 1).T.flatten()
        twice = (classes[:, None] == classes[None, :]).tril_(-1).any(1)
        other = torch.randint(
            self.negatives.num_classes, classes.shape, generator=generator, device=classes.device
        )
        return torch.where(twice, other, classes)


class Pool(nn.Module):
    """A batch of `filling.size` classes x `k` images, which are embedded together.

    Args:
        samples: the training images by class.
        filling: which classes: ClassesWithNegatives, ClassesAlone or ClassesWithImpostors.
        scoring: which pairs or triplets: SampledNegatives (of ClassesWithNegatives) or HardestNegatives; for
            a loss of images among classes PoolPrototypes.
        k: images of each class, 2 or more.

    Raises:
        InputError: k below 2: a class then has no positive pair.
    """

    def __init__(self, samples: ClassSamples, filling: Filling, scoring: Scoring, k: int) -> None:
        super().__init__()
        if k < 2:
            raise InputError(f"k={k}: a pool needs at least 2 images a class for a positive pair")
        self.samples, self.filling, self.scoring, self.k = samples, filling, scoring, k
        self.positives, self.negatives = filling.positives, filling.negatives
        self.images_a_step = filling.size * k

    def draw(self, generator: torch.Generator) -> list[MicroBatch]:
        """One micro-batch, class by class."""
        classes = self.filling.draw(generator)
        images = self.samples.draw(classes, self.k, generator)
        return [MicroBatch(images.flatten(), classes.repeat_interleave(self.k))]

    def score(
        self, loss: Loss, micro_batch: MicroBatch, outputs: Tensor, centroids: Tensor | None
    ) -> Outcome:
        """Mean over the pairs or triplets that count; see Batch.score."""
        check_takes(loss, *self.scoring.made_of)
        return self.scoring.score(loss, loss.space(outputs), micro_batch.classes, self.k, centroids)

    def learn(self, outcome: Outcome) -> None:
        """What the scoring learns."""
        self.scoring.learn(outcome, self.filling.size)


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """(n, D), (m, D) -> (n, m); by differences: exact for near points, and gradient 0 at distance zero."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _without_self(matrix: Tensor) -> Tensor:
    """(S, k, k) -> (S k, k - 1): each image's row without its own column; slices are cheap backward, too."""
    s, k, _ = matrix.shape
    return matrix.reshape(s, k * k)[:, 1:].view(s, k - 1, k + 1)[:, :, :-1].reshape(s * k, k - 1)


def _positive_distances(x: Tensor, k: int) -> Tensor:
    """(S k, D), k of each class in a row -> d_AP (S k, k - 1) of each anchor and the others of its class."""
    by_class = x.view(-1, k, x.shape[1])
    return _without_self(distance(by_class[:, :, None], by_class[:, None, :]))


def _of_positives(values: Tensor, k: int) -> Tensor:
    """A value of each image (S k,) -> those of each anchor's positives (S k, k - 1)."""
    return _without_self(values.view(-1, 1, k).expand(-1, k, -1))


class SampledNegatives:
    """The paper's distribution: a class of the pool's first half meets only the negative class drawn for it.

    Of P pairs of a class with its negative class, k images each, come P k^2 (k - 1) triplets: all ordered
    same-class pairs with all images of their negative class. Pairs: image i of a class meets the images j > i
    of its own class and of its negative class.

    Args:
        hard: which of them make the loss; default all.
    """

    made_of = "pairs", "triplets"

    def __init__(self, hard: HardMining | None = None) -> None:
        self.hard = hard

    def score(self, loss: Loss, x: Tensor, classes: Tensor, k: int, centroids: Tensor | None) -> Outcome:
        """See Scoring.score."""
        x_p, x_n = x.view(2, -1, k, x.shape[1])  # (P, k, D) each
        if loss.takes == "pairs":
            return self._pairs(loss, x_p, x_n)
        g3_p = g3_n = None
        if loss.stability is not None and centroids is not None:
            g3_p, g3_n = loss.stability(x, centroids[classes]).view(2, -1, k)
        return self._triplets(loss, x_p, x_n, g3_p, g3_n)

    def learn(self, outcome: Outcome, size: int) -> None:
        """Nothing."""

    def _pairs(self, loss: Loss, x_p: Tensor, x_n: Tensor) -> Outcome:
        i, j = torch.triu_indices(x_p.shape[1], x_p.shape[1], offset=1, device=x_p.device)
        d = torch.stack([distance(x_p[:, i], x_p[:, j]), distance(x_p[:, i], x_n[:, j])])
        same = (torch.arange(2, device=d.device) == 0)[:, None, None].expand_as(d)
        return pair_outcome(loss, d.flatten(), same.flatten(), self.hard)

    def _triplets(
        self, loss: Loss, x_p: Tensor, x_n: Tensor, g3_p: Tensor | None, g3_n: Tensor | None
    ) -> Outcome:
        """(P, k, D) images of the classes and of their negatives, and their g3 (P, k); axes are A, P, N."""
        p, k, _ = x_p.shape
        d_ap = _positive_distances(x_p.flatten(0, 1), k).view(p, k, k - 1)[..., None]
        d_an = distance(x_p[:, :, None], x_n[:, None, :])[:, :, None, :]
        values = loss.from_distances(d_ap, d_an)  # (P, k, k - 1, k)
        with torch.no_grad():
            logged = d_ap.mean(), d_an.mean(), (d_ap - d_an + loss.alpha > 0).to(d_ap.dtype).mean()
        if g3_p is not None:
            of_positives = _of_positives(g3_p.flatten(), k).view(p, k, k - 1, 1)
            g3 = g3_p[:, :, None, None], of_positives, g3_n[:, None, None, :]
            values = loss.with_stability(values, *g3)
        values = values.flatten()
        if self.hard is not None:
            values = values[self.hard(values.detach())]
        return Outcome(values.mean(), *logged, torch.full((), len(values), device=values.device))


class HardestNegatives(nn.Module):
    """Every ordered same-class pair, with the image of another class that is nearest to its anchor.

    From random weights on, the pool's hardest negatives draw everything into one point: where negatives are
    on average nearer than positives, the loss falls by shrinking all distances. So the nearest image is
    looked for among the next m classes of the pool alone. m starts at 1, which is sampling at random; a step
    whose negatives are on average farther than its positives widens the search by `widening`, up to the whole
    pool, any other narrows it by as much. A loss of pairs takes the same ones: (anchor, positive) and
    (anchor, negative).
    """

    made_of = "pairs", "triplets"

    def __init__(self, widening: float = 0.05) -> None:
        super().__init__()
        self.widening = widening
        self.register_buffer("reach", torch.ones(()))  # m

    def score(self, loss: Loss, x: Tensor, classes: Tensor, k: int, centroids: Tensor | None) -> Outcome:
        """See Scoring.score."""
        d_ap = _positive_distances(x, k)  # (S k, k - 1)
        negative, valid = self._nearest(x, classes, k)
        d_an = distance(x, x[negative])[:, None]  # (S k, 1)
        pairs = loss.takes == "pairs"
        if pairs:
            same = torch.ones_like(d_ap, dtype=torch.bool)
            values = (loss.from_distances(d_ap, same) + loss.from_distances(d_an, ~same[:, :1])) / 2
        else:
            values = loss.from_distances(d_ap, d_an)
        if loss.stability is not None and centroids is not None:
            g3 = loss.stability(x, centroids[classes])
            values = loss.with_stability(values, g3[:, None], _of_positives(g3, k), g3[negative][:, None])
        count = (k - 1) * valid.sum()
        with torch.no_grad():
            active = (d_an < loss.alpha if pairs else d_ap - d_an + loss.alpha > 0).to(x.dtype)
            logged = [(v.expand_as(d_ap) * valid).sum() / count.clamp(min=1) for v in (d_ap, d_an, active)]
        return Outcome((values * valid).sum() / count.clamp(min=1), *logged, count.long())

    @torch.no_grad()
    def learn(self, outcome: Outcome, size: int) -> None:
        """Widen or narrow the search."""
        factor = torch.where(outcome.d_an > outcome.d_ap, 1 + self.widening, 1 / (1 + self.widening))
        self.reach = (self.reach * factor).clamp(1, max(1, size - 1))

    @torch.no_grad()
    def _nearest(self, x: Tensor, classes: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """(S k,): the nearest image within reach of each; (S k, 1): 0 where there is no other class."""
        out = classes[:, None] == classes[None, :]
        out |= _ahead(len(x) // k, k, x.device) >= self.reach.round()
        negative = _distances(x, x).masked_fill_(out, float("inf")).argmin(1)
        return negative, (~out.gather(1, negative[:, None])).to(x.dtype)


class PoolPrototypes:
    """Every image against all classes of the pool: the ideal vector of each is the mean of its k images, that
    of the image's own class the mean of the k - 1 others.

    A class that is in the pool twice is not its own rival.
    """

    made_of = ("classes",)

    def score(self, loss: Loss, x: Tensor, classes: Tensor, k: int, centroids: Tensor | None) -> Outcome:
        """See Scoring.score."""
        by_class = x.view(-1, k, x.shape[1])
        total = by_class.sum(1)
        d_own = distance(by_class, (total[:, None] - by_class) / (k - 1)).flatten()
        own = torch.arange(len(total), device=x.device).repeat_interleave(k)[:, None]
        twice = (classes[:, None] == classes[None, ::k]).scatter(1, own, False)
        d = _distances(x, total / k).scatter(1, own, d_own[:, None]).masked_fill(twice, torch.inf)
        values = loss.from_distances(d, own[:, 0])
        with torch.no_grad():
            d_other = d.scatter(1, own, torch.inf).amin(1)
            there = d_other.isfinite()  # an image alone with its class has no other
            d_an = torch.where(there, d_other, 0).sum() / there.sum().clamp(min=1)
            misread = (d_other <= d_own).to(x.dtype).mean()
        count = torch.full((), len(x), device=x.device)
        return Outcome(values.mean(), d_own.detach().mean(), d_an, misread, count)

    def learn(self, outcome: Outcome, size: int) -> None:
        """Nothing."""


@functools.lru_cache(maxsize=8)
def _ahead(s: int, k: int, device: torch.device) -> Tensor:
    """(S k, S k): classes of the pool between those of two images, 0 for the next one, S - 1 for the same."""
    slot = torch.arange(s * k, device=device) // k
    return (slot[None, :] - slot[:, None] - 1) % s
