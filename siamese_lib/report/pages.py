"""Tables as text: the files of results/, and the blocks between marks in README.md and results/README.md."""

import json
import re

import pandas as pd

from siamese_lib.errors import InputError
from siamese_lib.experiments.records import published_records
from siamese_lib.experiments.tables import TABLES
from siamese_lib.files import repository_root, results_folder, write_text
from siamese_lib.report.claims import claims_frame, sentence
from siamese_lib.report.claims import shown as claims_shown
from siamese_lib.report.notebooks import notebook_files
from siamese_lib.report.tables import (
    ablation_frame,
    by_font_frame,
    by_loss_and_mining,
    comparison_frame,
    table_frame,
)


def percent(value: float | None) -> str:
    """One decimal, or two where there are two (the paper's 91.25); empty for none."""
    return f"{value:.2f}".removesuffix("0") if pd.notna(value) else ""


def _one_decimal(value: float | None) -> str:
    return f"{value:.1f}" if pd.notna(value) else ""


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of a table that a reader wants, as text."""
    accuracy = [
        _one_decimal(mean) + (f" ± {half:.1f}" if pd.notna(half) else "")
        for mean, half in zip(frame.accuracy_mean, frame.accuracy_ci95, strict=True)
    ]
    protocol = frame.protocol.map(lambda name: f" {name}" if name else "")
    columns = {
        "row": frame.row,
        "test set": frame.dataset + protocol + frame.classes.map(", {:,} classes".format),
        "profile": frame.profile,
        "batch": frame.batch,
        "seeds": frame.seeds.astype(str),
        "accuracy, %": accuracy,
        "top-5, %": frame.top5_mean.map(_one_decimal),
        "paper, %": frame.paper_accuracy.map(percent),
        "images seen": frame.images_seen.map("{:,}".format),
        "minutes": frame.minutes.map(_one_decimal),
    }
    return pd.DataFrame(columns)


def ablation_shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of ablation.csv that a reader wants, as text; only simulated scans."""
    frame = frame[frame.dataset == "phd08-sim"]
    text = shown(frame)[["row", "batch", "seeds", "accuracy, %", "top-5, %", "images seen", "minutes"]]
    text.insert(1, "changed", frame.changed.where(frame.changed != "", "(as it is)"))
    return text


def summary(table3: pd.DataFrame) -> pd.DataFrame:
    """README's small table: the paper's rows on simulated scans, in profile `cpu`, or `quick` while there are
    none.

    Args:
        table3: the lines of table3.csv.
    """
    pooled = _simulated(table3)
    pooled = pooled[(pooled.batch == "pooled") & pooled.paper_accuracy.notna()]
    papers = pooled[pooled.profile == ("cpu" if (pooled.profile == "cpu").any() else "quick")]
    return shown(papers)[["row", "accuracy, %", "paper, %", "seeds", "minutes"]]


def headlines(table3: pd.DataFrame, claims: pd.DataFrame) -> str:
    """README's list below that table: whether mining beats choosing at random, whether the paper's best row
    is above its second, and the best line of all.

    Args:
        table3: the lines of table3.csv.
        claims: those of claims.csv.
    """
    paper = sorted(TABLES["table3"].paper, key=TABLES["table3"].paper.get)
    main = (claims.lower == "random") | ((claims.lower == paper[-2]) & (claims.higher == paper[-1]))
    chosen = claims[(claims.table == "table3") & (claims.profile == "cpu") & main]
    lines = [sentence(line) for line in chosen[chosen.dataset == "phd08-sim"].itertuples()]
    for best in shown(_simulated(table3).sort_values("accuracy_mean").tail(1)).to_dict("records"):
        seeds = best["seeds"] + (" seed" if best["seeds"] == "1" else " seeds")
        lines.append(
            f"Read best: **{best['accuracy, %']} %** by `{best['row']}` with `{best['batch']}` batches in "
            f"profile `{best['profile']}` ({seeds} of {best['minutes']} minutes)."
        )
    return "".join(f"- {line}\n" for line in lines)


def _simulated(table3: pd.DataFrame) -> pd.DataFrame:
    return table3[(table3.dataset == "phd08-sim") & (table3.classes == 2350)]


def notebook_table() -> pd.DataFrame:
    """Notebooks with their titles, and the minutes of each profile in results/benchmarks/notebooks.csv."""
    files, rows = notebook_files(everything=True), []
    for path in files:
        title = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]).splitlines()[0]
        rows.append({"notebook": f"[{path.stem}](notebooks/{path.name})", "shows": title.lstrip("# ")})
    table = pd.DataFrame(rows, index=[path.stem for path in files])
    measured = results_folder() / "benchmarks" / "notebooks.csv"
    if measured.is_file():
        for profile, lines in pd.read_csv(measured).groupby("profile", sort=False):
            minutes = lines.set_index("notebook").minutes.reindex(table.index)
            table[f"minutes, {profile}"] = minutes.map(_one_decimal)
    return table


