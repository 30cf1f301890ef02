"""The benchmarks measure what they say, on small input; timings themselves are never asserted."""

import json
import os

import pandas as pd
import pytest
import torch

from benchmarks import common, drawers, evaluation, mining, notebooks, plans, scale, step, time_to_accuracy
from siamese_lib.errors import InputError
from siamese_lib.files import results_folder

CPU = torch.device("cpu")
SMALL = {
    "num_classes": 24,
    "images": 768,
    "updates": 3,
    "pool_classes": 8,
    "compiled": False,
    "statistics_samples": 2,
    "validation_images": 20,
}
COLUMNS = {
    "rates": "loss batch pool_images rate schedule images seed accuracy",
    "rates_full": "mining loss batch pool_images rate schedule images seed accuracy",
    "rates_omniglot": "loss batch pool_images rate schedule images seed accuracy framing",
    "step": "device batch chunk images_per_s bare_images_per_s ratio peak_mb ratio_cpu_updates",
    "time_to_accuracy": "method target seconds_median images_median seeds reached",
    "scale": "device batch classes images_per_s pass_seconds update_seconds draw_ms peak_mb",
    "plans": "method rate images seed best pool_classes",
    "evaluation": "device images images_per_s bare_images_per_s ratio peak_mb",
    "shared": "policy threads busy runs images_per_s of_spinning",
    "memory": "device batch images_seen images_tested peak_mb",
    "notebooks": "device notebook profile minutes",
    "drawers": "loss batch rate images framing probability shift degrees impostors "
    "pool_images seed train_accuracy accuracy",
    "mining": "device classes clusters_seconds impostors_seconds percent_of_epoch "
    "mb draw_ms percent_of_step pass_ratio",
}


def test_publish_writes_a_table_and_its_record(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(common, "results_folder", lambda: tmp_path)
    lines = [{"device": "cpu", "ratio": 0.912345}, {"device": "cpu", "ratio": None}]
    common.publish("step", lines, CPU, load=0.1, raw=[1])
    assert (tmp_path / "benchmarks" / "step.csv").read_text() == "device,ratio\ncpu,0.9123\ncpu,\n"
    record = json.loads((tmp_path / "benchmarks" / "step.json").read_text())
    assert record["raw"] == [1] and record["device"]["type"] == "cpu"
    assert record["versions"]["torch"] and record["threads"] >= 1
    assert "0.912" in capsys.readouterr().out


def test_a_grid_is_one_main_program(monkeypatch, tmp_path, capsys):
    """Each entry is run by a process of its own, which gets it by --one; finished ones are kept."""
    published, started = [], []

    def in_own_process(module, *arguments, threads):
        started.append((module, arguments, threads))
        return {"square": json.loads(arguments[1])[0] ** 2}

    def start(*arguments: str) -> None:
        monkeypatch.setattr(common.sys, "argv", ["benchmark", *arguments])
        parser = common.command_line("benchmarks.squares", "Squares.\n\nMore.")
        parser.add_argument("data", nargs="?", default="all")
        common.run_grid(
            "benchmarks.squares",
            parser,
            lambda x, device: {"square": x**2, "device": device.type},
            lambda options: (f"squares_{options.data}", [[2], [3]]),
            lambda x: {"x": x},
        )

    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    monkeypatch.setattr(common, "in_own_process", in_own_process)
    monkeypatch.setattr(common, "publish", lambda *arguments: published.append(arguments))
    start("--device", "cpu", "--one", "[5]")
    assert json.loads(capsys.readouterr().out) == {"square": 25, "device": "cpu"} and not published
    start("few", "--device", "cpu", "--jobs", "2")
    start("few", "--device", "cpu", "--jobs", "1")
    lines = [{"x": 2, "square": 4}, {"x": 3, "square": 9}]
    assert published == [("squares_few", lines, CPU)] * 2
    assert sorted(started) == [
        ("benchmarks.squares", ("--one", f"[{x}]", "--device", "cpu"), 1) for x in (2, 3)
    ]


# Begun while the mean load of the last minute still held the benchmark before, which uses both processors; to
# be measured again. Strict: whoever publishes a quiet record has to take its name out.
TOO_LOUD = set()
LOUD = pytest.mark.xfail(reason="the record says that it was not measured on a quiet machine", strict=True)
NAMES = [path.stem for path in sorted((results_folder() / "benchmarks").glob("*.csv"))]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=LOUD) if name in TOO_LOUD else name for name in NAMES]
)
def test_published_benchmarks_have_their_columns_and_records(name):
    folder = results_folder() / "benchmarks"
    assert list(pd.read_csv(folder / f"{name}.csv").columns) == COLUMNS[name].split()
    record = json.loads((folder / f"{name}.json").read_text())
    assert record["git"] and record["versions"]["torch"]
    assert record.get("load", 0) < 1.5  # timed on a quiet machine


