"""README.md and results/README.md: numbers have a source, code runs, and what is named is there."""

import json
import re
import shlex
import tomllib

import pandas as pd
import pytest
from scipy import stats

from benchmarks import comparison
from benchmarks.time_to_accuracy import config_of
from siamese_lib import EmbeddingNet
from siamese_lib.__main__ import _parser
from siamese_lib.data.faces import declared_faces
from siamese_lib.data.hangul_classes import class_list
from siamese_lib.experiments.config import RunConfig, make_config
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.records import published_records
from siamese_lib.experiments.tables import TABLES
from siamese_lib.files import repository_root, results_folder
from siamese_lib.report.notebooks import notebook_files
from siamese_lib.report.tables import half_width_95

ROOT = repository_root()
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "results/README.md")}
README = PAGES["README.md"]
HALF = {0.5: "half"}
WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()


# --- where numbers come from


def csv(table: str, **where) -> pd.DataFrame:
    """Lines of results/<table>.csv with these values."""
    lines = pd.read_csv(
        results_folder() / f"{table}.csv", keep_default_na=False, na_values={"accuracy_ci95": ""}
    )
    for name, value in where.items():
        lines = lines[lines[name] == value]
    assert len(lines)
    return lines


def the_only(values) -> object:
    (value,) = set(values)
    return value


def weights() -> int:
    return sum(p.numel() for p in EmbeddingNet().parameters())


def python_version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["requires-python"].removeprefix(">=")


def confidence() -> int:
    """Of `half_width_95`: mean 0 and standard error 1 make it a quantile of Student's t."""
    return round(100 * (2 * stats.t.cdf(half_width_95([-1.0, 1.0]), 1) - 1))


def cores() -> str:
    records = [record for record in published_records() if record["config"]["table"] == "table3"]
    names = {record["device"]["name"] for record in records}
    return WORDS[int(re.search(r"CPU, (\d+) threads", the_only(names))[1])]


def real_classes() -> int:
    return the_only(csv("table3", dataset="phd08").classes)


def classes(table: str) -> int:
    count = TABLES[table].settings["num_classes"]
    assert len(class_list(count)) == count
    return count


def omniglot(protocol: str) -> int:
    return the_only(csv("table4", protocol=protocol).classes)


def scanned() -> str:
    return HALF[make_config("table3", "prototype/random", "best").scan_share]


def compared() -> RunConfig:
    return config_of("ours", **comparison.COMMON)


def pool() -> int:
    return 2 * compared().pool_classes * compared().pool_samples


def paper_rows(table: str) -> int:
    return len(TABLES[table].paper)


# Parts of sentences with holes, and what belongs into them. Every number of the prose stands in one of these.
CLAIMS = {
    "README.md": [
        ("network of {} weights that", lambda: [weights()]),
        ("Python {} or newer", lambda: [python_version()]),
        ("Table 3, {} Hangul syllables", lambda: [classes("table3")]),
        ("and {} % interval over seeds", lambda: [confidence()]),
        ("after minutes on {} core", lambda: [cores()]),
        ("where the {} % interval lies above", lambda: [confidence()]),
        ("puts {} syllables", lambda: [classes("table3")]),
        ("runs notebooks {} to {} in profile", lambda: [p.stem[:2] for p in notebook_files(False)[::3]]),
        (
            "{} training (`best`: {}), {} validation and {} test typefaces",
            lambda: [len(declared_faces(split)) for split in ("train", "train-wide", "validation", "test")],
        ),
        ("[notebook {}](notebooks/04_phd08.ipynb)", lambda: [notebook_files(True)[4].stem[:2]]),
    ],
    "results/README.md": [
        (
            "it has {} typefaces in place of {} and {} of its images look scanned",
            lambda: [*(len(declared_faces(split)) for split in ("train-wide", "train")), scanned()],
        ),
        ("± half-width of the {} % t interval", lambda: [confidence()]),
        ("## Table 3: {} syllables", lambda: [classes("table3")]),
        ("above the {} without it", lambda: [WORDS[paper_rows("table3") - 2]]),
        ("On the {} real classes", lambda: [WORDS[real_classes()]]),
        ("## Table 2: {} syllables", lambda: [classes("table2")]),
        ("one of all {}.", lambda: [classes("table2")]),
        (
            "they stand beside {} readings",
            lambda: [WORDS[csv("table4", row="random", profile="quick").paper_accuracy.ne("").sum()]],
        ),
        ("among all {})", lambda: [omniglot("drawers")]),
        ("runs of {} characters", lambda: [omniglot("one-shot")]),
        (
            "on {} syllables in {} typefaces, {} of the images look scanned, SOAP with {} images a step",
            lambda: [
                compared().num_classes,
                len(declared_faces("train")),
                HALF[compared().scan_share],
                pool(),
            ],
        ),
        ("the best of {} learning rates", lambda: [len(comparison.RATES)]),
    ],
}
# numbers that name and do not count: the paper's tables, equations and sections, a measure, "the last two"
NAMES = r"(Tables?|Eq\.|Section) \d[\d.]*((,| and| to) \d[\d.]*)*|top-5|among the five nearest|the last two"
NUMBER = rf"(?<![A-Za-z\d-])\d[\d.,]*|\b({'|'.join(WORDS[2:])}|half|twice)\b(?!-width)"