def comparison(frame: pd.DataFrame) -> str:
    """What `tables.compare` gives, as a terminal shows it; columns without a number are left out."""
    text = frame.dropna(axis="columns", how="all")
    formats = {"paper": percent, "published": _one_decimal, "this machine": _one_decimal}
    text = text.assign(**{name: text[name].map(formats[name]) for name in text.columns if name in formats})
    return text.to_string(index=False)


def markdown(text: pd.DataFrame) -> str:
    """A Markdown table of a frame of strings."""
    rows = [list(text.columns), ["---"] * len(text.columns), *text.values.tolist()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def latex(text: pd.DataFrame) -> str:
    """A LaTeX tabular (booktabs) of a frame of strings."""

    def row(cells) -> str:
        return " & ".join(map(_escape, cells)) + r" \\"

    head = [r"\begin{tabular}{" + "l" * len(text.columns) + "}", r"\toprule", row(text.columns), r"\midrule"]
    return "\n".join([*head, *map(row, text.values.tolist()), r"\bottomrule", r"\end{tabular}", ""])


def _escape(text: str) -> str:
    return text.replace("%", r"\%").replace("_", r"\_").replace("±", r"$\pm$")


def csv(frame: pd.DataFrame) -> str:
    """CSV with two decimals (p: three significant digits) and empty cells for what there is not."""
    if "p" in frame:
        frame = frame.assign(p=frame.p.map("{:.3g}".format))
    return frame.to_csv(index=False, float_format="%.2f", lineterminator="\n")


def write_tables() -> list[str]:
    """Rebuild results/*.csv, .md, .tex and the blocks of both READMEs from the published records.

    matrix.csv has every row that Table 2 was run with, table2.csv the paper's and those of profile `best`;
    ablation.csv the runs with one parameter changed, claims.csv the verdicts on the paper's orders;
    comparison.csv other libraries' losses, of benchmarks/comparison.csv where that was measured.

    Returns:
        Names of the files written.

    Raises:
        InputError: a damaged record, records that cannot share a line, or a README without its marks.
    """
    records, folder, written = published_records(), results_folder(), []
    frames = {table: table_frame(records, table) for table in TABLES}
    frames["matrix"] = frames["table2"]
    shown_in_table = frames["matrix"].row.isin(TABLES["table2"].paper) | (frames["matrix"].profile == "best")
    frames["table2"] = frames["matrix"][shown_in_table]
    texts = {name: shown(frame) for name, frame in frames.items()}
    frames |= {"ablation": ablation_frame(published_records(ablations=True)), "claims": claims_frame(records)}
    texts |= {"ablation": ablation_shown(frames["ablation"]), "claims": claims_shown(frames["claims"])}
    if (measured := folder / "benchmarks" / "comparison.csv").is_file():
        device = json.loads(measured.with_suffix(".json").read_text(encoding="utf-8"))["device"]["type"]
        frames["comparison"] = comparison_frame(pd.read_csv(measured), device)
        columns = ["row", "batch", "seeds", "accuracy, %", "top-5, %", "images seen", "minutes"]
        texts["comparison"] = shown(frames["comparison"])[columns]
    for name, frame in frames.items():
        text = texts[name]
        for suffix, content in ((".csv", csv(frame)), (".md", markdown(text)), (".tex", latex(text))):
            write_text(folder / f"{name}{suffix}", content)
            written.append(f"results/{name}{suffix}")
    fonts = [frame for table in TABLES if len(frame := by_font_frame(records, table))]
    write_text(folder / "by_font.csv", csv(pd.concat(fonts) if fonts else by_font_frame([], "")))
    matrix = by_loss_and_mining(frames["matrix"]).map(_one_decimal).reset_index()
    blocks = {
        "README.md": {
            "summary": summary(frames["table3"]),
            "headlines": headlines(frames["table3"], frames["claims"]),
            "notebooks": notebook_table(),
        },
        "results/README.md": {
            name: texts.get(name, pd.DataFrame()) for name in (*TABLES, "claims", "ablation", "comparison")
        }
        | {"matrix": matrix},
    }
    for file, found in blocks.items():
        path = repository_root() / file
        page = path.read_text(encoding="utf-8")
        for name, block in found.items():
            if isinstance(block, pd.DataFrame):
                block = markdown(block) if len(block) else ""
            page = with_block(page, name, block, file)
        write_text(path, page)
    return [*written, "results/by_font.csv", *blocks]


def with_block(page: str, name: str, block: str, file: str) -> str:
    """A page's text with the part between `<!-- NAME -->` and `<!-- /NAME -->` replaced.

    Raises:
        InputError: the two marks are not there exactly once.
    """
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    marks = page.count(f"<!-- {name} -->"), page.count(f"<!-- /{name} -->")
    if marks != (1, 1) or not pattern.search(page):
        raise InputError(
            f"{file} must hold <!-- {name} --> ... <!-- /{name} --> exactly once; put the marks back"
        )
    return pattern.sub(lambda match: match[1] + block + match[2], page)
