"""Section 4.3: augmentation, batched on the images' device; projective shift and rotation share one warp."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from siamese_lib.errors import InputError


@dataclass(frozen=True)
class ScanAugmentation:
    """A scan of the warped image: reduced, blurred, thresholded, enlarged again (ours; the paper has none).

    A threshold below one half thickens strokes, one above thins them.

    Attributes:
        share: of the samples that are scanned, whatever Augmentation's own coin says.
        resolution: smallest and largest factor of the reduction, uniform in its logarithm.
        stretch: width and height are reduced by up to this share more or less than that.
        blur: smallest and largest sd of the Gaussian that a reduced pixel sees through, in reduced pixels.
        threshold: range of the grey that becomes ink, as a share of the reduced image's darkest, so that thin
            strokes are not lost.
        slope: of the threshold, uniform in its logarithm: 1 keeps the greys, 50 leaves none.
        border: each side of the image is cut, or gets more border, by up to this share of it.
    """

    share: float = 0.5
    resolution: tuple[float, float] = (0.35, 1.0)
    stretch: float = 0.15
    blur: tuple[float, float] = (0.3, 0.6)
    threshold: tuple[float, float] = (0.35, 0.65)
    slope: tuple[float, float] = (2.0, 50.0)
    border: float = 0.03

    RANDOM = 10  # numbers that decide about a sample

    def __post_init__(self) -> None:
        ranges = (self.resolution, self.blur, self.threshold, self.slope)
        if not (
            0 <= self.share <= 1
            and all(0 < low <= high for low, high in ranges)
            and self.resolution[1] <= 1
            and self.threshold[1] < 1
            and 0 <= self.stretch < 0.5
            and 0 <= self.border < 0.25
        ):
            raise InputError(
                f"{self}: share in [0, 1], 0 < smallest <= largest in every range, resolution <= 1, "
                "threshold < 1, stretch < 0.5, border < 0.25"
            )

    def shift(self, random: Tensor) -> Tensor:
        """random (B, RANDOM) -> (B, 4, 2): by how much each side's two corners move, in grid units."""
        chosen = random[:, :1] < self.share
        left, right, top, bottom = ((2 * random[:, 1:5] - 1) * (2 * self.border) * chosen).unbind(1)
        x, y = torch.stack([left, right, right, left], 1), torch.stack([top, top, bottom, bottom], 1)
        return torch.stack([x, y], 2)

    def change(self, images: Tensor, random: Tensor) -> Tensor:
        """images (B, S, S), random (B, RANDOM) -> the scans, and the other images as they are."""
        u, side = random.T, images.shape[-1]
        chosen = u[0] < self.share
        down, up, down_across, up_across, sizes = _scan_tables(
            side, self.resolution, self.stretch, self.blur, images.device
        )
        factor = _between(u[5], *map(math.log, self.resolution)).exp()
        blur = torch.where(chosen, (u[6] * BLURS).long().clamp_(max=BLURS - 1), 0)
        stretch = self.stretch * (2 * u[7] - 1)
        row, column = (
            (side * factor * each).round().long().clamp_(sizes[0], sizes[-1]) - sizes[0]
            for each in (1 + stretch, 1 - stretch)
        )
        # the last tables change nothing
        row, column = (torch.where(chosen, each, len(sizes)) for each in (row, column))
        small = down[row, blur] @ images @ down_across[column, blur]
        level = _between(u[8], *self.threshold) * small.amax((1, 2))
        level = torch.where(chosen, level, 0.5)[:, None, None]
        slope = torch.where(chosen, _between(u[9], *map(math.log, self.slope)).exp(), 1.0)[:, None, None]
        return up[row] @ ((small - level) * slope + 0.5).clamp(0, 1) @ up_across[column]


