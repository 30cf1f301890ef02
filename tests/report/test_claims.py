"""Claims of the paper against records, by hand."""

import numpy as np
import pytest
from made_records import omniglot, record
from scipy import stats

from siamese_lib.experiments.tables import TABLES
from siamese_lib.report import claims


def runs(row: str, accuracies: list[float], **changes) -> list[dict]:
    return [record(row, seed, accuracy, **changes) for seed, accuracy in enumerate(accuracies)]


def test_every_pair_of_rows_is_a_claim_from_lower_to_higher():
    for table, of_table in TABLES.items():
        pairs = claims.claims(table)
        n = len(of_table.paper)
        assert len(set(pairs)) == len(pairs) == n * (n - 1) / 2
        assert all(of_table.paper[lower] < of_table.paper[higher] for lower, higher in pairs)
    assert claims.claims("table3")[:3] == [
        ("random", "auto-probabilistic"),
        ("random", "auto-clustering"),
        ("random", "auto-probabilistic+auto-clustering"),
    ]


def test_differences_are_paired_by_seed():
    """60 - 50, 63 - 52, 62 - 51, 68 - 56: mean 11, sd^2 = (1 + 0 + 0 + 1) / 3, t(3, 97.5 %) = 3.182446."""
    records = runs("random", [50, 52, 51, 56, 99]) + runs("auto-clustering", [60, 63, 62, 68])
    (line,) = claims.claims_frame(records).itertuples()
    assert (line.lower, line.higher, line.seeds) == ("random", "auto-clustering", 4)
    assert line.difference_mean == 11 and line.paper_difference == pytest.approx(2.5)
    assert line.difference_ci95 == pytest.approx(3.182446 * np.sqrt(2 / 3) / 2, rel=1e-6)
    assert line.p == pytest.approx(stats.ttest_rel([60, 63, 62, 68], [50, 52, 51, 56]).pvalue)
    assert line.verdict == "holds"
    text = claims.sentence(line)
    assert text.startswith("**random < auto-clustering** holds: +11.0 ± 1.3 points over 4 seeds (p = ")
    assert text.endswith("the paper: +2.5).")


@pytest.mark.parametrize(
    "higher, verdict", [([40, 41, 42], "fails"), ([49, 55, 54], "undecided"), ([50, 52, 51], "undecided")]
)
def test_the_other_verdicts(higher, verdict):
    records = runs("random", [50, 52, 51]) + runs("auto-probabilistic", higher)
    assert claims.claims_frame(records).verdict.tolist() == [verdict]


def test_one_seed_decides_nothing():
    records = runs("random", [50]) + runs("auto-clustering", [90])
    frame = claims.claims_frame(records)
    assert frame.empty and list(frame.columns) == claims.COLUMNS and claims.shown(frame).empty


def test_groups_are_not_mixed():
    """Other batches, incomplete classes and rows that the paper lacks make no claim with these."""
    records = runs("random", [50, 52]) + runs("auto-clustering", [60, 63], batch="literal")
    records += [record("auto-probabilistic", seed, 80.0, classes=3) for seed in (0, 1)]
    records += runs("triplet/random", [90, 91])
    assert claims.claims_frame(records).empty


def test_omniglot_is_compared_where_the_papers_figures_may_stand():
    def of(row: str, accuracy: float, seed: int) -> dict:
        pairs = {"accuracy": accuracy, "classes": 382, "images": 10}
        return omniglot(row, seed, verification=pairs, alphabets=pairs | {"top5": 1.0})

    records = [of("random", 90.0 + seed, seed) for seed in (0, 1, 2)]
    records += [of("auto-clustering", 91.0 + 1.1 * seed, seed) for seed in (0, 1, 2)]
    (line,) = claims.claims_frame(records).itertuples()
    assert (line.protocol, line.verdict) == ("verification", "holds")
    assert claims.shown(claims.claims_frame(records))["test set"].tolist() == ["verification"]
