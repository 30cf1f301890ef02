"""The committed notebooks' form, and that no real PHD08 glyph is among their pictures."""

import ast
import io
import json
import re
import tokenize

import pytest

from siamese_lib.files import repository_root
from siamese_lib.report.notebooks import notebook_files

NOTEBOOKS = notebook_files(everything=True)
FEW = {"03", "05", "06"}  # the notebooks of the paper's tables


def cells_of(path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def code_of(cells: list[dict]) -> list[dict]:
    return [cell for cell in cells if cell["cell_type"] == "code"]


def lines_of(cell: dict) -> list[str]:
    """The lines of a code cell that are not blank."""
    return [line for line in "".join(cell["source"]).splitlines() if line.strip()]


def is_parameters(cell: dict) -> bool:
    return "parameters" in cell["metadata"].get("tags", [])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) >= (4, 5) and content["metadata"]["kernelspec"][
        "name"
    ] == "python3"
    cells = content["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert [is_parameters(cell) for cell in cells].count(True) == 1
    names = {
        node.id
        for node in ast.walk(ast.parse("".join(cells[1]["source"])))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    (start,) = (
        node
        for node in ast.walk(ast.parse("".join(cells[2]["source"])))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "start"
    )
    assert [ast.unparse(argument) for argument in start.args] == ["globals()"]
    assert names == {keyword.arg for keyword in start.keywords}
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert outputs, "run `make notebooks`"
    assert not [
        output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_check_nothing_themselves(path):
    cells = code_of(cells_of(path))
    assert not [cell["id"] for cell in cells if not is_parameters(cell) and len(lines_of(cell)) > 15]
    if path.stem[:2] in FEW:
        assert sum(len(lines_of(cell)) for cell in cells) <= 70
    asserting = [cell["id"] for cell in cells if re.search(r"^ *assert\b", "".join(cell["source"]), re.M)]
    assert not asserting, "checks belong into the package or its tests"


def shared_runs(one: list[str], other: list[str], length: int = 6) -> list[str]:
    """Beginnings of runs of so many lines that two lists of lines have in common."""
    runs = {tuple(other[k : k + length]) for k in range(len(other) - length + 1)}
    return [one[k] for k in range(len(one) - length + 1) if tuple(one[k : k + length]) in runs]


def bare_lines(cells: list[dict]) -> list[str]:
    """Lines of all code cells without comments, indentation and blank lines."""
    found = []
    for cell in code_of(cells):
        source = "".join(cell["source"])
        lines = source.splitlines()
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
        found += [line.strip() for line in lines if line.strip()]
    return found


def test_no_two_notebooks_share_six_lines():
    lines = {path.stem: bare_lines(cells_of(path)) for path in NOTEBOOKS}
    names = sorted(lines)
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            assert not shared_runs(lines[name], lines[other]), f"{name} and {other}"


def test_shared_lines_are_found():
    assert shared_runs(list("abcdefgh"), list("xabcdefy")) == ["a"]
    assert shared_runs(list("abcdefgh"), list("abcdeXfgh")) == []
    cell = {"cell_type": "code", "source": ["x = 1  # one\n", "\n", "# two\n", "    # three\n", "y = '#'"]}
    assert bare_lines([cell]) == ["x = 1", "y = '#'"]


@pytest.mark.parametrize("place", range(len(NOTEBOOKS)), ids=[path.stem for path in NOTEBOOKS])
def test_each_links_to_the_one_before_and_the_next(place):
    top = "".join(cells_of(NOTEBOOKS[place])[0]["source"])
    for step, mark in ((-1, "← [{}]({}.ipynb)"), (1, "Next: [{}]({}.ipynb) →")):
        if 0 <= place + step < len(NOTEBOOKS):
            name = NOTEBOOKS[place + step].stem
            assert mark.format(name, name) in top


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    text = "\n".join("".join(cell["source"]) for cell in cells_of(path) if cell["cell_type"] == "markdown")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_picture_has_an_alternative_text(path):
    without = [
        cell["id"]
        for cell in code_of(cells_of(path))
        for output in cell["outputs"]
        if "image/png" in output.get("data", {}) and not output["metadata"].get("image/png", {}).get("alt")
    ]
    assert not without, "run `make notebooks`"


def real_pictures(cells: list[dict]) -> tuple[list[str], list[str]]:
    """Ids of the code cells that touch real scans, and of those of them that have a picture in their outputs.

    A cell touches them that names a reader of PHD08, or anything that such a cell defined.
    """
    tainted = {"load_phd08", "iter_phd08", "parse_file", "hangul_stream", "real_scans"}
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
        (["real = scans.real_scans(characters)", "plots.glyph_grid(real)"], ["b"]),
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
