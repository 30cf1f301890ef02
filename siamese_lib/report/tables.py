"""Result tables as data frames, made of records. Nothing here trains."""

import json
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from siamese_lib.errors import InputError
from siamese_lib.experiments.config import changed
from siamese_lib.experiments.records import (
    font_results,
    published_records,
    run_kind,
    uses_stopgap,
    working_records,
)
from siamese_lib.experiments.tables import LOSSES, MININGS, OWN_NEGATIVES, TABLES, Row
from siamese_lib.experiments.test_sets import TEST_SETS

COLUMNS = (
    "row loss positives negatives batch dataset protocol profile classes images fonts seeds "
    "accuracy_mean accuracy_ci95 top5_mean paper_accuracy images_seen minutes device"
).split()
KEY = ["row", "batch", "dataset", "protocol", "profile"]
INDEX = ["row", "batch", "dataset", "protocol", "classes"]  # of `compare`


def half_width_95(values: list[float]) -> float | None:
    """Half-width of the 95 % t interval of the mean; None for one value."""
    from scipy import stats

    n = len(values)
    return None if n < 2 else float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def evaluations(records: list[dict], table: str) -> Iterator[tuple[tuple, dict, dict]]:
    """(key of a line, record, evaluation) of a table's tests; runs with PyPI typefaces are left out."""
    for record in records:
        config = record["config"]
        if config["table"] != table or uses_stopgap(record):
            continue
        for name, test in TEST_SETS.items():
            if name in record["evaluations"]:
                key = (config["row"], config["batch"], test.dataset, test.protocol, config["profile"])
                yield key, record, record["evaluations"][name]


def lines(records: list[dict], table: str) -> list[dict]:
    """Lines of a table: records of one key, which differ in nothing but their seed, make one line.

    Raises:
        InputError: records of one key with different configurations, data or fonts, or two of one seed.
    """
    groups = _groups(evaluations(records, table))
    return [_line(key, groups[key], table) for key in sorted(groups, key=_order)]


def _groups(evaluations: Iterable[tuple[tuple, dict, dict]]) -> dict[tuple, list[tuple[dict, dict]]]:
    groups: dict[tuple, list[tuple[dict, dict]]] = {}
    for key, record, evaluation in evaluations:
        groups.setdefault(key, []).append((record, evaluation))
    return groups


def _order(key: tuple) -> tuple:
    row, batch, dataset, protocol, profile = key[: len(KEY)]
    test_set = list(TEST_SETS).index(protocol or dataset)
    return profile, batch, test_set, *Row.parse(row).sort_key


def _line(key: tuple, members: list[tuple[dict, dict]], table: str) -> dict:
    first, test = members[0]
    config, values = first["config"], dict(zip(KEY, key, strict=False))
    seeds = [record["seed"] for record, _ in members]
    kinds = {(run_kind(record, None), _test_kind(evaluation)) for record, evaluation in members}
    if len(kinds) > 1 or len(set(seeds)) < len(seeds):
        ids = ", ".join(record["id"] for record, _ in members)
        raise InputError(
            f"records {ids} would share the line {'/'.join(filter(None, key))} but differ in more than their "
            "seed; remove the outdated ones"
        )
    accuracies = [evaluation["accuracy"] for _, evaluation in members]
    top5 = [evaluation["top5"] for _, evaluation in members if "top5" in evaluation]
    minutes = [record["totals"]["seconds"] / 60 for record, _ in members]
    values |= {name: config[name] for name in ("loss", "positives", "negatives")}
    values |= {
        "classes": test["classes"],
        "images": test["images"],
        "fonts": test.get("fonts"),
        "seeds": len(seeds),
        "accuracy_mean": float(np.mean(accuracies)),
        "accuracy_ci95": half_width_95(accuracies),
        "top5_mean": float(np.mean(top5)) if top5 else None,
        "paper_accuracy": _paper_accuracy(table, values | {"classes": test["classes"]}),
        "images_seen": first["totals"]["images_seen"],
        "minutes": float(np.mean(minutes)),
        "device": first["device"]["type"],
    }
    return {name: values[name] for name in COLUMNS}


def _test_kind(evaluation: dict) -> str:
    """What the evaluations of one line share: the same test images."""
    facts = ("images", "classes", "manifest", "variants", "simulator")
    return json.dumps([evaluation.get(name) for name in facts], sort_keys=True)


def _paper_accuracy(table: str, line: dict) -> float | None:
    """The paper's accuracy; None where our class list is incomplete or the batch has its own negatives."""
    complete = line["classes"] == TEST_SETS[line["protocol"] or line["dataset"]].complete
    return TABLES[table].paper.get(line["row"]) if complete and line["batch"] not in OWN_NEGATIVES else None


def table_frame(records: list[dict], table: str) -> pd.DataFrame:
    """A table with the columns COLUMNS; accuracies in percent."""
    return pd.DataFrame(lines(records, table), columns=COLUMNS)


