"""Lines of the result tables from records."""

import copy

import numpy as np
import pandas as pd
import pytest
from made_records import omniglot, record

from siamese_lib.errors import InputError
from siamese_lib.files import results_folder
from siamese_lib.report import tables as report

DESIGN = (
    "row,loss,positives,negatives,batch,dataset,protocol,profile,classes,images,fonts,seeds,"
    "accuracy_mean,accuracy_ci95,top5_mean,paper_accuracy,images_seen,minutes,device"
)


def test_columns_are_designs():
    assert list(report.table_frame([record()], "table3").columns) == DESIGN.split(",")
    assert (results_folder() / "table3.csv").read_text(encoding="utf-8").splitlines()[0] == DESIGN


def test_mean_and_t_interval_by_hand():
    frame = report.table_frame(
        [record(seed=s, accuracy=a) for s, a in enumerate((50.0, 52.0, 57.0))], "table3"
    )
    (line,) = frame.to_dict("records")
    assert (
        line["accuracy_mean"] == 53
        and line["seeds"] == 3
        and line["minutes"] == 1.5
        and line["paper_accuracy"] == 88.6
    )
    assert line["accuracy_ci95"] == pytest.approx(
        4.302653 * np.sqrt(13) / np.sqrt(3), rel=1e-6
    )  # sd^2 = (9 + 1 + 16) / 2
    assert report.table_frame([record()], "table3").accuracy_ci95.isna().all()


def test_incomplete_class_lists_stand_beside_no_paper_number():
    assert report.table_frame([record(classes=3)], "table3").paper_accuracy.isna().all()


def test_rows_whose_batch_chooses_the_negatives_stand_beside_no_paper_number():
    frame = report.table_frame([record(batch="pooled-near")], "table3")
    assert frame.negatives.tolist() == ["nearest"] and frame.paper_accuracy.isna().all()


def test_the_comparison_has_a_line_for_each_method_in_designs_columns():
    """50, 52, 57 as above; a seed that diverged counts with 0 and has no other fact."""
    columns = "method row loss batch positives negatives rate images seed accuracy top5 minutes classes"
    circle = "Circle", "pml/circle", "pml/circle", "pooled", "uniform", "uniform", 0.01, 240_128
    ours = "ours: triplet", "triplet/random", "triplet", "pooled-near", "uniform", "nearest", 0.02, 240_000
    lines = [(*ours, seed, accuracy, 90.0, 2.0, 2350) for seed, accuracy in enumerate((50.0, 52.0, 57.0))]
    lines += [(*circle, 0, 0.0, 0.0, *2 * [np.nan]), (*circle, 1, 40.0, 80.0, 3.0, 2350)]
    runs = pd.DataFrame(lines, columns=columns.split()).assign(images_tested=100, fonts=9)
    runs.loc[3, ["images_tested", "fonts", "batch", "positives", "negatives", "row", "loss"]] = np.nan
    frame = report.comparison_frame(runs, "cpu")
    assert list(frame.columns) == DESIGN.split(",")
    first, second = frame.to_dict("records")
    assert first["row"] == "triplet/random" and first["accuracy_mean"] == 53 and first["seeds"] == 3
    assert first["accuracy_ci95"] == pytest.approx(4.302653 * np.sqrt(13) / np.sqrt(3), rel=1e-6)
    assert first["images"] == 100 and first["images_seen"] == 240_000 and first["minutes"] == 2
    assert second["row"] == "pml/circle" and second["accuracy_mean"] == 20 and second["minutes"] == 3
    assert second["classes"] == 2350 and second["profile"] == "comparison"


def test_rows_stand_in_the_papers_order():
    rows = ["auto-probabilistic+auto-clustering", "random", "contrastive/random", "auto-clustering"]
    frame = report.table_frame([record(row) for row in rows], "table3")
    assert frame.row.tolist() == [
        "random",
        "auto-clustering",
        "auto-probabilistic+auto-clustering",
        "contrastive/random",
    ]


def test_a_line_never_mixes(capsys):
    for other in (
        record(seed=1, images=600_000),
        record(seed=0),
        record(seed=1) | {"device": {"type": "cuda"}},
    ):
        with pytest.raises(InputError, match="would share the line random/pooled/phd08-sim/quick"):
            report.table_frame([record(), other], "table3")
    several = copy.deepcopy(record(seed=1))
    several["evaluations"]["phd08-sim"]["variants"] = 9
    with pytest.raises(InputError, match="differ in more than their seed"):
        report.table_frame([record(), several], "table3")


