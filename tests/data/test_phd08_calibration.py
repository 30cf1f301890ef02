import numpy as np
import pandas as pd
import pytest

from siamese_lib.data import phd08_calibration as compare
from siamese_lib.data.phd08 import variant_indices
from siamese_lib.data.phd08_calibration import (
    LENGTH,
    Measures,
    edge_strips,
    measure_real,
    measure_simulated,
    roughness,
    separability,
    size_and_ink,
)
from siamese_lib.data.phd08_simulated import INK, SIZE
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
        assert (
            strips.shape == (4, LENGTH) and (strips == strips[0, 0]).all() and of.tolist() == [0, 0, 1, 1]
        )  # 30 rows hold two strips


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


def test_measures_count_all_four_sides():
    square = np.zeros((2, 36, 36), np.uint8)
    square[1, 12:24, 12:24] = 1  # its sides begin at row and column 12, where a strip begins
    found = compare._measures(
        [({"font": "S"}, square[:1], [0], [0]), ({"font": ["H1"]}, square[1:], [12], [12])]
    )
    assert (
        found.strips.shape == (4, LENGTH) and found.owner.tolist() == [1] * 4 and set(found.fonts()) == {"H1"}
    )
    assert found.table.ink.tolist() == [0, 144] and found.roughness("font") == {"H1": 0}


def test_roughness_is_the_noise_about_the_line():
    rng = np.random.default_rng(0)
    strips = rng.normal(0, 0.3, (4000, LENGTH)) + np.linspace(0, 1, LENGTH) + rng.uniform(0, 9, (4000, 1))
    assert roughness(strips) == pytest.approx(0.3, rel=0.02)
    with pytest.raises(InputError, match="no straight edge"):
        roughness(strips[:0])


def test_separability_of_equal_and_of_different_noise():
    fonts = np.resize(FONTS, 900)

    def measures(jitter: float, seed: int, fonts=fonts) -> Measures:
        return Measures(
            pd.DataFrame({"font": fonts}), made_up(jitter, len(fonts), seed), np.arange(len(fonts))
        )

    assert abs(separability(measures(0.3, 0), measures(0.3, 1)) - 0.5) < 0.04
    assert separability(measures(0.3, 0), measures(0.05, 1)) > 0.85
    with pytest.raises(InputError, match="three fonts"):
        separability(measures(0.3, 0), measures(0.3, 1, np.full(9, "S")))


UPRIGHT = [variant for variant in variant_indices(243) if variant[4] == 1]


@pytest.fixture(scope="module")
def simulated(debian_faces):
    return measure_simulated("가각나", UPRIGHT)


def test_sizes_and_ink_are_those_measured(simulated):
    """가, 각 and 나 as the real classes, nine faces, seed 0: within 3 %."""
    sizes, ink = size_and_ink(simulated.table)
    assert len(simulated.table) == 9 * 81 * 3
    for index, measured in SIZE.items():
        np.testing.assert_allclose(sizes[index], measured, rtol=0.03)
    np.testing.assert_allclose(ink, INK, rtol=0.03)


def test_what_was_measured_is_there_and_simulated_edges_are_nearly_real(simulated, phd08_folder):
    """The constants are those of the real classes: sizes within 0.5 %, ink within 1.5 %.

    Simulated edges by number of photocopies are as rough within 20 %, and a forest that has seen other fonts
    tells edges apart hardly better than by guessing.
    """
    real = measure_real(phd08_folder, UPRIGHT)
    assert len(real.table) == len(simulated.table)
    sizes, ink = size_and_ink(real.table)
    for index, measured in SIZE.items():
        np.testing.assert_allclose(sizes[index], measured, rtol=0.005)
    np.testing.assert_allclose(ink, INK, rtol=0.015)
    assert simulated.roughness("cp") == pytest.approx(real.roughness("cp"), rel=0.2)
    assert 0.45 < separability(real, simulated) < 0.65
