"""Records as far as tables need them, without any training."""

from siamese_lib.experiments.config import make_config


def record(row="random", seed=0, accuracy=50.0, classes=2350, **changes) -> dict:
    test = {
        "accuracy": accuracy,
        "top5": 80.0,
        "classes": classes,
        "images": 100,
        "fonts": 9,
        "variants": 3,
        "manifest": {},
    }
    test["by_font"] = {
        "S": {"accuracy": accuracy, "images": 60},
        "G": {"accuracy": accuracy + 1, "images": 40},
    }
    config = make_config("table3", row, "quick", **changes).__dict__
    return {
        "id": f"{row}-{seed}",
        "config": config,
        "seed": seed,
        "manifest": {"fonts": {"fallback": False}},
        "method_version": 1,
        "device": {"type": "cpu"},
        "created": f"2026-01-0{seed + 1}",
        "totals": {"images_seen": 120_064, "seconds": 90.0},
        "evaluations": {"phd08-sim": test},
    }


def omniglot(row="random", seed=0, **evaluations) -> dict:
    tests = (
        {"drawers": {"accuracy": 60.0, "top5": 80.0, "classes": 1623, "images": 6492}}
        if not evaluations
        else evaluations
    )
    config = make_config(
        "table4", row, "quick", protocol="drawers" if "drawers" in tests else "alphabets"
    ).__dict__
    return record(row, seed) | {
        "config": config,
        "manifest": {"split": {}},
        "evaluations": {"validation": {"accuracy": 1.0}} | tests,
    }


def hangul_11172(row, seed=0, accuracy=50.0) -> dict:
    return record("random", seed, accuracy) | {"config": make_config("table2", row, "quick").__dict__}
