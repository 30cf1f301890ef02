"""Running notebooks: what papermill gets wrong by itself is an error; `reproduce` and what it prints."""

import dataclasses
import os
import sys

import nbformat
import pytest

from siamese_lib.__main__ import main
from siamese_lib.errors import InputError
from siamese_lib.experiments import records
from siamese_lib.experiments.config import make_config
from siamese_lib.files import repository_root, runs_folder
from siamese_lib.report import notebooks as reproduce
from siamese_lib.report import tables as report
from siamese_lib.report.notebooks import execute, refresh


@pytest.fixture
def notebook(tmp_path):
    """make(*code) -> path of a notebook with one parameter, `number`, and these cells."""

    def make(*cells: str):
        made = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        )
        made.cells = [
            nbformat.v4.new_code_cell("number = 1", metadata={"tags": ["parameters"]}),
            *map(nbformat.v4.new_code_cell, cells),
        ]
        nbformat.write(made, tmp_path / "n.ipynb")
        return tmp_path / "n.ipynb"

    return make


def test_a_misspelt_parameter_is_refused_before_anything_runs(notebook, tmp_path):
    target = tmp_path / "out.ipynb"
    target.write_text("an earlier run")
    with pytest.raises(InputError, match=r"^n\.ipynb: unknown parameter nmber; it takes number$"):
        execute(notebook("print(number)"), target, {"nmber": 2})
    assert target.read_text() == "an earlier run"


def test_papermill_by_itself_stops_at_a_misspelt_parameter(notebook, tmp_path):
    """As a user calls it, without our `execute`: the notebook's own `start` refuses."""
    import papermill

    path = notebook("from siamese_lib.report.parameters import start\nstart(globals(), number=int)")
    with pytest.raises(papermill.PapermillExecutionError, match="unknown parameter"):
        papermill.execute_notebook(str(path), str(tmp_path / "out.ipynb"), {"nmber": 2}, progress_bar=False)


def test_execute_and_refresh(notebook, tmp_path):
    path, target = (
        notebook("import sys; print(number); print('no' + 'ise', file=sys.stderr)", "number + 1"),
        tmp_path / "out" / "n.ipynb",
    )
    before = [(cell["id"], cell["source"]) for cell in nbformat.read(path, 4).cells]
    execute(path, target, {"number": 7})
    refresh(target, path)
    after = nbformat.read(path, 4)
    assert [
        (cell["id"], cell["source"]) for cell in after.cells
    ] == before  # nothing injected, nothing renamed
    assert [output["text"] for output in after.cells[1].outputs] == ["7\n"] and after.cells[2].outputs[0][
        "data"
    ]["text/plain"] == "8"
    text = path.read_text(encoding="utf-8")
    assert not [word for word in ("papermill", "noise", str(tmp_path), "start_time", "T00:") if word in text]
    refresh(target, path)
    assert path.read_text(encoding="utf-8") == text


def test_a_failing_cell_is_an_error(notebook, tmp_path):
    with pytest.raises(
        InputError, match=r"n\.ipynb stopped at cell .*ValueError: no such thing; see .*out\.ipynb"
    ):
        execute(notebook("raise ValueError('no such thing')", "print('never')"), tmp_path / "out.ipynb")
    outputs = [
        output
        for cell in nbformat.read(tmp_path / "out.ipynb", 4).cells
        for output in cell.get("outputs", [])
    ]
    assert "never" not in str(outputs) and "no such thing" in str(outputs)


def test_a_dead_kernel_is_an_error_and_leaves_nothing(notebook, tmp_path):
    target = tmp_path / "out.ipynb"
    target.write_text("an earlier run")
    with pytest.raises(InputError, match=r"n\.ipynb: its kernel died"):
        execute(notebook("import os; os._exit(1)"), target)
    assert not target.exists()


def test_a_folder_with_braces(notebook, tmp_path):
    """papermill takes them for the names of parameters."""
    path, folder = notebook("print(number)"), tmp_path / "a{b} {number}"
    folder.mkdir()
    path = path.rename(folder / path.name)
    execute(path, folder / "out.ipynb", {"number": 7})
    assert nbformat.read(folder / "out.ipynb", 4).cells[2].outputs[0]["text"] == "7\n"


