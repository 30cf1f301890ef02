"""From a configuration to a finished record: data, method, training, evaluation."""

import dataclasses
import datetime
import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from siamese_lib.augment import Augmentation
from siamese_lib.batches import Batch, ClassSamples, LiteralPairs, LiteralTriplets, Loss
from siamese_lib.data.bank import ImageBank
from siamese_lib.errors import InputError, NotThere
from siamese_lib.evaluation import evaluate
from siamese_lib.experiments import tasks
from siamese_lib.experiments.config import RunConfig, run_id
from siamese_lib.experiments.records import check_writable, environment, load_record, save_arrays
from siamese_lib.experiments.tasks import SETS, TrainingData, references_of
from siamese_lib.files import atomic_write, runs_folder, write_json
from siamese_lib.losses import ContrastiveLoss, MetricLoss, TripletLoss
from siamese_lib.mining import (
    AutoClustering,
    AutoProbabilistic,
    DistanceBased,
    EqualGroups,
    HardMining,
    UniformNegatives,
    UniformPositives,
)
from siamese_lib.model import EmbeddingNet, embed
from siamese_lib.pools import (
    ClassesAlone,
    ClassesWithImpostors,
    ClassesWithNegatives,
    HardestNegatives,
    Pool,
    SampledNegatives,
)
from siamese_lib.runtime import (
    Processes,
    choose_device,
    compiled,
    deterministic,
    keep_memory,
    local_device,
    seeded_generator,
)
from siamese_lib.statistics import ClassStatistics
from siamese_lib.training import Forward, Plan, Trainer, Validate, adam


