"""The benchmarks as notebooks show them: titles with units, and sentences whose numbers are the tables'."""

import pandas as pd
import pytest

from siamese_lib.errors import NotThere
from siamese_lib.report import benchmarks

SHOWN = ("step", "time_to_accuracy", "rates", "scale", "mining", "memory", "evaluation")


@pytest.mark.parametrize("name", SHOWN)
def test_every_column_of_the_published_tables_has_a_title(name):
    table, record = benchmarks.measured(name)
    own = {
        "target",
        "seconds_median",
        "images_median",
        "seeds",
        "reached",
    }  # of `time_to_accuracy`, its own table
    assert set(table.columns) - own <= set(benchmarks.COLUMNS)
    assert benchmarks.machine(record).startswith("Measured on ")
    html = benchmarks.readable(table).to_html()
    assert all(benchmarks.COLUMNS[column][0] in html for column in table.columns if column not in own)
    assert not [
        column for column in table.columns if "_" in column and column not in own and f">{column}<" in html
    ]


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
        ("literal", 40, 120.0, 480_000.0, 3, 3),
        ("literal", 80, None, None, 0, 0),
        ("pooled-near", 40, 6.0, 20_000.0, 3, 2),
        ("pooled-near", 80, 22.0, 70_000.0, 3, 3),
    ],
    columns=["method", "target", "seconds_median", "images_median", "seeds", "reached"],
)


def test_time_to_accuracy_is_one_line_a_method():
    frame = benchmarks.time_to_accuracy(TIMES)
    assert list(frame.index) == ["literal", "pooled-near"]
    assert frame.loc["literal", "80 %, seeds"] == "not run" and pd.isna(frame.loc["literal", "80 %, s"])
    assert frame.loc["pooled-near"].tolist() == [6.0, 20_000, "2 of 3", 22.0, 70_000, "3 of 3"]


def test_sooner_compares_at_the_highest_common_target():
    text = benchmarks.sooner(TIMES)
    assert text == (
        "To 40 %: `pooled-near` 6 s (median of the 2 of 3 seeds that got there) and "
        "`literal` 120 s (median of the 3 of 3 seeds that got there), 20 times as long."
    )
    assert "no target in common" in benchmarks.sooner(TIMES.iloc[1:3])


def test_best_rates_and_near_pools():
    table = pd.DataFrame(
        [
            ("metric", "pooled-near", 128, 0.01, 80.0),
            ("metric", "pooled-near", 128, 0.006, 89.13),
            ("triplet", "pooled-near", 256, 0.02, 92.64),
            ("triplet", "pooled", 256, 0.02, 57.0),
        ],
        columns=["loss", "batch", "pool_images", "rate", "accuracy"],
    )
    best = benchmarks.best_rates(table)
    assert best.rate.tolist() == [0.006, 0.02, 0.02]
    text = benchmarks.near_pools(best)
    assert "metric loss 89.1 %, triplet loss 92.6 %. One seed cannot rank them." in text


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
