"""What a configuration trains on and is tested on: Hangul faces and PHD08, or Omniglot in one of its readings."""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.hangul import font_manifest, load_hangul
from siamese_lib.data.hangul_classes import class_list
from siamese_lib.data.omniglot import load_omniglot
from siamese_lib.data.omniglot_one_shot import load_one_shot
from siamese_lib.data.omniglot_splits import Split, alphabet_of, omniglot_split
from siamese_lib.data.phd08 import class_files, iter_phd08, variant_indices
from siamese_lib.data.phd08_simulated import SIMULATOR_VERSION, iter_simulated_phd08
from siamese_lib.errors import InputError, NotThere
from siamese_lib.evaluation import evaluate
from siamese_lib.experiments.config import RunConfig
from siamese_lib.files import data_folder
from siamese_lib.model import embed
from siamese_lib.statistics import class_statistics
from siamese_lib.verification import one_shot, verify

SETS = {
    "": ("phd08-sim", "phd08"),
    "drawers": ("drawers",),
    "alphabets": ("alphabets", "verification", "one-shot"),
}  # by protocol


@dataclass(frozen=True)
class TrainingData:
    """What a network learns from and is validated on.

    Attributes:
        train, validation: banks.
        manifest: fingerprint of both and of where they come from.
        references: images of the validation's classes, where these are not trained; None: those of `train`.
        groups: (C,) group (alphabet) of each class; each has the same weight in training. None: no groups.
        split: Omniglot's, for its tests.
    """

    train: ImageBank
    validation: ImageBank
    manifest: dict
    references: ImageBank | None = None
    groups: np.ndarray | None = None
    split: Split | None = None


def data_of(config: RunConfig) -> TrainingData:
    """The data of a configuration, read once a process."""
    if config.protocol:
        return omniglot_data(config.protocol, config.split_seed, config.num_classes, config.framing)
    return training_data(config.num_classes, config.framing)


@functools.lru_cache(maxsize=2)
def training_data(num_classes: int, framing: str) -> TrainingData:
    """Glyphs of the training and validation faces."""
    classes = class_list(num_classes)
    train = load_hangul(split="train", framing=framing, characters=classes)
    validation = load_hangul(split="validation", framing=framing, characters=classes)
    manifest = {
        "train": train.sha256(),
        "validation": validation.sha256(),
        "fonts": font_manifest("train", "validation", characters=classes),
    }
    return TrainingData(train, validation, manifest)


@functools.lru_cache(maxsize=2)
def simulated_manifest(num_classes: int) -> dict:
    """Fingerprint of the faces of the simulated test set of a network with so many classes."""
    return font_manifest("test", characters=tested_classes(num_classes))


def tested_classes(num_classes: int) -> list[str]:
    """Syllables that a network is tested on: PHD08's 2,350, of which the answer is one among all that it has learnt; of a smaller network all."""
    return class_list(min(num_classes, 2350))


@functools.lru_cache(maxsize=2)
def omniglot_data(protocol: str, split_seed: int, num_classes: int, framing: str) -> TrainingData:
    """Drawings of a reading of the split."""
    split = omniglot_split(protocol, split_seed, num_classes, load_omniglot(framing=framing))
    names = ("train", "validation", "validation_references", "test", "test_references")
    prints = {name: bank.sha256() for name in names if (bank := getattr(split, name)) is not None}
    groups = alphabet_of(split.train.classes)
    return TrainingData(
        split.train,
        split.validation,
        prints | {"split": split.facts},
        split.validation_references,
        groups,
        split,
    )


def check_sets(config: RunConfig, sets: Iterable[str]) -> None:
    """Refuse before hours of training what cannot be evaluated after them.

    Raises:
        InputError: a set that the configuration does not have, a number of variants that there is not, no data folder where SIAMESE_DATA points.
    """
    known = SETS[config.protocol]
    if unknown := set(sets) - set(known):
        raise InputError(
            f"evaluation set {', '.join(sorted(unknown))} is unknown; choose of {', '.join(known)}"
        )
    variant_indices(config.variants)
    if "phd08" in sets:
        data_folder()


def outdated(name: str, done: dict, config: RunConfig) -> bool:
    """Whether a test that stands in a record was made with other test images than it would be now."""
    if name != "phd08-sim":
        return False
    now = {
        "variants": config.variants,
        "simulator": SIMULATOR_VERSION,
        "manifest": simulated_manifest(config.num_classes),
    }
    return any(done.get(key) != value for key, value in now.items())


