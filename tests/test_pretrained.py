"""Networks to take away: written, loaded, read with; and those that are committed."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from siamese_lib import pretrained
from siamese_lib.__main__ import main
from siamese_lib.data.pictures import read_glyph
from siamese_lib.errors import InputError
from siamese_lib.files import results_folder
from siamese_lib.losses import MetricLoss
from siamese_lib.model import SIDE, EmbeddingNet

CLASSES = ["가", "나", "다"]
CARD = {"record": "ab12", "loss": "metric", "framing": "square", "classes": CLASSES}


def glyphs() -> torch.Tensor:
    """Three different framed images."""
    images = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    images[0, 1:-1, 1:20], images[1, 1:20, 1:-1], images[2, 10:20, 10:20] = 255, 255, 255
    return images


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A made-up network whose ideal vectors are those of `glyphs`; returns its file."""
    monkeypatch.setattr(pretrained, "results_folder", lambda: tmp_path)
    torch.manual_seed(0)
    network = EmbeddingNet()
    with torch.no_grad():
        centroids = MetricLoss().space(network(glyphs()[:, None] / 255))
    return pretrained.save_pretrained("hangul-2350", network.state_dict(), centroids, CARD)


def test_what_is_loaded_is_what_was_saved(stored):
    found = pretrained.load_pretrained()
    assert found.classes == CLASSES and found.card == {k: v for k, v in CARD.items() if k != "classes"}
    answers, distances = found.read(glyphs(), 2)
    assert [row[0] for row in answers] == CLASSES and all(len(row) == 2 for row in answers)
    torch.testing.assert_close(distances[:, 0], torch.zeros(3), atol=1e-4, rtol=0)
    space = MetricLoss().space(found.network(glyphs()[:, None] / 255))
    torch.testing.assert_close(distances[0, 1], (space[0] - space[CLASSES.index(answers[0][1])]).norm())


def test_the_file_is_the_same_every_time(stored):
    before = stored.read_bytes()
    found = pretrained.load_pretrained()
    card = found.card | {"classes": found.classes}
    pretrained.save_pretrained("hangul-2350", found.network.state_dict(), found.centroids, card)
    assert stored.read_bytes() == before


def test_glyphs_of_any_size_are_framed_as_in_training(stored):
    small, large = np.zeros((20, 9), np.uint8), np.zeros((300, 200), np.uint8)
    small[2:18, 2:6], large[30:270, 50:110] = 255, 255
    large[0, 0] = 40  # fainter than ink
    framed = pretrained.load_pretrained().framed([small, large])
    assert framed.shape == (2, SIDE, SIDE) and torch.equal(framed[0], framed[1])
    assert (framed[0, 1:-1, 1:-1] == 255).all()  # square


def rewritten(path, change, again: bool = True) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, "pt") as file:
        tensors, card = {k: file.get_tensor(k) for k in file.keys()}, json.loads(file.metadata()["card"])
    change(tensors, card)
    if again:
        card["sha256"] = pretrained._sha256(tensors, {k: v for k, v in card.items() if k != "sha256"})
    save_file(tensors, path, {"card": json.dumps(card)})


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda tensors, card: card.pop("loss"), "its card lacks loss"),
        (lambda tensors, card: card["classes"].pop(), "2 classes with centroids"),
        (lambda tensors, card: tensors.pop("centroids"), "KeyError: 'centroids'"),
        (lambda tensors, card: tensors.pop("linear.weight"), "Missing key"),
    ],
)
def test_damaged_files_are_refused(stored, change, message):
    rewritten(stored, change)
    with pytest.raises(InputError, match=f"hangul-2350.safetensors cannot be read .*{message}"):
        pretrained.load_pretrained()


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, card: card.update(classes=["다", "나", "가"]),
        lambda tensors, card: tensors["linear.bias"].add_(0.5),
        lambda tensors, card: card.update(sha256="0" * 64),
    ],
)
def test_a_file_that_was_changed_is_refused(stored, change):
    rewritten(stored, change, again=False)
    with pytest.raises(InputError, match="cannot be read .*it was changed after it was written"):
        pretrained.load_pretrained()


def test_what_is_not_there_is_said(stored):
    with pytest.raises(InputError, match="'latin' is unknown; choose one of hangul-2350, hangul-11172"):
        pretrained.load_pretrained("latin")
    with pytest.raises(InputError, match="omniglot.safetensors is not there; make .* --pretrained omniglot"):
        pretrained.load_pretrained("omniglot")
    stored.write_bytes(stored.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read"):
        pretrained.load_pretrained()


def test_predict_prints_the_best_answers(stored, tmp_path, capsys):
    for n, glyph in enumerate(glyphs()):
        Image.fromarray(255 - np.pad(glyph.numpy()[1:-1, 1:-1], 9)).resize((110, 110)).save(
            tmp_path / f"{n}.png"
        )
    (tmp_path / "none.png").write_text("")
    paths = [str(tmp_path / name) for name in ("none.png", "0.png", "1.png")]
    assert main(["predict", *paths, "--top", "2"]) == 2  # one of them cannot be read
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert len(lines) == 2 and lines[1].startswith(f"{paths[2]}: ") and len(lines[1].split()) == 5
    assert "none.png cannot be decoded (it is no picture" in said.err
    assert main(["predict", paths[1]]) == 0
    assert main(["predict", paths[1], "--top", "0"]) == 2


COMMITTED = sorted(path.stem for path in (results_folder() / "pretrained").glob("*.safetensors"))


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_networks_load_and_name_a_published_record(name):
    found = pretrained.load_pretrained(name)
    record = json.loads((results_folder() / "runs" / f"{found.card['record']}.json").read_text())
    assert found.card["git"] == record["git"] and found.card["loss"] == record["config"]["loss"]
    for test, result in found.card["evaluations"].items():
        assert result["accuracy"] == record["evaluations"][test]["accuracy"]
    assert len(found.classes) == record["config"]["num_classes"] == len(found.centroids)
    assert pretrained.path_of(name).stat().st_size < 3_000_000


@pytest.mark.parametrize("side", [20, 32, 90])
def test_a_printed_syllable_of_any_size_is_read(debian_faces, side, tmp_path):
    """Dark on light, blurred by the reduction, in a typeface that validates; side is the longer one's."""
    from siamese_lib.data.glyphs import masters

    found = pretrained.load_pretrained("hangul-2350")
    classes = found.classes[::47]  # 50 of them
    glyphs, right = masters(debian_faces["validation"][0], classes), 0
    for name, ink, height, width in zip(classes, glyphs.images, glyphs.heights, glyphs.widths, strict=True):
        picture = Image.fromarray(255 - ink[:height, :width])
        scale = side / max(height, width)
        picture = picture.resize((max(1, round(width * scale)), max(1, round(height * scale))))
        paper = Image.new("L", (picture.width + 11, picture.height + 7), 255)
        paper.paste(picture, (5, 2))
        paper.save(tmp_path / "one.png")
        answers, _ = found.read(found.framed([read_glyph(tmp_path / "one.png")]), 1)
        right += answers[0][0] == name
    assert right >= 0.9 * len(classes)
