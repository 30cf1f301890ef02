"""What stands in results/ is what its records say, and the records say what the project promises."""

import json

import pandas as pd
import pytest

from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.records import NPZ_LIMIT, published_arrays, published_records
from siamese_lib.experiments.tables import TABLES
from siamese_lib.files import results_folder
from siamese_lib.report.figures import HANGUL, figure_hashes


def test_figures_are_drawn_from_the_published_records():
    records = published_records()
    stored = json.loads((results_folder() / "figures" / "figures.json").read_text(encoding="utf-8"))
    assert stored == figure_hashes(records, published_arrays(records))
    assert {path.stem for path in (results_folder() / "figures").glob("*.png")} == set(stored)


@pytest.mark.parametrize("profile", ["quick"])
@pytest.mark.parametrize("dataset", ["phd08-sim", "phd08"])
def test_table_3_has_its_four_rows(dataset, profile):
    table = pd.read_csv(
        results_folder() / "table3.csv",
        keep_default_na=False,
        na_values={"accuracy_ci95": "", "paper_accuracy": ""},
    )
    lines = table[(table.dataset == dataset) & (table.batch == "pooled") & (table.profile == profile)]
    assert lines.row.tolist() == list(TABLES["table3"].paper)
    assert (lines.seeds == len(PROFILES[profile].seeds_for("table3"))).all()
    assert (lines.classes == (2350 if dataset == "phd08-sim" else 3)).all()
    assert lines.paper_accuracy.notna().all() == (dataset == "phd08-sim")


def test_table_2_has_its_five_rows():
    table = pd.read_csv(
        results_folder() / "table2.csv", keep_default_na=False, na_values={"paper_accuracy": ""}
    )
    for dataset, classes in (("phd08-sim", 2350), ("phd08", 3)):  # of the test; the answer is one of 11,172
        lines = table[(table.dataset == dataset) & (table.batch == "pooled") & (table.profile == "quick")]
        assert (
            lines.row.tolist() == list(TABLES["table2"].paper)
            and (lines.classes == classes).all()
            and (lines.images_seen == 240_128).all()
        )
        assert lines.paper_accuracy.notna().all() == (dataset == "phd08-sim")


def test_table_4_has_its_four_rows_in_every_reading():
    table = pd.read_csv(
        results_folder() / "table4.csv", keep_default_na=False, na_values={"paper_accuracy": ""}
    )
    for protocol, classes, images in (
        ("drawers", 1623, 6492),
        ("alphabets", 382, 1528),
        ("verification", 382, 10_000),
        ("one-shot", 20, 400),
    ):
        lines = table[(table.protocol == protocol) & (table.batch == "pooled") & (table.profile == "quick")]
        assert lines.row.tolist() == list(TABLES["table4"].paper) and (lines.dataset == "omniglot").all(), (
            protocol
        )
        assert (
            (lines.classes == classes).all()
            and (lines.images == images).all()
            and (lines.images_seen == 240_128).all()
        )
        assert lines.paper_accuracy.notna().all() == (protocol in ("drawers", "verification"))


# Classes that a network of a table was trained on, and those that its validation images are of.
CLASSES = {
    ("table2", ""): (11172, 11172),
    ("table3", ""): (2350, 2350),
    ("table4", "drawers"): (1623, 1623),
    ("table4", "alphabets"): (964, 277),
}


COLLAPSED = ("table2", "metric/hard", "quick")  # published to show a collapse; see notebook 06


def test_published_rows_are_well_above_chance_on_their_validation_images_but_the_collapsed_one():
    for record in published_records():
        config, validation = record["config"], record["evaluations"]["validation"]
        if (config["table"], config["row"], config["profile"]) == COLLAPSED:
            assert record["history"][-1]["spread"] < 1e-3 and validation["accuracy"] < 0.1
            continue
        found = config["num_classes"], validation["classes"]
        least = (
            15 if config["table"] == "table3" else 100 * 100 / validation["classes"]
        )  # DESIGN's figure; elsewhere a hundred times chance
        assert (
            found == CLASSES[config["table"], config.get("protocol", "")] and validation["accuracy"] > least
        ), record["id"]


def test_drawers_and_alphabets_are_kept_apart():
    splits = [
        record["manifest"]["split"] for record in published_records() if record["config"]["table"] == "table4"
    ]
    assert {split["protocol"] for split in splits} == {"drawers", "alphabets"}
    for split in splits:
        parts = [
            set(part) for part in split["drawers" if split["protocol"] == "drawers" else "alphabets"].values()
        ]
        assert len(parts) == 3 and not parts[0] & parts[1] and not (parts[0] | parts[1]) & parts[2]
        assert sorted(map(len, parts)) == ([4, 4, 12] if split["protocol"] == "drawers" else [10, 10, 30])


def test_records_keep_faces_apart_and_small():
    for record in published_records():
        arrays = results_folder() / "runs" / f"{record['id']}.npz"
        assert not arrays.exists() or arrays.stat().st_size <= NPZ_LIMIT
        if record["config"]["table"] not in HANGUL:
            continue
        faces = record["manifest"]["fonts"]["faces"] | record["evaluations"]["phd08-sim"]["manifest"]["faces"]
        families = {split: {face["family"] for face in listed} for split, listed in faces.items()}
        trained = families.pop(record["config"].get("faces", "train"))
        assert set(families) == {"validation", "test"}
        assert not trained & families["validation"]
        assert not (trained | families["validation"]) & families["test"]
