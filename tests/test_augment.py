import math

import numpy as np
import pytest
import torch
from PIL import Image

from siamese_lib.augment import Augmentation, ScanAugmentation, _bilinear, elastic_field, warp_grid
from siamese_lib.errors import InputError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(n: int = 1) -> torch.Tensor:
    """Smooth pictures (n, 1, 37, 37): sums of three bumps, so that interpolation errors are small."""
    g = torch.Generator().manual_seed(9)
    y, x = torch.meshgrid(torch.arange(37.0), torch.arange(37.0), indexing="ij")
    centre = torch.rand(n, 3, 2, 1, 1, generator=g) * 16 + 10
    bumps = torch.exp(-((y - centre[:, :, 0]) ** 2 + (x - centre[:, :, 1]) ** 2) / 18)
    return bumps.sum(1, keepdim=True).clamp(max=1)


def test_no_shift_and_no_angle_change_nothing():
    images = torch.rand(4, 1, 37, 37)
    grid = warp_grid(torch.zeros(4, 4, 2), torch.zeros(4), 37)
    same = torch.nn.functional.grid_sample(images, grid, align_corners=False)
    torch.testing.assert_close(same, images, atol=1e-4, rtol=0)


def test_elastic_field_meets_its_points_and_is_smooth_between():
    random = torch.rand(3, 50, generator=generator())
    field = elastic_field(random, 37)
    assert field.shape == (3, 37, 37, 2) and field.abs().max() <= 1
    x, y = (2 * random - 1).view(3, 2, 5, 5).unbind(1)
    torch.testing.assert_close(field[:, ::9, ::9], torch.stack([x, y], 3))
    assert (field[:, 1:] - field[:, :-1]).abs().max() < 2 * 1.5 / 9 + 1e-6  # the steepest smooth step
    torch.testing.assert_close(elastic_field(torch.full((1, 50), 0.75), 37), torch.full((1, 37, 37, 2), 0.5))


def test_elastic_moves_ink_by_its_share_and_changes_nothing_at_zero():
    images, still = blobs(2), {"shift": 0.0, "degrees": 0.0, "pixelation": (1.0, 1.0), "probability": 1.0}
    bending = Augmentation(**still, elastic=0.1)
    random = bending.draw(2, generator())
    assert random.shape == (2, 62) and Augmentation(**still).draw(2, generator()).shape == (2, 12)
    random[:, 12:37], random[:, 37:] = 1.0, 0.5  # x of all points by a tenth of 37 pixels, y stays
    moved = bending.change(images, random)
    torch.testing.assert_close(moved[..., 4:33], (0.3 * images[..., 7:36] + 0.7 * images[..., 8:37]))
    random[:, 0] = 1.0  # the coin says no
    never = Augmentation(**still | {"probability": 0.0}, elastic=0.1)
    torch.testing.assert_close(never.change(images, random), images, atol=1e-4, rtol=0)


@pytest.mark.parametrize("degrees", [-5.0, 3.0, 30.0])
def test_rotation_is_clockwise_as_displayed_and_equals_pillow(degrees):
    image = blobs()
    grid = warp_grid(torch.zeros(1, 4, 2), torch.tensor([math.radians(degrees)]), 37)
    ours = torch.nn.functional.grid_sample(image, grid, align_corners=False)[0, 0]
    # Pillow turns counter-clockwise
    pillow = Image.fromarray(image[0, 0].numpy()).rotate(-degrees, Image.Resampling.BILINEAR)
    np.testing.assert_allclose(ours[5:-5, 5:-5], np.asarray(pillow)[5:-5, 5:-5], atol=0.02)


def test_projective_warp_takes_the_corners_where_it_is_told():
    shift = (torch.rand(6, 4, 2, generator=generator()) - 0.5) * 0.4
    side = 1001  # pixel centres of a large grid come within 1/1001 of the corners
    grid = warp_grid(shift, torch.zeros(6), side)
    corners = torch.stack([grid[:, 0, 0], grid[:, 0, -1], grid[:, -1, -1], grid[:, -1, 0]], 1)
    wanted = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) + shift
    torch.testing.assert_close(corners, wanted, atol=0.005, rtol=0)
    # straight lines stay straight: the middle pixel of a row lies on the line through its ends
    a, m, b = grid[:, 200, 0], grid[:, 200, 500], grid[:, 200, -1]
    cross = (b - a)[:, 0] * (m - a)[:, 1] - (b - a)[:, 1] * (m - a)[:, 0]
    assert cross.abs().max() < 1e-4


def test_probability_is_a_coin_for_each_sample():
    images = blobs(4000)
    changed = (Augmentation()(images, generator()) - images).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert abs(float(changed.float().mean()) - 0.7) < 0.03
    kept = Augmentation(probability=0.0)(images[:50], generator())
    torch.testing.assert_close(kept, images[:50], atol=1e-4, rtol=0)


