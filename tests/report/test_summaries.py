"""Sentences and tables of runs, from made-up records: every number is one that can be added up by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import evaluation, record

from siamese_lib.experiments.tables import TABLES
from siamese_lib.report import summaries
from siamese_lib.report.summaries import Text

BOTH = {"validation": 40.0, "phd08-sim": 30.0}


def one_each(*accuracies: float, **more) -> list[dict]:
    """A record of each of the paper's rows of Table 3, with these accuracies on simulated scans."""
    return [
        record(row, accuracies={"validation": 40.0, "phd08-sim": accuracy}, **more)
        for row, accuracy in zip(TABLES["table3"].paper, accuracies, strict=False)
    ]


def test_text_is_shown_as_markdown():
    text = Text("**a**")
    assert text == "**a**" and text._repr_markdown_() == "**a**"


def test_shown_keeps_the_papers_decimals_and_is_the_same_each_time():
    frame = pd.DataFrame({"paper": [91.25, np.nan], "ours": [58.444, 1234.5]}, index=["a", "b"])
    html = summaries.shown(frame).to_html()
    assert html == summaries.shown(frame).to_html()
    for text in (">91.25<", ">58.4<", ">1,234.5<", "></td>"):
        assert text in html
    assert ">0<" not in summaries.shown(frame.reset_index(drop=True)).to_html()  # a plain index is left out


def test_source_is_the_code_without_its_indentation():
    text = summaries.source(Text._repr_markdown_)
    assert text.startswith("```python\ndef _repr_markdown_(self)") and text.endswith("return str(self)\n```")


def test_published_are_a_tables_runs_in_the_papers_order(monkeypatch):
    every = [
        record("auto-probabilistic", 1),
        record("auto-clustering", 1),
        record("auto-clustering", 0),
        record("hard"),
        record("random", profile="cpu"),
        record("random", batch="literal"),
        record("random", table="table4"),
    ]
    monkeypatch.setattr(summaries, "published_records", lambda: every)
    found = [(r["config"]["row"], r["seed"]) for r in summaries.published("table3", "quick")]
    assert found == [("auto-clustering", 0), ("auto-clustering", 1), ("auto-probabilistic", 1)]
    assert [r["config"]["profile"] for r in summaries.published("table3")][0] == "cpu"
    assert [r["config"]["row"] for r in summaries.published("table3", rows=["hard"])] == ["hard"]
    assert len(summaries.published("table3", batch="literal")) == 1


def test_by_row_takes_the_lowest_seed_of_one_network():
    runs = [
        SimpleNamespace(record=record(row, seed, table="table4", protocol=protocol))
        for protocol in ("drawers", "alphabets")
        for row in ("random", "auto-clustering")
        for seed in (2, 1)
    ]
    found = summaries.by_row(runs, "alphabets")
    assert {row: (r.record["seed"], r.record["config"]["protocol"]) for row, r in found.items()} == {
        "random": (1, "alphabets"),
        "auto-clustering": (1, "alphabets"),
    }
    assert summaries.by_row(runs) == {}


def test_at_a_glance_adds_up():
    text = summaries.at_a_glance([record(seed=0), record(seed=1, seconds=30.0)])
    assert text == (
        "2 runs of 240,000 images each, 2,350 classes, `pooled` batches, profile `quick`: "
        "2.0 minutes of training in all (some CPU, 2 threads)."
    )
    both = [record(table="table4", protocol=protocol) for protocol in ("drawers", "alphabets")]
    assert "1,623 and 964 classes" in summaries.at_a_glance(both)
    assert summaries.at_a_glance([record()]).startswith("1 run of ")


def test_training_time_by_profile():
    text = summaries.training_time(
        [record(seconds=60.0), record(profile="cpu", seconds=300.0), record(seed=1)]
    )
    assert "`quick` 2 (2 runs), `cpu` 5 (1 run)." in text and "some CPU, 2 threads" in text
    assert summaries.training_time([]) == "No run of this kind is published yet."


