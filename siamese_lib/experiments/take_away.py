"""A published run's network as a pretrained one."""

from pathlib import Path

import torch

from siamese_lib.data.hangul_classes import class_list
from siamese_lib.data.omniglot_splits import omniglot_split
from siamese_lib.errors import InputError
from siamese_lib.experiments.records import finished_run
from siamese_lib.pretrained import NAMES, save_pretrained

MEASURES = ("accuracy", "accuracy_interval", "top5", "images", "classes", "variants", "simulator")


def publish_network(identifier: str, name: str) -> Path:
    """Write the network of a finished run into results/pretrained/, with its card.

    Args:
        identifier: the run id, or an unambiguous beginning of it.
        name: of siamese_lib.pretrained.NAMES.

    Raises:
        InputError: no such run, another alphabet than the name says, or damaged files.
    """
    record, folder = finished_run(identifier)
    config = record["config"]
    if name not in NAMES or name != _name(config):
        raise InputError(
            f"run {record['id']} is of {config['num_classes']:,} classes "
            f"({config['protocol'] or 'Hangul'}); its pretrained name is {_name(config)}, not {name}"
        )
    try:
        stored = torch.load(folder / "model.pt", map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is cut short or not a model
        raise InputError(f"the network in {folder} cannot be read ({type(error).__name__})") from error
    card = {
        "record": record["id"],
        "row": config["row"],
        "batch": config["batch"],
        "profile": config["profile"],
        "seed": record["seed"],
        "loss": config["loss"],
        "framing": config["framing"],
        "images_seen": record["totals"]["images_seen"],
        "git": record["git"],
        "versions": record["versions"],
        "evaluations": {
            test: {key: value for key, value in result.items() if key in MEASURES}
            for test, result in record["evaluations"].items()
        },
        "classes": _classes(config),
    }
    return save_pretrained(name, stored["model"], stored["centroids"], card)


def _name(config: dict) -> str:
    if config["protocol"]:
        return "omniglot" if config["protocol"] == "drawers" else f"(none: {config['protocol']})"
    return f"hangul-{config['num_classes']}"


def _classes(config: dict) -> list[str]:
    if not config["protocol"]:
        return class_list(config["num_classes"])
    from siamese_lib.data.omniglot import load_omniglot

    bank = load_omniglot(framing=config["framing"])
    split = omniglot_split(config["protocol"], config["split_seed"], config["num_classes"], bank)
    return list(split.train.classes)
