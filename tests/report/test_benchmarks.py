"""The benchmarks as notebooks show them: titles with units, and sentences whose numbers are the tables'."""

import numpy as np
import pandas as pd
import pytest

from siamese_lib.errors import NotThere
from siamese_lib.report import benchmarks

SHOWN = ("step", "rates", "long_run", "scale", "mining", "memory", "evaluation")


@pytest.mark.parametrize("name", SHOWN)
def test_every_column_of_the_published_tables_has_a_title(name):
    table, record = benchmarks.measured(name)
    assert set(table.columns) <= set(benchmarks.COLUMNS)
    assert benchmarks.machine(record).startswith("Measured on ")
    html = benchmarks.readable(table).to_html()
    assert all(benchmarks.COLUMNS[column][0] in html for column in table.columns)
    assert not [column for column in table.columns if "_" in column and f">{column}<" in html]


def test_what_was_not_measured_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmarks, "results_folder", lambda: tmp_path)
    with pytest.raises(
        NotThere, match=r"step\.csv is not there; measure it with `python -m benchmarks\.step`"
    ):
        benchmarks.measured("step")


def test_readable_has_the_decimals_of_its_columns():
    table = pd.DataFrame(
        {"images_per_s": [4186.4], "ratio": [0.8942], "batch": ["literal"], "peak_mb": [None]}
    )
    html = benchmarks.readable(table).to_html()
    assert ">4,186<" in html and ">0.89<" in html and ">literal<" in html
    assert html.index(">batch<") < html.index(">images a second<")


def test_step_kept():
    table = pd.DataFrame({"ratio": [0.85, 0.9], "ratio_cpu_updates": [0.77, 0.82]})
    text = benchmarks.step_kept(table)
    assert "**85 to 90 %**" in text and "77 to 82 %" in text


TIMES = pd.DataFrame(
    [
        ("literal", "clean-40", 120.0, 480_000.0, 3, 3),
        ("literal", "scans-80", None, None, 0, 0),
        ("triplet/pooled-near", "clean-40", 6.0, 20_000.0, 3, 3),
        ("triplet/pooled-near", "scans-80", 22.0, 70_000.0, 3, 2),
        ("pml/circle, adam", "clean-40", 12.0, 40_000.0, 3, 3),
        ("pml/triplet, adam", "clean-40", 15.0, 50_000.0, 3, 3),
        ("pml/circle, soap", "clean-40", 8.0, 30_000.0, 3, 3),
        ("pml/circle, soap", "scans-80", None, None, 3, 0),
    ],
    columns=["method", "target", "seconds_median", "images_median", "seeds", "reached"],
)


def test_time_to_accuracy_is_one_line_a_method():
    frame = benchmarks.time_to_accuracy(TIMES)
    assert list(frame.columns) == ["40 % of clean glyphs", "80 % of scans"]
    assert frame.loc["literal"].tolist() == ["120.0 s, 480,000 images", "not run"]
    assert frame.loc["triplet/pooled-near", "80 % of scans"] == "22.0 s, 70,000 images (2 of 3 seeds)"
    assert frame.loc["pml/circle, soap", "80 % of scans"] == "no seed of 3"


def test_sooner_compares_the_fastest_of_both_sides_where_all_seeds_got_there():
    assert benchmarks.sooner(TIMES) == (
        "Median times of methods that reached a target with all seeds:\n\n"
        "- 40 % of clean glyphs: `triplet/pooled-near` in 6.0 s; **0.50** of the library's fastest with Adam "
        "(`pml/circle, adam`, 12.0 s); **0.75** of the library's fastest with SOAP (`pml/circle, soap`, "
        "8.0 s)\n"
        "- 80 % of scans: none of ours; with some seeds only `triplet/pooled-near`"
    )


def test_a_target_that_only_others_reached_is_said():
    theirs = TIMES.assign(reached=TIMES.reached.where(TIMES.method.str.startswith("pml/"), 1))
    theirs = theirs[(theirs.target == "clean-40") & (theirs.seeds > 0)]
    assert (
        "- 40 % of clean glyphs: none of ours; the library's fastest with Adam (`pml/circle, adam`, 12.0 s); "
        "the library's fastest with SOAP (`pml/circle, soap`, 8.0 s); with some seeds only `literal`, "
        "`triplet/pooled-near`"
    ) in benchmarks.sooner(theirs)


