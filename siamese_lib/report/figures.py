"""The figures of results/figures/: which runs each shows, and the fingerprint of what it draws."""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.faces import is_stopgap
from siamese_lib.data.framing import SIDE
from siamese_lib.errors import InputError
from siamese_lib.experiments.records import run_kind
from siamese_lib.experiments.tables import TABLES
from siamese_lib.files import atomic_write, write_json
from siamese_lib.plots.curves import accuracy_by_font, accuracy_curves, by_font, by_network, curves, describe
from siamese_lib.plots.glyphs import cluster_sheet, confusion_sheet, largest_clusters
from siamese_lib.plots.maps import glyph_map, hangul_layout
from siamese_lib.plots.probabilities import probability_evolution
from siamese_lib.plots.style import row_title, use_style

Arrays = Mapping[str, Mapping[str, np.ndarray]]  # run id -> the arrays of its .npz
HANGUL = ("table2", "table3")  # the tables whose classes are syllables
TEST_SET = "phd08-sim"  # never the real one: its glyphs are not ours to show


def figures(records: list[dict], arrays_by_id: Arrays) -> dict[str, tuple[Callable[[], Figure], dict]]:
    """The published figures: name -> (a function that draws it, the data it draws as plain lists).

    A figure holds runs of one kind (profile, batch, classes, budget, fonts, device) for each network of its
    table: the kind with most rows, then most images a run, then most runs. Figures of one run show the last
    row of the paper's table that has what they need, with its lowest seed. What no record has is left out, as
    are runs with the PyPI typefaces and rows that the paper's table lacks; no records, no figures.
    """
    found = {}
    records = [record for record in records if not is_stopgap(record["manifest"])]
    for table in sorted(
        {
            record["config"]["table"]
            for record in records
            if record["config"]["row"] in TABLES[record["config"]["table"]].paper
        }
    ):
        rows = [
            record
            for record in records
            if record["config"]["table"] == table and record["config"]["row"] in TABLES[table].paper
        ]
        networks = {name: _largest_group(network) for name, network in by_network(rows).items()}
        group = sum(networks.values(), [])
        drawn = {name: curves(network) for name, network in networks.items()}
        found[f"{table}_accuracy"] = (
            functools.partial(accuracy_curves, group),
            drawn | {"note": describe(group)},
        )
        fonts = {} if len(networks) > 1 else by_font(group, TEST_SET)
        if fonts:
            found[f"{table}_fonts"] = (
                functools.partial(accuracy_by_font, group, TEST_SET),
                fonts | {"note": describe(group)},
            )
        if table in HANGUL:
            found |= _of_one_run(table, group, arrays_by_id)
    return found


def _of_one_run(
    table: str, group: list[dict], arrays_by_id: Arrays
) -> dict[str, tuple[Callable[[], Figure], dict]]:
    config, found = group[0]["config"], {}
    bank = functools.cache(functools.partial(_bank, config["num_classes"], config["framing"]))

    def add(
        name: str,
        value: Callable[[dict], object],
        data: Callable[[object], object],
        draw: Callable[[object, str], Figure],
    ) -> None:
        run = _preferred([record for record in group if value(record) is not None])
        if run is not None:
            note = f"{row_title(run['config']['row'])}: {describe([run])}"
            found[f"{table}_{name}"] = (
                functools.partial(draw, value(run), note=note),
                {"drawn": data(value(run)), "note": note},
            )

    def array(name: str) -> Callable[[dict], np.ndarray | None]:
        return lambda record: arrays_by_id.get(record["id"], {}).get(name)

    def probabilities(record: dict) -> np.ndarray | None:
        return (
            array("probabilities")(record) if record["config"]["positives"] == "auto-probabilistic" else None
        )

    def confusions(record: dict) -> tuple[list, np.ndarray | None] | None:
        found = record["evaluations"].get(TEST_SET, {}).get("confusions", [])[:16]
        return (found, array(f"mistakes_{TEST_SET}")(record)) if found else None

    add(
        "probabilities",
        probabilities,
        np.ndarray.tolist,
        lambda p, note: probability_evolution(p, bank().classes, bank(), note=note),
    )
    add(
        "clusters",
        array("clusters"),
        lambda c: [m.tolist() for m in largest_clusters(c, len(c))],
        lambda c, note: cluster_sheet(c, bank(), note=note),
    )
    add(
        "ideal_vectors",
        array("centroids"),
        np.ndarray.tolist,
        lambda c, note: glyph_map(c, bank(), hangul_layout(bank().classes), note=note),
    )
    add(
        "confusions",
        confusions,
        lambda c: [c[0], None if c[1] is None else c[1].tolist()],
        lambda c, note: confusion_sheet(
            c[0], bank(), title=f"Most frequent mistakes on {TEST_SET}", note=note, mistakes=c[1]
        ),
    )
    return found


def figure_hashes(records: list[dict], arrays_by_id: Arrays) -> dict[str, str]:
    """Name -> SHA-256 of each published figure's data, floats rounded to six significant digits.

    Needs no fonts and draws nothing.
    """
    return {name: _digest(data) for name, (_, data) in sorted(figures(records, arrays_by_id).items())}


def write_figures(folder: Path | str, records: list[dict], arrays_by_id: Arrays) -> list[str]:
    """Draw the published figures as PNG and write figures.json, which holds `figure_hashes`.

    Figures that are no longer published are removed.

    Returns:
        Names of the files written.

    Raises:
        InputError: the folder cannot be written.
    """
    folder = Path(folder)
    use_style()
    drawn = figures(records, arrays_by_id)
    for name, (draw, _) in sorted(drawn.items()):
        with atomic_write(folder / f"{name}.png") as temporary:
            draw().savefig(temporary, metadata={"Software": None})
    for old in folder.glob("[!.]*.png"):
        if old.stem not in drawn:
            old.unlink()
    write_json(folder / "figures.json", figure_hashes(records, arrays_by_id))
    return [str(folder / name) for name in [*(f"{name}.png" for name in sorted(drawn)), "figures.json"]]


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(_rounded(data), sort_keys=True).encode()).hexdigest()


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _largest_group(records: list[dict]) -> list[dict]:
    groups: dict[str, list[dict]] = {}
    for record in sorted(records, key=lambda record: record["id"]):
        groups.setdefault(run_kind(record), []).append(record)

    def size(kind: str) -> tuple:
        group = groups[kind]
        return (
            len({record["config"]["row"] for record in group}),
            group[0]["config"]["images"],
            len(group),
            kind,
        )

    return groups[max(groups, key=size)]


def _preferred(records: list[dict]) -> dict | None:
    def rank(record: dict) -> tuple:
        config = record["config"]
        rows = list(TABLES[config["table"]].paper)
        return -rows.index(config["row"]) if config["row"] in rows else 1, record["seed"], record["id"]

    return min(records, key=rank, default=None)


def _bank(num_classes: int, framing: str) -> ImageBank:
    """Pictures of the classes from the training faces; where there is no font at all, names alone."""
    from siamese_lib.data.hangul import load_hangul
    from siamese_lib.data.hangul_classes import class_list

    classes = class_list(num_classes)
    try:
        return load_hangul(split="train", framing=framing, characters=classes)
    except InputError:
        return ImageBank(np.zeros((0, SIDE, SIDE), np.uint8), np.zeros(0, np.int64), classes)
