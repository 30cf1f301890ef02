"""Tables as text, the blocks of both READMEs, and that what is committed is what the records say."""

import dataclasses
import json
import shutil

import pandas as pd
import pytest
from made_records import hangul_11172, omniglot, record

from siamese_lib.errors import InputError
from siamese_lib.experiments.config import make_config
from siamese_lib.files import repository_root, results_folder
from siamese_lib.report import pages
from siamese_lib.report.claims import claims_frame
from siamese_lib.report.notebooks import notebook_files
from siamese_lib.report.tables import COLUMNS, compare, table_frame

BLOCKS = {
    "README.md": ["summary", "headlines", "notebooks"],
    "results/README.md": ["table3", "table2", "matrix", "table4", "claims", "ablation", "comparison"],
}


def block(page: str, name: str) -> str:
    return page.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0]


def test_percent_is_the_papers():
    shown = [pages.percent(value) for value in (91.25, 88.6, 90.0, 93.17, float("nan"), None)]
    assert shown == ["91.25", "88.6", "90.0", "93.17", "", ""]


def test_markdown_and_latex():
    text = pages.shown(table_frame([record(seed=s, accuracy=50 + s) for s in range(2)], "table3"))
    cells = (
        "random | phd08-sim, 2,350 classes | quick | pooled | 2 | 50.5 ± 6.4 | 80.0 | 88.6 | 120,064 | 1.5"
    )
    assert pages.markdown(text).splitlines()[2] == f"| {cells} |"
    latex = pages.latex(text)
    assert r"50.5 $\pm$ 6.4 & 80.0 & 88.6" in latex and r"accuracy, \%" in latex


def test_readings_of_omniglot_are_named_and_the_papers_digits_kept():
    lake = {"verification": {"accuracy": 90.0, "classes": 382, "images": 10_000}}
    text = pages.markdown(pages.shown(table_frame([omniglot("random", **lake)], "table4")))
    assert "| random | omniglot verification, 382 classes | quick | pooled | 1 | 90.0 |  | 91.25 |" in text


def test_tables_of_nothing():
    text = pages.shown(table_frame([], "table3"))
    assert pages.markdown(text).count("\n") == 2 and r"\begin{tabular}" in pages.latex(text)
    assert pages.summary(table_frame([], "table3")).empty


def test_comparison_leaves_out_empty_columns_and_keeps_the_papers_digits(monkeypatch):
    monkeypatch.setattr("siamese_lib.report.tables.published_records", list)
    monkeypatch.setattr("siamese_lib.report.tables.working_records", lambda: [omniglot()])
    head, line = pages.comparison(compare("table4", "quick")).splitlines()
    assert head.split() == "row batch dataset protocol classes paper this machine".split()
    assert line.split() == "random pooled omniglot drawers 1623 91.25 60.0".split()


def test_the_summary_is_the_published_budget_and_the_best_line():
    records = [record("auto-clustering", seed, 40.0 + seed) for seed in range(2)]
    for made in records:
        made["config"]["profile"] = "cpu"
    best = record(accuracy=70.0, batch="pooled-near") | {"id": "best"}
    best["config"]["batch"] = "pooled-near"
    others = [record(accuracy=60.0), record("auto-probabilistic", accuracy=99.0, classes=3), best]
    frame = table_frame(records + others, "table3")
    assert pages.summary(frame).values.tolist() == [["auto-clustering", "40.5 ± 6.4", "91.1", "2", "1.5"]]
    assert pages.headlines(frame, claims_frame(records + others)) == (
        "- Read best: **70.0 %** by `random` with `pooled-near` batches in profile `quick` "
        "(1 seed of 1.5 minutes).\n"
    )


def test_the_headlines_say_what_mining_adds():
    """And whether the combination is above clustering; not the other orders."""
    both = "auto-probabilistic+auto-clustering"
    records = [record("auto-clustering", seed, 40.0 + seed) for seed in range(2)]
    records += [record("random", seed, 30.0 + 3 * seed) for seed in range(2)]
    records += [record("auto-probabilistic", 0, 35.0), record("auto-probabilistic", 1, 35.0)]
    records += [record(both, seed, 38.0 + seed) for seed in range(2)]
    for made in records:
        made["config"]["profile"] = "cpu"
    _, first, _, second, best = pages.headlines(
        table_frame(records, "table3"), claims_frame(records)
    ).splitlines()
    assert first == (
        "- **random < auto-clustering** undecided: +9.0 ± 12.7 points over 2 seeds (p = 0.07; "
        "the paper: +2.5)."
    )
    assert second.startswith(
        "- **auto-clustering < auto-probabilistic + auto-clustering** fails: -2.0 ± 0.0 points over 2 seeds"
    )
    assert best.startswith("- Read best: **40.5 ± 6.4 %** by `auto-clustering` with `pooled` batches")
    assert pages.headlines(table_frame([], "table3"), claims_frame([])) == ""


