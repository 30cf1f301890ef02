"""What a run is: one flat block of parameters, the rows of the tables, the profiles."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from siamese_lib.data.omniglot_splits import PROTOCOLS
from siamese_lib.errors import InputError

METHOD_VERSION = 3  # raised whenever numbers may change: old runs are then not reused


@dataclass(frozen=True)
class RunConfig:
    """Every parameter of a run but its seed, device and data."""

    # what is run
    table: str
    row: str
    profile: str
    batch: str  # one of BATCHES
    # data
    num_classes: int = 2350
    framing: str = "aspect"  # or square; Omniglot: canvas too
    protocol: str = ""  # Omniglot: drawers, alphabets (siamese_lib.data.omniglot_splits); empty: Hangul
    split_seed: int = 0  # which drawers train, validate and test
    # loss (Eq. 1, 2, 5, 6)
    loss: str = "metric"  # metric, contrastive, triplet
    alpha: float = 10.0
    rho: float = 0.1
    tau: float = 1.0
    xi: float = 1.0
    # mining (Eq. 3, 4; Section 3.3)
    positives: str = "uniform"  # or auto-probabilistic
    gamma: float = 1.0
    w: float = 0.0
    negatives: str = (
        "uniform"  # or auto-clustering, distance, hard; pooled-hard: hardest; pooled-near: nearest
    )
    theta: float = 0.5
    eta: int = 1000
    ratio: int = 8  # hard: of that many pairs (or triplets) the one of largest loss is kept
    # augmentation (Section 4.3)
    probability: float = 0.7
    shift: float = 0.08
    degrees: float = 5.0
    pixelation: tuple[float, float] = (0.7, 0.9)
    # batches
    triplets: int = 256  # a step, in literal batches (pairs for the contrastive loss)
    pool_classes: int = 32  # positive classes a step in pooled batches; as many negative ones beside them
    pool_samples: int = 4  # images a class in pooled batches
    widening: float = (
        0.05  # by how much a step widens or narrows the search for hard negatives (pooled-hard, pooled-near)
    )
    impostors: int = 3  # nearest classes that pooled-near draws from, and distance-based mining (8)
    chunk: int = 256  # images embedded at once
    # optimisation (ours: the paper names none)
    rate: float = 3e-3  # Adam; TUNED has one for each loss and batch
    schedule: str = "one-cycle"  # or constant
    images: int = 600_000  # budget: images seen
    updates: int = 20  # statistics passes, sampler updates, checkpoints in a run
    gather: bool = True  # class statistics of the training steps' own embeddings; False: of clean images, in passes of their own
    statistics_samples: int | None = 4  # images a class in such a pass; None = all; the last pass takes all
    compiled: bool = True
    # evaluation
    validation_images: int = 1_000  # of the validation faces, at every update; all at the end
    variants: int = 9  # PHD08 variants a font of the simulated test set


# Section 6: how the classes of a row are mined. gamma as the paper's best: 1 alone, 2 with clustering.
ROWS = {
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
LOSSES = ("metric", "contrastive", "triplet")
MARGINS = {
    "metric": 10.0,
    "contrastive": 10.0,
    "triplet": 10.0,
}  # the paper gives 10 for the metric loss only
BATCHES = ("literal", "pooled", "pooled-hard", "pooled-near")
# Adam's rate and, for hard pools, half the number of classes; chosen on validation faces with seed 10 (python -m benchmarks.rates).
TUNED = {
    ("metric", "literal"): {"rate": 1e-2},
    ("metric", "pooled"): {"rate": 2e-2},
    ("metric", "pooled-hard"): {"rate": 1e-2, "pool_classes": 32},
    ("metric", "pooled-near"): {"rate": 6e-3, "pool_classes": 16},
    ("contrastive", "literal"): {"rate": 3e-3},
    ("contrastive", "pooled"): {"rate": 3e-3},
    ("contrastive", "pooled-hard"): {"rate": 2e-2, "pool_classes": 32},
    ("contrastive", "pooled-near"): {"rate": 1e-2, "pool_classes": 32},
    ("triplet", "literal"): {"rate": 1e-2},
    ("triplet", "pooled"): {"rate": 2e-2},
    ("triplet", "pooled-hard"): {"rate": 1e-2, "pool_classes": 32},
    ("triplet", "pooled-near"): {"rate": 2e-2, "pool_classes": 32},
}
TUNED_OMNIGLOT = {  # in place of those for drawings; chosen on validation drawers (python -m benchmarks.rates omniglot)
    ("metric", "literal"): {"rate": 1e-2},
    ("metric", "pooled"): {"rate": 1e-2},
    ("metric", "pooled-hard"): {"rate": 6e-3},
    ("metric", "pooled-near"): {"rate": 6e-3},
}
TUNED_FULL = {
    ("contrastive", "pooled"): {"rate": 6e-3}
}  # likewise for Table 2; the others are confirmed (python -m benchmarks.rates full)
TUNED_HARD = {  # in place of these for hard mining, which learns from an eighth of its pairs; from the same
    ("metric", "pooled"): {"rate": 3e-3},
    ("contrastive", "pooled"): {"rate": 6e-3},
    ("triplet", "pooled"): {"rate": 1e-3},
}
IN_PLACE = {
    "pooled-hard": "hardest",
    "pooled-near": "nearest",
}  # negatives that these batches take in place of drawn ones
# What is run for each table and what the paper reports of it, in percent.
TABLES = {
    "table2": {"num_classes": 11172},
    "table3": {"num_classes": 2350},
    "table4": {"protocol": "drawers", "framing": "aspect"},
}
PREFIXED = ("table2",)  # tables whose rows always name the loss
PAPER = {
    "table2": {
        "contrastive/random": 63.7,
        "contrastive/hard": 64.5,
        "contrastive/distance": 69.7,
        "contrastive/auto-clustering": 76.1,
        "metric/random": 82.6,
    },
    "table3": {
        "random": 88.6,
        "auto-clustering": 91.1,
        "auto-probabilistic": 90.6,
        "auto-probabilistic+auto-clustering": 92.3,
    },
    "table4": {
        "random": 91.25,
        "auto-clustering": 91.6,
        "auto-probabilistic": 92.32,
        "auto-probabilistic+auto-clustering": 93.17,
    },
}
PROFILES = {
    "smoke": dict(
        num_classes=40,
        images=4_096,
        updates=4,
        pool_classes=8,
        triplets=32,
        chunk=96,
        eta=20,
        compiled=False,
        validation_images=80,
        variants=1,
    ),
    "quick": dict(images=160_000, variants=3),
    "cpu": dict(images=600_000, variants=27),
    "best": dict(batch="pooled-near", images=2_000_000, variants=27),  # ten minutes on 2 cores
    "paper": dict(
        batch="literal",
        triplets=10_240,
        images=50 * 3 * 10_240 * 40,
        updates=40,
        gather=False,
        statistics_samples=None,
        chunk=3 * 10_240,
        variants=243,
    ),
}
BEST = {  # what validation images chose (notebook 04, benchmarks.drawers)
    "table2": {"framing": "square"},
    "table3": {"framing": "square"},
    "table4": {"probability": 0.5, "shift": 0.04, "degrees": 3.0},
}
SEEDS = {"smoke": 1, "quick": 1, "cpu": 3, "best": 1, "paper": 3}  # how many, from 0


def rows_of(table: str, batch: str) -> list[str]:
    """The paper's rows of a table that can be run with a batch: where it brings its own negatives, those without a negative sampler."""
    return [
        row
        for row in PAPER[table]
        if batch not in IN_PLACE or "negatives" not in ROWS[row.rpartition("/")[2]]
    ]


