"""Two processes give what one gives."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from siamese_lib.errors import InputError
from siamese_lib.files import repository_root
from siamese_lib.runtime import Processes, compiled, local_device

SCRIPT = """
import functools, sys
from pathlib import Path
import torch
from siamese_lib.augment import Augmentation
from siamese_lib.batches import ClassSamples, LiteralPairs, LiteralTriplets
from siamese_lib.losses import ContrastiveLoss, MetricLoss
from siamese_lib.mining import AutoClustering, AutoProbabilistic, DistanceBased
from siamese_lib.model import EmbeddingNet
from siamese_lib.pools import (
    ClassesAlone, ClassesWithImpostors, ClassesWithNegatives, HardestNegatives, Pool, SampledNegatives
)
from siamese_lib.runtime import Processes
from siamese_lib.training import Plan, Trainer

torch.set_num_threads(1)
processes = Processes.start(torch.device("cpu"))
C = 16
g = torch.Generator().manual_seed(5)
images = torch.randint(0, 256, (C * 5, 37, 37), generator=g, dtype=torch.uint8)
labels = torch.arange(C).repeat(5)
samples = ClassSamples(labels, C)
folder, result = Path(sys.argv[1]), {}


def samplers(near=False):
    return AutoProbabilistic(C), DistanceBased(C, 3) if near else AutoClustering(C, eta=10)


batches = {
    "triplets": LiteralTriplets(samples, *samplers(), size=9, chunk=12),
    "pairs": LiteralPairs(samples, *samplers(), size=9, chunk=12),
    "pooled": Pool(samples, ClassesWithNegatives(*samplers(), 4), SampledNegatives(), k=3),
    "pooled-hard": Pool(samples, ClassesAlone(*samplers(), 4), HardestNegatives(), k=3),
    "pooled-near": Pool(samples, ClassesWithImpostors(*samplers(near=True), 4), HardestNegatives(), k=3),
}
for name, batch in batches.items():
    torch.manual_seed(0)
    model = EmbeddingNet()
    trainer = Trainer(
        model=model,
        loss=ContrastiveLoss(10.0) if name == "pairs" else MetricLoss(),
        batch=batch,
        images=images,
        labels=labels,
        plan=Plan(steps=8, updates=2, learning_rate=1e-3, chunk=16),
        augment=Augmentation(),
        generator=torch.Generator().manual_seed(1),
        # Adam makes a full step of any gradient, be it rounding alone; with this eps small ones stay small
        optimiser=functools.partial(torch.optim.Adam, eps=1e-3),
        checkpoint=folder / f"{name}-{processes.count}.pt",
        processes=processes,
    )
    statistics = trainer.fit()
    result[name] = {
        "weights": model.state_dict(), "centroids": statistics.centroids, "history": trainer.history
    }
torch.save(result, folder / f"{processes.count}-{processes.rank}.pt")
processes.wait()
"""


def test_two_processes_equal_one(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    for launcher in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]):
        command = [sys.executable, *launcher, str(script), str(tmp_path)]
        done = subprocess.run(command, cwd=repository_root(), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
    one, first, second = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    for kind in one:
        for name, weights in one[kind]["weights"].items():
            assert torch.equal(first[kind]["weights"][name], second[kind]["weights"][name]), (kind, name)
            torch.testing.assert_close(first[kind]["weights"][name], weights, atol=2e-5, rtol=1e-3)
        torch.testing.assert_close(first[kind]["centroids"], one[kind]["centroids"], atol=1e-3, rtol=1e-3)
        for line, other in zip(one[kind]["history"], first[kind]["history"], strict=True):
            assert other["loss"] == pytest.approx(line["loss"], rel=1e-4), kind
            assert other["triplets"] == line["triplets"], kind


@pytest.mark.parametrize("n, count", [(8, 2), (7, 2), (5, 3), (1, 2)])
def test_shares_are_all_images_once(n, count):
    shares = [Processes(rank, count).share(torch.arange(n)) for rank in range(count)]
    assert torch.cat(shares).tolist() == list(range(n))


def test_more_processes_than_cuda_devices(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert local_device(None) == local_device("cuda") == "cuda:2" and local_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match="process 2 has no CUDA device .* --nproc-per-node 2"):
        local_device(None)


TORCHRUN = {
    "WORLD_SIZE": "2",
    "RANK": "0",
    "LOCAL_RANK": "0",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


@pytest.mark.parametrize(
    "variables, said",
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2, but RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT are not set"),
        (
            {"WORLD_SIZE": "two"},
            "WORLD_SIZE=two: a whole number from 1 to 1000000 wanted; start with",
        ),
        (TORCHRUN | {"RANK": "2"}, "RANK=2: a whole number from 0 to 1 wanted"),
        (TORCHRUN | {"RANK": "-1"}, "RANK=-1: a whole number from 0 to 1 wanted"),
        (TORCHRUN | {"RANK": "x"}, "RANK=x: a whole number"),
        (TORCHRUN | {"RANK": ""}, "RANK are not set"),
        (TORCHRUN | {"MASTER_PORT": "abc"}, "MASTER_PORT=abc: a whole number from 0 to 65535"),
        ({"WORLD_SIZE": "\u00b2"}, "WORLD_SIZE=.: a whole number"),
    ],
)
def test_half_a_torchrun_is_refused(monkeypatch, variables, said):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=said):
        Processes.start(torch.device("cpu"))


def test_a_failing_compiler_is_quoted(monkeypatch, tmp_path):
    """Its cache is a private folder."""

    def broken(model, **_):
        raise RuntimeError("\ng++: fatal error: no such disk\nmore")

    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    model = torch.nn.Linear(1, 1)
    with pytest.warns(
        UserWarning, match="torch.compile failed .RuntimeError: g..: fatal error: no such disk"
    ):
        assert compiled(model, broken) is model
    folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and folder.stat().st_uid == os.getuid()
