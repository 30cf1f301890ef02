"""Same seed, same bits; interrupted and resumed, same bits; collapse and non-finite losses are said."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from siamese_lib.batches import ClassSamples, LiteralTriplets
from siamese_lib.data.bank import ImageBank
from siamese_lib.errors import InputError, NotFinite
from siamese_lib.experiments.build import build_trainer, make_batch, make_optimiser
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.datasets import TrainingData
from siamese_lib.experiments.tables import MININGS, TABLES
from siamese_lib.losses import TripletLoss
from siamese_lib.mining import UniformNegatives, UniformPositives
from siamese_lib.optimiser import SOAP
from siamese_lib.runtime import choose_device
from siamese_lib.statistics import class_statistics
from siamese_lib.training import Plan

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Twelve easy classes: a fixed random pattern each, six noisy copies for training, two for validation."""
    rng = np.random.default_rng(0)
    patterns = np.kron(rng.integers(0, 2, (12, 6, 6)), np.ones((6, 6)))
    patterns = np.pad(patterns, ((0, 0), (0, 1), (0, 1))) * 200

    def bank(copies: int) -> ImageBank:
        images = np.repeat(patterns, copies, axis=0) + rng.integers(0, 55, (12 * copies, 37, 37))
        labels, classes = np.repeat(np.arange(12), copies), [chr(97 + c) for c in range(12)]
        meta = pd.DataFrame({"face": [f"face{k}" for k in range(copies)] * 12})
        return ImageBank(images.astype(np.uint8), labels, classes, meta)

    return TrainingData(bank(6), bank(2), {})


def config(row: str = "random", batch: str = "pooled", **changes):
    values = dict(
        num_classes=12,
        images=384,
        updates=4,
        pool_classes=4,
        triplets=16,
        chunk=48,
        eta=6,
        compiled=False,
        statistics_samples=3,
        rate=1e-2,
    )
    return make_config("table3", row, "smoke", batch, **{**values, **changes})


def weights(trainer) -> list[torch.Tensor]:
    statistics = trainer.statistics.centroids, trainer.statistics.spread
    return [*trainer.model.state_dict().values(), *statistics, *trainer.probabilities]