def test_notebooks_have_their_titles_and_measured_minutes(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "results_folder", lambda: tmp_path)
    table = pages.notebook_table()
    assert table.columns.tolist() == ["notebook", "shows"] and len(table) == len(notebook_files(True))
    first = table.iloc[0]
    assert first.notebook == "[00_quickstart](notebooks/00_quickstart.ipynb)" and first.shows.startswith(
        "Quick"
    )
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "notebooks.csv").write_text(
        "device,notebook,profile,minutes\ncpu,00_quickstart,quick,1.234\ncpu,00_quickstart,cpu,2\n"
    )
    table = pages.notebook_table()
    assert table.columns.tolist() == ["notebook", "shows", "minutes, quick", "minutes, cpu"]
    assert table.iloc[:2, 2:].values.tolist() == [["1.2", "2.0"], ["", ""]]


def test_a_block_is_replaced_and_its_marks_must_be_there():
    page = "a\n<!-- table3 -->\nold\n<!-- /table3 -->\nb\n"
    assert (
        pages.with_block(page, "table3", "new\n", "README.md")
        == "a\n<!-- table3 -->\nnew\n<!-- /table3 -->\nb\n"
    )
    assert r"a\1\n" in pages.with_block(page, "table3", r"a\1\n", "README.md")
    for broken in (
        "nothing",
        "<!-- table3 -->\nonly the first\n",
        "<!-- /table3 -->\n<!-- table3 -->\n",
        page + page,
        page + "<!-- table3 -->\n",
        page.replace("table3", "table4"),
    ):
        with pytest.raises(InputError, match="^x.md must hold <!-- table3 --> .* once; put the marks back"):
            pages.with_block(broken, "table3", "new\n", "x.md")


def test_committed_tables_are_rebuilt_byte_for_byte(tmp_path, monkeypatch):
    measured = [
        f"results/benchmarks/{name}" for name in ("notebooks.csv", "comparison.csv", "comparison.json")
    ]
    for name in (*BLOCKS, *measured):
        if (repository_root() / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repository_root() / name, tmp_path / name)
    monkeypatch.setattr(pages, "repository_root", lambda: tmp_path)
    monkeypatch.setattr(pages, "results_folder", lambda: tmp_path / "results")
    written = pages.write_tables()
    assert len(written) == 24 and len(pages.published_records()) >= 4
    for name in written:
        assert (tmp_path / name).read_bytes() == (repository_root() / name).read_bytes(), name


@pytest.fixture
def written(tmp_path, monkeypatch):
    """write(records) -> folder with both READMEs and results/ made from them."""
    monkeypatch.setattr(pages, "repository_root", lambda: tmp_path)
    monkeypatch.setattr(pages, "results_folder", lambda: tmp_path / "results")
    (tmp_path / "results").mkdir()
    for file, names in BLOCKS.items():
        marks = "".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in names)
        (tmp_path / file).write_text(f"# Über\n\n{marks}end\n", encoding="utf-8")

    def write(records):
        monkeypatch.setattr(
            pages,
            "published_records",
            lambda ablations=False: [
                r for r in records if (r["config"]["profile"] == "ablation") == ablations
            ],
        )
        names = {
            f"results/{table}.{kind}"
            for table in ("table2", "table3", "table4", "matrix", "ablation", "claims")
            for kind in ("csv", "md", "tex")
        }
        assert set(pages.write_tables()) == names | {"results/by_font.csv", *BLOCKS}
        return tmp_path

    return write


def test_csv_has_two_decimals_and_empty_cells(written):
    folder = written([record(accuracy=100 / 3), record("auto-clustering", classes=3, accuracy=7)])
    table = (folder / "results" / "table3.csv").read_bytes().decode().splitlines()
    assert table == [
        ",".join(COLUMNS),
        "random,metric,uniform,uniform,pooled,phd08-sim,,quick,2350,100,9,1,33.33,,80.00,88.60,120064,1.50,cpu",
        "auto-clustering,metric,uniform,auto-clustering,pooled,phd08-sim,,quick,3,100,9,1,7.00,,80.00,,"
        "120064,1.50,cpu",
    ]
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
        files = [folder / "README.md", *(folder / "results").iterdir()]
        texts.append({path: path.read_bytes() for path in files})
    assert texts[0] == texts[1]


