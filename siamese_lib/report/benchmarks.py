"""The benchmarks of results/benchmarks/ as notebooks show them: tables with units, and what they mean."""

import json

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from siamese_lib.errors import NotThere
from siamese_lib.files import results_folder
from siamese_lib.report.summaries import Text, shown

COLUMNS = {  # column of a file -> title with unit, decimals
    "device": ("device", 0),
    "method": ("method", 0),
    "loss": ("loss", 0),
    "batch": ("batch", 0),
    "schedule": ("schedule", 0),
    "classes": ("classes", 0),
    "chunk": ("images at once", 0),
    "pool_images": ("images a pool", 0),
    "rate": ("learning rate", 4),
    "seed": ("seed", 0),
    "images": ("images", 0),
    "images_seen": ("images trained on", 0),
    "images_tested": ("images tested", 0),
    "accuracy": ("accuracy, %", 1),
    "images_per_s": ("images a second", 0),
    "bare_images_per_s": ("bare network, images a second", 0),
    "ratio": ("share of the bare speed", 2),
    "ratio_cpu_updates": ("the same with twenty clean passes", 2),
    "pass_seconds": ("statistics pass, s", 2),
    "update_seconds": ("update of the samplers, s", 3),
    "clusters_seconds": ("clusters, s", 2),
    "impostors_seconds": ("nearest impostors, s", 2),
    "percent_of_epoch": ("both searches, % of an epoch", 2),
    "mb": ("memory of the search, MB", 0),
    "draw_ms": ("draw, ms", 2),
    "percent_of_step": ("draw, % of a step", 2),
    "pass_ratio": ("statistics pass / bare network", 2),
    "peak_mb": ("peak memory, MB", 0),
}


def measured(name: str) -> tuple[pd.DataFrame, dict]:
    """The table of a benchmark, and the record beside it.

    Raises:
        NotThere: it has not been measured.
    """
    path = results_folder() / "benchmarks" / f"{name}.csv"
    if not path.is_file():
        command = name.replace("rates_", "rates ")  # benchmarks.rates has several tables
        raise NotThere(f"{path} is not there; measure it with `python -m benchmarks.{command}`")
    return pd.read_csv(path), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def readable(table: pd.DataFrame) -> Styler:
    """A benchmark's table with titles and units in place of column names, in the order of COLUMNS."""
    titles = {column: title for column, (title, _) in COLUMNS.items() if column in table}
    style = shown(table[list(titles)].rename(columns=titles).reset_index(drop=True))
    for column in titles:
        if pd.api.types.is_numeric_dtype(table[column]):
            title, decimals = COLUMNS[column]
            style = style.format(precision=decimals, thousands=",", na_rep="", subset=[title])
    return style


def machine(record: dict) -> Text:
    """What a benchmark was measured on."""
    return Text(f"Measured on {record['device']['name']}, torch {record['versions']['torch']}.")


def step_kept(table: pd.DataFrame) -> Text:
    """Of step.csv: how much of the bare network's speed a training step keeps."""
    return Text(
        f"The whole step keeps **{_range(100 * table.ratio)} %** of the bare network's speed with one "
        "statistics pass in "
        f"1.54 million images, {_range(100 * table.ratio_cpu_updates)} % with twenty clean passes in 0.6 "
        "million."
    )


def time_to_accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """time_to_accuracy.csv with a line for each method.

    Returns:
        For each target: median seconds and images of the seeds that reached it, and how many of them did;
            `not run` where a method was not given that target.
    """
    lines: dict[str, dict] = {}
    for line in table.itertuples():
        target = f"{line.target} %"
        lines.setdefault(line.method, {}).update(
            {
                f"{target}, s": line.seconds_median,
                f"{target}, images": line.images_median,
                f"{target}, seeds": f"{line.reached} of {line.seeds}" if line.seeds else "not run",
            }
        )
    frame = pd.DataFrame(lines.values(), pd.Index(lines, name="method"))
    return frame.astype({column: "Int64" for column in frame.columns if column.endswith("images")})


