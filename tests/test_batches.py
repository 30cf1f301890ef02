"""Every batch against an explicit list of its triplets or pairs."""

import itertools

import pytest
import torch

from siamese_lib.batches import ClassSamples, LiteralPairs, LiteralTriplets, PooledPairs, PooledTriplets
from siamese_lib.errors import InputError
from siamese_lib.losses import ContrastiveLoss, MetricLoss, TripletLoss
from siamese_lib.mining import UniformNegatives, UniformPositives

C, SAMPLES = 12, 6


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples() -> ClassSamples:
    labels = torch.arange(C).repeat(SAMPLES)
    return ClassSamples(labels[torch.randperm(len(labels), generator=generator(7))], C)


def make(kind, **arguments):
    return kind(samples(), UniformPositives(C), UniformNegatives(C), **arguments)


def labels_of(batch) -> torch.Tensor:
    labels = torch.empty(C * SAMPLES, dtype=torch.long)
    for c, row in enumerate(batch.samples.table):
        labels[row] = c
    return labels


class Given:
    """A sampler that draws what it is told."""

    def __init__(self, classes):
        self.classes = torch.tensor(classes)

    def sample(self, _, generator):
        return self.classes


def test_class_samples_draw_of_the_class_without_repeats():
    batch = samples()
    classes = torch.arange(C).repeat(500)
    drawn = batch.draw(classes, 4, generator())
    labels = torch.empty(C * SAMPLES, dtype=torch.long)
    labels[batch.table.flatten()] = torch.arange(C).repeat_interleave(SAMPLES)
    assert (labels[drawn] == classes[:, None]).all()
    assert all(len(set(row)) == 4 for row in drawn.tolist())
    counts = torch.bincount(drawn.flatten(), minlength=C * SAMPLES).float()
    assert (counts / counts.mean() - 1).abs().max() < 0.25  # 333 expected, sd 11


def test_a_class_with_one_sample_repeats_it():
    batch = ClassSamples(torch.tensor([0, 1, 1, 1]), 2)
    drawn = batch.draw(torch.tensor([0, 1]), 3, generator())
    assert drawn[0].tolist() == [0, 0, 0] and sorted(drawn[1].tolist()) == [1, 2, 3]


def test_a_class_without_sample_is_an_error():
    with pytest.raises(InputError, match="class 1"):
        ClassSamples(torch.tensor([0, 2]), 3)


@pytest.mark.parametrize("size, chunk", [(32, 24), (7, 1000), (13, 15), (16, 3)])
def test_literal_triplets_are_triplets(size, chunk):
    batch = make(LiteralTriplets, size=size, chunk=chunk)
    labels, parts = labels_of(batch), batch.draw(generator())
    assert sum(len(p.images) for p in parts) == 3 * size == batch.images_a_step
    assert sum(p.share for p in parts) == pytest.approx(1) and max(len(p.images) for p in parts) <= max(chunk, 3)
    for part in parts:
        a, p, n = part.images.chunk(3)
        assert torch.equal(labels[part.images], part.classes)
        assert (labels[a] == labels[p]).all() and (labels[a] != labels[n]).all() and (a != p).all()


@pytest.mark.parametrize("loss", [TripletLoss(3.0), MetricLoss()])
@pytest.mark.parametrize("with_centroids", [False, True])
def test_literal_parts_add_up_to_the_loss_of_all_triplets(loss, with_centroids):
    batch = make(LiteralTriplets, size=13, chunk=15)
    embedding = torch.randn(C * SAMPLES, 25, generator=generator(1)) * 3
    centroids = torch.rand(C, 25, generator=generator(2)) * 3 if with_centroids else None
    parts = batch.draw(generator())
    got = sum(batch.loss(loss, part, embedding[part.images], centroids).loss * part.share for part in parts)
    a, p, n = (torch.cat(x) for x in zip(*[part.images.chunk(3) for part in parts], strict=True))
    labels = labels_of(batch)
    extra = (tuple(centroids[labels[x]] for x in (a, p, n)),) if with_centroids and isinstance(loss, MetricLoss) else ()
    torch.testing.assert_close(got, loss(embedding[a], embedding[p], embedding[n], *extra))


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
    extra = (tuple(centroids[part.classes[x]] for x in triplets),) if with_centroids and isinstance(loss, MetricLoss) else ()
    wanted = loss(a, p, n, *extra)
    torch.testing.assert_close(got.loss, wanted)
    torch.testing.assert_close(torch.autograd.grad(got.loss, outputs)[0], torch.autograd.grad(wanted, outputs)[0], atol=1e-5, rtol=1e-4)
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


def test_literal_pairs_are_half_of_one_class():
    batch = make(LiteralPairs, size=20, chunk=16)
    labels, loss, embedding = labels_of(batch), ContrastiveLoss(8.0), torch.randn(C * SAMPLES, 25, generator=generator(1))
    parts = batch.draw(generator())
    i, j = (torch.cat(x) for x in zip(*[part.images.chunk(2) for part in parts], strict=True))
    same = labels[i] == labels[j]
    assert same.sum() == 10 and (i != j).all()
    got = sum(batch.loss(loss, part, embedding[part.images], None).loss * part.share for part in parts)
    torch.testing.assert_close(got, loss(embedding[i], embedding[j], same))


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


def test_a_pool_needs_two_images_a_class():
    with pytest.raises(InputError, match="k=1"):
        make(PooledTriplets, classes=2, k=1)
