"""What notebook 11 looks up and asks the pretrained network; nothing is trained."""

import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.figure import Figure

from siamese_lib.classifier import SiameseClassifier
from siamese_lib.data.alphabet import bank_of_faces
from siamese_lib.data.bank import ImageBank
from siamese_lib.data.faces import find_faces
from siamese_lib.data.hangul_classes import class_list
from siamese_lib.data.phd08_simulated import iter_simulated_phd08
from siamese_lib.data.samples import as_rows
from siamese_lib.errors import InputError
from siamese_lib.experiments.records import published_arrays, published_records
from siamese_lib.model import SIDE
from siamese_lib.plots.explore import Glyphs, answer_sheet, differences_sheet, sheet_of_glyphs
from siamese_lib.plots.style import label

SPLITS = ("train", "validation", "test")
NEAREST = 9  # other classes that are shown
SCANS = 9  # variants a test typeface
MISTAKES = 10  # syllables that its scans are taken for, at most
SPOT = 7  # pixels: side of the square that is erased
FACES = 4  # typefaces in which two syllables are compared


@dataclass(frozen=True)
class Explorer:
    """The pretrained network with glyphs of all typefaces and what was published of its classes.

    Attributes:
        reader: the network with its 2,350 ideal vectors.
        glyphs: clean glyphs; `meta.face` names the typeface.
        arrays: row of Table 3 in profile `cpu` -> arrays of its published run.
    """

    reader: SiameseClassifier
    glyphs: ImageBank
    arrays: dict[str, dict[str, np.ndarray]]

    @classmethod
    def load(cls, name: str = "hangul-2350") -> "Explorer":
        """Takes some seconds; the first time on a machine a minute, which draws the glyphs."""
        reader = SiameseClassifier.from_pretrained(name)
        faces = list({face.face.key: face for split in SPLITS for face in find_faces(split)}.values())
        glyphs = bank_of_faces(faces, class_list(2350), reader.framing, "the typefaces of all splits")
        of_table = [
            record
            for record in published_records()
            if (record["config"]["table"], record["config"]["profile"]) == ("table3", "cpu")
        ]
        arrays = published_arrays(of_table)
        return cls(
            reader, glyphs, {r["config"]["row"]: arrays[r["id"]] for r in of_table if r["id"] in arrays}
        )

    @cached_property
    def number(self) -> dict[str, int]:
        """Class -> its number, in the order of `glyphs` and of the published arrays."""
        return {character: number for number, character in enumerate(self.glyphs.classes)}

    def of(self, character: str) -> int:
        """The number of a syllable; InputError where it is none of the 2,350."""
        if character not in self.number:
            raise InputError(
                f"{character!r} is none of the 2,350 syllables of KS X 1001; give one, such as 한"
            )
        return self.number[character]

    def picture(self, character: str) -> np.ndarray:
        """A glyph (37, 37) that stands for a class: of the first typeface that draws it."""
        return self.glyphs.images[np.flatnonzero(self.glyphs.labels == self.number[character])[0]]


def syllable(explorer: Explorer, character: str) -> Figure:
    """One syllable: its glyphs, what is near it, its cluster, what scans of it are taken for, and how often
    it was practised.

    Raises:
        InputError: it is none of the classes.
    """
    number = explorer.of(character)
    own = explorer.glyphs.subset(explorer.glyphs.labels == number)
    groups = [
        Glyphs("In all typefaces", own.images, [_lines(face) for face in own.meta.face]),
        _neighbours(explorer, character),
        _cluster(explorer, number),
        _mistakes(explorer, character),
    ]
    p = explorer.arrays.get("auto-probabilistic", {}).get("probabilities")
    chances = None if p is None else p[:, number].astype(np.float64)  # kept as multiples of their mean
    return sheet_of_glyphs(f"{label(character)}, U+{ord(character):04X}", groups, chances)


