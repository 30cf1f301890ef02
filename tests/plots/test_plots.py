"""Figures of made-up records: no glyph is missing; published data has the fingerprints it should have."""

import dataclasses
import io
import json
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from siamese_lib import plots
from siamese_lib.data.bank import ImageBank
from siamese_lib.data.hangul_classes import class_list
from siamese_lib.errors import InputError
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.records import save_arrays
from siamese_lib.experiments.tables import MININGS
from siamese_lib.plots import glyphs, maps, style
from siamese_lib.plots.curves import by_font, curves
from siamese_lib.plots.probabilities import spread_out
from siamese_lib.report import figures as published

CLASSES = 40


def made_up_bank(classes=CLASSES, missing=()):
    """Two images a class, the first with the class's number as a bar code; none for those in `missing`."""
    labels = np.array([i for i in range(classes) if i not in missing], np.int64)
    images = np.zeros((len(labels), 37, 37), np.uint8)
    for place, i in enumerate(labels):
        images[place, 5:30, [4 + 5 * bit for bit in range(6) if i >> bit & 1]] = 255
        images[place, 5:7, 3:33] = 255
    return ImageBank(
        np.concatenate([images, 255 - images]), np.concatenate([labels, labels]), class_list(classes)
    )


def made_up_record(row="random", seed=0, profile="smoke", fallback=False, **config):
    """A record such as `experiments.run` writes, with numbers that depend on the row and the seed."""
    config = dataclasses.asdict(make_config("table3", row, profile)) | config
    place, names = sorted(MININGS).index(row.rpartition("/")[2]), class_list(config["num_classes"])
    history = [
        {"images": 100 * k, "seconds": 2.0 * k + seed, "accuracy": 10.0 * k + place + seed, "loss": 1.0}
        for k in range(1, 5)
    ]
    fonts = {
        font: {"accuracy": 50.0 + 5 * i + place + seed, "images": 40}
        for i, font in enumerate(["S", "G", "H1"])
    }
    test = {"images": 120, "classes": CLASSES, "accuracy": 50.0, "top5": 80.0, "by_font": fonts}
    test["confusions"] = [[names[i], names[i + 1], 9 - i] for i in range(8)]
    return {
        "id": f"{profile}{place}{seed}",
        "config": config,
        "seed": seed,
        "device": {"type": "cpu"},
        "method_version": 1,
        "manifest": {"fonts": {"fallback": fallback}},
        "history": history,
        "totals": {"seconds": 8.0, "images_seen": 400},
        "evaluations": {"phd08-sim": test},
        "not_run": {},
    }


def made_up_arrays(record, classes=CLASSES):
    rng = np.random.default_rng(record["seed"])
    p = np.ones((5, classes))
    if record["config"]["positives"] == "auto-probabilistic":
        p[1:] = rng.gamma(2, 0.5, (4, classes))
    arrays = {
        "probabilities": p.astype(np.float16),
        "centroids": rng.normal(size=(classes, 25)).astype(np.float16),
    }
    if record["config"]["negatives"] == "auto-clustering":
        arrays["clusters"] = np.minimum(np.arange(classes), 30).astype(np.int32)
    return arrays


def everything(seeds=(0, 1)):
    records = [made_up_record(row, seed) for row in MININGS for seed in seeds]
    return records, {record["id"]: made_up_arrays(record) for record in records}


