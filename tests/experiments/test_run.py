"""One small run from configuration to record, on real fonts; reused, resumed, evaluated further."""

import dataclasses
import json
import shutil
import threading

import numpy as np
import pytest
import torch
from read_only import make_read_only

from siamese_lib import __main__
from siamese_lib.data.hangul_classes import class_list
from siamese_lib.data.phd08 import write_phd08
from siamese_lib.data.validation_scans import SMALLEST
from siamese_lib.errors import InputError
from siamese_lib.experiments import datasets, test_sets
from siamese_lib.experiments import run as run_module
from siamese_lib.experiments.config import RunConfig, make_config
from siamese_lib.experiments.grid import run_table
from siamese_lib.experiments.records import load_record
from siamese_lib.files import write_json
from siamese_lib.mining import UniformPositives

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def finished(debian_faces, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMESE_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("SIAMESE_DATA", str(tmp_path_factory.mktemp("data")))
        return run_module.run_one(config(), 0, "cpu", progress=False)


def config(**changes):
    return make_config(
        "table3", "auto-probabilistic+auto-clustering", "smoke", **{"images": 1024, "rate": 1e-2, **changes}
    )


def test_record_has_what_design_asks_for(finished):
    record = load_record(finished.folder / "record.json")
    assert record == finished.record and record["id"] == finished.folder.name
    keys = "id config seed device processor versions git method_version compiled processes created "
    keys += "manifest history totals evaluations not_run"
    assert set(record) == set(keys.split()) and set(record["config"]) == {
        field.name for field in dataclasses.fields(RunConfig)
    }
    assert (
        record["seed"] == 0
        and record["device"]["type"] == "cpu"
        and record["versions"]["torch"]
        and record["compiled"] is False
    )
    line = "step images triplets loss d_ap d_an active spread class_spread rate seconds accuracy clean"
    assert [set(each) for each in record["history"]] == [set(line.split())] * 4
    assert [each["images"] for each in record["history"]] == [256, 512, 768, 1024] and all(
        0 <= each["active"] <= 1 for each in record["history"]
    )
    assert (
        record["totals"]["images_seen"] == 1024
        and record["totals"]["triplets"] > 0
        and record["totals"]["seconds"] > 0
    )
    test = record["evaluations"]["phd08-sim"]
    assert (
        test["classes"] == 40
        and test["images"] == 40 * 9
        and test["fonts"] == 9
        and set(test["by_font"]) == set("SGMNBDY") | {"H1", "H2"}
    )
    scans, clean = (record["evaluations"][name] for name in ("validation", "validation-clean"))
    # two scans of each of the 80 glyphs, without those that are too small to be read
    every = datasets.training_data(40, "square").validation
    assert (scans["images"], clean["images"]) == (len(every), 80) and every.meta.pixels.min() >= SMALLEST
    assert set(scans["by_font"]) == set(clean["by_font"]) == {"LexiGulim", "UnTaza"}
    measures = "images classes accuracy accuracy_interval top5 recall_at_1 by_font confusions"
    assert set(test) >= set(measures.split()) and all(
        true != predicted and n > 0 for true, predicted, n in test["confusions"]
    )
    missed = test["images"] - round(test["accuracy"] * test["images"] / 100)
    assert sum(n for *_, n in test["confusions"]) == missed or len(test["confusions"]) == 50
    low, high = test["accuracy_interval"]
    assert 0 <= low <= test["accuracy"] <= high <= 100 and test["top5"] >= test["accuracy"]
    assert "2,350 classes, the network 40" in record["not_run"]["phd08"]


def test_arrays(finished):
    arrays = finished.arrays()
    assert (
        arrays["probabilities"].shape == (5, 40)
        and arrays["centroids"].shape == (40, 25)
        and arrays["clusters"].shape == (40,)
    )
    np.testing.assert_allclose(arrays["probabilities"].astype(float).mean(1), 1, atol=1e-2)
    assert (arrays["probabilities"][0] == 1).all() and (arrays["probabilities"][-1] != 1).any()
    assert (
        arrays["spread"].shape == (40,)
        and (arrays["spread"] > 0).all()
        and len(np.unique(arrays["clusters"])) < 40
    )
    stored = torch.load(finished.folder / "model.pt", weights_only=True)
    np.testing.assert_allclose(arrays["centroids"].astype(np.float32), stored["centroids"].numpy(), rtol=1e-3)
    test = finished.record["evaluations"]["phd08-sim"]
    assert np.nanmean(arrays["class_accuracy_phd08-sim"].astype(float)) == pytest.approx(
        test["accuracy"], abs=0.1
    )  # nine images each
    assert test["worst_classes"][0][1] == arrays["class_accuracy_phd08-sim"].min() and set(
        test["by_variant"]
    ) == {"fs", "cp", "re", "th", "sl"}
    wrong = arrays["mistakes_phd08-sim"]
    assert wrong.dtype == np.uint8 and wrong.shape == (min(16, len(test["confusions"])), 37, 37)
    assert "mistakes_phd08" not in arrays
    assert (
        arrays["centroids"].dtype == np.float16
        and (finished.folder / "arrays.npz").stat().st_size < 1_000_000
    )


def test_no_face_is_in_two_sets(finished):
    data = datasets.training_data(40, "square")
    fonts = data.manifest["fonts"]["faces"] | finished.record["evaluations"]["phd08-sim"]["manifest"]["faces"]
    for what in ("key", "family", "file", "sha256", "pixels"):
        train, validation, test = (
            {face[what] for face in fonts[split]} for split in ("train", "validation", "test")
        )
        assert not train & validation and not (train | validation) & test, what
    assert (len(fonts["train"]), len(fonts["validation"]), len(fonts["test"])) == (8, 2, 9)
    faces = [set(bank.meta.face) for bank in (data.train, data.validation)]
    assert faces == [{face["key"] for face in fonts[split]} for split in ("train", "validation")]
    pixels = [{image.tobytes() for image in bank.images} for bank in (data.train, data.validation)]
    assert not pixels[0] & pixels[1]


def test_finished_runs_are_reused_and_evaluated_further(finished, monkeypatch, tmp_path):
    monkeypatch.setenv("SIAMESE_RUNS", str(finished.folder.parent))
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    monkeypatch.setattr(run_module, "_train", lambda *_: pytest.fail("trained again"))
    assert run_module.run_one(config(), 0, "cpu", progress=False).record == finished.record
    more = run_module.run_one(config(), 0, "cpu", ["phd08-sim"], 3, progress=False)
    assert more.folder == finished.folder and more.record["evaluations"]["phd08-sim"]["images"] == 3 * 40 * 9
    changed = {"evaluations": more.record["evaluations"]}
    assert load_record(more.folder / "record.json") == more.record == finished.record | changed
    with pytest.raises(BaseException, match="trained again"):
        run_module.run_one(config(rate=0.001), 0, "cpu", progress=False)


def test_another_simulator_tests_a_finished_run_anew(finished, monkeypatch, tmp_path):
    shutil.copytree(finished.folder, tmp_path / finished.folder.name)
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    monkeypatch.setattr(test_sets, "SIMULATOR_VERSION", 99)
    again = run_module.run_one(config(), 0, "cpu", ["phd08-sim"], progress=False)
    assert (
        finished.record["evaluations"]["phd08-sim"]["simulator"]
        != 99
        == again.record["evaluations"]["phd08-sim"]["simulator"]
    )
    assert again.record["history"] == finished.record["history"]


def test_other_test_faces_test_a_finished_run_anew(finished, monkeypatch, tmp_path):
    shutil.copytree(finished.folder, tmp_path / finished.folder.name)
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    asked = []
    monkeypatch.setattr(
        test_sets, "simulated_manifest", lambda num_classes: asked.append(num_classes) or {"faces": "others"}
    )
    again = run_module.run_one(config(), 0, "cpu", ["phd08-sim"], progress=False)
    assert (
        finished.record["evaluations"]["phd08-sim"]["manifest"]
        != {"faces": "others"}
        == again.record["evaluations"]["phd08-sim"]["manifest"]
    )
    assert set(asked) == {40}


def test_a_larger_network_is_tested_on_the_classes_of_phd08(debian_faces, phd08_folder):
    """Table 2: the images are those of Table 3, the answer is one of all 11,172."""
    chosen = make_config("table2", "metric/random")
    for name in ("phd08-sim", "phd08"):
        small, large = (
            next(test_sets.hangul_stream(name, each, CPU, 1)[0]) for each in (make_config("table3"), chosen)
        )
        assert (
            large.classes == class_list(11172)
            and small.classes == class_list(2350)
            and (large.images == small.images).all()
        )
        assert [large.classes[k] for k in large.labels] == [small.classes[k] for k in small.labels]
    assert test_sets.hangul_stream("phd08-sim", chosen, CPU, 1)[1]["manifest"]["classes"] == 2350


def test_command_line_interrupted_and_run_again_gives_the_same_network(
    debian_faces, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    command = [
        "run",
        "table3",
        "--row",
        "random",
        "--profile",
        "smoke",
        "--device",
        "cpu",
        "--evaluate",
        "phd08-sim",
    ]
    found, calls = [], []

    def interrupt(self, statistics):
        calls.append(statistics)
        if len(calls) == 3:
            raise KeyboardInterrupt

    for name in ("whole", "broken"):
        monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / name))
        with monkeypatch.context() as patch:
            patch.setattr(UniformPositives, "update", interrupt)
            if name == "broken":
                assert __main__.main(command) == 130  # in its third period
                assert list((tmp_path / name).glob("*/checkpoint.pt")) and not list(
                    (tmp_path / name).glob("*/record.json")
                )
            calls[:] = [None] * 3  # no more interrupts
            assert __main__.main(command) == 0
            assert (
                len(calls) - 3 == {"whole": 4, "broken": 2}[name]
            )  # went on after the second period, did not start anew
            calls.clear()
        (path,) = (tmp_path / name).glob("*/record.json")
        assert not list(path.parent.glob("checkpoint.pt"))
        found.append(load_record(path))
    whole, broken = found
    assert whole["id"] == broken["id"] and whole["evaluations"] == broken["evaluations"]
    assert [line["loss"] for line in whole["history"]] == [line["loss"] for line in broken["history"]]
    assert whole["id"] in capsys.readouterr().out


