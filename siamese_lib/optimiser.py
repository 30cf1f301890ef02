"""SOAP (Vyas et al. 2024): Adam in the slowly turning eigenbasis of Shampoo's preconditioner.

Ours: the paper names no optimiser. A weight is taken as a matrix, (out, in x height x width), with the
gradient G. For each of its two sides of at most `largest` entries L is the mean of G G^T (or G^T G), and Q
holds the eigenvectors of L. Adam runs on the turned gradient, its step is turned back. A side without Q,
and every bias, is as in Adam.

The bases are renewed by one orthogonal iteration, Q = qr(L Q). A QR decomposition is a finite number of
reflections: it gives an orthonormal Q for any finite L, that of a dead channel or of a zero gradient
included, where an eigendecomposition in float32 may not converge. Nor does the host wait for the device.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from siamese_lib.errors import InputError


class SOAP(torch.optim.Optimizer):
    """Adam in the eigenbasis of Shampoo's preconditioner.

    Args:
        params: parameters, or groups of them.
        lr: step size, as Adam's.
        betas: decay of the mean gradient and of its square; the second one is also that of L.
        eps: added to the root of the mean square.
        frequency: steps between renewals of the bases; each of the first `frequency` steps renews them.
        largest: sides with more entries are not turned: the 1,944 inputs of the network's linear layer.

    Raises:
        InputError: a value out of its range.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        frequency: int = 10,
        largest: int = 1000,
    ) -> None:
        fits = (
            lr >= 0 and all(0 <= beta < 1 for beta in betas) and eps > 0 and frequency >= 1 and largest >= 0
        )
        if not fits:
            raise InputError(
                f"SOAP(lr={lr}, betas={betas}, eps={eps}, frequency={frequency}, largest={largest}): "
                "lr >= 0, betas in [0, 1), eps > 0, frequency >= 1, largest >= 0"
            )
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, frequency=frequency, largest=largest))

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step from the gradients that are there; a parameter without one stays as it is."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                _step(parameters, [self.state[p] for p in parameters], **group)


def _step(
    parameters: list[Tensor], states: list[dict], lr: float, betas, eps: float, frequency, largest, **_
) -> None:
    """What goes element by element goes over all parameters in one call: most are small."""
    beta1, beta2 = betas
    gradients = [p.grad.flatten(1) if p.dim() > 1 else p.grad.reshape(1, -1) for p in parameters]
    for parameter, gradient, state in zip(parameters, gradients, states, strict=True):
        if not state:
            state.update(_start(gradient, largest if parameter.dim() > 1 else 0))
        state["step"] += 1
    means, squares = [state["mean"] for state in states], [state["square"] for state in states]
    turned = [_turn(g, *state["bases"]) for g, state in zip(gradients, states, strict=True)]
    torch._foreach_lerp_(means, turned, 1 - beta1)
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, turned, turned, 1 - beta2)
    roots = torch._foreach_div(squares, [1 - beta2 ** state["step"] for state in states])
    torch._foreach_sqrt_(roots)
    torch._foreach_add_(roots, eps)
    updates = torch._foreach_div(means, roots)
    for parameter, gradient, state, update in zip(parameters, gradients, states, updates, strict=True):
        step, moments = state["step"], state["moments"]
        update = _turn_back(update, *state["bases"]).view_as(parameter)
        parameter.add_(update, alpha=-lr / (1 - beta1**step))
        for moment, g in zip(moments, (gradient, gradient.T), strict=True):
            if len(moment):
                moment.addmm_(g, g.T, beta=beta2, alpha=1 - beta2)
        if any(map(len, moments)) and (step <= frequency or step % frequency == 0):
            _renew(state)


def _start(gradient: Tensor, largest: int) -> dict:
    """The state before the first step of a parameter with that gradient, (n, m)."""
    sides = [n if n <= largest else 0 for n in gradient.shape]
    return {
        "step": 0,
        "mean": torch.zeros_like(gradient),  # turned, as the next one
        "square": torch.zeros_like(gradient),
        "moments": [gradient.new_zeros(n, n) for n in sides],  # L of each side, empty for none
        "bases": [torch.eye(n, dtype=gradient.dtype, device=gradient.device) for n in sides],
    }


def _renew(state: dict) -> None:
    """New bases. The mean gradient turns with them; the squares follow where directions change places."""
    mean = _turn_back(state["mean"], *state["bases"])
    for side, (moment, basis) in enumerate(zip(state["moments"], state["bases"], strict=True)):
        if len(moment):
            product = moment @ basis
            order = (basis * product).sum(0).argsort(descending=True, stable=True)  # by eigenvalue
            state["bases"][side] = torch.linalg.householder_product(*torch.geqrf(product[:, order]))
            state["square"] = state["square"].index_select(side, order)
    state["mean"] = _turn(mean, *state["bases"])


def _turn(x: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """left^T x right, (n, m) -> (n, m); an empty matrix stands for the identity."""
    x = left.T @ x if len(left) else x
    return x @ right if len(right) else x


def _turn_back(x: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """The inverse of `_turn`."""
    x = left @ x if len(left) else x
    return x @ right.T if len(right) else x
