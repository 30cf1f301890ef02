"""One small run from configuration to record, on real fonts."""

import numpy as np
import pytest

from siamese_lib import __main__, experiments
from siamese_lib.config import make_config
from siamese_lib.errors import InputError
from siamese_lib.records import load_record


@pytest.fixture(scope="module")
def finished(debian_faces, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMESE_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("SIAMESE_DATA", str(tmp_path_factory.mktemp("data")))
        return experiments.run(config(), 0, "cpu", progress=False)


def config(**changes):
    return make_config("table3", "auto-probabilistic+auto-clustering", "smoke", **{"images": 1024, **changes})


def test_record_has_what_design_asks_for(finished):
    record = load_record(finished.folder / "record.json")
    assert record == finished.record
    assert record["seed"] == 0 and record["device"]["type"] == "cpu" and record["versions"]["torch"] and record["compiled"] is False
    assert set(record["history"][0]) >= {"loss", "d_ap", "d_an", "active", "spread", "accuracy"} and len(record["history"]) == 4
    assert record["totals"]["images_seen"] == 1024 and record["totals"]["triplets"] > 0 and record["totals"]["seconds"] > 0
    test = record["evaluations"]["phd08-sim"]
    assert test["classes"] == 40 and test["images"] == 40 * 9 and test["fonts"] == 9 and set(test["by_font"]) == set("SGMNBDY") | {"H1", "H2"}
    assert record["evaluations"]["validation"]["images"] == 80
    low, high = test["accuracy_interval"]
    assert 0 <= low <= test["accuracy"] <= high <= 100 and test["top5"] >= test["accuracy"]
    assert "2,350 classes, the network 40" in record["not_run"]["phd08"]


def test_arrays(finished):
    arrays = finished.arrays()
    assert arrays["probabilities"].shape == (5, 40) and arrays["centroids"].shape == (40, 25) and arrays["clusters"].shape == (40,)
    np.testing.assert_allclose(arrays["probabilities"].astype(float).mean(1), 1, atol=1e-2)
    assert (arrays["probabilities"][0] == 1).all()


def test_finished_runs_are_reused_and_evaluated_further(finished, monkeypatch, tmp_path):
    monkeypatch.setenv("SIAMESE_RUNS", str(finished.folder.parent))
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    monkeypatch.setattr(experiments, "_train", lambda *_: pytest.fail("trained again"))
    assert experiments.run(config(), 0, "cpu", progress=False).record == finished.record
    more = experiments.run(config(variants=3), 0, "cpu", ["phd08-sim"], progress=False)
    assert more.folder == finished.folder and more.record["evaluations"]["phd08-sim"]["images"] == 3 * 40 * 9
    with pytest.raises(BaseException, match="trained again"):
        experiments.run(config(rate=0.001), 0, "cpu", progress=False)


def test_command_line_interrupted_and_run_again_gives_the_same_network(debian_faces, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    command = ["run", "table3", "--row", "random", "--profile", "smoke", "--device", "cpu", "--evaluate", "phd08-sim"]
    found, calls = [], []

    def interrupt(self, statistics):
        calls.append(statistics)
        if len(calls) == 3:
            raise KeyboardInterrupt

    for name in ("whole", "broken"):
        monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / name))
        if name == "broken":
            with monkeypatch.context() as patch:
                patch.setattr(experiments.UniformPositives, "update", interrupt)  # in its third period
                assert __main__.main(command) == 130
            assert list((tmp_path / name).glob("*/checkpoint.pt")) and not list((tmp_path / name).glob("*/record.json"))
        assert __main__.main(command) == 0
        (path,) = (tmp_path / name).glob("*/record.json")
        assert not list(path.parent.glob("checkpoint.pt"))
        found.append(load_record(path))
    whole, broken = found
    assert whole["id"] == broken["id"] and whole["evaluations"] == broken["evaluations"]
    assert [line["loss"] for line in whole["history"]] == [line["loss"] for line in broken["history"]]
    assert whole["id"] in capsys.readouterr().out


def test_class_lists():
    assert len(experiments.class_list(2350)) == 2350 and len(experiments.class_list(11172)) == 11172
    few = experiments.class_list(40)
    assert len(set(few)) == 40 and few == sorted(few) and set(few) < set(experiments.class_list(2350))
    with pytest.raises(InputError, match="num_classes=5000"):
        experiments.class_list(5000)


def test_real_phd08_is_tested_where_it_is(phd08_folder, debian_faces):
    import torch

    banks, facts = experiments.test_banks("phd08", make_config(), torch.device("cpu"))
    bank = next(banks)
    assert facts["files"] >= 3 and bank.num_classes == 2350 and len(bank) > 0


def test_missing_phd08_is_a_reason_not_an_error(monkeypatch, tmp_path):
    import torch

    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    banks, facts = experiments.test_banks("phd08", make_config(), torch.device("cpu"))
    assert banks is None and "SIAMESE_DATA" in facts["reason"]
