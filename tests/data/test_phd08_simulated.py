import numpy as np
import pytest
import torch

from siamese_lib.data import phd08_simulated as simulate
from siamese_lib.data.faces import font_file
from siamese_lib.data.framing import tight
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.data.phd08 import FONTS, load_phd08, variant_indices
from siamese_lib.data.phd08_simulated import (
    CLOCKWISE,
    DPI,
    EDGE_JITTER,
    EDGE_OFFSET,
    POINTS,
    iter_simulated_phd08,
    write_simulated_phd08,
)
from siamese_lib.data.scanner import Sheet, edge_profile
from siamese_lib.errors import InputError

CENTRE = (1, 1, 1, 1, 1)
SHAPES = {
    "가": [(100, 0, 900, 800)],  # 0.8 em square
    "나": [(450, 0, 550, 900)],  # upright bar
    "다": [(50, 400, 950, 480)],  # level bar
    "라": [(0, 0, 400, 400), (500, 500, 900, 900)],
    "마": [(0, 0, 800, 80), (0, 0, 80, 800), (720, 0, 800, 800)],
}


@pytest.fixture
def stopgap(tiny_font, cache, monkeypatch):
    """The one test face is a tiny font that draws `SHAPES`."""
    face = font_file(tiny_font("shapes.ttf", SHAPES))
    monkeypatch.setattr(simulate, "find_faces", lambda split: [face] if split == "test" else [])
    return face


def simulated(characters="가나다라마", variants=(CENTRE,), **how):
    return list(iter_simulated_phd08(characters=characters, variants=variants, **how))


def sheet_of(face, characters="가나다라마", seed=0):
    glyphs = simulate.masters(face, characters)
    return Sheet("G", list(characters), glyphs.images, glyphs.heights, glyphs.widths, seed, "cpu")


def bitmaps(sheet, variant):
    return simulate.scan_variant(sheet, variant, slice(None))


def test_one_bank_a_font_and_variant(stopgap):
    banks = list(iter_simulated_phd08(characters="가나다라마", variants=9))
    assert [tuple(bank.meta.iloc[0]) for bank in banks] == [("G", *variant) for variant in variant_indices(9)]
    for bank in banks:
        assert bank.classes == list("가나다라마") and bank.labels.tolist() == [0, 1, 2, 3, 4]
        assert bank.meta.nunique().eq(1).all() and list(bank.meta) == ["font", "fs", "cp", "re", "th", "sl"]
        assert (bank.images.max(axis=(1, 2)) > 200).all()


def test_same_bits_whatever_batch_and_order(stopgap, monkeypatch):
    variants = [CENTRE, (2, 2, 2, 0, 0)]
    whole = simulated(variants=variants)
    for characters in ("마나가", "다"):
        for bank, reference in zip(simulated(characters, variants), whole, strict=True):
            assert np.array_equal(
                bank.images, reference.images[["가나다라마".index(character) for character in characters]]
            )
    assert np.array_equal(simulated(variants=[variants[1]])[0].images, whole[1].images)
    monkeypatch.setattr(simulate, "CHUNK", 2)
    assert [bank.sha256() for bank in simulated(variants=variants)] == [bank.sha256() for bank in whole]
    assert simulated(variants=variants, seed=1)[1].sha256() != whole[1].sha256()
    assert simulated(variants=variants, seed=np.int64(0))[1].sha256() == whole[1].sha256()


def test_kept_banks_are_those_that_are_made(stopgap, cache, monkeypatch):
    variants, made = [CENTRE, (2, 2, 2, 0, 0)], []
    fresh = simulated(variants=variants)
    scan = simulate.scan_variant
    monkeypatch.setattr(simulate, "scan_variant", lambda *a: made.append(a[1]) or scan(*a))
    for _ in range(2):
        kept = simulated(variants=variants, keep=True)
        assert [bank.sha256() for bank in kept] == [bank.sha256() for bank in fresh]
        assert [list(bank.meta.iloc[0]) for bank in kept] == [list(bank.meta.iloc[0]) for bank in fresh]
    assert made == variants  # the second time none
    others = {"seed": 1}, {"framing": "square"}, {"characters": "마나가"}
    for number, other in enumerate(others, 3):  # nothing else is taken for them
        simulated(**other, keep=True)
        assert len(made) == number
    damaged = sorted((cache / f"scans-{simulate.SIMULATOR_VERSION}").iterdir())
    assert len(damaged) == 5
    for file in damaged:
        file.write_bytes(b"PK")
    with pytest.warns(UserWarning, match="is damaged"):
        again = simulated(variants=variants, keep=True)
    assert [bank.sha256() for bank in again] == [bank.sha256() for bank in fresh] and len(made) == 7


