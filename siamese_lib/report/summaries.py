"""What notebooks say of runs: tables and sentences that follow from the numbers in their records."""

import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from siamese_lib.data.phd08 import FONTS, variant_indices
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.records import published_records, uses_stopgap
from siamese_lib.experiments.tables import TABLES
from siamese_lib.experiments.test_sets import TEST_SETS
from siamese_lib.report.tables import half_width_95

VALIDATION = {  # banks that are no test sets, as sentences name them
    "validation": "scans of the validation typefaces",
    "validation-clean": "clean glyphs of the validation typefaces",
}
NOTEBOOKS = {
    "table2": "06_table2_hangul_11172",
    "table3": "03_table3_hangul_2350",
    "table4": "05_table4_omniglot",
}
INSIDE = {  # keys of a line of history, as readers see them
    "loss": "loss",
    "d_ap": "mean d_AP",
    "d_an": "mean d_AN",
    "active": "active, %",
    "spread": "spread of ideal vectors",
    "class_spread": "mean class spread",
}


class Text(str):
    """Markdown. A notebook shows it as such where it is the value of a cell or is given to `display`."""

    def _repr_markdown_(self) -> str:
        return str(self)


def shown(frame: pd.DataFrame, precision: int = 1) -> Styler:
    """A table as notebooks show it: so many decimals, thousands with commas, nothing for a missing value.

    The paper's figures keep their own decimals. A plain index 0, 1, 2 ... is left out.
    """
    numbers = frame.select_dtypes("number").columns
    paper = [column for column in numbers if str(column).startswith("paper")]
    fingerprint = hashlib.sha256(frame.to_csv().encode()).hexdigest()[:8]  # in place of a random one
    style = frame.style.set_uuid(fingerprint).format(precision=precision, thousands=",", na_rep="")
    style = style.format("{:g}", subset=paper, na_rep="")
    return style.hide(axis="index") if isinstance(frame.index, pd.RangeIndex) else style


def source(function: Callable) -> Text:
    """The code of a function or method, printed from its source, so that it is what runs."""
    return Text(f"```python\n{textwrap.dedent(inspect.getsource(function))}```")


def published(
    table: str, profile: str | None = None, *, batch: str = "pooled", rows: Iterable[str] | None = None
) -> list[dict]:
    """Published records of a table, in the order of `rows`, which are the paper's unless others are given."""
    rows = list(TABLES[table].paper if rows is None else rows)
    chosen = [
        record
        for record in published_records()
        if (config := record["config"])["table"] == table
        and config["batch"] == batch
        and config["row"] in rows
        and profile in (None, config["profile"])
    ]
    return sorted(chosen, key=lambda record: (rows.index(record["config"]["row"]), record["seed"]))


def longest(records: Iterable[dict], table: str, batch: str = "pooled") -> list[dict]:
    """The records of a table's own rows with the most images, of every network."""
    rows = list(TABLES[table].paper)
    mine = [
        record
        for record in records
        if (config := record["config"])["table"] == table
        and config["row"] in rows
        and config["batch"] == batch
    ]
    most = max((record["config"]["images"] for record in mine), default=0)
    mine = [record for record in mine if record["config"]["images"] == most]
    return sorted(mine, key=lambda record: (rows.index(record["config"]["row"]), record["seed"]))


def by_row(runs: Iterable, protocol: str = "") -> dict:
    """Of the runs of one network, the run of each row that pictures show: the one with the lowest seed."""
    found = {}
    for run in sorted(runs, key=lambda run: run.record["seed"]):
        config = run.record["config"]
        if (config["protocol"] or "") == protocol:
            found.setdefault(config["row"], run)
    return found


def at_a_glance(records: Sequence[dict]) -> Text:
    """How many runs of which kind there are, and how long they trained."""
    config = records[0]["config"]
    classes = " and ".join(
        f"{count:,}" for count in dict.fromkeys(record["config"]["num_classes"] for record in records)
    )
    minutes = sum(record["totals"]["seconds"] for record in records) / 60
    each = f"{_count(len(records), 'run')} of {records[0]['totals']['images_seen']:,} images each"
    return Text(
        f"{each}, {classes} classes, `{config['batch']}` batches, profile `{config['profile']}`: "
        f"{minutes:.1f} minutes of training in all ({records[0]['device']['name']})."
    )


def training_time(records: Sequence[dict]) -> Text:
    """Minutes of training that published runs took, profile by profile."""
    parts = []
    for profile in PROFILES:
        seconds = [r["totals"]["seconds"] for r in records if r["config"]["profile"] == profile]
        if seconds:
            parts.append(f"`{profile}` {sum(seconds) / 60:.0f} ({_count(len(seconds), 'run')})")
    if not parts:
        return Text("No run of this kind is published yet.")
    machine = ", ".join(sorted({record["device"]["name"] for record in records}))
    return Text(
        f"Minutes of training that the published runs took ({machine}): {', '.join(parts)}. "
        "Profile `smoke` takes seconds. Testing and drawing come on top."
    )