@pytest.fixture(autouse=True)
def styled():
    """Style for each test; drawn without any warning of a glyph that is missing."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        plots.use_style()
        yield


@pytest.fixture
def no_hangul_font(monkeypatch):
    """A machine without any Hangul font."""
    monkeypatch.setattr(style, "_has_hangul", lambda file: False)
    plots.use_style()


def texts(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def drawn(figure: Figure) -> np.ndarray:
    """Pixels (H, W, 3) from 0 to 1."""
    file = io.BytesIO()
    figure.savefig(file, dpi=60)
    file.seek(0)
    return mpl.image.imread(file)[..., :3]


def test_use_style_finds_a_font_for_hangul(debian_faces):
    assert mpl.rcParams["font.family"][0] == "DejaVu Sans" and len(mpl.rcParams["font.family"]) == 2
    assert plots.label("가 A") == "가 A"
    figure = plots.new_figure(2, 1, "힣 가")
    assert drawn(figure).min() < 0.4


def test_a_font_that_matplotlib_does_not_know_is_taken_from_the_face_table(monkeypatch, debian_faces):
    manager = style.font_manager.fontManager
    monkeypatch.setattr(
        manager, "ttflist", [entry for entry in manager.ttflist if entry.name == "DejaVu Sans"]
    )
    style._covered.cache_clear()
    plots.use_style()
    assert plots.label("가") == "가"
    style._covered.cache_clear()


def test_label_without_a_hangul_font_is_the_code_point(no_hangul_font):
    assert plots.label("가") == "U+AC00"
    assert plots.label("random") == "random"
    assert plots.label("가나") == "U+AC00 U+B098"


def test_every_figure_draws_without_a_hangul_font(no_hangul_font):
    records, arrays = everything((0,))
    bank, last = made_up_bank(missing=(0, 1)), arrays[records[-1]["id"]]
    names = [
        plots.cluster_sheet(last["clusters"], bank),
        plots.confusion_sheet(records[0]["evaluations"]["phd08-sim"]["confusions"], bank),
        plots.probability_evolution(last["probabilities"], bank.classes, bank),
        plots.probability_evolution(last["probabilities"], bank.classes),
        plots.accuracy_curves(records),
        plots.accuracy_by_font(records),
    ]
    for figure in names:
        assert drawn(figure).std() > 0
        assert not any("\uac00" <= character <= "\ud7a3" for text in texts(figure) for character in text)
    assert "U+AC00" in [
        area.get_text() for area in names[1].findobj(mpl.offsetbox.TextArea)
    ]  # a class without a picture


def test_pictures_are_the_first_image_of_each_class():
    bank = made_up_bank(missing=(3,))
    images, there = plots.pictures(bank)
    assert there.sum() == CLASSES - 1 and not there[3] and not images[3].any()
    assert (images[5] == bank.images[bank.labels == 5][0]).all()


def test_curves_are_means_and_ranges_over_seeds():
    records, _ = everything()
    found = curves(records)
    assert list(found) == list(MININGS)
    line = found["random"]
    place = sorted(MININGS).index("random")
    assert line["seeds"] == 2 and line["images"] == [100, 200, 300, 400]
    assert line["low"][0] == 10 + place and line["high"][0] == 11 + place and line["mean"][0] == 10.5 + place
    assert line["seconds"][0] == 2.5
    axes = plots.accuracy_curves(records).axes
    assert [ax.get_xlabel() for ax in axes] == [
        "images seen (thousands)",
        "training time (s)",
    ] and "(%)" in axes[0].get_ylabel()
    assert axes[0].lines[0].get_color() == style.ROW_COLOURS["random"].lower()
    assert {text.get_text() for text in axes[1].texts} == {style.row_title(row) for row in MININGS}


def test_the_last_point_stands_apart_where_it_has_other_ideal_vectors():
    record = made_up_record("random")
    for samples, lengths in ((2, [3, 2, 1]), (None, [4])):
        record["config"] = record["config"] | {"statistics_samples": samples}
        figure = plots.accuracy_curves([record])
        drawn = [len(line.get_xdata()) for line in figure.axes[0].lines[:-1]]  # the last one is chance
        assert drawn == lengths
        assert ("all training images" in " ".join(texts(figure))) == bool(samples)


def test_curves_have_panels_for_each_network():
    records = [made_up_record("random") for _ in range(2)]
    for record, protocol in zip(records, ("drawers", "alphabets"), strict=True):
        record["config"] = record["config"] | {"protocol": protocol}
    axes = plots.accuracy_curves(records).axes
    assert [ax.get_ylabel() for ax in axes[::2]] == [
        "accuracy on validation drawers (%)",
        "accuracy on validation alphabets (%)",
    ]


def test_names_at_the_ends_of_lines_do_not_overlap():
    ax = style.new_figure(4, 3).add_subplot()
    ax.set(xlim=(0, 1), ylim=(0, 100))
    style.label_ends(ax, [(1, 50, "b", "k"), (1, 49, "a", "k"), (1, 51, "c", "k"), (1, 90, "d", "k")])
    places = {text.get_text(): text.get_position()[1] for text in ax.texts}
    order = [places[name] for name in "abcd"]
    assert order == sorted(order) and min(np.diff(order)) > 5 and places["d"] == 90


def test_a_row_keeps_its_colour_whatever_stands_beside_it():
    alone = plots.accuracy_curves([made_up_record("auto-probabilistic")]).axes[0].lines[0]
    assert alone.get_color() == style.ROW_COLOURS["auto-probabilistic"].lower()
    other = plots.accuracy_curves([made_up_record("contrastive/auto-probabilistic")]).axes[0].lines[0]
    assert other.get_color() != alone.get_color() and other.get_linestyle() != alone.get_linestyle()


def test_every_loss_with_every_mining_has_a_colour_of_its_own():
    rows = [f"{loss}/{mining}" for loss in ("metric", "contrastive", "triplet") for mining in MININGS]
    assert len({style.row_style(row)["color"] for row in rows}) == len(rows)


def test_runs_of_different_kinds_never_share_a_figure():
    with pytest.raises(InputError, match="different profiles"):
        plots.accuracy_curves([made_up_record(), made_up_record("auto-clustering", profile="quick")])
    with pytest.raises(InputError, match="different profiles"):
        plots.accuracy_by_font([made_up_record(), made_up_record("auto-clustering", images=5)])


def test_by_font():
    records, _ = everything()
    place = sorted(MININGS).index("auto-clustering")
    assert by_font(records, "phd08-sim")["auto-clustering"]["G"] == [55.5 + place, 55.0 + place, 56.0 + place]
    figure = plots.accuracy_by_font(records)
    assert [text.get_text().split()[-1] for text in figure.axes[0].get_yticklabels()] == ["S", "G", "H1"]
    assert "120 images of 40 classes" in " ".join(texts(figure))
    assert "No run was evaluated on phd08." in texts(plots.accuracy_by_font(records, "phd08"))


def test_probabilities_name_the_extremes():
    p = np.ones((3, CLASSES))
    p[2, [7, 9]] = 3.0, 0.25
    figure = plots.probability_evolution(p, class_list(CLASSES), made_up_bank(), named=1)
    assert {"3×", "0.25×"} <= set(texts(figure))
    uniform = plots.probability_evolution(np.ones((3, CLASSES)), class_list(CLASSES))
    assert drawn(uniform).std() > 0 and not any("×" in text for text in texts(uniform))
    with pytest.raises(InputError, match=r"probabilities \(3, 40\) for 39 classes"):
        plots.probability_evolution(p, class_list(39))


def test_zero_and_tiny_probabilities_draw():
    p = np.ones((4, CLASSES))
    p[1:, 0] = 0
    assert drawn(plots.probability_evolution(p, class_list(CLASSES), made_up_bank())).std() > 0


def test_spread_out_keeps_order_and_distance():
    wanted = np.array([0.9, 0.91, 0.1, 0.12, 0.99])
    place = spread_out(wanted, 0.1)
    assert (np.argsort(place) == np.argsort(wanted)).all()
    assert np.diff(np.sort(place)).min() >= 0.1 - 1e-9 and 0 <= place.min() and place.max() <= 1
    assert np.diff(spread_out(np.full(20, 0.5), 0.1)).min() >= 0.1 - 1e-9
    assert len(spread_out(np.array([]), 0.1)) == 0


def test_cluster_sheet_shows_the_largest_and_counts_the_rest():
    clusters = np.array([0] * 20 + [1] * 3 + list(range(2, 19)))
    assert [len(members) for members in glyphs.largest_clusters(clusters, 5)] == [20, 3]
    found = texts(plots.cluster_sheet(clusters, made_up_bank(), columns=16))
    assert {"20 classes", "3 classes", "+ 4"} <= set(found)
    assert any("2 clusters hold 23 of 40 classes; 17 classes are alone" in text for text in found)
    assert "Every class is alone in its cluster." in texts(
        plots.cluster_sheet(np.arange(CLASSES), made_up_bank())
    )
    with pytest.raises(InputError, match="clusters of 39 classes and a bank of 40"):
        plots.cluster_sheet(clusters[:-1], made_up_bank())


def test_cluster_sheet_draws_the_classes_own_pictures():
    clusters = np.array([0, 0, *range(2, CLASSES)])
    bank = made_up_bank()
    sheet = plots.cluster_sheet(clusters, bank).axes[0].images[0].get_array()
    assert (sheet[:37, :37] == 255 - bank.images[0]).all() and (
        sheet[:37, 44:81] == 255 - bank.images[1]
    ).all()


def test_confusion_sheet():
    bank = made_up_bank()
    pairs = [[bank.classes[0], bank.classes[1], 1234], [bank.classes[2], bank.classes[3], 5]]
    assert {"1,234", "5"} <= set(texts(plots.confusion_sheet(pairs, bank)))
    assert "No image was read as another class." in texts(plots.confusion_sheet([], bank))
    with pytest.raises(InputError, match="which the bank's 40 classes lack"):
        plots.confusion_sheet([["가", "X", 3]], bank)


def test_confusion_sheet_shows_the_misread_images():
    """On the left of each pair stands the given image in place of the class's own."""
    bank = made_up_bank()
    pairs = [[bank.classes[0], bank.classes[1], 9], [bank.classes[2], bank.classes[3], 5]]
    wrong = np.random.default_rng(1).integers(0, 256, (1, 37, 37), dtype=np.uint8)
    figure = plots.confusion_sheet(pairs, bank, mistakes=wrong)
    shown = [
        np.round(box.offsetbox.get_data()[..., 3] * 255).astype(np.uint8)
        for box in figure.axes[0].artists
        if hasattr(box.offsetbox, "get_data")
    ]
    assert len(shown) == 2  # a pair without an image is left out
    assert (shown[0] == wrong[0]).all() and (shown[1] == bank.images[1]).all()


