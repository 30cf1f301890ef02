"""What a run is: one flat block of parameters, checked, and the run id made of it."""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass

from siamese_lib.data.omniglot_splits import PROTOCOLS
from siamese_lib.errors import InputError
from siamese_lib.experiments.profiles import PROFILES, tuned
from siamese_lib.experiments.tables import BATCHES, LOSSES, MININGS, OWN_NEGATIVES, Row, choose, table_named
from siamese_lib.losses import THIRD_TERMS

METHOD_VERSION = 4  # raised whenever numbers may change: old runs are then not reused


MARGINS = {
    "metric": 10.0,
    "contrastive": 10.0,
    "triplet": 10.0,
    "prototype": 0.0,  # it has none
}  # the paper gives 10 for the metric loss only
CHOICES = {
    "loss": LOSSES,
    "positives": ("uniform", "auto-probabilistic"),
    "batch": BATCHES,
    "faces": ("train", "train-wide"),
    "third": THIRD_TERMS,
    "optimiser": ("soap", "adam"),
    "schedule": ("one-cycle", "constant"),
}
RANGES = {  # smallest and largest value; None where there is no bound but being finite
    "num_classes": (2, 11_172),
    "split_seed": (0, 2**63 - 1),
    "alpha": (0, None),
    "rho": (0, None),
    "tau": (0, None),
    "xi": (0, None),
    "gamma": (0, 16),
    "w": (0, 1),
    "theta": (0, 1),
    "eta": (0, None),
    "ratio": (1, None),
    "probability": (0, 1),
    "shift": (0, 0.49),
    "degrees": (0, 180),
    "scan_share": (0, 1),
    "elastic": (0, 0.24),
    "triplets": (1, 10_000_000),
    "pool_classes": (1, 100_000),
    "pool_samples": (2, 10_000),
    "widening": (0, 1),
    "impostors": (1, None),
    "chunk": (1, 1_000_000),
    "rate": (1e-9, 10),
    "images": (1, None),
    "updates": (1, None),
    "validation_images": (1, None),
}


@dataclass(frozen=True)
class RunConfig:
    """Every parameter of a run but its seed, device and data.

    Raises:
        InputError: a value outside its range (CHOICES, RANGES).
    """

    # what is run
    table: str
    row: str
    profile: str
    batch: str  # one of BATCHES
    # data
    num_classes: int = 2350
    framing: str = "square"  # or aspect; Omniglot: canvas too
    faces: str = "train"  # training typefaces of Hangul: train (8) or train-wide (37)
    protocol: str = ""  # Omniglot: drawers, alphabets (siamese_lib.data.omniglot_splits); empty: Hangul
    split_seed: int = 0  # which drawers train, validate and test
    # loss (Eq. 1, 2, 5, 6)
    loss: str = "metric"  # metric, contrastive, triplet; prototype (ours)
    alpha: float = 10.0
    rho: float = 0.1
    tau: float = 1.0
    xi: float = 1.0
    third: str = "plain"  # or squared, raw: readings of the third term (siamese_lib.losses.MetricLoss)
    # mining (Eq. 3, 4; Section 3.3)
    positives: str = "uniform"  # or auto-probabilistic
    gamma: float = 1.0
    w: float = 0.0
    # or auto-clustering, distance, hard; in pooled-hard: hardest, in pooled-near: nearest
    negatives: str = "uniform"
    theta: float = 0.5
    eta: int = 1000
    ratio: int = 8  # hard: of that many pairs (or triplets) the one of largest loss is kept
    # augmentation (Section 4.3)
    probability: float = 0.7
    shift: float = 0.12  # ours, chosen by benchmarks.rates
    degrees: float = 5.0
    pixelation: tuple[float, float] = (0.7, 0.9)
    scan_share: float = 0.0  # share of the images that are scanned as well (ours; augment.ScanAugmentation)
    elastic: float = 0.0  # how far images are bent, as a share of their width (ours; augment.Augmentation)
    # batches
    triplets: int = 256  # a step, in literal batches (pairs for the contrastive loss)
    pool_classes: int = 32  # half the classes of a pool; in pooled: classes with a negative class each
    pool_samples: int = 4  # images a class in pooled batches
    widening: float = 0.05  # by how much a step widens or narrows the search for hard negatives (ours)
    impostors: int = 3  # nearest classes that pooled-near draws from, and distance-based mining (8)
    chunk: int = 256  # images embedded at once
    # optimisation (ours: the paper names none)
    optimiser: str = "soap"  # or adam
    rate: float = 1e-2  # learning rate; profiles.TUNED has one for each loss and batch
    schedule: str = "one-cycle"  # or constant
    images: int = 600_000  # budget: images seen
    updates: int = 20  # statistics passes, sampler updates, checkpoints in a run
    gather: bool = False  # statistics of the steps' own embeddings; False: passes over clean images
    statistics_samples: int | None = 2  # images a class in such a pass; None = all; the last pass takes all
    compiled: bool = True
    # validation
    validation_images: int = 1_000  # drawn once, looked at after every update; all of them at the end

    def __post_init__(self) -> None:
        own = OWN_NEGATIVES.get(self.batch)
        negatives = (own,) if own else ("uniform", "hard", "distance", "auto-clustering")
        framings = ("aspect", "square", "canvas") if self.protocol else ("aspect", "square")
        for name, known in (CHOICES | {"negatives": negatives, "framing": framings}).items():
            choose(name, getattr(self, name), known)
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not (low <= value <= (math.inf if high is None else high)) or math.isinf(value):
                text = f"{low:g} or more" if high is None else f"from {low:g} to {high:g}"
                raise InputError(f"{name}={value!r}: must be {text}")
        low, high = self.pixelation
        if not 0 < low <= high <= 1:
            raise InputError(
                f"pixelation={self.pixelation!r}: smallest and largest factor, 0 < smallest <= largest <= 1"
            )
        if self.statistics_samples is not None and not 1 <= self.statistics_samples <= 1_000_000:
            raise InputError(f"statistics_samples={self.statistics_samples!r}: 1 to 1000000, or None for all")