def test_tested_sets_are_those_that_all_of_a_network_have():
    hangul = [record(accuracies=BOTH | {"phd08": 20.0}), record(seed=1, accuracies=BOTH)]
    assert summaries.tested_sets(hangul) == ["validation", "phd08-sim"]
    assert summaries.main_set(hangul) == "phd08-sim"
    assert summaries.main_set([record(accuracies={"validation": 1.0})]) == "validation"
    omniglot = [
        record(table="table4", protocol="drawers", accuracies={"validation": 1.0, "drawers": 2.0}),
        record(table="table4", protocol="alphabets", accuracies={"validation": 1.0, "one-shot": 3.0}),
    ]
    assert summaries.tested_sets(omniglot) == ["drawers", "one-shot"]


def test_results_are_means_over_seeds_beside_the_paper():
    records = [
        record("random", 0, BOTH, seconds=60.0),
        record("random", 1, {"validation": 50.0, "phd08-sim": 36.0}, seconds=180.0),
        record("contrastive/random", 0, BOTH),
        record("contrastive/random", 1, BOTH),
    ]
    frame = summaries.results(records)
    assert list(frame.index) == ["random", "contrastive/random"]
    assert list(frame.columns) == [
        "paper",
        "scans of the validation typefaces (2,350 classes, 100 images)",
        "simulated PHD08 (2,350 classes, 100 images)",
        "top-5, simulated PHD08",
        "minutes",
    ]
    assert frame.loc["random"].tolist() == [88.6, 45.0, 33.0, 53.0, 2.0]
    assert np.isnan(frame.loc["contrastive/random", "paper"])


def test_results_count_the_minutes_of_both_networks():
    records = [record(table="table4", protocol=p, seconds=60.0) for p in ("drawers", "alphabets")]
    assert summaries.results(records).loc["random", "minutes"] == 2


def test_ranking_names_order_chance_and_certainty():
    text = summaries.ranking(one_each(10.0, 30.0, 20.0, 40.0), "phd08-sim")
    assert "**random** 10.0 %, **auto-probabilistic** 20.0 %, **auto-clustering** 30.0 %, " in text
    assert "This is the paper's order. Chance is 0.043 %." in text and "about ± 2.0 " in text
    assert text.endswith("one seed cannot tell, so it decides no order.")
    assert "not the paper's order" in summaries.ranking(one_each(20.0, 30.0, 10.0, 40.0), "phd08-sim")
    few = summaries.ranking(one_each(20.0, 30.0), "phd08-sim")
    assert "This is the paper's order of these 2 rows." in few
    assert "paper" not in summaries.ranking(one_each(20.0), "phd08-sim")  # one row has no order


def test_ranking_of_several_seeds_has_their_interval():
    records = [record(seed=s, accuracies={"phd08-sim": a}) for s, a in enumerate((30.0, 32.0, 37.0))]
    text = summaries.ranking(records, "phd08-sim")
    assert "**random** 33.0 ± 9.0 %" in text  # t(0.975, 2) = 4.303 times sd 3.606 over sqrt(3)
    assert text.endswith("each is a mean of 3 seeds with its 95 % interval.")


@pytest.mark.parametrize("name, expected", [("verification", 50), ("one-shot", 5), ("alphabets", 100 / 382)])
def test_chance_on_omniglot(name, expected):
    made = record(table="table4", protocol="alphabets")
    made["evaluations"][name] = evaluation(50.0, classes=20 if name == "one-shot" else 382)
    assert summaries.chance(made, name) == pytest.approx(expected)


def test_no_order_is_compared_where_the_papers_number_cannot_stand():
    records = [
        record(
            row, table="table4", protocol="alphabets", accuracies={"alphabets": 50.0, "verification": 90.0}
        )
        for row in TABLES["table4"].paper
    ]
    assert "paper" not in summaries.ranking(records, "alphabets")
    assert "paper" in summaries.ranking(records, "verification")


def test_reading_is_one_evaluation_in_words():
    fonts = {"S": {"accuracy": 72.4}, "G": {"accuracy": 88.0}}
    text = summaries.reading(evaluation(80.0, classes=40, images=1234, by_font=fonts), "scans")
    assert text == "**80.0 %** of 1,234 scans are read correctly; chance is 2.5 %. By font: S 72 %, G 88 %."
    assert "font" not in summaries.reading(evaluation(80.0), "scans")


