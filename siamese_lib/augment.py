"""Section 4.3: augmentation, batched on the images' device; projective shift and rotation share one warp."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from siamese_lib.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """With `probability` a sample (one coin for all three; ours) is shifted projectively, rotated and pixelated.

    Attributes:
        probability: of changing a sample; paper: 0.7.
        shift: each corner moves by up to this share of the width, in x and y; the paper's range [0, 1] cannot be literal, this one is ours.
        degrees: rotation is uniform in [-degrees, degrees]; paper: 5.
        pixelation: smallest and largest factor of the reduction that is then undone, drawn for width and height apart; paper: 0.7, 0.9.
    """

    probability: float = 0.7
    shift: float = 0.08
    degrees: float = 5.0
    pixelation: tuple[float, float] = (0.7, 0.9)

    def __post_init__(self) -> None:
        low, high = self.pixelation
        if not (0 <= self.probability <= 1 and 0 <= self.shift < 0.5 and 0 <= self.degrees <= 180 and 0 < low <= high <= 1):
            raise InputError(f"{self}: probability in [0, 1], shift in [0, 0.5), degrees in [0, 180], 0 < pixelation <= 1")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """images (B, 1, S, S) float in [0, 1] -> the same shape; random numbers on the generator's device, which is the images'."""
        n, side = len(images), images.shape[-1]
        u = torch.rand(12, n, generator=generator, device=images.device)
        chosen = u[0] < self.probability
        shift = (2 * u[1:9].T.reshape(n, 4, 2) - 1) * (2 * self.shift)  # in grid units: the image is 2 wide
        angle = (2 * u[9] - 1) * math.radians(self.degrees)
        warped = grid_sample(images, warp_grid(shift * chosen[:, None, None], angle * chosen, side), align_corners=False)
        sizes, tables = _pixelation_tables(side, *self.pixelation, images.device)
        choice = (u[10:] * len(sizes)).long().clamp_(max=len(sizes) - 1)
        choice = torch.where(chosen, choice, len(sizes))  # the last table changes nothing
        rows, columns = tables[choice[0]], tables[choice[1]]
        return (rows @ warped.squeeze(1) @ columns.transpose(1, 2)).unsqueeze(1)


def warp_grid(shift: Tensor, angle: Tensor, side: int) -> Tensor:
    """Sampling grid of a projective shift of the corners followed by a rotation about the centre.

    Args:
        shift: (B, 4, 2), by how much the corners (-1, -1), (1, -1), (1, 1), (-1, 1) move on the source, (x, y) in grid units.
        angle: (B,) radians, clockwise as displayed.
        side: S.

    Returns:
        (B, S, S, 2) for `grid_sample` with align_corners=False.
    """
    device = shift.device
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=device)
    x, y = (corners + shift).unbind(2)  # (B, 4) each
    # Heckbert (1989), unit square to quadrilateral: (u, v) = (0,0), (1,0), (1,1), (0,1) to corners 0 to 3.
    dx1, dx2, dx3 = x[:, 1] - x[:, 2], x[:, 3] - x[:, 2], x[:, 0] - x[:, 1] + x[:, 2] - x[:, 3]
    dy1, dy2, dy3 = y[:, 1] - y[:, 2], y[:, 3] - y[:, 2], y[:, 0] - y[:, 1] + y[:, 2] - y[:, 3]
    determinant = dx1 * dy2 - dx2 * dy1
    g, h = (dx3 * dy2 - dx2 * dy3) / determinant, (dx1 * dy3 - dx3 * dy1) / determinant
    ax, bx = x[:, 1] - x[:, 0] + g * x[:, 1], x[:, 3] - x[:, 0] + h * x[:, 3]
    ay, by = y[:, 1] - y[:, 0] + g * y[:, 1], y[:, 3] - y[:, 0] + h * y[:, 3]
    # An output pixel p is first rotated back, then taken through the quadrilateral.
    p = (torch.arange(side, device=device) * 2 + 1) / side - 1
    px, py = p[None, None, :], p[None, :, None]
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    u, v = (cos * px + sin * py + 1) / 2, (cos * py - sin * px + 1) / 2
    w = g[:, None, None] * u + h[:, None, None] * v + 1
    grid_x = (ax[:, None, None] * u + bx[:, None, None] * v + x[:, 0, None, None]) / w
    grid_y = (ay[:, None, None] * u + by[:, None, None] * v + y[:, 0, None, None]) / w
    return torch.stack([grid_x, grid_y], dim=3)


_TABLES: dict[tuple, tuple[list[int], Tensor]] = {}


def _pixelation_tables(side: int, low: float, high: float, device: torch.device) -> tuple[list[int], Tensor]:
    """Reduced sizes and (len + 1, S, S) matrices: bilinear down to each size and back up, last the identity."""
    key = (side, low, high, device)
    if key not in _TABLES:
        sizes = sorted({max(1, round(side * factor)) for factor in torch.linspace(low, high, 64).tolist()})
        tables = [_bilinear(size, side) @ _bilinear(side, size) for size in sizes] + [torch.eye(side)]
        _TABLES[key] = (sizes, torch.stack(tables).to(device))
    return _TABLES[key]


def _bilinear(source: int, target: int) -> Tensor:
    """(target, source) matrix of bilinear interpolation between pixel centres."""
    position = ((torch.arange(target) + 0.5) * source / target - 0.5).clamp(0, source - 1)
    return (1 - (position[:, None] - torch.arange(source)).abs()).clamp(min=0)
