"""The published ablations as notebook 08 shows them."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from siamese_lib.experiments.ablations import ABLATIONS
from siamese_lib.experiments.config import changed
from siamese_lib.experiments.records import published_records
from siamese_lib.experiments.tables import Row
from siamese_lib.plots import ablation_figure
from siamese_lib.report.claims import paired_test
from siamese_lib.report.summaries import Text
from siamese_lib.report.tables import ablation_frame, evaluations


def title(name: str) -> str:
    """The heading of an ablation: its row and what it asks."""
    ablation = ABLATIONS[name]
    return f"{Row.parse(ablation.row).title}: {ablation.question}"


def by_chance() -> Text:
    """How far seeds alone move the rows of Table 3, in the published runs of profile `cpu`."""
    found: dict[str, list[float]] = {}
    for (row, batch, dataset, _, profile), _, test in evaluations(published_records(), "table3"):
        if (batch, dataset, profile) == ("pooled", "phd08-sim", "cpu"):
            found.setdefault(row, []).append(test["accuracy"])
    moved = [f"`{row}` {np.std(some, ddof=1):.1f}" for row, some in found.items() if len(some) > 1]
    return Text(f"Standard deviation over seeds, Table 3 in profile `cpu`: {', '.join(moved)} points.")


def lines(name: str) -> pd.DataFrame:
    """The row of an ablation as it is, then with each change, as far as they are published.

    Args:
        name: of experiments.ablations.ABLATIONS.

    Returns:
        Columns of ablation.csv on simulated scans; `gain`, the points above the row as it is, mean over the
        `paired` seeds that both have; `gain_ci95`, half-width of its 95 % t interval, and `p` of the paired
        t-test, NaN for one seed.
    """
    ablation = ABLATIONS[name]
    records = published_records(ablations=True)
    frame = ablation_frame(records)
    frame = frame[(frame.dataset == "phd08-sim") & (frame.row == ablation.row)]
    wanted = [(changed(vars(config)), config.batch) for config in ablation.configs()]
    found = [frame[(frame.changed == what) & (frame.batch == batch)] for what, batch in wanted]
    found = pd.concat(found, ignore_index=True)

    by_seed: dict[tuple, dict[int, float]] = {}
    for (row, batch, dataset, *_), record, test in evaluations(records, ablation.table):
        if (row, dataset) == (ablation.row, "phd08-sim"):
            by_seed.setdefault((changed(record["config"]), batch), {})[record["seed"]] = test["accuracy"]
    plain = by_seed.get(("", ablation.batch), {})
    gains = [_gain(plain, by_seed[line.changed, line.batch]) for line in found.itertuples()]
    columns = ["paired", "gain", "gain_ci95", "p"]
    found[columns] = pd.DataFrame(gains, found.index, columns, float)

    other = found.batch != ablation.batch
    found.loc[other, "changed"] = [
        ", ".join(filter(None, [f"batch={line.batch}", line.changed])) for line in found[other].itertuples()
    ]
    return found


def _gain(plain: dict[int, float], change: dict[int, float]) -> tuple[float, float, float, float]:
    """Number, mean, interval and p of the differences by seed: NaN what cannot be known."""
    differences = [change[seed] - plain[seed] for seed in sorted(plain.keys() & change.keys())]
    if len(differences) > 1:
        return len(differences), *paired_test(differences)[:3]
    return len(differences), differences[0] if differences else math.nan, math.nan, math.nan


def effects(found: pd.DataFrame) -> Text:
    """What each change adds to the row as it is, largest first."""
    changes = found[(found.changed != "") & found.gain.notna()].sort_values("gain", ascending=False)
    if changes.empty:
        return Text("Not run yet: see the command at the top.")
    parts = []
    for line in changes.itertuples():
        several = f" ± {line.gain_ci95:.1f}" if pd.notna(line.gain_ci95) else ""
        test = f" (p = {line.p:.2g})" if several else ""
        parts.append(f"`{line.changed}` {line.gain:+.1f}{several} points{test}")
    seeds = changes.paired.min()
    how = "1 seed" if seeds == 1 else f"{seeds:.0f} seeds, paired t-test"
    return Text(f"Beside the row as it is: {', '.join(parts)}; {how}.")


def shown(*names: str) -> list[Figure | Text]:
    """For each ablation its figure and what its changes add."""
    parts = []
    for name in names:
        found = lines(name)
        parts += [ablation_figure(found, title(name)), effects(found)]
    return parts