def test_pypi_faces_stay_out():
    fallback = record() | {"manifest": {"fonts": {"fallback": True}}}
    assert report.table_frame([fallback], "table3").empty and report.by_font_frame([fallback], "table3").empty


def test_by_font():
    frame = report.by_font_frame([record(seed=0, accuracy=50), record(seed=1, accuracy=60)], "table3")
    assert (
        frame.font.tolist() == ["G", "S"]
        and frame.accuracy_mean.tolist() == [56.0, 55.0]
        and frame.seeds.tolist() == [2, 2]
    )


def test_comparison_has_three_columns(monkeypatch):
    monkeypatch.setattr(report, "published_records", lambda: [record(accuracy=40.0)])
    old, new = record(accuracy=10.0, rate=0.5), record(accuracy=45.0) | {"created": "2026-02-01"}
    monkeypatch.setattr(
        report, "working_records", lambda: [old, new, record("auto-clustering", accuracy=47.0)]
    )
    frame = report.compare("table3", "quick")
    assert frame.columns.tolist() == [
        "row",
        "batch",
        "dataset",
        "classes",
        "paper",
        "published",
        "this machine",
    ]
    assert frame[["paper", "published", "this machine"]].iloc[0].tolist() == [88.6, 40.0, 45.0]
    assert (
        frame.iloc[1].row == "auto-clustering"
        and pd.isna(frame.iloc[1].published)
        and frame.iloc[1]["this machine"] == 47.0
    )


def test_a_change_of_configuration_outdates_the_other_seeds(monkeypatch):
    """Seed 0 was run again after a change, seed 1 was not; the old one's value was shown."""
    monkeypatch.setattr(report, "published_records", list)
    old = [record(seed=seed, accuracy=10.0, rate=0.5) for seed in range(2)]
    new = record(seed=0, accuracy=45.0) | {"created": "2026-02-01"}
    monkeypatch.setattr(report, "working_records", lambda: [*old, new])
    assert report.compare("table3", "quick")["this machine"].tolist() == [45.0]
    for other in ({"method_version": 2}, {"device": {"type": "cuda"}}):
        rerun = record(seed=0, accuracy=46.0) | {"created": "2026-03-01"} | other
        monkeypatch.setattr(report, "working_records", [*old, new, rerun].copy)
        assert report.compare("table3", "quick")["this machine"].tolist() == [46.0]


def test_top_5_is_of_the_seeds_that_have_it():
    records = [record(seed=seed) for seed in range(2)]
    del records[1]["evaluations"]["phd08-sim"]["top5"]
    assert report.table_frame(records, "table3").top5_mean.tolist() == [80.0]


def test_comparison_of_nothing(monkeypatch):
    monkeypatch.setattr(report, "published_records", list)
    monkeypatch.setattr(report, "working_records", list)
    assert report.compare("table3", "quick").empty


def test_table_4_has_a_line_for_each_protocol():
    lake = {"accuracy": 70.0, "classes": 20, "images": 400}
    unseen = {
        "alphabets": {"accuracy": 50.0, "top5": 75.0, "classes": 382, "images": 1528},
        "verification": {"accuracy": 90.0, "classes": 382, "images": 10_000},
    }
    frame = report.table_frame(
        [omniglot("random", **unseen, **{"one-shot": lake}), omniglot(), omniglot("auto-clustering")],
        "table4",
    )
    assert frame.protocol.tolist() == ["drawers", "drawers", "alphabets", "verification", "one-shot"] and set(
        frame.dataset
    ) == {"omniglot"}
    assert (
        frame.row.tolist() == ["random", "auto-clustering", "random", "random", "random"]
        and frame.fonts.isna().all()
    )
    assert (
        frame.paper_accuracy.tolist()[:2] == [91.25, 91.6] and frame.paper_accuracy[3] == 91.25
    )  # B and C, the readings it may be of
    assert (
        frame.paper_accuracy.isna().tolist() == [False, False, True, False, True]
        and frame.top5_mean.isna().tolist() == [False] * 3 + [True] * 2
    )
    few = {"drawers": {"accuracy": 60.0, "top5": 80.0, "classes": 40, "images": 160}}
    assert (
        report.table_frame([omniglot(**few)], "table4").paper_accuracy.isna().all()
        and report.by_font_frame([omniglot()], "table4").empty
    )