def test_notebooks_are_timed_from_no_runs_at_all(monkeypatch, tmp_path):
    """Each in its order and in the profile that is asked for; runs that are there already would save
    minutes.
    """
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))
    monkeypatch.setenv("SIAMESE_PROFILE", "cpu")
    clock, seen = iter(range(0, 6000, 30)), []

    def execute(notebook, target):
        assert os.environ["SIAMESE_RUNS"] != str(tmp_path) and os.environ["SIAMESE_PROFILE"] == "smoke"
        assert len(list(target.parents[1].iterdir())) == len(seen)
        target.parents[1].joinpath(notebook.stem).mkdir()  # its run
        seen.append(notebook.stem)

    monkeypatch.setattr(notebooks, "execute", execute)
    monkeypatch.setattr(notebooks.time, "monotonic", lambda: next(clock))
    minutes = notebooks.measure("smoke")
    assert list(minutes) == seen == sorted(seen) and len(seen) >= 8 and set(minutes.values()) == {0.5}


def test_ratio_by_hand():
    """100 images a step of 1 s, bare 0.9 s, a pass of 3 s every 600, which take 6 + 3 s: 66.7 over 111.1."""
    times = {"step": [1.0, 1.0, 9.0], "bare": [0.9, 0.9, 0.1]}
    assert step.rate(100, times["step"], 3.0, 600) / (100 / step.median(times["bare"])) == pytest.approx(0.6)


def test_step_measures_every_batch(debian_faces, monkeypatch):
    monkeypatch.setattr(step, "make_config", lambda *a, **k: make(a[3]))
    for batch in ("literal", "pooled-near"):
        line = step.measure(batch, CPU, 2)
        assert line["images_per_s"] > 0 and line["chunk"] <= 256
        assert len(line["step_seconds"]) == 2 and line["peak_mb"] > 50
        assert line["ratio"] == pytest.approx(line["images_per_s"] / line["bare_images_per_s"])


def make(batch: str, **changes):
    from siamese_lib.experiments.config import make_config

    return make_config("table3", "random", "quick", batch, **SMALL | changes)


@pytest.mark.parametrize("method", ["pooled-hard", "pml/multi-similarity", "pml/proxy-anchor"])
def test_a_run_stops_at_its_target(debian_faces, method):
    if method.startswith("pml"):
        pytest.importorskip("pytorch_metric_learning", reason="make bench installs pytorch-metric-learning")
    easy = time_to_accuracy.run(method, 0.5, 0, CPU, **SMALL)
    assert easy["reached"] and len(easy["curve"]) == 1 and easy["best"] >= 0.5
    hard = time_to_accuracy.run(method, 100.5, 0, CPU, **SMALL)
    assert not hard["reached"] and hard["plan"] == SMALL
    assert [images for images, *_ in hard["curve"]] == [512, 768]


def test_summary_takes_medians_over_the_runs_that_reached():
    def one(seed: int, reached: bool, seconds: float) -> dict:
        curve = [[100, seconds / 2, 1.0], [200 + seed, seconds, 41.0]]
        line = {"method": "literal", "target": 40, "seed": seed, "reached": reached}
        return line | {"best": 41.0, "curve": curve}

    line, far, *others = time_to_accuracy.summary([one(0, True, 5.0), one(1, True, 9.0), one(2, False, 99.0)])
    columns = COLUMNS["time_to_accuracy"].split()
    assert line == dict(zip(columns, ("literal", 40, 7.0, 200.5, 3, 2), strict=True))
    assert far == dict(zip(columns, ("literal", 80, None, None, 0, 0), strict=True))
    assert len(others) == 2 * len(time_to_accuracy.METHODS) - 2
    line, *_ = time_to_accuracy.summary([one(0, False, 5.0)])
    assert line["seconds_median"] is None and (line["seeds"], line["reached"]) == (1, 0)


