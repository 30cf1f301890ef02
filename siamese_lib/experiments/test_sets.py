"""What a network is tested on: one table of test sets, and how each is scored."""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.checks import whole_number
from siamese_lib.data.hangul import font_manifest
from siamese_lib.data.hangul_classes import class_list
from siamese_lib.data.omniglot_one_shot import load_one_shot
from siamese_lib.data.omniglot_splits import alphabet_of
from siamese_lib.data.phd08 import FIELDS, FONTS, class_files, iter_phd08, variant_indices
from siamese_lib.data.phd08_simulated import SIMULATOR_VERSION, iter_simulated_phd08
from siamese_lib.errors import InputError, NotThere
from siamese_lib.evaluation import evaluate, nearest
from siamese_lib.experiments.config import RunConfig
from siamese_lib.experiments.datasets import TrainingData
from siamese_lib.files import data_folder
from siamese_lib.model import embed
from siamese_lib.statistics import class_statistics
from siamese_lib.verification import one_shot, verify


@dataclass(frozen=True)
class TestSet:
    """A test set, as result tables name it.

    Attributes:
        title: as figures and sentences name it.
        dataset, protocol: columns of result tables.
        network: the protocol of the networks that it tests.
        complete: classes with which the paper's number may stand beside ours; None: never.
    """

    title: str
    dataset: str
    protocol: str = ""
    network: str = ""
    complete: int | None = None


# Simulated scans of up to so many variants a font stay in the cache: making them takes longer than reading
# them, and those of 27 have 780 MB.
KEPT = 27
TEST_SETS = {
    "phd08-sim": TestSet("simulated PHD08", "phd08-sim", complete=2350),
    "phd08": TestSet("real PHD08", "phd08", complete=2350),
    # The paper does not say which reading of the Omniglot split its numbers are of; they stand beside two.
    "drawers": TestSet("new drawers", "omniglot", "drawers", "drawers", 1623),
    "alphabets": TestSet("new alphabets", "omniglot", "alphabets", "alphabets"),
    "verification": TestSet("pairs of new alphabets", "omniglot", "verification", "alphabets", 382),
    "one-shot": TestSet("Lake's one-shot runs", "omniglot", "one-shot", "alphabets"),
}


def test_sets_of(network: str) -> list[str]:
    """Names of the test sets of networks with a protocol ("" for Hangul)."""
    return [name for name, test in TEST_SETS.items() if test.network == network]


def known_sets(wanted: Iterable[str] | None, known: list[str]) -> list[str]:
    """The wanted of the known test sets, None for all of them.

    Raises:
        InputError: one is unknown.
    """
    if unknown := sorted(set(wanted or ()) - set(known)):
        raise InputError(f"evaluation set {', '.join(unknown)} is unknown; choose of {', '.join(known)}")
    return [name for name in known if wanted is None or name in wanted]


def check_sets(sets: Iterable[str], variants: int) -> None:
    """Refuse before hours of training what cannot be evaluated after them.

    Raises:
        InputError: a number of variants that there is not, or no data folder where SIAMESE_DATA points.
    """
    variant_indices(whole_number("variants", variants, 1))
    if "phd08" in sets:
        data_folder()


@functools.lru_cache(maxsize=2)
def simulated_manifest(num_classes: int) -> dict:
    """Fingerprint of the typefaces of the simulated test set of a network with so many classes."""
    return font_manifest("test", characters=tested_classes(num_classes))


def tested_classes(num_classes: int) -> list[str]:
    """PHD08's 2,350 syllables, classified among all training classes; for a smaller network its own
    classes.
    """
    return class_list(min(num_classes, 2350))


def outdated(name: str, done: dict, config: RunConfig, variants: int) -> bool:
    """Whether an evaluation that stands in a record was made with other test images than it would be now."""
    return name == "phd08-sim" and any(
        done.get(key) != value for key, value in _simulated_facts(config, variants).items()
    )


def _simulated_facts(config: RunConfig, variants: int) -> dict:
    manifest = simulated_manifest(config.num_classes)
    return {"variants": variants, "simulator": SIMULATOR_VERSION, "manifest": manifest}