def same_bits(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


ROWS = {
    batch: [*MININGS, "contrastive/random", "triplet/auto-clustering"] for batch in ("pooled", "literal")
} | {batch: [*TABLES["table3"].rows(batch), "contrastive/random"] for batch in ("pooled-hard", "pooled-near")}


@pytest.mark.parametrize("row, batch", [(row, batch) for batch, rows in ROWS.items() for row in rows])
def test_resumed_equals_uninterrupted_to_the_bit(row, batch, data, tmp_path, monkeypatch):
    whole = build_trainer(config(row, batch), 1, CPU, data)
    whole.fit()
    again = build_trainer(config(row, batch), 1, CPU, data)
    again.fit()
    assert same_bits(whole, again)

    checkpoint = tmp_path / "checkpoint.pt"
    broken = build_trainer(config(row, batch), 1, CPU, data, checkpoint)
    ends = broken.plan.period_ends()
    step = broken.one_step

    def stop_in_the_third_period():
        if broken.step == ends[1] + 1:
            raise KeyboardInterrupt
        return step()

    monkeypatch.setattr(broken, "one_step", stop_in_the_third_period)
    with pytest.raises(KeyboardInterrupt):
        broken.fit()
    resumed = build_trainer(config(row, batch), 1, CPU, data, checkpoint)
    assert resumed.step == ends[1]
    resumed.fit()
    assert same_bits(whole, resumed)
    lines, others = ([line | {"seconds": 0} for line in t.history] for t in (whole, resumed))
    assert lines == others and len(lines) == 4


def test_clean_passes_resume_to_the_bit_too(data, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    whole = build_trainer(config(gather=False), 1, CPU, data)
    whole.fit()
    half = build_trainer(config(gather=False), 1, CPU, data, checkpoint)
    next(half.periods()), next(half.periods())
    resumed = build_trainer(config(gather=False), 1, CPU, data, checkpoint)
    assert resumed.step == half.step > 0
    resumed.fit()
    assert same_bits(whole, resumed)


def test_gathered_statistics_are_of_the_steps_that_saw_an_image_last(data, monkeypatch):
    trainer = build_trainer(config(gather=True), 1, CPU, data)
    periods, seen, source = trainer.periods(), [], trainer.class_statistics
    next(periods)
    before, draw = source.gathered.clone(), trainer.batch.draw
    clean = trainer.forward(torch.as_tensor(data.train.images)[:, None].float() / 255)
    torch.testing.assert_close(before, clean.detach())  # the first pass takes every image

    def noted(*arguments):
        parts = draw(*arguments)
        seen.extend(torch.cat([part.images for part in parts]).tolist())
        return parts

    monkeypatch.setattr(trainer.batch, "draw", noted)
    next(periods)
    changed = (source.gathered != before).any(1)
    assert set(torch.nonzero(changed).flatten().tolist()) == set(seen) and 0 < changed.sum() < len(before)
    wanted = class_statistics(source.gathered, torch.as_tensor(data.train.labels), 12)
    assert torch.equal(trainer.statistics.centroids, wanted.centroids)
    assert torch.equal(trainer.statistics.spread, wanted.spread)
    before = source.gathered.clone()
    # whoever looks in between does not help the training
    assert not torch.equal(trainer.class_statistics().centroids, wanted.centroids)
    assert torch.equal(source.gathered, before)


def test_another_seed_gives_other_weights(data):
    one, other = build_trainer(config(), 1, CPU, data), build_trainer(config(), 2, CPU, data)
    one.fit(), other.fit()
    assert not same_bits(one, other)


def test_it_learns_and_the_history_says_so(data):
    trainer = build_trainer(config(images=6144), 0, CPU, data)
    trainer.fit()
    first, last = trainer.history[0], trainer.history[-1]
    assert last["accuracy"] > 80 and last["loss"] < first["loss"] and last["d_an"] > last["d_ap"]
    assert last["images"] == 6144 and last["step"] == trainer.step == 192 and last["triplets"] > 0


def test_samplers_follow_the_statistics(data):
    trainer = build_trainer(config("auto-probabilistic+auto-clustering"), 0, CPU, data)
    statistics = trainer.fit()
    expected = statistics.spread.double() ** 4  # gamma 2, w 0: d^(gamma^2)
    torch.testing.assert_close(trainer.batch.positives.probabilities, expected / expected.sum())
    assert len(trainer.probabilities) == 5 and trainer.probabilities[0].unique().numel() == 1
    assert trainer.batch.negatives.clusters.unique().numel() < 12


def test_the_last_statistics_take_every_sample(data):
    trainer = build_trainer(config(), 0, CPU, data)
    statistics = trainer.fit()
    x = torch.as_tensor(data.train.images).unsqueeze(1).float() / 255
    with torch.no_grad():
        embedding = torch.nn.functional.softplus(trainer.model(x)).double()
    wanted = torch.stack([embedding[torch.as_tensor(data.train.labels) == c].mean(0) for c in range(12)])
    torch.testing.assert_close(statistics.centroids.double(), wanted, atol=1e-4, rtol=1e-4)


def test_a_loss_that_is_not_finite_raises_at_once(data):
    trainer = build_trainer(config(), 0, CPU, data)
    with torch.no_grad():
        trainer.model.linear.bias[0] = float("nan")
    with pytest.raises(
        FloatingPointError, match=r"at iteration 0 .*learning_rate=0.01.*lower the learning rate"
    ):
        trainer.fit()


def test_weights_that_are_not_finite_after_the_last_step_are_an_error(data, tmp_path):
    """The loss of a step is that of the weights before it; the checkpoint of the period before stays."""
    path = tmp_path / "checkpoint.pt"
    trainer = build_trainer(config(), 0, CPU, data, path)
    next(trainer.periods())
    kept, step = path.read_bytes(), trainer.optimiser.step

    def broken():
        step()
        if trainer.step == trainer.plan.period_ends()[1] - 1:
            trainer.model.conv1.weight.data[0] = float("inf")

    trainer.optimiser.step = broken
    with pytest.raises(
        NotFinite, match="sum of the weights is not finite after iteration .*lower the learning"
    ):
        trainer.fit()
    assert path.read_bytes() == kept


def test_collapse_is_said_with_figures(data):
    trainer = build_trainer(config("triplet/random"), 0, CPU, data)
    with torch.no_grad():
        for p in trainer.model.parameters():
            p.zero_()  # every image in one point: no gradient leads away
    wanted = r"collapsed.*mean d_AN 0 .*active share 100%.*lower the learning rate"
    with pytest.warns(UserWarning, match=wanted) as said:
        trainer.fit()
    assert len([warning for warning in said if "collapsed at iteration" in str(warning.message)]) == 1


def test_healthy_training_does_not_warn(data, recwarn):
    build_trainer(config(), 0, CPU, data).fit()
    assert not [w for w in recwarn if "collapsed" in str(w.message)]


def test_compiled_equals_eager(data):
    both = [config(compiled=value, optimiser="adam") for value in (False, True)]
    eager, compiled = (build_trainer(each, 3, CPU, data) for each in both)
    if not compiled.compiled:
        pytest.skip("torch.compile does not work on this machine (no C++ compiler?)")
    assert compiled.compile_seconds > 0
    assert torch.equal(compiled.generator.get_state(), eager.generator.get_state())
    eager.fit(), compiled.fit()
    a, b = eager.history[0], compiled.history[0]  # chaos grows with the steps: compare the first period
    assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)
    assert a["d_an"] == pytest.approx(b["d_an"], rel=1e-3)


def test_compile_failure_falls_back_with_a_notice(data, monkeypatch):
    def broken(model, **_):
        def call(x):
            raise RuntimeError("no compiler")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.warns(UserWarning, match="torch.compile failed"):
        trainer = build_trainer(config(compiled=True), 0, CPU, data)
    assert trainer.compiled is False
    trainer.fit()


def test_learning_rate_schedule():
    plan = Plan(steps=100, updates=3, learning_rate=1.0)
    rates = [plan.learning_rate_at(s) for s in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0) and np.argmax(rates) in (9, 10)
    assert rates[55] == pytest.approx(0.5, abs=0.01) and rates[-1] < 0.001
    assert plan.period_ends() == [33, 66, 100]
    assert dataclasses.replace(plan, schedule="constant").learning_rate_at(77) == 1.0


def test_broken_checkpoint(data, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    trainer = build_trainer(config(), 0, CPU, data, checkpoint)
    trainer.fit()
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"checkpoint\.pt cannot be read .*delete it"):
        build_trainer(config(), 0, CPU, data, checkpoint)
    checkpoint.write_bytes(content)
    with pytest.raises(InputError, match="another plan"):
        build_trainer(config(rate=0.001), 0, CPU, data, checkpoint)


class WithWeights(TripletLoss):
    """A loss with a parameter of its own, as losses with proxies have them."""

    def __init__(self, alpha: float) -> None:
        super().__init__(alpha)
        self.scale = torch.nn.Parameter(torch.ones(()))

    def from_distances(self, d_ap, d_an):
        return super().from_distances(d_ap * self.scale, d_an)


def test_another_loss_batch_and_validation_are_put_in_place(data, tmp_path):
    def batch(config, labels, groups):
        samplers = UniformPositives(12), UniformNegatives(12)
        return LiteralTriplets(ClassSamples(labels, 12), *samplers, size=8, chunk=24)

    def validate(config, data, device):
        return lambda forward, statistics: {"accuracy": 100.0 * (len(statistics.centroids) == 12), "more": 7}

    parts = {"loss": lambda config: WithWeights(config.alpha), "batch": batch, "validate": validate}
    trainer = build_trainer(config(), 0, CPU, data, tmp_path / "checkpoint.pt", **parts)
    trainer.fit()
    assert trainer.history[-1]["images"] == trainer.step * 24
    assert (trainer.history[-1]["accuracy"], trainer.history[-1]["more"]) == (100, 7)
    assert trainer.loss.scale != 1  # the optimiser trains it
    resumed = build_trainer(config(), 0, CPU, data, tmp_path / "checkpoint.pt", **parts)
    assert resumed.loss.scale == trainer.loss.scale and resumed.step == trainer.step
    without = build_trainer(config(), 0, CPU, data, validate=None)
    without.fit()
    assert {line["accuracy"] for line in without.history} == {None}


def test_another_optimiser_gets_the_learning_rate_of_the_plan(data):
    def sgd(config):
        return lambda parameters: torch.optim.SGD(parameters, lr=123.0, momentum=0.9)

    makers = (sgd, make_optimiser, make_optimiser)
    configs = [config(rate=1e-4, optimiser=name) for name in ("soap", "soap", "adam")]
    trainers = [
        build_trainer(each, 0, CPU, data, optimiser=make) for each, make in zip(configs, makers, strict=True)
    ]
    for trainer, kind in zip(trainers, (torch.optim.SGD, SOAP, torch.optim.Adam), strict=True):
        trainer.fit()
        assert isinstance(trainer.optimiser, kind)
        assert trainer.optimiser.param_groups[0]["lr"] == trainer.history[-1]["rate"] < 1e-4
    assert not same_bits(*trainers[:2]) and not same_bits(*trainers[1:])


def test_two_impostors_train(data):
    """12 classes: 4 of the sampler, each with its 2 nearest."""
    trainer = build_trainer(config(batch="pooled-near", impostors=2, pool_classes=6), 0, CPU, data)
    trainer.fit()
    assert trainer.batch.negatives.impostors.shape == (12, 2) and trainer.history[-1]["triplets"] > 0
    with pytest.raises(InputError, match="a pool of 8 classes with impostors=2: .* a multiple of 3 classes"):
        build_trainer(config(batch="pooled-near", impostors=2), 0, CPU, data)


def test_a_pool_of_near_classes_in_an_alphabet_of_three(data):
    """Each class then has two impostors; the pool must fit them."""
    labels = torch.arange(3).repeat(4)
    tiny = config(batch="pooled-near", num_classes=3, pool_classes=3)
    assert make_batch(tiny, labels).negatives.k == 2
    with pytest.raises(InputError, match="a pool of 8 classes with impostors=2"):
        make_batch(config(batch="pooled-near", num_classes=3), labels)


def test_devices():
    assert choose_device("cpu") == CPU
    for name in ("abacus", "cpu:5"):
        with pytest.raises(InputError, match=name):
            choose_device(name)
    with pytest.raises(InputError, match="meta"):
        choose_device("meta")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_asked_for_and_absent():
    assert choose_device(None) == CPU
    with pytest.raises(InputError, match="cuda.* 0 CUDA devices; use --device cpu"):
        choose_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("batch", ["pooled", "literal"])
def test_cuda_trains_like_the_cpu(batch, data):
    trainer = build_trainer(config(batch=batch, images=6144), 0, torch.device("cuda"), data)
    trainer.fit()
    assert trainer.history[-1]["accuracy"] > 80


def test_scan_augmentation_is_off_until_a_run_asks_for_it(data):
    plain, scanned = (build_trainer(config(scan_share=share), 0, CPU, data) for share in (0.0, 0.5))
    assert plain.augment.scan is None and scanned.augment.scan.share == 0.5
    plain.fit(), scanned.fit()
    assert not same_bits(plain, scanned)