def test_class_lists():
    assert len(class_list(2350)) == 2350 and len(class_list(11172)) == 11172
    few = class_list(40)
    assert len(set(few)) == 40 and few == sorted(few) and set(few) < set(class_list(2350))
    with pytest.raises(InputError, match="num_classes=5000"):
        class_list(5000)


def test_real_phd08_is_tested_where_it_is(phd08_folder):
    banks, facts = test_sets.hangul_stream("phd08", make_config(), CPU, 1)
    bank = next(banks)
    assert facts["files"] >= 3 and bank.num_classes == 2350 and len(bank) > 0


@pytest.mark.filterwarnings("ignore:.*of 2,187 records")
def test_phd08_missing_is_noted_and_evaluated_once_it_is_there(without_training, tmp_path, capsys):
    command = [
        "run",
        "table3",
        "--row",
        "random",
        "--profile",
        "quick",
        "--device",
        "cpu",
        "--evaluate",
        "phd08",
    ]
    assert __main__.main(command) == 0  # goes on without it
    out = capsys.readouterr().out
    assert (
        "validation 20.00 %" in out
        and f"not evaluated on phd08: no class files in {tmp_path / 'data' / 'phd08'}" in out
    )
    (path,) = (tmp_path / "runs").glob("*/record.json")
    assert "SIAMESE_DATA" in load_record(path)["not_run"]["phd08"] and list(
        load_record(path)["evaluations"]
    ) == ["validation"]

    (tmp_path / "data" / "phd08").mkdir()
    write_phd08(
        tmp_path / "data" / "phd08" / "각.txt", [("S", (0, 0, 0, 0, k), np.ones((4, 5))) for k in (1, 0, 2)]
    )
    assert __main__.main(command) == 0
    assert "not evaluated" not in capsys.readouterr().out
    record = load_record(path)
    assert (
        record["not_run"] == {}
        and record["evaluations"]["phd08"]["images"] == 3
        and record["evaluations"]["phd08"]["files"] == 1
    )
    assert record["evaluations"]["phd08"]["by_font"].keys() == {"S"} and len(without_training) == 1


