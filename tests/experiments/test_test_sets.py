"""Small runs on Omniglot from configuration to record."""

import numpy as np
import pytest
import torch

from siamese_lib import __main__
from siamese_lib.data import omniglot_one_shot as one_shot
from siamese_lib.data.bank import ImageBank
from siamese_lib.errors import InputError, NotThere
from siamese_lib.experiments import build, datasets, test_sets
from siamese_lib.experiments import run as run_module
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.records import load_record
from siamese_lib.mining import EqualGroups

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _omniglot(omniglot_folder):
    """All tests here want the real drawings."""


def config(protocol, row="auto-probabilistic+auto-clustering", **changes):
    return make_config(
        "table4", row, "smoke", **{"images": 1024, "rate": 1e-3, "protocol": protocol, **changes}
    )


def test_drawers(tmp_path, monkeypatch):
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    run = run_module.run_one(config("drawers"), 0, "cpu", progress=False)
    found, split = run.record["evaluations"], run.record["manifest"]["split"]
    assert (
        set(found) == {"validation", "drawers"}
        and split == datasets.omniglot_data("drawers", 0, 40, "aspect").split.facts
    )
    assert (
        found["drawers"]["images"] == found["validation"]["images"] == 40 * 4
        and found["drawers"]["classes"] == 40
    )
    assert (
        sum(each["images"] for each in found["drawers"]["by_alphabet"].values()) == 160
        and found["drawers"]["by_font"] == {}
    )
    assert found["drawers"]["accuracy"] > 2 * 100 / 40  # twice chance
    assert found["drawers"]["accuracy"] <= found["drawers"]["told_alphabet"] <= 100
    arrays = run.arrays()
    assert np.mean(arrays["class_accuracy_drawers"].astype(float)) == pytest.approx(
        found["drawers"]["accuracy"], abs=0.1
    )
    assert arrays["centroids"].shape == (40, 25)
    assert run_module.run_one(config("drawers"), 0, "cpu", progress=False).record == run.record  # reused
    other = run_module.run_one(config("drawers", split_seed=1), 0, "cpu", progress=False).record
    assert other["id"] != run.record["id"] and other["manifest"]["split"]["drawers"] != split["drawers"]


def test_alphabets_verification_and_one_shot(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    arguments = ["run", "table4", "--row", "random", "--profile", "smoke", "--device", "cpu"]
    assert __main__.main([*arguments, "--evaluate", "alphabets", "verification"]) == 0
    assert "one-shot" not in capsys.readouterr().out
    assert __main__.main([*arguments, "--evaluate", "one-shot"]) == 0  # of the same network
    out = capsys.readouterr().out
    assert "verification" in out and "one-shot" in out and len(list(tmp_path.glob("*/record.json"))) == 1
    record = run_module.run_one(
        make_config("table4", "random", "smoke", protocol="alphabets"), 0, "cpu", progress=False
    ).record
    found = record["evaluations"]
    assert set(found) == {"validation", "alphabets", "verification", "one-shot"} and record["not_run"] == {}
    facts = record["manifest"]["split"]["alphabets"]
    assert (
        set(found["alphabets"]["by_alphabet"]) <= set(facts["test"]) and found["alphabets"]["images"] == 160
    )
    assert found["verification"]["images"] == 10_000 and found["one-shot"]["images"] == 400
    for name in ("verification", "one-shot"):
        low, high = found[name]["accuracy_interval"]
        assert low <= found[name]["accuracy"] <= high


def test_alphabets_have_equal_weight_and_the_validation_its_own_references():
    chosen = config("alphabets")
    data = datasets.data_of(chosen)
    trainer = build.build_trainer(chosen, 0, CPU, data)
    assert isinstance(trainer.batch.positives, EqualGroups)
    weight = np.bincount(data.groups, trainer.batch.positives.probabilities.numpy())
    np.testing.assert_allclose(weight, 1 / len(weight))
    assert data.references.classes == data.validation.classes != data.train.classes
    asked = []

    def by_label(
        x,
    ):  # a network that names the class: its first pixel is never asked for more than its own bank's
        asked.append(len(x))
        return x.flatten(1)

    accuracy = trainer.validate(by_label, trainer.class_statistics(None))["accuracy"]
    pixels, labels = (torch.as_tensor(each) for each in (data.references.images, data.references.labels))
    means = torch.stack([pixels[labels == c].flatten(1).float().mean(0) for c in range(40)]) / 255
    chosen = np.sort(np.random.default_rng(0).permutation(len(data.validation))[:80])
    queries = torch.as_tensor(data.validation.images[chosen]).flatten(1).float() / 255
    right = torch.cdist(queries, means).argmin(1).numpy() == data.validation.labels[chosen]
    assert accuracy == pytest.approx(100 * right.mean()) and asked


def test_told_the_alphabet_only_its_own_look_alikes_are_left():
    """Two alphabets on a line: a1 at 0, a2 at 10; b1 at 1, b2 at 11. Images of a1 at 0.9 (nearest b1) and of
    b2 at 2 (nearest b1 either way).
    """
    classes, images = ["a/1", "a/2", "b/1", "b/2"], np.zeros((2, 37, 37), np.uint8)
    images[:, 0, 0] = 9, 20
    bank = ImageBank(images, np.array([0, 3]), classes)
    centroids = torch.tensor([[0.0], [10.0], [1.0], [11.0]])
    assert test_sets.told_alphabet(lambda x: x[:, 0, :1, 0] * 25.5, centroids, bank, CPU, 256) == 50
    assert test_sets.accuracy_of(lambda x: x[:, 0, :1, 0] * 25.5, centroids, bank, 256) == 0


def test_a_constant_network_is_right_about_nothing_when_told_the_alphabet():
    bank = ImageBank(np.zeros((3, 37, 37), np.uint8), np.array([0, 1, 3]), ["a/1", "a/2", "b/1", "b/2"])
    constant = torch.ones(4, 8)
    assert test_sets.told_alphabet(lambda x: torch.ones(len(x), 8), constant, bank, CPU, 256) == 0


def test_a_missing_archive_is_noted(tmp_path, monkeypatch, omniglot_folder):
    chosen = config("alphabets", "random")
    data = datasets.data_of(chosen)
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    monkeypatch.setattr(
        one_shot,
        "downloaded",
        lambda name: (_ for _ in ()).throw(NotThere(f"{name} could not be downloaded; get it")),
    )
    with pytest.raises(
        NotThere, match="one-shot-classification/all_runs.zip could not be downloaded; get it"
    ):
        test_sets.Scorer(lambda x: x.flatten(1), chosen, data, CPU).score("one-shot")


def test_a_damaged_archive_is_an_error_and_not_a_missing_one(tmp_path, monkeypatch, omniglot_folder):
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / "runs"))
    chosen = config("alphabets", "random", images=256)
    run = run_module.run_one(chosen, 0, "cpu", ["alphabets"], progress=False)
    (tmp_path / "omniglot").mkdir()
    (tmp_path / "omniglot" / "all_runs.zip").write_bytes(b"not a zip file")
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"all_runs.zip is damaged \(.*\); get all_runs.zip from") as error:
        run_module.run_one(chosen, 0, "cpu", ["one-shot"], progress=False)
    assert (
        not isinstance(error.value, NotThere)
        and "one-shot" not in load_record(run.folder / "record.json")["not_run"]
    )


def test_sets_that_a_network_does_not_have():
    with pytest.raises(InputError, match="evaluation set one-shot is unknown; choose of drawers"):
        run_module.run_one(config("drawers"), 0, "cpu", ["one-shot"])
