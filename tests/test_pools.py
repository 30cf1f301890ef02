"""Pooled batches against an explicit list of their triplets or pairs."""

import copy
import itertools

import numpy as np
import pytest
import torch
from pool_of_classes import C, generator, ideal_vectors, labels_of, logged, of_each, samples
from scipy.stats import chi2_contingency

from siamese_lib.batches import LiteralTriplets
from siamese_lib.errors import InputError
from siamese_lib.losses import ContrastiveLoss, MetricLoss, PrototypeLoss, TripletLoss
from siamese_lib.mining import (
    AutoClustering,
    AutoProbabilistic,
    DistanceBased,
    HardMining,
    UniformNegatives,
    UniformPositives,
)
from siamese_lib.pools import (
    ClassesAlone,
    ClassesWithImpostors,
    ClassesWithNegatives,
    HardestNegatives,
    Pool,
    PoolPrototypes,
    SampledNegatives,
)
from siamese_lib.statistics import ClassStatistics

LOSSES = [TripletLoss(3.0), MetricLoss(), MetricLoss(third="squared"), ContrastiveLoss(8.0)]
TRIPLET_LOSSES = LOSSES[:3]
POOL_S = 4


class Given:
    """A sampler that gives what it is told."""

    def __init__(self, classes):
        self.classes = torch.tensor(classes)

    def sample(self, _, generator):
        return self.classes


def sampled(positive, negative, k: int, hard: HardMining | None = None) -> Pool:
    filling = ClassesWithNegatives(Given(positive), Given(negative), len(positive))
    return Pool(samples(), filling, SampledNegatives(hard), k)


def hardest(classes, k: int, reach: float | None = None, widening: float = 0.05) -> Pool:
    pool = Pool(
        samples(),
        ClassesAlone(Given(classes), UniformNegatives(C), len(classes)),
        HardestNegatives(widening),
        k,
    )
    if reach is not None:
        pool.scoring.reach = torch.tensor(reach)
    return pool


def near(positives, classes: int, k: int = 2, impostors: int = 3) -> Pool:
    filling = ClassesWithImpostors(positives, DistanceBased(C, k=impostors), classes)
    return Pool(samples(), filling, HardestNegatives(), k)


def on_a_line(power: float = 1.0) -> ClassStatistics:
    return ClassStatistics(torch.arange(C, dtype=torch.float32)[:, None] ** power, torch.ones(C))


def outputs_of(part, scale: float = 3.0) -> torch.Tensor:
    return (torch.randn(len(part.images), 25, generator=generator(1)) * scale).requires_grad_()


def some_centroids() -> torch.Tensor:
    return torch.rand(C, 25, generator=generator(2)) * 3


