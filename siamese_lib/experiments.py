"""From a configuration to a finished record: data, method, training, evaluation."""

import dataclasses
import datetime
import functools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from siamese_lib.augment import Augmentation
from siamese_lib.batches import ClassSamples, LiteralPairs, LiteralTriplets
from siamese_lib.config import RunConfig, run_id
from siamese_lib.data.alphabets import class_list
from siamese_lib.data.bank import ImageBank
from siamese_lib.data.hangul import font_manifest, load_hangul
from siamese_lib.data.phd08 import iter_phd08, variant_indices
from siamese_lib.data.simulate import SIMULATOR_VERSION, iter_simulated_phd08
from siamese_lib.errors import InputError
from siamese_lib.evaluation import embed, evaluate
from siamese_lib.losses import ContrastiveLoss, MetricLoss, TripletLoss
from siamese_lib.mining import AutoClustering, AutoProbabilistic, DistanceBased, UniformNegatives, UniformPositives
from siamese_lib.model import EmbeddingNet
from siamese_lib.paths import data_folder, runs_folder
from siamese_lib.pools import PooledHard, PooledNear, PooledPairs, PooledTriplets
from siamese_lib.processes import Processes, local_device
from siamese_lib.records import check_writable, environment, load_record, save_arrays
from siamese_lib.speed import compiled, deterministic, keep_memory
from siamese_lib.storage import atomic_write, write_json
from siamese_lib.training import Plan, Trainer, choose_device, seeded_generator

EVALUATION_SETS = ("phd08-sim", "phd08")


