"""The training loop. It knows what a batch, a sampler and a loss do, never which one it has.

What it asks of them is written down in siamese_lib.batches (`Batch`, `Loss`) and siamese_lib.mining
(`PositiveSampler`, `NegativeSampler`). `Trainer` is the loop; above it stand its parts: plan, class
statistics, collapse watch, checkpoint.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from siamese_lib import runtime
from siamese_lib.augment import Augmentation
from siamese_lib.errors import InputError, NotFinite
from siamese_lib.files import write_bytes
from siamese_lib.model import embed, to_float
from siamese_lib.statistics import ClassStatistics, class_statistics

Forward = Callable[[Tensor], Tensor]  # images (B, 1, 37, 37) -> embeddings (B, D) in the loss's space
Validate = Callable[[Forward, ClassStatistics], dict[str, float]]  # -> accuracy in percent, and whatever else
Optimiser = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast a network is trained.

    Attributes:
        steps: optimiser steps.
        updates: periods of (nearly) equal length that they are cut into; each ends with class statistics, an
            update of the samplers, validation, a line of history, a checkpoint.
        learning_rate: the highest.
        schedule: one-cycle (linear warm-up over a tenth of the steps, then half a cosine to zero) or
            constant.
        statistics_samples: how many clean images of a class make its statistics; None, and at the end, all.
        gather: make the statistics of the embeddings of the training steps instead, each image's from the
            step that saw it last; only the first and the last are then of clean images, of all.
        chunk: images embedded at once in a clean pass.
    """

    steps: int
    updates: int
    learning_rate: float
    schedule: str = "one-cycle"
    statistics_samples: int | None = None
    gather: bool = False
    chunk: int = 256

    def learning_rate_at(self, step: int) -> float:
        if self.schedule == "constant":
            return self.learning_rate
        warm = max(1, self.steps // 10)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm))) / 2

    def period_ends(self) -> list[int]:
        return [self.steps * (k + 1) // self.updates for k in range(self.updates)]


@dataclass
class TrainingStatistics:
    """Class statistics of the training set as the network stands, in the loss's space."""

    forward: Forward
    images: Tensor  # uint8 (N, 37, 37), all of the training set
    labels: Tensor  # long (N,)
    samples: Any  # its images by class: siamese_lib.batches.ClassSamples
    plan: Plan  # what the statistics are made of
    generator: torch.Generator
    processes: runtime.Processes
    gathered: Tensor | None = None  # (N, D) embeddings of the steps; with plan.gather, after the first period

    def __post_init__(self) -> None:
        self.num_classes = int(self.labels.max()) + 1

    def __call__(self, samples: int | None = None) -> ClassStatistics:
        """Of clean images: all (None), or `samples` of each class."""
        images, labels = self.images, self.labels
        if samples is not None:
            classes = torch.arange(self.num_classes, device=labels.device)
            chosen = self.samples.draw(classes, samples, self.generator).flatten()
            images, labels = images[chosen], labels[chosen]
        return class_statistics(self._embed(images), labels, self.num_classes)

    def at_period_end(self, last: bool) -> ClassStatistics:
        """What the samplers learn from, as the plan says."""
        if not self.plan.gather:
            return self(None if last else self.plan.statistics_samples)
        if last or self.gathered is None:
            self.gathered = self._embed(self.images)
        return class_statistics(self.gathered, self.labels, self.num_classes)

    def _embed(self, images: Tensor) -> Tensor:
        mine = embed(self.forward, self.processes.share(images), self.plan.chunk)
        return self.processes.gather(mine, len(images))


@dataclass
class CollapseWatch:
    """Warns once when all embeddings coincide and the loss stays at its margin, where it has no gradient."""

    alpha: float
    plan: Plan
    warned: bool = False

    def __call__(self, history: list[dict]) -> None:
        """Look at the last line of the history."""
        line = history[-1]
        collapsed = len(history) >= 2 and line["d_an"] < 0.01 * self.alpha and line["active"] > 0.99
        if collapsed and not self.warned:
            self.warned = True
            warnings.warn(
                f"the embedding has collapsed at iteration {line['step']}: mean d_AP {line['d_ap']:.3g}, "
                f"mean d_AN {line['d_an']:.3g} (margin {self.alpha:g}), active share {line['active']:.0%}, "
                f"spread of the ideal vectors {line['spread']:.3g}, loss {line['loss']:.3g}; if it stays so, "
                f"lower the learning rate (now {self.plan.learning_rate:g}) or begin with easier negatives",
                stacklevel=3,
            )


@dataclass
class Checkpoint:
    """A file with all that the next period depends on, so that a resumed run gives the same bits."""

    path: Path | None  # None: nothing is kept
    plan: Plan  # a checkpoint of another plan is refused
    parts: dict[str, Any]  # whatever has `state_dict` and `load_state_dict`, by name

    def save(self) -> None:
        """Write the file; on an interruption the old one stays."""
        if self.path is None:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        write_bytes(self.path, runtime.saved({"plan": repr(self.plan)} | state))

    def load(self, device: torch.device) -> None:
        """Put every part into the state of the file, where there is one; InputError where it does not fit."""
        if self.path is None or not self.path.exists():
            return
        try:
            state = torch.load(self.path, map_location=device, weights_only=True)
            if state["plan"] == repr(self.plan):
                for name, part in self.parts.items():
                    part.load_state_dict(state[name])
                return
            problem = f"belongs to another plan ({state['plan']}, wanted {self.plan})"
        except Exception as error:  # torch raises many kinds for a file that is cut short or not a checkpoint
            problem = f"cannot be read ({type(error).__name__}: {error})"
        raise InputError(f"checkpoint {self.path} {problem}; delete it to start anew")


def adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that is used where no other is asked for."""
    return torch.optim.Adam(parameters, fused=True)


class Trainer:
    """Trains a network in place.

    Args:
        model: the network, on the device of `images`.
        loss: a loss (siamese_lib.batches.Loss), on that device.
        batch: draws and scores a step (siamese_lib.batches.Batch), on that device.
        images, labels: the whole training set, uint8 (N, 37, 37) and long (N,), on the device.
        plan: length, learning rate and periods.
        augment: applied to every training image.
        generator: all random numbers of the run.
        optimiser: makes one of the parameters of network and loss; the plan sets its learning rate at each
            step.
        validate: called with (forward, statistics) after each period; returns `accuracy` in percent, and what
            else belongs into the line of history.
        checkpoint: file written after each period and resumed from where it exists (InputError if it does not
            fit).
        compiled: whether to try torch.compile; `self.compiled` then says whether it is.
        report: called with each line of history.
        processes: the processes that share the work; default this one alone.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        loss: nn.Module,
        batch,
        images: Tensor,
        labels: Tensor,
        plan: Plan,
        augment: Augmentation,
        generator: torch.Generator,
        optimiser: Optimiser = adam,
        validate: Validate | None = None,
        checkpoint: Path | None = None,
        compiled: bool = False,
        report: Callable[[dict], None] | None = None,
        processes: runtime.Processes | None = None,
    ) -> None:
        self.model, self.loss, self.batch, self.images = model, loss, batch, images
        self.plan, self.augment, self.generator = plan, augment, generator
        self.validate, self.report, self.processes = validate, report, processes or runtime.Processes()
        self.optimiser = optimiser([*model.parameters(), *loss.parameters()])
        self.class_statistics = TrainingStatistics(
            self.forward, images, labels, batch.samples, plan, generator, self.processes
        )
        self.collapse_watch = CollapseWatch(loss.alpha, plan)
        self.statistics: ClassStatistics | None = None
        self.history: list[dict] = []
        self.step, self.triplets, self.seconds = 0, 0, 0.0
        self.probabilities = [batch.positives.probabilities.cpu()]  # P_0, P_1, ...: (C,) each
        began = time.perf_counter()
        self.network = self._compile() if compiled else model
        self.compiled = self.network is not model
        self.compile_seconds = time.perf_counter() - began  # `seconds` does not hold them
        parts = {"model": model, "loss": loss, "optimiser": self.optimiser, "batch": batch, "loop": self}
        self.checkpoint = Checkpoint(checkpoint, plan, parts)
        self.checkpoint.load(images.device)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 37, 37) -> embeddings (B, D) in the loss's space."""
        return self.loss.space(self.network(x))

    def fit(self) -> ClassStatistics:
        """Train to the end of the plan; returns the finished network's statistics of all training images.

        Raises:
            NotFinite: a loss or weights that are not finite; the last checkpoint is from before it.
        """
        for _ in self.periods():
            pass
        if self.statistics is None:
            raise InputError("the plan has no step; raise the number of images")
        return self.statistics

    def periods(self) -> Iterator[dict]:
        """Train period by period; after each, its line of history. Whoever has seen enough stops asking."""
        for end in self.plan.period_ends():
            if self.step >= end:
                continue  # a resumed run has this period behind it
            began, start = time.perf_counter(), self.step
            totals = torch.zeros(5, dtype=torch.float64, device=self.images.device)
            while self.step < end:
                totals += self.one_step()
            self._check_finite("loss", totals, f"between iterations {start} and {end}")
            weights = torch.stack([p.detach().abs().sum() for p in self.model.parameters()])
            self._check_finite("sum of the weights", weights, f"after iteration {end - 1}")
            self.statistics = self.class_statistics.at_period_end(last=end == self.plan.steps)
            self.batch.positives.update(self.statistics)
            self.batch.negatives.update(self.statistics)
            self.probabilities.append(self.batch.positives.probabilities.cpu())
            self.seconds += time.perf_counter() - began
            self.history.append(self._line(totals, end - start))
            self.collapse_watch(self.history)
            if self.processes.first:
                self.checkpoint.save()
            if self.report:
                self.report(self.history[-1])
            yield self.history[-1]

    def one_step(self) -> Tensor:
        """One optimiser step; returns (5,) float64: loss, mean d_AP, mean d_AN, active share, triplets."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.learning_rate_at(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        totals = torch.zeros(5, dtype=torch.float64, device=self.images.device)
        centroids = None if self.statistics is None else self.statistics.centroids
        share, gathered = self.processes.share, self.class_statistics.gathered
        for micro_batch in self.batch.draw(self.generator):
            random = self.augment.draw(len(micro_batch.images), self.generator)
            x = self.augment.change(to_float(self.images[share(micro_batch.images)]), share(random))
            outputs = self.processes.gather(self.network(x), len(micro_batch.images))
            outcome = self.batch.score(self.loss, micro_batch, outputs, centroids)
            (outcome.loss * micro_batch.share).backward()
            self.batch.learn(outcome)
            totals += outcome.logged(micro_batch.share)
            if gathered is not None:
                gathered[micro_batch.images] = self.loss.space(outputs.detach())
        if totals.device.type == "cpu":  # on CUDA the look would wait for the device: there, once a period
            self._check_finite("loss", totals, f"at iteration {self.step}")
        self.processes.add_gradients(self.model)  # those of the loss are whole: it sees all outputs
        self.optimiser.step()
        self.step += 1
        return totals

    def _line(self, totals: Tensor, steps: int) -> dict:
        """The line of history of a period, from the sums of its steps' figures."""
        loss, d_ap, d_an, active = (totals[:4] / steps).tolist()
        self.triplets += int(totals[4])
        c = self.statistics.centroids
        return {
            "step": self.step,
            "images": self.step * self.batch.images_a_step,
            "triplets": self.triplets,
            "loss": loss,
            "d_ap": d_ap,
            "d_an": d_an,
            "active": active,
            "spread": float((c - c.mean(0)).square().sum(1).mean().sqrt()),
            "class_spread": float(self.statistics.spread.mean()),
            "rate": self.plan.learning_rate_at(self.step - 1),
            "seconds": self.seconds,
            **(self.validate(self.forward, self.statistics) if self.validate else {"accuracy": None}),
        }

    def _check_finite(self, what: str, values: Tensor, where: str) -> None:
        if not torch.isfinite(values).all():
            raise NotFinite(
                f"the {what} is not finite {where} (period {len(self.history) + 1} of {self.plan.updates}, "
                f"{self.plan}, {type(self.loss).__name__}); lower the learning rate"
            )

    def _compile(self) -> nn.Module:
        """The network compiled for the shapes of a run, forward and backward; if that fails the plain one."""
        state = self.generator.get_state()
        sizes = {len(self.processes.share(micro.images)) for micro in self.batch.draw(self.generator)}
        self.generator.set_state(state)

        def try_it(network: nn.Module) -> None:
            embed(network, self.images[: self.plan.chunk], self.plan.chunk)
            for size in sizes:
                network(to_float(self.images.new_zeros(size, *self.images.shape[1:]))).sum().backward()

        network = runtime.compiled(self.model, try_it)
        self.model.zero_grad(set_to_none=True)
        return network

    def state_dict(self) -> dict:
        """What a checkpoint keeps of the loop itself."""
        return {
            "generator": self.generator.get_state(),
            "statistics": [self.statistics.centroids, self.statistics.spread, self.class_statistics.gathered],
            "logged": [self.history, self.probabilities],
            "progress": [self.step, self.triplets, self.seconds],
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from there."""
        self.generator.set_state(state["generator"].cpu())
        centroids, spread, self.class_statistics.gathered = state["statistics"]
        self.statistics = ClassStatistics(centroids, spread)
        self.history, probabilities = state["logged"]
        self.probabilities = [p.cpu() for p in probabilities]
        self.step, self.triplets, self.seconds = state["progress"]