def make_config(
    table: str = "table3", row: str = "random", profile: str = "quick", batch: str | None = None, **changes
) -> RunConfig:
    """The configuration of one row.

    Args:
        table: a key of TABLES.
        row: a key of ROWS, with `contrastive/` or `triplet/` in front for another loss than the metric one; in table2 always with the loss in front.
        profile: a key of PROFILES.
        batch: of BATCHES; default pooled, in profile `paper` literal, in `best` pooled-near.
        changes: any other field of RunConfig.

    Raises:
        InputError: an unknown table, row, profile, batch or field, or a value of the wrong type; the message lists what there is.
    """
    _choose("table", table, TABLES)
    _choose("profile", profile, PROFILES)
    prefix, _, mining = row.rpartition("/")
    named = table in PREFIXED
    if prefix not in (LOSSES if named else ("", *LOSSES[1:])) or mining not in ROWS:
        front = (
            "metric/, contrastive/ or triplet/ in front"
            if named
            else "contrastive/ or triplet/ in front for another loss"
        )
        raise InputError(f"row={row!r}: choose one of {', '.join(ROWS)}, with {front}")
    loss = prefix or "metric"
    values = {
        "table": table,
        "row": row,
        "profile": profile,
        "batch": "pooled",
        **TABLES[table],
        "loss": loss,
        "alpha": MARGINS[loss],
    }
    if "protocol" in TABLES[table]:
        values["num_classes"] = PROTOCOLS[
            _choose("protocol", changes.get("protocol", TABLES[table]["protocol"]), PROTOCOLS)
        ]
    elif changes.get("protocol"):
        raise InputError(f"protocol={changes['protocol']!r}: {table} has no protocols, table4 has")
    values |= ROWS[mining] | PROFILES[profile] | (BEST[table] if profile == "best" else {})
    if batch is not None:
        values["batch"] = _choose("batch", batch, BATCHES)
    if values["batch"] in IN_PLACE:
        if "negatives" in ROWS[mining]:
            free = [name for name, of in ROWS.items() if "negatives" not in of]
            raise InputError(
                f"row={row!r}: batch {batch} takes its own negatives; choose one of {', '.join(free)}"
            )
        values["negatives"] = IN_PLACE[values["batch"]]
    which = loss, values["batch"]
    of_data = TUNED_OMNIGLOT if values.get("protocol") else TUNED_FULL if table == "table2" else {}
    values = (
        TUNED[which]
        | of_data.get(which, {})
        | (TUNED_HARD.get(which, {}) if mining == "hard" else {})
        | values
    )
    fields = {f.name: f for f in dataclasses.fields(RunConfig)}
    for name, value in changes.items():
        _choose("parameter", name, fields)
        values[name] = _typed(name, value, fields[name].type)
    config = RunConfig(**values)
    own = IN_PLACE.get(config.batch)
    _choose(
        "negatives", config.negatives, (own,) if own else ("uniform", "hard", "distance", "auto-clustering")
    )
    _choose("positives", config.positives, ("uniform", "auto-probabilistic"))
    framings = ("aspect", "square", "canvas") if config.protocol else ("aspect", "square")
    if (
        config.batch not in BATCHES
        or config.schedule not in ("one-cycle", "constant")
        or config.framing not in framings
    ):
        raise InputError(
            f"batch={config.batch!r}, schedule={config.schedule!r}, framing={config.framing!r}: one of them is unknown; see RunConfig"
        )
    if (
        min(
            config.images,
            config.updates,
            config.chunk,
            config.triplets,
            config.pool_classes,
            config.num_classes - 1,
        )
        < 1
        or config.rate <= 0
    ):
        raise InputError(
            "images, updates, chunk, triplets, pool_classes and rate must be positive, num_classes at least 2"
        )
    return config


