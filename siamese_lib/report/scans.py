"""Simulated beside real PHD08: typefaces, treatments, accuracies of networks. Numbers, never glyphs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.data.phd08 import iter_phd08
from siamese_lib.data.phd08_calibration import Measures, separability
from siamese_lib.data.phd08_simulated import DPI, POINTS, simulated_faces
from siamese_lib.evaluation import Evaluation
from siamese_lib.experiments.records import font_results
from siamese_lib.experiments.tables import TABLES
from siamese_lib.report.summaries import VALIDATION, Text, rows_of, title_of

BOTH = ("phd08-sim", "phd08")


def real_scans(characters: Sequence[str]) -> list[ImageBank]:
    """Real PHD08 scans of those characters whose class files are there, labelled by their place in the list.

    Raises:
        InputError: there are no class files, or one is damaged.
    """
    known, found = hangul_classes(2350), []
    place = np.array([characters.index(name) if name in characters else -1 for name in known])
    for bank in iter_phd08():
        labels = place[bank.labels]
        ours = labels >= 0
        meta = bank.meta[ours].reset_index(drop=True)
        if ours.any():
            found.append(ImageBank(bank.images[ours], labels[ours], list(characters), meta))
    return found


def read_by_class(result: Evaluation) -> Text:
    """Accuracy of each class that has scans."""
    return Text(
        ", ".join(
            f"{result.classes[c]} {100 * result.correct[c] / result.total[c]:.1f} % of {result.total[c]:,}"
            for c in np.flatnonzero(result.total)
        )
        + " real scans are read correctly."
    )


def sizes(measures: Measures) -> pd.DataFrame:
    """Height, width (em) and ink (em^2) of upright scans at the middle threshold.

    A line for each font and character, means over the other treatments.
    """
    table = measures.table[(measures.table.sl == 1) & (measures.table.th == 1)]
    em = table.fs.map(dict(enumerate(POINTS))) / 72 * table.re.map(dict(enumerate(DPI)))  # pixels
    per_em = pd.DataFrame({"height": table.height / em, "width": table.width / em, "ink": table.ink / em**2})
    return per_em.groupby([table.font, table.character], sort=False).mean()


def typefaces(simulated: Measures, real: Measures | None = None) -> pd.DataFrame:
    """The typeface that stands for each PHD08 font, with the sizes of both.

    Returns:
        A line for each font: typeface, look, height x width of each character in em, mean ink in em^2; those
            of real scans beside them, where they are given.
    """
    faces = {letter: found.face for letter, found in simulated_faces().items()}
    columns = {
        "typeface": {letter: face.key for letter, face in faces.items()},
        "look": {letter: face.look for letter, face in faces.items()},
    }
    for measures, place in ((simulated, "typeface"), (real, "PHD08")):
        if measures is not None:
            found = sizes(measures)
            names = " ".join(dict.fromkeys(measures.table.character))
            columns[f"{names} in the {place}, em".replace("the PHD08", "PHD08")] = {
                font: " ".join(
                    f"{line.height:.2f}x{line.width:.2f}".replace("0.", ".") for line in lines.itertuples()
                )
                for font, lines in found.groupby("font", sort=False)
            }
            columns[f"ink in the {place}, em^2".replace("the PHD08", "PHD08")] = (
                found.ink.groupby("font").mean().round(3)
            )
    return pd.DataFrame(columns).reindex(list(faces)).rename_axis("font")


def typeface_files(manifest: dict) -> pd.DataFrame:
    """The typefaces of a font manifest: split, family, file, fingerprint, glyphs used, glyphs left out."""
    lines = [
        {
            "split": split,
            "typeface": face["key"],
            "family": face["family"],
            "file": face["file"],
            "sha256": face["sha256"][:12],
            "glyphs": face["glyphs"],
            "left out": "; ".join(f"{found['first']} {why}" for why, found in face["left_out"].items()),
        }
        for split, faces in manifest["faces"].items()
        for face in faces
    ]
    return pd.DataFrame(lines)


def size_gaps(simulated: Measures, real: Measures) -> Text:
    """How far the typefaces are from the fonts that they stand for, in height and width."""
    gap = (
        (sizes(simulated) - sizes(real))[["height", "width"]]
        .abs()
        .mean(axis=1)
        .dropna()
        .groupby("font")
        .mean()
    )
    gap = gap.sort_values()
    return Text(
        "Mean difference of heights and widths, in em: "
        + ", ".join(f"**{font}** {value:.2f}" for font, value in gap.items())
        + "."
    )


def roughness_ratio(simulated: Measures, real: Measures) -> Text:
    """How rough simulated edges are beside real ones, by the number of photocopies."""
    ours, theirs = simulated.roughness("cp"), real.roughness("cp")
    ratios = ", ".join(
        f"**{ours[copies] / theirs[copies]:.2f}**" for copies in sorted(set(ours) & set(theirs))
    )
    return Text(
        f"Roughness of simulated edges over that of real ones, with 0, 1 and 2 photocopies: {ratios}."
    )


def told_apart(simulated: Measures, real: Measures) -> Text:
    """How well a classifier tells pieces of simulated edges from real ones."""
    return Text(
        f"{len(real.strips):,} real and {len(simulated.strips):,} simulated pieces of edge: area under the "
        "curve "
        f"**{separability(real, simulated):.3f}**."
    )


def font_means(records: Sequence[dict], test_set: str) -> dict[str, dict]:
    """Mean accuracy by font, in the form of a record's `by_font`."""
    return {
        font: {"accuracy": float(np.mean([result["accuracy"] for result in results]))}
        for font, results in font_results(
            record["evaluations"].get(test_set, {}) for record in records
        ).items()
    }


