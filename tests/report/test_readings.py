"""Omniglot in its readings: baselines on drawings that pixels tell apart, sentences from made-up records."""

import pandas as pd
import torch
from made_up import evaluation, record

from siamese_lib.errors import NotThere
from siamese_lib.experiments.tables import TABLES
from siamese_lib.report import readings, summaries


def records() -> list[dict]:
    """The paper's rows, each 1 below the paper on pairs and 31 below it on new drawers."""
    made = []
    for row, paper in TABLES["table4"].paper.items():
        made.append(record(row, table="table4", protocol="drawers", accuracies={"drawers": paper - 31}))
        made.append(
            record(
                row,
                table="table4",
                protocol="alphabets",
                accuracies={"verification": paper - 1, "one-shot": 70.0},
            )
        )
    return made


def test_nearer_to_the_paper_compares_the_two_readings_alone():
    text = readings.nearer_to_the_paper(records())
    assert (
        "1.0 points on pairs of new alphabets, 31.0 points on new drawers. " in text
        and "one-shot" not in text
    )


def test_above_pixels_takes_the_better_comparison_and_the_best_row():
    titles = ["new drawers", "pairs of new alphabets", "Lake's one-shot runs"]
    lines = pd.DataFrame(
        [[99.0, 99.0, 99.0], [40.0, 60.0, 45.0], [42.0, 55.0, 45.0]],
        index=["(random weights)", *readings.PIXELS],
        columns=titles,
    )
    text = readings.above_pixels(records(), lines)
    best = max(TABLES["table4"].paper.values())
    assert f"{best - 31 - 42:+.1f} points on new drawers" in text
    assert f"{best - 1 - 60:+.1f} points on pairs of new alphabets" in text
    assert "+25.0 points on Lake's one-shot runs" in text


def test_baselines_stand_below_the_rows_in_their_columns():
    frame = summaries.results(records())
    lines = pd.DataFrame({"new drawers": [20.0]}, index=["(random weights)"])
    joined = readings.with_baselines(frame, lines)
    assert list(joined.columns) == list(frame.columns) and list(joined.index)[-1] == "(random weights)"
    assert joined.iloc[-1].dropna().to_dict() == {"new drawers (2,350 classes, 100 images)": 20.0}


def test_baselines_score_random_weights_and_pixels(monkeypatch):
    """Each test set is scored once for random weights and once for pixels; missing data is left out."""
    asked = []

    class Scorer:
        def __init__(self, forward, config, data, device, progress):
            self.size, self.config = forward(torch.zeros(2, 1, 37, 37)).shape, config

        def score(self, name):
            asked.append((self.config, name, tuple(self.size)))
            if name == "one-shot":
                raise NotThere("no all_runs.zip")
            return {"accuracy": 50.0} | ({"recall_at_1": 40.0} if name == "drawers" else {}), None

    monkeypatch.setattr(readings, "Scorer", Scorer)
    networks = {"drawers": ("D", None), "alphabets": ("A", None)}
    frame = readings.baselines(networks, lambda x: x, torch.device("cpu"))
    assert list(frame.index) == ["(random weights)", *readings.PIXELS]
    assert frame.loc[readings.PIXELS[1]].to_dict() == {
        "new drawers": 40.0,
        "new alphabets": 50.0,
        "pairs of new alphabets": 50.0,
    }
    assert asked[:2] == [("D", "drawers", (2, 25)), ("D", "drawers", (2, 37 * 37))] and len(asked) == 8


def test_by_alphabet_counts_and_ranks():
    alphabets = {name: {"accuracy": float(10 * k)} for k, name in enumerate("abcdefg")}
    test = evaluation(50.0, by_alphabet=alphabets)
    test["confusions"] = [["a/1", "a/2", 9], ["a/1", "b/1", 8], ["c/3", "d/3", 7]]
    text = readings.by_alphabet(test)
    assert text.startswith("Of the 3 most frequent mistakes 1 are within one alphabet.")
    assert "Hardest alphabets: a 0 %, b 10 %, c 20 %; easiest: g 60 %, f 50 %, e 40 %." in text
    assert "58.6 % of the test drawings; with the alphabet of each given, 83.0 %" in readings.told_alphabet(
        evaluation(58.6, told_alphabet=83.0), "random"
    )


def test_tried_settings_are_sorted_and_named():
    frame = readings.tried_settings()
    accuracy = frame["validation drawers, %"]
    assert accuracy.is_monotonic_decreasing and list(frame.columns) == list(readings.TRIED.values())
    assert isinstance(frame.index, pd.RangeIndex) and set(frame["learning rate"]) <= {"0.006", "0.01", "0.02"}


def test_longest_run_is_the_one_with_the_largest_budget(monkeypatch):
    monkeypatch.setattr(readings, "published_records", list)
    assert readings.longest_run() == "No run is published yet."
    made = [
        record(
            "contrastive/random",
            table="table4",
            profile=profile,
            batch=batch,
            protocol="drawers",
            seconds=60.0,
        )
        for profile, batch in (("quick", "pooled"), ("best", "pooled-near"))
    ]
    for each, accuracy in zip(made, (50.0, 84.1), strict=True):
        each["evaluations"] = {
            "drawers": evaluation(accuracy, told_alphabet=94.7),
            "validation": evaluation(84.5),
        }
    monkeypatch.setattr(readings, "published_records", lambda: made[::-1])
    text = readings.longest_run()
    assert "profile `best`: contrastive/random, `pooled-near` batches, 1,000,000 images, 1.0 minutes" in text
    assert "**84.1 %**" in text and "84.5 % of the validation drawers'" in text and "94.7 %" in text