def test_few_classes_make_a_principal_component_map_that_says_so():
    vectors = np.random.default_rng(0).normal(size=(9, 25))
    figure = plots.glyph_map(vectors, made_up_bank(9))
    assert (
        "principal component 1" in figure.axes[0].get_xlabel()
        and "too few classes for UMAP" in figure.axes[0].get_xlabel()
    )
    assert drawn(plots.glyph_map(vectors[:1], ImageBank(*_one_class()))).std() > 0
    points, _ = maps.flatten(vectors)
    assert points.shape == (9, 2) and np.allclose(points.mean(0), 0)


def _one_class():
    return np.full((1, 37, 37), 200, np.uint8), np.zeros(1, np.int64), ["가"]


def test_a_map_leaves_torch_its_threads():
    import torch

    assert torch.get_num_threads() == 1  # as the tests set it
    maps.flatten(np.random.default_rng(0).normal(size=(40, 25)).astype(np.float32))
    assert torch.get_num_threads() == 1


def test_umap_keeps_neighbours_and_repeats():
    pytest.importorskip("umap")
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 10)
    vectors = (10 * np.eye(25)[group] + rng.normal(size=(40, 25))).astype(np.float32)
    points, names = maps.flatten(vectors)
    assert points.shape == (40, 2) and "UMAP" in names[0]
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(40)
    assert (group[distances.argmin(1)] == group).mean() > 0.9
    assert (maps.flatten(vectors)[0] == points).all()
    layout = plots.hangul_layout(class_list(CLASSES))
    figure = plots.glyph_map(vectors, made_up_bank(), layout)
    assert (
        "UMAP" in figure.axes[0].get_xlabel()
        and set(layout) <= set(texts(figure))
        and drawn(figure).std() > 0
    )


