"""How long the nearest ideal vector takes to find, one thread: for one embedding, and for 256.

    python -m benchmarks.search             writes results/benchmarks/search.csv

Ideal vectors are those of the committed `hangul-2350` and `hangul-11172`, embeddings those of clean glyphs
of the validation typefaces. `product` is what SiameseClassifier does. The methods take turns; medians are
reported. All must name the same classes.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import KDTree

from benchmarks.common import command_line, load, publish
from benchmarks.latency import milliseconds
from siamese_lib import SiameseClassifier, load_hangul

NETWORKS = ("hangul-2350", "hangul-11172")
QUERIES = 256


def searches(ideal: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Name -> what finds the numbers (n,) of the ideal vectors (C, D) nearest to embeddings (n, D)."""
    middle = ideal.mean(0)
    centred = (ideal - middle).T.copy()
    halves = np.square(centred).sum(0) / 2
    tree, points = KDTree(ideal), torch.from_numpy(ideal)
    return {
        "product": lambda x: ((x - middle) @ centred - halves).argmax(1),
        "differences": lambda x: np.stack([np.square(ideal - each).sum(1).argmin() for each in x]),
        "k-d tree": lambda x: tree.query(x)[1],
        "torch.cdist": lambda x: torch.cdist(torch.from_numpy(x), points).argmin(1).numpy(),
    }


def measure(network: str) -> list[dict]:
    """A line for each method, among the ideal vectors of a pretrained network."""
    reader = SiameseClassifier.from_pretrained(network)
    images = load_hangul(split="validation", framing="square").images
    x = reader.transform(images[np.random.default_rng(0).choice(len(images), QUERIES, replace=False)])
    classes, found = len(reader.centroids_), searches(reader.centroids_)
    for name, search in found.items():
        if not (search(x) == found["product"](x)).all():
            raise SystemExit(f"error: {name} names other classes than product")
    one, many = (
        milliseconds({name: lambda s=search, q=queries: s(q) for name, search in found.items()})
        for queries in (x[:1], x)
    )
    ratio = {name: one[name] / one["product"] for name in found}
    return [
        {
            "search": name,
            "classes": classes,
            "one_ms": one[name],
            "batch_ms": many[name],
            "ratio": ratio[name],
        }
        for name in found
    ]


def main() -> None:
    command_line("benchmarks.search", __doc__).parse_args()
    torch.set_num_threads(1)
    before = load()
    lines = [line for network in NETWORKS for line in measure(network)]
    publish("search", lines, torch.device("cpu"), load=before)


if __name__ == "__main__":
    main()
