"""From ink of any size to the network's 37 x 37 input, batched on any device.

Resampling is separable, so an image is framed by two matrix products: rows (37, H) @ image (H, W) @ columns
(W, 37). The matrices depend only on the length that goes in and the length that comes out. They hold the
triangle filter of Pillow's BILINEAR: linear interpolation when enlarging, widened to average over everything
a pixel covers when reducing.
"""

import functools
import math

import numpy as np
import torch

from siamese_lib.errors import InputError
from siamese_lib.model import SIDE

BORDER = 1
INNER = SIDE - 2 * BORDER
FRAMINGS = ("aspect", "square")

# Added before grey levels are cut to whole numbers: exact halves go up whatever the last bit of the products,
# so that a batch and one image agree.
NUDGE = 0.5 + 1 / 1024

# 16 MB as float32: larger blocks are slower, as the system hands out fresh pages every time.
_CHUNK_PIXELS = 4_000_000


def frame(
    images: torch.Tensor | np.ndarray,
    heights: torch.Tensor | np.ndarray,
    widths: torch.Tensor | np.ndarray,
    mode: str = "aspect",
) -> torch.Tensor:
    """Scale tight glyphs into 37 x 37 with a border of 1.

    Args:
        images: (N, H, W), grey 0..255 with ink = 255 of any number type, or bool. Ink is cropped tight and
            lies in the top-left `heights` x `widths` of each canvas; whatever is outside that rectangle is
            ignored.
        heights, widths: (N,) whole numbers of pixels. A blank image has height or width 0 and comes out
            blank.
        mode: "aspect" makes the longer side 35 pixels, the other in proportion (at least 1), centred (an odd
            pixel goes below or to the right); "square" stretches both sides to 35.

    Returns:
        (N, 37, 37) uint8 on the device of `images`. The same image gives the same result alone or in a batch.

    Raises:
        InputError: unknown mode, shapes that do not fit together, or numbers that are no grey levels 0..255:
            NaN, others outside, or none above 1, which would come out black.
    """
    check_framing(mode)
    images = _images(images, "frame")
    count, height, width = images.shape
    heights = torch.as_tensor(heights, device=images.device).long()
    widths = torch.as_tensor(widths, device=images.device).long()
    if heights.shape != (count,) or widths.shape != (count,):
        raise InputError(
            f"{count} images need {count} heights and widths, got shapes {tuple(heights.shape)} and "
            f"{tuple(widths.shape)}"
        )
    framed = torch.zeros(count, SIDE, SIDE, dtype=torch.uint8, device=images.device)
    if count == 0 or height == 0 or width == 0:
        return framed
    if bool(((heights < 0) | (heights > height) | (widths < 0) | (widths > width)).any()):
        raise InputError(
            f"heights and widths must lie within the canvas of {height} x {width} pixels; crop with tight() "
            "first"
        )
    _check_grey(images)
    step = max(1, _CHUNK_PIXELS // (height * width))
    for start in range(0, count, step):
        part = slice(start, start + step)
        framed[part] = _frame_chunk(images[part], heights[part], widths[part], mode)
    return framed


def _frame_chunk(
    images: torch.Tensor, heights: torch.Tensor, widths: torch.Tensor, mode: str
) -> torch.Tensor:
    if mode == "square":
        out_heights = out_widths = torch.full_like(heights, INNER)
    else:
        longer = torch.maximum(heights, widths).clamp(min=1)
        out_heights, out_widths = (_in_proportion(of, longer).clamp(min=1) for of in (heights, widths))
    ink = images.float() * 255 if images.dtype == torch.bool else images.float()
    rows = _matrices(heights, out_heights, images.shape[1])
    columns = _matrices(widths, out_widths, images.shape[2])
    framed = rows @ ink @ columns.transpose(1, 2)
    return (framed + NUDGE).floor().clamp(0, 255).to(torch.uint8)


def frame_one(image: np.ndarray, mode: str = "aspect", threshold: int = 0) -> np.ndarray:
    """`tight` and `frame` for a single image, which costs a twentieth of a batch of one.

    Args:
        image: uint8 (H, W), ink is what lies above `threshold`.
        mode: as of `frame`.
        threshold: as of `tight`.

    Returns:
        (37, 37) uint8, blank for a blank image.
    """
    check_framing(mode)
    ink = image > threshold
    rows, columns = (ink.any(axis=axis).nonzero()[0] for axis in (1, 0))
    if not len(rows):
        return np.zeros((SIDE, SIDE), np.uint8)
    cropped = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longer = max(cropped.shape)
    down, across = (
        _matrix(length, INNER if mode == "square" else max(1, _in_proportion(length, longer)))
        for length in cropped.shape
    )
    framed = down @ cropped.astype(np.float32) @ across.T
    return np.minimum(framed + np.float32(NUDGE), 255).astype(np.uint8)


def check_framing(mode: str) -> None:
    """InputError where there is no such framing."""
    if mode not in FRAMINGS:
        raise InputError(f"framing {mode!r} is unknown; use one of {', '.join(FRAMINGS)}")


def _in_proportion(length, longer):
    """Pixels that a side becomes when the longer one becomes 35: rounded, in whole numbers."""
    return (2 * INNER * length + longer) // (2 * longer)


@functools.lru_cache(maxsize=256)
def _matrix(length: int, out_length: int) -> np.ndarray:
    """(37, length) float32, see `_matrices`."""
    return _matrices(torch.tensor([length]), torch.tensor([out_length]), length)[0].numpy()


def _matrices(lengths: torch.Tensor, out_lengths: torch.Tensor, canvas: int) -> torch.Tensor:
    """(N, 37, canvas) float32: output pixel from input pixels, centred in the 37.

    Each pair of lengths that occurs is computed once.
    """
    pairs, which = torch.unique(lengths * (SIDE + 1) + out_lengths, return_inverse=True)
    lengths, out_lengths = pairs // (SIDE + 1), pairs % (SIDE + 1)
    scale = (lengths.double() / out_lengths)[:, None]
    place = torch.arange(SIDE, device=pairs.device) - (SIDE - out_lengths[:, None]) // 2
    inside = (place >= 0) & (place < out_lengths[:, None])
    centre = torch.where(inside, (place + 0.5) * scale - 0.5, -2.0 * canvas)  # far away: weight 0
    source = torch.arange(canvas, device=pairs.device).expand(len(pairs), canvas)
    source = torch.where(source < lengths[:, None], source, 4 * canvas)
    weights = (
        (source.float()[:, None, :] - centre.float()[:, :, None])
        .abs_()
        .div_(-scale.float().clamp(min=1)[:, :, None])
        .add_(1)
        .clamp_(min=0)
    )
    weights.div_(weights.sum(dim=2, keepdim=True).clamp_(min=1e-12))
    return weights[which]


def tight(
    images: torch.Tensor | np.ndarray, threshold: float = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Crop every image to the box of its ink.

    Args:
        images: (N, H, W), ink is what lies above `threshold`.
        threshold: 0 for clean or binary images.

    Returns:
        cropped: (N, max height, max width), dtype and device of `images`, ink box at the top left, 0
            elsewhere (at least one pixel each way).
        heights, widths: (N,) int64; both 0 for a blank image.

    Raises:
        InputError: another shape.
    """
    images = _images(images, "crop")
    ink = images > threshold
    tops, heights = _extent(ink.any(dim=2))
    lefts, widths = _extent(ink.any(dim=1))
    if len(images) == 0:
        return images[:, :1, :1], heights, widths
    row = torch.arange(max(1, int(heights.max())), device=images.device)
    column = torch.arange(max(1, int(widths.max())), device=images.device)
    rows = (tops[:, None] + row).clamp(max=images.shape[1] - 1)
    columns = (lefts[:, None] + column).clamp(max=images.shape[2] - 1)
    high = images.gather(1, rows[:, :, None].expand(-1, -1, images.shape[2]))
    cropped = high.gather(2, columns[:, None, :].expand(-1, rows.shape[1], -1))
    inside = (row[None, :] < heights[:, None])[:, :, None] & (column[None, :] < widths[:, None])[:, None, :]
    return cropped * inside.to(cropped.dtype), heights, widths


def _images(images: torch.Tensor | np.ndarray, purpose: str) -> torch.Tensor:
    """As a tensor (N, H, W)."""
    try:
        if isinstance(images, np.ndarray):
            # torch reads no mirrored views, and computes with no unsigned numbers beyond uint8
            wide = images.dtype.kind == "u" and images.dtype.itemsize > 1
            images = np.ascontiguousarray(images, np.int64 if wide else None)
        images = torch.as_tensor(images)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"images to {purpose} must be an array of numbers (N, height, width): {error}"
        ) from None
    if images.ndim != 3 or images.is_complex():
        raise InputError(
            f"images to {purpose} must be real numbers (N, height, width), got {images.dtype} "
            f"{tuple(images.shape)}"
        )
    return images


def _check_grey(images: torch.Tensor) -> None:
    if images.dtype == torch.bool:
        return
    least, most = (float(value) for value in images.aminmax())
    if not 0 <= least <= most <= 255:
        found = "contain NaN" if math.isnan(least) else f"run from {least:g} to {most:g}"
        raise InputError(f"images to frame {found}; give grey levels 0..255, ink = 255 on 0")
    if 0 < most <= 1:
        raise InputError(
            f"images to frame run from {least:g} to {most:g}; multiply by 255, or give bool, so that ink is "
            "255"
        )


def _extent(occupied: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First occupied place (N,) and length (N,) from there to the last one, of flags (N, L)."""
    place = torch.arange(occupied.shape[1], device=occupied.device)
    first = torch.where(occupied, place, occupied.shape[1]).amin(dim=1)
    last = torch.where(occupied, place, -1).amax(dim=1)
    lengths = (last - first + 1).clamp(min=0)
    return first.clamp(max=occupied.shape[1] - 1), lengths
