"""Ablations: rows of a table with one reading or parameter changed, in profile `ablation`."""

from dataclasses import dataclass

from siamese_lib.experiments.config import RunConfig, make_config

BOTH = "auto-probabilistic+auto-clustering"


@dataclass(frozen=True)
class Ablation:
    """What is changed, one change a run; the row as it is belongs to it as well.

    Attributes:
        question: what it asks.
        row, table, batch: of make_config.
        changes: fields of RunConfig.
    """

    question: str
    row: str
    changes: tuple[dict, ...]
    table: str = "table3"
    batch: str = "pooled"

    def configs(self) -> list[RunConfig]:
        """The row as it is, then with each change."""
        return [
            make_config(self.table, self.row, "ablation", changes.get("batch", self.batch), **_rest(changes))
            for changes in ({}, *self.changes)
        ]


def _rest(changes: dict) -> dict:
    return {name: value for name, value in changes.items() if name != "batch"}


ADAM = {"optimiser": "adam", "rate": 1e-2}  # the best rate of results/benchmarks/rates.csv
ABLATIONS = {
    "gamma": Ablation(
        "how strongly scattered classes are preferred", "auto-probabilistic", ({"gamma": 0.5}, {"gamma": 2.0})
    ),
    "w": Ablation("how long probabilities are remembered", "auto-probabilistic", ({"w": 0.3}, {"w": 0.6})),
    "theta": Ablation(
        "how often the negative is of the same cluster",
        "auto-clustering",
        ({"theta": 0.25}, {"theta": 0.75}, {"theta": 1.0}),
    ),
    "eta": Ablation("how many near pairs make clusters", "auto-clustering", ({"eta": 250}, {"eta": 4000})),
    "eta-11172": Ablation(
        "eta grown with the classes: 1,000 times 11,172 / 2,350",
        "contrastive/auto-clustering",
        ({"eta": 4754},),
        table="table2",
    ),
    "gamma-theta": Ablation(
        "gamma and theta together",
        BOTH,
        tuple(
            {"gamma": gamma, "theta": theta}
            for gamma in (0.5, 1.0, 2.0)
            for theta in (0.25, 0.5, 1.0)
            if (gamma, theta) != (2.0, 0.5)
        ),
    ),
    "loss": Ablation(
        "terms of the loss, and readings of the third one",
        "auto-clustering",
        (
            {"xi": 0.0},
            {"rho": 0.0},
            {"xi": 0.0, "rho": 0.0},
            {"xi": 1 / 3},
            {"third": "squared"},
            {"third": "raw"},
        ),
    ),
    "updates": Ablation(
        "how often statistics are taken and samplers updated", BOTH, ({"updates": 5}, {"updates": 100})
    ),
    "optimiser": Ablation("SOAP against Adam", "auto-clustering", (ADAM,)),
    "optimiser-random": Ablation("SOAP against Adam", "random", (ADAM,)),
    "framing": Ablation("glyphs stretched, or proportions kept", "auto-clustering", ({"framing": "aspect"},)),
    "augmentation": Ablation(
        "other augmentation: scan-like, lower resolution, weaker shift",
        "auto-clustering",
        ({"scan_share": 0.5}, {"pixelation": (0.4, 0.9)}, {"shift": 0.04}),
    ),
    "literal": Ablation(
        "pooled batches against literal ones at equal images", "auto-clustering", ({"batch": "literal"},)
    ),
    "literal-triplets": Ablation(  # a pool has six triplets an image, a literal batch a third of one
        "the same at equal triplets", "auto-clustering", ({"batch": "literal", "images": 18 * 240_000},)
    ),
}