def test_scans_differ_in_noise_and_retreatments_share_it(stopgap):
    sheet = sheet_of(stopgap)
    by_threshold = [bitmaps(sheet, (1, 2, 1, th, 1)) > 0 for th in range(3)]
    assert (by_threshold[0] >= by_threshold[1]).all() and (by_threshold[1] >= by_threshold[2]).all()
    assert by_threshold[0].sum() > by_threshold[1].sum() > by_threshold[2].sum()
    # at CP 1 and CP 2 the square's edges are rough in different places
    noise = [sheet._random((1, cp, 1), slice(None), 20)[1] for cp in (1, 2)]
    assert abs(torch.corrcoef(torch.stack([each.flatten() for each in noise]))[0, 1]) < 0.1
    assert noise[0].std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("fs", range(3))
@pytest.mark.parametrize("re", range(3))
def test_size_is_that_of_point_and_resolution(stopgap, fs, re):
    _, heights, widths = tight(bitmaps(sheet_of(stopgap), (fs, 0, re, 1, 1)))
    em = POINTS[fs] / 72 * DPI[re]
    assert heights[0] == pytest.approx(0.8 * em, abs=1.6) and widths[0] == pytest.approx(0.8 * em, abs=1.6)
    assert heights[1] == pytest.approx(0.9 * em, abs=1.6) and widths[2] == pytest.approx(0.9 * em, abs=1.6)


@pytest.mark.parametrize("sl", range(3))
def test_tilt(stopgap, sl):
    """SL 0 leans an upright bar to the right and lowers the right end of a level one, as measured."""
    scan = (bitmaps(sheet_of(stopgap), (2, 0, 2, 1, sl)) > 0).double()
    y, x = torch.meshgrid(*2 * [torch.arange(scan.shape[1], dtype=torch.double)], indexing="ij")
    angles = []
    for image, along, across in ((scan[1], -y, x), (scan[2], x, y)):
        along, across = along[image > 0], across[image > 0]
        slope = ((along - along.mean()) * across).sum() / ((along - along.mean()) ** 2).sum()
        angles.append(float(torch.atan(slope).rad2deg()))
    assert angles == pytest.approx([CLOCKWISE[sl]] * 2, abs=0.4)


def many_squares(count=432, side=102):
    """A sheet of the same square of 102 / 128 em under many characters.

    It lies at many positions of the pixel grid and of the squares averaged over.
    """
    images = np.zeros((count, side + 6, side + 6), np.uint8)
    for number, image in enumerate(images):
        top, left = divmod(number % 36, 6)
        image[top : top + side, left : left + side] = 255
    sides = np.full(count, side + 6)
    return Sheet("G", hangul_classes(11172)[:count], images, sides, sides, 0, "cpu")


@pytest.mark.parametrize("re", range(3))
def test_edges_move_by_the_measured_offset(re):
    """Displacement = change of area / perimeter."""
    sheet, side = many_squares(), 102 / 128 * POINTS[1] / 72 * DPI[re]
    for cp in range(3):
        for th in range(3):
            area = float((bitmaps(sheet, (1, cp, re, th, 1)) > 0).sum()) / 432
            assert (area - side**2) / (4 * side) == pytest.approx(EDGE_OFFSET[re][cp][th], abs=0.04)