def test_what_cannot_be_evaluated_stops_before_training(without_training, monkeypatch, tmp_path):
    with pytest.raises(InputError, match="5 variants of a font are not offered; use 1, 3, 9"):
        run_module.run_one(make_config(), 0, "cpu", variants=5)
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="SIAMESE_DATA=.*nowhere is not a folder"):
        run_module.run_one(make_config(), 0, "cpu")
    assert not without_training


@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_lost_or_broken_model_is_named(finished, monkeypatch, tmp_path, content):
    folder = tmp_path / finished.folder.name
    folder.mkdir()
    (folder / "record.json").write_text(json.dumps(finished.record), encoding="utf-8")
    if content:
        (folder / "model.pt").write_bytes(content)
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    with pytest.raises(
        InputError,
        match=rf"the run in .*{folder.name} cannot be read .*; delete this folder and run the row again",
    ):
        run_module.run_one(config(), 0, "cpu", ["phd08-sim"], 9, progress=False)


def test_a_network_is_not_compiled_before_an_image_comes(finished, monkeypatch):
    """Where PHD08 is not at hand, each further call would compile only to say so again."""
    calls = []
    monkeypatch.setattr(run_module, "compiled", lambda model, warm_up: calls.append(model) or model)
    chosen = dataclasses.replace(config(), compiled=True)
    forward = run_module.trained_network(chosen, finished.folder, torch.device("cpu"))
    assert not calls
    x = torch.rand(2, 1, 37, 37)
    assert torch.equal(forward(x), forward(x)) and len(calls) == 1


