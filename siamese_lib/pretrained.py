"""Networks to take away: weights, ideal vectors and classes of a published run, in one safetensors file."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from siamese_lib.data.pictures import framed
from siamese_lib.errors import InputError
from siamese_lib.evaluation import nearest
from siamese_lib.files import results_folder, write_bytes
from siamese_lib.losses import ContrastiveLoss, MetricLoss, PrototypeLoss, TripletLoss
from siamese_lib.model import EmbeddingNet, embed

NAMES = ("hangul-2350", "hangul-11172", "omniglot")
LOSSES = {
    "metric": MetricLoss(),
    "contrastive": ContrastiveLoss(0.0),
    "triplet": TripletLoss(0.0),
    "prototype": PrototypeLoss(),
}
CARD = ("record", "loss", "framing", "classes")  # what a card must have


@dataclass(frozen=True)
class Pretrained:
    """A trained network with the classes that it knows.

    Attributes:
        network: images (B, 1, 37, 37), ink = 1 -> (B, 25) outputs.
        centroids: (C, 25) ideal vectors, in the space of its loss.
        classes: their C names.
        card: where it comes from and how well it reads: record id, loss, framing, accuracies ...
    """

    network: EmbeddingNet
    centroids: Tensor
    classes: list[str]
    card: dict

    def framed(self, glyphs: Iterable[np.ndarray]) -> Tensor:
        """Glyphs of any size, uint8 (H, W) with ink = 255 -> (n, 37, 37), as the network was trained."""
        return torch.from_numpy(framed(glyphs, self.card["framing"]))

    def embed(self, images: Tensor) -> Tensor:
        """uint8 images (n, 37, 37), ink = 255, framed as `card["framing"]` says -> (n, 25)."""
        loss = LOSSES[self.card["loss"]]
        return embed(lambda x: loss.space(self.network(x)), images)

    def read(self, images: Tensor, k: int = 5) -> tuple[list[list[str]], Tensor]:
        """The k nearest classes of each image, nearest first, and their distances (n, k)."""
        embeddings = self.embed(images)
        numbers, _ = nearest(embeddings, self.centroids, min(k, len(self.classes)))
        distances = (embeddings[:, None] - self.centroids[numbers]).norm(dim=2)
        return [[self.classes[n] for n in row] for row in numbers.tolist()], distances


def path_of(name: str) -> Path:
    """The file of a pretrained network.

    Raises:
        InputError: there is none of that name.
    """
    if name not in NAMES:
        raise InputError(f"pretrained network {name!r} is unknown; choose one of {', '.join(NAMES)}")
    return results_folder() / "pretrained" / f"{name}.safetensors"


def load_pretrained(name: str = "hangul-2350") -> Pretrained:
    """A network of results/pretrained/, ready to read.

    Args:
        name: `hangul-2350`, `hangul-11172` or `omniglot`.

    Raises:
        InputError: an unknown name, or a file that is not there or damaged.
    """
    path = path_of(name)
    if not path.exists():
        raise InputError(
            f"{path} is not there; make it of a finished run: "
            f"python -m siamese_lib publish ID --pretrained {name}"
        )
    with reading(path, "`git checkout` it again"):
        tensors, card = read_card(path, CARD)
        centroids = tensors.pop("centroids")
        network = EmbeddingNet()
        network.load_state_dict(tensors)
        if centroids.shape != (len(card["classes"]), network.linear.out_features):
            raise ValueError(f"{len(card['classes'])} classes with centroids {tuple(centroids.shape)}")
    return Pretrained(network.eval(), centroids, card.pop("classes"), card)


@contextlib.contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Whatever a file that is damaged, or another's, makes safetensors, json and torch raise becomes an
    InputError.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read ({type(error).__name__}: {said}); {remedy}") from error


def read_card(path: Path, keys: Iterable[str]) -> tuple[dict[str, Tensor], dict]:
    """Tensors and card of a file of `write_card`; ValueError where the card lacks one of the keys or belongs
    to other tensors.
    """
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        card = json.loads(file.metadata()["card"])
    if missing := [key for key in (*keys, "sha256") if key not in card]:
        raise ValueError(f"its card lacks {', '.join(missing)}")
    if card.pop("sha256") != _sha256(tensors, card):
        raise ValueError("it was changed after it was written")
    return tensors, card


def write_card(path: Path, tensors: Mapping[str, Tensor], card: dict) -> None:
    """Write tensors with a card that is ready for JSON, and the fingerprint of both; the card is one metadata
    key, as the order of several varies.
    """
    from safetensors.torch import save

    tensors = {key: value.cpu().contiguous() for key, value in tensors.items()}
    card = card | {"sha256": _sha256(tensors, card)}
    # in memory: into a file on a full disk safetensors raises an error of its own, which is no OSError
    write_bytes(path, save(tensors, {"card": json.dumps(card, ensure_ascii=False, sort_keys=True)}))


def plain(parameters: Mapping[str, object]) -> dict:
    """Parameters ready for JSON, scalars of numpy as Python's; InputError for one that is neither text nor a
    number.
    """
    found = {}
    for name, value in parameters.items():
        found[name] = value.item() if isinstance(value, np.generic) else value
        if not isinstance(found[name], str | int | float | None):
            raise InputError(f"{name}={value!r} cannot be saved; set it to text or a number")
    return found


def _sha256(tensors: Mapping[str, Tensor], card: dict) -> str:
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    for key in sorted(tensors):
        digest.update(f"{key} {tensors[key].dtype} {tuple(tensors[key].shape)}".encode())
        digest.update(tensors[key].numpy())
    return digest.hexdigest()


def save_pretrained(name: str, weights: Mapping[str, Tensor], centroids: Tensor, card: dict) -> Path:
    """Write a network into results/pretrained/.

    Args:
        name: see `load_pretrained`.
        weights: state of an EmbeddingNet.
        centroids: (C, 25) ideal vectors.
        card: ready for JSON, with all of CARD.
    """
    path = path_of(name)
    write_card(path, {**weights, "centroids": centroids}, card)
    return path
