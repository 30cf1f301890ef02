"""Bad input as a user meets it: one line that names the file or value and the remedy, and nothing is lost.

What each reader finds wrong with its files is tested in depth beside it, in tests/data/.
"""

import json

import pytest
import torch

from siamese_lib import __main__
from siamese_lib.data import faces, omniglot
from siamese_lib.data.glyphs import masters
from siamese_lib.data.omniglot import load_omniglot
from siamese_lib.data.phd08 import load_phd08
from siamese_lib.errors import InputError
from siamese_lib.experiments import datasets, records, test_sets
from siamese_lib.experiments import run as run_module
from siamese_lib.experiments.config import make_config, run_id
from siamese_lib.experiments.records import load_record

SMOKE = ("run", "table3", "--profile", "smoke", "--row", "random", "--device", "cpu")
QUICK = ("run", "table3", "--profile", "quick", "--row", "random", "--device", "cpu", "--evaluate", "phd08")


def fails(capsys, *arguments: str) -> str:
    """The one line that the command line prints before it ends with 2, after progress bars at most."""
    assert __main__.main(list(arguments)) == 2
    *bars, message = capsys.readouterr().err.splitlines()
    assert message.startswith("error: ") and all("img/s" in bar for bar in bars if bar), (bars, message)
    return message


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["run", "table9"], "table='table9' is unknown; choose one of table2, table3, table4"),
        (["run", "table3", "--row", "randm"], "row='randm': choose one of random"),
        (
            ["run", "table3", "--row", "random", "metricc/random"],
            "row='metricc/random': choose one of random",
        ),
        (["run", "table3", "--profile", "huge"], "profile='huge' is unknown; choose one of smoke, quick"),
        (["run", "table3", "--batch", "heap"], "batch='heap' is unknown; choose one of literal, pooled"),
        ([*SMOKE, "--evaluate", "mnist"], "evaluation set mnist is unknown; choose of phd08-sim, phd08"),
        (
            ["run", "table4", "--evaluate", "phd08"],
            "evaluation set phd08 is unknown; choose of drawers, alphabets, verification, one-shot",
        ),
        ([*SMOKE, "--variants", "5"], "5 variants of a font are not offered; use 1, 3, 9"),
        ([*SMOKE, "--device", "abacus"], "device='abacus' is unknown; use cpu or cuda"),
        (
            ["run", "ablation", "--profile", "smoke"],
            "--profile smoke: ablations have a budget and batches of",
        ),
        (["run", "ablation", "--batch", "literal"], "--batch literal: ablations have a budget"),
        (["publish", "nothing-like-it"], "RUN='nothing-like-it' names 0 finished runs"),
    ],
)
def test_unknown_names(monkeypatch, capsys, arguments, named):
    monkeypatch.setattr(run_module, "_train", lambda *_: pytest.fail("trained"))
    assert named in fails(capsys, *arguments)


@pytest.mark.parametrize(
    "arguments", [["run", "table3", "--rate", "1"], ["run", "table3", "--seed", "one"], ["train"], []]
)
def test_unknown_options(capsys, arguments):
    with pytest.raises(SystemExit) as left:
        __main__.main(arguments)
    assert left.value.code == 2 and "error: " in capsys.readouterr().err.splitlines()[-1]


def test_unknown_parameter():
    with pytest.raises(InputError, match="parameter='learning_rate' is unknown; choose one of .*rate"):
        make_config("table3", learning_rate=1e-3)


def test_misspelt_papermill_parameter(tmp_path):
    from siamese_lib.report.notebooks import execute, notebook_files

    quickstart = notebook_files(everything=False)[0]
    with pytest.raises(
        InputError, match=r"00_quickstart\.ipynb: unknown parameter profil; it takes profile, "
    ):
        execute(quickstart, tmp_path / "out.ipynb", {"profil": "smoke"})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_asked_for_and_absent(capsys):
    assert "device='cuda' asked for, but this machine has 0 CUDA devices; use --device cpu" in fails(
        capsys, *SMOKE[:-1], "cuda"
    )


def test_missing_data_folder(without_training, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path / "nowhere"))
    for command in (QUICK, ["data"]):
        assert "nowhere is not a folder; set it to the folder that holds omniglot/ and phd08/" in fails(
            capsys, *command
        )
    assert not without_training
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path / "data"))
    for load in (load_phd08, load_omniglot):  # the folder is there, its parts are not
        with pytest.raises(InputError, match="SIAMESE_DATA"):
            load()