POINTS = 5  # of the elastic grid, each way


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
        scan: what scanning does to the result (ours); None in the paper's rows.
        elastic: each point of a 5 x 5 grid moves by up to this share of the width, and what lies between
            follows smoothly: drawings by another hand (ours, after Simard et al. 2003); 0 in the paper's
            rows.
    """

    probability: float = 0.7
    shift: float = 0.12
    degrees: float = 5.0
    pixelation: tuple[float, float] = (0.7, 0.9)
    scan: ScanAugmentation | None = None
    elastic: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.pixelation
        if not (
            0 <= self.probability <= 1
            and 0 <= self.shift < 0.5
            and 0 <= self.degrees <= 180
            and 0 < low <= high <= 1
            and 0 <= self.elastic < 0.25
        ):
            raise InputError(
                f"{self}: probability in [0, 1], shift in [0, 0.5), degrees in [0, 180], "
                "0 < pixelation <= 1, elastic in [0, 0.25)"
            )

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """images (B, 1, S, S) float in [0, 1] -> the same shape; the generator is on their device."""
        return self.change(images, self.draw(len(images), generator))

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, 12) random numbers in [0, 1), more with `scan` and `elastic`: all that decides how n images are
        changed.
        """
        width = 12 + (0 if self.scan is None else self.scan.RANDOM) + (2 * POINTS**2 if self.elastic else 0)
        return torch.rand(n, width, generator=generator, device=generator.device)

    def change(self, images: Tensor, random: Tensor) -> Tensor:
        """images (B, 1, S, S), random (B, ...) from `draw` -> the changed images."""
        n, side = len(images), images.shape[-1]
        u = random[:, :12].T
        chosen = u[0] < self.probability
        shift = (2 * u[1:9].T.reshape(n, 4, 2) - 1) * (2 * self.shift)  # in grid units: the image is 2 wide
        angle = (2 * u[9] - 1) * math.radians(self.degrees)
        shift = shift * chosen[:, None, None]
        if self.scan is not None:
            shift = shift + self.scan.shift(random[:, 12:])
        grid = warp_grid(shift, angle * chosen, side)
        if self.elastic:
            bent = elastic_field(random[:, -2 * POINTS**2 :], side)
            grid = grid + (2 * self.elastic) * chosen[:, None, None, None] * bent
        warped = grid_sample(images, grid, align_corners=False)
        sizes, down, across = _pixelation_tables(side, *self.pixelation, images.device)
        choice = (u[10:] * len(sizes)).long().clamp_(max=len(sizes) - 1)
        choice = torch.where(chosen, choice, len(sizes))  # the last table changes nothing
        pixelated = down[choice[0]] @ warped.squeeze(1) @ across[choice[1]]
        return (pixelated if self.scan is None else self.scan.change(pixelated, random[:, 12:])).unsqueeze(1)


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


def elastic_field(random: Tensor, side: int) -> Tensor:
    """random (B, 2 x 5 x 5) in [0, 1) -> (B, S, S, 2), x and y in [-1, 1]: those of the grid's points, and a
    smooth step from each to the next.
    """
    table = _between_points(side, random.device)
    points = (2 * random - 1).reshape(-1, 2, POINTS, POINTS)
    return (table @ points @ table.T).permute(0, 2, 3, 1)


@functools.cache
def _between_points(side: int, device: torch.device) -> Tensor:
    """(S, POINTS) weights of the points for each pixel; the outer points are the outer pixels."""
    place = torch.linspace(0, POINTS - 1, side)
    left = place.floor().clamp(max=POINTS - 2)
    share = place - left
    share = share.square() * (3 - 2 * share)
    table = torch.zeros(side, POINTS)
    table.scatter_(1, left.long()[:, None], 1 - share[:, None])
    table.scatter_(1, left.long()[:, None] + 1, share[:, None])
    return table.to(device)


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


BLURS = 8  # different ones


@functools.lru_cache(maxsize=4)
def _scan_tables(
    side: int,
    resolution: tuple[float, float],
    stretch: float,
    blur: tuple[float, float],
    device: torch.device,
) -> tuple[Tensor, Tensor, Tensor, Tensor, range]:
    """Matrices for each reduced size s, and last the identity.

    Returns:
        down (sizes + 1, BLURS, S, S), of which s rows are used, and up (sizes + 1, S, S);
        the transposes of both; the sizes.
    """
    smallest = max(2, round(side * resolution[0] * (1 - stretch)))
    sizes = range(smallest, min(side, round(side * resolution[1] * (1 + stretch))) + 1)
    down = torch.zeros(len(sizes) + 1, BLURS, side, side)
    up = torch.zeros(len(sizes) + 1, side, side)
    down[-1], up[-1] = torch.eye(side), torch.eye(side)
    for row, size in enumerate(sizes):
        up[row, :, :size] = _bilinear(size, side)
        centre = (torch.arange(size) + 0.5) * side / size - 0.5
        away = (centre[:, None] - torch.arange(side)) * size / side  # in pixels of the reduced image
        for column, sd in enumerate(torch.linspace(*blur, BLURS)):
            weights = torch.softmax(-away.square() / (2 * sd**2), 1)
            down[row, column, :size] = torch.where(weights < 1e-6, 0, weights)  # no denormals: they are slow
    across = [each.transpose(-1, -2).contiguous().to(device) for each in (down, up)]
    return down.to(device), up.to(device), *across, sizes


def _between(u: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * u


def _bilinear(source: int, target: int) -> Tensor:
    """(target, source) matrix of bilinear interpolation between pixel centres."""
    position = ((torch.arange(target) + 0.5) * source / target - 0.5).clamp(0, source - 1)
    return (1 - (position[:, None] - torch.arange(source)).abs()).clamp(min=0)
