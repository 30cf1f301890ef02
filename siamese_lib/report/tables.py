"""Tables from records: CSV, Markdown, LaTeX and the block in README.md. Reads records, never trains."""

import json
import re

import numpy as np
import pandas as pd

from siamese_lib.errors import InputError
from siamese_lib.experiments.records import published_records, uses_stopgap, working_records
from siamese_lib.experiments.tables import LOSSES, MININGS, TABLES, Row
from siamese_lib.experiments.test_sets import TEST_SETS
from siamese_lib.files import repository_root, results_folder, write_text

COLUMNS = (
    "row loss positives negatives batch dataset protocol profile classes images fonts seeds "
    "accuracy_mean accuracy_ci95 top5_mean paper_accuracy images_seen minutes device"
).split()
KEY = ["row", "batch", "dataset", "protocol", "profile"]


def half_width_95(values: list[float]) -> float | None:
    """Half-width of the 95 % t interval of the mean; None for one value."""
    from scipy import stats

    n = len(values)
    return None if n < 2 else float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def lines(records: list[dict], table: str) -> list[dict]:
    """Lines of a table: records of one key, which differ in nothing but their seed, make one.

    Raises:
        InputError: records of one key with different configurations, data or fonts, or two of one seed.
    """
    groups: dict[tuple, list[tuple[dict, dict]]] = {}
    for record in records:
        c = record["config"]
        if c["table"] != table or uses_stopgap(record):
            continue  # the PyPI faces never enter a published table
        for name, test in TEST_SETS.items():
            if name in record["evaluations"]:
                key = (c["row"], c["batch"], test.dataset, test.protocol, c["profile"])
                groups.setdefault(key, []).append((record, record["evaluations"][name]))
    return [
        _line(key, members, table)
        for key, members in sorted(groups.items(), key=lambda item: _order(item[0]))
    ]


def _order(key: tuple) -> tuple:
    row, batch, dataset, protocol, profile = key
    return (
        profile,
        batch,
        [(test.dataset, test.protocol) for test in TEST_SETS.values()].index((dataset, protocol)),
        *Row.parse(row).sort_key,
    )


def _line(key: tuple, members: list[tuple[dict, dict]], table: str) -> dict:
    first, test = members[0]
    config = first["config"]
    seeds = [record["seed"] for record, _ in members]
    facts = {_fingerprint(record, evaluation) for record, evaluation in members}
    if len(facts) > 1 or len(set(seeds)) < len(seeds):
        ids = ", ".join(record["id"] for record, _ in members)
        raise InputError(
            f"records {ids} would share the line {'/'.join(filter(None, key))} but differ in more than their seed; remove the outdated ones"
        )
    accuracies = [evaluation["accuracy"] for _, evaluation in members]
    values = dict(zip(KEY, key, strict=True))
    complete = test["classes"] == TEST_SETS[values["protocol"] or values["dataset"]].complete
    values |= {name: config[name] for name in ("loss", "positives", "negatives")}
    values |= {
        "classes": test["classes"],
        "images": test["images"],
        "fonts": test.get("fonts"),
        "seeds": len(seeds),
    }
    values |= {"accuracy_mean": float(np.mean(accuracies)), "accuracy_ci95": half_width_95(accuracies)}
    values |= {
        "top5_mean": float(np.mean([evaluation["top5"] for _, evaluation in members]))
        if "top5" in test
        else None
    }
    values |= {
        "paper_accuracy": TABLES[table].paper.get(config["row"]) if complete else None,
        "images_seen": first["totals"]["images_seen"],
    }
    values |= {
        "minutes": float(np.mean([record["totals"]["seconds"] for record, _ in members])) / 60,
        "device": first["device"]["type"],
    }
    return {name: values[name] for name in COLUMNS}


def _fingerprint(record: dict, evaluation: dict) -> str:
    """What all records of a line must share: everything but the seed."""
    test = [
        evaluation["images"],
        evaluation["classes"],
        evaluation.get("manifest"),
        evaluation.get("variants"),
        evaluation.get("simulator"),
    ]
    return json.dumps(
        [record["config"], record["manifest"], record["method_version"], record["device"]["type"], test],
        sort_keys=True,
    )


