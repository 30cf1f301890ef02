"""Figures of result tables: what they write and where their marks stand."""

import numpy as np
import pandas as pd
import pytest
from made_records import record

from siamese_lib import plots
from siamese_lib.plots.results import VERDICTS
from siamese_lib.report import claims


def texts(figure) -> list[str]:
    found = [text.get_text() for text in figure.texts]
    for ax in figure.axes:
        found += [text.get_text() for text in ax.texts]
        found += [tick.get_text() for tick in ax.get_yticklabels()]
    return found


def test_claims_have_their_interval_verdict_and_the_papers_difference():
    records = [record("random", seed, accuracy) for seed, accuracy in enumerate((50, 52, 51, 56))]
    records += [record("auto-clustering", seed, accuracy) for seed, accuracy in enumerate((60, 63, 62, 68))]
    frame = claims.claims_frame(records)
    figure = plots.claims_figure(frame)
    assert {"random < auto-clustering", "holds"} <= set(texts(figure))
    bar, ours, paper, _ = figure.axes[0].lines
    half = frame.difference_ci95.iloc[0]
    np.testing.assert_allclose(bar.get_xdata(), [11 - half, 11 + half])
    assert ours.get_xdata() == 11 and paper.get_xdata() == pytest.approx(2.5)
    assert ours.get_color() == VERDICTS["holds"]
    assert "No claim has two seeds yet." in texts(plots.claims_figure(frame.iloc[:0]))


def test_ablations_stand_beside_the_row_as_it_is():
    lines = pd.DataFrame(
        {"changed": ["", "theta=1"], "accuracy_mean": [70.0, 60.0], "accuracy_ci95": [np.nan, 2.0]}
    )
    figure = plots.ablation_figure(lines, "auto-clustering: theta")
    assert {"as it is", "theta=1", "70.0", "60.0"} <= set(texts(figure))
    line, plain, bar, other = figure.axes[0].lines
    assert line.get_xdata() == [70, 70] and plain.get_xdata() == 70 and other.get_xdata() == 60
    assert list(bar.get_xdata()) == [58, 62]
    assert "Not run yet." in texts(plots.ablation_figure(lines.iloc[:0], "x"))


def test_simulated_and_real_scans_of_runs_that_have_both():
    runs = [record(row, seed, 40.0 + 10 * seed) for row in ("random", "auto-clustering") for seed in (0, 1)]
    for n, run in enumerate(runs[:3]):
        run["evaluations"]["phd08"] = {"accuracy": 30.0 + n, "classes": 3, "images": 5}
    figure = plots.simulated_and_real(runs)
    assert "3 runs; 3 real classes; open: 11,172 classes; rank correlation 0.00" in texts(figure)
    marks = {(line.get_xdata()[0], line.get_ydata()[0]) for line in figure.axes[0].lines[1:]}
    assert marks == {(40, 30), (50, 31), (40, 32)}
    nothing = plots.simulated_and_real(runs[3:])
    assert "No run was tested on both." in texts(nothing) and nothing.axes  # IPython shows none without