def main_set(records: Iterable[dict]) -> str:
    """The test set that a Hangul notebook looks at closely: simulated scans, or else those of validation."""
    return "phd08-sim" if all("phd08-sim" in record["evaluations"] for record in records) else "validation"


def title_of(test_set: str) -> str:
    """A test set as sentences and headings name it."""
    return VALIDATION[test_set] if test_set in VALIDATION else TEST_SETS[test_set].title


def tested_sets(records: Sequence[dict]) -> list[str]:
    """Test sets that all records of some network have; of Hangul networks the validation typefaces too."""
    found = []
    for name in (*VALIDATION, *TEST_SETS):
        network = "" if name in VALIDATION else TEST_SETS[name].network
        of_network = [record for record in records if (record["config"]["protocol"] or "") == network]
        if of_network and all(name in record["evaluations"] for record in of_network):
            found.append(name)
    return found


def values(records: Iterable[dict], row: str, test_set: str, measure: str = "accuracy") -> list[float]:
    """A measure of a row on a test set, one value for each record that has it."""
    return [
        record["evaluations"][test_set][measure]
        for record in records
        if record["config"]["row"] == row and measure in record["evaluations"].get(test_set, {})
    ]


def rows_of(records: Iterable[dict]) -> list[str]:
    """The rows that records are of, each once, in their order."""
    return list(dict.fromkeys(record["config"]["row"] for record in records))


def results(records: Sequence[dict]) -> pd.DataFrame:
    """The table: rows beside the paper's accuracy; means over seeds in percent, minutes of training.

    A column for each test set, with its classes and images; top-5 on the simulated scans, where there are
    any; minutes of one seed, all networks of the table together.
    """
    rows, sets = rows_of(records), tested_sets(records)
    paper = TABLES[records[0]["config"]["table"]].paper
    columns = {"paper": [paper.get(row, np.nan) for row in rows]}
    for name in sets:
        test = next(r["evaluations"][name] for r in records if name in r["evaluations"])
        head = f"{title_of(name)} ({test['classes']:,} classes, {test['images']:,} images)"
        columns[head] = [np.mean(values(records, row, name)) for row in rows]
    if "phd08-sim" in sets:
        top5 = [np.mean(values(records, row, "phd08-sim", "top5")) for row in rows]
        columns[f"top-5, {title_of('phd08-sim')}"] = top5
    seeds = len({record["seed"] for record in records})
    seconds = [[r["totals"]["seconds"] for r in records if r["config"]["row"] == row] for row in rows]
    columns["minutes"] = [sum(each) / 60 / seeds for each in seconds]
    return pd.DataFrame(columns, index=pd.Index(rows, name="row"))


def chance(record: dict, test_set: str) -> float:
    """Accuracy of guessing, in percent."""
    if test_set == "verification":
        return 50.0
    config, test = record["config"], record["evaluations"][test_set]
    return 100 / (test["classes"] if config["protocol"] else config["num_classes"])


def ranking(records: Sequence[dict], test_set: str) -> Text:
    """The rows from lowest to highest, whether that is the paper's order, and how certain the figures are."""
    tested = [record for record in records if test_set in record["evaluations"]]
    rows, paper = rows_of(tested), TABLES[tested[0]["config"]["table"]].paper
    score = {row: values(tested, row, test_set) for row in rows}
    order = sorted(rows, key=lambda row: np.mean(score[row]))
    text = f"On {title_of(test_set)}, from lowest to highest: "
    text += ", ".join(f"**{row}** {_with_interval(score[row])} %" for row in order) + ". "
    known = [row for row in order if row in paper]
    comparable = test_set not in TEST_SETS or TEST_SETS[test_set].complete is not None
    if comparable and len(known) > 1:
        same = known == sorted(known, key=paper.get)
        these = "" if len(known) == len(paper) else f" of these {len(known)} rows"
        text += f"This is {'' if same else 'not '}the paper's order{these}. "
    half = np.mean([np.diff(r["evaluations"][test_set]["accuracy_interval"])[0] / 2 for r in tested])
    text += (
        f"Chance is {chance(tested[0], test_set):.2g} %. What happens to be tested moves a figure by about "
    )
    text += f"± {half:.1f} (95 % interval, bootstrap); "
    seeds = len({record["seed"] for record in tested})
    if seeds > 1:
        return Text(f"{text}each is a mean of {seeds} seeds with its 95 % interval.")
    return Text(f"{text}how much chance in training moves it, one seed cannot tell, so it decides no order.")


def reading(test: Mapping, what: str) -> Text:
    """One evaluation in a sentence: how much is read, and by font where it has fonts.

    Args:
        test: of a record, or from `Evaluation.summary`; its network knows the classes of the test alone.
        what: the images, as the sentence names them.
    """
    fonts = ", ".join(f"{font} {result['accuracy']:.0f} %" for font, result in test["by_font"].items())
    return Text(
        f"**{test['accuracy']:.1f} %** of {test['images']:,} {what} are read correctly; chance is "
        f"{100 / test['classes']:.1f} %." + (f" By font: {fonts}." if fonts else "")
    )


