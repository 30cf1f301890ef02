"""Simulated beside real scans: sizes and correlations of made-up measurements and records."""

import numpy as np
import pandas as pd
import pytest
from made_up import evaluation, record

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.data.phd08_calibration import LENGTH, Measures
from siamese_lib.evaluation import Evaluation
from siamese_lib.report import scans


def measures(height: float = 0.9, sd: float = 0.2, fonts=("S", "G", "M")) -> Measures:
    """Two characters of all sizes: heights in em (the second is half as high), width 0.8, ink 0.1."""
    lines = []
    for font in fonts:
        for character, share in (("가", 1.0), ("각", 0.5)):
            for fs, re, th, cp in np.ndindex(3, 3, 3, 3):
                em = (12, 13, 14)[fs] / 72 * (200, 240, 280)[re]
                wrong = 5 * (th != 1)  # only the middle threshold is to count
                lines.append(
                    (font, character, fs, cp, re, th, 1, share * height * em + wrong, 0.8 * em, 0.1 * em**2)
                )
    columns = ["font", "character", "fs", "cp", "re", "th", "sl", "height", "width", "ink"]
    rng = np.random.default_rng(0)
    strips = np.clip(rng.normal(1, sd, (3 * len(lines), LENGTH)), 0, 2)
    return Measures(pd.DataFrame(lines, columns=columns), strips, np.arange(3 * len(lines)) % len(lines))


def test_sizes_are_in_em_at_the_middle_threshold():
    found = scans.sizes(measures())
    assert found.loc[("S", "가")].round(9).tolist() == [0.9, 0.8, 0.1]
    assert found.loc[("G", "각"), "height"] == pytest.approx(0.45)


def test_typefaces_stand_beside_the_fonts(debian_faces):
    frame = scans.typefaces(measures(0.9), measures(0.8))
    assert list(frame.index) == list("SGMNBDY") + ["H1", "H2"]
    assert frame.loc["S", "가 각 in the typeface, em"] == ".90x.80 .45x.80"
    assert frame.loc["S", "가 각 in PHD08, em"] == ".80x.80 .40x.80"
    assert frame.loc["S", "ink in PHD08, em^2"] == 0.1
    assert not [column for column in scans.typefaces(measures()).columns if "PHD08" in column]


def test_size_gaps_and_roughness():
    text = scans.size_gaps(measures(0.9), measures(0.7))
    assert text.startswith("Mean difference of heights and widths, in em: ")
    assert text.count("0.08") == 3  # (0.2 + 0 + 0.1 + 0) / 4 in each of the three fonts
    rough = scans.roughness_ratio(measures(sd=0.1), measures(sd=0.2))
    ratios = [float(part) for part in rough.split("**")[1::2]]
    assert len(ratios) == 3 and np.allclose(ratios, 0.5, atol=0.05)


def test_told_apart_counts_the_pieces():
    text = scans.told_apart(measures(sd=0.05), measures(sd=0.5))
    assert text.startswith("1,458 real and 1,458 simulated pieces of edge")
    assert float(text.split("**")[1]) > 0.8


def test_real_scans_are_those_of_our_characters(monkeypatch):
    known = hangul_classes(2350)
    names = ["가", "각", "나"]
    labels = np.array([known.index(name) for name in names for _ in range(2)])
    images = np.zeros((6, 37, 37), np.uint8) + np.arange(6, dtype=np.uint8)[:, None, None]
    bank = ImageBank(images, labels, known, pd.DataFrame({"font": list("SGSGSG")}))
    monkeypatch.setattr(scans, "iter_phd08", lambda: iter([bank, bank.subset(labels == labels[2])]))
    (found,) = scans.real_scans(["힣", "나", "가"])
    assert found.classes == ["힣", "나", "가"] and found.labels.tolist() == [2, 2, 1, 1]
    assert found.images[:, 0, 0].tolist() == [0, 1, 4, 5] and found.meta.font.tolist() == list("SGSG")


def test_read_by_class_names_those_with_scans():
    result = Evaluation(["가", "각", "나"], np.array([2000, 0, 10]), np.array([1952, 0, 10]))
    assert (
        scans.read_by_class(result) == "가 97.6 % of 2,000, 나 100.0 % of 10 real scans are read correctly."
    )


