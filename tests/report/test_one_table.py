"""What notebooks show first of a table."""

from made_records import record

from siamese_lib.report import published as report
from siamese_lib.report import summaries


def runs(rows, seeds, images=600_000) -> list[dict]:
    made = []
    for n, row in enumerate(rows):
        for seed in range(seeds):
            run = record(row, seed, 50.0 + 10 * n + seed, images=images)
            run["history"] = [
                {"images": k, "seconds": float(k), "accuracy": 10.0 * k, "step": k} for k in (1, 2, 3)
            ]
            run["device"] |= {"name": "a CPU"}
            made.append(run)
    return made


def test_the_longest_runs_with_their_verdicts_and_curves(monkeypatch):
    every = runs(["random", "auto-clustering"], 3) + runs(["auto-probabilistic"], 1, images=1_000)
    monkeypatch.setattr(report, "published_records", lambda: every)
    monkeypatch.setattr(summaries, "published_records", lambda: every)
    glance, lines, verdicts, figure, minutes = report.published("table3")
    assert glance.startswith("6 runs of 120,064 images each")
    assert lines.data["row"].tolist() == ["random", "auto-clustering"]
    assert "51.0 ± 2.5" in lines.to_html() and "88.6" in lines.to_html()
    assert lines.data["accuracy, %"].tolist() == ["51.0 ± 2.5", "61.0 ± 2.5"]
    assert "**random < auto-clustering** holds: +10.0 ± 0.0 points over 3 seeds" in verdicts
    assert len(figure.axes) == 2 and "`quick` 10 (7 runs)" in minutes


def test_one_seed_is_said_to_decide_nothing_and_no_run_to_be_none(monkeypatch):
    monkeypatch.setattr(report, "published_records", lambda: runs(["random", "auto-clustering"], 1))
    assert report.published("table3")[2].startswith("One seed a row")
    monkeypatch.setattr(report, "published_records", list)
    assert report.published("table3") == ["No run of this table is published yet."]
