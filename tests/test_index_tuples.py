"""Losses and samplers called as pytorch-metric-learning calls its own."""

import copy

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from siamese_lib import (
    AutoClustering,
    AutoProbabilistic,
    ContrastiveLoss,
    DistanceBased,
    InputError,
    MetricLoss,
    PrototypeLoss,
    TripletLoss,
    class_statistics,
)
from siamese_lib.index_tuples import ClassPairBatches, FromTuples, all_triplets, sampled_triplets

LABELS = torch.tensor([0, 0, 1, 1, 1, 2])


def batches_of(positives, negatives) -> ClassPairBatches:
    return ClassPairBatches(LABELS, positives, negatives, pairs=2, k=1, batches=1)


def outputs(n: int = 6) -> torch.Tensor:
    return torch.randn(n, 25, generator=torch.Generator().manual_seed(0)) * 3


def test_all_triplets_by_hand():
    found = {tuple(t) for t in torch.stack(all_triplets(LABELS), 1).tolist()}
    wanted = {
        (a, p, n)
        for a in range(6)
        for p in range(6)
        for n in range(6)
        if a != p and LABELS[a] == LABELS[p] and LABELS[a] != LABELS[n]
    }
    assert found == wanted and len(found) == 2 * 4 + 6 * 3


@pytest.mark.parametrize("loss", [TripletLoss(2.0), MetricLoss(), MetricLoss(xi=0.3, third="raw")])
def test_triplets_are_the_loss_itself(loss):
    x, centroids = outputs(), loss.space(outputs(3))
    a, p, n = all_triplets(LABELS)
    wrapped = FromTuples(loss)
    if loss.stability is None:
        expected = loss(x[a], x[p], x[n])
    else:
        assert torch.allclose(wrapped(x, LABELS), loss(x[a], x[p], x[n]))
        wrapped.update(class_statistics(loss.space(x), LABELS, 3))
        centroids = class_statistics(loss.space(x), LABELS, 3).centroids
        expected = loss(x[a], x[p], x[n], [centroids[LABELS[i]] for i in (a, p, n)])
    assert torch.allclose(wrapped(x, LABELS), expected)
    assert torch.allclose(wrapped(x, LABELS, (a, p, n)), expected)


def test_pairs_are_the_loss_itself():
    loss, x = ContrastiveLoss(8.0), outputs()
    a1, p, a2, n = (torch.tensor(i) for i in ([0, 2], [1, 3], [0, 4, 5], [2, 5, 1]))
    first, second = torch.cat([a1, a2]), torch.cat([p, n])
    same = torch.tensor([True, True, False, False, False])
    assert torch.allclose(FromTuples(loss)(x, LABELS, (a1, p, a2, n)), loss(x[first], x[second], same))
    triplet = tuple(torch.tensor([i]) for i in (2, 3, 5))  # as two pairs of its anchor
    expected = loss(x[[2, 2]], x[[3, 5]], torch.tensor([True, False]))
    assert torch.allclose(FromTuples(loss)(x, LABELS, triplet), expected)


def test_pairs_with_one_anchor_make_triplets():
    loss, x = TripletLoss(4.0), outputs()
    pairs = tuple(torch.tensor(i) for i in ([0, 2, 2], [1, 3, 4], [2, 0, 5], [5, 2, 0]))
    expected = loss(x[[0, 2, 2]], x[[1, 3, 4]], x[[2, 5, 5]])
    assert torch.allclose(FromTuples(loss)(x, LABELS, pairs), expected)


def test_no_tuple_is_no_loss_and_has_a_gradient():
    x, nothing = outputs().requires_grad_(), torch.zeros(0, dtype=torch.long)
    value = FromTuples(MetricLoss())(x, LABELS, (nothing, nothing, nothing))
    value.backward()
    assert value == 0 and (x.grad == 0).all()


def test_without_tuples_every_pair_counts_once():
    loss, x = ContrastiveLoss(8.0), outputs()
    i, j = torch.triu_indices(6, 6, 1)
    for labels in (LABELS, torch.arange(6)):  # also where no class has two images
        assert torch.allclose(FromTuples(loss)(x, labels), loss(x[i], x[j], labels[i] == labels[j]))


