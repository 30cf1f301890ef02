"""The benchmarks of results/benchmarks/ as notebooks show them: tables with units, and what they mean."""

import json

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from siamese_lib.errors import NotThere
from siamese_lib.files import results_folder
from siamese_lib.plots.speed import target_title
from siamese_lib.report.claims import paired_test
from siamese_lib.report.summaries import Text, shown
from siamese_lib.report.tables import half_width_95

COLUMNS = {  # column of a file -> title with unit, decimals
    "device": ("device", 0),
    "threads": ("threads", 0),
    "method": ("method", 0),
    "mining": ("mining", 0),
    "loss": ("loss", 0),
    "batch": ("batch", 0),
    "optimiser": ("optimiser", 0),
    "classes": ("classes", 0),
    "chunk": ("images at once", 0),
    "pool_images": ("images a pool", 0),
    "rate": ("learning rate", 4),
    "other": ("changed", 0),
    "seed": ("seed", 0),
    "runtime": ("runtime", 0),
    "search": ("search", 0),
    "one_ms": ("one glyph, ms", 3),
    "batch_ms": ("256 glyphs, ms", 1),
    "times_network": ("times the network alone in onnxruntime", 1),
    "times_product": ("times the product", 1),
    "kb": ("file, kB", 0),
    "changed": ("answers changed, %", 2),
    "unseen": ("characters added", 0),
    "samples": ("samples of each", 0),
    "old_before": ("old characters before, %", 1),
    "old_after": ("old characters after, %", 1),
    "new": ("new characters, %", 1),
    "new_ci95": ("half-width of the 95 % interval, %", 1),
    "splits": ("learns from", 0),
    "typefaces": ("typefaces", 0),
    "images": ("images", 0),
    "images_seen": ("images trained on", 0),
    "images_tested": ("images tested", 0),
    "accuracy": ("validation, %", 1),
    "clean": ("clean glyphs, %", 1),
    "scans": ("scans, %", 1),
    "train_clean": ("glyphs learned from, %", 1),
    "validation_scans": ("validation scans, %", 1),
    "read_by": ("read by", 0),
    "test_scans": ("simulated PHD08, %", 1),
    "test_scans_top5": ("the same among the five nearest, %", 1),
    "phd08-sim": ("simulated PHD08, %", 1),
    "phd08": ("real PHD08, %", 1),
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
        For each target: median seconds and images of the seeds that reached it; how many did where not all
            did, `not run` where a method was not given that target.
    """
    lines: dict[str, dict] = {}
    for line in table.itertuples():
        text = "not run"
        if line.reached:
            some = "" if line.reached == line.seeds else f" ({line.reached} of {line.seeds} seeds)"
            text = f"{line.seconds_median:.1f} s, {line.images_median:,.0f} images{some}"
        elif line.seeds:
            text = f"no seed of {line.seeds}"
        lines.setdefault(line.method, {})[target_title(line.target)] = text
    return pd.DataFrame(lines.values(), pd.Index(lines, name="method"))


def sooner(table: pd.DataFrame) -> Text:
    """Of time_to_accuracy.csv: our fastest method beside pytorch-metric-learning's with Adam and with SOAP.

    Target by target; a method counts where all of its seeds reached the target, the others are named.
    """
    lines = []
    for target, part in table[table.seeds > 0].groupby("target", sort=False):
        every = part[part.reached == part.seeds]
        mine, parts = _fastest(every[~every.method.str.startswith("pml/")]), []
        parts.append("none of ours" if mine is None else f"`{mine.method}` in {mine.seconds_median:.1f} s")
        for name in ("Adam", "SOAP"):
            theirs = every.method.str.startswith("pml/") & every.method.str.endswith(name.lower())
            if (best := _fastest(every[theirs])) is not None:
                took = f"the library's fastest with {name} (`{best.method}`, {best.seconds_median:.1f} s)"
                share = "" if mine is None else f"**{mine.seconds_median / best.seconds_median:.2f}** of "
                parts.append(share + took)
        if some := part[(0 < part.reached) & (part.reached < part.seeds)].method.tolist():
            parts.append(f"with some seeds only {', '.join(f'`{method}`' for method in some)}")
        lines.append(f"- {target_title(target)}: {'; '.join(parts)}")
    return Text("Median times of methods that reached a target with all seeds:\n\n" + "\n".join(lines))


def _fastest(lines: pd.DataFrame) -> pd.Series | None:
    return None if lines.empty else lines.loc[lines.seconds_median.idxmin()]


def best_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Of rates.csv: each loss, batch and optimiser at its own best learning rate, as the rows are run."""
    columns = ["mining", "loss", "batch", "optimiser", "pool_images", "rate", "accuracy", "clean"]
    plain = table[table.other.isna()]
    return plain.loc[plain.groupby(["loss", "batch", "optimiser"], sort=False).accuracy.idxmax(), columns]


def at_full_length(table: pd.DataFrame) -> pd.DataFrame:
    """Of rates.csv: the lines with the budget of profile `quick`, in which the chosen shift is the base."""
    return table[table["images"] > table["images"].min()].dropna(axis="columns", how="all")


def changed(table: pd.DataFrame) -> pd.DataFrame:
    """Of rates.csv: what a reading or an augmentation changes, beside the same run without it."""
    of = ["mining", "loss", "batch", "optimiser", "pool_images", "rate"]
    plain = table[table.other.isna()].set_index(of)
    lines = []
    for line in table[table.other.notna() & (table["images"] == table["images"].min())].itertuples():
        base = plain.loc[tuple(getattr(line, name) for name in of)]
        lines.append(
            {
                "loss": line.loss,
                "batch": line.batch,
                "changed": line.other,
                "scans, %": line.accuracy,
                "without the change": base.accuracy,
                "clean glyphs, %": line.clean,
                "without it": base.clean,
            }
        )
    return pd.DataFrame(lines)


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


def answers(table: pd.DataFrame) -> Styler:
    """latency.csv with titles."""
    return readable(table.rename(columns={"ratio": "times_network"}))


def answered(table: pd.DataFrame) -> Text:
    """Of latency.csv: what a whole answer costs, and int8."""
    line = table.set_index("runtime")
    whole, int8, plain = line.loc["SiameseClassifier"], line.loc["OpenVINO, int8"], line.loc["OpenVINO"]
    own, onnx = line.loc["onnxruntime, int8"], line.loc["onnxruntime"]
    return Text(
        f"`SiameseClassifier.predict` frames a picture, reads it and finds its class in **{whole.one_ms:.2f} "
        f"ms**, {whole.ratio:.1f} times what the network alone takes. OpenVINO's int8 reads 256 glyphs in "
        f"{int8.batch_ms / plain.batch_ms:.2f} of the time of its float32 and changes {int8.changed:g} % of "
        f"the answers. onnxruntime's own quantisation takes {own.one_ms / onnx.one_ms:.2f} of its time for "
        f"one glyph, {own.batch_ms / onnx.batch_ms:.2f} for 256, changes {own.changed:g} %, and is not "
        "offered."
    )


def searches(table: pd.DataFrame) -> Styler:
    """search.csv with titles."""
    return readable(table.rename(columns={"ratio": "times_product"}))


def limited(table: pd.DataFrame) -> Text:
    """Of limits.csv: what more typefaces bring, and how far the network itself goes."""
    few, many = (line for _, line in table.head(2).iterrows())
    known = table[table.splits.str.endswith("+ test")].iloc[0]
    gain, on_validation = many.test_scans - few.test_scans, many.validation_scans - few.validation_scans
    return Text(
        f"From {few.typefaces} typefaces to {many.typefaces}, one seed: simulated PHD08 **{gain:+.1f}** "
        f"points, scans of the validation typefaces {on_validation:+.1f}. Had the network learned from the "
        f"test typefaces themselves, it would read **{known.test_scans:.1f} %** of their scans, "
        f"{known.test_scans - many.test_scans:+.1f} points: that much is lost to typefaces that it does not "
        f"know, the other {100 - known.test_scans:.1f} to what a network of this size, trained so long, "
        "makes of scans. Of those that the second network misreads, "
        f"{100 * (many.test_scans_top5 - many.test_scans) / (100 - many.test_scans):.0f} % have the right "
        "syllable among the five nearest."
    )


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """benchmarks/comparison.csv, a line a method, best on the test first; means ± 95 % t interval."""
    lines = []
    for method, runs in table.groupby("method", sort=False):
        line = {"method": method, "learning rate": f"{runs.rate.iloc[0]:g}", "seeds": len(runs)}
        line["read by"] = ", ".join(sorted(set(runs.read_by.dropna())))
        for column, title in (("validation", "validation scans, %"), ("accuracy", "simulated PHD08, %")):
            line[title] = f"{runs[column].mean():.1f} ± {half_width_95(runs[column].tolist()):.1f}"
        lines.append((runs.accuracy.mean(), line))
    return pd.DataFrame([line for _, line in sorted(lines, key=lambda pair: -pair[0])])


def won(table: pd.DataFrame) -> Text:
    """Of benchmarks/comparison.csv: our best on validation beside the best of the others, by seed."""
    by_seed = table.pivot(index="seed", columns="method", values="accuracy")
    validation = table.groupby("method").validation.mean()
    mine = validation.index.str.startswith("ours")
    ours, other = validation[mine].idxmax(), validation[~mine].idxmax()
    mean, half, p, verdict = paired_test((by_seed[ours] - by_seed[other]).tolist())
    more = {"holds": "reads more than", "fails": "reads less than", "undecided": "cannot be told from"}[
        verdict
    ]
    return Text(
        f"After {table['images'].iloc[0]:,} images **{ours.removeprefix('ours: ')}** {more} {other}, the "
        f"best of the others: {mean:+.1f} ± {half:.1f} points over {len(by_seed)} seeds (paired t-test, "
        f"p = {p:.2g})."
    )


def added(table: pd.DataFrame) -> Text:
    """Of unseen.csv: what adding characters cost the old ones, and how well they are read."""
    line, loss = next(table.itertuples()), table.old_before - table.old_after
    by_seed = [f"{new:.1f} ± {half:.1f}" for new, half in zip(table.new, table.new_ci95, strict=True)]
    return Text(
        f"{line.unseen} of {line.classes:,} syllables were left out of training ({len(table)} seeds, each "
        f"with its own {line.unseen}) and then added from {line.samples} clean glyphs each. Of the scans of "
        f"the old ones {table.old_before.mean():.1f} % were read before and {table.old_after.mean():.1f} % "
        f"afterwards (at most {loss.max():.2f} points lost); of the new ones **{table.new.mean():.1f} %** "
        f"(by seed {', '.join(by_seed)}: 95 % interval over syllables)."
    )


def _range(values: pd.Series, decimals: int = 0) -> str:
    low, high = np.min(values), np.max(values)
    return f"{low:,.{decimals}f} to {high:,.{decimals}f}"
