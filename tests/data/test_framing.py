import numpy as np
import pytest
import torch
from PIL import Image

from siamese_lib.data.framing import BORDER, SIDE, frame, frame_one, tight
from siamese_lib.errors import InputError

INNER = SIDE - 2 * BORDER


def random_glyphs(count=60, canvas=(150, 140), seed=0):
    rng = np.random.default_rng(seed)
    heights, widths = rng.integers(1, canvas[0] + 1, count), rng.integers(1, canvas[1] + 1, count)
    images = np.zeros((count, *canvas), np.uint8)
    for image, height, width in zip(images, heights, widths, strict=True):
        image[:height, :width] = rng.integers(0, 256, (height, width))
    return images, heights, widths


def by_pillow(image, height, width, mode):
    longer = max(height, width)
    out = (
        (INNER, INNER)
        if mode == "square"
        else tuple(max(1, int(INNER * side / longer + 0.5)) for side in (height, width))
    )
    small = Image.fromarray(image[:height, :width]).resize(out[::-1], Image.Resampling.BILINEAR)
    framed = np.zeros((SIDE, SIDE), np.uint8)
    top, left = (SIDE - out[0]) // 2, (SIDE - out[1]) // 2
    framed[top : top + out[0], left : left + out[1]] = small
    return framed


@pytest.mark.parametrize("mode", ["aspect", "square"])
@pytest.mark.parametrize("canvas", [(150, 140), (54, 54), (20, 30)])  # reducing, PHD08's sizes, enlarging
def test_same_as_pillow(mode, canvas):
    images, heights, widths = random_glyphs(canvas=canvas)
    ours = frame(images, heights, widths, mode).numpy()
    theirs = np.stack([by_pillow(*glyph, mode) for glyph in zip(images, heights, widths, strict=True)])
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - theirs).max() <= 1  # Pillow rounds between its two passes


@pytest.mark.parametrize(("height", "width"), [(100, 50), (50, 100), (7, 7), (140, 1)])
def test_aspect_border_and_centre(height, width):
    framed = frame(np.full((1, height, width), 255, np.uint8), [height], [width])[0].numpy()
    rows, columns = np.flatnonzero(framed.any(1)), np.flatnonzero(framed.any(0))
    longer = max(height, width)
    for place, side in ((rows, height), (columns, width)):
        assert len(place) == max(1, round(INNER * side / longer))
        before, after = place[0], SIDE - 1 - place[-1]
        assert after - before in (0, 1) and before >= BORDER
    assert (framed[np.ix_(rows, columns)] == 255).all()


def test_square_fills_the_inside():
    framed = frame(np.full((1, 90, 20), 255, np.uint8), [90], [20], "square")[0]
    assert (framed[1:-1, 1:-1] == 255).all() and framed.long().sum() == 255 * INNER * INNER


@pytest.mark.parametrize("mode", ["aspect", "square"])
def test_blank_stays_blank(mode):
    images, heights, widths = random_glyphs(3)
    heights[1] = widths[1] = 0
    framed = frame(images, heights, widths, mode)
    assert framed[1].sum() == 0 and framed[0].any() and framed[2].any()
    assert frame(images[:0], [], [], mode).shape == (0, SIDE, SIDE)


def test_batch_equals_single_and_repeats(monkeypatch):
    images, heights, widths = random_glyphs(40)
    batch = frame(images, heights, widths)
    single = torch.cat(
        [
            frame(images[i : i + 1, : heights[i], : widths[i]], heights[i : i + 1], widths[i : i + 1])
            for i in range(40)
        ]
    )
    assert torch.equal(batch, single)
    assert torch.equal(batch, frame(images, heights, widths))
    monkeypatch.setattr("siamese_lib.data.framing._CHUNK_PIXELS", 7 * 150 * 140)
    assert torch.equal(batch, frame(images, heights, widths))


def test_dtypes_agree_and_outside_is_ignored():
    images, heights, widths = random_glyphs(10)
    binary = images > 127
    expected = frame(binary.astype(np.uint8) * 255, heights, widths)
    assert torch.equal(frame(torch.as_tensor(binary), heights, widths), expected)
    assert torch.equal(frame(torch.as_tensor(binary).float() * 255, heights, widths), expected)
    noise = images.copy()
    for image, height, width in zip(noise, heights, widths, strict=True):
        image[height:], image[:, width:] = 99, 77
    assert torch.equal(frame(noise, heights, widths), frame(images, heights, widths))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu():
    images, heights, widths = random_glyphs(40)
    assert torch.equal(
        frame(torch.as_tensor(images).cuda(), heights, widths).cpu(), frame(images, heights, widths)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((1, 5, 5), np.uint8), [5], [5], "round"), "'round'"),
        ((np.zeros((5, 5), np.uint8), [5], [5]), r"\(5, 5\)"),
        ((np.zeros((2, 5, 5), np.uint8), [5], [5]), "2 heights"),
        ((np.zeros((1, 5, 5), np.uint8), [6], [5]), "5 x 5"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        frame(*arguments)


GLYPH = np.pad(np.full((2, 20, 10), 200, np.uint8), ((0, 0), (0, 4), (0, 9)))


def framed(images):
    return frame(images, [20, 20], [10, 10])


@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.int16, np.int64, np.float16, np.float64])
def test_all_types_of_numbers_are_grey_levels(kind):
    assert torch.equal(framed(GLYPH.astype(kind)), framed(GLYPH))
    cropped, heights, widths = tight(GLYPH.astype(kind))
    assert torch.equal(frame(cropped, heights, widths), framed(GLYPH))


