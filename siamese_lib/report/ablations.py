"""The published ablations as notebook 08 shows them."""

import pandas as pd

from siamese_lib.experiments.ablations import ABLATIONS
from siamese_lib.experiments.config import changed
from siamese_lib.experiments.records import published_records
from siamese_lib.experiments.tables import Row
from siamese_lib.report.summaries import Text
from siamese_lib.report.tables import ablation_frame


def title(name: str) -> str:
    """The heading of an ablation: its row and what it asks."""
    ablation = ABLATIONS[name]
    return f"{Row.parse(ablation.row).title}: {ablation.question}"


def lines(name: str) -> pd.DataFrame:
    """The row of an ablation as it is, then with each change, as far as they are published.

    Args:
        name: of experiments.ablations.ABLATIONS.

    Returns:
        Columns of ablation.csv on simulated scans, and `gain`, the points above the row as it is.
    """
    ablation = ABLATIONS[name]
    frame = ablation_frame(published_records(ablations=True))
    frame = frame[(frame.dataset == "phd08-sim") & (frame.row == ablation.row)]
    wanted = [(changed(vars(config)), config.batch) for config in ablation.configs()]
    found = [frame[(frame.changed == what) & (frame.batch == batch)] for what, batch in wanted]
    found = pd.concat(found, ignore_index=True)
    other = found.batch != ablation.batch
    plain = found[(found.changed == "") & ~other].accuracy_mean
    found["gain"] = found.accuracy_mean - (plain.iloc[0] if len(plain) else float("nan"))
    found.loc[other, "changed"] = [
        ", ".join(filter(None, [f"batch={line.batch}", line.changed])) for line in found[other].itertuples()
    ]
    return found


def effects(found: pd.DataFrame) -> Text:
    """What each change adds to the row as it is, largest first."""
    changes = found[found.changed != ""].sort_values("gain", ascending=False)
    if changes.empty or changes.gain.isna().all():
        return Text("Not run yet: see the command at the top.")
    parts = [f"`{line.changed}` {line.gain:+.1f} points" for line in changes.itertuples()]
    seeds = f"{found.seeds.min()} seed" + ("s" if found.seeds.min() > 1 else "")
    return Text(f"Beside the row as it is: {', '.join(parts)} ({seeds}).")