def make_config(
    table: str = "table3", row: str = "random", profile: str = "quick", batch: str | None = None, **changes
) -> RunConfig:
    """The configuration of one row.

    Args:
        table: a key of TABLES.
        row: a key of MININGS, with `contrastive/` or `triplet/` in front for another loss than the metric
            one; in table2 always with the loss in front.
        profile: a key of PROFILES.
        batch: of BATCHES; default pooled, in profile `paper` literal, in `best` pooled-near.
        changes: any other field of RunConfig.

    Raises:
        InputError: an unknown table, row, profile, batch or field, or a value of the wrong type or outside
            its range; the message says what there is.
    """
    of_table, of_profile = table_named(table), PROFILES[choose("profile", profile, PROFILES)]
    parsed = of_table.row(row)
    values = {"table": table, "row": row, "profile": profile, "batch": "pooled", "loss": parsed.loss}
    values |= {"alpha": MARGINS[parsed.loss]} | of_table.settings
    if "protocol" in of_table.settings:
        values["num_classes"] = PROTOCOLS[
            choose("protocol", changes.get("protocol", values["protocol"]), PROTOCOLS)
        ]
    elif changes.get("protocol"):
        raise InputError(f"protocol={changes['protocol']!r}: {table} has no protocols, table4 has")
    values |= MININGS[parsed.mining] | of_profile.settings_for(table)
    if batch is not None:
        values["batch"] = choose("batch", batch, BATCHES)
    if values["batch"] not in OWN_NEGATIVES and not parsed.runs_with(values["batch"]):
        raise InputError(
            f"row={row!r}: the {parsed.loss} loss meets all classes of a pool, which batch "
            f"{values['batch']} has not; take batch {' or '.join(OWN_NEGATIVES)}"
        )
    if values["batch"] in OWN_NEGATIVES:
        if not parsed.runs_with(values["batch"]):
            free = [name for name in MININGS if Row.parse(name).runs_with(values["batch"])]
            raise InputError(
                f"row={row!r}: batch {values['batch']} takes its own negatives; "
                f"choose one of {', '.join(free)}"
            )
        values["negatives"] = OWN_NEGATIVES[values["batch"]]
    values = tuned(values) | values
    fields = {f.name: f for f in dataclasses.fields(RunConfig)}
    for name, value in changes.items():
        choose("parameter", name, fields)
        values[name] = typed(name, value, fields[name].type)
    if values["loss"] != parsed.loss:
        raise InputError(f"loss={values['loss']!r}: row {row!r} has the {parsed.loss} loss; name another row")
    return RunConfig(**values)


def typed(name: str, value: object, wanted: object) -> object:
    """`value` as the field's type; a string (papermill passes '1e-4' as one) is refused for a number, with
    the remedy.
    """
    if wanted is tuple[float, float] or wanted == tuple[float, float]:
        pair = isinstance(value, (list, tuple)) and len(value) == 2
        if pair and all(isinstance(v, (int, float)) for v in value):
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
        f"{name}={value!r} is a {type(value).__name__}; {kind} wanted "
        "(write 1e-4 as 0.0001 in papermill's -y)"
    )


def changed(config: dict) -> str:
    """How the configuration of a record differs from its row as it is: `theta=0.25`; empty for the row.

    The batch is a part of the row.
    """
    given = {name: config[name] for name in ("table", "row", "profile", "batch")}
    if config.get("protocol"):
        given["protocol"] = config["protocol"]
    parts = []
    for name, usual in dataclasses.asdict(make_config(**given)).items():
        value = config.get(name, usual)
        value = tuple(value) if isinstance(value, list) else value
        if value != usual:
            parts.append(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}")
    return ", ".join(parts)


def run_id(config: RunConfig, seed: int, device_type: str, manifest: dict) -> str:
    """First 16 hexadecimal digits of the SHA-256 of all that decides a run's numbers, METHOD_VERSION
    included.
    """
    return hash_of(METHOD_VERSION, dataclasses.asdict(config), seed, device_type, manifest)


def hash_of(method_version: int, config: dict, seed: int, device_type: str, manifest: dict) -> str:
    """The run id of these parts. `variants` was once a field; it belongs to an evaluation and stands as
    null.
    """
    parts = [method_version, config | {"variants": None}, seed, device_type, manifest]
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
