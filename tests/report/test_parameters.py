"""Parameters of notebooks: what papermill passes on unchecked is refused with the remedy."""

import os

import nbformat
import pytest

from siamese_lib.errors import InputError
from siamese_lib.report.parameters import check_parameters

KINDS = {
    "profile": str,
    "rows": list[str],
    "batch": str,
    "seeds": list[int],
    "seed": range(2**63),
    "device": str | None,
    "show_real": bool,
}
GOOD = {
    "profile": "quick",
    "rows": ["random"],
    "batch": "pooled",
    "seeds": [0],
    "seed": 0,
    "device": None,
    "show_real": False,
}


def test_good_parameters_pass_and_what_a_notebook_has_of_its_own_is_no_parameter():
    own = {"os": os, "start": print, "_": 1, "In": [], "Out": {}, "get_ipython": print}
    check_parameters(GOOD | own, KINDS)
    check_parameters(GOOD | {"device": "cuda", "show_real": True, "seeds": [3, 4], "seed": 2**63 - 1}, KINDS)


def test_unknown_names_are_refused():
    given = {"profile": "quick", "row": [], "profil": "smoke", "os": os}
    expected = "^unknown parameter profil, row; this notebook takes profile, rows$"
    with pytest.raises(InputError, match=expected):
        check_parameters(given, {"profile": str, "rows": list[str]})


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("show_real", "false", "show_real='false' must be True or False; with papermill: -p show_real True"),
        ("show_real", 0, "show_real=0 must be True or False; with papermill: -p show_real True"),
        (
            "seeds",
            0,
            "seeds=0 must be a list of whole numbers, not empty; with papermill: -y 'seeds: [0, 1, 2]'",
        ),
        (
            "seeds",
            [],
            "seeds=[] must be a list of whole numbers, not empty; with papermill: -y 'seeds: [0, 1, 2]'",
        ),
        ("seeds", ["0"], "seeds=['0'] must be a list of whole numbers, "),
        ("seeds", [True], "seeds=[True] must be a list of whole numbers, "),
        ("seeds", (0, 1), "seeds=(0, 1) must be a list of whole numbers, "),
        (
            "rows",
            "random",
            "rows='random' must be a list of strings, not empty; with papermill: -y 'rows: [first, ",
        ),
        (
            "seed",
            "x",
            "seed='x' must be a whole number from 0 to 9,223,372,036,854,775,807; with papermill: -p seed 0",
        ),
        ("seed", -1, "seed=-1 must be a whole number from 0 to "),
        ("seed", True, "seed=True must be a whole number from 0 to "),
        ("seed", 1.0, "seed=1.0 must be a whole number from 0 to "),
        ("device", 0, "device=0 must be a string or None; with papermill: -p device None"),
        ("profile", None, "profile=None must be a string; with papermill: -p profile some_text"),
    ],
)
def test_values_of_another_kind_are_refused_with_the_remedy(name, value, message):
    with pytest.raises(InputError) as raised:
        check_parameters(GOOD | {name: value}, KINDS)
    assert str(raised.value).startswith(f"parameter {message}")


@pytest.mark.parametrize(
    "name, known", [("profile", "smoke, quick, ablation, cpu, best, paper"), ("batch", "literal, pooled, ")]
)
def test_profile_and_batch_are_known_ones(name, known):
    with pytest.raises(InputError, match=f"^{name}='none' is unknown; choose one of {known}"):
        check_parameters(GOOD | {name: "none"}, KINDS)


def test_papermill_by_itself_stops_at_a_misspelt_parameter_and_at_a_string_for_a_bool(tmp_path):
    """As a user calls it: the notebook's own `start` refuses before anything runs."""
    import papermill

    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    made.cells = [
        nbformat.v4.new_code_cell("show_real = False", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "from siamese_lib.report.parameters import start\nstart(globals(), show_real=bool)"
        ),
        nbformat.v4.new_code_cell("print('it ran')"),
    ]
    path, target = str(tmp_path / "n.ipynb"), str(tmp_path / "out.ipynb")
    nbformat.write(made, path)
    wrong = [({"show": True}, "unknown parameter show"), ({"show_real": "false"}, "must be True or False")]
    for given, message in wrong:
        with pytest.raises(papermill.PapermillExecutionError, match=message):
            papermill.execute_notebook(path, target, given, progress_bar=False)
        assert not nbformat.read(target, 4).cells[-1].outputs
