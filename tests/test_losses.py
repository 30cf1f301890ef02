"""Values worked out by hand, explicit loops over random inputs, gradients where points coincide."""

import math

import pytest
import torch

from siamese_lib.errors import InputError
from siamese_lib.losses import ContrastiveLoss, MetricLoss, PrototypeLoss, TripletLoss

LN2 = math.log(2)


def softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0)


def euclid(x, y) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))


def inverse_softplus(a: float) -> float:
    """x with log(1 + e^x) = a."""
    return math.log(math.expm1(a))


def points(*rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_contrastive_by_hand():
    x_i, x_j = points([0, 0], [0, 0], [1, 1]), points([3, 4], [3, 4], [1, 13])
    same = torch.tensor([True, False, False])
    values = ContrastiveLoss(8.0, "none")(x_i, x_j, same)
    torch.testing.assert_close(values, torch.tensor([25.0, 9.0, 0.0], dtype=torch.float64), atol=1e-6, rtol=0)
    assert ContrastiveLoss(8.0)(x_i, x_j, same).item() == pytest.approx(34 / 3, abs=1e-6)


def test_triplet_by_hand_distances_are_not_squared():
    a, p, n = points([0, 0], [0, 0]), points([3, 4], [0, 1]), points([0, 6], [9, 12])
    values = TripletLoss(2.0, "none")(a, p, n)
    torch.testing.assert_close(values, torch.tensor([1.0, 0.0], dtype=torch.float64), atol=1e-6, rtol=0)


def test_metric_loss_by_hand():
    # Outputs for which a(x) = log(1 + e^x) gives round points (1, 1), (4, 5), (1, 13): d_AP = 5, d_AN = 12.
    a, p, n = (points([inverse_softplus(u), inverse_softplus(v)]) for u, v in ((1, 1), (4, 5), (1, 13)))
    g1, g2 = 0.1 * 5, softplus(5 - 12 + 10)
    assert MetricLoss()(a, p, n).item() == pytest.approx(g1**2 + g2**2, abs=1e-6)
    c = (points([1, 1]), points([1, 1]), points([1, 10]))  # distances 0, 5 and 3
    assert MetricLoss()(a, p, n, c).item() == pytest.approx(g1**2 + g2**2 + 0 + 5 + 3, abs=1e-6)
    g1, g2 = 0.3 * 5, 0.5 * softplus(5 - 12 + 4)
    value = MetricLoss(rho=0.3, tau=0.5, xi=2.0, alpha=4.0)(a, p, n, c).item()
    assert value == pytest.approx(g1**2 + g2**2 + 2 * 8, abs=1e-6)


def test_metric_loss_of_coinciding_points_by_hand():
    x = points([0, 0, 0])
    assert MetricLoss(alpha=0.0)(x, x, x).item() == pytest.approx(LN2**2, abs=1e-6)  # g2 = a(0) = ln 2
    c = (torch.zeros_like(x),) * 3  # a(0) = ln 2 in each of three coordinates
    value = MetricLoss(alpha=0.0)(x, x, x, c).item()
    assert value == pytest.approx(LN2**2 + 3 * math.sqrt(3) * LN2, abs=1e-6)


def test_prototype_loss_by_hand():
    """Classes at 0, 2 and at 10, 14 on a line: 2 from its own other image, 12 from the other class's mean."""
    x, labels = torch.tensor([[0.0], [2.0], [10.0], [14.0]]), torch.tensor([7, 7, 3, 3])
    pairs = [(2, 12), (2, 10), (4, 9), (4, 13)]  # own class, other class
    wanted = torch.tensor([math.log(1 + math.exp(own - other)) for own, other in pairs])
    torch.testing.assert_close(PrototypeLoss("none")(x, labels), wanted)
    one_class = torch.zeros(4, dtype=torch.long)
    assert PrototypeLoss()(x, one_class).item() == 0


def test_prototype_loss_refuses_a_class_of_one_image():
    x = torch.rand(3, 2)
    with pytest.raises(InputError, match="class 5 has a single image, so no ideal vector without it"):
        PrototypeLoss()(x, torch.tensor([1, 5, 1]))
    with pytest.raises(InputError, match=r"x must be \(B, D\) and labels whole numbers \(B,\), got \(3, 2\)"):
        PrototypeLoss()(x, torch.tensor([1, 1]))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_equal_explicit_loops(seed, reduction):
    g = torch.Generator().manual_seed(seed)
    a, p, n, c1, c2, c3 = (torch.randn(17, 6, generator=g, dtype=torch.float64) * 4 for _ in range(6))
    same = torch.rand(17, generator=g) < 0.5
    contrastive, triplet, metric = [], [], []
    for k in range(17):
        d = euclid(a[k], p[k])
        contrastive.append(d**2 if same[k] else max(0, 7 - d) ** 2)
        triplet.append(max(0, d - euclid(a[k], n[k]) + 3))
        s_a, s_p, s_n = ([softplus(float(v)) for v in x[k]] for x in (a, p, n))
        d_ap, d_an = euclid(s_a, s_p), euclid(s_a, s_n)
        g3 = euclid(s_a, c1[k]) + euclid(s_p, c2[k]) + euclid(s_n, c3[k])
        metric.append(0.01 * d_ap**2 + softplus(d_ap - d_an + 10) ** 2 + g3)
    reduce = {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}[reduction]
    labels, prototype = torch.arange(17) % 4, []
    for k in range(17):
        others = [[j for j in range(17) if j % 4 == c and j != k] for c in range(4)]
        means = [[sum(float(a[j, i]) for j in of) / len(of) for i in range(6)] for of in others]
        d = [math.dist(a[k].tolist(), mean) for mean in means]
        prototype.append(d[k % 4] + math.log(sum(math.exp(-each) for each in d)))
    for got, wanted in [
        (PrototypeLoss(reduction)(a, labels), prototype),
        (ContrastiveLoss(7.0, reduction)(a, p, same), contrastive),
        (TripletLoss(3.0, reduction)(a, p, n), triplet),
        (MetricLoss(reduction=reduction)(a, p, n, (c1, c2, c3)), metric),
    ]:
        torch.testing.assert_close(got, reduce(torch.tensor(wanted, dtype=torch.float64)), atol=1e-6, rtol=0)


def cases(x, y, z):
    same = torch.tensor([True, False])
    yield "contrastive", ContrastiveLoss(10.0)(x, y, same)
    yield "triplet", TripletLoss(10.0)(x, y, z)
    yield "metric", MetricLoss()(x, y, z)
    centroids = tuple(torch.nn.functional.softplus(v).detach() for v in (x, y, z))
    yield "metric with centroids", MetricLoss()(x, y, z, centroids)
    yield "prototype", PrototypeLoss()(torch.cat([x, y, z]), torch.tensor([0, 0, 1, 1, 0, 1]))


def test_gradients_are_finite_where_points_coincide():
    for index in range(5):
        x = torch.zeros(2, 25, requires_grad=True)
        y, z = x * 1, x * 1
        name, value = list(cases(x, y, z))[index]
        value.backward()
        assert torch.isfinite(x.grad).all(), name


def test_no_overflow_at_large_outputs():
    x = torch.full((2, 25), 1e4, requires_grad=True)
    for name, value in cases(x, -x, x * 0):
        (gradient,) = torch.autograd.grad(value, x, retain_graph=True)
        assert torch.isfinite(value) and torch.isfinite(gradient).all(), name


def test_gradcheck_away_from_the_kinks():
    g = torch.Generator().manual_seed(3)
    a, p, n = (torch.randn(4, 5, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(3))
    c = tuple(torch.rand(4, 5, generator=g, dtype=torch.float64) * 3 for _ in range(3))
    assert torch.autograd.gradcheck(lambda *x: MetricLoss()(*x, c), (a, p, n))
    assert torch.autograd.gradcheck(TripletLoss(5.0), (a, p, n))
    same = torch.tensor([True, False, True, False])
    assert torch.autograd.gradcheck(lambda x, y: ContrastiveLoss(9.0)(x, y, same), (a, p))
    labels = torch.tensor([0, 1, 1, 0])
    assert torch.autograd.gradcheck(lambda x: PrototypeLoss()(x, labels), (a,))


def test_centroids_carry_no_gradient():
    x = torch.randn(3, 4)
    c = torch.rand(3, 4, requires_grad=True)
    value = MetricLoss()(x.requires_grad_(), x + 1, x - 1, (c, c, c))
    value.backward()
    assert c.grad is None and x.grad.abs().sum() > 0


def test_an_empty_batch_gives_zero_with_a_gradient():
    x = torch.zeros(0, 25, requires_grad=True)
    none = torch.zeros(0, dtype=torch.bool)
    for value in (TripletLoss(1.0)(x, x, x), MetricLoss()(x, x, x), ContrastiveLoss(1.0)(x, x, none)):
        assert value.item() == 0
        value.backward()


def test_readings_of_the_third_term_by_hand():
    """One number an image: outputs 0, 0 and 2, all ideal vectors a(1) = log(1 + e)."""
    a, p, n = torch.tensor([[0.0]]), torch.tensor([[0.0]]), torch.tensor([[2.0]])
    c = (torch.nn.functional.softplus(torch.ones(1, 1)),) * 3
    nothing = dict(rho=0.0, tau=0.0, xi=0.5)
    near, far = math.log(1 + math.e) - math.log(2), math.log(1 + math.e**2) - math.log(1 + math.e)
    g3 = 0.5 * (2 * near + far)
    assert MetricLoss(**nothing)(a, p, n, c).item() == pytest.approx(g3, rel=1e-5)
    assert MetricLoss(**nothing, third="squared")(a, p, n, c).item() == pytest.approx(g3**2, rel=1e-5)
    assert MetricLoss(**nothing, third="raw")(a, p, n, c).item() == pytest.approx(0.5 * 3, rel=1e-5)


def test_raw_space_is_finite_far_out():
    for value in (-1e4, -50.0, 50.0, 1e4):
        x = torch.full((2, 3), value, requires_grad=True)
        c = (torch.nn.functional.softplus(torch.zeros(2, 3)),) * 3
        loss = MetricLoss(third="raw")(x, x + 1, x - 1, c)
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(x.grad).all()


def test_spaces():
    x = torch.tensor([[-1.0, 2.0]])
    assert torch.equal(TripletLoss(1.0).space(x), x) and torch.equal(ContrastiveLoss(1.0).space(x), x)
    torch.testing.assert_close(MetricLoss().space(x), torch.log(1 + torch.exp(x)))


X = torch.zeros(2, 3)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: TripletLoss(1.0, "average"), "average"),
        (lambda: MetricLoss(rho=-1), "rho=-1"),
        (lambda: MetricLoss(third="cubed"), "third='cubed': choose one of plain"),
        (lambda: ContrastiveLoss(float("nan")), "alpha=nan"),
        (lambda: TripletLoss(1.0)(X, X, torch.zeros(1, 3)), r"\(1, 3\)"),
        (lambda: MetricLoss()(X, X, X, (X, X, torch.zeros(2, 4))), "c_N"),
        (lambda: ContrastiveLoss(1.0)(X, X, torch.ones(2)), "bool"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