def test_ideal_vectors_are_part_of_the_state():
    x, loss = outputs().requires_grad_(), FromTuples(MetricLoss())
    fresh = FromTuples(MetricLoss())
    fresh.load_state_dict(loss.state_dict())
    assert fresh.centroids is None
    loss.update(class_statistics(loss.space(x), LABELS, 3))
    fresh.load_state_dict(copy.deepcopy(loss).state_dict())
    assert not loss.centroids.requires_grad and fresh(x, LABELS) == loss(x, LABELS)
    assert loss.double().centroids.dtype == torch.float64


@pytest.mark.parametrize("loss", [MetricLoss(), TripletLoss(10.0), ContrastiveLoss(100.0)])
def test_means_in_half_precision_do_not_overflow(loss):
    x, labels = (outputs(48) / 3).half(), torch.arange(8).repeat(6)
    assert FromTuples(loss)(x, labels).float() == pytest.approx(
        float(FromTuples(loss)(x.float(), labels)), 1e-2
    )


def test_batches_hold_each_class_with_its_negative():
    labels = torch.arange(30).repeat(5)
    negatives = DistanceBased(30, 3)
    statistics = class_statistics(outputs(150), labels, 30)
    negatives.update(statistics)
    batches = ClassPairBatches(labels, AutoProbabilistic(30), negatives, pairs=8, k=4, batches=20)
    assert len(batches) == 20
    for batch in batches:
        found = labels[batch].view(2, 8, 4)
        assert (found == found[..., :1]).all() and len(batch) == 64
        for positive, negative in zip(*found[..., 0].tolist(), strict=True):
            assert negative in negatives.impostors[positive].tolist()
        a, p, n = sampled_triplets(labels[batch], 4)
        assert len(a) == 8 * 4 * 3 * 4 and (a != p).all()
        assert (labels[batch][a] == labels[batch][p]).all()
        assert (labels[batch][n] == found[1, :, 0][a // 4]).all()
    again = ClassPairBatches(labels, AutoProbabilistic(30), negatives, pairs=8, k=4, batches=20)
    assert list(again)[-1] == batch  # the seed fixes all draws


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FromTuples(PrototypeLoss()), "PrototypeLoss takes classes; give a loss of pairs"),
        (lambda: FromTuples(TripletLoss(1.0))(outputs(), LABELS, (LABELS,) * 2), "has 2 parts"),
        (lambda: sampled_triplets(LABELS, 2), "6 labels are no batch of ClassPairBatches with k=2"),
        (lambda: sampled_triplets(LABELS[2:], 2), "are no batch of"),
        (
            lambda: FromTuples(TripletLoss(1.0))(outputs(), LABELS[:, None]),
            r"labels \(6, 1\) for 6 embeddings",
        ),
        (lambda: FromTuples(TripletLoss(1.0))(outputs(), LABELS[:4]), r"labels \(4,\) for 6 embeddings"),
        (lambda: batches_of(AutoProbabilistic(3), AutoClustering(4)), "of 3 classes for a sampler of 4"),
        (lambda: batches_of(AutoProbabilistic(2), AutoClustering(3)), "of 3 classes for a sampler of 2"),
    ],
)
def test_what_does_not_fit(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_in_the_loop_of_the_other_library():
    """Its trainer calls loss and miner as here; its losses take our batches, ours its miner's tuples."""
    from pytorch_metric_learning import losses, miners

    labels = torch.arange(12).repeat(6)
    x = torch.nn.functional.one_hot(labels, 12).float() + torch.randn(72, 12) / 4
    network = torch.nn.Linear(12, 25)
    negatives = AutoClustering(12, eta=6)
    batches = ClassPairBatches(labels, AutoProbabilistic(12), negatives, pairs=4, k=3, batches=30)
    ours, miner = FromTuples(TripletLoss(2.0)), miners.TripletMarginMiner(margin=2.0, type_of_triplets="all")
    theirs = losses.TripletMarginLoss(margin=2.0)
    optimiser = torch.optim.SGD(network.parameters(), 0.05)
    values = []
    for some, of in DataLoader(TensorDataset(x, labels), batch_sampler=batches):
        embedded = network(some)
        values.append(ours(embedded, of, miner(embedded, of)))
        optimiser.zero_grad()
        values[-1].backward()
        optimiser.step()
        assert theirs(embedded.detach(), of, sampled_triplets(of, 3)).isfinite()
    assert sum(values[-5:]) < sum(values[:5])
