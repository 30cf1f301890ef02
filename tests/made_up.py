"""Made-up records for tests of what is shown of records."""

import dataclasses

from siamese_lib.experiments.config import make_config


def evaluation(accuracy: float, classes: int = 2350, images: int = 100, **more) -> dict:
    """One evaluation as a record holds it; `more` adds to it."""
    test = {"accuracy": accuracy, "accuracy_interval": [accuracy - 2, accuracy + 2], "top5": accuracy + 20}
    return test | {"classes": classes, "images": images, "by_font": {}, "confusions": []} | more


def record(
    row: str = "random",
    seed: int = 0,
    accuracies: dict[str, float] | None = None,
    table: str = "table3",
    profile: str = "quick",
    batch: str = "pooled",
    seconds: float = 90.0,
    **config,
) -> dict:
    """A finished record.

    Args:
        row, seed, table, profile, batch: of the run.
        accuracies: test set -> accuracy in percent.
        seconds: of training.
        config: other fields of RunConfig.
    """
    made = dataclasses.asdict(make_config(table, row, profile, batch, **config))
    last = {"loss": 9.0, "d_ap": 2.0, "d_an": 20.0, "active": 0.25, "spread": 15.0, "class_spread": 1.5}
    return {
        "id": f"{table}-{row}-{profile}-{batch}-{made['protocol']}-{seed}",
        "config": made,
        "seed": seed,
        "device": {"type": "cpu", "name": "some CPU, 2 threads"},
        "method_version": 3,
        "manifest": {"fonts": {"fallback": False}},
        "history": [last | {"images": made["images"], "seconds": seconds, "accuracy": 37.3}],
        "totals": {"images_seen": made["images"], "seconds": seconds},
        "evaluations": {name: evaluation(value) for name, value in (accuracies or {}).items()},
        "not_run": {},
    }