def test_hangul_layout():
    assert plots.hangul_layout(list("가각고곡과곽A")) == [
        "vowel right, no final",
        "vowel right, with final",
        "vowel below, no final",
        "vowel below, with final",
        "vowel around, no final",
        "vowel around, with final",
        "no Hangul syllable",
    ]


def test_glyph_grid_names_its_lines():
    bank = made_up_bank(8)
    assert {"first", "second"} <= set(texts(plots.glyph_grid(bank, 8, ["first", "second"])))


def test_hashes_stand_for_the_drawn_data():
    records, arrays = everything()
    hashes = published.figure_hashes(records, arrays)
    assert sorted(hashes) == [
        f"table3_{name}"
        for name in ("accuracy", "clusters", "confusions", "fonts", "ideal_vectors", "probabilities")
    ]
    assert published.figure_hashes(records[::-1], arrays) == hashes
    records[0]["history"][0]["accuracy"] *= 1 + 1e-9  # less than six digits
    assert published.figure_hashes(records, arrays) == hashes
    records[0]["history"][0]["accuracy"] += 1
    changed = published.figure_hashes(records, arrays)
    assert {name for name in hashes if hashes[name] != changed[name]} == {"table3_accuracy"}


def test_published_figures_of_a_part():
    records, arrays = everything((0,))
    assert published.figure_hashes([], {}) == {}
    assert sorted(published.figure_hashes(records[:1], {})) == [
        "table3_accuracy",
        "table3_confusions",
        "table3_fonts",
    ]
    assert "table3_clusters" not in published.figure_hashes(records[:1], arrays)
    assert published.figure_hashes([made_up_record(fallback=True)], {}) == {}  # PyPI faces are not published


