"""The network of Table 1."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from siamese_lib.errors import InputError, NotFinite

SIDE = 37
EMBEDDING_SIZE = 25


class _Softsign(torch.autograd.Function):
    """Eq. 7: y = x / (1 + |x|). As dy/dx = (1 - |y|)^2, only y is kept, as it is for the next layer."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        y = x / (1 + x.abs())
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gradient * (1 - y.abs()).square()


softsign = _Softsign.apply


class EmbeddingNet(nn.Module):
    """Table 1: six convolutions with softsign (Eq. 7) and one linear layer; 77,561 parameters.

    Weights are Xavier-uniform, biases zero (ours: the paper names no initialisation).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3)  # 35 x 35
        self.conv2 = nn.Conv2d(16, 16, 5, stride=2, padding=2)  # 18 x 18
        self.conv3 = nn.Conv2d(16, 16, 3, padding=1)  # 18 x 18
        self.conv4 = nn.Conv2d(16, 24, 5, stride=2, padding=2)  # 9 x 9
        self.conv5 = nn.Conv2d(24, 24, 3, padding=1)  # 9 x 9
        self.conv6 = nn.Conv2d(24, 24, 3, padding=1)  # 9 x 9
        self.linear = nn.Linear(24 * 9 * 9, EMBEDDING_SIZE)
        for layer in self.children():
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, activation: Callable[[Tensor], Tensor] = softsign) -> Tensor:
        """Embed images.

        Args:
            x: (B, 1, 37, 37) float in [0, 1], ink = 1.
            activation: another form of softsign, for export.

        Returns:
            (B, 25) raw outputs; the loss decides what space they are read in.

        Raises:
            InputError: any other image size.
        """
        if x.shape[1:] != (1, SIDE, SIDE):
            raise InputError(
                f"EmbeddingNet takes images (B, 1, {SIDE}, {SIDE}), got {tuple(x.shape)}; "
                "frame them with siamese_lib.data.framing.frame"
            )
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5, self.conv6):
            x = activation(conv(x))
        return self.linear(x.flatten(1))


def to_float(images: Tensor) -> Tensor:
    """uint8 images (B, 37, 37), ink = 255 -> network input (B, 1, 37, 37) in [0, 1]."""
    return images.unsqueeze(1).float().div_(255)


def embed(forward: Callable[[Tensor], Tensor], images: Tensor, chunk: int = 256) -> Tensor:
    """Embed images without gradients.

    Args:
        forward: images (B, 1, 37, 37) -> (B, D).
        images: uint8 (N, 37, 37).
        chunk: how many at a time; the last of several chunks is filled up, so that a compiled `forward` sees
            one shape.

    Returns:
        (N, D).

    Raises:
        NotFinite: an embedding is infinite or no number.
    """
    with torch.no_grad():
        outputs = []
        for some in images.split(chunk):
            n, missing = len(some), chunk - len(some)
            if missing and outputs:
                some = torch.cat([some, some.new_zeros(missing, *some.shape[1:])])
            outputs.append(forward(to_float(some))[:n])
    return finite(torch.cat(outputs))


def finite(embeddings: Tensor) -> Tensor:
    """The embeddings (N, D) as they are; NotFinite where one of them is infinite or no number."""
    good = torch.isfinite(embeddings)
    if not good.all():
        raise NotFinite(
            f"{int((~good).any(1).sum())} of {len(embeddings)} embeddings are not finite: the network has "
            "diverged; train it again with a lower learning rate"
        )
    return embeddings