def fonts_agree(records: Sequence[dict]) -> Text:
    """Whether networks find the same fonts difficult on simulated and on real scans."""
    from scipy.stats import spearmanr

    simulated, real = (font_means(records, name) for name in BOTH)
    fonts = [font for font in simulated if font in real]
    if len(fonts) < 3:
        return Text("Not compared: real scans of three fonts or more are needed.")
    rank, p = spearmanr(*([each[font]["accuracy"] for font in fonts] for each in (simulated, real)))
    parts = []
    for name in BOTH:
        accuracy = np.mean([record["evaluations"][name]["accuracy"] for record in records])
        classes = records[0]["evaluations"][name]["classes"]
        parts.append(f"{accuracy:.1f} % of {title_of(name)} ({classes:,} classes)")
    return Text(
        f"Over {len(fonts)} fonts the rank correlation (Spearman) of the two is **{rank:.2f}** (p = "
        f"{p:.2f}). In all, "
        f"the networks read {' and '.join(parts)}."
    )


def beside_real(records: Sequence[dict]) -> pd.DataFrame:
    """Runs tested on both, table by table: mean accuracy on simulated and real scans of each profile."""
    groups: dict[tuple, list[dict]] = {}
    for record in _tested_on_both(records):
        config = record["config"]
        groups.setdefault((config["table"], config["batch"], config["images"], config["profile"]), []).append(
            record
        )
    lines = []
    for (table, batch, images, profile), members in sorted(groups.items()):
        line = {
            "table": f"Table {TABLES[table].title}",
            "batch": batch,
            "profile": profile,
            "images a run": images,
        }
        line |= {"rows": len(rows_of(members)), "runs": len(members)}
        for name in BOTH:
            line[f"{title_of(name)}, %"] = np.mean([m["evaluations"][name]["accuracy"] for m in members])
        lines.append(line)
    return pd.DataFrame(lines)


def runs_agree(records: Sequence[dict]) -> Text:
    """Whether a run that reads more simulated scans reads more real ones, table by table."""
    from scipy.stats import spearmanr

    parts = []
    for name, members in _tables(records).items():
        if len(members) < 4:
            continue
        pairs = np.array([[m["evaluations"][test]["accuracy"] for test in BOTH] for m in members])
        rank, p = spearmanr(*pairs.T)
        certain = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        parts.append(f"**{rank:+.2f}** over the {len(members)} runs of {name} ({certain})")
    if not parts:
        return Text("Too few runs were tested on both.")
    return Text(
        f"Rank correlation (Spearman) of the accuracies on simulated and on real scans: {', '.join(parts)}."
    )