def test_gains_are_differences_of_means():
    records = one_each(30.0, 37.5)
    text = summaries.gains(records, "auto-clustering", "random")
    assert text == (
        "What **auto-clustering** adds to **random**: +0.0 points on scans of the validation typefaces, "
        "+7.5 points on simulated PHD08 (1 seed)."
    )
    assert summaries.gains(records, "hard", "random").startswith("Not compared: **hard** and **random**")


def test_inside_is_the_last_period_of_each_rows_first_record():
    second = record(seed=1)
    second["history"][-1]["loss"] = 1000.0
    frame = summaries.inside([record(), second, record("auto-clustering")])
    assert list(frame.index) == ["random", "auto-clustering"]
    assert frame.loc["random", ["loss", "mean d_AP", "mean d_AN", "active, %"]].tolist() == [9, 2, 20, 25]
    assert frame.columns[-1] == "accuracy on 1,000 images, %" and frame.iloc[0, -1] == 37.3


def test_not_run_says_what_is_missing_and_how_to_get_it():
    first = record(accuracies=BOTH)
    first["not_run"] = {"phd08": "no class files in data/phd08"}
    text = summaries.not_run([first])
    for line in (
        "- `phd08`: no class files in data/phd08",
        "- row `auto-clustering`: it is not in the parameter `rows`",
        "- other seeds: ",
        "- a larger budget: profile `cpu` (600,000 images a run, 5 seeds",
        "- the paper's own batches: `-p batch literal`",
        "    papermill notebooks/03_table3_hangul_2350.ipynb ",
        "`python -m siamese_lib run table3 --profile cpu`",
    ):
        assert line in text
    assert "row `random`" not in text and "typefaces" not in text and "other losses" not in text


def test_not_run_of_a_complete_large_literal_run_is_short():
    records = [
        record(row, seed, profile="cpu", batch="literal") for row in TABLES["table3"].paper for seed in (0, 1)
    ]
    assert not [line for line in summaries.not_run(records).splitlines() if line.startswith("-")]


def test_not_run_of_table_2_and_of_the_pypi_typefaces():
    made = record("contrastive/random", table="table2")
    made["manifest"]["fonts"]["fallback"] = True
    text = summaries.not_run([made])
    assert "- other losses with other mining" in text and "- the declared typefaces: " in text
    assert "06_table2_hangul_11172" in text


def test_speed_and_leaders():
    assert summaries.images_per_second([record(seconds=80.0), record(seconds=40.0)]) == 4500
    cells = pd.DataFrame(
        {"metric": [1.0, 9.0, 3.0, 7.0], "triplet": [2.0, 4.0, 5.0, None]},
        ["random", "hard", "distance", "auto-clustering"],  # the last has one loss: nothing to be ahead of
    )
    assert (
        summaries.leaders(cells)
        == "Ahead: the triplet loss with random, distance; the metric loss with hard."
    )


def test_split_sizes():
    class Bank(list):
        num_classes = 40

    hangul = SimpleNamespace(train=Bank(range(320)), validation=Bank(range(80)), split=None)
    split = SimpleNamespace(test=Bank(range(160)))
    omniglot = SimpleNamespace(train=Bank(range(480)), validation=Bank(range(160)), split=split)
    frame = summaries.split_sizes({"Hangul": hangul, "Omniglot": omniglot})
    assert frame.loc["Hangul"].tolist() == [40, 320, 8, 80, 9 * 243 * 40]
    assert frame.loc["Omniglot"].tolist() == [40, 480, 12, 160, 160]


def test_every_table_has_its_notebook():
    from siamese_lib.files import repository_root

    assert set(summaries.NOTEBOOKS) == set(TABLES)
    for name in summaries.NOTEBOOKS.values():
        assert (repository_root() / "notebooks" / f"{name}.ipynb").is_file()


def test_the_published_records_can_be_summarised():
    """No figure of them is asserted here: only that every function takes what real records hold."""
    for table in TABLES:
        found = summaries.published(table, "quick")
        frame = summaries.results(found)
        assert len(frame) == len(TABLES[table].paper) and not frame.drop(columns="paper").isna().any(
            axis=None
        )
        assert all(summaries.ranking(found, name) for name in summaries.tested_sets(found))
        json.dumps(summaries.not_run(found))
