"""What a row is and what a table is: losses, ways of mining, batches, and the paper's numbers."""

from dataclasses import dataclass

from siamese_lib.data.omniglot_splits import PROTOCOLS
from siamese_lib.errors import InputError

LOSSES = ("metric", "contrastive", "triplet", "prototype")  # the last one is ours
# How the classes of a row are mined (Section 6), as fields of RunConfig. gamma as the paper's best: 1 alone,
# 2 with clustering.
MININGS = {
    "random": {},
    "hard": {"negatives": "hard"},
    "distance": {"negatives": "distance", "impostors": 8},
    "auto-clustering": {"negatives": "auto-clustering"},
    "auto-probabilistic": {"positives": "auto-probabilistic", "gamma": 1.0},
    "auto-probabilistic+auto-clustering": {
        "positives": "auto-probabilistic",
        "gamma": 2.0,
        "negatives": "auto-clustering",
    },
}
BATCHES = ("literal", "pooled", "pooled-hard", "pooled-near")
# Batches that choose their own negatives, and what RunConfig.negatives then says; they exclude rows with a
# negative sampler.
OWN_NEGATIVES = {"pooled-hard": "hardest", "pooled-near": "nearest"}


@dataclass(frozen=True)
class Row:
    """One line of a table: a loss (of LOSSES) and a way of mining (a key of MININGS).

    `named` says whether the row's name has the loss in front: `contrastive/random`; without one the loss is
    the metric loss.
    """

    loss: str
    mining: str
    named: bool = False

    @classmethod
    def parse(cls, name: str) -> "Row":
        """`random`, `contrastive/auto-clustering`, `metric/random` ...

        Raises:
            InputError: not a row; the message says what is.
        """
        loss, slash, mining = name.rpartition("/") if isinstance(name, str) else ("", "", "")
        if mining not in MININGS or (slash and loss not in LOSSES):
            raise InputError(
                f"row={name!r}: choose one of {', '.join(MININGS)}, "
                f"or a loss in front of one: {', '.join(f'{loss}/' for loss in LOSSES)}"
            )
        return cls(loss or "metric", mining, bool(slash))

    @property
    def title(self) -> str:
        """As figures and sentences write it: `contrastive, auto-probabilistic + auto-clustering`."""
        mining = self.mining.replace("+", " + ")
        return f"{self.loss}, {mining}" if self.named else mining

    @property
    def sort_key(self) -> tuple[str, int]:
        """In the order of MININGS; rows that name a loss come after the others, loss by loss."""
        return self.loss if self.named else "", list(MININGS).index(self.mining)

    def runs_with(self, batch: str) -> bool:
        """Whether the row can be run with a batch: one that chooses the negatives itself excludes a negative
        sampler, and the prototype loss needs one: it has no sampled negatives.
        """
        if batch in OWN_NEGATIVES:
            return "negatives" not in MININGS[self.mining]
        return self.loss != "prototype"


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        title: what it asks, for headings.
        settings: fields of RunConfig that all its rows share.
        paper: the paper's accuracies in percent, by row.
        names_loss: whether its rows always name the loss.
        protocols: networks that its test sets need, one a split of Omniglot; ("",) for Hangul.
    """

    title: str
    settings: dict
    paper: dict[str, float]
    names_loss: bool = False
    protocols: tuple[str, ...] = ("",)

    def rows(self, batch: str = "pooled") -> list[str]:
        """The paper's rows that can be run with a batch: where it chooses the negatives itself, those without
        a negative sampler.
        """
        return [name for name in self.paper if Row.parse(name).runs_with(batch)]

    def row(self, name: str) -> Row:
        """A row of this table by its name; any loss with any mining is one.

        Raises:
            InputError: the name is not a row, or has no loss in front where the table wants one, or `metric/`
                where it does not.
        """
        row = Row.parse(name)
        if row.named and row.loss == "metric" and not self.names_loss:
            raise InputError(f"row={name!r}: the metric loss is this table's own; write {row.mining!r}")
        if self.names_loss and not row.named:
            raise InputError(
                f"row={name!r}: this table names the loss; "
                f"choose one of {', '.join(f'{loss}/{name}' for loss in LOSSES)}"
            )
        return row


TABLES = {
    "table2": Table(
        "2: the alphabet of 11,172 syllables",
        {"num_classes": 11172},
        {
            "contrastive/random": 63.7,
            "contrastive/hard": 64.5,
            "contrastive/distance": 69.7,
            "contrastive/auto-clustering": 76.1,
            "metric/random": 82.6,
        },
        names_loss=True,
    ),
    "table3": Table(
        "3: the alphabet of 2,350 syllables",
        {"num_classes": 2350},
        {
            "random": 88.6,
            "auto-clustering": 91.1,
            "auto-probabilistic": 90.6,
            "auto-probabilistic+auto-clustering": 92.3,
        },
    ),
    "table4": Table(
        "4: Omniglot",
        {"protocol": "drawers", "framing": "aspect"},
        {
            "random": 91.25,
            "auto-clustering": 91.6,
            "auto-probabilistic": 92.32,
            "auto-probabilistic+auto-clustering": 93.17,
        },
        protocols=tuple(PROTOCOLS),
    ),
}


def table_named(name: str) -> Table:
    """A table of TABLES.

    Raises:
        InputError: there is no such table.
    """
    return TABLES[choose("table", name, TABLES)]


def choose(what: str, value: object, known) -> object:
    """`value`, if it is among the known ones.

    Raises:
        InputError: it is not; the message lists them.
    """
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{what}={value!r} is unknown; choose one of {', '.join(known)}")
    return value