def longer_training(records: Sequence[dict]) -> Text:
    """What a larger budget changes on simulated and on real scans, for the rows that were run with both."""
    parts = []
    for name, members in _tables(records).items():
        rows: dict[int, dict[str, list[dict]]] = {}
        for record in members:
            of_budget = rows.setdefault(record["config"]["images"], {})
            of_budget.setdefault(record["config"]["row"], []).append(record)
        if len(rows) < 2:
            continue
        short, long = rows[min(rows)], rows[max(rows)]
        both = [row for row in short if row in long]
        if not both:
            continue
        means = [
            [np.mean([[m["evaluations"][t]["accuracy"] for t in BOTH] for m in of[row]], 0) for row in both]
            for of in (short, long)
        ]
        gain = np.mean(means[1], 0) - np.mean(means[0], 0)
        changes = " and ".join(f"{g:+.1f} points on {title_of(t)}" for g, t in zip(gain, BOTH, strict=True))
        parts.append(f"{name}, from {min(rows):,} to {max(rows):,} images ({len(both)} rows): {changes}")
    return Text("; ".join(parts) + "." if parts else "No row was run with two budgets.")


def training_on(table: pd.DataFrame) -> Text:
    """Of long_run.csv: what each method reads at its end, and how far below its own best that is."""
    parts = []
    for method, part in table.groupby("method", sort=False):
        of_sets = []
        for name in BOTH:
            best = part.loc[part[name].idxmax()]
            end = part[name].iloc[-1]
            of_sets.append(
                f"{end:.1f} % of {title_of(name)} ({best[name] - end:.1f} points below the highest, after "
                f"{best.images:,.0f} images)"
            )
        parts.append(f"- **{method}** ends at {' and '.join(of_sets)}")
    return Text("\n".join(parts))


def _tables(records: Sequence[dict]) -> dict[str, list[dict]]:
    """Records tested on both, by table and batch."""
    groups: dict[str, list[dict]] = {}
    for record in _tested_on_both(records):
        config = record["config"]
        name = f"Table {config['table'].removeprefix('table')}, `{config['batch']}` batches"
        groups.setdefault(name, []).append(record)
    return dict(sorted(groups.items()))


def _tested_on_both(records: Sequence[dict]) -> list[dict]:
    return [record for record in records if set(BOTH) <= record["evaluations"].keys()]


def treatments(records: Sequence[dict]) -> tuple[dict, str] | None:
    """Accuracies by treatment of the run that reads most, and a title; None if none was tested on 27."""
    known = [r for r in records if r["evaluations"].get("phd08-sim", {}).get("variants", 0) >= 27]
    if not known:
        return None
    best = max(known, key=lambda record: record["evaluations"]["phd08-sim"]["accuracy"])
    config = best["config"]
    title = f"What each treatment costs: {config['row']}, {config['images']:,} images, seed {best['seed']}"
    return best["evaluations"]["phd08-sim"]["by_variant"], title


def framings(records: Mapping[str, Sequence[dict]]) -> pd.DataFrame:
    """Accuracy of each framing's runs: mean, smallest and largest over seeds, in percent.

    Args:
        records: framing -> its records. Test sets that some of them lack are left out.
    """
    every = [record for of in records.values() for record in of]
    columns = {}
    for name in (*VALIDATION, *BOTH):
        if all(name in record["evaluations"] for record in every):
            columns[f"{title_of(name)}, %"] = [
                _mean_and_range([record["evaluations"][name]["accuracy"] for record in of])
                for of in records.values()
            ]
    return pd.DataFrame(columns, index=pd.Index(records, name="framing"))


def _mean_and_range(accuracies: list[float]) -> str:
    return f"{np.mean(accuracies):.1f} ({min(accuracies):.1f} to {max(accuracies):.1f})"


def framing_gap(records: Mapping[str, Sequence[dict]]) -> Text:
    """Which framing scans of the validation typefaces choose, seed by seed; `records` as in `framings`."""
    accuracy = {
        framing: np.array([record["evaluations"]["validation"]["accuracy"] for record in of])
        for framing, of in records.items()
    }
    gap = accuracy["square"] - accuracy["aspect"]
    ahead = "square" if gap.mean() > 0 else "aspect"
    return Text(
        f"Mean over {len(gap)} seeds (smallest to largest). On scans of the validation typefaces `{ahead}` "
        f"is ahead by {abs(gap.mean()):.1f} points (`square` minus `aspect` by seed: "
        f"{', '.join(f'{each:+.1f}' for each in gap)})."
    )