def test_published_figures_show_the_kind_with_most_rows():
    records, arrays = everything((0,))
    other = made_up_record("random", profile="quick")
    assert published.figure_hashes([*records, other], arrays) == published.figure_hashes(records, arrays)
    note = published.figures([*records, other], arrays)["table3_clusters"][1]["note"]
    assert note.startswith("auto-probabilistic + auto-clustering: 40 classes") and "seed 0" in note


def test_write_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "_bank", lambda classes, framing: made_up_bank(classes))
    monkeypatch.setattr(maps, "FEWEST_FOR_UMAP", 1000)
    records, arrays = everything((0,))
    save_arrays(tmp_path / "a.npz", arrays[records[-1]["id"]])  # arrays survive the .npz
    with np.load(tmp_path / "a.npz") as stored:
        arrays[records[-1]["id"]] = dict(stored)
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "table9_old.png").write_bytes(b"")
    names = published.write_figures(folder, records, arrays)
    hashes = published.figure_hashes(records, arrays)
    assert json.loads((folder / "figures.json").read_text()) == hashes
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["figures.json", *(f"{name}.png" for name in hashes)]
    )
    assert sorted(names) == sorted(str(path) for path in folder.iterdir())
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.glob("*.png"))
    assert (
        published.write_figures(folder, [], {}) == [str(folder / "figures.json")]
        and len(list(folder.iterdir())) == 1
    )


def test_write_figures_says_that_the_folder_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        published.write_figures(tmp_path / "file" / "figures", [], {})


def test_calibration_figure_shows_roughness_of_both():
    import pandas as pd

    from siamese_lib.data.phd08_calibration import LENGTH, Measures

    def measures(sd: float) -> Measures:
        rng = np.random.default_rng(0)
        lines = [
            (fs, cp, re, th, 30 + fs + re, 30 + fs + re, 300 - 10 * cp - 5 * th)
            for fs, cp, re, th in np.ndindex(3, 3, 3, 3)
        ]
        table = pd.DataFrame(lines, columns=["fs", "cp", "re", "th", "height", "width", "ink"])
        return Measures(table, rng.normal(0, sd, (810, LENGTH)), np.arange(810) % 81)

    left, middle, right = plots.calibration_figure(measures(0.2), measures(0.4)).axes
    assert [line.get_ydata()[0] for line in left.lines] == [1, 1, 1, 1] and len(middle.lines) == 6
    simulated, real = (np.array(line.get_ydata()) for line in right.lines)
    np.testing.assert_allclose(real, 2 * simulated)
    assert len(plots.calibration_figure(measures(0.2)).axes[2].lines) == 1