def test_a_kernel_shows_the_warnings_of_its_code_alone(notebook, tmp_path, capfd, caplog, monkeypatch):
    """ipykernel complained about its sockets, once a notebook; PYTHONWARNINGS was set for what followed."""
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    for k in range(2):
        execute(notebook("import warnings\nwarnings.warn('few typefaces')"), tmp_path / f"out{k}.ipynb")
    of_kernels = capfd.readouterr()
    assert (of_kernels.out, of_kernels.err) == ("", "")
    shown = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(shown) == 2 and all("UserWarning: few typefaces" in text for text in shown)
    assert "PYTHONWARNINGS" not in os.environ


def finished(table="table3", row="auto-clustering", profile="quick", **changes) -> dict:
    """A record as far as tables need it."""
    test = {"accuracy": 44.0, "top5": 80.0, "classes": 2350, "images": 100, "fonts": 9, "variants": 3}
    return {
        "id": "abc",
        "config": dataclasses.asdict(make_config(table, row, profile)),
        "seed": 0,
        "manifest": {"fonts": {"fallback": False}},
        "method_version": 1,
        "device": {"type": "cpu"},
        "created": "2026-01-01",
        "totals": {"images_seen": 120_064, "seconds": 90.0},
        "evaluations": {"drawers" if table == "table4" else "phd08-sim": test},
        "not_run": {},
    } | changes


ROWS = {"table2": "metric/random", "table3": "random", "table4": "auto-clustering"}


@pytest.fixture
def reproduced(monkeypatch, tmp_path):
    """Notebooks that only note their names; `reproduced.working` are the records found afterwards."""

    class Reproduced(list):
        working = [finished(table, row, "smoke") for table, row in ROWS.items()]

    done = Reproduced()
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    monkeypatch.setenv("SIAMESE_PROFILE", "smoke")

    def execute(notebook, target, parameters=None):
        done.append(("run", notebook.stem[:2], target.parent))

    def refresh(executed, notebook):
        done.append(("refresh", notebook.stem[:2], executed.parent))

    monkeypatch.setattr(reproduce, "execute", execute)
    monkeypatch.setattr(reproduce, "refresh", refresh)
    for module in (records, report):
        monkeypatch.setattr(module, "published_records", list)
        monkeypatch.setattr(module, "working_records", lambda: done.working)
    return done