def test_pages_show_the_tables_and_keep_the_rest(written):
    folder = written([record()])
    page = (folder / "results" / "README.md").read_text(encoding="utf-8")
    table = (folder / "results" / "table3.md").read_text(encoding="utf-8")
    assert block(page, "table3") == table and "| random |" in table
    assert page.startswith("# Über\n\n<!-- table3 -->\n") and page.endswith("<!-- /comparison -->\nend\n")
    assert [block(page, name) for name in ("table2", "matrix", "table4")] == ["", "", ""]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "| random | 50.0 | 88.6 | 1 | 1.5 |" in block(readme, "summary")
    assert block(readme, "headlines").startswith("- Read best: **50.0 %** by `random`")
    assert block(readme, "notebooks").count(".ipynb") == len(notebook_files(True))
    written([record(), record("auto-clustering")])
    assert (folder / "results" / "README.md").read_text(encoding="utf-8").count("| auto-clustering |") == 1


def test_table_2_has_what_profile_best_reads(written):
    best = make_config("table2", "prototype/random", "best").__dict__
    folder = written([hangul_11172("metric/random"), record() | {"config": best}])
    table = pd.read_csv(folder / "results" / "table2.csv")
    assert table.row.tolist() == ["prototype/random", "metric/random"]


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
    assert table.negatives.tolist() == ["hard", "distance", "auto-clustering", "uniform"]
    assert set(table["loss"]) == {"contrastive", "metric"}
    assert matrix.row.tolist() == [*paper, "metric/auto-probabilistic", "triplet/hard"]
    page = (folder / "results" / "README.md").read_text(encoding="utf-8")
    assert "| contrastive/hard |" in block(page, "table2")
    assert block(page, "matrix").splitlines()[:5] == [
        "| mining | metric | contrastive | triplet |",
        "| --- | --- | --- | --- |",
        "| random | 50.0 |  |  |",
        "| hard |  | 50.0 | 50.0 |",
        "| distance |  | 50.0 |  |",
    ]
    assert list(table.columns) == list(matrix.columns) == COLUMNS


def test_a_damaged_published_record_is_one_line(written, monkeypatch, capsys, tmp_path):
    """From the command line: a record that is null or cut."""
    from siamese_lib.__main__ import main
    from siamese_lib.experiments import records

    monkeypatch.setattr(records, "results_folder", lambda: tmp_path / "results")
    monkeypatch.setattr(pages, "published_records", records.published_records)
    cut = json.loads(next((results_folder() / "runs").glob("*.json")).read_text(encoding="utf-8"))
    del cut["totals"]["seconds"]
    (tmp_path / "results" / "runs").mkdir()
    for content in (None, cut):
        (tmp_path / "results" / "runs" / "ab.json").write_text(json.dumps(content))
        assert main(["tables"]) == 2
        message = capsys.readouterr().err
        assert (
            message.startswith("error: record ") and message.count("\n") == 1 and "ab.json lacks" in message
        )


def test_ablations_and_claims_have_their_pages(written):
    base = make_config("table3", "auto-clustering", "ablation")
    made = []
    for seed, theta in ((0, 0.5), (0, 1.0)):
        made.append(record("auto-clustering", seed, 40 + 10 * theta))
        made[-1] |= {"id": f"a{theta}", "config": dataclasses.asdict(base) | {"theta": theta}}
    made += [record(row, seed, 50 + seed) for row in ("random", "auto-clustering") for seed in range(3)]
    folder = written(made) / "results"
    ablation = (folder / "ablation.csv").read_text().splitlines()
    assert ablation[0] == ",".join([*COLUMNS, "changed"]) and ablation[2].endswith(",theta=1")
    assert block((folder / "README.md").read_text(encoding="utf-8"), "ablation").count("(as it is)") == 1
    claim = (folder / "claims.csv").read_text().splitlines()
    assert claim[1] == ("table3,random,auto-clustering,pooled,phd08-sim,,quick,3,0.00,0.00,1,2.50,undecided")
    assert len((folder / "table3.csv").read_text().splitlines()) == 3  # no ablation among the rows
