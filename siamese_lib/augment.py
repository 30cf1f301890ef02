"""Section 4.3: augmentation, batched on the images' device; projective shift and rotation share one warp."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from siamese_lib.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """Projective shift, rotation and pixelation of a share of the samples (one coin for all three; ours).

    Attributes:
        probability: of changing a sample; paper: 0.7.
        shift: each corner moves by up to this share of the width, in x and y; the paper's range [0, 1] cannot
            be literal, this one is ours.
        degrees: rotation is uniform in [-degrees, degrees]; paper: 5.
        pixelation: smallest and largest factor of a reduction that is then undone, width and height apart;
            paper: 0.7, 0.9.
    """

    probability: float = 0.7
    shift: float = 0.08
    degrees: float = 5.0
    pixelation: tuple[float, float] = (0.7, 0.9)

    def __post_init__(self) -> None:
        low, high = self.pixelation
        if not (
            0 <= self.probability <= 1
            and 0 <= self.shift < 0.5
            and 0 <= self.degrees <= 180
            and 0 < low <= high <= 1
        ):
            raise InputError(
                f"{self}: probability in [0, 1], shift in [0, 0.5), degrees in [0, 180], 0 < pixelation <= 1"
            )

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """images (B, 1, S, S) float in [0, 1] -> the same shape; the generator is on their device."""
        return self.change(images, self.draw(len(images), generator))

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, 12) random numbers in [0, 1), all that decides how n images are changed."""
        return torch.rand(n, 12, generator=generator, device=generator.device)

    def change(self, images: Tensor, random: Tensor) -> Tensor:
        """images (B, 1, S, S), random (B, 12) from `draw` -> the changed images."""
        n, side = len(images), images.shape[-1]
        u = random.T
        chosen = u[0] < self.probability
        shift = (2 * u[1:9].T.reshape(n, 4, 2) - 1) * (2 * self.shift)  # in grid units: the image is 2 wide
        angle = (2 * u[9] - 1) * math.radians(self.degrees)
        grid = warp_grid(shift * chosen[:, None, None], angle * chosen, side)
        warped = grid_sample(images, grid, align_corners=False)
        sizes, down, across = _pixelation_tables(side, *self.pixelation, images.device)
        choice = (u[10:] * len(sizes)).long().clamp_(max=len(sizes) - 1)
        choice = torch.where(chosen, choice, len(sizes))  # the last table changes nothing
        return (down[choice[0]] @ warped.squeeze(1) @ across[choice[1]]).unsqueeze(1)


def warp_grid(shift: Tensor, angle: Tensor, side: int) -> Tensor:
    """Sampling grid of a projective shift of the corners followed by a rotation about the centre.

    Args:
        shift: (B, 4, 2), by how much the corners (-1, -1), (1, -1), (1, 1), (-1, 1) move on the source,
            (x, y) in grid units.
        angle: (B,) radians, clockwise as displayed.
        side: S.

    Returns:
        (B, S, S, 2) for `grid_sample` with align_corners=False.
    """
    device = shift.device
    corners = _corners(device)
    x, y = (corners + shift).unbind(2)  # (B, 4) each
    # Heckbert (1989), unit square to quadrilateral: (u, v) = (0,0), (1,0), (1,1), (0,1) to corners 0 to 3.
    dx1, dx2, dx3 = x[:, 1] - x[:, 2], x[:, 3] - x[:, 2], x[:, 0] - x[:, 1] + x[:, 2] - x[:, 3]
    dy1, dy2, dy3 = y[:, 1] - y[:, 2], y[:, 3] - y[:, 2], y[:, 0] - y[:, 1] + y[:, 2] - y[:, 3]
    determinant = dx1 * dy2 - dx2 * dy1
    g, h = (dx3 * dy2 - dx2 * dy3) / determinant, (dx1 * dy3 - dx3 * dy1) / determinant
    ax, bx = x[:, 1] - x[:, 0] + g * x[:, 1], x[:, 3] - x[:, 0] + h * x[:, 3]
    ay, by = y[:, 1] - y[:, 0] + g * y[:, 1], y[:, 3] - y[:, 0] + h * y[:, 3]
    ones = torch.ones_like(g)
    quadrilateral = torch.stack([ax, bx, x[:, 0], ay, by, y[:, 0], g, h, ones], 1).view(-1, 3, 3)
    # An output pixel p in [-1, 1]^2 is rotated back into the unit square, then through the quadrilateral.
    cos, sin, half = torch.cos(angle) / 2, torch.sin(angle) / 2, 0.5 * ones
    rotation = torch.stack([cos, sin, half, -sin, cos, half, 0 * ones, 0 * ones, ones], 1).view(-1, 3, 3)
    p = (torch.arange(side, device=device) * 2 + 1) / side - 1
    one = torch.ones(side * side, device=device)
    pixels = torch.stack([p.repeat(side), p.repeat_interleave(side), one])  # (3, S S): x, y, 1
    source = quadrilateral @ rotation @ pixels  # (B, 3, S S), homogeneous
    return (source[:, :2] / source[:, 2:]).view(-1, 2, side, side).permute(0, 2, 3, 1)


@functools.cache
def _corners(device: torch.device) -> Tensor:
    return torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=device)


_TABLES: dict[tuple, tuple[list[int], Tensor, Tensor]] = {}


def _pixelation_tables(
    side: int, low: float, high: float, device: torch.device
) -> tuple[list[int], Tensor, Tensor]:
    """Bilinear interpolation down to a smaller size and back up, as a matrix for each size.

    Returns:
        The sizes, (len + 1, S, S) matrices of which the last is the identity, and their transposes.
    """
    key = (side, low, high, device)
    if key not in _TABLES:
        sizes = sorted({max(1, round(side * factor)) for factor in torch.linspace(low, high, 64).tolist()})
        tables = [_bilinear(size, side) @ _bilinear(side, size) for size in sizes] + [torch.eye(side)]
        stacked = torch.stack(tables).to(device)
        _TABLES[key] = (sizes, stacked, stacked.transpose(1, 2).contiguous())
    return _TABLES[key]


def _bilinear(source: int, target: int) -> Tensor:
    """(target, source) matrix of bilinear interpolation between pixel centres."""
    position = ((torch.arange(target) + 0.5) * source / target - 0.5).clamp(0, source - 1)
    return (1 - (position[:, None] - torch.arange(source)).abs()).clamp(min=0)