def test_reproduce_runs_the_first_four_and_prints_three_columns(reproduced, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SIAMESE_PROFILE", "quick")
    reproduced.working = [finished(not_run={"phd08": "no class files in data/phd08"})]
    monkeypatch.setattr(report, "published_records", lambda: [finished()])
    assert main(["reproduce"]) == 0
    assert reproduced == [("run", number, tmp_path / "notebooks") for number in ("00", "01", "02", "03")]
    lines = capsys.readouterr().out.splitlines()
    (head,) = [line.split() for line in lines if line.split()[:1] == ["row"]]
    assert head[-4:] == ["paper", "published", "this", "machine"]
    assert [line.split()[-3:] for line in lines if "phd08-sim" in line and "auto-clustering" in line] == [
        ["91.1", "44.0", "44.0"]
    ]
    assert lines[-2:] == ["Not run:", "  phd08: no class files in data/phd08"]


def test_reproduce_prints_the_tables_that_it_ran(reproduced, monkeypatch, capsys):
    """It printed all tables of runs/ and of results/, most of them with an empty column."""
    others = [finished(row="random", batch="pooled-near"), finished("table2", "metric/random")]
    others[0]["config"]["batch"] = "pooled-near"
    monkeypatch.setenv("SIAMESE_PROFILE", "quick")
    reproduced.working = [
        finished(),
        finished("table2", "metric/random", not_run={"phd08": "of table 2"}),
        finished(profile="cpu", not_run={"phd08": "of cpu"}),
        finished("table4", "random"),
    ]
    monkeypatch.setattr(report, "published_records", lambda: others)
    assert main(["reproduce"]) == 0
    text = capsys.readouterr().out
    assert "Table 3: the alphabet" in text and "Table 2" not in text and "Table 4" not in text
    assert "pooled-near" not in text and "published" not in text and "91.1" in text
    assert text.rstrip().endswith("Everything asked for was run.")
    reproduced.working[3]["evaluations"]["drawers"]["classes"] = 1623
    assert main(["reproduce", "--all"]) == 0
    text = capsys.readouterr().out
    assert "Table 2: the alphabet" in text and " 91.25 " in text and "  phd08: of table 2\n" in text


def test_reproduce_with_nothing_left_out_says_so(reproduced, capsys):
    assert main(["reproduce"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("Everything asked for was run.")


@pytest.mark.parametrize(
    "arguments, missing", [([], "table3"), (["--all"], "table2"), (["--refresh"], "table4")]
)
def test_a_run_that_is_not_found_is_an_error(reproduced, arguments, missing, capsys):
    """The comparison came out empty, and the exit code was 0."""
    reproduced.working = [r for r in reproduced.working if r["config"]["table"] != missing]
    reproduced.working.append(finished(missing, ROWS[missing], "quick"))  # of another profile
    assert main(["reproduce", *arguments]) == 2
    message = capsys.readouterr().err
    assert (
        f"_{missing}_" in message
        and f"no finished run of {missing} in profile smoke; set SIAMESE_RUNS" in message
    )


def test_runs_with_pypi_typefaces_are_found_but_compared_with_nothing(reproduced, capsys):
    reproduced.working = [finished(profile="smoke", manifest={"fonts": {"fallback": True}})]
    assert main(["reproduce"]) == 0
    text = capsys.readouterr().out
    assert "PyPI typefaces" in text and "Table 3" not in text


def test_folders_mean_the_same_in_kernels(reproduced, monkeypatch):
    """A kernel works in notebooks/: a relative folder meant another one there, and ~ was a name."""
    given = {
        "SIAMESE_RUNS": "runs/mine",
        "SIAMESE_DATA": "data",
        "SIAMESE_CACHE": "~/glyphs",
        "SIAMESE_FONTS": os.pathsep.join(("fonts", "/usr/share/fonts", "~/.fonts")),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert main(["reproduce"]) == 0
    root = str(repository_root())
    assert {name: os.environ[name] for name in given} == {
        "SIAMESE_RUNS": f"{root}/runs/mine",
        "SIAMESE_DATA": f"{root}/data",
        "SIAMESE_CACHE": "/home/somebody/glyphs",
        "SIAMESE_FONTS": os.pathsep.join((f"{root}/fonts", "/usr/share/fonts", "/home/somebody/.fonts")),
    }
    assert {place for _, _, place in reproduced} == {runs_folder() / "notebooks"}


def test_outputs_are_refreshed_after_the_last_notebook(reproduced):
    """Not between them: a record would name a commit with changes."""
    assert main(["reproduce", "--refresh"]) == 0
    numbers = [path.stem[:2] for path in reproduce.notebook_files(everything=True)]
    assert [(what, number) for what, number, _ in reproduced] == [("run", n) for n in numbers] + [
        ("refresh", n) for n in numbers
    ]


def test_reproduce_stops_at_the_first_failure(reproduced, monkeypatch, capsys):
    def fail(notebook, target, parameters=None):
        raise InputError(f"{notebook.name} stopped at cell 3")

    monkeypatch.setattr(reproduce, "execute", fail)
    assert main(["reproduce", "--refresh"]) == 2 and not reproduced
    assert capsys.readouterr().err == "error: 00_quickstart.ipynb stopped at cell 3\n"


def test_unknown_profile(monkeypatch, capsys):
    monkeypatch.setenv("SIAMESE_PROFILE", "enormous")
    assert main(["reproduce"]) == 2
    message = capsys.readouterr().err
    assert "SIAMESE_PROFILE='enormous' is unknown; choose one of smoke, quick" in message


def test_the_kernel_is_the_python_that_asked(notebook, tmp_path):
    """Not whichever python3 kernel the user has registered: it may lack the package."""
    path, target = notebook("import sys; print(sys.executable)"), tmp_path / "out.ipynb"
    execute(path, target)
    (output,) = nbformat.read(target, 4).cells[1].outputs
    assert os.path.realpath(output["text"].strip()) == os.path.realpath(sys.executable)
