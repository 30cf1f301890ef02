"""Networks to take away: weights, ideal vectors and classes of a published run, in one safetensors file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from siamese_lib.data.framing import frame, tight
from siamese_lib.errors import InputError
from siamese_lib.evaluation import nearest
from siamese_lib.files import atomic_write, results_folder
from siamese_lib.losses import ContrastiveLoss, MetricLoss, PrototypeLoss, TripletLoss
from siamese_lib.model import EmbeddingNet, embed

NAMES = ("hangul-2350", "hangul-11172", "omniglot")
LOSSES = {
    "metric": MetricLoss(),
    "contrastive": ContrastiveLoss(0.0),
    "triplet": TripletLoss(0.0),
    "prototype": PrototypeLoss(),
}
INK = 64  # of 255: what is fainter does not widen the box that is framed
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
        found = []
        for glyph in glyphs:
            cropped, heights, widths = tight(glyph[None], INK)
            found.append(frame(cropped, heights, widths, self.card["framing"]))
        return torch.cat(found)

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
    from safetensors import SafetensorError, safe_open

    path = path_of(name)
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            card = json.loads(file.metadata()["card"])
        centroids = tensors.pop("centroids")
        if missing := [key for key in CARD if key not in card]:
            raise ValueError(f"its card lacks {', '.join(missing)}")
        network = EmbeddingNet()
        network.load_state_dict(tensors)
        if centroids.shape != (len(card["classes"]), network.linear.out_features):
            raise ValueError(f"{len(card['classes'])} classes with centroids {tuple(centroids.shape)}")
    except FileNotFoundError:
        raise InputError(
            f"{path} is not there; make it of a finished run: "
            f"python -m siamese_lib publish ID --pretrained {name}"
        ) from None
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OSError) as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}: {said}); `git checkout` it again"
        ) from error
    return Pretrained(network.eval(), centroids, card.pop("classes"), card)


def save_pretrained(name: str, weights: Mapping[str, Tensor], centroids: Tensor, card: dict) -> Path:
    """Write a network into results/pretrained/.

    Args:
        name: see `load_pretrained`.
        weights: state of an EmbeddingNet.
        centroids: (C, 25) ideal vectors.
        card: ready for JSON, with all of CARD; it is one metadata key, as the order of several varies.
    """
    from safetensors.torch import save_file

    path = path_of(name)
    tensors = {key: value.cpu().contiguous() for key, value in {**weights, "centroids": centroids}.items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, {"card": json.dumps(card, ensure_ascii=False, sort_keys=True)})
    return path