def with_fonts(simulated: list[float], real: list[float]) -> dict:
    made = record(accuracies={"phd08-sim": float(np.mean(simulated)), "phd08": float(np.mean(real))})
    for name, values in (("phd08-sim", simulated), ("phd08", real)):
        fonts = {font: {"accuracy": value, "images": 9} for font, value in zip("SGMN", values, strict=True)}
        made["evaluations"][name]["by_font"] = fonts
    return made


def test_fonts_agree_is_the_rank_correlation_of_means():
    records = [with_fonts([10, 20, 30, 40], [5, 6, 7, 8]), with_fonts([20, 30, 40, 50], [7, 8, 9, 10])]
    assert scans.font_means(records, "phd08-sim")["G"] == {"accuracy": 25.0}
    text = scans.fonts_agree(records)
    assert "Over 4 fonts the rank correlation (Spearman) of the two is **1.00**" in text
    assert "30.0 % of simulated PHD08 (2,350 classes) and 7.5 % of real PHD08" in text
    assert "**-1.00**" in scans.fonts_agree([with_fonts([10, 20, 30, 40], [8, 7, 6, 5])])
    assert scans.fonts_agree([record(accuracies={"phd08-sim": 1.0, "phd08": 1.0})]).startswith("Not compared")


def runs() -> list[dict]:
    """Two rows, two budgets; the larger one gains 10 points on simulated scans and loses 20 on real ones."""
    return [
        record(row, profile=profile, accuracies={"phd08-sim": base + up, "phd08": 60.0 - base - 2 * up})
        for row, base in (("random", 30.0), ("auto-clustering", 35.0))
        for profile, up in (("quick", 0.0), ("cpu", 10.0))
    ] + [record("hard", accuracies={"phd08-sim": 99.0})]


def test_beside_real_groups_the_runs_tested_on_both():
    frame = scans.beside_real(runs())
    assert frame[["profile", "rows", "runs", "simulated PHD08, %", "real PHD08, %"]].to_numpy().tolist() == [
        ["quick", 2, 2, 32.5, 27.5],
        ["cpu", 2, 2, 42.5, 7.5],
    ]


def test_runs_agree_and_longer_training_by_hand():
    assert "**-1.00** over the 4 runs of Table 3, `pooled` batches (p < 0.001)" in scans.runs_agree(runs())
    assert scans.runs_agree(runs()[:3]) == "Too few runs were tested on both."
    assert scans.longer_training(runs()) == (
        "Table 3, `pooled` batches, from 240,000 to 600,000 images (2 rows): "
        "+10.0 points on simulated PHD08 and -20.0 points on real PHD08."
    )
    assert scans.longer_training(runs()[:1]) == "No row was run with two budgets."


def test_treatments_are_of_the_run_that_reads_most():
    few, some, more = (record(seed=k) for k in range(3))
    few["evaluations"]["phd08-sim"] = evaluation(99.0, variants=3, by_variant={})
    some["evaluations"]["phd08-sim"] = evaluation(40.0, variants=27, by_variant={"cp": "some"})
    more["evaluations"]["phd08-sim"] = evaluation(41.0, variants=243, by_variant={"cp": "more"})
    found, title = scans.treatments([few, some, more])
    assert found == {"cp": "more"} and title.endswith("random, 240,000 images, seed 2")
    assert scans.treatments([few]) is None


def test_framings_are_compared_seed_by_seed():
    records = {
        framing: [
            record(seed=s, framing=framing, accuracies={"validation": a, "phd08-sim": a - 9})
            for s, a in enumerate(of)
        ]
        for framing, of in (("aspect", (90.0, 92.0)), ("square", (93.0, 91.0)))
    }
    frame = scans.framings(records)
    assert list(frame.columns) == ["scans of the validation typefaces, %", "simulated PHD08, %"]
    assert frame.loc["aspect"].tolist() == ["91.0 (90.0 to 92.0)", "82.0 (81.0 to 83.0)"]
    text = scans.framing_gap(records)
    assert "`square` is ahead by 1.0 points (`square` minus `aspect` by seed: +3.0, -1.0)" in text


def test_typeface_files_of_a_manifest():
    face = {"key": "K", "family": "F", "file": "k.ttf", "sha256": "0123456789abcdef", "glyphs": 9}
    face["left_out"] = {"drawn blank": {"count": 1, "first": "쏀"}}
    frame = scans.typeface_files({"faces": {"test": [face]}})
    assert frame.iloc[0].tolist() == ["test", "K", "F", "k.ttf", "0123456789ab", 9, "쏀 drawn blank"]
