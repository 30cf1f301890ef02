"""The notebooks' form, papermill's traps, and that no real PHD08 glyph is committed."""

import ast
import json
import re

import nbformat
import pytest

from siamese_lib.errors import InputError
from siamese_lib.notebook import check_parameters
from siamese_lib.paths import repository_root
from siamese_lib.reproduce import execute, main, notebook_files, refresh

NOTEBOOKS = notebook_files(everything=True)


def notebook(path, *cells: str):
    made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    made.cells = [nbformat.v4.new_code_cell("number = 1", metadata={"tags": ["parameters"]}), *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(made, path)
    return path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) >= (4, 5) and content["metadata"]["kernelspec"]["name"] == "python3"
    cells = content["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert [("parameters" in cell["metadata"].get("tags", [])) for cell in cells].count(True) == 1
    names = {node.id for node in ast.walk(ast.parse("".join(cells[1]["source"]))) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    stated = re.search(r"start\(globals\(\), (\[.*?\])\)", "".join(cells[2]["source"]), re.DOTALL)
    assert names == set(ast.literal_eval(stated[1]))
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert outputs, "run `make notebooks`"
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_picture_of_real_phd08_is_committed(path):
    """A cell that reads real scans, or names what such a cell defined, has no picture among its outputs."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    tainted, seen = {"load_phd08", "iter_phd08", "parse_file"}, 0
    for cell in cells:
        tree = ast.parse("".join(cell["source"]))
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if used & tainted:
            seen += 1
            assert not [output for output in cell["outputs"] if any(kind.startswith("image/") for kind in output.get("data", {}))], cell["id"]
            imported = {"ImageBank", "class_files", "np", "torch", "display", "characters", "evaluate", "embed", "nearest", "statistics", "trainer"}
            stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            tainted |= stored - imported
    assert seen > 0 or "00_" not in path.stem  # the quickstart does read them


def test_a_misspelt_parameter_is_an_error(tmp_path):
    with pytest.raises(InputError, match="unknown parameter profil; this notebook takes profile, rows"):
        check_parameters({"profile": "quick", "profil": "smoke", "os": json, "_": 1, "In": []}, ["profile", "rows"])
    check_parameters({"profile": "quick", "start": print, "In": []}, ["profile"])
    path = notebook(tmp_path / "n.ipynb", "print(number)")
    with pytest.raises(InputError, match=r"n\.ipynb: unknown parameter nmber; it takes number"):
        execute(path, tmp_path / "out.ipynb", {"nmber": 2})


def test_execute_and_refresh(tmp_path):
    path, target = notebook(tmp_path / "n.ipynb", "print(number)"), tmp_path / "out" / "n.ipynb"
    before = [cell["id"] for cell in nbformat.read(path, 4).cells]
    execute(path, target, {"number": 7})
    refresh(target, path)
    after = nbformat.read(path, 4)
    assert [cell["id"] for cell in after.cells] == before and after.cells[1].outputs[0]["text"] == "7\n"
    assert "papermill" not in path.read_text()


def test_a_failing_cell_and_a_dead_kernel_are_errors(tmp_path):
    path, target = notebook(tmp_path / "n.ipynb", "raise ValueError('no such thing')"), tmp_path / "out.ipynb"
    with pytest.raises(InputError, match=r"n\.ipynb stopped at cell .*ValueError: no such thing"):
        execute(path, target)
    notebook(path, "import os; os._exit(1)")
    with pytest.raises(InputError, match=r"n\.ipynb: its kernel died"):
        execute(path, target)
    assert not target.exists()


def test_unknown_profile(monkeypatch, capsys):
    monkeypatch.setenv("SIAMESE_PROFILE", "enormous")
    assert main([]) == 2 and "SIAMESE_PROFILE='enormous' is unknown" in capsys.readouterr().err


def test_the_numbered_notebooks_are_there():
    assert [path.stem[:2] for path in notebook_files(everything=False)] == ["00", "01", "02", "03"]
    assert (repository_root() / "notebooks") == NOTEBOOKS[0].parent
