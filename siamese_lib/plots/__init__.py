"""Figures of stored records. Nothing here trains; glyph pictures come from rendered fonts, never from PHD08's scans.

A record is what `experiments.run` writes; its arrays are those of the .npz beside it. Every figure function returns a matplotlib Figure.
"""

from siamese_lib.plots.calibration import calibration_figure, fonts_against, variants_figure
from siamese_lib.plots.curves import accuracy_by_font, accuracy_curves, probability_evolution
from siamese_lib.plots.drawings import (
    cluster_example,
    contrastive_figure,
    example_points,
    loss_surfaces,
    mining_example,
    network_figure,
    triplet_figure,
)
from siamese_lib.plots.glyphs import (
    cluster_sheet,
    confusion_sheet,
    glyph_grid,
    glyph_map,
    hangul_layout,
    pictures,
)
from siamese_lib.plots.speed import rates_figure, scale_figure, step_figure, time_to_accuracy_figure
from siamese_lib.plots.style import label, new_figure, use_style

__all__ = [
    "accuracy_by_font",
    "accuracy_curves",
    "calibration_figure",
    "cluster_example",
    "cluster_sheet",
    "confusion_sheet",
    "contrastive_figure",
    "example_points",
    "fonts_against",
    "glyph_grid",
    "glyph_map",
    "hangul_layout",
    "label",
    "loss_surfaces",
    "mining_example",
    "network_figure",
    "new_figure",
    "pictures",
    "probability_evolution",
    "rates_figure",
    "scale_figure",
    "step_figure",
    "time_to_accuracy_figure",
    "triplet_figure",
    "use_style",
    "variants_figure",
]