def table_frame(records: list[dict], table: str) -> pd.DataFrame:
    """A table of DESIGN's columns, percentages with 2 decimals."""
    return pd.DataFrame(lines(records, table), columns=COLUMNS)


def by_font_frame(records: list[dict], table: str) -> pd.DataFrame:
    """Accuracy by test font: the table, the key of a line, font, images, seeds, mean and interval over seeds."""
    values: dict[tuple, list[tuple[float, int]]] = {}
    for record in records:
        c = record["config"]
        if c["table"] != table or uses_stopgap(record):
            continue
        for name, test in TEST_SETS.items():
            for font, result in record["evaluations"].get(name, {}).get("by_font", {}).items():
                key = (c["row"], c["batch"], test.dataset, test.protocol, c["profile"], font)
                values.setdefault(key, []).append((result["accuracy"], result["images"]))
    rows = []
    for key, found in sorted(values.items(), key=lambda item: (_order(item[0][:5]), item[0][5])):
        accuracies = [accuracy for accuracy, _ in found]
        rows.append([table, *key, found[0][1], len(found), np.mean(accuracies), half_width_95(accuracies)])
    return pd.DataFrame(
        rows, columns=["table", *KEY, "font", "images", "seeds", "accuracy_mean", "accuracy_ci95"]
    )


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, float_format="%.2f", lineterminator="\n")


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns a reader wants, as text."""

    def accuracy(line: pd.Series) -> str:
        return f"{line.accuracy_mean:.1f}" + (
            f" ± {line.accuracy_ci95:.1f}" if pd.notna(line.accuracy_ci95) else ""
        )

    columns = {
        "row": frame.row,
        "test set": frame.dataset
        + frame.protocol.map(lambda p: f" {p}" if p else "")
        + ", "
        + frame.classes.map("{:,} classes".format),
        "profile": frame.profile,
        "batch": frame.batch,
    }
    columns |= {
        "seeds": frame.seeds.astype(str),
        "accuracy, %": frame.apply(accuracy, axis=1) if len(frame) else frame.row,
    }
    columns |= {"top-5, %": frame.top5_mean.map(_or_empty), "paper, %": frame.paper_accuracy.map(_or_empty)}
    columns |= {
        "images seen": frame.images_seen.map("{:,}".format),
        "minutes": frame.minutes.map("{:.1f}".format),
    }
    return pd.DataFrame(columns)


def _or_empty(percent: float | None) -> str:
    return f"{percent:.1f}" if pd.notna(percent) else ""


def markdown(frame: pd.DataFrame) -> str:
    """A Markdown table of the readable columns."""
    return _markdown(_shown(frame))


def _markdown(shown: pd.DataFrame) -> str:
    rows = [list(shown.columns), ["---"] * len(shown.columns), *shown.values.tolist()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def by_loss_and_mining(frame: pd.DataFrame) -> pd.DataFrame:
    """Of matrix.csv's lines the accuracy of `quick` runs with pooled batches on simulated scans: a row for each mining, a column for each loss."""
    chosen = frame[(frame.dataset == "phd08-sim") & (frame.batch == "pooled") & (frame.profile == "quick")]
    cells = chosen.assign(mining=chosen.row.str.rpartition("/")[2]).pivot(
        index="mining", columns="loss", values="accuracy_mean"
    )
    return cells.reindex(
        index=[row for row in MININGS if row in cells.index],
        columns=[loss for loss in LOSSES if loss in cells.columns],
    )


