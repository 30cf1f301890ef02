"""Two processes give what one gives."""

import subprocess
import sys

import pytest
import torch

from siamese_lib.errors import InputError
from siamese_lib.files import repository_root
from siamese_lib.runtime import Processes, local_device

SCRIPT = """
import os, sys
import torch
from siamese_lib.augment import Augmentation
from siamese_lib.batches import ClassSamples, LiteralPairs, LiteralTriplets
from siamese_lib.losses import ContrastiveLoss, MetricLoss
from siamese_lib.mining import AutoClustering, AutoProbabilistic, DistanceBased
from siamese_lib.model import EmbeddingNet
from siamese_lib.pools import PooledHard, PooledNear, PooledTriplets
from siamese_lib.runtime import Processes
from siamese_lib.training import Plan, Trainer

torch.set_num_threads(1)
processes = Processes.start(torch.device("cpu"))
C = 16
g = torch.Generator().manual_seed(5)
images = torch.randint(0, 256, (C * 5, 37, 37), generator=g, dtype=torch.uint8)
labels = torch.arange(C).repeat(5)
samples = ClassSamples(labels, C)
result = {}
for kind in (LiteralTriplets, LiteralPairs, PooledTriplets, PooledHard, PooledNear):
    torch.manual_seed(0)
    model = EmbeddingNet()
    near = kind is PooledNear
    arguments = {"size": 9, "chunk": 12} if kind in (LiteralTriplets, LiteralPairs) else {"classes": 4, "k": 3}
    batch = kind(samples, AutoProbabilistic(C), DistanceBased(C, 3) if near else AutoClustering(C, eta=10), **arguments)
    loss = ContrastiveLoss(10.0) if kind is LiteralPairs else MetricLoss()
    generator = torch.Generator().manual_seed(1)
    plan = Plan(steps=8, updates=2, rate=1e-3, chunk=16)
    checkpoint = sys.argv[1] + f"/{kind.__name__}-{processes.count}.pt"
    from pathlib import Path
    trainer = Trainer(model, loss, batch, images, labels, plan, Augmentation(), generator, checkpoint=Path(checkpoint), processes=processes)
    trainer.optimiser.param_groups[0]["eps"] = 1e-3  # Adam makes a full step of any gradient, be it rounding alone; so small ones stay small
    statistics = trainer.fit()
    result[kind.__name__] = {"weights": model.state_dict(), "centroids": statistics.centroids, "history": trainer.history}
torch.save(result, sys.argv[1] + f"/{processes.count}-{processes.rank}.pt")
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
            assert (
                other["loss"] == pytest.approx(line["loss"], rel=1e-4)
                and other["triplets"] == line["triplets"]
            ), kind


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