def prose(page: str) -> str:
    """A page without generated blocks, code and addresses, on one line."""
    page = re.sub(r"<!-- (\w+) -->.*?<!-- /\1 -->", "", page, flags=re.DOTALL)
    page = re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    page = re.sub(r"^    .*$", "", page, flags=re.MULTILINE)
    return " ".join(page.split())


def without_claims(name: str, page: str) -> str:
    """The prose of a page in which each claim stood, filled in with what the package and the records say."""
    text = prose(page)
    for sentence, values in CLAIMS[name]:
        shown = sentence.format(*(f"{v:,}" if isinstance(v, int) else v for v in values()))
        assert shown in text, f"{name} should say: {shown}"
        text = text.replace(shown, "", 1)
    return text


def unexplained(text: str) -> list[str]:
    """Numbers of a prose text, in digits and in words; those in code and addresses and NAMES do not count."""
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", text)
    text = re.sub(NAMES, " ", text)
    return [match[0] for match in re.finditer(NUMBER, text, re.IGNORECASE)]


@pytest.mark.parametrize("name", PAGES)
def test_every_number_comes_from_the_code_or_a_record(name):
    assert not unexplained(without_claims(name, PAGES[name]))


def test_a_number_without_a_source_is_found():
    text = (
        "as Table 3 and Eq. 5, 6 say, PHD08 in `x = 7` and [04](http://a/12) needs 38.1 % of 1,000 runs, "
        "half of them with Three seeds; top-5 and half-width too"
    )
    assert unexplained(text) == ["04", "38.1", "1,000", "half", "Three"]
    with pytest.raises(AssertionError, match="README.md should say: network of 77,561 weights that"):
        without_claims("README.md", README.replace("77,561", "77,562"))


# --- what the pages say in words


def test_table_3_is_as_described():
    for profile in ("quick", "cpu"):
        lines = csv("table3", dataset="phd08-sim", profile=profile, batch="pooled").set_index("row")
        lines = lines.accuracy_mean
        clustered = lines[lines.index.str.contains("auto-clustering")]
        assert len(clustered) == 2 and clustered.min() > lines.drop(clustered.index).max()
    assert (csv("matrix", profile="quick").seeds == 1).all()


def test_settings_named_are_there():
    named = re.search(r"is the default profile: (.*?) \(", prose(README))[1]
    assert re.findall(r"`(\w+)`", named) == list(PROFILES)
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "siamese_lib").rglob("*.py"))
    for name in set(re.findall(r"SIAMESE_\w+", README)):
        assert f'"{name}"' in source, name


# --- form


def test_readme_is_short_and_begins_with_what_one_looks_for():
    assert len(README.split()) <= 1100
    top = "\n".join(README.splitlines()[:25])
    assert top.startswith("# siamese_lib\n") and "<!-- summary -->" in top and "<!-- /summary -->" in top
    commands = [line.strip() for line in top.splitlines() if line.startswith("    ")]
    assert [command.split()[0] for command in commands] == ["sudo", "git"]
    assert commands[1].endswith("make reproduce")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)]+)\)", PAGES[name])
    assert links
    for link in links:
        assert link.startswith("https://") or ((ROOT / name).parent / link).exists(), link


def code() -> list[str]:
    """Commands of the README: code spans and indented lines."""
    return re.findall(r"`([^`\n]+)`", README) + re.findall(r"^    (\S.*)$", README, re.MULTILINE)


def test_commands_are_understood():
    commands = [re.search(r"-m siamese_lib (.*)", line)[1] for line in code() if "-m siamese_lib " in line]
    assert len(commands) >= 5
    for command in commands:
        options = _parser().parse_args(shlex.split(command.replace(" ...", "")))
        for row in getattr(options, "row", None) or []:
            make_config(options.table, row, options.profile, options.batch)


def test_targets_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    commands = [shlex.split(line) for line in code() if "make " in line and "apt-get" not in line]
    targets = {target for command in commands for target in command[command.index("make") + 1 :]}
    assert {"reproduce", "tables", "figures"} <= targets <= set(known)


def test_notebook_parameters_are_there():
    import papermill

    (command,) = [shlex.split(line) for line in code() if line.startswith("papermill ")]
    parameters = papermill.inspect_notebook(str(ROOT / command[1]))
    given = [command[place + 1] for place, word in enumerate(command) if word == "-p"]
    assert given and set(given) <= set(parameters)


def test_python_runs_as_it_stands():
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        names: dict = {}
        exec(compile(block, "README.md", "exec"), names)
        assert names["reader"].score(names["bank"].images, names["bank"].names) > 0.9
        assert (names["answers"][:, 0] == names["new"].names).mean() > 0.6


def test_notebook_titles_are_headings():
    for path in notebook_files(everything=True):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert "".join(cells[0]["source"]).startswith("# "), path.name
