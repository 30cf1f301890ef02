"""The training loop. It knows what a batch, a sampler and a loss do, never which one it has."""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from siamese_lib.augment import Augmentation
from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write
from siamese_lib.model import embed, to_float
from siamese_lib.runtime import Processes
from siamese_lib.runtime import compiled as compiled_network
from siamese_lib.statistics import ClassStatistics, class_statistics


@dataclass(frozen=True)
class Plan:
    """How long and how fast: `steps` optimiser steps of Adam at `rate`, cut into `updates` periods of (nearly) equal length.

    After each period: statistics of the classes, update of the samplers, validation, a line of history, a checkpoint.
    `statistics_samples` is how many clean images a class such a pass takes (None: all); the last one takes all. With `gather`
    there is no such pass between the first and the last, which take all: each image's embedding is the one from the step that saw it last.
    """

    steps: int
    updates: int
    rate: float
    schedule: str = "one-cycle"
    statistics_samples: int | None = None
    gather: bool = False
    chunk: int = 256

    def rate_at(self, step: int) -> float:
        """one-cycle: linear warm-up over a tenth of the steps, then half a cosine down to zero."""
        if self.schedule == "constant":
            return self.rate
        warm = max(1, self.steps // 10)
        if step < warm:
            return self.rate * (step + 1) / warm
        return self.rate * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm))) / 2

    def period_ends(self) -> list[int]:
        return [self.steps * (k + 1) // self.updates for k in range(self.updates)]


class Trainer:
    """Trains a network in place.

    Args:
        model: the network, on the device of `images`.
        loss: a loss of siamese_lib.losses.
        batch: draws and scores a step (siamese_lib.batches); its samplers are updated from the class statistics.
        images, labels: the whole training set, uint8 (N, 37, 37) and long (N,), on the device.
        plan: length, rate and periods.
        augment: applied to every training image.
        generator: all random numbers of the run.
        validate: called with (forward, statistics) after each period; returns an accuracy in percent.
        checkpoint: file written after each period and resumed from where it exists.
        compiled: whether to try torch.compile; `self.compiled` then says whether it is.
        report: called with each line of history.
        processes: the processes that share the work; default this one alone.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        batch,
        images: Tensor,
        labels: Tensor,
        plan: Plan,
        augment: Augmentation,
        generator: torch.Generator,
        validate: Callable[[Callable[[Tensor], Tensor], ClassStatistics], float] | None = None,
        checkpoint: Path | None = None,
        compiled: bool = False,
        report: Callable[[dict], None] | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.model, self.loss, self.batch, self.images, self.labels = model, loss, batch, images, labels
        self.plan, self.augment, self.generator = plan, augment, generator
        self.validate, self.checkpoint, self.report = validate, checkpoint, report
        self.processes = processes or Processes()
        self.num_classes = int(labels.max()) + 1
        self.optimiser = torch.optim.Adam(model.parameters(), lr=plan.rate, fused=True)
        self.statistics: ClassStatistics | None = None
        self._gathered: Tensor | None = None  # (N, D)
        self.step = self.triplets = 0
        self.seconds, self._collapsed = 0.0, False
        self.history: list[dict] = []
        self.probabilities: list[Tensor] = [batch.positives.probabilities.cpu()]  # P_0, P_1, ...: (C,) each
        began = time.perf_counter()
        self.network = self._compile() if compiled else model
        self.compiled = self.network is not model
        self.compile_seconds = time.perf_counter() - began  # `seconds` does not hold them
        if checkpoint is not None and checkpoint.exists():
            self._resume()

    def _compile(self) -> nn.Module:
        """The compiled network, its forward and backward pass already compiled for the shapes of a run; the plain one where that fails."""
        state = self.generator.get_state()
        sizes = {len(self.processes.share(part.images)) for part in self.batch.draw(self.generator)}
        self.generator.set_state(state)

        def try_it(network: nn.Module) -> None:
            embed(network, self.images[: self.plan.chunk], self.plan.chunk)
            for size in sizes:
                blank = torch.zeros(
                    size, *self.images.shape[1:], dtype=torch.uint8, device=self.images.device
                )
                network(to_float(blank)).sum().backward()

        network = compiled_network(self.model, try_it)
        self.model.zero_grad(set_to_none=True)
        return network

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 37, 37) -> embeddings (B, D) in the loss's space."""
        return self.loss.space(self.network(x))

    def fit(self) -> ClassStatistics:
        """Train to the end of the plan; returns the statistics of the finished network over all training samples.

        Raises:
            FloatingPointError: a loss that is not finite; the last checkpoint is from before it.
        """
        for _ in self.periods():
            pass
        if self.statistics is None:
            raise InputError("the plan has no step; raise the number of images")
        return self.statistics

    def periods(self) -> Iterator[dict]:
        """Train period by period; after each, its line of history. Whoever has seen enough stops asking."""
        for end in self.plan.period_ends():
            if self.step < end:
                self._period(end)
                yield self.history[-1]

    def _period(self, end: int) -> None:
        start, began = self.step, time.perf_counter()
        sums = torch.zeros(5, dtype=torch.float64, device=self.images.device)
        while self.step < end:
            sums += self.one_step()
        if not torch.isfinite(sums).all():  # the CPU has said so at the step itself
            raise self._not_finite(f"between iterations {start} and {end}")
        loss, d_ap, d_an, active, triplets = (
            sums / torch.tensor([end - start] * 4 + [1.0], device=sums.device)
        ).tolist()
        self.triplets += int(triplets)
        last = end == self.plan.steps
        self.statistics = self.period_statistics(last)
        self.batch.positives.update(self.statistics)
        self.batch.negatives.update(self.statistics)
        self.seconds += time.perf_counter() - began
        self.probabilities.append(self.batch.positives.probabilities.cpu())
        c = self.statistics.centroids
        line = {
            "step": self.step,
            "images": self.step * self.batch.images_a_step,
            "triplets": self.triplets,
            "loss": loss,
            "d_ap": d_ap,
            "d_an": d_an,
        }
        line |= {
            "active": active,
            "spread": float((c - c.mean(0)).square().sum(1).mean().sqrt()),
            "class_spread": float(self.statistics.spread.mean()),
        }
        line |= {"rate": self.plan.rate_at(self.step - 1), "seconds": self.seconds}
        line["accuracy"] = self.validate(self.forward, self.statistics) if self.validate else None
        self.history.append(line)
        self._warn_of_collapse(line)
        if self.checkpoint is not None and self.processes.first:
            self._save()
        if self.report is not None:
            self.report(line)

    def one_step(self) -> Tensor:
        """One optimiser step; returns loss, mean d_AP, mean d_AN, active share and number of triplets."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        sums = torch.zeros(5, dtype=torch.float64, device=self.images.device)
        centroids = None if self.statistics is None else self.statistics.centroids
        for part in self.batch.draw(self.generator):
            n = len(part.images)
            random, images = self.augment.draw(n, self.generator), part.images
            x = self.augment.change(
                to_float(self.images[self.processes.share(images)]), self.processes.share(random)
            )
            outputs = self.processes.gather(self.network(x), n)
            result = self.batch.loss(self.loss, part, outputs, centroids)
            if self._gathered is not None:
                self._gathered[part.images] = self.loss.space(outputs.detach())
            (result.loss * part.share).backward()
            means = (
                torch.stack([result.loss.detach(), result.d_ap, result.d_an, result.active]).double()
                * part.share
            )
            sums += torch.cat([means, result.count.double()[None]])
        if sums.device.type == "cpu" and not torch.isfinite(sums[0]):
            raise self._not_finite(f"at iteration {self.step}")
        self.processes.add_gradients(self.model)
        self.optimiser.step()
        self.step += 1
        return sums

    def _not_finite(self, where: str) -> FloatingPointError:
        return FloatingPointError(
            f"the loss is not finite {where} (period {len(self.history) + 1} of {self.plan.updates}, {self.plan}, "
            f"{type(self.loss).__name__}, {type(self.batch).__name__}); lower the rate"
        )

    def _embed(self, images: Tensor) -> Tensor:
        """Clean images uint8 (N, 37, 37) -> (N, D) in the loss's space."""
        return self.processes.gather(
            embed(self.forward, self.processes.share(images), self.plan.chunk), len(images)
        )

    def class_statistics(self, samples: int | None = None) -> ClassStatistics:
        """In the loss's space, of clean training images as the network stands: all (None), or `samples` drawn a class."""
        images, labels = self.images, self.labels
        if samples is not None:
            classes = torch.arange(self.num_classes, device=self.labels.device)
            chosen = self.batch.samples.draw(classes, samples, self.generator).flatten()
            images, labels = self.images[chosen], self.labels[chosen]
        return class_statistics(self._embed(images), labels, self.num_classes)

    def period_statistics(self, last: bool) -> ClassStatistics:
        """What the samplers learn from at the end of a period, as the plan says."""
        if not self.plan.gather:
            return self.class_statistics(None if last else self.plan.statistics_samples)
        if last or self._gathered is None:
            self._gathered = self._embed(self.images)
        return class_statistics(self._gathered, self.labels, self.num_classes)

    def _warn_of_collapse(self, line: dict) -> None:
        """Everything in one point: the loss stands at its margin and no gradient is left. Said once."""
        if (
            not self._collapsed
            and len(self.history) >= 2
            and line["d_an"] < 0.01 * self.loss.alpha
            and line["active"] > 0.99
        ):
            self._collapsed = True
            warnings.warn(
                f"the embedding has collapsed at iteration {self.step}: mean d_AP {line['d_ap']:.3g}, mean d_AN {line['d_an']:.3g} "
                f"(margin {self.loss.alpha:g}), active share {line['active']:.0%}, spread of the ideal vectors {line['spread']:.3g}, "
                f"loss {line['loss']:.3g}; should it stay so, lower the rate (now {self.plan.rate:g}) or start with easier negatives",
                stacklevel=4,
            )

    # Checkpoints: everything that the next period depends on, so that a resumed run gives the same bits.

    def _save(self) -> None:
        state = {
            "plan": repr(self.plan),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "positives": self.batch.positives.state_dict(),
            "negatives": self.batch.negatives.state_dict(),
            "batch": self.batch.state_dict()
            if hasattr(self.batch, "state_dict")
            else None,  # of a batch that learns
            "centroids": self.statistics.centroids,
            "spread": self.statistics.spread,
            "probabilities": self.probabilities,
            "history": self.history,
            "gathered": self._gathered,
            "progress": [self.step, self.triplets, self.seconds],
        }
        with atomic_write(self.checkpoint) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        device = self.images.device
        try:
            state = torch.load(self.checkpoint, map_location=device, weights_only=True)
            plan = state["plan"]
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.generator.set_state(state["generator"].cpu())
            self.batch.positives.load_state_dict(state["positives"])
            self.batch.negatives.load_state_dict(state["negatives"])
            if state["batch"] is not None:
                self.batch.load_state_dict(state["batch"])
            self.statistics = ClassStatistics(state["centroids"], state["spread"])
            self.probabilities = [p.cpu() for p in state["probabilities"]]
            self.history, self._gathered = state["history"], state["gathered"]
            self.step, self.triplets, self.seconds = state["progress"]
        except Exception as error:  # torch raises many kinds for a file that is cut short or not a checkpoint
            raise InputError(
                f"checkpoint {self.checkpoint} cannot be read ({type(error).__name__}: {error}); delete it to start anew"
            ) from error
        if plan != repr(self.plan):
            raise InputError(
                f"checkpoint {self.checkpoint} belongs to another plan ({plan}, wanted {self.plan}); delete it to start anew"
            )