def assert_same(got: torch.Tensor, wanted: torch.Tensor, outputs: torch.Tensor) -> None:
    """Two losses are equal, and so are their gradients."""
    torch.testing.assert_close(got, wanted)
    gradients = (torch.autograd.grad(loss, outputs)[0] for loss in (got, wanted))
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def explicit_triplets(classes: torch.Tensor, half: int) -> torch.Tensor:
    """All (A, P, N) of a pool: A and P of one class in its first half, N of the class drawn for it."""
    k = half // POOL_S
    triplets = [
        (a, p, half + a // k * k + n)
        for a, p in itertools.permutations(range(half), 2)
        for n in range(k)
        if a // k == p // k
    ]
    return torch.tensor(triplets).T


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("positive, negative", [([0, 1, 2, 3], [4, 5, 6, 7]), ([0, 1, 1, 3], [1, 0, 3, 0])])
@pytest.mark.parametrize("loss", TRIPLET_LOSSES)
@pytest.mark.parametrize("with_centroids", [False, True])
def test_pooled_loss_equals_the_explicit_triplet_list(loss, k, positive, negative, with_centroids):
    batch = sampled(positive, negative, k)
    (part,) = batch.draw(generator())
    assert len(part.images) == batch.images_a_step == 2 * POOL_S * k
    outputs, centroids = outputs_of(part), some_centroids() if with_centroids else None
    got = batch.score(loss, part, outputs, centroids)
    triplets = explicit_triplets(part.classes, POOL_S * k)
    a, p, n = (outputs[x] for x in triplets)
    wanted = loss(a, p, n, *ideal_vectors(loss, centroids, *part.classes[triplets]))
    assert_same(got.loss, wanted, outputs)
    assert got.count == triplets.shape[1] == POOL_S * k * k * (k - 1)
    d_ap, d_an = ((loss.space(a) - loss.space(x)).norm(dim=1) for x in (p, n))
    torch.testing.assert_close(got.active, (d_ap - d_an + loss.alpha > 0).float().mean())


class PairsSeen(TripletLoss):
    """Counts how often a class (as anchor) met another (as negative), where 2^a lies -2^(C + b) away."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.found = np.zeros((C, C), int)

    def from_distances(self, d_ap, d_an):
        met = torch.broadcast_tensors(d_ap, d_an)[1].flatten().long()
        anchor, negative = met % 2**C, met // 2**C
        np.add.at(self.found, (anchor.double().log2().long().numpy(), negative.double().log2().long()), 1)
        return super().from_distances(d_ap, d_an)


def class_pairs(batch, negatives_from: float, steps: int) -> np.ndarray:
    """(C, C), of all triplets that a batch scores; its negatives stand behind that share of its images."""
    loss, drawing = PairsSeen(), generator(3)
    for part in (part for _ in range(steps) for part in batch.draw(drawing)):
        negative = torch.arange(len(part.classes)) >= len(part.classes) * negatives_from
        place = torch.where(negative, -(2.0 ** (C + part.classes)), 2.0**part.classes)
        batch.score(loss, part, place[:, None].double(), None)
    return loss.found


@pytest.mark.parametrize("positives", [UniformPositives(C), AutoProbabilistic(C, gamma=2.0)])
@pytest.mark.parametrize(
    "negatives", [UniformNegatives(C), AutoClustering(C, theta=0.5, eta=5), DistanceBased(C, k=3)]
)
def test_pooled_triplets_have_the_class_pairs_of_literal_ones(positives, negatives):
    """Equal frequencies, by chi-square; with the negatives of all positives, mined ones give p = 0."""
    statistics = ClassStatistics(on_a_line(1.3).centroids, torch.linspace(1, 2, C))
    for sampler in (positives, negatives):
        sampler.update(statistics)
    literal = class_pairs(LiteralTriplets(samples(), positives, negatives, 64, 192), 2 / 3, steps=300)
    pool = Pool(samples(), ClassesWithNegatives(positives, negatives, 16), SampledNegatives(), k=2)
    pooled = class_pairs(pool, 1 / 2, steps=600)
    assert literal.sum() == 64 * 300 and pooled.sum() == 16 * 600 * 4 and (pooled % 4 == 0).all()
    both = np.stack([literal.ravel(), pooled.ravel() // 4])  # a pair of classes gives k^2 (k - 1) triplets
    assert chi2_contingency(both[:, both.any(0)]).pvalue > 0.001


def explicit_pairs(k: int = 4, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Images j > i of each of the first classes, then of the class that stands as many behind it."""
    pairs = [
        (k * s + i, far + k * s + j)
        for far in (0, classes * k)
        for s in range(classes)
        for i, j in itertools.combinations(range(k), 2)
    ]
    return tuple(torch.tensor(pairs).T)


def test_pooled_pairs_equal_the_explicit_list():
    batch = sampled([0, 1, 2], [3, 0, 5], k=4)
    (part,) = batch.draw(generator())
    outputs, loss = outputs_of(part, scale=2), ContrastiveLoss(8.0)
    i, j = explicit_pairs()
    result = batch.score(loss, part, outputs, None)
    same = part.classes[i] == part.classes[j]
    assert same.sum() == 18 and result.count == len(i) == 36
    torch.testing.assert_close(result.loss, loss(outputs[i], outputs[j], same))


@pytest.mark.parametrize("loss", TRIPLET_LOSSES)
@pytest.mark.parametrize("with_centroids", [False, True])
def test_hard_mining_in_a_pool_keeps_an_eighth_of_its_triplets(loss, with_centroids):
    batch = sampled([0, 1, 1, 3], [1, 0, 3, 0], k=3, hard=HardMining(8))
    (part,) = batch.draw(generator())
    outputs, centroids = outputs_of(part), some_centroids() if with_centroids else None
    got = batch.score(loss, part, outputs, centroids)
    triplets = explicit_triplets(part.classes, POOL_S * 3)
    every = of_each(loss)
    extra = ideal_vectors(loss, centroids, *part.classes[triplets])
    values = every(*(outputs[x] for x in triplets), *extra)
    wanted = values.sort(descending=True).values[: -(-len(values) // 8)].mean()
    assert_same(got.loss, wanted, outputs)
    assert got.count == -(-len(values) // 8)
    of_all = sampled([0, 1, 1, 3], [1, 0, 3, 0], k=3).score(loss, part, outputs, centroids)
    assert logged(got) == logged(of_all) and got.loss > of_all.loss


def test_hard_mining_of_pooled_pairs():
    batch = sampled([0, 1, 2], [3, 0, 5], k=4, hard=HardMining(8))
    (part,) = batch.draw(generator())
    outputs, (i, j) = outputs_of(part, scale=2), explicit_pairs()
    every = ContrastiveLoss(8.0, reduction="none")
    values = every(outputs[i], outputs[j], part.classes[i] == part.classes[j])
    result = batch.score(ContrastiveLoss(8.0), part, outputs, None)
    torch.testing.assert_close(result.loss, values.sort(descending=True).values[:5].mean())
    assert result.count == 5


def test_a_pool_needs_two_images_a_class():
    with pytest.raises(InputError, match="k=1"):
        sampled([0, 1], [2, 3], k=1)


def hardest_triplets(space: torch.Tensor, classes: torch.Tensor, k: int) -> torch.Tensor:
    """All (anchor, positive, hardest negative), by loops."""
    triplets = []
    for a in range(len(classes)):
        others = [n for n in range(len(classes)) if classes[n] != classes[a]]
        if others:
            n = min(others, key=lambda n: float((space[a] - space[n]).detach().norm()))
            triplets += [(a, p, n) for p in range(a // k * k, a // k * k + k) if p != a]
    return torch.tensor(triplets).T


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("classes", [[0, 1, 2, 3], [0, 1, 1, 3]])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("with_centroids", [False, True])
def test_hard_pool_equals_the_explicit_triplet_list(loss, k, classes, with_centroids):
    batch = hardest(classes, k, reach=3.0)  # the whole pool
    (part,) = batch.draw(generator())
    assert len(part.images) == batch.images_a_step == POOL_S * k
    assert torch.equal(labels_of(batch)[part.images], part.classes)
    outputs, centroids = outputs_of(part), some_centroids() if with_centroids else None
    got = batch.score(loss, part, outputs, centroids)
    triplets = hardest_triplets(loss.space(outputs), part.classes, k)
    a, p, n = (outputs[x] for x in triplets)
    if loss.takes == "pairs":
        wanted = loss(torch.cat([a, a]), torch.cat([p, n]), torch.arange(2 * len(a)) < len(a))
    else:
        wanted = loss(a, p, n, *ideal_vectors(loss, centroids, *part.classes[triplets]))
    assert_same(got.loss, wanted, outputs)
    assert got.count == triplets.shape[1] == POOL_S * k * (k - 1)
    torch.testing.assert_close(got.d_an, (loss.space(a) - loss.space(n)).norm(dim=1).mean())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("reach", [1.0, 2.4, 3.0])
def test_negatives_are_looked_for_among_the_next_classes_of_the_pool(loss, reach):
    batch = hardest([3, 0, 7, 5], k=2, reach=reach)
    (part,) = batch.draw(generator())
    outputs = outputs_of(part, scale=2)
    space, total = loss.space(outputs).detach(), 0.0
    for a in range(8):
        ahead = [2 * ((a // 2 + step) % 4) + i for step in range(1, round(reach) + 1) for i in (0, 1)]
        p, n = a ^ 1, min(ahead, key=lambda n: float((space[a] - space[n]).norm()))
        if loss.takes == "pairs":
            total += loss(outputs[[a, a]], outputs[[p, n]], torch.tensor([True, False]))
        else:
            total += loss(outputs[[a]], outputs[[p]], outputs[[n]])
    result = batch.score(loss, part, outputs, None)
    assert result.count == 8
    torch.testing.assert_close(result.loss, total / 8)


def apart_and_mixed() -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs of 4 classes x 2 images: classes 5 apart; each image on a negative and 9 from its positive."""
    apart, mixed = torch.zeros(8, 25), torch.zeros(8, 25)
    apart[:, 0] = torch.arange(4).repeat_interleave(2) * 5.0
    mixed[:, 0] = torch.tensor([0.0, 9.0]).repeat(4)
    return apart, mixed


def test_the_search_widens_while_negatives_are_farther_than_positives():
    batch = hardest([0, 1, 2, 3], k=2, widening=0.5)
    (part,) = batch.draw(generator())
    apart, mixed = apart_and_mixed()
    reached = []
    for outputs in (apart, apart, apart, mixed, mixed, mixed, mixed):
        batch.learn(batch.score(TripletLoss(3.0), part, outputs, None))
        reached.append(float(batch.scoring.reach))
    assert reached == pytest.approx([1.5, 2.25, 3, 2, 4 / 3, 1, 1])  # from 1 to all 3 other classes, and back
    other = hardest([0, 1, 2, 3], k=2)
    batch.learn(batch.score(TripletLoss(3.0), part, apart, None))
    other.load_state_dict(batch.state_dict())
    assert other.scoring.reach == batch.scoring.reach == 1.5


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "batch",
    [
        sampled([0, 1, 2, 3], [4, 5, 6, 7], k=2),
        sampled([0, 1, 2, 3], [4, 5, 6, 7], k=2, hard=HardMining(4)),
        hardest([0, 1, 2, 3], k=2, reach=2.0),
        near(Given([0, 6]), classes=8),
    ],
)
def test_scoring_has_no_side_effect(batch, loss):
    (part,) = batch.draw(generator())
    outputs, before = outputs_of(part), copy.deepcopy(batch.state_dict())
    first, second = (batch.score(loss, part, outputs, some_centroids()) for _ in range(2))
    assert torch.equal(first.loss, second.loss) and logged(first) == logged(second)
    for (name, old), (other, new) in zip(before.items(), batch.state_dict().items(), strict=True):
        assert name == other and (torch.equal(old, new) if isinstance(old, torch.Tensor) else old == new)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_hard_pool_of_one_class_gives_zero_with_a_gradient(loss):
    batch = hardest([5, 5], k=2)
    (part,) = batch.draw(generator())
    outputs = outputs_of(part)
    result = batch.score(loss, part, outputs, torch.rand(C, 25))
    result.loss.backward()
    assert result.loss == 0 and result.count == 0 and (outputs.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_hard_gradients_are_finite_where_everything_coincides(loss):
    batch = hardest([0, 1], k=2)
    (part,) = batch.draw(generator())
    outputs = torch.zeros(4, 25, requires_grad=True)
    batch.score(loss, part, outputs, loss.space(torch.zeros(C, 25))).loss.backward()
    assert torch.isfinite(outputs.grad).all()


def test_near_pools_hold_the_nearest_classes_of_the_sampled_ones():
    batch = near(Given([0, 6]), classes=8)
    (part,) = batch.draw(generator())
    assert len(part.images) == batch.images_a_step == 16
    assert part.classes[::2][:2].tolist() == [0, 6]  # the others come at random
    batch.negatives.update(on_a_line(power=1.1))
    (part,) = batch.draw(generator())
    pool = part.classes.view(4, 2, 2)[..., 0].T
    assert pool[:, 0].tolist() == [0, 6]
    assert [set(row.tolist()) for row in pool[:, 1:]] == [{1, 2, 3}, {4, 5, 7}]
    assert torch.equal(labels_of(batch)[part.images], part.classes)


def test_the_number_of_impostors_is_that_of_the_sampler():
    batch = near(Given([0, 6]), classes=6, impostors=2)
    batch.negatives.update(on_a_line(power=1.1))
    (part,) = batch.draw(generator())
    pool = part.classes.view(3, 2, 2)[..., 0].T
    assert pool[:, 0].tolist() == [0, 6] and [set(row.tolist()) for row in pool[:, 1:]] == [{1, 2}, {5, 7}]
    outcome = batch.score(MetricLoss(), part, outputs_of(part), None)
    assert outcome.count == 12 and torch.isfinite(outcome.loss)


def test_a_class_that_would_come_twice_is_replaced_at_random():
    batch = near(Given([0, 1]), classes=8)
    batch.negatives.update(on_a_line())
    seen, distinct = set(), []
    for seed in range(40):
        (part,) = batch.draw(generator(seed))
        seen |= set(part.classes.tolist())
        distinct.append(len(part.classes.unique()))
    # 0 to 3 are near; the rest is chance
    assert seen == set(range(C)) and min(distinct) >= 4 and max(distinct) == 8


@pytest.mark.parametrize("classes, impostors, multiple", [(10, 3, 4), (8, 2, 3), (12, 4, 5)])
def test_a_near_pool_needs_a_multiple_of_impostors_and_one(classes, impostors, multiple):
    wanted = f"pool of {classes} classes with impostors={impostors}: .* take a multiple of {multiple} classes"
    with pytest.raises(InputError, match=wanted):
        near(UniformPositives(C), classes, impostors=impostors)


def prototypes(classes, k: int) -> Pool:
    filling = ClassesAlone(Given(classes), UniformNegatives(C), len(classes))
    return Pool(samples(), filling, PoolPrototypes(), k)


@pytest.mark.parametrize("k", [2, 3])
def test_pool_prototypes_equal_the_loss_of_all_images(k):
    batch = prototypes([3, 0, 7, 5], k)
    (part,) = batch.draw(generator())
    outputs = outputs_of(part)
    got = batch.score(PrototypeLoss(), part, outputs, None)
    assert_same(got.loss, PrototypeLoss()(outputs, part.classes), outputs)
    x, own, other, misread = outputs.detach(), [], [], 0
    for i in range(4 * k):
        same = [j for j in range(4 * k) if j // k == i // k and j != i]
        own.append((x[i] - x[same].mean(0)).norm())
        other.append(min((x[i] - x[k * c : k * c + k].mean(0)).norm() for c in range(4) if c != i // k))
        misread += other[-1] <= own[-1]
    torch.testing.assert_close(got.d_ap, torch.stack(own).mean())
    torch.testing.assert_close(got.d_an, torch.stack(other).mean())
    assert got.count == 4 * k and got.active == misread / (4 * k)


def test_a_class_twice_in_the_pool_is_not_its_own_rival():
    """Without the second place of the class; its images still meet the other classes."""
    batch = prototypes([3, 0, 3], 2)
    (part,) = batch.draw(generator())
    outputs = outputs_of(part)
    values = [
        PrototypeLoss("none")(outputs[which], torch.tensor([0, 0, 1, 1]))[rows]
        for which, rows in (([0, 1, 2, 3], [0, 1]), ([4, 5, 2, 3], [0, 1]))
    ]
    meets_both = PrototypeLoss("none")(outputs, torch.tensor([0, 0, 1, 1, 2, 2]))[2:4]
    wanted = torch.cat([*values, meets_both]).mean()
    assert_same(batch.score(PrototypeLoss(), part, outputs, None).loss, wanted, outputs)


def test_prototypes_of_one_class_give_zero_and_finite_gradients():
    for classes, scale in (([5, 5], 1.0), ([0, 1], 0.0)):
        batch = prototypes(classes, 2)
        (part,) = batch.draw(generator())
        outputs = outputs_of(part, scale)
        result = batch.score(PrototypeLoss(), part, outputs, None)
        result.loss.backward()
        assert torch.isfinite(outputs.grad).all() and torch.isfinite(result.logged(1.0)).all()
        assert result.loss.item() == pytest.approx(0 if scale else np.log(2))


def test_a_pool_refuses_a_loss_that_it_is_not_made_for():
    for batch, loss, said in (
        (hardest([0, 1], 2), PrototypeLoss(), "PrototypeLoss takes classes, this batch is made of pairs or"),
        (
            prototypes([0, 1], 2),
            TripletLoss(1.0),
            "TripletLoss takes triplets, this batch is made of classes",
        ),
    ):
        (part,) = batch.draw(generator())
        with pytest.raises(InputError, match=said):
            batch.score(loss, part, outputs_of(part), None)
