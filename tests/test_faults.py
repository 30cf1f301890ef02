"""Bad input as a user meets it: one line that names the file or value and the remedy, and nothing is lost."""

import json

import pytest
import torch

from siamese_lib import __main__, experiments, records
from siamese_lib.data import faces, glyphs
from siamese_lib.data.omniglot import load_omniglot
from siamese_lib.data.phd08 import load_phd08
from siamese_lib.errors import InputError


def fails(capsys, *arguments: str) -> str:
    """The one line that the command line prints before it ends with 2."""
    assert __main__.main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and captured.err.startswith("error: "), captured.err
    return captured.err


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["run", "table9"], "table='table9' is unknown; choose one of table3"),
        (["run", "table3", "--row", "randm"], "row='randm': choose one of random"),
        (["run", "table3", "--profile", "huge"], "profile='huge' is unknown"),
        (["run", "table3", "--batch", "heap"], "batch='heap' is unknown"),
        (["run", "table3", "--profile", "smoke", "--row", "random", "--evaluate", "mnist"], "evaluation set mnist is unknown"),
        (["publish", "nothing-like-it"], "RUN='nothing-like-it' names 0 finished runs"),
    ],
)
def test_unknown_names(capsys, arguments, named):
    assert named in fails(capsys, *arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_asked_for_and_absent(capsys):
    assert "use --device cpu" in fails(capsys, "run", "table3", "--profile", "smoke", "--row", "random", "--device", "cuda")


def test_data_folder_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="SIAMESE_DATA=.*nowhere is not a folder"):
        load_phd08()
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    for load in (load_phd08, load_omniglot):
        with pytest.raises(InputError, match="SIAMESE_DATA"):
            load()


@pytest.mark.parametrize(
    "text, named",
    [
        ("S_0_0_0_0_1\n2 3\n010\n", "가.txt"),  # cut short
        ("S_0_0_0_0_1\n2 3\n010\n0x0\n\n", "가.txt"),  # no digit
        ("S_0_0_0_0_1\n2 3\n010\n01\n\n", "가.txt"),  # a short line
        ("S_0_0_0_0_1\n2 300\n010\n010\n\n", "300"),  # a size no bitmap has
        ("Q_0_0_0_0_1\n2 3\n010\n010\n\n", "Q_0_0_0_0_1"),  # no such font
    ],
)
@pytest.mark.filterwarnings("ignore:.*of 2,187 records")
def test_broken_phd08_record(tmp_path, text, named):
    (tmp_path / "가.txt").write_text(text)
    with pytest.raises(InputError, match="line [0-9]") as caught:
        load_phd08(tmp_path)
    assert named in str(caught.value) and "가.txt" in str(caught.value) and "\n" not in str(caught.value)


def test_wrong_bitmap_size():
    from siamese_lib import EmbeddingNet

    with pytest.raises(InputError, match=r"\(B, 1, 37, 37\), got \(1, 1, 28, 28\)"):
        EmbeddingNet()(torch.zeros(1, 1, 28, 28))


def test_omniglot_without_a_drawing(tmp_path):
    from PIL import Image

    for number in range(1, 20):  # 19 of 20 drawers
        path = tmp_path / "images_background" / "Greek" / "character01" / f"0001_{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("1", (105, 105), 1).save(path)
    (tmp_path / "images_evaluation").mkdir()
    with pytest.raises(InputError, match="images_background|images_evaluation") as caught:
        load_omniglot(tmp_path)
    assert "\n" not in str(caught.value)


def test_font_without_the_alphabet():
    import matplotlib

    path = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    with pytest.raises(InputError, match=r"DejaVuSans\.ttf cannot be used: it maps 0 of the 2 characters"):
        glyphs.masters(faces.font_file(path), ["가", "각"])


def test_no_font_at_all(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SIAMESE_FONTS", str(tmp_path))
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(faces, "PYPI_PACKAGES", ())
    experiments.training_data.cache_clear()
    try:
        assert "make fonts" in fails(capsys, "run", "table3", "--profile", "smoke", "--row", "random")
    finally:
        experiments.training_data.cache_clear()


def test_unwritable_folders(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / "file" / "runs"))
    assert "cannot be written" in fails(capsys, "run", "table3", "--profile", "smoke", "--row", "random")


def test_unwritable_results(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    record = {"id": "abc", "config": {}, "seed": 0, "manifest": {}, "history": [], "totals": {}, "evaluations": {}}
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / "record.json").write_text(json.dumps(record))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(records, "results_folder", lambda: tmp_path / "file")
    assert "cannot write" in fails(capsys, "publish", "abc")


def test_damaged_record(tmp_path):
    path = tmp_path / "record.json"
    path.write_text('{"id": "abc", "config"')
    with pytest.raises(InputError, match=r"record .*record\.json cannot be read"):
        records.load_record(path)
    path.write_text('{"id": "abc", "config": {}}')
    with pytest.raises(InputError, match="lacks seed, manifest"):
        records.load_record(path)
