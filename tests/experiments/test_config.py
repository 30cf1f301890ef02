import dataclasses
import json

import pytest

from siamese_lib.errors import InputError
from siamese_lib.experiments.config import RANGES, RunConfig, changed, make_config, run_id
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.tables import BATCHES, MININGS, TABLES


def test_rows_of_the_paper():
    assert TABLES["table3"].paper == {
        "random": 88.6,
        "auto-probabilistic": 90.6,
        "auto-clustering": 91.1,
        "auto-probabilistic+auto-clustering": 92.3,
    }
    both = make_config("table3", "auto-probabilistic+auto-clustering", "cpu")
    assert (both.positives, both.gamma, both.w, both.negatives, both.theta, both.eta) == (
        "auto-probabilistic",
        2.0,
        0.0,
        "auto-clustering",
        0.5,
        1000,
    )
    alone = make_config("table3", "auto-probabilistic", "cpu")
    assert (alone.gamma, alone.negatives, alone.loss, alone.alpha) == (1.0, "uniform", "metric", 10.0)
    assert make_config("table3", "contrastive/random").loss == "contrastive"


def test_profile_paper_is_the_papers_epoch():
    config = make_config("table3", "random", "paper")
    assert config.batch == "literal" and config.triplets == 10_240
    assert config.images == config.updates * 50 * 3 * 10_240  # an update an epoch, an epoch of 50 iterations


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_makes_a_config(profile):
    assert isinstance(make_config(profile=profile), RunConfig)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"table": "table9"}, "table='table9' is unknown; choose one of table2, table3, table4"),
        ({"row": "ranndom"}, "row='ranndom': choose one of random, "),
        ({"row": "foo/random"}, "row='foo/random'"),
        (
            {"row": "metric/random"},
            "row='metric/random': the metric loss is this table's own; write 'random'",
        ),
        (
            {"table": "table2", "row": "random"},
            "row='random': this table names the loss; "
            "choose one of metric/random, contrastive/random, triplet/random, prototype/random$",
        ),
        (
            {"table": "table2", "row": "metric/auto-clustering", "batch": "pooled-near"},
            "batch pooled-near takes its own negatives",
        ),
        (
            {"row": "prototype/random"},
            "the prototype loss meets all classes of a pool, which batch pooled has not; take batch "
            "pooled-hard or pooled-near",
        ),
        (
            {"row": "prototype/auto-clustering", "batch": "pooled-near"},
            "batch pooled-near takes its own negatives",
        ),
        ({"profile": "huge"}, "profile='huge' is unknown; choose one of smoke, quick"),
        ({"batch": "looped"}, "batch='looped' is unknown; choose one of literal, pooled"),
        ({"learning_rate": 1e-3}, "parameter='learning_rate' is unknown; choose one of .*rate"),
        ({"rate": "1e-4"}, "rate='1e-4' is a str; float wanted"),
        ({"images": 1.5}, "images=1.5 is a float; int wanted"),
        ({"pixelation": "(0.7, 0.9)"}, "pixelation=.* is a str"),
        (
            {"negatives": "hrad"},
            "negatives='hrad' is unknown; choose one of uniform, hard, distance, auto-clustering",
        ),
        (
            {"batch": "pooled-near", "negatives": "uniform"},
            "negatives='uniform' is unknown; choose one of nearest",
        ),
        ({"positives": "auto"}, "positives='auto' is unknown; choose one of uniform, auto-probabilistic"),
        ({"compiled": 1}, "compiled=1 is a int; bool wanted"),
        ({"images": 0}, "images=0: must be 1 or more"),
        ({"optimiser": "sgd"}, "optimiser='sgd' is unknown; choose one of soap, adam"),
        ({"scan_share": 1.5}, "scan_share=1.5: must be from 0 to 1"),
        ({"schedule": "steps"}, "schedule='steps' is unknown; choose one of one-cycle, constant"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(InputError, match=message):
        make_config(**arguments)


def test_run_id_depends_on_all_that_decides_the_numbers():
    config = make_config()
    identifier = run_id(config, 0, "cpu", {"train": "x"})
    others = [
        run_id(config, 1, "cpu", {"train": "x"}),
        run_id(config, 0, "cuda", {"train": "x"}),
        run_id(config, 0, "cpu", {"train": "y"}),
        run_id(dataclasses.replace(config, rate=0.1), 0, "cpu", {"train": "x"}),
    ]
    assert identifier not in others and len(set(others)) == 4


def test_batches_with_negatives_of_their_own():
    assert (
        TABLES["table3"].rows("pooled-hard")
        == TABLES["table4"].rows("pooled-near")
        == ["random", "auto-probabilistic"]
    )
    assert TABLES["table3"].rows("pooled") == [row for row in MININGS if row not in ("hard", "distance")]
    assert make_config("table3", "random", "quick", "pooled-near").negatives == "nearest"
    assert (
        make_config("table3", "contrastive/auto-probabilistic", "quick", "pooled-hard").negatives == "hardest"
    )
    with pytest.raises(
        InputError,
        match="batch pooled-hard takes its own negatives; choose one of random, auto-prob",
    ):
        make_config("table3", "auto-clustering", "quick", "pooled-hard")


def test_the_prototype_loss_runs_where_a_pool_is_all_negatives():
    config = make_config("table3", "prototype/auto-probabilistic", "quick", "pooled-near")
    assert (config.loss, config.negatives, config.alpha) == ("prototype", "nearest", 0.0)
    assert make_config("table4", "prototype/random", "best").loss == "prototype"


def test_table_4_has_a_network_for_each_split():
    assert set(TABLES["table4"].paper) == set(TABLES["table3"].paper)
    b, a = make_config("table4"), make_config("table4", protocol="alphabets")
    assert (b.protocol, b.num_classes, a.protocol, a.num_classes) == ("drawers", 1623, "alphabets", 964)
    assert (
        make_config("table4", profile="smoke", protocol="alphabets").num_classes == 40
        and make_config("table3").protocol == ""
    )
    with pytest.raises(InputError, match="protocol='halves' is unknown; choose one of drawers, alphabets"):
        make_config("table4", protocol="halves")
    with pytest.raises(InputError, match="protocol='drawers': table3 has no protocols"):
        make_config("table3", protocol="drawers")


def test_drawings_have_settings_of_their_own():
    assert make_config("table4").framing == "aspect" and make_config("table3").framing == "square"
    assert (make_config("table4").rate, make_config("table4").shift) == (1e-2, 0.04)
    assert make_config("table4", batch="pooled-near").pool_classes == 16
    assert make_config("table4", rate=0.5).rate == 0.5


def test_rows_of_table_2_name_their_loss():
    assert TABLES["table2"].paper == dict(
        zip(TABLES["table2"].rows("pooled"), (63.7, 64.5, 69.7, 76.1, 82.6), strict=True)
    )
    assert TABLES["table2"].rows("pooled") == [
        *(f"contrastive/{row}" for row in ("random", "hard", "distance", "auto-clustering")),
        "metric/random",
    ]
    hard, distance = (make_config("table2", f"contrastive/{row}") for row in ("hard", "distance"))
    assert (hard.negatives, hard.ratio, distance.negatives, distance.impostors) == ("hard", 8, "distance", 8)
    assert hard.loss == "contrastive" and hard.num_classes == 11172 and distance.rate == 1e-2
    rates = [make_config("table2", "contrastive/random", batch=batch).rate for batch in BATCHES]
    assert rates == [1e-2, 1e-2, 2e-2, 1e-2]
    assert make_config("table3", "contrastive/random").rate == 3e-3
    assert make_config("table2", "metric/hard", rate=0.5).rate == 0.5
    assert make_config("table2", "metric/random").row == "metric/random"
    assert make_config("table2", "metric/random", batch="pooled-near").impostors == 3


def test_profile_best_takes_what_validation_chose():
    hangul, drawings = make_config("table3", profile="best"), make_config("table4", profile="best")
    assert (hangul.batch, hangul.framing, hangul.images) == ("pooled-near", "square", 2_000_000)
    assert hangul.faces == make_config("table2", "prototype/random", "best").faces == "train-wide"
    assert drawings.faces == make_config("table3").faces == "train"
    prototype = make_config("table3", "prototype/random", "best")
    assert (prototype.rate, prototype.pool_classes, prototype.impostors) == (1e-2, 32, 3)
    assert hangul.scan_share == 0.5 and drawings.scan_share == make_config("table3").scan_share == 0
    assert (drawings.batch, drawings.framing, drawings.negatives) == ("pooled-near", "aspect", "nearest")
    assert (drawings.probability, drawings.shift, drawings.degrees, hangul.degrees) == (0.95, 0.08, 10.0, 5.0)
    assert (drawings.images, drawings.elastic, hangul.elastic) == (1_000_000, 0.04, 0.0)
    assert make_config("table3", profile="best", framing="aspect").framing == "aspect"


@pytest.mark.parametrize(
    "name, value, wanted",
    [
        ("validation_images", 0, "1 or more"),
        ("rate", 1e30, "from 1e-09 to 10"),
        ("rate", float("nan"), "from 1e-09 to 10"),
        ("rate", 0.0, "from 1e-09 to 10"),
        ("widening", -0.1, "from 0 to 1"),
        ("split_seed", -1, "from 0 to 9.22337e\\+18"),
        ("pool_samples", 1, "from 2 to 10000"),
        ("alpha", float("inf"), "0 or more"),
        ("w", 1.5, "from 0 to 1"),
        ("eta", -1, "0 or more"),
        ("num_classes", 1, "from 2 to 11172"),
        ("shift", 0.7, "from 0 to 0.49"),
        ("impostors", 0, "1 or more"),
        ("ratio", 0, "1 or more"),
        ("statistics_samples", 0, "1 to 1000000"),
        ("statistics_samples", 10**30, "1 to 1000000"),
        ("chunk", 10**12, "from 1 to 1e\\+06"),
        ("pool_classes", 10**9, "from 1 to 100000"),
        ("loss", "x", "has the metric loss; name another row"),
        ("loss", "triplet", "row 'random' has the metric loss; name another row"),
        ("pixelation", (0.9, 0.7), "smallest <= largest"),
    ],
)
def test_every_value_has_its_range(name, value, wanted):
    with pytest.raises(InputError, match=f"{name}=.*{wanted}"):
        make_config(**{name: value})


def test_every_number_of_a_configuration_has_a_range():
    numbers = {f.name for f in dataclasses.fields(RunConfig) if f.type in (int, float)}
    assert numbers == set(RANGES)


def test_changed_says_what_differs_from_the_row_as_it_is():
    plain = dataclasses.asdict(make_config("table3", "auto-clustering", "ablation"))
    assert changed(plain) == "" and changed(json.loads(json.dumps(plain))) == ""
    other = plain | {"theta": 0.25, "pixelation": [0.4, 0.9], "third": "raw"}
    assert changed(other) == "third=raw, theta=0.25, pixelation=(0.4, 0.9)"
    literal = dataclasses.asdict(make_config("table3", "auto-clustering", "ablation", "literal"))
    assert changed(literal) == ""
    alphabets = dataclasses.asdict(make_config("table4", "random", "quick", protocol="alphabets"))
    assert changed(alphabets) == ""
    del plain["third"]  # a record from before there was such a field
    assert changed(plain) == ""


def test_tables_have_their_own_seeds():
    assert PROFILES["cpu"].seeds_for("table3") == [0, 1, 2, 3, 4]
    assert PROFILES["cpu"].seeds_for("table2") == PROFILES["cpu"].seeds_for("table4") == [0, 1, 2]
    images = [make_config(table, row, "cpu").images for table in TABLES for row in TABLES[table].paper]
    assert images == 5 * [300_000] + 4 * [600_000] + 4 * [300_000]  # one budget a table
