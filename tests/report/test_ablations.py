"""What notebook 08 says of published ablations."""

import dataclasses

import pandas as pd
import pytest
from made_records import record

from siamese_lib.experiments.ablations import ABLATIONS
from siamese_lib.report import ablations


def of(config, accuracy: float, seed: int = 0) -> dict:
    made = record(config.row, seed, accuracy)
    made |= {"config": dataclasses.asdict(config), "id": f"{config.row}{accuracy}{seed}"}
    return made


@pytest.fixture
def published(monkeypatch):
    """Publish these records."""
    return lambda records: monkeypatch.setattr(
        ablations, "published_records", lambda ablations=False: records if ablations else []
    )


def test_lines_are_the_row_and_its_changes_in_their_order(published):
    plain, low, _, one = ABLATIONS["theta"].configs()
    other = ABLATIONS["eta"].configs()[1]
    published([of(one, 50.0), of(plain, 60.0), of(low, 61.5), of(other, 10.0)])
    found = ablations.lines("theta")
    assert found.changed.tolist() == ["", "theta=0.25", "theta=1"] and found.gain.tolist() == [0, 1.5, -10]
    assert ablations.effects(found) == (
        "Beside the row as it is: `theta=0.25` +1.5 points, `theta=1` -10.0 points; 1 seed."
    )
    assert ablations.title("theta") == "auto-clustering: how often the negative is of the same cluster"


def test_other_batches_are_changes(published):
    plain, literal = ABLATIONS["literal"].configs()
    published([of(plain, 60.0), of(literal, 40.0), of(plain, 62.0, 1), of(literal, 41.0, 1)])
    found = ablations.lines("literal")
    assert found.changed.tolist() == ["", "batch=literal"] and found.gain.tolist() == [0, -20.5]


def test_gains_are_paired_by_seed(published):
    """Differences 1 and 3: mean 2, deviation sqrt(2), t(1) = 12.706, half-width 12.706, p = 0.295 (t = 2)."""
    plain, low, *_ = ABLATIONS["theta"].configs()
    runs = [of(plain, 60.0), of(low, 61.0), of(plain, 70.0, 1), of(low, 73.0, 1), of(plain, 10.0, 2)]
    published(runs)
    assert ablations.effects(ablations.lines("theta")) == (
        "Beside the row as it is: `theta=0.25` +2.0 ± 12.7 points (p = 0.3); 2 seeds, paired t-test."
    )
    figures = ablations.shown("theta", "gamma")
    assert [type(part).__name__ for part in figures] == ["Figure", "Text"] * 2


def test_what_was_not_run_is_said(published):
    published([])
    found = ablations.lines("gamma")
    assert found.empty and "Not run yet" in ablations.effects(found)
    published([of(ABLATIONS["gamma"].configs()[1], 50.0)])  # a change alone compares with nothing
    found = ablations.lines("gamma")
    assert pd.isna(found.gain).all() and "Not run yet" in ablations.effects(found)


def test_how_far_seeds_move_a_row(monkeypatch):
    """40, 44 and 42: deviation 2; a row with one seed has none."""
    runs = [record("random", seed, accuracy) for seed, accuracy in enumerate((40.0, 44.0, 42.0))]
    runs = [
        run | {"config": run["config"] | {"profile": "cpu"}} for run in [*runs, record("auto-clustering")]
    ]
    monkeypatch.setattr(ablations, "published_records", lambda: runs)
    assert ablations.by_chance() == (
        "Standard deviation over seeds, Table 3 in profile `cpu`: `random` 2.0 points."
    )
