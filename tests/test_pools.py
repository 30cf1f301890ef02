"""Pooled batches against an explicit list of their triplets or pairs."""

import itertools

import pytest
import torch
from pool_of_classes import C, generator, labels_of, samples

from siamese_lib.errors import InputError
from siamese_lib.losses import ContrastiveLoss, MetricLoss, TripletLoss
from siamese_lib.mining import DistanceBased, HardMining, UniformNegatives, UniformPositives
from siamese_lib.pools import PooledHard, PooledNear, PooledPairs, PooledTriplets
from siamese_lib.statistics import ClassStatistics


class Given:
    """A sampler that draws what it is told."""

    def __init__(self, classes):
        self.classes = torch.tensor(classes)

    def sample(self, _, generator):
        return self.classes


def explicit_triplets(classes: torch.Tensor, half: int) -> list[tuple[int, int, int]]:
    """All (anchor, positive, negative) of a pool: anchor and positive in one slot of the positives, negative of another class."""
    slot = torch.arange(len(classes)) // (half // POOL_S)
    return [
        (a, p, n)
        for a, p in itertools.permutations(range(half), 2)
        for n in range(half, len(classes))
        if slot[a] == slot[p] and classes[n] != classes[a]
    ]


POOL_S = 4


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("positive, negative", [([0, 1, 2, 3], [4, 5, 6, 7]), ([0, 1, 1, 3], [1, 0, 3, 3])])
@pytest.mark.parametrize("loss", [TripletLoss(3.0), MetricLoss()])
@pytest.mark.parametrize("with_centroids", [False, True])
def test_pooled_loss_equals_the_explicit_triplet_list(loss, k, positive, negative, with_centroids):
    batch = PooledTriplets(samples(), Given(positive), Given(negative), classes=POOL_S, k=k)
    (part,) = batch.draw(generator())
    assert len(part.images) == batch.images_a_step == 2 * POOL_S * k
    outputs = (torch.randn(len(part.images), 25, generator=generator(1)) * 3).requires_grad_()
    centroids = torch.rand(C, 25, generator=generator(2)) * 3 if with_centroids else None
    got = batch.loss(loss, part, outputs, centroids)
    triplets = torch.tensor(explicit_triplets(part.classes, POOL_S * k)).T
    a, p, n = (outputs[x] for x in triplets)
    extra = (
        (tuple(centroids[part.classes[x]] for x in triplets),)
        if with_centroids and isinstance(loss, MetricLoss)
        else ()
    )
    wanted = loss(a, p, n, *extra)
    torch.testing.assert_close(got.loss, wanted)
    torch.testing.assert_close(
        torch.autograd.grad(got.loss, outputs)[0],
        torch.autograd.grad(wanted, outputs)[0],
        atol=1e-5,
        rtol=1e-4,
    )
    assert got.count == triplets.shape[1]
    d_ap, d_an = ((loss.space(a) - loss.space(x)).norm(dim=1) for x in (p, n))
    torch.testing.assert_close(got.active, (d_ap - d_an + loss.alpha > 0).float().mean())


def test_pool_without_a_valid_triplet_gives_zero_with_a_gradient():
    batch = PooledTriplets(samples(), Given([5, 5]), Given([5, 5]), classes=2, k=2)
    (part,) = batch.draw(generator())
    outputs = torch.randn(8, 25, requires_grad=True)
    result = batch.loss(MetricLoss(), part, outputs, torch.rand(C, 25))
    result.loss.backward()
    assert result.loss == 0 and result.count == 0 and (outputs.grad == 0).all()


def test_pooled_pairs_equal_the_explicit_list():
    batch = PooledPairs(samples(), Given([0, 1, 2]), Given([3, 0, 5]), classes=3, k=4)
    (part,) = batch.draw(generator())
    outputs, loss = torch.randn(24, 25, generator=generator(1)) * 2, ContrastiveLoss(8.0)
    pairs = [(4 * s + i, 4 * s + j) for s in range(3) for i in range(4) for j in range(i + 1, 4)]
    pairs += [(4 * s + i, 12 + 4 * s + j) for s in range(3) for i in range(4) for j in range(i + 1, 4)]
    i, j = torch.tensor(pairs).T
    result = batch.loss(loss, part, outputs, None)
    same = part.classes[i] == part.classes[j]
    assert same.sum() == 18 and result.count == len(pairs) == 36
    torch.testing.assert_close(result.loss, loss(outputs[i], outputs[j], same))