def _lines(face: str) -> str:
    """A typeface's name on lines that fit below a glyph."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[-_]", " ", face)
    return "\n".join(textwrap.wrap(words, 11))


def _neighbours(explorer: Explorer, character: str) -> Glyphs:
    reader = explorer.reader
    ideal = reader.centroids_[np.searchsorted(reader.classes_, character)]
    distances = np.linalg.norm(reader.centroids_ - ideal, axis=1)
    order = distances.argsort(kind="stable")[1 : NEAREST + 1]
    names = reader.classes_[order]
    return Glyphs(
        "Nearest ideal vectors, and their distances from its own",
        np.stack([explorer.picture(name) for name in names]),
        [f"{label(name)} {distance:.1f}" for name, distance in zip(names, distances[order], strict=True)],
    )


def _cluster(explorer: Explorer, number: int) -> Glyphs:
    clusters = explorer.arrays.get("auto-clustering", {}).get("clusters")
    members = [] if clusters is None else np.flatnonzero(clusters == clusters[number])
    names = [explorer.glyphs.classes[member] for member in members if member != number]
    reader, own = explorer.reader, explorer.glyphs.classes[number]
    ideal = reader.centroids_[np.searchsorted(reader.classes_, [own, *names])]
    order = np.linalg.norm(ideal[1:] - ideal[0], axis=1).argsort(kind="stable")[:20]
    names = [names[place] for place in order]
    title = "In its cluster (auto-clustering, profile cpu)"
    if len(members) > 21:
        title += f": the nearest 20 of {len(members) - 1}"
    return Glyphs(title, _pictures(explorer, names), [label(name) for name in names])


def _mistakes(explorer: Explorer, character: str) -> Glyphs:
    """What simulated scans of it are taken for, most often first."""
    banks = list(
        iter_simulated_phd08(characters=[character], variants=SCANS, framing=explorer.reader.framing)
    )
    read = Counter(explorer.reader.predict(np.concatenate([bank.images for bank in banks])))
    total, right = read.total(), read.pop(character, 0)
    names = [name for name, _ in read.most_common(MISTAKES)]
    title = f"{right} of {total} simulated scans are read rightly"
    if names:
        title += "; the others as"
    else:  # a group without an image is left out
        return Glyphs(title, explorer.picture(character)[None], [f"{label(character)} × {right}"])
    return Glyphs(title, _pictures(explorer, names), [f"{label(name)} × {read[name]}" for name in names])


def _pictures(explorer: Explorer, names: list[str]) -> np.ndarray:
    return (
        np.stack([explorer.picture(name) for name in names]) if names else np.zeros((0, SIDE, SIDE), np.uint8)
    )


def two(explorer: Explorer, one: str, other: str) -> Figure:
    """What tells two syllables apart: where erasing a spot moves a glyph toward the other's ideal vector.

    Raises:
        InputError: one of them is none of the classes, or both are the same.
    """
    for character in (one, other):
        explorer.of(character)
    if one == other:
        raise InputError(f"{one!r} twice; give two different syllables")
    reader, meta = explorer.reader, explorer.glyphs.meta
    places = np.searchsorted(reader.classes_, [one, other])
    ideal = reader.centroids_[places]
    apart = float(np.linalg.norm(ideal[0] - ideal[1]))
    lines = []
    for face in dict.fromkeys(meta.face):
        found = [
            explorer.glyphs.images[
                (explorer.glyphs.labels == explorer.of(c)) & (meta.face == face).to_numpy()
            ]
            for c in (one, other)
        ]
        if all(len(images) for images in found) and len(lines) < FACES:
            a, b = found[0][0], found[1][0]
            maps = _erased(reader, a, ideal, apart), _erased(reader, b, ideal[::-1], apart)
            lines.append((face, [a, maps[0], b, maps[1]]))
    note = (
        f"Their ideal vectors are {apart:.1f} apart. Red: erasing a square of {SPOT} pixels around the spot\n"
        "moves the glyph toward the other syllable, blue: away from it."
    )
    return differences_sheet(f"{label(one)} and {label(other)}", note, lines)


def _erased(reader: SiameseClassifier, glyph: np.ndarray, ideal: np.ndarray, apart: float) -> np.ndarray:
    """(37, 37): how much nearer to ideal[1] than to ideal[0] a glyph comes where a square around each pixel
    is erased, as a share of the distance between both.
    """
    side = np.arange(SIDE)
    y, x = (axis.reshape(-1, 1, 1) for axis in np.meshgrid(side, side, indexing="ij"))
    near = (np.abs(side[None, :, None] - y) <= SPOT // 2) & (np.abs(side[None, None] - x) <= SPOT // 2)
    embedded = reader.transform(np.concatenate([glyph[None], np.where(near, 0, glyph)]))
    d = np.linalg.norm(embedded[:, None] - ideal, axis=2)
    nearer = d[:, 0] - d[:, 1]
    return ((nearer[1:] - nearer[0]) / apart).reshape(SIDE, SIDE)


def reading(explorer: Explorer, picture, k: int = 8) -> Figure:
    """What a picture of one character is read as.

    Args:
        explorer: what reads.
        picture: grey (H, W) of any size, or a file.
        k: answers.

    Raises:
        InputError: no picture of a character.
    """
    rows = as_rows([picture], explorer.reader.framing, explorer.reader.ink)
    answers, distances = explorer.reader.predict_top_k(rows, k)
    return answer_sheet(
        rows.reshape(SIDE, SIDE), answers[0], distances[0], _pictures(explorer, answers[0].tolist())
    )