def test_plans_are_the_shortest_that_reached(monkeypatch, tmp_path):
    for module in (time_to_accuracy, common):
        monkeypatch.setattr(module, "results_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=r"plans\.csv is not there; run python -m benchmarks\.rates"):
        time_to_accuracy.plans()
    ends = {20_000: 5.0, 45_000: 30.0, 70_000: 45.0, 100_000: 70.0}
    ends |= {500_000: 30.0, 750_000: 38.0, 1_100_000: 41.9}
    asked = []

    def kept(module, one, device, threads):
        asked.append(one)
        return {"best": ends.get(one[3]["images"], 39.5 if one[0] == "literal" else 79.0)}

    monkeypatch.setattr(plans, "kept", kept)
    near = plans.search("pooled-near", {"rate": 0.006, "pool_classes": 16}, CPU, None)
    # one long stride, then short ones
    wanted = [20_000, 45_000, 70_000, 100_000, 150_000, 225_000, 340_000]
    assert [one[3]["images"] for one in asked] == wanted
    assert {one[1] for one in asked} == {100}  # no run is cut short
    literal = plans.search("literal", {"rate": 0.01}, CPU, None)
    assert [line["images"] for line in literal] == [340_000, 500_000, 750_000, 1_100_000]
    pooled = plans.search("pooled/random", {"rate": 0.01}, CPU, None)
    assert [line["images"] for line in pooled] == [150_000]  # 79 %: its only target is passed
    common.publish("plans", [*near, *literal, *pooled], CPU)
    found = time_to_accuracy.plans()
    assert found["pooled-near", 40] == {"rate": 0.006, "pool_classes": 16, "images": 70_000}
    assert found["pooled-near", 80]["images"] == 340_000  # not reached, but near: tried with the longest
    # literal reached 40 % by less than two points: the next longer one
    assert found["literal", 40] == {"rate": 0.01, "images": 1_500_000}
    assert set(map(type, found["literal", 40].values())) == {float, int}
    assert ("literal", 80) not in found and found["pooled/random", 80] == found["pooled/random", 40]


def test_plans_take_the_best_rate():
    table = pd.DataFrame(
        [
            ("metric", "pooled-near", 128, 0.003, 120_000, 80.0),
            ("metric", "pooled-near", 256, 0.01, 120_000, 85.0),
            ("metric", "pooled", 256, 0.01, 120_000, 38.0),
            ("metric", "pooled", 256, 0.003, 600_000, 55.0),  # another budget
            ("pml/circle", "pool", 128, 0.003, 120_000, 40.0),
            ("metric", "literal", 768, 0.02, 120_000, 20.0),
        ],
        columns=["loss", "batch", "pool_images", "rate", "images", "accuracy"],
    ).assign(schedule="one-cycle")
    assert plans.settings("pooled-near", table) == {"rate": 0.01, "pool_classes": 32}
    assert plans.settings("pooled/random", table) == {"rate": 0.01, "pool_classes": 32}
    assert plans.settings("pml/circle", table) == {"rate": 0.003, "pool_classes": 16}
    assert plans.settings("literal", table) == {"rate": 0.02}


def test_evaluation_counts_every_image(debian_faces, monkeypatch):
    monkeypatch.setattr(evaluation, "make_config", lambda *a, **k: make("pooled"))
    monkeypatch.setattr(evaluation, "FONTS", ("G", "H2"))
    line = evaluation.measure(3, CPU)
    assert line["images"] == 2 * 3 * 24
    assert line["ratio"] == pytest.approx(line["images_per_s"] / line["bare_images_per_s"])


def test_a_statistics_pass_beside_the_bare_network(monkeypatch):
    monkeypatch.setattr(mining, "PASS", 8 * 60)
    monkeypatch.setattr(mining, "make_config", lambda *a, **k: make(a[3], num_classes=2350))
    found = mining.speed(CPU)
    assert found["images_per_s"] > 0 and found["pass_ratio"] > 0


def test_scale_on_few_classes():
    for batch in scale.METHODS:
        line = scale.measure(batch, 150, CPU)
        measured = ("images_per_s", "pass_seconds", "update_seconds", "draw_ms")
        assert line["classes"] == 150 and min(line[key] for key in measured) > 0


def test_mining_is_measured_beside_an_epoch_and_a_step():
    found = mining.search(1_200, CPU)
    assert set(found) == {"clusters_seconds", "impostors_seconds", "mb", "draw_ms"} and found["mb"] >= 0
    assert min(found["clusters_seconds"], found["impostors_seconds"], found["draw_ms"]) > 0
    rates = {"images_per_s": 3_072.0, "pass_ratio": 1.1}  # an epoch takes 500 s, a step 10 s
    search = {"clusters_seconds": 2.0, "impostors_seconds": 3.0, "mb": 80.0, "draw_ms": 50.0}
    (line,) = mining.lines(rates, {11_172: search}, CPU)
    assert list(line) == COLUMNS["mining"].split() and line["percent_of_epoch"] == pytest.approx(1.0)
    assert line["percent_of_step"] == pytest.approx(0.5) and line["pass_ratio"] == 1.1


def test_drawers_are_measured_on_validation_and_on_what_was_trained(omniglot_folder, monkeypatch):
    def drawings_a_class(forward, centroids, bank, chunk):
        return len(bank) / 24

    monkeypatch.setattr(drawers, "accuracy_of", drawings_a_class)
    line = drawers.measure({"row": "random", "batch": "pooled-near", **SMALL}, CPU)
    assert set(COLUMNS["drawers"].split()) == {*drawers.SHOWN, *line}
    assert line["pool_images"] == 64 and line["seed"] == 10
    assert (line["train_accuracy"], line["accuracy"]) == (12, 4)
