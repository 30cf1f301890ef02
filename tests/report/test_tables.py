import copy

import numpy as np
import pandas as pd
import pytest

from siamese_lib.errors import InputError
from siamese_lib.experiments.config import make_config
from siamese_lib.files import repository_root, results_folder
from siamese_lib.report import tables as report

DESIGN = (
    "row,loss,positives,negatives,batch,dataset,protocol,profile,classes,images,fonts,seeds,"
    "accuracy_mean,accuracy_ci95,top5_mean,paper_accuracy,images_seen,minutes,device"
)


def record(row="random", seed=0, accuracy=50.0, classes=2350, **changes) -> dict:
    test = {
        "accuracy": accuracy,
        "top5": 80.0,
        "classes": classes,
        "images": 100,
        "fonts": 9,
        "variants": 3,
        "manifest": {},
    }
    test["by_font"] = {
        "S": {"accuracy": accuracy, "images": 60},
        "G": {"accuracy": accuracy + 1, "images": 40},
    }
    config = make_config("table3", row, "quick", **changes).__dict__
    return {
        "id": f"{row}-{seed}",
        "config": config,
        "seed": seed,
        "manifest": {"fonts": {"fallback": False}},
        "method_version": 1,
        "device": {"type": "cpu"},
        "created": f"2026-01-0{seed + 1}",
        "totals": {"images_seen": 120_064, "seconds": 90.0},
        "evaluations": {"phd08-sim": test},
    }


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


def test_markdown_and_latex():
    frame = report.table_frame([record(seed=s, accuracy=50 + s) for s in range(2)], "table3")
    text = report.markdown(frame)
    assert text.splitlines()[2].startswith(
        "| random | phd08-sim, 2,350 classes | quick | pooled | 2 | 50.5 ± 6.4 | 80.0 | 88.6 |"
    )
    assert r"50.5 $\pm$ 6.4 & 80.0 & 88.6" in report.latex(frame) and r"accuracy, \%" in report.latex(frame)


def test_tables_of_nothing():
    frame = report.table_frame([], "table3")
    assert report.markdown(frame).count("\n") == 2 and r"\begin{tabular}" in report.latex(frame)


def test_readme_block():
    text = "a\n<!-- table3 -->\nold\n<!-- /table3 -->\nb\n"
    assert (
        report.readme_with_block(text, "table3", "new\n") == "a\n<!-- table3 -->\nnew\n<!-- /table3 -->\nb\n"
    )
    backslash = report.readme_with_block(text, "table3", r"a\1\n")
    assert r"a\1\n" in backslash
    for broken in (
        "nothing",
        "<!-- table3 -->\nonly the first\n",
        text + text,
        text.replace("table3", "table4"),
    ):
        with pytest.raises(InputError, match="<!-- table3 --> .* exactly once; put the marks back"):
            report.readme_with_block(broken, "table3", "new\n")


def test_committed_tables_are_rebuilt_byte_for_byte(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_bytes((repository_root() / "README.md").read_bytes())
    monkeypatch.setattr(report, "repository_root", lambda: tmp_path)
    monkeypatch.setattr(report, "results_folder", lambda: tmp_path / "results")
    written = report.write_tables()
    assert len(written) == 14 and len(report.published_records()) >= 4
    for name in written:
        assert (tmp_path / name).read_bytes() == (repository_root() / name).read_bytes(), name


@pytest.fixture
def written(tmp_path, monkeypatch):
    """write(records) -> folder with README.md and results/ made from them."""
    monkeypatch.setattr(report, "repository_root", lambda: tmp_path)
    monkeypatch.setattr(report, "results_folder", lambda: tmp_path / "results")
    blocks = "".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in ("table4", "table2", "matrix"))
    (tmp_path / "README.md").write_text(
        f"# Über\n\n<!-- table3 -->\n<!-- /table3 -->\nend\n{blocks}", encoding="utf-8"
    )

    def write(records):
        monkeypatch.setattr(report, "published_records", lambda: records)
        names = {
            f"results/{table}.{kind}"
            for table in ("table2", "table3", "table4", "matrix")
            for kind in ("csv", "md", "tex")
        }
        assert set(report.write_tables()) == names | {"results/by_font.csv", "README.md"}
        return tmp_path

    return write