def test_the_published_times_are_those_of_their_runs():
    table, record = benchmarks.measured("time_to_accuracy")
    frame = benchmarks.time_to_accuracy(table)
    assert len(frame) == table.method.nunique() and len(frame.columns) == table.target.nunique() == 4
    for line in table.itertuples():
        mine = [run for run in record["runs"] if (run["method"], run["target"]) == (line.method, line.target)]
        ends = [run["curve"][-1] for run in mine if run["reached"]]
        assert (line.seeds, line.reached) == (len(mine), len(ends))
        if ends:
            assert line.seconds_median == pytest.approx(np.median([end[1] for end in ends]), rel=1e-3)
        for run in mine:
            assert run["reached"] == (run["best"] >= int(line.target.split("-")[1]))


def test_best_rates_and_what_changes():
    table = pd.DataFrame(
        [
            ("random", "triplet", "pooled-near", "soap", 128, 0.01, None, 80.0, 90.0),
            ("random", "triplet", "pooled-near", "soap", 128, 0.02, None, 84.0, 95.0),
            ("random", "triplet", "pooled-near", "soap", 128, 0.02, "framing=aspect", 81.0, 94.0),
            ("random", "triplet", "pooled-near", "soap", 128, 0.02, "shift=0.12", 91.0, 98.0),
            ("random", "triplet", "pooled-near", "adam", 128, 0.02, None, 70.0, 85.0),
            ("random", "metric", "pooled", "soap", 256, 0.02, None, 30.0, 40.0),
            ("auto-clustering", "metric", "pooled", "soap", 256, 0.01, None, 43.0, 57.0),
        ],
        columns="mining loss batch optimiser pool_images rate other accuracy clean".split(),
    )
    table["images"] = [80_000 if accuracy < 90 else 240_000 for accuracy in table.accuracy]
    assert benchmarks.at_full_length(table).accuracy.tolist() == [91]
    best = benchmarks.best_rates(table)
    assert best.rate.tolist() == [0.02, 0.02, 0.01] and best.accuracy.tolist() == [84, 70, 43]
    (line,) = benchmarks.changed(table).to_dict("records")
    assert line["changed"] == "framing=aspect" and (line["scans, %"], line["without the change"]) == (81, 84)
    assert (line["clean glyphs, %"], line["without it"]) == (94, 95)


def test_growth_search_memory_and_reading():
    scale = pd.DataFrame(
        {
            "batch": ["pooled", "pooled"],
            "classes": [256, 11_172],
            "images_per_s": [4030.0, 4076.0],
            "update_seconds": [0.0048, 0.966],
            "peak_mb": [602.7, 927.0],
        }
    )
    assert benchmarks.grown(scale) == (
        "- `pooled`, from 256 to 11,172 classes: 4,030 and 4,076 images a second; "
        "update 0.005 and 0.97 s; peak memory 603 and 927 MB"
    )
    mining = pd.DataFrame(
        {
            "classes": [1_000, 1_000_000],
            "clusters_seconds": [0.03, 480.0],
            "impostors_seconds": [0.02, 900.0],
            "percent_of_epoch": [0.0118, 324.7],
            "draw_ms": [1.12, 6.13],
        }
    )
    text = benchmarks.searched(mining)
    assert (
        "1,000 classes 0.05 s (0.01 % of an epoch), 1,000,000 classes 23 minutes (325 % of an epoch)" in text
    )
    assert text.endswith("A draw takes 1.1 to 6.1 ms.")
    assert "1,166 to 1,248 MB" in benchmarks.peaks(pd.DataFrame({"peak_mb": [1166.0, 1248.0]}))
    evaluation = pd.DataFrame(
        {
            "images": [100, 900],
            "images_per_s": [5584, 6494],
            "ratio": [0.42, 0.506],
            "peak_mb": [852.5, 834.0],
        }
    )
    text = benchmarks.read(evaluation)
    assert (
        "(9 times as many)" in text
        and "5,584 to 6,494" in text
        and "42 to 51 %" in text
        and "834 to 852 MB" in text
    )


