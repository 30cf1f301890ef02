"""Samplers, batches and losses have what the Protocols ask: attributes, methods and their arguments."""

import inspect

import pytest
import torch
from pool_of_classes import C, samples

from siamese_lib.batches import Batch, LiteralPairs, LiteralTriplets, Loss
from siamese_lib.losses import ContrastiveLoss, MetricLoss, PrototypeLoss, TripletLoss
from siamese_lib.mining import (
    AutoClustering,
    AutoProbabilistic,
    DistanceBased,
    EqualGroups,
    NegativeSampler,
    PositiveSampler,
    UniformNegatives,
    UniformPositives,
)
from siamese_lib.pools import (
    ClassesAlone,
    ClassesWithNegatives,
    HardestNegatives,
    Pool,
    PoolPrototypes,
    SampledNegatives,
)

PARTS = samples(), UniformPositives(C), UniformNegatives(C)
MADE = {
    PositiveSampler: [
        UniformPositives(C),
        AutoProbabilistic(C),
        EqualGroups(AutoProbabilistic(C), torch.arange(C) % 3),
    ],
    NegativeSampler: [UniformNegatives(C), AutoClustering(C), DistanceBased(C)],
    Loss: [ContrastiveLoss(1.0), TripletLoss(1.0), MetricLoss(), PrototypeLoss()],
    Batch: [
        LiteralTriplets(*PARTS, size=6, chunk=9),
        LiteralPairs(*PARTS, size=6, chunk=9),
        Pool(PARTS[0], ClassesWithNegatives(*PARTS[1:], 4), SampledNegatives(), k=2),
        Pool(PARTS[0], ClassesAlone(*PARTS[1:], 4), HardestNegatives(), k=2),
        Pool(PARTS[0], ClassesAlone(*PARTS[1:], 4), PoolPrototypes(), k=2),
    ],
}


def lacks(thing, protocol) -> list[str]:
    """What a thing lacks of a Protocol, by name."""
    wrong = [name for name in inspect.get_annotations(protocol) if not hasattr(thing, name)]
    for name, asked in vars(protocol).items():
        if name.startswith("_") or not inspect.isfunction(asked):
            continue
        arguments = list(inspect.signature(asked).parameters.values())[1:]
        named = [a.name for a in arguments if a.kind is not a.POSITIONAL_ONLY]
        try:
            has = inspect.signature(getattr(thing, name))
            has.bind(*[None] * len(arguments))
        except (AttributeError, TypeError):
            wrong.append(name)
            continue
        if named and list(has.parameters) != named:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize(
    "thing, protocol",
    [(thing, protocol) for protocol, things in MADE.items() for thing in things],
    ids=lambda x: getattr(x, "__name__", type(x).__name__),
)
def test_each_satisfies_its_protocol(thing, protocol):
    assert isinstance(thing, protocol) and not lacks(thing, protocol)


def test_the_library_of_the_benchmarks_does_too():
    from benchmarks import pml

    assert not lacks(pml.PmlLoss("circle", C), Loss)
    assert not lacks(pml.PmlBatch(*PARTS, classes=4, k=2), Batch)


def test_what_is_lacking_is_found():
    class Half:
        num_classes = C

        def update(self, statistics): ...

        def sample(self, count, generator): ...

        def load_state_dict(self): ...

    assert not isinstance(Half(), PositiveSampler)
    assert lacks(Half(), PositiveSampler) == ["probabilities", "sample", "state_dict", "load_state_dict"]


@pytest.mark.parametrize("batch", MADE[Batch], ids=lambda batch: type(batch).__name__)
def test_a_batch_with_its_samplers_goes_through_a_checkpoint(batch, tmp_path):
    torch.save(batch.state_dict(), tmp_path / "state.pt")
    batch.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
