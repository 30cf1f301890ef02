# ruff: noqa: E402
"""Auto-probabilistic mining for Siamese networks (Mokin, Sheshkus, Arlazarov 2025): model, losses, mining,
training.

Importing the package needs numpy and torch alone; the data readers below load pandas, Pillow and the like
when first used.
"""

import importlib
import os

# Threads that wait for each other by spinning lose three quarters of their speed beside another busy program;
# those that sleep lose half, and a tenth on a quiet machine (results/benchmarks/shared.csv). OpenMP reads
# this once, when torch is loaded: it has no effect where torch was imported before. A value of the user's own
# stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from siamese_lib.errors import InputError
from siamese_lib.losses import ContrastiveLoss, MetricLoss, PrototypeLoss, TripletLoss
from siamese_lib.mining import (
    AutoClustering,
    AutoProbabilistic,
    DistanceBased,
    HardMining,
    UniformNegatives,
    UniformPositives,
)
from siamese_lib.model import EmbeddingNet
from siamese_lib.statistics import ClassStatistics, class_statistics

_LAZY = {
    "ImageBank": "siamese_lib.data.bank",
    "load_hangul": "siamese_lib.data.hangul",
    "load_phd08": "siamese_lib.data.phd08",
    "iter_phd08": "siamese_lib.data.phd08",
    "iter_simulated_phd08": "siamese_lib.data.phd08_simulated",
    "load_rendered": "siamese_lib.data.alphabet",
    "load_image_folder": "siamese_lib.data.alphabet",
    "split_line": "siamese_lib.data.lines",
    "load_omniglot": "siamese_lib.data.omniglot",
    "load_pretrained": "siamese_lib.pretrained",
    "SiameseClassifier": "siamese_lib.classifier",
}

__all__ = [
    "AutoClustering",
    "AutoProbabilistic",
    "ClassStatistics",
    "ContrastiveLoss",
    "DistanceBased",
    "EmbeddingNet",
    "HardMining",
    "InputError",
    "MetricLoss",
    "PrototypeLoss",
    "TripletLoss",
    "UniformNegatives",
    "UniformPositives",
    "class_statistics",
    *_LAZY,
]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'siamese_lib' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