def test_mirrored_views_are_read():
    mirrored = GLYPH[:, ::-1, ::-1]
    assert torch.equal(frame(*tight(mirrored)), frame(*tight(mirrored.copy())))


@pytest.mark.parametrize(
    "images, says",
    [
        (GLYPH / 255, r"run from 0 to 0.784\d*; multiply by 255, or give bool, so that ink is 255"),
        ((GLYPH > 0).astype(np.uint8), "run from 0 to 1; multiply by 255, or give bool"),
        (torch.as_tensor(GLYPH > 0).float(), "run from 0 to 1; multiply by 255, or give bool"),
        (np.where(GLYPH > 0, np.nan, 0), "contain NaN; give grey levels 0..255"),
        (GLYPH.astype(float) + np.inf, "run from inf to inf; give grey levels 0..255"),
        (GLYPH.astype(np.uint16) * 257, "run from 0 to 51400; give grey levels 0..255"),
        (GLYPH.astype(float) - 100, "run from -100 to 100; give grey levels 0..255"),
        (GLYPH.astype(complex), "must be real numbers"),
        (GLYPH.astype(str), "must be an array of numbers"),
        ([[["a"]]], "must be an array of numbers"),
    ],
)
def test_numbers_that_are_no_grey_levels_are_refused(images, says):
    """Shares in 0..1 would come out black, NaN blank, 16 bits as plain ink."""
    with pytest.raises(InputError, match=rf"^images to frame {says}"):
        framed(images)


def test_blank_images_are_no_shares():
    for kind in (np.uint8, float):
        assert framed((GLYPH * 0).astype(kind)).sum() == 0


def test_tight_finds_the_ink_box():
    images = torch.zeros(4, 12, 10, dtype=torch.uint8)
    images[0, 3:8, 2:4] = 200
    images[1, 11, 9] = 1
    images[3] = 7
    cropped, heights, widths = tight(images)
    assert heights.tolist() == [5, 1, 0, 12] and widths.tolist() == [2, 1, 0, 10]
    assert cropped.shape == (4, 12, 10) and cropped.dtype == torch.uint8
    for place, (top, left) in enumerate([(3, 2), (11, 9), (0, 0), (0, 0)]):
        expected = torch.zeros(12, 10, dtype=torch.uint8)
        ink = images[place, top : top + heights[place], left : left + widths[place]]
        expected[: heights[place], : widths[place]] = ink
        assert torch.equal(cropped[place], expected)


def test_tight_threshold_and_shrinking():
    images = torch.zeros(2, 9, 9)
    images[:, 2:6, 3:5] = 10.0
    images[:, 3, 4] = 200.0
    cropped, heights, widths = tight(images, threshold=100)
    assert (
        cropped.shape == (2, 1, 1)
        and heights.tolist() == widths.tolist() == [1, 1]
        and cropped[0, 0, 0] == 200
    )
    cropped, heights, _ = tight(torch.zeros(2, 9, 9))
    assert cropped.shape == (2, 1, 1) and heights.tolist() == [0, 0]
    assert len(tight(torch.zeros(0, 9, 9))[0]) == 0


def test_tight_bool_then_frame():
    images = torch.rand(5, 30, 30, generator=torch.Generator().manual_seed(0)) > 0.9
    cropped, heights, widths = tight(images)
    assert cropped.dtype == torch.bool
    assert frame(cropped, heights, widths).amax(dim=(1, 2)).min() > 0


@pytest.mark.parametrize("mode", ["aspect", "square"])
def test_one_image_is_framed_as_in_a_batch(mode):
    random = np.random.default_rng(4)
    for _ in range(300):
        image = random.integers(0, 256, random.integers(1, 90, 2)).astype(np.uint8)
        image[random.random(image.shape) < random.choice([0, 0.5, 0.99])] = 0
        for threshold in (0, 64):
            wanted = frame(*tight(image[None], threshold), mode)[0].numpy()
            assert np.array_equal(frame_one(image, mode, threshold), wanted)
    with pytest.raises(InputError, match="framing 'round' is unknown"):
        frame_one(image, "round")