@pytest.fixture
def copied(finished, monkeypatch, tmp_path):
    """The finished run in a folder of its own, with nothing evaluated but the validation images."""
    shutil.copytree(finished.folder, tmp_path / "runs" / finished.folder.name)
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / "runs"))
    path = tmp_path / "runs" / finished.folder.name / "record.json"
    record = load_record(path)
    write_json(path, record | {"evaluations": {"validation": record["evaluations"]["validation"]}})
    return path


@pytest.mark.parametrize("error", [InputError("damaged"), MemoryError("damaged"), KeyboardInterrupt()])
def test_an_evaluation_that_fails_does_not_cost_those_that_are_done(copied, monkeypatch, error):
    """A damaged set is reported after the others; an interrupt leaves what was finished before it."""
    asked = []

    def score(self, name):
        asked.append(name)
        if name == "phd08":
            raise error
        return {"accuracy": 50.0, "classes": 40, "images": 360}, None

    monkeypatch.setattr(test_sets.Scorer, "score", score)
    monkeypatch.setattr(run_module, "test_sets_of", lambda network: ["phd08-sim", "phd08", "later"])
    with pytest.raises(type(error), match="damaged" if isinstance(error, Exception) else None):
        run_module.run_one(config(), 0, "cpu", progress=False)
    others = {"later"} if isinstance(error, Exception) else set()
    assert set(load_record(copied)["evaluations"]) == {"validation", "phd08-sim"} | others
    assert asked[:2] == ["phd08-sim", "phd08"]


def test_two_processes_on_one_run_work_one_after_the_other(copied, monkeypatch):
    """The second waits, says so, and then adds to what the first has written."""
    inside, leave = threading.Event(), threading.Event()
    theirs, ours = ({"accuracy": value, "classes": 40, "images": 360} for value in (12.0, 34.0))

    def first():
        with run_module.one_at_a_time(copied.parent):
            inside.set()
            leave.wait(60)
            record = load_record(copied)
            record["evaluations"]["phd08-sim"] = theirs
            write_json(copied, record)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(60)
    timer = threading.Timer(0.5, leave.set)
    timer.start()
    monkeypatch.setattr(run_module, "outdated", lambda *_: False)
    monkeypatch.setattr(test_sets.Scorer, "score", lambda self, name: (ours, None))
    with pytest.warns(UserWarning, match=f"another process works on the run {copied.parent.name}; waiting"):
        record = run_module.run_one(config(), 0, "cpu", progress=False).record
    thread.join()
    assert record == load_record(copied) and record["evaluations"]["phd08-sim"] == theirs
    assert record["evaluations"]["phd08"] == ours


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, True, "0"])
def test_seeds_outside_their_range_are_refused(seed):
    with pytest.raises(InputError, match=r"seed=.*: a whole number from 0 to 2\^63 - 1"):
        run_module.run_one(config(), seed, "cpu")
    with pytest.raises(InputError, match=r"seed=.*: a whole number from 0 to 2\^63 - 1"):
        run_table("table3", ["random"], seeds=[0, seed])


def test_profile_paper_does_not_start_on_a_cpu_unasked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    paper = make_config("table3", "random", "paper")
    with pytest.raises(InputError, match=r"^profile='paper' .* 61,440,000 images .*--device cpu"):
        run_module.run_one(paper)
    monkeypatch.setattr(run_module, "data_of", lambda config: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # asked for: it begins
        run_module.run_one(paper, device="cpu")


SCORED = {"accuracy": 34.0, "classes": 40, "images": 40}


def test_a_run_whose_folder_is_taken_is_one_that_fails(monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("a file of somebody else")
    with pytest.raises(InputError, match=r"taken cannot be used \(File exists\); move it away, or set"):
        with run_module.one_at_a_time(tmp_path / "taken"):
            pass


def test_a_finished_run_in_a_read_only_folder_is_reused(copied, monkeypatch):
    monkeypatch.setattr(run_module, "outdated", lambda *_: False)
    monkeypatch.setattr(test_sets.Scorer, "score", lambda self, name: (SCORED, None))
    whole = run_module.run_one(config(), 0, "cpu", progress=False).record
    make_read_only(monkeypatch, copied.parents[1])
    assert run_module.run_one(config(), 0, "cpu", progress=False).record == whole
    with pytest.raises(InputError, match="cannot be written"):
        run_module.run_one(config(rate=0.3), 0, "cpu", progress=False)
