"""Eq. 3 and 4 by hand, sampled frequencies by chi-square, clusters against scipy on all distances."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist, squareform

from siamese_lib.errors import InputError
from siamese_lib.mining import (
    AutoClustering,
    AutoProbabilistic,
    DistanceBased,
    EqualGroups,
    HardMining,
    UniformNegatives,
    UniformPositives,
)
from siamese_lib.statistics import ClassStatistics


def spreads(*d: float) -> ClassStatistics:
    return ClassStatistics(torch.zeros(len(d), 2), torch.tensor(d, dtype=torch.float64))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def close(got: torch.Tensor, wanted) -> None:
    torch.testing.assert_close(got, torch.tensor(wanted, dtype=torch.float64), atol=1e-6, rtol=0)


def test_probabilities_by_hand_w_0():
    fourth_powers = [n / 354 for n in (1, 16, 81, 256)]
    for gamma, wanted in [(1.0, [0.1, 0.2, 0.3, 0.4]), (2.0, fourth_powers), (0.0, [0.25] * 4)]:
        sampler = AutoProbabilistic(4, gamma=gamma)
        close(sampler.probabilities, [0.25] * 4)  # P_0
        sampler.update(spreads(1, 2, 3, 4))
        close(sampler.probabilities, wanted)  # gamma acts twice: proportional to d^(gamma^2)


def test_probabilities_by_hand_with_memory():
    sampler = AutoProbabilistic(2, gamma=2.0, w=0.5)
    sampler.update(spreads(1, 3))
    # P = (1, 9) / 10; 0.5 P + 0.5 P_0 = (0.3, 0.7); squared (0.09, 0.49), normalised by 0.58
    close(sampler.probabilities, [0.09 / 0.58, 0.49 / 0.58])
    sampler.update(spreads(2, 2))
    first, second = 0.25 + 0.5 * 0.09 / 0.58, 0.25 + 0.5 * 0.49 / 0.58
    close(sampler.probabilities, [first**2 / (first**2 + second**2), second**2 / (first**2 + second**2)])


@pytest.mark.parametrize("seed", range(5))
def test_probabilities_equal_an_explicit_loop(seed):
    rng = np.random.default_rng(seed)
    gamma, w, n = rng.uniform(0.2, 3), rng.uniform(0, 1), 50
    sampler, previous = AutoProbabilistic(n, gamma, w), [1 / n] * n
    for _ in range(4):
        d = rng.uniform(0, 20, n)
        sampler.update(ClassStatistics(torch.zeros(n, 2), torch.from_numpy(d)))
        total = sum(value**gamma for value in d)
        previous = [
            ((1 - w) * value**gamma / total + w * old) ** gamma
            for value, old in zip(d, previous, strict=True)
        ]
        previous = [value / sum(previous) for value in previous]
        close(sampler.probabilities, previous)
        assert float(sampler.probabilities.sum()) == pytest.approx(1, abs=1e-12)


def test_extreme_spreads_neither_overflow_nor_vanish():
    sampler = AutoProbabilistic(3, gamma=10)
    for d in ([1e30, 1e30, 1e30], [1e-30, 1e-30, 1e-30]):
        sampler.update(spreads(*d))
        close(sampler.probabilities, [1 / 3] * 3)
    sampler.update(spreads(0, 0, 0))
    close(sampler.probabilities, [1 / 3] * 3)


def chi_square(drawn: torch.Tensor, expected: torch.Tensor) -> float:
    counts = np.bincount(drawn.numpy(), minlength=len(expected))
    return stats.chisquare(counts, (expected * len(drawn)).numpy()).pvalue


def test_positive_frequencies():
    g, n = generator(), 200_000
    uniform = UniformPositives(30)
    assert chi_square(uniform.sample(n, g), uniform.probabilities) > 1e-3
    sampler = AutoProbabilistic(30, gamma=1.5)
    sampler.update(ClassStatistics(torch.zeros(30, 2), torch.linspace(0.5, 4, 30)))
    assert chi_square(sampler.sample(n, g), sampler.probabilities) > 1e-3
    assert chi_square(sampler.sample(n, g), uniform.probabilities) < 1e-6  # the test can tell


def test_a_class_of_probability_zero_is_never_drawn():
    sampler = AutoProbabilistic(4)
    sampler.update(spreads(0, 1, 0, 1))
    assert set(sampler.sample(10_000, generator()).tolist()) == {1, 3}


def clustered(theta: float) -> AutoClustering:
    """Six classes: {0, 1, 2} close together, {3, 4} close together, 5 alone."""
    points = torch.tensor([[0.0], [1.0], [2.0], [50.0], [51.0], [200.0]])
    sampler = AutoClustering(6, theta=theta, eta=3)
    sampler.update(ClassStatistics(points, torch.ones(6)))
    return sampler


def test_clusters_by_hand():
    assert clustered(0.5).clusters.tolist() == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize("theta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("positive", [0, 4, 5])
def test_negative_frequencies(theta, positive):
    n, others = 60_000, [c for c in range(6) if c != positive]
    inside = {0: [1, 2], 4: [3], 5: []}[positive]
    drawn = clustered(theta).sample(torch.full((n,), positive), generator())
    share = theta if inside else 0.0
    expected = [(1 - share) / 5 + (share / len(inside) if c in inside else 0) for c in others]
    expected = np.array(expected)
    assert (drawn != positive).all()
    counts = np.bincount(drawn.numpy(), minlength=6)[others]
    keep = expected > 0
    assert counts[~keep].sum() == 0
    if keep.sum() > 1:
        assert stats.chisquare(counts[keep], expected[keep] * n).pvalue > 1e-3


def test_uniform_negatives():
    positive = torch.arange(7).repeat(20_000)
    drawn = UniformNegatives(7).sample(positive, generator())
    assert (drawn != positive).all()
    for c in range(7):
        counts = np.bincount(drawn[positive == c].numpy(), minlength=7)
        assert stats.chisquare(np.delete(counts, c)).pvalue > 1e-3


@pytest.mark.parametrize(
    "sampler", [UniformNegatives(2), AutoClustering(2, theta=1.0), AutoClustering(300, theta=0.5, eta=200)]
)
def test_negatives_never_equal_positives(sampler):
    g, classes = generator(1), sampler.num_classes
    sampler.update(ClassStatistics(torch.randn(classes, 5, generator=g), torch.ones(classes)))
    positive = torch.randint(classes, (50_000,), generator=g)
    drawn = sampler.sample(positive, g)
    assert (drawn != positive).all() and drawn.min() >= 0 and drawn.max() < classes


@pytest.mark.parametrize("classes, eta", [(40, 15), (700, 600), (700, 0), (5, 1000)])
def test_clusters_equal_scipys_components_of_all_distances(classes, eta):
    points = torch.randn(classes, 25, generator=generator(2))
    sampler = AutoClustering(classes, eta=eta)
    sampler.update(ClassStatistics(points, torch.ones(classes)))
    d = squareform(pdist(points.double().numpy()))
    i, j = np.triu_indices(classes, 1)
    smallest = np.argsort(d[i, j], kind="stable")[:eta]
    graph = coo_array((np.ones(len(smallest)), (i[smallest], j[smallest])), shape=(classes, classes))
    assert sampler.clusters.tolist() == connected_components(graph, directed=False)[1].tolist()


def test_states_come_back():
    for sampler, other in [
        (clustered(0.5), AutoClustering(6, 0.5, 3)),
        (AutoProbabilistic(4), AutoProbabilistic(4)),
    ]:
        if isinstance(sampler, AutoProbabilistic):
            sampler.update(spreads(1, 2, 3, 9))
        other.load_state_dict(sampler.state_dict())
        arguments = (torch.tensor([0, 3, 5] * 9),) if isinstance(sampler, AutoClustering) else (30,)
        assert torch.equal(sampler.sample(*arguments, generator(5)), other.sample(*arguments, generator(5)))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: AutoProbabilistic(5, gamma=-1), "gamma=-1"),
        (lambda: AutoProbabilistic(5, w=1.5), "w=1.5"),
        (lambda: AutoProbabilistic(3).update(spreads(1, 2)), r"\(2,\)"),
        (lambda: AutoProbabilistic(2).update(spreads(1, float("nan"))), "finite"),
        (lambda: AutoClustering(5, theta=2), "theta=2"),
        (lambda: AutoClustering(5, eta=1.5), "eta=1.5"),
        (lambda: AutoClustering(5).update(spreads(1, 2)), "2 classes for a sampler of 5"),
        (lambda: UniformNegatives(1), "num_classes=1"),
        (lambda: UniformPositives(0), "num_classes=0"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_distance_based_by_hand():
    """Classes on a line at 0, 1, 3, 7: of class 0 the impostors 1 and 2 lie at 1 and 3, so come 3 : 1."""
    sampler = DistanceBased(4, k=2)
    before = torch.bincount(sampler.sample(torch.zeros(30_000, dtype=torch.long), generator()), minlength=4)
    assert before[0] == 0 and stats.chisquare(before[1:].numpy()).pvalue > 0.001  # nothing is near yet
    sampler.update(ClassStatistics(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.ones(4)))
    assert sampler.impostors.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    drawn = torch.bincount(sampler.sample(torch.zeros(40_000, dtype=torch.long), generator()), minlength=4)
    assert drawn[0] == drawn[3] == 0 and stats.chisquare(drawn[1:3].numpy(), [30_000, 10_000]).pvalue > 0.001


@pytest.mark.parametrize("centroids", [torch.zeros(5, 3), torch.randn(5, 3, generator=generator(3))])
def test_distance_based_never_draws_the_class_itself(centroids):
    sampler = DistanceBased(5, k=100)  # more than there are
    sampler.update(ClassStatistics(centroids, torch.ones(5)))
    positive = torch.arange(5).repeat(2000)
    negative = sampler.sample(positive, generator())
    assert (negative != positive).all() and set(negative.tolist()) == set(range(5))
    near = sampler.nearest(positive, generator())
    assert (near != positive[:, None]).all() and near.shape[1] == sampler.k == 4
    assert all(len(set(row)) == 4 for row in near.tolist())


def test_distance_based_state_goes_through_a_checkpoint():
    sampler, other = DistanceBased(6, k=2), DistanceBased(6, k=2)
    other.load_state_dict(sampler.state_dict())  # before the first update
    assert other.impostors is None
    sampler.update(ClassStatistics(torch.randn(6, 3, generator=generator(1)), torch.ones(6)))
    other.load_state_dict(sampler.state_dict())
    positive = torch.arange(6).repeat(10)
    assert torch.equal(sampler.sample(positive, generator()), other.sample(positive, generator()))


def test_distance_based_refuses():
    with pytest.raises(InputError, match="k=0"):
        DistanceBased(5, k=0)
    with pytest.raises(InputError, match="statistics of 4 classes for a sampler of 5"):
        DistanceBased(5).update(ClassStatistics(torch.zeros(4, 2), torch.ones(4)))
    learned = DistanceBased(12, k=8)
    learned.update(ClassStatistics(torch.randn(12, 2), torch.ones(12)))
    for other in (DistanceBased(12, k=3), DistanceBased(30, k=8)):
        with pytest.raises(InputError, match=r"a state of impostors \(12, 8\) for a sampler of"):
            other.load_state_dict(learned.state_dict())


GROUPS = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])


def test_equal_groups_by_hand():
    sampler = EqualGroups(AutoProbabilistic(8), GROUPS)
    close(sampler.probabilities, [1 / 15] * 5 + [1 / 6] * 2 + [1 / 3])
    sampler.update(spreads(1, 1, 2, 2, 4, 3, 1, 100))
    # 1/3 for each group, Eq. 4 within it; P_k itself is what it would be alone
    close(sampler.probabilities, [k / 30 for k in (1, 1, 2, 2, 4)] + [3 / 12, 1 / 12, 1 / 3])
    close(sampler.inner.probabilities * 114, [1, 1, 2, 2, 4, 3, 1, 100])


@pytest.mark.parametrize("inner", [UniformPositives, AutoProbabilistic])
def test_each_group_has_equal_weight(inner):
    sampler = EqualGroups(inner(8), GROUPS)
    sampler.update(spreads(1, 1, 2, 2, 4, 3, 1, 100))
    drawn = torch.bincount(sampler.sample(30_000, generator()), minlength=8)
    without = torch.bincount(inner(8).sample(30_000, generator()), minlength=8)
    by_group, biased = (
        torch.zeros(3, dtype=torch.long).index_add_(0, GROUPS, n).numpy() for n in (drawn, without)
    )
    assert stats.chisquare(by_group).pvalue > 1e-3
    assert stats.chisquare(biased).pvalue < 1e-3  # the same test refuses a sampler without groups
    assert stats.chisquare(drawn.numpy(), (sampler.probabilities * 30_000).numpy()).pvalue > 1e-3


def test_equal_groups_state_and_bad_input():
    sampler, other = (EqualGroups(AutoProbabilistic(8), GROUPS) for _ in range(2))
    sampler.update(spreads(1, 1, 2, 2, 4, 3, 1, 100))
    other.load_state_dict(sampler.state_dict())
    assert torch.equal(other.probabilities, sampler.probabilities)
    assert torch.equal(other.sample(50, generator(3)), sampler.sample(50, generator(3)))
    for groups in (GROUPS[:7], GROUPS + 1):
        with pytest.raises(InputError, match="one group a class, and no group without a class"):
            EqualGroups(UniformPositives(8), groups)


def test_hard_mining_keeps_the_largest_losses():
    losses = torch.tensor([3.0, 9.0, 0.0, 9.0, 5.0, 1.0, 2.0, 4.0, 6.0])
    assert HardMining(8)(losses).tolist() == [1, 3]  # of equals the first; 9 / 8 is rounded up
    assert HardMining(4)(losses).tolist() == [1, 3, 8]
    assert sorted(HardMining(1)(losses).tolist()) == list(range(9))
    assert HardMining()(losses[:1]).tolist() == [0] and HardMining()(losses[:0]).tolist() == []
    assert HardMining().ratio == 8
    for ratio in (0, 1.5, -8):
        with pytest.raises(InputError, match=f"ratio={ratio}: a whole number, 1 or more"):
            HardMining(ratio)