def sooner(table: pd.DataFrame, method: str = "pooled-near", base: str = "literal") -> Text:
    """Of time_to_accuracy.csv: how much sooner a method is at the highest target that both reached."""
    both = table[table.method.isin([method, base])].dropna(subset="seconds_median")
    targets = [target for target, part in both.groupby("target") if len(part) == 2]
    if not targets:
        return Text(f"`{method}` and `{base}` reached no target in common.")
    at = both[both.target == max(targets)].set_index("method")
    times = at.seconds_median[base] / at.seconds_median[method]
    parts = [
        f"`{name}` {at.seconds_median[name]:.0f} s (median of the {at.reached[name]} of {at.seeds[name]} "
        "seeds that got there)"
        for name in (method, base)
    ]
    return Text(f"To {max(targets)} %: {' and '.join(parts)}, {times:.0f} times as long.")


def best_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Of rates.csv: each loss and batch at its own best learning rate."""
    columns = ["loss", "batch", "pool_images", "rate", "accuracy"]
    return table.loc[table.groupby(["loss", "batch"], sort=False).accuracy.idxmax(), columns]


def near_pools(best: pd.DataFrame) -> Text:
    """Of `best_rates`: the losses on pools of near classes."""
    near = best[best.batch == "pooled-near"].sort_values("accuracy")
    parts = ", ".join(f"{line.loss} loss {line.accuracy:.1f} %" for line in near.itertuples())
    return Text(f"Each at its own best rate, on pools of near classes: {parts}. One seed cannot rank them.")


def grown(table: pd.DataFrame) -> Text:
    """Of scale.csv: what changes from the fewest to the most classes, batch by batch."""
    parts = []
    for batch, part in table.groupby("batch", sort=False):
        few, many = part.loc[part.classes.idxmin()], part.loc[part.classes.idxmax()]
        parts.append(
            f"- `{batch}`, from {few.classes:,} to {many.classes:,} classes: {few.images_per_s:,.0f} and "
            f"{many.images_per_s:,.0f} images a second; update {few.update_seconds:.3f} and "
            f"{many.update_seconds:.2f} s; "
            f"peak memory {few.peak_mb:,.0f} and {many.peak_mb:,.0f} MB"
        )
    return Text("\n".join(parts))


def searched(table: pd.DataFrame) -> Text:
    """Of mining.csv: what the searches cost beside the paper's epoch, among so many classes."""
    parts = []
    for line in table.itertuples():
        seconds, share = line.clusters_seconds + line.impostors_seconds, line.percent_of_epoch
        time = f"{seconds:.2f} s" if seconds < 60 else f"{seconds / 60:.0f} minutes"
        parts.append(f"{line.classes:,} classes {time} ({share:.{0 if share >= 10 else 2}f} % of an epoch)")
    return Text(f"Both searches together: {', '.join(parts)}. A draw takes {_range(table.draw_ms, 1)} ms.")


def peaks(table: pd.DataFrame) -> Text:
    """Of memory.csv: the range of the peaks."""
    return Text(f"A whole run, from the fonts to the record, peaks at {_range(table.peak_mb)} MB.")


def read(table: pd.DataFrame) -> Text:
    """Of evaluation.csv: speed and memory of testing as the test set grows."""
    few, many = table.loc[table.images.idxmin()], table.loc[table.images.idxmax()]
    return Text(
        f"From {few.images:,.0f} to {many.images:,.0f} images ({many.images / few.images:.0f} times as "
        "many) speed goes from "
        f"{few.images_per_s:,.0f} to {many.images_per_s:,.0f} images a second, {_range(100 * table.ratio)} "
        "% of the bare "
        f"network's; peak memory stays at {_range(table.peak_mb)} MB."
    )


def _range(values: pd.Series, decimals: int = 0) -> str:
    low, high = np.min(values), np.max(values)
    return f"{low:,.{decimals}f} to {high:,.{decimals}f}"
