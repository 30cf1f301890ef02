"""What stands in results/ is what its records say, and the records say what the project promises."""

import json

import pandas as pd
import pytest

from siamese_lib.config import ROWS, SEEDS
from siamese_lib.paths import results_folder
from siamese_lib.plots import figure_hashes
from siamese_lib.records import NPZ_LIMIT, published_arrays, published_records


def test_figures_are_drawn_from_the_published_records():
    records = published_records()
    stored = json.loads((results_folder() / "figures" / "figures.json").read_text(encoding="utf-8"))
    assert stored == figure_hashes(records, published_arrays(records))
    assert {path.stem for path in (results_folder() / "figures").glob("*.png")} == set(stored)


@pytest.mark.parametrize("profile", ["quick", "cpu"])
@pytest.mark.parametrize("dataset", ["phd08-sim", "phd08"])
def test_table_3_has_its_four_rows(dataset, profile):
    table = pd.read_csv(results_folder() / "table3.csv", keep_default_na=False, na_values={"accuracy_ci95": "", "paper_accuracy": ""})
    lines = table[(table.dataset == dataset) & (table.batch == "pooled") & (table.profile == profile)]
    assert lines.row.tolist() == list(ROWS) and (lines.seeds == SEEDS[profile]).all()
    assert (lines.classes == (2350 if dataset == "phd08-sim" else 3)).all()
    assert lines.paper_accuracy.notna().all() == (dataset == "phd08-sim")


def test_every_published_row_is_well_above_chance_on_validation_faces():
    for record in published_records():
        validation = record["evaluations"]["validation"]
        assert validation["classes"] == record["config"]["num_classes"] == 2350 and validation["accuracy"] > 15, record["id"]


def test_records_keep_faces_apart_and_small():
    for record in published_records():
        faces = record["manifest"]["fonts"]["faces"] | record["evaluations"]["phd08-sim"]["manifest"]["faces"]
        families = {split: {face["family"] for face in listed} for split, listed in faces.items()}
        assert set(families) == {"train", "validation", "test"}
        assert not families["train"] & families["validation"] and not (families["train"] | families["validation"]) & families["test"]
        arrays = results_folder() / "runs" / f"{record['id']}.npz"
        assert not arrays.exists() or arrays.stat().st_size <= NPZ_LIMIT
