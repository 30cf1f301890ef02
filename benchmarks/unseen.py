"""What adding characters without training costs, and how well they are read.

    python -m benchmarks.unseen             writes results/benchmarks/unseen.csv

A SiameseClassifier learns 2,250 of the 2,350 syllables from 37 typefaces; then the other 100 are added with
five samples each, one from each of five typefaces. Tested on simulated scans of the nine test typefaces, all
2,350 syllables; `new_ci95` is the half-width of the 95 % bootstrap interval over the 100 syllables. Which
syllables are left out depends on the seed. Nothing is chosen on these numbers.
"""

import numpy as np
import torch

from benchmarks.common import command_line, run_grid
from siamese_lib import SiameseClassifier, iter_simulated_phd08, load_hangul
from siamese_lib.data.hangul_classes import class_list

CLASSES, UNSEEN, SAMPLES = 2350, 100, 5
IMAGES, VARIANTS, SEEDS = 400_000, 3, (0, 1, 2)
RESAMPLES = 2_000


def measure(seed: int, device: torch.device) -> list[dict]:
    """The line of a seed."""
    rng = np.random.default_rng(seed)
    characters = class_list(CLASSES)
    new = set(rng.choice(characters, UNSEEN, replace=False).tolist())
    old = [character for character in characters if character not in new]
    train = load_hangul(split="train-wide", framing="square", characters=old)
    reader = SiameseClassifier(IMAGES, device=str(device), random_state=seed).fit(train.images, train.names)

    scans = list(iter_simulated_phd08(characters=characters, variants=VARIANTS, framing="square", keep=True))
    images, names = np.concatenate([b.images for b in scans]), np.concatenate([b.names for b in scans])
    known = ~np.isin(names, list(new))
    before = (reader.predict(images[known]) == names[known]).mean()

    samples = load_hangul(split="train", framing="square", characters=sorted(new))
    faces = samples.meta.face.drop_duplicates().tolist()[:SAMPLES]
    samples = samples.subset(samples.meta.face.isin(faces).to_numpy())
    reader.add_classes(samples.images, samples.names)
    right = reader.predict(images) == names
    by_class = np.array([right[names == character].mean() for character in sorted(new)])
    means = rng.choice(by_class, (RESAMPLES, len(by_class))).mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    line = {"classes": CLASSES, "unseen": UNSEEN, "samples": SAMPLES, "images": IMAGES, "seed": seed}
    line |= {"old_before": before, "old_after": right[known].mean(), "new": right[~known].mean()}
    line["new_ci95"] = (high - low) / 2
    return [{k: 100 * float(v) if k.startswith(("old", "new")) else v for k, v in line.items()}]


def main() -> None:
    parser = command_line("benchmarks.unseen", __doc__)
    run_grid("benchmarks.unseen", parser, measure, lambda options: ("unseen", [[seed] for seed in SEEDS]))


if __name__ == "__main__":
    main()
