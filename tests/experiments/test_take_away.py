"""A finished run's network as a pretrained one."""

import dataclasses

import pytest
import torch

from siamese_lib import pretrained
from siamese_lib.__main__ import main
from siamese_lib.data.hangul_classes import class_list
from siamese_lib.errors import InputError
from siamese_lib.experiments import records
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.take_away import publish_network
from siamese_lib.files import write_json
from siamese_lib.model import EmbeddingNet


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of 2,350 classes, in a runs folder; results/ is made up, too."""
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / "runs"))
    for module in (records, pretrained):
        monkeypatch.setattr(module, "results_folder", lambda: tmp_path / "results")
    config = make_config("table3", "triplet/random", "best")
    test = {"accuracy": 90.0, "top5": 99.0, "classes": 2350, "images": 10, "confusions": [["가", "나", 1]]}
    record = {
        "id": "ab12",
        "config": dataclasses.asdict(config),
        "seed": 0,
        "manifest": {},
        "method_version": 4,
        "device": {"type": "cpu"},
        "created": "2026-01-01",
        "history": [{"images": 10, "seconds": 1.5, "accuracy": 40}],
        "totals": {"images_seen": 10, "seconds": 1.5},
        "evaluations": {"phd08-sim": test},
        "not_run": {"phd08": "no class files"},
        "git": "0" * 40,
        "versions": {"torch": "2"},
    }
    folder = tmp_path / "runs" / "ab12"
    write_json(folder / "record.json", record)
    torch.manual_seed(0)
    stored = {"model": EmbeddingNet().state_dict(), "centroids": torch.rand(2350, 25)}
    torch.save(stored, folder / "model.pt")
    return stored, folder


def test_network_classes_and_card(run):
    stored, _ = run
    path = publish_network("ab", "hangul-2350")
    assert path.name == "hangul-2350.safetensors"
    found = pretrained.load_pretrained("hangul-2350")
    assert found.classes == class_list(2350) and torch.equal(found.centroids, stored["centroids"])
    for name, weight in found.network.state_dict().items():
        assert torch.equal(weight, stored["model"][name])
    assert found.card["record"] == "ab12" and found.card["loss"] == "triplet"
    assert found.card["framing"] == "square" and found.card["evaluations"]["phd08-sim"]["accuracy"] == 90
    assert "confusions" not in found.card["evaluations"]["phd08-sim"]


def test_from_the_command_line(run, capsys):
    assert main(["publish", "ab12", "--pretrained", "hangul-2350"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("hangul-2350.safetensors")
    assert main(["publish", "ab12", "cd34", "--pretrained", "hangul-2350"]) == 2
    assert "--pretrained hangul-2350 takes one run, 2 are given" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["hangul-11172", "omniglot", "latin"])
def test_the_name_says_the_alphabet(run, name):
    with pytest.raises(InputError, match=f"2,350 classes .* its pretrained name is hangul-2350, not {name}"):
        publish_network("ab12", name)


def test_a_damaged_network_is_said(run):
    _, folder = run
    (folder / "model.pt").write_bytes(b"x")
    with pytest.raises(InputError, match="the network in .*ab12 cannot be read"):
        publish_network("ab12", "hangul-2350")
