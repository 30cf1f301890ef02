"""What a profile is (budget, seeds, size of the test) and the tuned values, each with the measurement that
chose it.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Profile:
    """How long a run trains and how much of the simulated test set it is tested on.

    Attributes:
        seeds: how many seeds a row has, from 0; `seeds_of_table`: of single tables.
        variants: PHD08 variants a font of the simulated test set (1 ... 243).
        settings: fields of RunConfig.
        of_table: more of them, for single tables.
        rows: which rows are run where none is named; None: the paper's.
    """

    seeds: int
    variants: int
    settings: dict
    of_table: dict[str, dict] = field(default_factory=dict)
    seeds_of_table: dict[str, int] = field(default_factory=dict)
    rows: tuple[str, ...] | None = None

    def settings_for(self, table: str) -> dict:
        """The fields of RunConfig that a table's runs have under this profile."""
        return self.settings | self.of_table.get(table, {})

    def seeds_for(self, table: str) -> list[int]:
        """The seeds of a table's rows."""
        return list(range(self.seeds_of_table.get(table, self.seeds)))


PROFILES = {
    "smoke": Profile(  # tests: seconds
        1,
        1,
        dict(num_classes=40, images=4_096, updates=4, pool_classes=8, triplets=32, chunk=96, eta=20)
        | dict(compiled=False, validation_images=80),
    ),
    "quick": Profile(1, 3, dict(images=240_000)),  # a laptop: a minute or two a row
    "ablation": Profile(1, 3, dict(images=240_000)),  # one parameter changed: experiments.ablations
    # the published tables: a few minutes a run on 2 cores
    "cpu": Profile(
        3,
        9,
        dict(images=300_000),
        {"table3": {"images": 600_000}},
        {"table3": 5},
    ),
    "best": Profile(  # how far the network goes in ten minutes on 2 cores
        3,
        27,
        dict(batch="pooled-near", images=2_000_000, scan_share=0.5),  # benchmarks.rates
        {
            "table2": {"faces": "train-wide"},
            "table3": {"faces": "train-wide"},
            # benchmarks.rates drawers
            "table4": dict(images=1_000_000, probability=0.95, shift=0.08, degrees=10.0, elastic=0.04)
            | {"scan_share": 0.0},
        },
        rows=("prototype/random",),
    ),
    "paper": Profile(  # CUDA: 40 epochs of 50 iterations with 10,240 triplets
        3,
        243,
        dict(batch="literal", triplets=10_240, images=50 * 3 * 10_240 * 40, updates=40, chunk=3 * 10_240)
        | dict(statistics_samples=None),
    ),
}

# Conditions on a run's fields, the values that hold under them, and the file of results/benchmarks that chose
# them; later ones win.
TUNED = [
    ({"loss": "metric", "batch": "literal"}, {"rate": 2e-2}, "rates"),
    # the higher mean of random and auto-clustering at the length of `quick`
    ({"loss": "metric", "batch": "pooled"}, {"rate": 2e-2}, "rates"),
    ({"loss": "metric", "batch": "pooled-hard"}, {"rate": 2e-2}, "rates"),
    ({"loss": "metric", "batch": "pooled-near"}, {"rate": 1e-2}, "rates"),
    ({"loss": "contrastive", "batch": "literal"}, {"rate": 1e-2}, "rates"),
    ({"loss": "contrastive", "batch": "pooled"}, {"rate": 3e-3}, "rates"),
    ({"loss": "contrastive", "batch": "pooled-hard"}, {"rate": 2e-2}, "rates"),
    ({"loss": "contrastive", "batch": "pooled-near"}, {"rate": 1e-2}, "rates"),
    ({"loss": "triplet", "batch": "literal"}, {"rate": 2e-2}, "rates"),
    ({"loss": "triplet", "batch": "pooled"}, {"rate": 1e-2}, "rates"),
    ({"loss": "triplet", "batch": "pooled-hard"}, {"rate": 2e-2}, "rates"),
    ({"loss": "triplet", "batch": "pooled-near"}, {"rate": 2e-2}, "rates"),
    ({"batch": "pooled-near"}, {"pool_classes": 16}, "rates"),
    ({"loss": "prototype", "batch": "pooled-near"}, {"rate": 1e-2, "pool_classes": 32}, "rates_best"),
    ({"table": "table2", "batch": "pooled"}, {"rate": 1e-2}, "rates_full"),
    ({"table": "table4", "batch": "pooled"}, {"rate": 1e-2, "shift": 0.04}, "rates_omniglot"),
]


def tuned(settings: dict) -> dict:
    """The tuned values of a run with these fields."""
    found = {}
    for condition, values, _ in TUNED:
        if all(settings.get(name) == value for name, value in condition.items()):
            found |= values
    return found