def test_csv_has_two_decimals_and_empty_cells(written):
    folder = written([record(accuracy=100 / 3), record("auto-clustering", classes=3, accuracy=7)])
    assert (folder / "results" / "table3.csv").read_bytes().decode() == (
        DESIGN
        + "\nrandom,metric,uniform,uniform,pooled,phd08-sim,,quick,2350,100,9,1,33.33,,80.00,88.60,120064,1.50,cpu\n"
        + "auto-clustering,metric,uniform,auto-clustering,pooled,phd08-sim,,quick,3,100,9,1,7.00,,80.00,,120064,1.50,cpu\n"
    )
    fonts = (folder / "results" / "by_font.csv").read_text().splitlines()
    assert fonts[:2] == [
        "table,row,batch,dataset,protocol,profile,font,images,seeds,accuracy_mean,accuracy_ci95",
        "table3,random,pooled,phd08-sim,,quick,G,40,1,34.33,",
    ]


def test_the_order_of_the_records_does_not_matter(written):
    several = [record(row, seed, 50 + seed) for row in ("random", "auto-clustering") for seed in range(3)]
    texts = []
    for order in (several, several[::-1]):
        folder = written(order)
        texts.append(
            {path.name: path.read_bytes() for path in (folder / "results").iterdir()}
            | {"": (folder / "README.md").read_bytes()}
        )
    assert texts[0] == texts[1]


def test_readme_shows_the_table_and_keeps_the_rest(written):
    folder = written([record()])
    text = (folder / "README.md").read_text(encoding="utf-8")
    table = (folder / "results" / "table3.md").read_text(encoding="utf-8")
    empty = "<!-- table4 -->\n<!-- /table4 -->\n<!-- table2 -->\n<!-- /table2 -->\n<!-- matrix -->\n<!-- /matrix -->\n"
    assert (
        text == f"# Über\n\n<!-- table3 -->\n{table}<!-- /table3 -->\nend\n{empty}" and "| random |" in table
    )
    written([record(), record("auto-clustering")])
    assert (folder / "README.md").read_text(encoding="utf-8").count("| auto-clustering |") == 1


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


def test_comparison_of_nothing(monkeypatch):
    monkeypatch.setattr(report, "published_records", list)
    monkeypatch.setattr(report, "working_records", list)
    assert report.compare("table3", "quick").empty


def omniglot(row="random", seed=0, **evaluations) -> dict:
    tests = (
        {"drawers": {"accuracy": 60.0, "top5": 80.0, "classes": 1623, "images": 6492}}
        if not evaluations
        else evaluations
    )
    config = make_config(
        "table4", row, "quick", protocol="drawers" if "drawers" in tests else "alphabets"
    ).__dict__
    return record(row, seed) | {
        "config": config,
        "manifest": {"split": {}},
        "evaluations": {"validation": {"accuracy": 1.0}} | tests,
    }


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
    assert (
        "| random | omniglot verification, 382 classes | quick | pooled | 1 | 90.0 |  | 91.2 |"
        in report.markdown(frame)
    )
    few = {"drawers": {"accuracy": 60.0, "top5": 80.0, "classes": 40, "images": 160}}
    assert (
        report.table_frame([omniglot(**few)], "table4").paper_accuracy.isna().all()
        and report.by_font_frame([omniglot()], "table4").empty
    )


def hangul_11172(row, seed=0, accuracy=50.0) -> dict:
    return record("random", seed, accuracy) | {"config": make_config("table2", row, "quick").__dict__}


def test_table_2_has_the_papers_rows_and_the_matrix_all(written):
    rows = [
        "metric/random",
        "triplet/hard",
        "contrastive/auto-clustering",
        "contrastive/distance",
        "contrastive/hard",
        "metric/auto-probabilistic",
    ]
    folder = written([hangul_11172(row) for row in rows])
    table, matrix = (
        pd.read_csv(folder / "results" / f"{name}.csv", keep_default_na=False)
        for name in ("table2", "matrix")
    )
    paper = ["contrastive/hard", "contrastive/distance", "contrastive/auto-clustering", "metric/random"]
    assert table.row.tolist() == paper and table.paper_accuracy.tolist() == [64.5, 69.7, 76.1, 82.6]
    assert table.negatives.tolist() == ["hard", "distance", "auto-clustering", "uniform"] and set(
        table["loss"]
    ) == {"contrastive", "metric"}
    assert matrix.row.tolist() == [*paper, "metric/auto-probabilistic", "triplet/hard"]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "| contrastive/hard |" in readme
    cells = [
        "| mining | metric | contrastive | triplet |",
        "| --- | --- | --- | --- |",
        "| random | 50.0 |  |  |",
        "| hard |  | 50.0 | 50.0 |",
    ]
    assert "\n".join(["<!-- matrix -->", *cells, "| distance |  | 50.0 |  |"]) in readme
    assert list(table.columns) == list(matrix.columns) == DESIGN.split(",")