@pytest.mark.parametrize("re", range(3))
def test_edges_are_as_rough_as_measured(re):
    """And paper and ink away from the edges stay clean: no salt and pepper."""
    sheet, rough = many_squares(), []
    for cp in range(3):
        scan = bitmaps(sheet, (1, cp, re, 1, 1)) > 0
        squares, heights, widths = tight(scan)
        assert squares[:, 3 : int(heights.min()) - 3, 3 : int(widths.min()) - 3].all()
        rows = scan[:, scan.shape[1] // 2 - 8 : scan.shape[1] // 2 + 8].double()
        middle = scan.shape[2] // 2
        variances = [half.sum(dim=2).var(dim=1).mean() for half in (rows[:, :, :middle], rows[:, :, middle:])]
        rough.append(float(torch.stack(variances).mean().sqrt()))
    assert rough == pytest.approx(list(EDGE_JITTER[re]), rel=0.15)


def test_edge_profile_is_that_of_the_scanner():
    """The integral of three boxes folded, computed by folding."""
    step = 1 / 1000
    box = np.ones(1000) * step
    kernel = np.convolve(np.convolve(box, box), box) / step
    profile = np.cumsum(kernel) * step
    places = (np.arange(len(kernel)) + 0.5) * step - len(kernel) * step / 2
    assert [edge_profile(place) for place in places[::50]] == pytest.approx(list(profile[::50]), abs=2e-3)
    assert (edge_profile(-2), edge_profile(0), edge_profile(2)) == (0, 0.5, 1)


def test_characters_that_a_face_lacks_are_left_out(stopgap):
    (bank,) = simulated("가하나")
    assert bank.labels.tolist() == [0, 2] and bank.classes == ["가", "하", "나"]


@pytest.mark.filterwarnings("ignore:.*of 2,187 records")
def test_written_files_give_the_same_bits(stopgap, tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "_FILES", 2)
    variants = [CENTRE, (0, 2, 0, 2, 0), (2, 2, 2, 0, 2)]
    paths = write_simulated_phd08(
        tmp_path / "phd08", variants, characters="가하나다"
    )  # the face does not draw 하
    assert [path.name for path in paths] == ["가.txt", "나.txt", "다.txt"] and paths[
        0
    ].read_bytes().startswith(b"G_0_2_0_2_0\r\n")
    files = load_phd08(tmp_path / "phd08")
    classes = hangul_classes(2350)
    for variant, bank in zip(sorted(variants), simulated("가하나다", variants), strict=True):
        of = files.subset(
            np.flatnonzero((files.meta[["fs", "cp", "re", "th", "sl"]].to_numpy() == variant).all(axis=1))
        )
        assert (
            [classes[label] for label in of.labels]
            == [bank.classes[label] for label in bank.labels]
            == ["가", "나", "다"]
        )
        assert np.array_equal(of.images, bank.images) and set(of.meta.font) == {"G"}


def test_square_framing(stopgap):
    (bank,) = simulated(framing="square")
    assert (bank.images.max(axis=2)[:, [1, 35]] > 100).all() and (
        bank.images.max(axis=1)[:, [1, 35]] > 100
    ).all()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fonts": "X"}, "no font X"),
        ({"fonts": "S"}, "of the fonts S none is there, only G"),
        ({"variants": 10}, "10 variants"),
        ({"framing": "round"}, "framing 'round'"),
        ({"seed": -1}, "seed=-1 is not possible; give a whole number from 0"),
        ({"seed": None}, "seed=None is not possible"),
        ({"seed": 1.7, "keep": True}, r"seed=1\.7 is not possible"),
        ({"device": "abacus"}, "device='abacus' is unknown; use cpu or cuda"),
    ],
)
def test_unknown_settings(stopgap, how, message):
    with pytest.raises(InputError, match=message):
        simulated(**how)


def test_a_glyph_too_large_is_refused(tiny_font, cache, monkeypatch):
    face = font_file(tiny_font("wide.ttf", {"가": [(0, 0, 1500, 800)]}))
    monkeypatch.setattr(simulate, "find_faces", lambda split: [face])
    with pytest.raises(InputError, match="'가' is larger than 1.1 em"):
        simulated("가")


def test_nine_fonts(debian_faces):
    characters = "가각나" + "".join(hangul_classes(2350)[::97])
    banks = list(iter_simulated_phd08(characters=dict.fromkeys(characters), variants=1))
    assert [bank.meta.font[0] for bank in banks] == list(FONTS)
    assert all(len(bank) == len(bank.classes) for bank in banks)
    assert len({bank.sha256() for bank in banks}) == 9
    (single,) = iter_simulated_phd08(characters=dict.fromkeys(characters), variants=1, fonts=["H2"])
    assert single.sha256() == banks[-1].sha256()


def test_a_class_file_is_whole(debian_faces, tmp_path):
    """All 2,187 records, each with the header and in the place of the real files."""
    (path,) = write_simulated_phd08(tmp_path, characters="각")
    headers = [line for line in path.read_text().splitlines() if "_" in line]
    assert headers == [
        f"{font}_{'_'.join(map(str, variant))}" for font in FONTS for variant in variant_indices(243)
    ]
    assert len(load_phd08(tmp_path)) == 2187  # no warning, so it is complete