@pytest.mark.parametrize(
    "text, named",
    [
        (
            "S_0_0_0_0_1\n2 3\n010\n",
            "record 'S_0_0_0_0_1', line 4: is missing: the file ends after 1 of 2 lines of the bitmap",
        ),
        ("S_0_0_0_0_1\n2 3\n010\n0x0\n\n", "record 'S_0_0_0_0_1', line 4: has 'x' at column 2"),
        (
            "S_0_0_0_0_1\n2 3\n010\n01\n\n",
            "record 'S_0_0_0_0_1', line 4: has 2 characters instead of the 3",
        ),  # a wrong bitmap size
        (
            "S_0_0_0_0_1\n2 300\n010\n010\n\n",
            "record 'S_0_0_0_0_1', line 2: should be `height width`, each from 1 to 128, but is '2 300'",
        ),
        ("Q_0_0_0_0_1\n2 3\n010\n010\n\n", "record 'Q_0_0_0_0_1', line 1: is no header"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*of 2,187 records")
def test_broken_phd08_record(without_training, tmp_path, capsys, text, named):
    path = tmp_path / "data" / "phd08" / "가.txt"
    path.parent.mkdir()
    path.write_text(text)
    message = fails(capsys, *QUICK)
    assert f"{path}, {named}" in message and "copy the file again" in message
    path.unlink()
    assert __main__.main(list(QUICK)) == 0 and len(without_training) == 1  # what was trained is kept


def test_wrong_image_size():
    from siamese_lib import EmbeddingNet

    with pytest.raises(InputError, match=r"\(B, 1, 37, 37\), got \(1, 1, 28, 28\)"):
        EmbeddingNet()(torch.zeros(1, 1, 28, 28))


def test_omniglot_without_a_drawing(tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.setattr(omniglot, "ALPHABETS", {"background": {"Greek": 1}, "evaluation": {"Oriya": 1}})
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    for subset, alphabet in (("background", "Greek"), ("evaluation", "Oriya")):
        for number in range(1, 21 if subset == "background" else 20):  # one of Oriya's 20 drawers is missing
            path = (
                tmp_path
                / "omniglot"
                / f"images_{subset}"
                / alphabet
                / "character01"
                / f"0001_{number:02d}.png"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("1", (105, 105), 1).save(path)
    with pytest.raises(InputError, match="images_evaluation: Oriya/character01 lacks drawer 20 ") as caught:
        load_omniglot()
    assert "\n" not in str(caught.value)
    monkeypatch.setattr("siamese_lib.data.inventory.font_manifest", lambda *_: {})
    assert __main__.main(["data"]) == 0  # says what is there and what is not
    found = json.loads(capsys.readouterr().out)
    assert found["omniglot"] == f"not found: {caught.value}" and found["phd08"].startswith("not found: ")


def test_font_without_the_alphabet():
    import matplotlib

    path = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    with pytest.raises(InputError, match=r"DejaVuSans\.ttf cannot be used: it maps 0 of the 2 characters"):
        masters(faces.font_file(path), ["가", "각"])


def test_no_font_at_all(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SIAMESE_FONTS", str(tmp_path))
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(faces, "PYPI_PACKAGES", ())
    for cached in (datasets.training_data, test_sets.simulated_manifest):
        cached.cache_clear()
    try:
        assert (
            "Hangul typefaces were not found" in (message := fails(capsys, *SMOKE))
            and "make fonts" in message
        )
    finally:
        for cached in (datasets.training_data, test_sets.simulated_manifest):
            cached.cache_clear()


def test_unwritable_runs(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / "file" / "runs"))
    assert "file/runs cannot be written (Not a directory); make it writable or set SIAMESE_RUNS" in fails(
        capsys, *SMOKE
    )


def test_unwritable_results(without_training, monkeypatch, tmp_path, capsys):
    assert __main__.main(list(QUICK)) == 0
    (path,) = (tmp_path / "runs").glob("*/record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    record["not_run"] |= {"phd08-sim": "left out", "phd08": "left out"}  # QUICK tests nothing
    path.write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(records, "results_folder", lambda: tmp_path / "file")
    capsys.readouterr()
    message = fails(capsys, "publish", path.parent.name)
    assert (
        f"cannot write {tmp_path / 'file' / 'runs' / path.parent.name}.json" in message
        and "make the folder writable" in message
    )


@pytest.mark.parametrize("name", ["checkpoint.pt", "record.json"])
def test_broken_files_of_a_run(debian_faces, monkeypatch, tmp_path, capsys, name):
    """Left by a full disk or another program: named, and gone when deleted as the message says."""
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    identifier = run_id(
        make_config("table3", "random", "smoke"), 0, "cpu", datasets.training_data(40, "square").manifest
    )
    path = tmp_path / identifier / name
    path.parent.mkdir()
    path.write_bytes(b"PK\x03\x04 cut short")
    message = fails(capsys, *SMOKE, "--evaluate", "phd08")
    assert f"{path} cannot be read (" in message and "delete it" in message
    path.unlink()
    assert __main__.main([*SMOKE, "--evaluate", "phd08"]) == 0
    assert load_record(path.parent / "record.json")["id"] == identifier