def _choose(what: str, value: object, known) -> object:
    if value not in known:
        raise InputError(f"{what}={value!r} is unknown; choose one of {', '.join(known)}")
    return value


def _typed(name: str, value: object, wanted: object) -> object:
    """`value` as the field's type; a string (papermill passes '1e-4' as one) is refused for a number, with the remedy."""
    if wanted is tuple[float, float] or wanted == tuple[float, float]:
        if (
            isinstance(value, (list, tuple))
            and len(value) == 2
            and all(isinstance(v, (int, float)) for v in value)
        ):
            return tuple(float(v) for v in value)
    elif wanted is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif wanted is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    elif wanted == int | None and (value is None or (isinstance(value, int) and not isinstance(value, bool))):
        return value
    elif wanted in (bool, str) and type(value) is wanted:
        return value
    kind = getattr(wanted, "__name__", None) if wanted in (int, float, str, bool) else wanted
    raise InputError(
        f"{name}={value!r} is a {type(value).__name__}; {kind} wanted (write 1e-4 as 0.0001 in papermill's -y)"
    )


def run_id(config: RunConfig, seed: int, device_type: str, manifest: dict) -> str:
    """First 16 hexadecimal digits of the SHA-256 of all that decides a run's numbers, METHOD_VERSION included."""
    parts = dataclasses.asdict(config) | {
        "variants": None
    }  # evaluation is added to a run, it does not make another
    text = json.dumps([METHOD_VERSION, parts, seed, device_type, manifest], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
