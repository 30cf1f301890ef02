"""From a configuration to a finished record: data, method, training, evaluation."""

import contextlib
import dataclasses
import datetime
import functools
import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from siamese_lib.errors import InputError, NotThere
from siamese_lib.evaluation import evaluate
from siamese_lib.experiments.build import build_trainer, make_loss
from siamese_lib.experiments.config import RunConfig, run_id
from siamese_lib.experiments.datasets import TrainingData, data_of
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.records import check_writable, environment, load_record, save_arrays
from siamese_lib.experiments.test_sets import (
    Scorer,
    check_sets,
    known_sets,
    outdated,
    references_of,
    test_sets_of,
)
from siamese_lib.files import runs_folder, write_bytes, write_json
from siamese_lib.model import SIDE, EmbeddingNet, embed
from siamese_lib.runtime import (
    Processes,
    choose_device,
    compiled,
    keep_memory,
    local_device,
    saved,
)
from siamese_lib.statistics import ClassStatistics
from siamese_lib.training import Trainer


@dataclass(frozen=True)
class Run:
    """A finished run: its record and the folder of its files (record.json, arrays.npz, model.pt)."""

    record: dict
    folder: Path

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays for figures; see `_figures_data`."""
        with np.load(self.folder / "arrays.npz") as stored:
            return {name: stored[name] for name in stored.files}


def run_one(
    config: RunConfig,
    seed: int = 0,
    device: str | None = None,
    sets: Iterable[str] | None = None,
    variants: int | None = None,
    progress: bool = True,
    report: Callable[[dict], None] | None = None,
) -> Run:
    """Train and evaluate one row with one seed; a finished run is reused, an unfinished one resumed.

    Args:
        config: from `make_config`.
        seed: fixes the run to the bit on one machine; 0 to 2^63 - 1.
        device: `cpu` or `cuda`; None: CUDA where there is one.
        sets: test sets (names of TEST_SETS), default all of the network; one whose data is not there is noted
            under `not_run`.
        variants: PHD08 variants a font of the simulated test set; default the profile's.
        progress: whether to show a text bar.
        report: called with each line of history while training.

    Raises:
        InputError: unknown set, number of variants, seed or device, no data folder where SIAMESE_DATA points,
            unwritable folder, broken checkpoint, record or model, no fonts, profile `paper` without CUDA
            where no device is named.
    """
    sets = known_sets(sets, test_sets_of(config.protocol))
    variants = PROFILES[config.profile].variants if variants is None else variants
    check_sets(sets, variants)
    check_seed(seed)
    keep_memory()
    chosen = choose_device(local_device(device))
    if config.profile == "paper" and device is None and chosen.type == "cpu":
        raise InputError(
            f"profile='paper' is meant for CUDA, which is not here: {config.images:,} images take a CPU many "
            "hours a run; choose another, such as cpu, or ask for it: --device cpu"
        )
    processes = Processes.start(chosen)
    data = data_of(config)
    identifier = run_id(config, seed, chosen.type, data.manifest)
    folder = runs_folder() / identifier
    path = folder / "record.json"
    if path.is_file() and not missing_sets(record := load_record(path), config, sets, variants):
        return Run(record, folder)  # nothing to write, so the folder may be read-only
    check_writable(runs_folder())
    with one_at_a_time(folder) if processes.first else contextlib.nullcontext():
        if path.is_file():
            record = load_record(path)
        else:
            record = {"id": identifier} | _train(
                config, seed, chosen, data, folder, progress, processes, report
            )
            if processes.first:
                write_json(path, record)
        if processes.first:
            # also that of a run that was killed just after its record
            (folder / "checkpoint.pt").unlink(missing_ok=True)
            _evaluate_missing(record, config, folder, chosen, data, sets, variants, progress)
    processes.wait()
    return Run(record if processes.first else load_record(path), folder)


def missing_sets(record: dict, config: RunConfig, sets: Iterable[str], variants: int) -> list[str]:
    """Those of the sets that a record has no evaluation of, or one with other test images."""
    done = record["evaluations"]
    return [name for name in sets if name not in done or outdated(name, done[name], config, variants)]


def check_seed(seed: int) -> None:
    """Raises InputError where `seed` is not a whole number from 0 to 2^63 - 1."""
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise InputError(f"seed={seed!r}: a whole number from 0 to 2^63 - 1")


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a run's folder: of several processes on one run the first works, the others wait and then find it
    done.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        warnings.warn(f"another process works on the run {folder.name}; waiting for it", stacklevel=4)
        lock.acquire()
    except OSError as error:  # somebody else's, or no folder
        raise InputError(
            f"{folder} cannot be used ({error.strerror}); move it away, or set SIAMESE_RUNS"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _train(
    config: RunConfig,
    seed: int,
    device: torch.device,
    data: TrainingData,
    folder: Path,
    progress: bool,
    processes: Processes,
    report: Callable[[dict], None] | None,
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

        def advance(line: dict) -> None:
            bar.set_postfix_str(
                f"loss {line['loss']:.3g}, validation {line['accuracy']:.1f} %", refresh=False
            )
            bar.update(min(line["images"], config.images) - bar.n)
            if report is not None:
                report(line)

        trainer = build_trainer(config, seed, device, data, folder / "checkpoint.pt", advance, processes)
        bar.update(min(trainer.step * trainer.batch.images_a_step, config.images))
        statistics = trainer.fit()
    refer = data.references or data.train
    centroids, gallery = references_of(trainer.forward, refer, device, config.chunk)
    by = {"face": (), "alphabet": ()}
    banks = {"validation": data.validation} | ({} if data.clean is None else {"validation-clean": data.clean})
    validation = {
        name: evaluate(trainer.forward, centroids, refer.classes, [bank], gallery, config.chunk, by).summary()
        for name, bank in banks.items()
    }
    if processes.first:
        network = {"model": trainer.model.state_dict()}
        network |= {"centroids": statistics.centroids, "spread": statistics.spread}
        write_bytes(folder / "model.pt", saved(network))
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
        "evaluations": validation,
        "not_run": {},
    }


def _figures_data(trainer: Trainer, statistics: ClassStatistics) -> dict[str, np.ndarray]:
    """What figures are drawn from.

    Returns:
        probabilities (U + 1, C): P_0 ... P_U times C, so 1 is uniform; centroids (C, D); spread (C,);
        clusters (C,) where the negative sampler has any. Each evaluation adds class_accuracy_<set> (C,),
        percent, NaN for a class without images, and mistakes_<set>, an image of each of the first confusions.
    """
    relative = torch.stack(trainer.probabilities) * len(statistics.spread)
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
    variants: int,
    progress: bool,
) -> None:
    """Test on those sets that the record lacks. Each result is written at once; a set that fails does not
    cost the others theirs.
    """
    done, todo = record["evaluations"], missing_sets(record, config, sets, variants)
    if not todo:
        return
    scorer = Scorer(trained_network(config, folder, device), config, data, device, variants, progress)
    with np.load(folder / "arrays.npz") as file:
        arrays = dict(file)
    failed: dict[str, Exception] = {}
    for name in todo:
        try:
            done[name], found = scorer.score(name)
        except NotThere as reason:
            record["not_run"][name] = str(reason)
        except Exception as error:  # whatever it is, the other sets are tested before it is raised
            failed[name] = error
            continue
        else:
            record["not_run"].pop(name, None)
            if found:
                for kind, values in found.items():
                    small = values.dtype if values.dtype == np.uint8 else np.float16
                    arrays[f"{kind}_{name}"] = values.astype(small)
                save_arrays(folder / "arrays.npz", arrays)
        write_json(folder / "record.json", record)
    for error in failed.values():
        if not isinstance(error, InputError):
            raise error
    if failed:
        raise InputError("; ".join(f"{name}: {error}" for name, error in failed.items()))


def trained_network(config: RunConfig, folder: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The network of a finished run: images (B, 1, 37, 37) -> embeddings (B, D) in the loss's space.

    Raises:
        InputError: the files of the run are damaged.
    """
    model, loss = EmbeddingNet().to(device), make_loss(config)
    try:
        model.load_state_dict(
            torch.load(folder / "model.pt", map_location=device, weights_only=True)["model"]
        )
        with np.load(folder / "arrays.npz") as file:
            dict(file)
    except Exception as error:  # torch raises many kinds for a file that is cut short or not a model
        raise InputError(
            f"the run in {folder} cannot be read ({type(error).__name__}); "
            "delete this folder and run the row again"
        ) from error

    @functools.cache  # not compiled before an image comes: often all that is to be tested is not there
    def network() -> nn.Module:
        blank = torch.zeros(config.chunk, SIDE, SIDE, dtype=torch.uint8, device=device)
        return (
            compiled(model, lambda network: embed(network, blank, config.chunk)) if config.compiled else model
        )

    def forward(x: Tensor) -> Tensor:
        return loss.space(network()(x))

    return forward