@pytest.mark.parametrize("loss", [TripletLoss(3.0), MetricLoss()])
@pytest.mark.parametrize("with_centroids", [False, True])
def test_hard_mining_in_a_pool_keeps_an_eighth_of_its_triplets(loss, with_centroids):
    batch = PooledTriplets(
        samples(), Given([0, 1, 1, 3]), Given([1, 0, 3, 3]), classes=POOL_S, k=3, hard=HardMining(8)
    )
    (part,) = batch.draw(generator())
    outputs = (torch.randn(len(part.images), 25, generator=generator(1)) * 3).requires_grad_()
    centroids = torch.rand(C, 25, generator=generator(2)) * 3 if with_centroids else None
    got = batch.loss(loss, part, outputs, centroids)
    every = type(loss)(alpha=loss.alpha, reduction="none")
    triplets = torch.tensor(explicit_triplets(part.classes, POOL_S * 3)).T
    extra = (
        (tuple(centroids[part.classes[x]] for x in triplets),)
        if with_centroids and isinstance(loss, MetricLoss)
        else ()
    )
    values = every(*(outputs[x] for x in triplets), *extra)
    wanted = values.sort(descending=True).values[: -(-len(values) // 8)].mean()
    torch.testing.assert_close(got.loss, wanted)
    torch.testing.assert_close(
        torch.autograd.grad(got.loss, outputs)[0],
        torch.autograd.grad(wanted, outputs)[0],
        atol=1e-5,
        rtol=1e-4,
    )
    assert got.count == -(-len(values) // 8)
    all_of_them = PooledTriplets(
        samples(), Given([0, 1, 1, 3]), Given([1, 0, 3, 3]), classes=POOL_S, k=3
    ).loss(loss, part, outputs, centroids)
    assert (got.d_ap, got.d_an, got.active) == (
        all_of_them.d_ap,
        all_of_them.d_an,
        all_of_them.active,
    ) and got.loss > all_of_them.loss


def test_hard_mining_in_a_pool_without_a_valid_triplet():
    batch = PooledTriplets(samples(), Given([5, 5]), Given([5, 5]), classes=2, k=2, hard=HardMining())
    (part,) = batch.draw(generator())
    outputs = torch.randn(8, 25, requires_grad=True)
    result = batch.loss(MetricLoss(), part, outputs, torch.rand(C, 25))
    result.loss.backward()
    assert result.loss == 0 and result.count == 0 and (outputs.grad == 0).all()


def test_hard_mining_of_pooled_pairs():
    batch = PooledPairs(samples(), Given([0, 1, 2]), Given([3, 0, 5]), classes=3, k=4, hard=HardMining(8))
    (part,) = batch.draw(generator())
    outputs = torch.randn(24, 25, generator=generator(1)) * 2
    pairs = [
        (4 * s + i, far + 4 * s + j)
        for far in (0, 12)
        for s in range(3)
        for i in range(4)
        for j in range(i + 1, 4)
    ]
    i, j = torch.tensor(pairs).T
    values = ContrastiveLoss(8.0, reduction="none")(
        outputs[i], outputs[j], part.classes[i] == part.classes[j]
    )
    result = batch.loss(ContrastiveLoss(8.0), part, outputs, None)
    torch.testing.assert_close(result.loss, values.sort(descending=True).values[:5].mean())
    assert result.count == 5


def test_a_pool_needs_two_images_a_class():
    with pytest.raises(InputError, match="k=1"):
        PooledTriplets(samples(), UniformPositives(C), UniformNegatives(C), classes=2, k=1)


def hardest_triplets(space: torch.Tensor, classes: torch.Tensor, k: int) -> list[tuple[int, int, int]]:
    """All (anchor, positive, hardest negative), by loops."""
    found = []
    for a in range(len(classes)):
        others = [n for n in range(len(classes)) if classes[n] != classes[a]]
        if others:
            n = min(others, key=lambda n: float((space[a] - space[n]).detach().norm()))
            found += [(a, p, n) for p in range(a // k * k, a // k * k + k) if p != a]
    return found


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("drawn", [[0, 1, 2, 3], [0, 1, 1, 3]])
@pytest.mark.parametrize("loss", [TripletLoss(3.0), MetricLoss(), ContrastiveLoss(8.0)])
@pytest.mark.parametrize("with_centroids", [False, True])
def test_hard_pool_equals_the_explicit_triplet_list(loss, k, drawn, with_centroids):
    batch = PooledHard(samples(), Given(drawn), UniformNegatives(C), classes=POOL_S, k=k)
    batch.reach = torch.tensor(3.0)  # the whole pool
    (part,) = batch.draw(generator())
    assert len(part.images) == batch.images_a_step == POOL_S * k and torch.equal(
        labels_of(batch)[part.images], part.classes
    )
    outputs = (torch.randn(len(part.images), 25, generator=generator(1)) * 3).requires_grad_()
    centroids = torch.rand(C, 25, generator=generator(2)) * 3 if with_centroids else None
    got = batch.loss(loss, part, outputs, centroids)
    triplets = torch.tensor(hardest_triplets(loss.space(outputs), part.classes, k)).T
    a, p, n = (outputs[x] for x in triplets)
    if isinstance(loss, ContrastiveLoss):
        wanted = loss(torch.cat([a, a]), torch.cat([p, n]), torch.arange(2 * len(a)) < len(a))
    else:
        extra = (
            (tuple(centroids[part.classes[x]] for x in triplets),)
            if with_centroids and isinstance(loss, MetricLoss)
            else ()
        )
        wanted = loss(a, p, n, *extra)
    torch.testing.assert_close(got.loss, wanted)
    torch.testing.assert_close(
        torch.autograd.grad(got.loss, outputs)[0],
        torch.autograd.grad(wanted, outputs)[0],
        atol=1e-5,
        rtol=1e-4,
    )
    assert got.count == triplets.shape[1] == POOL_S * k * (k - 1)
    torch.testing.assert_close(got.d_an, (loss.space(a) - loss.space(n)).norm(dim=1).mean())


@pytest.mark.parametrize("loss", [TripletLoss(3.0), MetricLoss(), ContrastiveLoss(8.0)])
@pytest.mark.parametrize("reach", [1.0, 2.4, 3.0])
def test_negatives_are_looked_for_among_the_next_classes_of_the_pool(loss, reach):
    batch = PooledHard(samples(), Given([3, 0, 7, 5]), UniformNegatives(C), classes=4, k=2)
    batch.reach = torch.tensor(reach)
    (part,) = batch.draw(generator())
    outputs = torch.randn(8, 25, generator=generator(1)) * 2
    space, total = loss.space(outputs), 0.0
    for a in range(8):
        near = [2 * ((a // 2 + step) % 4) + i for step in range(1, round(reach) + 1) for i in (0, 1)]
        p, n = a ^ 1, min(near, key=lambda n: float((space[a] - space[n]).norm()))
        if isinstance(loss, ContrastiveLoss):
            total += loss(outputs[[a, a]], outputs[[p, n]], torch.tensor([True, False]))
        else:
            total += loss(outputs[[a]], outputs[[p]], outputs[[n]])
    result = batch.loss(loss, part, outputs, None)
    assert result.count == 8
    torch.testing.assert_close(result.loss, total / 8)


def test_the_search_widens_while_negatives_are_farther_than_positives():
    batch = PooledHard(samples(), Given([0, 1, 2, 3]), UniformNegatives(C), classes=4, k=2, widening=0.5)
    (part,) = batch.draw(generator())
    apart = torch.zeros(8, 25)
    apart[:, 0] = torch.arange(4).repeat_interleave(2) * 5.0  # positives coincide, classes lie 5 apart
    mixed = torch.zeros(8, 25)
    mixed[:, 0] = torch.tensor([0.0, 9.0]).repeat(
        4
    )  # each negative coincides with an anchor, each positive is 9 away
    reached = []
    for outputs in (apart, apart, apart, mixed, mixed, mixed, mixed):
        batch.loss(TripletLoss(3.0), part, outputs, None)
        reached.append(float(batch.reach))
    assert reached == pytest.approx([1.5, 2.25, 3, 2, 4 / 3, 1, 1])  # from 1 to all 3 other classes, and back
    other = PooledHard(samples(), Given([0, 1, 2, 3]), UniformNegatives(C), classes=4, k=2)
    batch.loss(TripletLoss(3.0), part, apart, None)
    other.load_state_dict(batch.state_dict())
    assert other.reach == batch.reach == 1.5


@pytest.mark.parametrize("loss", [TripletLoss(3.0), MetricLoss(), ContrastiveLoss(8.0)])
def test_a_hard_pool_of_one_class_gives_zero_with_a_gradient(loss):
    batch = PooledHard(samples(), Given([5, 5]), UniformNegatives(C), classes=2, k=2)
    (part,) = batch.draw(generator())
    outputs = torch.randn(4, 25, requires_grad=True)
    result = batch.loss(loss, part, outputs, torch.rand(C, 25))
    result.loss.backward()
    assert result.loss == 0 and result.count == 0 and (outputs.grad == 0).all()


@pytest.mark.parametrize("loss", [TripletLoss(3.0), MetricLoss(), ContrastiveLoss(8.0)])
def test_hard_gradients_are_finite_where_everything_coincides(loss):
    batch = PooledHard(samples(), Given([0, 1]), UniformNegatives(C), classes=2, k=2)
    (part,) = batch.draw(generator())
    outputs = torch.zeros(4, 25, requires_grad=True)
    batch.loss(loss, part, outputs, loss.space(torch.zeros(C, 25))).loss.backward()
    assert torch.isfinite(outputs.grad).all()


def test_near_pools_hold_the_nearest_classes_of_the_drawn_ones():
    line = ClassStatistics(torch.arange(C, dtype=torch.float32)[:, None] ** 1.1, torch.ones(C))
    batch = PooledNear(samples(), Given([0, 6]), DistanceBased(C, k=3), classes=8, k=2)
    (part,) = batch.draw(generator())
    assert len(part.images) == batch.images_a_step == 16 and part.classes[::2][:2].tolist() == [
        0,
        6,
    ]  # the others are drawn at random
    batch.negatives.update(line)
    (part,) = batch.draw(generator())
    pool = part.classes.view(4, 2, 2)[..., 0].T
    assert pool[:, 0].tolist() == [0, 6] and [set(row.tolist()) for row in pool[:, 1:]] == [
        {1, 2, 3},
        {4, 5, 7},
    ]
    assert torch.equal(labels_of(batch)[part.images], part.classes)


def test_a_class_that_would_come_twice_is_replaced_at_random():
    line = ClassStatistics(torch.arange(C, dtype=torch.float32)[:, None], torch.ones(C))
    batch = PooledNear(samples(), Given([0, 1]), DistanceBased(C, k=3), classes=8, k=2)
    batch.negatives.update(line)
    seen, distinct = set(), []
    for seed in range(40):
        (part,) = batch.draw(generator(seed))
        seen |= set(part.classes.tolist())
        distinct.append(len(part.classes.unique()))
    assert (
        seen == set(range(C)) and min(distinct) >= 4 and max(distinct) == 8
    )  # 0 to 3 are near; the rest is chance


def test_a_near_pool_needs_a_multiple_of_four_classes():
    with pytest.raises(InputError, match="pool_classes=10"):
        PooledNear(samples(), UniformPositives(C), DistanceBased(C), classes=10, k=2)
