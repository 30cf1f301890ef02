"""What the paper's figures say of its rows, pair by pair, and whether our runs bear it out."""

import itertools
from collections.abc import Iterable

import numpy as np
import pandas as pd

from siamese_lib.experiments.tables import TABLES, Row
from siamese_lib.experiments.test_sets import TEST_SETS
from siamese_lib.report.summaries import Text
from siamese_lib.report.tables import evaluations, half_width_95

COLUMNS = (
    "table lower higher batch dataset protocol profile seeds difference_mean difference_ci95 p "
    "paper_difference verdict"
).split()


def claims(table: str) -> list[tuple[str, str]]:
    """Pairs of rows (lower, higher) as the paper's figures order them; first those with the lowest row."""
    rows = sorted(TABLES[table].paper, key=TABLES[table].paper.get)
    return list(itertools.combinations(rows, 2))


def claims_frame(records: Iterable[dict]) -> pd.DataFrame:
    """Every claim on every test set beside which the paper's figures may stand.

    Two rows are compared by the seeds that both have; a claim with fewer than two is left out.

    Returns:
        COLUMNS. `difference_mean`: points by which `higher` is above `lower`, mean over seeds;
        `difference_ci95`: half-width of its 95 % t interval; `p`: of the paired
        t-test over seeds, two-sided, not corrected for the number of claims; `verdict`: `holds` where the
        interval lies above zero, `fails` where it lies below, else `undecided`.
    """
    records, lines = list(records), []
    for table, of_table in TABLES.items():
        found: dict[tuple, dict[str, dict[int, float]]] = {}
        for key, record, test in evaluations(records, table):
            row, batch, dataset, protocol, profile = key
            if test["classes"] == TEST_SETS[protocol or dataset].complete and row in of_table.paper:
                group = found.setdefault((batch, dataset, protocol, profile), {})
                group.setdefault(row, {})[record["seed"]] = test["accuracy"]
        for (batch, dataset, protocol, profile), rows in found.items():
            for lower, higher in claims(table):
                seeds = sorted(rows.get(lower, {}).keys() & rows.get(higher, {}).keys())
                if len(seeds) > 1:
                    differences = [rows[higher][seed] - rows[lower][seed] for seed in seeds]
                    values = table, lower, higher, batch, dataset, protocol, profile
                    paper = of_table.paper[higher] - of_table.paper[lower]
                    mean, half, p, verdict = paired_test(differences)
                    lines.append([*values, len(seeds), mean, half, p, paper, verdict])
    return pd.DataFrame(lines, columns=COLUMNS)


def paired_test(differences: list[float]) -> tuple[float, float, float, str]:
    """Differences seed by seed: mean, half-width of its 95 % t interval, p of the paired t-test, verdict."""
    from scipy import stats

    mean, half = float(np.mean(differences)), half_width_95(differences)
    p = float(stats.ttest_1samp(differences, 0).pvalue) if half else float(mean == 0)
    verdict = "holds" if mean - half > 0 else "fails" if mean + half < 0 else "undecided"
    return mean, half, p, verdict


def sentence(claim) -> str:
    """A line of claims_frame (a named tuple) in words."""
    lower, higher = (Row.parse(row).title for row in (claim.lower, claim.higher))
    return (
        f"**{lower} < {higher}** {claim.verdict}: {claim.difference_mean:+.1f} ± "
        f"{claim.difference_ci95:.1f} points over {claim.seeds} seeds (p = {claim.p:.2g}; the paper: "
        f"{claim.paper_difference:+.1f})."
    )


def sentences(frame: pd.DataFrame) -> Text:
    """All claims in words, a line each; of Omniglot with the test set."""
    several = frame.groupby(["dataset", "protocol"]).ngroups > 1
    parts = []
    for line in frame.itertuples():
        where = f"{TEST_SETS[line.protocol or line.dataset].title}, " if several else ""
        parts.append(f"- {where}`{line.profile}`: {sentence(line)}")
    return Text("\n".join(parts))


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The claims as text, for Markdown."""
    return pd.DataFrame(
        {
            "claim": [f"{line.lower} < {line.higher}" for line in frame.itertuples()],
            "test set": [line.protocol or line.dataset for line in frame.itertuples()],
            "profile": frame.profile,
            "batch": frame.batch,
            "seeds": frame.seeds.astype(str),
            "difference, points": [
                f"{line.difference_mean:+.1f} ± {line.difference_ci95:.1f}" for line in frame.itertuples()
            ],
            "p": frame.p.map("{:.2g}".format),
            "paper, points": frame.paper_difference.map("{:+.1f}".format),
            "verdict": frame.verdict,
        }
    )