def ablation_frame(records: list[dict]) -> pd.DataFrame:
    """The lines of ablations: the columns COLUMNS, then how a line differs from its row as it is (`changed`).

    Args:
        records: of profile `ablation`.
    """
    found = []
    for table in TABLES:
        groups = _groups(
            ((*key, changed(record["config"])), record, test)
            for key, record, test in evaluations(records, table)
        )
        for key in sorted(groups, key=lambda key: (*_order(key), key[-1])):
            found.append(_line(key, groups[key], table) | {"changed": key[-1], "paper_accuracy": None})
    return pd.DataFrame(found, columns=[*COLUMNS, "changed"])


def comparison_frame(runs: pd.DataFrame, device: str) -> pd.DataFrame:
    """Other libraries' losses beside ours: a line a method with the columns COLUMNS.

    Args:
        runs: those of benchmarks/comparison.csv, a line a seed; `profile` is `comparison`.
        device: type of the device they were made on.
    """
    found = []
    for _, members in runs.groupby("method", sort=False):
        first = members.bfill().iloc[0]  # a run that diverged was not tested
        line = {
            "dataset": "phd08-sim",
            "protocol": "",
            "profile": "comparison",
            "images": first.images_tested,
        }
        line |= {"images_seen": first["images"], "device": device, "seeds": len(members)}
        line |= {name: first[name] for name in ("row", "loss", "positives", "negatives", "batch", "classes")}
        line |= {
            "accuracy_mean": members.accuracy.mean(),
            "fonts": first.fonts,
            "top5_mean": members.top5.mean(),
        }
        line |= {"accuracy_ci95": half_width_95(members.accuracy.tolist()), "minutes": members.minutes.mean()}
        found.append(line)
    frame = pd.DataFrame(found, columns=COLUMNS)
    integers = dict.fromkeys(("classes", "images", "fonts", "images_seen"), "Int64")
    return frame.astype(integers).sort_values("accuracy_mean", ascending=False, ignore_index=True)


def by_font_frame(records: list[dict], table: str) -> pd.DataFrame:
    """Accuracy by test font: table, key of a line, font, images, seeds, mean and interval over seeds."""
    lines: dict[tuple, list[dict]] = {}
    for key, _, evaluation in evaluations(records, table):
        lines.setdefault(key, []).append(evaluation)
    rows = []
    for key in sorted(lines, key=_order):
        for font, results in sorted(font_results(lines[key]).items()):
            accuracies = [result["accuracy"] for result in results]
            of_seeds = len(results), np.mean(accuracies), half_width_95(accuracies)
            rows.append([table, *key, font, results[0]["images"], *of_seeds])
    columns = ["table", *KEY, "font", "images", "seeds", "accuracy_mean", "accuracy_ci95"]
    return pd.DataFrame(rows, columns=columns)


def by_loss_and_mining(frame: pd.DataFrame) -> pd.DataFrame:
    """matrix.csv as a matrix: accuracy of `quick` runs with pooled batches on simulated scans.

    Args:
        frame: the lines of matrix.csv.

    Returns:
        A row for each mining, a column for each loss, in percent.
    """
    chosen = frame[(frame.dataset == "phd08-sim") & (frame.batch == "pooled") & (frame.profile == "quick")]
    cells = chosen.assign(mining=[Row.parse(row).mining for row in chosen.row])
    cells = cells.pivot(index="mining", columns="loss", values="accuracy_mean")
    return cells.reindex(
        index=[mining for mining in MININGS if mining in cells.index],
        columns=[loss for loss in LOSSES if loss in cells.columns],
    )


def compare(table: str, profile: str) -> pd.DataFrame:
    """The paper's accuracy, the published mean and this machine's, for each row and test set.

    Returns:
        Columns of INDEX (`protocol` for Omniglot alone), then `paper`, `published` and `this machine`:
        percent, means over seeds, NaN where there is none.
    """
    columns = []
    for name, records in (("published", published_records()), ("this machine", _current(working_records()))):
        of_profile = [record for record in records if record["config"]["profile"] == profile]
        frame = table_frame(of_profile, table).set_index(INDEX)
        columns.append(frame.accuracy_mean.rename(name))
    if not any(len(column) for column in columns):
        return pd.DataFrame(columns=[*INDEX, "paper", "published", "this machine"]).drop(columns="protocol")
    both = pd.concat(columns, axis=1).reset_index()
    paper = [_paper_accuracy(table, line) for line in both.to_dict("records")]
    both.insert(len(INDEX), "paper", pd.Series(paper, dtype=float))
    by = ["dataset", "protocol", "batch", "row"]
    order = both.row.map(lambda row: Row.parse(row).sort_key)
    both = both.assign(order=order).sort_values([*by[:-1], "order"], ignore_index=True).drop(columns="order")
    return both if both.protocol.any() else both.drop(columns="protocol")


def _current(records: list[dict]) -> list[dict]:
    """The working records of each line's newest configuration; older ones stay in runs/ after a change.

    Of several with one seed the newest.
    """

    def line(record: dict) -> tuple:
        return tuple(record["config"].get(name) for name in ("table", "row", "batch", "profile", "protocol"))

    in_time = sorted(records, key=lambda record: record["created"])
    newest = {line(record): run_kind(record, None) for record in in_time}
    current = [record for record in in_time if run_kind(record, None) == newest[line(record)]]
    return list({(line(record), record["seed"]): record for record in current}.values())
