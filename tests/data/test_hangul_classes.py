import pytest

from siamese_lib.data.hangul_classes import class_list, hangul_classes
from siamese_lib.errors import InputError


def test_2350_are_ks_x_1001():
    # Independently: rows 16-40 of KS X 1001 are 25 rows of 94 syllables.
    table = [
        bytes([row, column]).decode("euc_kr") for row in range(0xB0, 0xC9) for column in range(0xA1, 0xFF)
    ]
    assert hangul_classes(2350) == table
    assert table == sorted(table) and len(table) == 2350


def test_11172_are_all_modern_syllables():
    classes = hangul_classes(11172)
    assert len(classes) == 11172 and classes[0] == "가" and classes[-1] == "힣"
    assert set(hangul_classes(2350)) < set(classes)


def test_list_is_the_callers_own():
    hangul_classes(2350).clear()
    assert len(hangul_classes(2350)) == 2350


@pytest.mark.parametrize("count", [0, 2351, "2350", None])
def test_other_counts_are_refused(count):
    with pytest.raises(InputError, match="2350"):
        hangul_classes(count)


def test_fewer_classes_are_evenly_spaced():
    assert class_list(2350) == hangul_classes(2350) and class_list(11172) == hangul_classes(11172)
    assert class_list(3) == [hangul_classes(2350)[k] for k in (0, 783, 1566)]


@pytest.mark.parametrize("count", [0, -5, 2351, 40.5, "40", None, True])
def test_other_numbers_of_classes_are_refused(count):
    """0 and less gave no classes at all."""
    with pytest.raises(InputError, match=rf"^num_classes={count!r} is not possible; give "):
        class_list(count)
