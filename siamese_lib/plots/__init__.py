"""Figures of stored records and arrays. Nothing here trains.

A record is what `experiments.run` writes; its arrays are those of the .npz beside it. Glyph pictures come
from rendered fonts, never from PHD08's scans. Every figure function returns a matplotlib Figure.
"""

from siamese_lib.plots.alt import alt_text, use_alt_text
from siamese_lib.plots.calibration import calibration_figure, fonts_against, variants_figure
from siamese_lib.plots.curves import accuracy_by_font, accuracy_curves, long_run_figure
from siamese_lib.plots.drawings import contrastive_figure, loss_surfaces, triplet_figure
from siamese_lib.plots.glyphs import cluster_sheet, confusion_sheet, glyph_grid, pictures
from siamese_lib.plots.maps import glyph_map, hangul_layout
from siamese_lib.plots.mining import cluster_example, example_points, mining_example
from siamese_lib.plots.network import network_figure
from siamese_lib.plots.probabilities import probability_evolution
from siamese_lib.plots.results import ablation_figure, claims_figure, simulated_and_real
from siamese_lib.plots.sheets import answers_sheet, negatives_sheet, pairs_sheet, picture_figure
from siamese_lib.plots.speed import (
    compared_figure,
    rates_figure,
    scale_figure,
    step_figure,
    time_to_accuracy_figure,
)
from siamese_lib.plots.style import label, new_figure, use_style

__all__ = [
    "ablation_figure",
    "accuracy_by_font",
    "accuracy_curves",
    "alt_text",
    "answers_sheet",
    "calibration_figure",
    "claims_figure",
    "cluster_example",
    "cluster_sheet",
    "compared_figure",
    "confusion_sheet",
    "contrastive_figure",
    "example_points",
    "fonts_against",
    "glyph_grid",
    "glyph_map",
    "hangul_layout",
    "label",
    "long_run_figure",
    "loss_surfaces",
    "mining_example",
    "negatives_sheet",
    "network_figure",
    "new_figure",
    "pairs_sheet",
    "picture_figure",
    "pictures",
    "probability_evolution",
    "rates_figure",
    "scale_figure",
    "simulated_and_real",
    "step_figure",
    "time_to_accuracy_figure",
    "triplet_figure",
    "use_alt_text",
    "use_style",
    "variants_figure",
]