def test_fonts_against_and_variants():
    simulated = {
        font: {"accuracy": value, "images": 9} for font, value in (("S", 10.0), ("H1", 30.0), ("D", 20.0))
    }
    real = {font: {"accuracy": value, "images": 9} for font, value in (("H1", 60.0), ("S", 40.0))}
    ax = plots.fonts_against(simulated, real).axes[0]
    assert (
        list(ax.lines[1].get_xdata()) == [10, 30]
        and list(ax.lines[1].get_ydata()) == [40, 60]
        and [t.get_text() for t in ax.texts] == ["S", "H1"]
    )
    by_variant = {
        "cp": {str(k): {"accuracy": 50.0 - k, "images": 9} for k in range(3)},
        "sl": {"1": {"accuracy": 9.0, "images": 3}},
    }
    axes = plots.variants_figure(by_variant).axes
    assert [list(ax.lines[0].get_ydata()) for ax in axes] == [[], [50, 49, 48], [], [], [9]] and list(
        axes[4].lines[0].get_xdata()
    ) == [1]


def test_published_figures_show_the_papers_rows_alone():
    records = [made_up_record(row) for row in ("random", "auto-clustering", "hard", "contrastive/random")]
    found = published.figures(records, {})["table3_accuracy"][1]
    assert set(found) == {"", "note"} and set(found[""]) == {"random", "auto-clustering"}
    assert published.figures(records[2:], {}) == {}


def test_time_to_accuracy_has_a_dot_for_each_run_open_where_it_missed():
    def run(method: str, seconds: float, reached: bool) -> dict:
        curve = [[1_000, seconds / 2, 10.0], [2_000, seconds, 80.0]]
        return {"method": method, "target": "clean-80", "reached": reached, "curve": curve}

    runs = [run("ours", 9.0, True), run("ours", 11.0, True), run("pml/circle, adam", 30.0, False)]
    (ax,) = plots.time_to_accuracy_figure(runs).axes
    assert ax.get_title() == "80 % of clean glyphs"
    dots = {line.get_xdata()[0]: line.get_markerfacecolor() for line in ax.lines}
    assert set(dots) == {9.0, 11.0, 30.0} and dots[30.0] == "white" and dots[9.0] == dots[11.0] != "white"
    assert [text.get_text() for text in ax.texts] == ["10 s"]


def test_compared_methods_have_a_dot_for_each_seed_best_on_top():
    lines = [("Circle", 50.0), ("Circle", 60.0), ("ours: a", 80.0), ("ours: a", 84.0)]
    table = pd.DataFrame(lines, columns=["method", "accuracy"]).assign(images=240_000)
    (ax,) = plots.compared_figure(table).axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["Circle", "a"]
    dots = {tuple(line.get_xdata()): line.get_color() for line in ax.lines if line.get_marker() == "o"}
    assert set(dots) == {(50.0, 60.0), (80.0, 84.0)} and len(set(dots.values())) == 2
    assert [text.get_text() for text in ax.texts] == ["55.0", "82.0"]


def test_rates_are_drawn_without_changed_settings():
    table = pd.DataFrame(
        [
            ("random", "triplet", "pooled-near", "soap", 128, 0.02, None, 80_000, 84.0),
            ("random", "triplet", "pooled-near", "soap", 128, 0.01, None, 80_000, 80.0),
            ("random", "triplet", "pooled-near", "soap", 128, 0.02, "framing=aspect", 80_000, 10.0),
            ("auto-clustering", "metric", "pooled", "adam", 256, 0.02, None, 80_000, 40.0),
        ],
        columns="mining loss batch optimiser pool_images rate other images accuracy".split(),
    )
    metric, triplet = plots.rates_figure(table).axes
    assert [line.get_ydata().tolist() for line in triplet.lines] == [[80.0, 84.0]]
    (legend,) = metric.get_legend().get_texts()
    assert legend.get_text() == "pooled, auto-clustering, Adam"


def test_a_long_run_has_a_line_for_each_set_of_images():
    lines = [("near", 100, 0, 50.0, 40.0, 30.0, 20.0), ("near", 200, 0, 90.0, 80.0, 70.0, 60.0)]
    table = pd.DataFrame(lines, columns=["method", "images", "seed", "clean", "scans", "phd08-sim", "phd08"])
    (ax,) = plots.long_run_figure(table).axes
    drawn = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
    assert drawn["real PHD08"] == [20.0, 60.0] and drawn["clean glyphs, validation"] == [50.0, 90.0]
    assert len(drawn) == 4