def test_answers_and_searches_say_what_the_ratio_is_of():
    names = ["onnxruntime", "onnxruntime, int8", "OpenVINO", "OpenVINO, int8", "SiameseClassifier"]
    numbers = {"one_ms": [0.3, 0.45, 0.4, 0.3, 0.6], "batch_ms": [72.0, 54.0, 60.0, 30.0, 90.0]}
    table = pd.DataFrame(
        {"runtime": names, **numbers, "ratio": [1.0, 1.5, 1.4, 1.0, 2.0], "changed": [0, 1, 0, 1.25, np.nan]}
    )
    assert "times the network alone" in benchmarks.answers(table).to_html()
    text = benchmarks.answered(table)
    assert "in **0.60 ms**, 2.0 times what" in text and "0.50 of the time of its float32" in text
    assert (
        "changes 1.25 % of the answers" in text
        and "takes 1.50 of its time for one glyph, 0.75 for 256, changes 1 %" in text
    )
    search = pd.DataFrame({"search": ["product"], "classes": [2350], "one_ms": [0.01], "ratio": [1.0]})
    assert "times the product" in benchmarks.searches(search).to_html()


def test_what_limits_is_said_in_points():
    table = pd.DataFrame(
        {
            "splits": ["train", "train-wide", "train-wide + validation", "train-wide + test"],
            "typefaces": [8, 37, 39, 46],
            "validation_scans": [92.0, 91.0, 94.0, 92.0],
            "test_scans": [80.0, 88.0, 88.5, 94.0],
            "test_scans_top5": [95.0, 97.0, 97.0, 99.0],
        }
    )
    text = benchmarks.limited(table)
    assert "From 8 typefaces to 37, one seed: simulated PHD08 **+8.0** points" in text
    assert "scans of the validation typefaces -1.0. Had" in text
    assert "**94.0 %**" in text and "+6.0 points" in text and "the other 6.0 to" in text
    assert "misreads, 75 % have the right syllable" in text


COMPARED = pd.DataFrame(
    [
        (method, 0.01, 240_000, seed, "ideal vectors", test + 1, test)
        for method, tests in {
            "ours: a": (80, 82, 84),
            "Circle": (70, 71, 75),
            "ours: b": (60, 60, 60),
        }.items()
        for seed, test in enumerate(tests)
    ],
    columns=["method", "rate", "images", "seed", "read_by", "validation", "accuracy"],
)


def test_methods_are_compared_best_first_and_by_seed():
    """Differences 10, 11, 9: mean 10, deviation 1, t(2) = 4.303, half-width 4.303 / sqrt(3) = 2.48."""
    frame = benchmarks.compared(COMPARED)
    assert frame.method.tolist() == ["ours: a", "Circle", "ours: b"]
    assert frame["simulated PHD08, %"].iloc[0] == "82.0 ± 5.0"
    text = benchmarks.won(COMPARED)
    assert "**a** reads more than Circle" in text and "+10.0 ± 2.5 points over 3 seeds" in text
    worse = COMPARED.assign(
        accuracy=COMPARED.accuracy.where(COMPARED.method == "Circle", COMPARED.accuracy - 12)
    )
    assert "cannot be told from Circle" in benchmarks.won(worse)
    far = COMPARED.assign(
        accuracy=COMPARED.accuracy.where(COMPARED.method == "Circle", COMPARED.accuracy - 20)
    )
    assert "reads less than Circle, the best of the others: -10.0 ± 2.5" in benchmarks.won(far)


def test_what_added_characters_cost():
    table = pd.DataFrame(
        {
            "classes": 2350,
            "unseen": 100,
            "samples": 5,
            "old_before": [90.0, 92.0],
            "old_after": [89.5, 91.8],
            "new": [85.0, 87.0],
            "new_ci95": [2.0, 3.0],
        }
    )
    text = benchmarks.added(table)
    assert text.startswith(
        "100 of 2,350 syllables were left out of training (2 seeds, each with its own 100)"
    )
    assert "from 5 clean glyphs each" in text
    assert "91.0 % were read before and 90.7 % afterwards (at most 0.50 points lost)" in text
    assert "**86.0 %** (by seed 85.0 ± 2.0, 87.0 ± 3.0" in text
