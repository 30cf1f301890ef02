"""The committed notebooks' form, and that no real PHD08 glyph is among their pictures."""

import ast
import json
import re

import pytest

from siamese_lib.files import repository_root
from siamese_lib.report.notebooks import notebook_files

NOTEBOOKS = notebook_files(everything=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) >= (4, 5) and content["metadata"]["kernelspec"][
        "name"
    ] == "python3"
    cells = content["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert [("parameters" in cell["metadata"].get("tags", [])) for cell in cells].count(True) == 1
    names = {
        node.id
        for node in ast.walk(ast.parse("".join(cells[1]["source"])))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    stated = re.search(r"start\(globals\(\), (\[.*?\])\)", "".join(cells[2]["source"]), re.DOTALL)
    assert names == set(ast.literal_eval(stated[1]))
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert outputs, "run `make notebooks`"
    assert not [
        output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"
    ]


def real_pictures(cells: list[dict]) -> tuple[list[str], list[str]]:
    """Ids of the code cells that touch real scans, and of those among them that have a picture in their
    outputs.

    A cell touches them that names a reader of PHD08, or anything that such a cell defined.
    """
    tainted = {"load_phd08", "iter_phd08", "parse_file", "hangul_stream"}
    touching, pictures = [], []
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        nodes = list(ast.walk(ast.parse("".join(cell["source"]))))
        used = {node.id for node in nodes if isinstance(node, ast.Name)} | {
            node.attr for node in nodes if isinstance(node, ast.Attribute)
        }
        used |= {node.name for node in nodes if isinstance(node, ast.alias)}
        if not used & tainted:
            continue
        touching.append(cell["id"])
        tainted |= {
            node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        tainted |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        for output in cell["outputs"]:
            data = output.get("data", {})
            if (
                any(kind.startswith("image/") for kind in data)
                or "<img" in str(data)
                or "<svg" in str(data)
                or "data:image" in str(data)
            ):
                pictures.append(cell["id"])
    return touching, pictures


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_picture_of_real_phd08_is_committed(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    touching, pictures = real_pictures(cells)
    assert not pictures
    assert touching or not path.stem.startswith(
        "00_"
    )  # the quickstart does read them, so the scan sees something
    assert not [cell["id"] for cell in cells if cell.get("attachments")]  # a picture pasted into a text
    show = re.search(r"^show_real = (\w+)", "".join(cells[1]["source"]), re.MULTILINE)
    assert show is None or show[1] == "False"


@pytest.mark.parametrize(
    "sources, expected",
    [
        (["from siamese_lib import load_phd08 as read\nbank = read()", "plots.glyph_grid(bank)"], ["b"]),
        (
            ["import siamese_lib\nplots.glyph_grid(siamese_lib.load_phd08())", "plots.glyph_grid(simulated)"],
            ["a"],
        ),
        (["def scans():\n    return load_phd08()", "few = scans()", "plots.glyph_grid(few)"], ["b", "c"]),
        (["plots.glyph_grid(simulated)"], []),
    ],
)
def test_such_a_picture_would_be_found(sources, expected):
    image = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}}
    outputs = [[image] if "glyph_grid" in source or "few" in source else [] for source in sources]
    cells = [
        {"cell_type": "code", "id": i, "source": [s], "outputs": o}
        for i, s, o in zip("abc", sources, outputs, strict=False)
    ]
    assert real_pictures(cells)[1] == expected


def test_the_numbered_notebooks_are_there():
    assert [path.stem[:2] for path in notebook_files(everything=False)] == ["00", "01", "02", "03"]
    assert (repository_root() / "notebooks") == NOTEBOOKS[0].parent