@dataclass(frozen=True)
class Run:
    """A finished run: its record and the folder of its files (record.json, arrays.npz, model.pt)."""

    record: dict
    folder: Path

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays for figures; see `_figures_data`."""
        with np.load(self.folder / "arrays.npz") as stored:
            return {name: stored[name] for name in stored.files}


@dataclass(frozen=True)
class TrainingData:
    """Training and validation faces with the fingerprint of both and of their fonts."""

    train: ImageBank
    validation: ImageBank
    manifest: dict


@functools.lru_cache(maxsize=2)
def training_data(num_classes: int, framing: str) -> TrainingData:
    """Glyphs of the training and validation faces, read once a process."""
    classes = class_list(num_classes)
    train = load_hangul(split="train", framing=framing, characters=classes)
    validation = load_hangul(split="validation", framing=framing, characters=classes)
    manifest = {"train": train.sha256(), "validation": validation.sha256(), "fonts": font_manifest("train", "validation", characters=classes)}
    return TrainingData(train, validation, manifest)


def make_loss(config: RunConfig) -> ContrastiveLoss | TripletLoss | MetricLoss:
    if config.loss == "metric":
        return MetricLoss(config.rho, config.tau, config.xi, config.alpha)
    return {"contrastive": ContrastiveLoss, "triplet": TripletLoss}[config.loss](config.alpha)


def make_batch(config: RunConfig, labels: torch.Tensor):
    """Samplers and batch of a configuration; labels (N,) on the training device."""
    c = config.num_classes
    positives = AutoProbabilistic(c, config.gamma, config.w) if config.positives == "auto-probabilistic" else UniformPositives(c)
    if config.negatives == "auto-clustering":
        negatives = AutoClustering(c, config.theta, config.eta)
    else:
        negatives = DistanceBased(c, config.impostors) if config.batch == "pooled-near" else UniformNegatives(c)
    samples = ClassSamples(labels, c)
    if config.batch in ("pooled-hard", "pooled-near"):
        kind = PooledHard if config.batch == "pooled-hard" else PooledNear
        return kind(samples, positives, negatives, 2 * config.pool_classes, config.pool_samples, config.widening)
    contrastive = config.loss == "contrastive"
    if config.batch == "pooled":
        return (PooledPairs if contrastive else PooledTriplets)(samples, positives, negatives, config.pool_classes, config.pool_samples)
    return (LiteralPairs if contrastive else LiteralTriplets)(samples, positives, negatives, config.triplets, config.chunk)


def build_trainer(
    config: RunConfig,
    seed: int,
    device: torch.device,
    data: TrainingData,
    checkpoint: Path | None = None,
    report: Callable[[dict], None] | None = None,
    processes: Processes | None = None,
) -> Trainer:
    """Everything of a run but the data, put together; `Trainer.fit` trains it."""
    deterministic(device)
    keep_memory()
    torch.manual_seed(seed)
    model = EmbeddingNet().to(device)
    images, labels = torch.as_tensor(data.train.images, device=device), torch.as_tensor(data.train.labels, device=device)
    batch = make_batch(config, labels)
    steps = -(-config.images // batch.images_a_step)
    plan = Plan(steps, min(config.updates, steps), config.rate, config.schedule, config.statistics_samples, config.gather, config.chunk)
    chosen = np.random.default_rng(0).permutation(len(data.validation))[: config.validation_images]
    subset = data.validation.subset(np.sort(chosen))

    def validate(forward, statistics) -> float:
        return accuracy_of(forward, statistics.centroids, subset, config.chunk)

    return Trainer(
        model,
        make_loss(config),
        batch,
        images,
        labels,
        plan,
        Augmentation(config.probability, config.shift, config.degrees, config.pixelation),
        seeded_generator(seed, device),
        validate,
        checkpoint,
        config.compiled,
        report,
        processes,
    )


def accuracy_of(forward, centroids: torch.Tensor, bank: ImageBank, chunk: int) -> float:
    """Percent of the bank's images whose nearest ideal vector is their own class's."""
    result = evaluate(forward, centroids, bank.classes, [bank], chunk=chunk)
    return float(100 * result.correct.sum() / result.total.sum())


def run(config: RunConfig, seed: int = 0, device: str | None = None, sets: Iterable[str] = EVALUATION_SETS, progress: bool = True) -> Run:
    """Train and evaluate one row with one seed; a finished run is reused, an unfinished one resumed.

    Args:
        config: from `make_config`.
        seed: fixes the run to the bit on one machine.
        device: `cpu` or `cuda`; None: CUDA where there is one.
        sets: test sets to evaluate on, of EVALUATION_SETS; one whose data is not there is noted in the record under `not_run`.
        progress: whether to show a text bar.

    Raises:
        InputError: unknown set, number of variants or device, no data folder where SIAMESE_DATA points, unwritable folder,
            broken checkpoint, record or model, no fonts.
    """
    sets = list(sets)
    unknown = set(sets) - set(EVALUATION_SETS)
    if unknown:
        raise InputError(f"evaluation set {', '.join(sorted(unknown))} is unknown; choose of {', '.join(EVALUATION_SETS)}")
    variant_indices(config.variants)  # what cannot be evaluated is refused here, before hours of training
    if "phd08" in sets:
        data_folder()
    keep_memory()
    chosen = choose_device(local_device(device))
    processes = Processes.start(chosen)
    check_writable(runs_folder())
    data = training_data(config.num_classes, config.framing)
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


def _train(config: RunConfig, seed: int, device: torch.device, data: TrainingData, folder: Path, progress: bool, processes: Processes) -> dict:
    """Train; every process returns the record, the first one has written model.pt and arrays.npz."""
    from tqdm import tqdm

    progress = progress and processes.first

    label = f"{config.row} ({config.batch}, seed {seed})"
    with tqdm(total=config.images, unit="img", unit_scale=True, desc=label, disable=not progress, ascii=True, mininterval=1) as bar:

        def report(line: dict) -> None:
            bar.set_postfix_str(f"loss {line['loss']:.3g}, validation {line['accuracy']:.1f} %", refresh=False)
            bar.update(min(line["images"], config.images) - bar.n)

        trainer = build_trainer(config, seed, device, data, folder / "checkpoint.pt", report, processes)
        bar.update(min(trainer.step * trainer.batch.images_a_step, config.images))
        statistics = trainer.fit()
    validation = evaluate(
        trainer.forward, statistics.centroids, data.train.classes, [data.validation], _gallery(trainer.forward, data, device, config), config.chunk
    )
    if processes.first:
        with atomic_write(folder / "model.pt") as temporary:
            torch.save({"model": trainer.model.state_dict(), "centroids": statistics.centroids, "spread": statistics.spread}, temporary)
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


def _figures_data(trainer: Trainer, statistics) -> dict[str, np.ndarray]:
    """probabilities (U + 1, C): P_0 ... P_U times C, so 1 is uniform; centroids (C, D); spread (C,); clusters (C,) where there are any.

    Each evaluation adds class_accuracy_<set> (C,), percent, NaN for a class without images.
    """
    relative = torch.stack(trainer.probabilities) * trainer.num_classes
    arrays = {"probabilities": relative, "centroids": statistics.centroids, "spread": statistics.spread}
    arrays = {name: value.cpu().numpy().astype(np.float16) for name, value in arrays.items()}
    clusters = getattr(trainer.batch.negatives, "clusters", None)
    return arrays if clusters is None else arrays | {"clusters": clusters.cpu().numpy().astype(np.int32)}


def _gallery(forward, data: TrainingData, device: torch.device, config: RunConfig) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.as_tensor(data.train.images, device=device)
    return embed(forward, images, config.chunk), torch.as_tensor(data.train.labels, device=device)


def _evaluate_missing(
    record: dict, config: RunConfig, folder: Path, device: torch.device, data: TrainingData, sets: Iterable[str], progress: bool
) -> bool:
    done = record["evaluations"]
    simulated = {"variants": config.variants, "simulator": SIMULATOR_VERSION}
    outdated = "phd08-sim" in done and any(done["phd08-sim"].get(key) != value for key, value in simulated.items())
    todo = [name for name in sets if name not in done or (name == "phd08-sim" and outdated)]
    if not todo:
        return False
    model, loss = EmbeddingNet().to(device), make_loss(config)
    try:
        stored = torch.load(folder / "model.pt", map_location=device, weights_only=True)
        model.load_state_dict(stored["model"])
        with np.load(folder / "arrays.npz") as file:
            arrays = dict(file)
    except Exception as error:  # torch raises many kinds for a file that is cut short or not a model
        raise InputError(f"the run in {folder} cannot be read ({type(error).__name__}); delete this folder and run the row again") from error

    blank = torch.zeros(config.chunk, *data.train.images.shape[1:], dtype=torch.uint8, device=device)
    network = compiled(model, lambda network: embed(network, blank, config.chunk)) if config.compiled else model

    def forward(x: torch.Tensor) -> torch.Tensor:
        return loss.space(network(x))

    gallery = _gallery(forward, data, device, config)
    for name in todo:
        banks, facts = test_banks(name, config, device)
        if banks is None:
            record["not_run"][name] = facts["reason"]
            continue
        result = evaluate(forward, stored["centroids"], data.train.classes, _with_bar(banks, name, progress), gallery, config.chunk)
        done[name] = result.summary() | facts | {"fonts": len(result.groups.get("font", {}))}
        if name == "phd08-sim":
            record["config"]["variants"] = config.variants
        arrays[f"class_accuracy_{name}"] = result.class_accuracy().astype(np.float16)
        save_arrays(folder / "arrays.npz", arrays)
        record["not_run"].pop(name, None)
    return True


def test_banks(name: str, config: RunConfig, device: torch.device) -> tuple[Iterator[ImageBank] | None, dict]:
    """A test set as a stream of banks, with facts for the record; None and the reason where its data is not there."""
    classes = class_list(config.num_classes)
    if name == "phd08-sim":
        facts = {"variants": config.variants, "simulator": SIMULATOR_VERSION, "manifest": font_manifest("test", characters=classes)}
        return iter_simulated_phd08(variants=config.variants, framing=config.framing, device=str(device), characters=classes), facts
    if config.num_classes != 2350:
        return None, {"reason": f"PHD08 has 2,350 classes, the network {config.num_classes}"}
    folder = data_folder() / "phd08"
    if not folder.is_dir() or not any(folder.glob("*.txt")):
        return None, {"reason": f"no class files in {folder}; unpack PHD08 and set SIAMESE_DATA to the folder above phd08/"}
    return iter_phd08(folder, framing=config.framing), {"files": len(list(folder.glob("*.txt")))}


def _with_bar(banks: Iterator[ImageBank], name: str, progress: bool) -> Iterator[ImageBank]:
    from tqdm import tqdm

    with tqdm(unit="img", unit_scale=True, desc=f"evaluating on {name}", disable=not progress, ascii=True, mininterval=1) as bar:
        for bank in banks:
            yield bank
            bar.update(len(bank))
