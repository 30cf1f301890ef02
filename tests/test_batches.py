"""Literal batches against an explicit list of their triplets or pairs."""

import pytest
import torch
from pool_of_classes import SAMPLES, C, generator, ideal_vectors, labels_of, logged, of_each, samples

from siamese_lib.batches import ClassSamples, LiteralPairs, LiteralTriplets, MicroBatch, Outcome
from siamese_lib.errors import InputError
from siamese_lib.losses import ContrastiveLoss, MetricLoss, TripletLoss
from siamese_lib.mining import HardMining, UniformNegatives, UniformPositives


def make(kind, **arguments):
    return kind(samples(), UniformPositives(C), UniformNegatives(C), **arguments)


def members(parts: list[MicroBatch], count: int) -> list[torch.Tensor]:
    """Image numbers of a step's first members, second ones and so on."""
    return [torch.cat(x) for x in zip(*[part.images.chunk(count) for part in parts], strict=True)]


def step_loss(batch, loss, parts: list[MicroBatch], embedding, centroids) -> torch.Tensor:
    return sum(batch.score(loss, p, embedding[p.images], centroids).loss * p.share for p in parts)


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
    assert sum(p.share for p in parts) == pytest.approx(1)
    assert max(len(p.images) for p in parts) <= max(chunk, 3)
    for part in parts:
        a, p, n = part.images.chunk(3)
        assert torch.equal(labels[part.images], part.classes)
        assert (labels[a] == labels[p]).all() and (labels[a] != labels[n]).all() and (a != p).all()


@pytest.mark.parametrize("loss", [TripletLoss(3.0), MetricLoss(), MetricLoss(third="squared")])
@pytest.mark.parametrize("with_centroids", [False, True])
def test_micro_batches_add_up_to_the_loss_of_all_triplets(loss, with_centroids):
    batch = make(LiteralTriplets, size=13, chunk=15)
    embedding = torch.randn(C * SAMPLES, 25, generator=generator(1)) * 3
    centroids = torch.rand(C, 25, generator=generator(2)) * 3 if with_centroids else None
    parts = batch.draw(generator())
    got = step_loss(batch, loss, parts, embedding, centroids)
    a, p, n = members(parts, 3)
    labels = labels_of(batch)
    extra = ideal_vectors(loss, centroids, labels[a], labels[p], labels[n])
    torch.testing.assert_close(got, loss(embedding[a], embedding[p], embedding[n], *extra))


def test_literal_pairs_are_half_of_one_class():
    batch, loss = make(LiteralPairs, size=20, chunk=16), ContrastiveLoss(8.0)
    labels, embedding = labels_of(batch), torch.randn(C * SAMPLES, 25, generator=generator(1))
    parts = batch.draw(generator())
    i, j = members(parts, 2)
    same = labels[i] == labels[j]
    assert same.sum() == 10 and (i != j).all()
    got = step_loss(batch, loss, parts, embedding, None)
    torch.testing.assert_close(got, loss(embedding[i], embedding[j], same))


@pytest.mark.parametrize("loss", [TripletLoss(3.0), MetricLoss(), MetricLoss(third="squared")])
@pytest.mark.parametrize("with_centroids", [False, True])
def test_hard_mining_keeps_the_worst_triplets_of_each_micro_batch(loss, with_centroids):
    batch = make(LiteralTriplets, size=32, chunk=48, hard=HardMining(8))
    embedding = (torch.randn(C * SAMPLES, 25, generator=generator(1)) * 3).requires_grad_()
    centroids = torch.rand(C, 25, generator=generator(2)) * 3 if with_centroids else None
    every, labels = of_each(loss), labels_of(batch)
    parts = batch.draw(generator())
    assert batch.images_a_step == 96 and len(parts) == 2  # all that go through the network
    for part in parts:
        got = batch.score(loss, part, embedding[part.images], centroids)
        a, p, n = part.images.chunk(3)
        extra = ideal_vectors(loss, centroids, labels[a], labels[p], labels[n])
        values = every(embedding[a], embedding[p], embedding[n], *extra)
        torch.testing.assert_close(got.loss, values.sort(descending=True).values[:2].mean())
        assert got.count == 2
        whole = make(LiteralTriplets, size=32, chunk=48)
        of_all = whole.score(loss, part, embedding[part.images], centroids)
        assert logged(got) == logged(of_all) and got.loss > of_all.loss
        touched = torch.autograd.grad(got.loss, embedding)[0].abs().sum(1) > 0
        assert 0 < touched.sum() <= 6


def test_hard_mining_keeps_the_worst_pairs():
    batch = make(LiteralPairs, size=20, chunk=100, hard=HardMining(8))
    embedding, labels = torch.randn(C * SAMPLES, 25, generator=generator(1)), labels_of(batch)
    (part,) = batch.draw(generator())
    i, j = part.images.chunk(2)
    got = batch.score(ContrastiveLoss(8.0), part, embedding[part.images], None)
    values = ContrastiveLoss(8.0, reduction="none")(embedding[i], embedding[j], labels[i] == labels[j])
    torch.testing.assert_close(got.loss, values.sort(descending=True).values[:3].mean())
    assert got.count == 3 and got.d_ap > 0 < got.d_an  # of all pairs, whichever are kept


@pytest.mark.parametrize(
    "kind, loss, message",
    [
        (
            LiteralTriplets,
            ContrastiveLoss(8.0),
            "ContrastiveLoss takes pairs, this batch is made of triplets",
        ),
        (LiteralPairs, MetricLoss(), "MetricLoss takes triplets, this batch is made of pairs"),
    ],
)
def test_a_loss_of_the_other_kind_is_refused(kind, loss, message):
    batch = make(kind, size=6, chunk=100)
    (part,) = batch.draw(generator())
    with pytest.raises(InputError, match=message):
        batch.score(loss, part, torch.zeros(len(part.images), 25), None)


def test_what_is_logged_of_a_micro_batch():
    figures = [torch.tensor(x) for x in (4.0, 1.0, 2.0, 0.5)]
    outcome = Outcome(*figures, torch.tensor(30))
    assert outcome.logged(0.25).tolist() == [1.0, 0.25, 0.5, 0.125, 30.0]  # the count is no mean