def references_of(
    forward: Callable[[Tensor], Tensor], bank: ImageBank, device: torch.device, chunk: int
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Ideal vectors (C, D) of a bank's classes, and its embeddings (N, D) with their labels (N,)."""
    embeddings = embed(forward, torch.as_tensor(bank.images, device=device), chunk)
    labels = torch.as_tensor(bank.labels, device=device)
    return class_statistics(embeddings, labels, bank.num_classes).centroids, (embeddings, labels)


def tested(
    name: str,
    forward: Callable[[Tensor], Tensor],
    references,
    config: RunConfig,
    data: TrainingData,
    device: torch.device,
    progress: bool,
) -> tuple[dict, np.ndarray | None]:
    """Test a network on one set of SETS.

    Args:
        name: the set.
        forward: images -> embeddings in the loss's space.
        references: ImageBank -> `references_of` it.
        config, data, device: of the run.
        progress: whether to show a text bar.

    Returns:
        What the record holds of it, and accuracy by class (C,) where the set has the classes of training.

    Raises:
        NotThere: the set's data is not on this machine, or the network has too few classes for it.
        InputError: the set's data is damaged.
    """
    split = data.split
    if name == "verification":
        sides = ((bank, alphabet_of(bank.classes)) for bank in (split.validation, split.test))
        return verify(forward, *sides, device, config.chunk), None
    if name == "one-shot":
        return one_shot(forward, load_one_shot(framing=config.framing), device, config.chunk), None
    banks, facts = hangul_stream(name, config, device) if split is None else (iter([split.test]), {})
    refer = split and split.test_references
    centroids, gallery = references(refer or data.train)
    classes = (refer or data.train).classes
    result = evaluate(forward, centroids, classes, _with_bar(banks, name, progress), gallery, config.chunk)
    if split is None:
        facts |= {"fonts": len(result.groups.get("font", {}))}
    else:
        facts |= {"told_alphabet": told_alphabet(forward, centroids, split.test, device, config.chunk)}
    return result.summary() | facts, None if refer else result.class_accuracy()


def told_alphabet(
    forward: Callable[[Tensor], Tensor], centroids: Tensor, bank: ImageBank, device: torch.device, chunk: int
) -> float:
    """Percent of a bank's images that are read rightly when the answer is looked for in the image's own alphabet alone.

    What this is above the accuracy was lost to look-alikes in other alphabets.
    """
    labels, alphabet = (
        torch.as_tensor(each, device=device) for each in (bank.labels, alphabet_of(bank.classes))
    )
    distances = torch.cdist(embed(forward, torch.as_tensor(bank.images, device=device), chunk), centroids)
    others = alphabet[None, :] != alphabet[labels][:, None]
    return 100 * float((distances.masked_fill(others, float("inf")).argmin(1) == labels).double().mean())


def hangul_stream(name: str, config: RunConfig, device: torch.device) -> tuple[Iterator[ImageBank], dict]:
    """A Hangul test set as a stream of banks that list the network's classes, with facts for the record."""
    classes = tested_classes(config.num_classes)
    if name == "phd08-sim":
        facts = {
            "variants": config.variants,
            "simulator": SIMULATOR_VERSION,
            "manifest": simulated_manifest(config.num_classes),
        }
        banks = iter_simulated_phd08(
            variants=config.variants, framing=config.framing, device=str(device), characters=classes
        )
        return _among(banks, class_list(config.num_classes)), facts
    if config.num_classes < 2350:
        raise NotThere(f"PHD08 has 2,350 classes, the network {config.num_classes}")
    facts = {"files": len(class_files())}
    return _among(iter_phd08(framing=config.framing), class_list(config.num_classes)), facts


def _among(banks: Iterator[ImageBank], classes: list[str]) -> Iterator[ImageBank]:
    """The same images, labelled by their place in a longer class list."""
    place = {name: number for number, name in enumerate(classes)}
    for bank in banks:
        number = np.array([place[name] for name in bank.classes], np.int64)
        yield ImageBank(bank.images, number[bank.labels], classes, bank.meta)


def _with_bar(banks: Iterator[ImageBank], name: str, progress: bool) -> Iterator[ImageBank]:
    from tqdm import tqdm

    with tqdm(
        unit="img",
        unit_scale=True,
        desc=f"evaluating on {name}",
        disable=not progress,
        ascii=True,
        mininterval=1,
    ) as bar:
        for bank in banks:
            yield bank
            bar.update(len(bank))