@dataclass(frozen=True)
class Run:
    """A finished run: its record and the folder of its files (record.json, arrays.npz, model.pt)."""

    record: dict
    folder: Path

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays for figures; see `_figures_data`."""
        with np.load(self.folder / "arrays.npz") as stored:
            return {name: stored[name] for name in stored.files}


def make_loss(config: RunConfig) -> ContrastiveLoss | TripletLoss | MetricLoss:
    """The loss of a configuration."""
    if config.loss == "metric":
        return MetricLoss(config.rho, config.tau, config.xi, config.alpha)
    return {"contrastive": ContrastiveLoss, "triplet": TripletLoss}[config.loss](config.alpha)


def make_batch(config: RunConfig, labels: torch.Tensor, groups: torch.Tensor | None = None) -> Batch:
    """Samplers and batch of a configuration, on the device of the labels.

    Args:
        config: of the run.
        labels: (N,) classes of the training images.
        groups: (C,) group of each class, where groups of classes have equal weight.

    Raises:
        InputError: a pool of near classes whose size is no multiple of impostors + 1.
    """
    c = config.num_classes
    if config.positives == "auto-probabilistic":
        positives = AutoProbabilistic(c, config.gamma, config.w)
    else:
        positives = UniformPositives(c)
    if groups is not None:
        positives = EqualGroups(positives, groups)
    if config.negatives == "auto-clustering":
        negatives = AutoClustering(c, config.theta, config.eta)
    elif config.negatives in ("distance", "nearest"):
        negatives = DistanceBased(c, config.impostors)
    else:
        negatives = UniformNegatives(c)
    hard = HardMining(config.ratio) if config.negatives == "hard" else None
    samples, k = ClassSamples(labels, c), config.pool_samples
    if config.batch == "pooled":
        filling = ClassesWithNegatives(positives, negatives, config.pool_classes)
        batch = Pool(samples, filling, SampledNegatives(hard), k)
    elif config.batch in ("pooled-hard", "pooled-near"):
        kind = ClassesAlone if config.batch == "pooled-hard" else ClassesWithImpostors
        filling = kind(positives, negatives, 2 * config.pool_classes)
        batch = Pool(samples, filling, HardestNegatives(config.widening), k)
    else:
        literal = LiteralPairs if make_loss(config).takes == "pairs" else LiteralTriplets
        batch = literal(samples, positives, negatives, config.triplets, config.chunk, hard)
    return batch.to(labels.device)


def make_validate(config: RunConfig, data: TrainingData, device: torch.device) -> Validate:
    """Validation after each period: accuracy on `config.validation_images` of the validation images."""
    chosen = np.random.default_rng(0).permutation(len(data.validation))[: config.validation_images]
    subset = data.validation.subset(np.sort(chosen))

    def validate(forward: Forward, statistics: ClassStatistics) -> float:
        centroids = statistics.centroids
        if data.references is not None:  # classes that are not trained
            centroids, _ = references_of(forward, data.references, device, config.chunk)
        return accuracy_of(forward, centroids, subset, config.chunk)

    return validate


def build_trainer(
    config: RunConfig,
    seed: int,
    device: torch.device,
    data: TrainingData,
    checkpoint: Path | None = None,
    report: Callable[[dict], None] | None = None,
    processes: Processes | None = None,
    *,
    loss: Callable[[RunConfig], Loss] = make_loss,
    batch: Callable[[RunConfig, torch.Tensor, torch.Tensor | None], Batch] = make_batch,
    validate: Callable[[RunConfig, TrainingData, torch.device], Validate] | None = make_validate,
    optimiser: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer] = adam,
) -> Trainer:
    """Everything of a run but the data, put together; `Trainer.fit` trains it.

    Args:
        config: from `make_config`.
        seed: of weights and batches.
        device: where to train.
        data: what to train and validate on.
        checkpoint, report, processes: see Trainer.
        loss, batch, validate: what makes the run's loss, batch and validation. Another function of the same
            arguments puts something else in their place; validate=None leaves validation out.
        optimiser: see Trainer.
    """
    deterministic(device)
    keep_memory()
    torch.manual_seed(seed)
    model = EmbeddingNet().to(device)
    images, labels = (torch.as_tensor(a, device=device) for a in (data.train.images, data.train.labels))
    groups = None if data.groups is None else torch.as_tensor(data.groups, device=device)
    made = batch(config, labels, groups)
    steps = -(-config.images // made.images_a_step)
    plan = Plan(
        steps=steps,
        updates=min(config.updates, steps),
        learning_rate=config.rate,
        schedule=config.schedule,
        statistics_samples=config.statistics_samples,
        gather=config.gather,
        chunk=config.chunk,
    )
    return Trainer(
        model=model,
        loss=loss(config).to(device),
        batch=made,
        images=images,
        labels=labels,
        plan=plan,
        augment=Augmentation(config.probability, config.shift, config.degrees, config.pixelation),
        generator=seeded_generator(seed, device),
        optimiser=optimiser,
        validate=validate and validate(config, data, device),
        checkpoint=checkpoint,
        compiled=config.compiled,
        report=report,
        processes=processes,
    )


def accuracy_of(forward, centroids: torch.Tensor, bank: ImageBank, chunk: int) -> float:
    """Percent of the bank's images whose nearest ideal vector is their own class's."""
    result = evaluate(forward, centroids, bank.classes, [bank], chunk=chunk)
    return float(100 * result.correct.sum() / result.total.sum())


def run_one(
    config: RunConfig,
    seed: int = 0,
    device: str | None = None,
    sets: Iterable[str] | None = None,
    progress: bool = True,
) -> Run:
    """Train and evaluate one row with one seed; a finished run is reused, an unfinished one resumed.

    Args:
        config: from `make_config`.
        seed: fixes the run to the bit on one machine.
        device: `cpu` or `cuda`; None: CUDA where there is one.
        sets: test sets to evaluate on, default all of the configuration (tasks.SETS); one whose data is not
            there is noted under `not_run`.
        progress: whether to show a text bar.

    Raises:
        InputError: unknown set, number of variants or device, no data folder where SIAMESE_DATA points,
            unwritable folder, broken checkpoint, record or model, no fonts.
    """
    sets = list(SETS[config.protocol] if sets is None else sets)
    tasks.check_sets(config, sets)
    keep_memory()
    chosen = choose_device(local_device(device))
    processes = Processes.start(chosen)
    check_writable(runs_folder())
    data = tasks.data_of(config)
    identifier = run_id(config, seed, chosen.type, data.manifest)
    folder = runs_folder() / identifier
    path = folder / "record.json"
    if path.is_file():
        record = load_record(path)
    else:
        record = {"id": identifier} | _train(config, seed, chosen, data, folder, progress, processes)
        if processes.first:
            write_json(path, record)
            (folder / "checkpoint.pt").unlink(missing_ok=True)
    if processes.first:
        if _evaluate_missing(record, config, folder, chosen, data, sets, progress):
            write_json(path, record)
    processes.wait()
    return Run(record if processes.first else load_record(path), folder)


def _train(
    config: RunConfig,
    seed: int,
    device: torch.device,
    data: TrainingData,
    folder: Path,
    progress: bool,
    processes: Processes,
) -> dict:
    """Train; every process returns the record, the first one has written model.pt and arrays.npz."""
    from tqdm import tqdm

    progress = progress and processes.first

    label = f"{config.row} ({config.batch}, seed {seed})"
    with tqdm(
        total=config.images,
        unit="img",
        unit_scale=True,
        desc=label,
        disable=not progress,
        ascii=True,
        mininterval=1,
    ) as bar:

        def report(line: dict) -> None:
            bar.set_postfix_str(
                f"loss {line['loss']:.3g}, validation {line['accuracy']:.1f} %", refresh=False
            )
            bar.update(min(line["images"], config.images) - bar.n)

        trainer = build_trainer(config, seed, device, data, folder / "checkpoint.pt", report, processes)
        bar.update(min(trainer.step * trainer.batch.images_a_step, config.images))
        statistics = trainer.fit()
    refer = data.references or data.train
    centroids, gallery = references_of(trainer.forward, refer, device, config.chunk)
    validation = evaluate(trainer.forward, centroids, refer.classes, [data.validation], gallery, config.chunk)
    if processes.first:
        with atomic_write(folder / "model.pt") as temporary:
            torch.save(
                {
                    "model": trainer.model.state_dict(),
                    "centroids": statistics.centroids,
                    "spread": statistics.spread,
                },
                temporary,
            )
        save_arrays(folder / "arrays.npz", _figures_data(trainer, statistics))
    return {
        "config": json.loads(json.dumps(dataclasses.asdict(config))),
        "seed": seed,
        **environment(device),
        "compiled": trainer.compiled,
        "processes": processes.count,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "manifest": data.manifest,
        "history": trainer.history,
        "totals": {
            "steps": trainer.step,
            "images_seen": trainer.step * trainer.batch.images_a_step,
            "triplets": trainer.triplets,
            "seconds": trainer.seconds,
            "compile_seconds": trainer.compile_seconds,
        },
        "evaluations": {"validation": validation.summary()},
        "not_run": {},
    }


def _figures_data(trainer: Trainer, statistics: ClassStatistics) -> dict[str, np.ndarray]:
    """What figures are drawn from.

    Returns:
        probabilities (U + 1, C): P_0 ... P_U times C, so 1 is uniform; centroids (C, D); spread (C,);
        clusters (C,) where the negative sampler has any. Each evaluation adds class_accuracy_<set> (C,),
        percent, NaN for a class without images.
    """
    relative = torch.stack(trainer.probabilities)
    relative = relative * relative.shape[1]
    arrays = {"probabilities": relative, "centroids": statistics.centroids, "spread": statistics.spread}
    arrays = {name: value.cpu().numpy().astype(np.float16) for name, value in arrays.items()}
    clusters = trainer.batch.negatives.state_dict().get("clusters")
    return arrays if clusters is None else arrays | {"clusters": clusters.cpu().numpy().astype(np.int32)}


def _evaluate_missing(
    record: dict,
    config: RunConfig,
    folder: Path,
    device: torch.device,
    data: TrainingData,
    sets: Iterable[str],
    progress: bool,
) -> bool:
    done = record["evaluations"]
    todo = [name for name in sets if name not in done or tasks.outdated(name, done[name], config)]
    if not todo:
        return False
    model, loss = EmbeddingNet().to(device), make_loss(config)
    try:
        model.load_state_dict(
            torch.load(folder / "model.pt", map_location=device, weights_only=True)["model"]
        )
        with np.load(folder / "arrays.npz") as file:
            arrays = dict(file)
    except Exception as error:  # torch raises many kinds for a file that is cut short or not a model
        raise InputError(
            f"the run in {folder} cannot be read ({type(error).__name__}); delete this folder and run the row again"
        ) from error
    blank = torch.zeros(config.chunk, *data.train.images.shape[1:], dtype=torch.uint8, device=device)
    network = (
        compiled(model, lambda network: embed(network, blank, config.chunk)) if config.compiled else model
    )

    def forward(x: torch.Tensor) -> torch.Tensor:
        return loss.space(network(x))

    references = functools.cache(lambda bank: references_of(forward, bank, device, config.chunk))
    for name in todo:
        try:
            done[name], by_class = tasks.tested(name, forward, references, config, data, device, progress)
        except NotThere as reason:
            record["not_run"][name] = str(reason)
            continue
        if name == "phd08-sim":
            record["config"]["variants"] = config.variants
        if by_class is not None:
            arrays[f"class_accuracy_{name}"] = by_class.astype(np.float16)
            save_arrays(folder / "arrays.npz", arrays)
        record["not_run"].pop(name, None)
    return True
