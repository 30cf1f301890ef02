"""A scanner: glyphs of one typeface at 128 pixels an em become bitmaps at a scan's own resolution.

See siamese_lib.data.phd08_simulated for what is simulated and where the numbers come from.
"""

import hashlib
import math

import numpy as np
import torch
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, pad

from siamese_lib.data.checks import whole_number
from siamese_lib.data.glyphs import EM
from siamese_lib.errors import InputError

LARGEST = 1.1  # em: no glyph may be higher or wider
CHUNK = 512  # characters at once: on a CPU its arrays stay near the caches
_SLOPE = 0.75
_NOISE = 1 << 20


def edge_profile(place: float) -> float:
    """Grey of a straight edge at `place`, counted towards the ink in units of the averaged squares.

    Averaging over squares and sampling linearly together smooth by the quadratic B-spline. This is its
    integral: 0.5 at 0, with a slope of 0.75.
    """
    if abs(place) <= 0.5:
        return 0.5 + _SLOPE * place - place**3 / 3
    tail = max(0.0, 1.5 - abs(place)) ** 3 / 6
    return 1 - tail if place > 0 else tail


def _averaged_squares(em: float) -> int:
    """Side of the squares that a glyph of 128 pixels an em is averaged over before sampling: about a
    scanner's pixel.
    """
    return next(factor for above, factor in ((42, 2), (33, 3), (24, 4), (15, 6), (0, 8)) if em >= above)


class Sheet:
    """All glyphs of one typeface on a device, ready to be scanned.

    Args:
        letter: names the typeface, for the noise and in messages.
        characters: (C,) single characters.
        images: (C, H, W) uint8 at 128 pixels an em, tight at the top left.
        heights, widths: (C,).
        seed: of the noise.
    """

    def __init__(
        self,
        letter: str,
        characters: list[str],
        images: np.ndarray,
        heights: np.ndarray,
        widths: np.ndarray,
        seed: int,
        device: str | torch.device,
    ) -> None:
        if max(heights.max(), widths.max()) > LARGEST * EM:
            largest = characters[int(np.maximum(heights, widths).argmax())]
            raise InputError(
                f"{largest!r} is larger than {LARGEST} em in font {letter}; the simulator is for Hangul "
                "syllables, leave it out"
            )
        self.letter, self.seed = letter, whole_number("seed", seed, 0)
        self.device = torch.device(device)
        height, width = images.shape[1:]
        averaged: dict[int, list[torch.Tensor]] = {2: [], 3: []}
        for start in range(0, len(images), CHUNK):  # in parts: all 11,172 glyphs as floats would take 1 GB
            grey = torch.as_tensor(images[start : start + CHUNK], device=device)[:, None].float() / 255
            grey = pad(grey, (0, -width % 6, 0, -height % 6))
            for factor, parts in averaged.items():
                parts.append(avg_pool2d(grey, factor))
        self._averaged = {factor: torch.cat(parts) for factor, parts in averaged.items()}
        centres = np.stack([widths, heights], axis=1) / 2
        self._centres = torch.as_tensor(centres, dtype=torch.float32, device=device)  # (C, 2) x, y in pixels
        self._codes = torch.tensor([ord(character) for character in characters], device=device)
        self._scan: tuple[int, ...] | None = None

    def scan(
        self,
        em: float,
        clockwise: float,
        jitter: float,
        offset: float,
        name: tuple[int, ...],
        part: slice | torch.Tensor,
    ) -> torch.Tensor:
        """Bitmaps (n, S, S) uint8, 0 and 255, at native resolution with a margin.

        Args:
            em: pixels.
            clockwise: tilt in degrees.
            jitter: sd in pixels of the edges' displacement.
            offset: outward displacement of the edges in pixels.
            name: of the scan: those of one name share position and noise.
            part: which characters, a slice or numbers (n,).
        """
        side = math.ceil(LARGEST * 1.06 * em) + 2  # 1.06: room for the tilt
        factor = _averaged_squares(em)
        phase, noise = self._random(name, part, side)
        grey = self._warp(em, clockwise, side, factor, phase, part)
        blur = factor * em / EM  # canvas pixels
        # Rounding to whole pixels turns a jitter of standard deviation s, over random positions of the edge,
        # into a variance of s / sqrt(pi).
        variance = jitter**2 * math.sqrt(math.pi)
        grey = grey + (4 * variance * _SLOPE / blur) * noise * (grey * (1 - grey))
        return (grey > edge_profile(-offset / blur)).to(torch.uint8) * 255

    def _warp(
        self,
        em: float,
        clockwise: float,
        side: int,
        factor: int,
        phase: torch.Tensor,
        part: slice | torch.Tensor,
    ) -> torch.Tensor:
        """(n, S, S) grey in [0, 1]; glyphs are centred on the canvas plus `phase` (n, 2) pixels, x and y."""
        stored = 3 if factor % 3 == 0 else 2
        source = self._averaged[stored][part]
        if (more := factor // stored) > 1:
            height, width = source.shape[2:]
            source = avg_pool2d(pad(source, (0, -width % more, 0, -height % more)), more)
        size = torch.tensor([source.shape[3], source.shape[2]], device=source.device)
        cosine, sine = math.cos(math.radians(clockwise)), math.sin(math.radians(clockwise))
        # source pixels from canvas pixels, both counted from the centre of the glyph
        inverse = torch.tensor([[cosine, sine], [-sine, cosine]], device=source.device) * (EM / em / factor)
        shift = self._centres[part] / factor - phase @ inverse.T
        theta = torch.cat(
            [(inverse * side / size[:, None]).expand(len(shift), 2, 2), (2 * shift / size - 1)[:, :, None]],
            dim=2,
        )
        grid = affine_grid(theta, [len(shift), 1, side, side], align_corners=False)
        return grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[:, 0]

    def _random(
        self, scan: tuple[int, ...], part: slice | torch.Tensor, side: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Random numbers of the characters in `part`.

        They are drawn on the CPU once a scan and indexed by code point. The noise of a character is a window,
        at a hashed place, into one long strip.

        Returns:
            Position of the pixel grid (n, 2) in [-0.5, 0.5), and standard normal noise (n, side, side).
        """
        if scan != self._scan:
            key = hashlib.sha256(repr((self.seed, self.letter, scan)).encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "little", signed=True))
            self._phases = (torch.rand(1 << 16, 2, generator=generator) - 0.5).to(self._codes.device)
            self._strip = torch.randn(_NOISE, generator=generator).to(self._codes.device)
            self._scan = scan
        codes = self._codes[part]
        windows = self._strip.unfold(0, side * side, 1)
        noise = windows[(codes * 2654435761 % 2**32) * len(windows) >> 32]
        return self._phases[codes % (1 << 16)], noise.view(-1, side, side)
