import numpy as np
import pytest

from siamese_lib.data import compare, simulate
from siamese_lib.data.compare import LENGTH, all_strips, edge_strips, roughness, separability
from siamese_lib.data.framing import tight
from siamese_lib.data.glyphs import masters
from siamese_lib.data.phd08 import class_files, parse_file, variant_indices
from siamese_lib.errors import InputError

FONTS = np.array(list("SGMNBD"))


def bars(places) -> np.ndarray:
    """(N, L) whole positions of a left edge -> bitmaps (N, L, 20) with ink from there on."""
    return np.arange(20) >= np.asarray(places)[..., None]


def made_up(jitter: float, count: int, seed: int) -> np.ndarray:
    """(count, LENGTH) whole positions: an edge anywhere, white noise, rounded."""
    rng = np.random.default_rng(seed)
    return np.rint(rng.uniform(-0.5, 0.5, (count, 1)) + rng.normal(0, jitter, (count, LENGTH))).astype(int)


def test_a_straight_edge_is_one_strip_wherever_it_is():
    for place in (0, 1, 7):
        strips, of = edge_strips(bars(np.full((2, 30), place)))
        assert strips.shape == (4, LENGTH) and (strips == strips[0, 0]).all() and of.tolist() == [0, 0, 1, 1]  # 30 rows hold two strips


def test_positions_are_those_of_the_edge():
    places = np.array([[7, 7, 8, 7, 6, 7, 7, 8, 7, 7, 7, 6]])
    (strip,), _ = edge_strips(bars(places))
    assert (strip - strip[0] == places[0] - 7).all()


@pytest.mark.parametrize("places", [range(12), [5] * 6 + [8] * 6, [5] * 11 + [12]])
def test_slanted_and_broken_edges_are_none(places):
    assert len(edge_strips(bars([list(places)]))[0]) == 0


def test_thin_strokes_count_and_hairlines_do_not():
    stroke = np.zeros((1, 12, 12), bool)
    stroke[:, :, 5:7] = True
    assert len(edge_strips(stroke)[0]) == 1
    stroke[:, :, 6] = False
    assert len(edge_strips(stroke)[0]) == 0


def test_all_four_sides():
    square = np.zeros((1, 24, 24), bool)
    square[:, 6:18, 6:18] = True  # the sides' strips begin at rows and columns 0, 12, ...
    assert len(all_strips(square)) == 0
    square = np.zeros((1, 36, 36), bool)
    square[:, 12:24, 12:24] = True
    assert len(all_strips(square)) == 4 and roughness(all_strips(square)) == 0


def test_roughness_is_the_noise_about_the_line():
    rng = np.random.default_rng(0)
    strips = rng.normal(0, 0.3, (4000, LENGTH)) + np.linspace(0, 1, LENGTH) + rng.uniform(0, 9, (4000, 1))
    assert roughness(strips) == pytest.approx(0.3, rel=0.02)
    with pytest.raises(InputError, match="no straight edge"):
        roughness(strips[:0])


def test_separability_of_equal_and_of_different_noise():
    fonts = np.resize(FONTS, 900)
    assert abs(separability(made_up(0.3, 900, 0), made_up(0.3, 900, 1), fonts, fonts) - 0.5) < 0.04
    assert separability(made_up(0.3, 900, 0), made_up(0.05, 900, 1), fonts, fonts) > 0.85
    with pytest.raises(InputError, match="three fonts"):
        separability(made_up(0.3, 9, 0), made_up(0.3, 9, 1), fonts[:9], np.full(9, "S"))


def test_simulated_edges_are_nearly_those_of_real_glyphs(debian_faces, phd08_folder):
    """By number of photocopies within 20 %; a forest that has seen other fonts tells them apart hardly better than by guessing."""
    variants = [variant for variant in variant_indices(27) if variant[4] == 1]
    strips: dict[str, list] = {"real": [], "simulated": []}
    for path in class_files(phd08_folder).values():
        for bits, _, _, columns in parse_file(path, variants=variants):
            key = np.char.add(columns["font"].astype(str), columns["cp"].astype(str))
            for each in np.unique(key):
                strips["real"].append((each[:-1], int(each[-1]), all_strips(bits[key == each])))
    for letter, face in simulate.simulated_faces().items():
        glyphs = masters(face, list("가각나"))
        sheet = simulate._Sheet(letter, list("가각나"), glyphs.images, glyphs.heights, glyphs.widths, 0, "cpu")
        for variant in variants:
            strips["simulated"].append((letter, variant[1], all_strips(tight(sheet.scan(variant, slice(None)))[0].numpy() > 0)))
    for cp in range(3):
        real, simulated = (roughness(np.concatenate([s for _, c, s in strips[kind] if c == cp])) for kind in ("real", "simulated"))
        assert simulated == pytest.approx(real, rel=0.2), cp
    fonts = [np.concatenate([np.full(len(s), letter) for letter, _, s in strips[kind]]) for kind in ("real", "simulated")]
    both = [np.concatenate([s for *_, s in strips[kind]]) for kind in ("real", "simulated")]
    assert 0.45 < compare.separability(*both, *fonts) < 0.65