def gains(records: Sequence[dict], row: str, base: str) -> Text:
    """What a row adds to another one on every test set; nothing is said where one of the two is missing."""
    if not {row, base} <= set(rows_of(records)):
        return Text(f"Not compared: **{row}** and **{base}** are not both among the rows.")
    parts = []
    for name in tested_sets(records):
        gain = np.mean(values(records, row, name)) - np.mean(values(records, base, name))
        parts.append(f"{gain:+.1f} points on {title_of(name)}")
    seeds = _count(len({record["seed"] for record in records}), "seed")
    return Text(f"What **{row}** adds to **{base}**: {', '.join(parts)} ({seeds}).")


def inside(records: Iterable[dict]) -> pd.DataFrame:
    """What the loss saw in the last period of each row's first record, and the accuracy that curves show."""
    lines, rows = [], []
    for record in records:
        if record["config"]["row"] in rows:
            continue
        last = record["history"][-1]
        line = {title: last[key] for key, title in INSIDE.items()}
        line["active, %"] *= 100
        rows.append(record["config"]["row"])
        accuracy = f"accuracy on {record['config']['validation_images']:,} images, %"
        lines.append(line | {accuracy: last["accuracy"]})
    return pd.DataFrame(lines, index=pd.Index(rows, name="row"))


def not_run(records: Sequence[dict]) -> Text:
    """What these runs leave out, and how to get it."""
    config, table = records[0]["config"], TABLES[records[0]["config"]["table"]]
    missing = {f"`{name}`: {why}" for record in records for name, why in record["not_run"].items()}
    for row in table.paper:
        if row not in rows_of(records):
            missing.add(f"row `{row}`: it is not in the parameter `rows`")
    if len({record["seed"] for record in records}) == 1:
        missing.add("other seeds: `-y 'seeds: [0, 1, 2]'` gives means and ranges")
    images = PROFILES["cpu"].settings_for(config["table"])["images"]
    if config["images"] < images:
        seeds = len(PROFILES["cpu"].seeds_for(config["table"]))
        missing.add(
            f"a larger budget: profile `cpu` ({images:,} images a run, {seeds} seeds from the command line)"
        )
    if config["batch"] != "literal":
        missing.add(
            "the paper's own batches: `-p batch literal`; its whole budget is profile `paper`, which needs "
            "CUDA"
        )
    if table.names_loss:
        missing.add(
            "other losses with other mining, such as `python -m siamese_lib run table2 --row triplet/hard`"
        )
    if any(uses_stopgap(record) for record in records):
        missing.add(
            "the declared typefaces: these runs used the few from PyPI and compare with no published number; "
            "`make fonts`, then run again"
        )
    name = NOTEBOOKS[config["table"]]
    command = f"papermill notebooks/{name}.ipynb runs/notebooks/{name}.ipynb -p profile cpu"
    return Text(
        "\n".join(f"- {line}" for line in sorted(missing))
        + f"\n\nParameters are given through papermill, for example\n\n    {command}\n\n"
        + f"or to the command line: `python -m siamese_lib run {config['table']} --profile cpu`. "
        + "`make publish RUN=...` keeps a run for the tables in `results/`."
    )


def images_per_second(records: Iterable[dict]) -> float:
    """Speed of training, the median of the runs."""
    return float(np.median([r["totals"]["images_seen"] / r["totals"]["seconds"] for r in records]))


def leaders(cells: pd.DataFrame) -> Text:
    """Of a table of mining (lines) and losses (columns): which loss is highest with which mining.

    Lines with a single loss say nothing.
    """
    ahead: dict[str, list[str]] = {}
    for mining, loss in cells[cells.notna().sum(axis=1) > 1].idxmax(axis=1).items():
        ahead.setdefault(loss, []).append(mining)
    parts = [f"the {loss} loss with {', '.join(minings)}" for loss, minings in ahead.items()]
    return Text(f"Ahead: {'; '.join(parts)}.")


def split_sizes(data: Mapping[str, object]) -> pd.DataFrame:
    """Classes and images of training, validation and test.

    Args:
        data: name -> its TrainingData. The test of Hangul is all of the simulated scans.
    """
    lines = []
    for found in data.values():
        classes = found.train.num_classes
        scans = len(FONTS) * len(variant_indices(243)) * min(classes, 2350)
        lines.append(
            {
                "classes": classes,
                "training images": len(found.train),
                "a class": len(found.train) / classes,
                "validation images": len(found.validation),
                "test images": scans if found.split is None else len(found.split.test),
            }
        )
    return pd.DataFrame(lines, pd.Index(data, name="data"))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _with_interval(accuracies: list[float]) -> str:
    half = half_width_95(accuracies)
    return f"{np.mean(accuracies):.1f}" + ("" if half is None else f" ± {half:.1f}")