class Scorer:
    """Tests one network on any of its test sets; ideal vectors of a bank are computed once.

    Args:
        forward: images (B, 1, 37, 37) -> embeddings (B, D) in the loss's space.
        config, data: of the run.
        device: where the network is.
        variants: PHD08 variants a font of the simulated test set.
        progress: whether to show a text bar.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        config: RunConfig,
        data: TrainingData,
        device: torch.device,
        variants: int = 3,
        progress: bool = True,
    ) -> None:
        self.forward, self.config, self.data, self.device = forward, config, data, device
        self.variants, self.progress = variants, progress
        self.references = functools.cache(lambda bank: references_of(forward, bank, device, config.chunk))

    def score(self, name: str) -> tuple[dict, dict[str, np.ndarray]]:
        """Test on one set of TEST_SETS.

        Returns:
            What the record holds of it, and arrays for figures: class_accuracy (C,), where the set has the
            classes of training, and mistakes, an image of each of its record's first confusions; none of real
            PHD08, whose glyphs are not ours to show.

        Raises:
            NotThere: the set's data is not on this machine, or the network has too few classes for it.
            InputError: the set's data is damaged.
        """
        split, chunk = self.data.split, self.config.chunk
        if name == "verification":
            sides = ((bank, alphabet_of(bank.classes)) for bank in (split.validation, split.test))
            return verify(self.forward, *sides, self.device, chunk), {}
        if name == "one-shot":
            runs = load_one_shot(framing=self.config.framing)
            return one_shot(self.forward, runs, self.device, chunk), {}
        if split is None:
            banks, facts = hangul_stream(name, self.config, self.device, self.variants)
            result = self._classify(
                name, banks, self.data.train, {"font": FONTS} | {field: () for field in FIELDS}
            )
            arrays = {"class_accuracy": result.class_accuracy()}
            if name != "phd08":
                arrays["mistakes"] = result.mistakes()
            return result.summary() | facts | {"fonts": len(result.groups.get("font", {}))}, arrays
        references = split.test_references or self.data.train
        result = self._classify(name, iter([split.test]), references, {"alphabet": ()})
        told = told_alphabet(self.forward, self.references(references)[0], split.test, self.device, chunk)
        arrays = {} if split.test_references else {"class_accuracy": result.class_accuracy()}
        return result.summary() | {"told_alphabet": told}, arrays | {"mistakes": result.mistakes()}

    def _classify(self, name: str, banks: Iterator[ImageBank], references: ImageBank, by: dict):
        centroids, gallery = self.references(references)
        banks = _with_bar(banks, name, self.progress)
        return evaluate(self.forward, centroids, references.classes, banks, gallery, self.config.chunk, by)


def hangul_stream(
    name: str, config: RunConfig, device: torch.device, variants: int
) -> tuple[Iterator[ImageBank], dict]:
    """A Hangul test set as a stream of banks that list the network's classes, with facts for the record.

    Raises:
        NotThere: PHD08 is not on this machine, or the network has too few classes for it.
    """
    every = class_list(config.num_classes)
    if name == "phd08-sim":
        classes = tested_classes(config.num_classes)
        banks = iter_simulated_phd08(
            variants=variants,
            framing=config.framing,
            device=str(device),
            characters=classes,
            keep=variants <= KEPT,
        )
        return _among(banks, every), _simulated_facts(config, variants)
    if config.num_classes < 2350:
        raise NotThere(f"PHD08 has 2,350 classes, the network {config.num_classes}")
    facts = {"files": len(class_files())}
    return _among(iter_phd08(framing=config.framing), every), facts


def references_of(
    forward: Callable[[Tensor], Tensor], bank: ImageBank, device: torch.device, chunk: int
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Ideal vectors (C, D) of a bank's classes, and its embeddings (N, D) with their labels (N,)."""
    embeddings = embed(forward, torch.as_tensor(bank.images, device=device), chunk)
    labels = torch.as_tensor(bank.labels, device=device)
    return class_statistics(embeddings, labels, bank.num_classes).centroids, (embeddings, labels)


def accuracy_of(forward: Callable[[Tensor], Tensor], centroids: Tensor, bank: ImageBank, chunk: int) -> float:
    """Percent of the bank's images whose nearest ideal vector is their own class's."""
    result = evaluate(forward, centroids, bank.classes, [bank], chunk=chunk)
    return float(100 * result.correct.sum() / result.total.sum())


def told_alphabet(
    forward: Callable[[Tensor], Tensor], centroids: Tensor, bank: ImageBank, device: torch.device, chunk: int
) -> float:
    """Accuracy in percent with the candidates limited to the image's own alphabet.

    What this is above the accuracy was lost to look-alikes in other alphabets.
    """
    labels, alphabet = (torch.as_tensor(x, device=device) for x in (bank.labels, alphabet_of(bank.classes)))
    embeddings = embed(forward, torch.as_tensor(bank.images, device=device), chunk)
    right = 0
    for own in alphabet[labels].unique():
        members, images = torch.nonzero(alphabet == own)[:, 0], alphabet[labels] == own
        near, tied = nearest(embeddings[images], centroids[members], 1)
        right += int(((members[near[:, 0]] == labels[images]) & ~tied).sum())
    return 100 * right / len(labels)


def _among(banks: Iterator[ImageBank], classes: list[str]) -> Iterator[ImageBank]:
    """The same images, labelled by their place in a longer class list."""
    place = {name: number for number, name in enumerate(classes)}
    for bank in banks:
        number = np.array([place[name] for name in bank.classes], np.int64)
        yield ImageBank(bank.images, number[bank.labels], classes, bank.meta)


def _with_bar(banks: Iterator[ImageBank], name: str, progress: bool) -> Iterator[ImageBank]:
    from tqdm import tqdm

    text = f"evaluating on {name}"
    with tqdm(unit="img", unit_scale=True, desc=text, disable=not progress, ascii=True, mininterval=1) as bar:
        for bank in banks:
            yield bank
            bar.update(len(bank))
