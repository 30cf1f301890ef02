"""What the tests share: a folder of their own for runs, and real data and fonts that are there or are said to
be missing.

`SIAMESE_REQUIRE_DATA=1` and `SIAMESE_REQUIRE_FONTS=1` (set in CI) turn a skip for want of real data or of the
Debian faces into a failure.
"""

import os
import warnings

import pytest

from siamese_lib.files import private_folder

# before numba is imported: its default, beside the installed packages, may be read-only
os.environ.setdefault("NUMBA_CACHE_DIR", str(private_folder("numba")))


@pytest.fixture(scope="session", autouse=True)
def _surroundings(tmp_path_factory):
    """Runs go to a temporary folder; torch uses one thread: the tests are small, and two would wait for each
    other.

    Rendered glyphs stay in the user's cache: drawing them again is slow.
    """
    import torch

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMESE_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield


def _missing(what: str, require: str):
    """Skips, or fails where the environment variable `require` says that it must be there."""
    if os.environ.get(require) == "1":
        pytest.fail(f"{what}, and {require}=1", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def real_data():
    """`real_data(name)`: the folder of a real data set ("phd08", "omniglot"), or a skip that says which."""
    from siamese_lib.files import data_folder

    def find(name: str):
        folder = data_folder() / name
        if not folder.is_dir() or not any(folder.iterdir()):
            _missing(
                f"no {name} in {folder.parent} (SIAMESE_DATA names another folder)", "SIAMESE_REQUIRE_DATA"
            )
        return folder

    return find


@pytest.fixture(scope="session")
def phd08_folder(real_data):
    return real_data("phd08")


@pytest.fixture(scope="session")
def omniglot_folder(real_data):
    return real_data("omniglot")


@pytest.fixture(scope="session")
def debian_faces():
    """{split: found faces} of the Debian fonts, or a skip."""
    from siamese_lib.data.faces import SPLITS, find_faces
    from siamese_lib.errors import InputError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = {split: find_faces(split) for split in SPLITS}
    except InputError as error:
        _missing(f"no Hangul fonts: {error}", "SIAMESE_REQUIRE_FONTS")
    if any(face.fallback for faces in found.values() for face in faces):
        _missing("the Debian faces are not all installed (make fonts)", "SIAMESE_REQUIRE_FONTS")
    return found


@pytest.fixture
def without_training(monkeypatch, tmp_path):
    """Runs of all 2,350 classes whose training is left out, so that they take no time and no fonts; empty
    folders for runs and data.

    Returns a list of the configurations that training was asked for.
    """
    import dataclasses

    import numpy as np
    import pandas as pd
    import torch

    from siamese_lib.data.bank import ImageBank
    from siamese_lib.data.hangul_classes import class_list
    from siamese_lib.experiments import datasets
    from siamese_lib.experiments import run as run_module
    from siamese_lib.experiments.config import METHOD_VERSION

    bank = ImageBank(
        np.full((2350, 37, 37), 255, np.uint8),
        np.arange(2350),
        class_list(2350),
        pd.DataFrame({"face": ["a"] * 2350}),
    )
    data = datasets.TrainingData(bank, bank, {"fonts": {"fallback": False}})
    asked = []

    def train(config, seed, device, data, folder, progress, processes, report):
        asked.append(config)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(
            {"model": run_module.EmbeddingNet().state_dict(), "centroids": torch.rand(2350, 25)},
            folder / "model.pt",
        )
        np.savez(folder / "arrays.npz", spread=np.ones(2350))
        empty = {
            "config": dataclasses.asdict(config),
            "seed": seed,
            "manifest": data.manifest,
            "method_version": METHOD_VERSION,
            "device": {"type": "cpu"},
            "created": "2026-01-01T00:00:00+00:00",
            "history": [],
            "not_run": {},
        }
        validation = {"accuracy": 20.0, "classes": 2350, "images": 2350}
        totals = {"images_seen": 0, "seconds": 0.0}
        return empty | {"totals": totals, "evaluations": {"validation": validation}}

    monkeypatch.setattr(run_module, "data_of", lambda _: data)
    monkeypatch.setattr(run_module, "_train", train)
    for name in ("runs", "data"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"SIAMESE_{name.upper()}", str(tmp_path / name))
    return asked
