"""What is published of a table, as its notebook shows it first."""

from siamese_lib.experiments.records import published_records
from siamese_lib.plots.curves import accuracy_curves
from siamese_lib.report import claims, pages, summaries
from siamese_lib.report.tables import table_frame


def published(table: str) -> list:
    """What to display of a table's published runs with the most images; first of all where there is none.

    Returns:
        How many runs there are, their lines with intervals over seeds, the verdicts on the paper's orders,
        the curves, and the minutes that the published runs of each profile trained.
    """
    longest = summaries.longest(published_records(), table)
    if not longest:
        return [summaries.Text("No run of this table is published yet.")]
    verdicts = claims.sentences(claims.claims_frame(longest))
    lines = pages.shown(table_frame(longest, table)).drop(columns=["profile", "batch"])
    return [
        summaries.at_a_glance(longest),
        summaries.shown(lines),
        verdicts or summaries.Text("One seed a row: no order of the paper can be tested on these."),
        accuracy_curves(longest),
        summaries.training_time(summaries.published(table)),
    ]
