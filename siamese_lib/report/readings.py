"""Omniglot in its readings: baselines without training, and what the records of Table 4 say."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from siamese_lib.errors import NotThere
from siamese_lib.experiments.records import published_records
from siamese_lib.experiments.tables import TABLES
from siamese_lib.experiments.test_sets import TEST_SETS, Scorer, test_sets_of
from siamese_lib.files import results_folder
from siamese_lib.model import EmbeddingNet
from siamese_lib.report.summaries import Text, rows_of, tested_sets, values

PIXELS = ("(pixels, mean image)", "(pixels, nearest drawing)")
TRIED = {  # columns of drawers.csv, as readers see them
    "loss": "loss",
    "rate": "learning rate",
    "images": "images",
    "probability": "augmented, share",
    "shift": "corners move by",
    "degrees": "rotation up to, degrees",
    "elastic": "elastic bending",
    "train_accuracy": "trained drawings, %",
    "accuracy": "validation drawers, %",
}


def baselines(
    networks: Mapping[str, tuple], space: Callable[[Tensor], Tensor], device: torch.device, seed: int = 0
) -> pd.DataFrame:
    """Accuracy in percent of embeddings that need no training, on every test set of these networks.

    Args:
        networks: protocol -> (configuration, its data).
        space: network outputs -> the loss's space, for a network with random weights.
        device: where to compute.
        seed: of the weights.

    Returns:
        A line for random weights, one for the nearest mean image and one for the nearest single drawing; a
        column for each test set. Where two drawings are compared, the last two are the same.
    """
    torch.manual_seed(seed)
    network = EmbeddingNet().to(device)
    found: dict[str, dict[str, float]] = {}
    for protocol, (config, data) in networks.items():
        for names, forward in (
            (("(random weights)",), lambda x: space(network(x))),
            (PIXELS, lambda x: x.flatten(1)),
        ):
            scorer = Scorer(forward, config, data, device, progress=False)
            for test_set in test_sets_of(protocol):
                try:
                    result, _ = scorer.score(test_set)
                except NotThere:
                    continue
                single = result.get("recall_at_1", result["accuracy"])
                for name, accuracy in zip(names, (result["accuracy"], single), strict=False):
                    found.setdefault(name, {})[TEST_SETS[test_set].title] = accuracy
    return pd.DataFrame(found).T


def with_baselines(results: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """The table of `summaries.results` with the baselines below its rows."""
    heads = {head.partition(" (")[0]: head for head in results.columns}
    return pd.concat([results, lines.rename(columns=heads)])


def above_pixels(records: Sequence[dict], lines: pd.DataFrame) -> Text:
    """By how much the best row of each test set is above the better comparison of pixels."""
    parts = []
    for name in tested_sets(records):
        title = TEST_SETS[name].title
        if title in lines.columns:
            best = max(np.mean(values(records, row, name)) for row in rows_of(records))
            parts.append(f"{best - lines.loc[list(PIXELS), title].max():+.1f} points on {title}")
    return Text(f"The best row beside the better of the two comparisons of pixels: {', '.join(parts)}.")


def nearer_to_the_paper(records: Sequence[dict]) -> Text:
    """Which of the readings that the paper's figures could be of has figures nearer to them."""
    paper = TABLES["table4"].paper
    away = {}
    for name in tested_sets(records):
        gaps = [
            abs(np.mean(values(records, row, name)) - paper[row]) for row in rows_of(records) if row in paper
        ]
        if TEST_SETS[name].complete and gaps:
            away[TEST_SETS[name].title] = np.mean(gaps)
    return Text(
        "Mean distance of our rows from the paper's figures: "
        + ", ".join(f"{gap:.1f} points on {title}" for title, gap in sorted(away.items(), key=lambda i: i[1]))
        + ". How near figures are does not say which reading the paper's are of."
    )


def by_alphabet(test: dict) -> Text:
    """How many frequent mistakes of an evaluation stay within an alphabet; hard and easy alphabets."""
    pairs = [[name.rpartition("/")[0] for name in pair[:2]] for pair in test["confusions"]]
    ranked = sorted(test["by_alphabet"].items(), key=lambda item: item[1]["accuracy"])

    def named(items: list) -> str:
        return ", ".join(f"{name} {result['accuracy']:.0f} %" for name, result in items)

    return Text(
        f"Of the {len(pairs)} most frequent mistakes {sum(a == b for a, b in pairs)} are within one "
        "alphabet. "
        f"Hardest alphabets: {named(ranked[:3])}; easiest: {named(ranked[:-4:-1])}."
    )


def told_alphabet(test: dict, row: str) -> Text:
    """Accuracy of a row among all characters, and among those of the drawing's own alphabet alone."""
    return Text(
        f"**{row}** reads {test['accuracy']:.1f} % of the test drawings; with the alphabet of each given, "
        f"{test['told_alphabet']:.1f} %."
    )


def tried_settings() -> pd.DataFrame:
    """Losses, augmentation and length on the drawers' split: results/benchmarks/drawers.csv, best first."""
    table = pd.read_csv(results_folder() / "benchmarks" / "drawers.csv")
    table = table.sort_values("accuracy", ascending=False, ignore_index=True)[list(TRIED)]
    for setting in ("rate", "probability", "shift", "degrees", "elastic"):
        table[setting] = table[setting].map("{:g}".format)
    return table.rename(columns=TRIED)


def longest_run() -> Text:
    """What the published run with the largest budget reads of the drawings of new drawers."""
    found = [
        record
        for record in published_records()
        if record["config"]["table"] == "table4" and "drawers" in record["evaluations"]
    ]
    if not found:
        return Text("No run is published yet.")
    record = max(found, key=lambda each: (each["config"]["images"], each["id"]))
    config, test = record["config"], record["evaluations"]["drawers"]
    return Text(
        f"The longest published run (profile `{config['profile']}`: {config['row']}, `{config['batch']}` "
        "batches, "
        f"{record['totals']['images_seen']:,} images, {record['totals']['seconds'] / 60:.1f} minutes, seed "
        f"{record['seed']}) reads **{test['accuracy']:.1f} %** of the test drawers' drawings and "
        f"{record['evaluations']['validation']['accuracy']:.1f} % of the validation drawers'; with the "
        "alphabet of each "
        f"given, {test['told_alphabet']:.1f} %."
    )
