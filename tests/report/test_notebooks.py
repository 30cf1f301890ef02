"""What papermill gets wrong by itself: misspelt parameters, failing cells and dead kernels must be errors; `make reproduce` and `make notebooks`."""

import dataclasses
import os
import sys

import nbformat
import pytest

from siamese_lib.errors import InputError
from siamese_lib.experiments import records
from siamese_lib.experiments.config import make_config
from siamese_lib.report import notebooks as reproduce
from siamese_lib.report import tables as report
from siamese_lib.report.notebooks import execute, main, refresh


@pytest.fixture(autouse=True)
def _warnings(monkeypatch):
    monkeypatch.setenv(
        "PYTHONWARNINGS", os.environ.get("PYTHONWARNINGS", "")
    )  # `execute` sets it for its kernels; put back after each test


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


@pytest.fixture
def reproduced(monkeypatch, tmp_path):
    """`main` with notebooks that only note their names, no published and no finished runs; the list of what was done."""
    done = []
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    monkeypatch.setenv("SIAMESE_PROFILE", "smoke")
    monkeypatch.setattr(
        reproduce,
        "execute",
        lambda notebook, target, parameters=None: done.append(("run", notebook.stem[:2], target.parent)),
    )
    monkeypatch.setattr(
        reproduce,
        "refresh",
        lambda executed, notebook: done.append(("refresh", notebook.stem[:2], executed.parent)),
    )
    for module in (records, report):
        monkeypatch.setattr(module, "published_records", list)
        monkeypatch.setattr(module, "working_records", list)
    return done


def finished() -> dict:
    """A record as far as tables need it."""
    test = {
        "accuracy": 44.0,
        "top5": 80.0,
        "classes": 2350,
        "images": 100,
        "fonts": 9,
        "variants": 3,
        "manifest": {},
        "by_font": {},
    }
    return {
        "id": "abc",
        "config": dataclasses.asdict(make_config("table3", "auto-clustering", "quick")),
        "seed": 0,
        "manifest": {"fonts": {"fallback": False}},
        "method_version": 1,
        "device": {"type": "cpu"},
        "created": "2026-01-01",
        "totals": {"images_seen": 120_064, "seconds": 90.0},
        "evaluations": {"phd08-sim": test},
        "not_run": {"phd08": "no class files in data/phd08"},
    }


def test_reproduce_runs_the_first_four_and_prints_three_columns(reproduced, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SIAMESE_PROFILE", "quick")
    for module in (records, report):
        monkeypatch.setattr(module, "working_records", lambda: [finished()])
    monkeypatch.setattr(report, "published_records", lambda: [finished()])
    assert main([]) == 0
    assert reproduced == [("run", number, tmp_path / "notebooks") for number in ("00", "01", "02", "03")]
    lines = capsys.readouterr().out.splitlines()
    (head,) = [line.split() for line in lines if line.split()[:1] == ["row"]]
    assert head[-4:] == ["paper", "published", "this", "machine"]
    assert [line.split()[-3:] for line in lines if "phd08-sim" in line and "auto-clustering" in line] == [
        ["91.1", "44.0", "44.0"]
    ]
    assert lines[-2:] == ["Not run:", "  phd08: no class files in data/phd08"]


def test_reproduce_with_nothing_left_out_says_so(reproduced, capsys):
    assert main([]) == 0 and capsys.readouterr().out.rstrip().endswith("Everything asked for was run.")


def test_outputs_are_refreshed_after_the_last_notebook(reproduced):
    """Not between them: a record would name a commit with changes."""
    assert main(["--refresh"]) == 0
    numbers = [path.stem[:2] for path in reproduce.notebook_files(everything=True)]
    assert [(what, number) for what, number, _ in reproduced] == [("run", n) for n in numbers] + [
        ("refresh", n) for n in numbers
    ]


def test_reproduce_stops_at_the_first_failure(reproduced, monkeypatch, capsys):
    def fail(notebook, target, parameters=None):
        raise InputError(f"{notebook.name} stopped at cell 3")

    monkeypatch.setattr(reproduce, "execute", fail)
    assert main(["--refresh"]) == 2 and not reproduced
    assert capsys.readouterr().err == "error: 00_quickstart.ipynb stopped at cell 3\n"


def test_unknown_profile(monkeypatch, capsys):
    monkeypatch.setenv("SIAMESE_PROFILE", "enormous")
    assert (
        main([]) == 2
        and "SIAMESE_PROFILE='enormous' is unknown; choose one of smoke, quick" in capsys.readouterr().err
    )


def test_the_kernel_is_the_python_that_asked(notebook, tmp_path):
    """Not whichever python3 kernel the user has registered: it may lack the package."""
    path, target = notebook("import sys; print(sys.executable)"), tmp_path / "out.ipynb"
    execute(path, target)
    (output,) = nbformat.read(target, 4).cells[1].outputs
    assert os.path.realpath(output["text"].strip()) == os.path.realpath(sys.executable)