def test_pixelation_equals_bilinear_down_and_up():
    images = torch.rand(5, 1, 37, 37)
    once = Augmentation(probability=1.0, shift=0.0, degrees=0.0, pixelation=(0.8, 0.8))(images, generator())
    small = torch.nn.functional.interpolate(images, size=(30, 30), mode="bilinear")
    back = torch.nn.functional.interpolate(small, size=(37, 37), mode="bilinear")
    torch.testing.assert_close(once, back, atol=1e-3, rtol=0)
    assert torch.allclose(_bilinear(37, 26).sum(1), torch.ones(26))


def test_range_shape_and_determinism():
    images = torch.rand(64, 1, 37, 37)
    first, second = (Augmentation(shift=0.2, degrees=20)(images, generator(4)) for _ in range(2))
    assert torch.equal(first, second) and first.shape == images.shape
    assert first.min() >= -1e-5 and first.max() <= 1 + 1e-5


@pytest.mark.parametrize(
    "change", [{"probability": 1.2}, {"shift": 0.5}, {"pixelation": (0.9, 0.7)}, {"degrees": -1}]
)
def test_bad_settings(change):
    with pytest.raises(InputError, match="probability in"):
        Augmentation(**change)


def scanned(images, **settings):
    """Nothing but the scan, of every image."""
    how = {"share": 1.0, "stretch": 0.0, "border": 0.0, "blur": (0.5, 0.5)} | settings
    return Augmentation(probability=0.0, scan=ScanAugmentation(**how))(images, generator())


def test_scan_off_is_the_paper():
    images = blobs(20)
    paper, none = Augmentation(), Augmentation(scan=ScanAugmentation(share=0.0))
    assert paper.scan is None
    random = none.draw(20, generator())
    torch.testing.assert_close(
        none.change(images, random), paper.change(images, random[:, :12]), atol=1e-5, rtol=0
    )


def test_share_of_scans_is_a_coin_of_its_own():
    images = blobs(3000)
    scan = ScanAugmentation(share=0.3, resolution=(0.4, 0.4))
    changed = Augmentation(probability=0.0, scan=scan)(images, generator()) - images
    share = (changed.abs().amax(dim=(1, 2, 3)) > 1e-2).float().mean()
    assert abs(float(share) - 0.3) < 0.03


def test_hard_threshold_leaves_ink_and_paper_of_the_reduced_size():
    images = blobs(50)
    result = scanned(images, resolution=(1.0, 1.0), threshold=(0.5, 0.5), slope=(1e4, 1e4))
    assert ((result < 1e-3) | (result > 1 - 1e-3)).float().mean() > 0.999
    # at a third of the size, 12 pixels enlarged again: as coarse as that
    coarse = scanned(images, resolution=(1 / 3, 1 / 3), threshold=(0.5, 0.5), slope=(1e4, 1e4))
    small = torch.nn.functional.interpolate(coarse, size=(12, 12), mode="bilinear")
    again = torch.nn.functional.interpolate(small, size=(37, 37), mode="bilinear")
    assert (again - coarse).abs().mean() < 0.03


def test_threshold_decides_about_the_width_of_strokes():
    images = torch.zeros(1, 1, 37, 37)
    images[..., 16:21] = 1
    ink = [
        float(scanned(images, resolution=(1.0, 1.0), blur=(1.5, 1.5), threshold=(t, t), slope=(30, 30)).sum())
        for t in (0.2, 0.5, 0.8)
    ]
    assert ink[0] > 1.2 * ink[1] and ink[1] > 1.2 * ink[2]


def test_thin_strokes_stay():
    images = torch.zeros(8, 1, 37, 37)
    images[..., 18] = 0.3
    assert scanned(images, resolution=(0.4, 0.4), slope=(50, 50)).amax((1, 2, 3)).min() > 0.9


def test_border_moves_the_sides():
    scan = ScanAugmentation(share=1.0, border=0.1)
    shift = scan.shift(torch.rand(500, scan.RANDOM, generator=generator()))
    assert 0.19 < shift.abs().max() <= 0.2  # the image is 2 wide in grid units
    assert torch.equal(shift[:, 0, 0], shift[:, 3, 0]) and torch.equal(shift[:, 0, 1], shift[:, 1, 1])
    assert not torch.equal(shift[:, 0, 0], shift[:, 1, 0])


@pytest.mark.parametrize(
    "change",
    [
        {"share": 2.0},
        {"resolution": (0.5, 1.5)},
        {"blur": (0.6, 0.3)},
        {"slope": (0.0, 1.0)},
        {"border": 0.3},
    ],
)
def test_bad_scan_settings(change):
    with pytest.raises(InputError, match="share in"):
        ScanAugmentation(**change)