def latex(frame: pd.DataFrame) -> str:
    """A LaTeX tabular of the readable columns (booktabs)."""
    shown = _shown(frame)
    body = [" & ".join(map(_escape, row)) + r" \\" for row in shown.values.tolist()]
    head = " & ".join(map(_escape, shown.columns)) + r" \\"
    return "\n".join(
        [
            r"\begin{tabular}{" + "l" * len(shown.columns) + "}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _escape(text: str) -> str:
    return text.replace("%", r"\%").replace("_", r"\_").replace("±", r"$\pm$")


def write_tables() -> list[str]:
    """Rebuild results/*.csv, .md, .tex and the blocks of README.md from the published records; returns the names written.

    matrix.csv has every row that Table 2 was run with, table2.csv the paper's.
    """
    records, folder, written = published_records(), results_folder(), []
    frames = {table: table_frame(records, table) for table in TABLES}
    frames["matrix"] = frames["table2"]
    frames["table2"] = frames["table2"][frames["table2"].row.isin(TABLES["table2"].paper)]
    for table, frame in frames.items():
        for suffix, text in ((".csv", _csv(frame)), (".md", markdown(frame)), (".tex", latex(frame))):
            write_text(folder / f"{table}{suffix}", text)
            written.append(f"results/{table}{suffix}")
        block = ""
        if len(frame):
            block = (
                markdown(frame)
                if table in TABLES
                else _markdown(by_loss_and_mining(frame).map(_or_empty).reset_index())
            )
        readme = repository_root() / "README.md"
        write_text(readme, readme_with_block(readme.read_text(encoding="utf-8"), table, block))
    fonts = [frame for table in TABLES if len(frame := by_font_frame(records, table))]
    write_text(folder / "by_font.csv", _csv(pd.concat(fonts) if fonts else by_font_frame([], "")))
    return [*written, "results/by_font.csv", "README.md"]


def readme_with_block(text: str, name: str, block: str) -> str:
    """README text with the part between `<!-- NAME -->` and `<!-- /NAME -->` replaced.

    Raises:
        InputError: the two marks are not there exactly once.
    """
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise InputError(
            f"README.md must hold <!-- {name} --> ... <!-- /{name} --> exactly once; put the marks back"
        )
    return pattern.sub(lambda match: match[1] + block + match[2], text)


INDEX = ["row", "batch", "dataset", "protocol", "classes"]


def compare(table: str, profile: str) -> pd.DataFrame:
    """Three columns for each row and test set: the paper's accuracy, the published mean and this machine's (percent, mean over seeds)."""
    frames = []
    for name, records in (("published", published_records()), ("this machine", _current(working_records()))):
        mine = [record for record in records if record["config"]["profile"] == profile]
        frame = table_frame(mine, table).set_index(INDEX)
        frames.append(frame.accuracy_mean.rename(name))
    both = (
        pd.concat(frames, axis=1).reset_index()
        if any(len(f) for f in frames)
        else pd.DataFrame(columns=INDEX)
    )
    beside = (both.protocol.where(both.protocol != "", both.dataset)).map(
        {name: test.complete for name, test in TEST_SETS.items()}
    )
    both.insert(
        len(INDEX),
        "paper",
        both.row.map(TABLES[table].paper).where(both.classes == beside) if len(both) else [],
    )
    order = {
        row: place
        for place, row in enumerate(sorted(both.row.unique(), key=lambda row: Row.parse(row).sort_key))
    }
    by = ["dataset", "protocol", "batch", "row"]
    both = both.sort_values(by, key=lambda c: c.map(order) if c.name == "row" else c, ignore_index=True)
    return both if both.protocol.any() else both.drop(columns="protocol")


def _current(records: list[dict]) -> list[dict]:
    """Of working records that would share a line and a seed, the newest (old ones stay in runs/ after a change of configuration)."""
    newest: dict[tuple, dict] = {}
    for record in sorted(records, key=lambda r: r["created"]):
        c = record["config"]
        newest[_kind(c), record["seed"]] = record
    latest = list(newest.values())
    reference = {}
    for record in latest:  # seeds of an older configuration do not mix with the newest one's
        c = record["config"]
        reference[_kind(c)] = json.dumps([c, record["manifest"]], sort_keys=True)
    return [
        r
        for r in latest
        if json.dumps([r["config"], r["manifest"]], sort_keys=True) == reference[_kind(r["config"])]
    ]


def _kind(config: dict) -> tuple:
    return tuple(config.get(name) for name in ("table", "row", "batch", "profile", "protocol"))
