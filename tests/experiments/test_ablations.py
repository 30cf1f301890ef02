"""Ablations: what is run, once each, and the lines that come of it."""

import dataclasses

import pytest

from siamese_lib.errors import InputError
from siamese_lib.experiments import ablations, grid
from siamese_lib.experiments.config import changed
from siamese_lib.report.tables import ablation_frame


@pytest.mark.parametrize("name", ablations.ABLATIONS)
def test_each_run_says_what_it_changes(name):
    ablation = ablations.ABLATIONS[name]
    plain, *others = ablation.configs()
    assert plain.profile == "ablation" and changed(dataclasses.asdict(plain)) == ""
    for config, changes in zip(others, ablation.changes, strict=True):
        for field, value in changes.items():
            assert getattr(config, field) == value
        said = changed(dataclasses.asdict(config))
        differ = [name for name, value in changes.items() if value != getattr(plain, name)]
        assert differ and all(name in said for name in differ if name != "batch")


def test_a_run_of_several_ablations_is_run_once(monkeypatch):
    plans = []
    monkeypatch.setattr(grid, "run_jobs", lambda plan, **_: plans.append(plan))
    grid.run_ablations(["theta", "eta"], [0, 1])
    (plan,) = plans
    configs = [config for config, *_ in plan]
    assert len(plan) == 2 * (1 + 3 + 2) and len(set(configs)) == 6
    assert {(seed, *sets) for _, seed, _, sets, _ in plan} == {(s, "phd08-sim", "phd08") for s in (0, 1)}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((["thetta"],), "ablation='thetta' is unknown; choose one of gamma, w, theta"),
        ((None, [-1]), "seed=-1"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        grid.run_ablations(*arguments)


def test_the_frame_has_a_line_for_each_change():
    from made_records import record

    def of(seed: int, accuracy: float, **changes) -> dict:
        made = record("auto-clustering", seed=seed, accuracy=accuracy)
        config = ablations.ABLATIONS["theta"].configs()[0]
        made["config"] = dataclasses.asdict(config) | changes
        made["id"] = f"{seed}{accuracy}"
        return made

    frame = ablation_frame([of(0, 40.0), of(1, 44.0), of(0, 50.0, theta=1.0)])
    frame = frame[frame.dataset == "phd08-sim"]
    assert frame.changed.tolist() == ["", "theta=1"] and frame.seeds.tolist() == [2, 1]
    assert frame.accuracy_mean.tolist() == [42.0, 50.0] and frame.paper_accuracy.isna().all()
