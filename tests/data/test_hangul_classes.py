import pytest

from siamese_lib.data.hangul_classes import hangul_classes
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
