"""SOAP: Adam where nothing is turned, steps by hand, same bits after a resume, no gradient stops it."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from siamese_lib.errors import InputError
from siamese_lib.model import EmbeddingNet
from siamese_lib.optimiser import SOAP


def gradients(shapes, steps, seed=0):
    """steps lists of gradients of these shapes."""
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(steps)]


def descend(parameters, optimiser, steps):
    for step in steps:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = gradient.clone()
        optimiser.step()


def test_nothing_turned_is_adam():
    shapes = [(4, 3, 5, 5), (6, 7), (6,), ()]
    ours, theirs = ([nn.Parameter(torch.ones(shape)) for shape in shapes] for _ in range(2))
    steps = gradients(shapes, 25)
    descend(ours, SOAP(ours, lr=1e-2, betas=(0.9, 0.99), largest=0), steps)
    descend(theirs, torch.optim.Adam(theirs, lr=1e-2, betas=(0.9, 0.99)), steps)
    for mine, adams in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, adams, rtol=1e-5, atol=1e-6)


def test_a_large_mode_and_a_bias_are_not_turned():
    weight, bias = nn.Parameter(torch.ones(3, 9)), nn.Parameter(torch.ones(3))
    optimiser = SOAP([weight, bias], lr=1e-2, largest=8)
    descend([weight, bias], optimiser, gradients([(3, 9), (3,)], 2))
    assert [len(basis) for basis in optimiser.state[weight]["bases"]] == [3, 0]
    assert [len(basis) for basis in optimiser.state[bias]["bases"]] == [0, 0]


def by_hand(start: np.ndarray, steps: list[np.ndarray], lr, beta1, beta2, eps, frequency) -> np.ndarray:
    """The algorithm in float64 with einsum and numpy's QR; its mean gradient is never turned."""
    w, (n, m) = start.astype(np.float64), start.shape
    moments, bases = [np.zeros((n, n)), np.zeros((m, m))], [np.eye(n), np.eye(m)]
    mean, square = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(steps, 1):
        turned = np.einsum("ij,ia,jb->ab", g, *bases)
        mean = beta1 * mean + (1 - beta1) * g
        square = beta2 * square + (1 - beta2) * turned**2
        first = np.einsum("ij,ia,jb->ab", mean, *bases) / (1 - beta1**t)
        step = first / (np.sqrt(square / (1 - beta2**t)) + eps)
        w = w - lr * np.einsum("ab,ia,jb->ij", step, *bases)
        outer = [np.einsum("ij,kj->ik", g, g), np.einsum("ij,ik->jk", g, g)]
        for side in range(2):
            moments[side] = beta2 * moments[side] + (1 - beta2) * outer[side]
        if t <= frequency or t % frequency == 0:
            for side in range(2):
                product = moments[side] @ bases[side]
                order = np.argsort(-np.einsum("ij,ij->j", bases[side], product), kind="stable")
                bases[side] = np.linalg.qr(product[:, order])[0]
                square = np.take(square, order, axis=side)
    return w


def test_steps_by_hand():
    start = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight = nn.Parameter(start.clone())
    steps = [[g.double() for g in step] for step in gradients([start.shape], 12)]
    descend([weight], SOAP([weight], lr=1e-2, betas=(0.9, 0.8), eps=1e-6, frequency=5), steps)
    expected = by_hand(
        start.flatten(1).numpy(), [step[0].flatten(1).numpy() for step in steps], 1e-2, 0.9, 0.8, 1e-6, 5
    )
    np.testing.assert_allclose(weight.detach().flatten(1).numpy(), expected, rtol=1e-7, atol=1e-9)


def test_bases_become_eigenvectors():
    weight = nn.Parameter(torch.zeros(6, 40))
    optimiser = SOAP([weight], lr=1e-2)
    scale = torch.tensor([32.0, 16, 8, 4, 2, 1])[:, None]
    turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2))).Q
    descend([weight], optimiser, [[turn @ (scale * g)] for (g,) in gradients([(6, 40)], 200)])
    state = optimiser.state[weight]
    moment, basis = state["moments"][0], state["bases"][0]
    turned = basis.T @ moment @ basis
    eigenvalues = torch.linalg.eigvalsh(moment.double()).flip(0).float()
    torch.testing.assert_close(turned.diag(), eigenvalues, rtol=0.05, atol=0)
    torch.testing.assert_close(basis.T @ basis, torch.eye(6), rtol=0, atol=1e-5)


def test_resume_to_the_same_bits():
    def fresh():
        torch.manual_seed(3)
        network = EmbeddingNet()
        return list(network.parameters()), SOAP(network.parameters(), lr=1e-2)

    whole, optimiser = fresh()
    steps = gradients([p.shape for p in whole], 24)
    descend(whole, optimiser, steps)
    begun, optimiser = fresh()
    descend(begun, optimiser, steps[:13])
    file = io.BytesIO()
    torch.save([optimiser.state_dict(), [p.detach() for p in begun]], file)
    file.seek(0)
    state, values = torch.load(file, weights_only=True)
    resumed, optimiser = fresh()
    for parameter, value in zip(resumed, values, strict=True):
        parameter.data.copy_(value)
    optimiser.load_state_dict(state)
    descend(resumed, optimiser, steps[13:])
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


@pytest.mark.parametrize("dead", ["channels", "all", "rank one", "tiny", "huge"])
def test_no_gradient_stops_it(dead):
    weight = nn.Parameter(torch.ones(16, 16, 5, 5))
    optimiser = SOAP([weight], lr=1e-2)
    steps = [[1e-3 * gradient] for (gradient,) in gradients([weight.shape], 45)]
    for (gradient,) in steps:
        if dead == "channels":
            gradient[3:9], gradient[:, :5] = 0, 0
        elif dead == "all":
            gradient.zero_()
        elif dead == "rank one":
            gradient[:] = gradient[0, 0, 0, 0]
        else:
            gradient *= 1e-25 if dead == "tiny" else 1e18
    descend([weight], optimiser, steps)
    assert torch.isfinite(weight).all()
    for basis in optimiser.state[weight]["bases"]:
        torch.testing.assert_close(basis.T @ basis, torch.eye(len(basis)), rtol=0, atol=1e-4)
    if dead in ("channels", "all"):  # what has no gradient moves by no more than rounding does
        torch.testing.assert_close(weight[3:9], torch.ones(6, 16, 5, 5), rtol=0, atol=0.02)


def test_a_parameter_without_gradient_stays():
    weight = nn.Parameter(torch.ones(3, 3))
    SOAP([weight], lr=1.0).step()
    assert torch.equal(weight, torch.ones(3, 3))


@pytest.mark.parametrize(
    "wrong", [{"lr": -1.0}, {"betas": (0.9, 1.0)}, {"eps": 0.0}, {"frequency": 0}, {"largest": -1}]
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(InputError, match="SOAP"):
        SOAP([nn.Parameter(torch.ones(2, 2))], **{"lr": 1e-2} | wrong)
