"""Figures of numbers: accuracy over a run, accuracy by font."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from siamese_lib.errors import InputError
from siamese_lib.experiments.records import font_results, run_kind
from siamese_lib.plots.style import (
    MUTED,
    PALE,
    PALETTE,
    empty_figure,
    label_ends,
    new_figure,
    row_marker,
    row_order,
    row_style,
    row_title,
)


def accuracy_curves(records: list[dict], title: str = "Validation accuracy") -> Figure:
    """Validation accuracy over images seen and over seconds of training.

    A line for each row, with a band from the lowest to the highest seed; two panels for each network
    (protocol) of Omniglot. The last point is open where its ideal vectors are of more training images than
    those of the points before.

    Raises:
        InputError: the records of a network differ in profile, batch, classes or budget.
    """
    networks = [network for network in by_network(records).values() if curves(network)]
    if not networks:
        return empty_figure("No runs to draw.", title)
    note = describe(records)
    if samples := _samples_between(records[0]):
        note += f"\nopen: ideal vectors of all training images; before, of {samples} a class"
    figure = new_figure(10.5, 3.9 * len(networks), title, note)
    panels = figure.subplots(len(networks), 2, sharey="row", squeeze=False)
    for network, axes in zip(networks, panels, strict=True):
        _network_curves(axes, network)
    for ax, text in zip(panels[-1], ("images seen (thousands)", "training time (s)"), strict=True):
        ax.set_xlabel(text)
    return figure


def by_network(records: list[dict]) -> dict[str, list[dict]]:
    """The records of each protocol of Omniglot ("" for Hangul), in their order."""
    found: dict[str, list[dict]] = {}
    for record in records:
        found.setdefault(record["config"].get("protocol") or "", []).append(record)
    return found


def _samples_between(record: dict) -> int | None:
    """Training images a class in the statistics of all periods but the last, where these are fewer."""
    config = record["config"]
    return None if config.get("gather") else config.get("statistics_samples")


def _network_curves(axes: np.ndarray, records: list[dict]) -> None:
    """Of one network, over images and over seconds; the names stand at the lines' ends in the right panel."""
    data = curves(records)
    for row, line in data.items():
        for ax, x in zip(axes, ("images", "seconds"), strict=True):
            upto = len(line[x]) - (_samples_between(records[0]) is not None)
            style = row_style(row)
            ax.plot(
                line[x][:upto],
                line["mean"][:upto],
                linewidth=2,
                marker="o",
                markersize=3.5,
                markeredgewidth=0,
                **style,
            )
            if upto < len(line[x]):
                ax.plot(line[x][-2:], line["mean"][-2:], ":", linewidth=1, color=style["color"])
                ax.plot(line[x][-1:], line["mean"][-1:], "o", color=style["color"], markerfacecolor="white")
            if line["seeds"] > 1:
                ax.fill_between(
                    line[x], line["low"], line["high"], color=row_style(row)["color"], alpha=0.18, linewidth=0
                )
    config = records[0]["config"]
    chance = 100 / records[0]["evaluations"].get("validation", config).get("classes", config["num_classes"])
    for ax in axes:
        ax.axhline(chance, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        ax.set(xlim=(0, None), ylim=(0, None))
        ax.xaxis.set_major_locator(MaxNLocator(6))
    axes[0].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / 1000:g}"))
    protocol = config.get("protocol", "")
    what = f"validation {protocol}" if protocol else "scans of validation typefaces"
    axes[0].set_ylabel(f"accuracy on {what} (%)")
    axes[0].annotate(
        f"chance {chance:.2g} %",
        (1, chance),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        color=MUTED,
    )
    ends = [
        (line["seconds"][-1], line["mean"][-1], row_title(row), row_style(row)["color"])
        for row, line in data.items()
    ]
    label_ends(axes[1], ends)


READ = {  # columns of long_run.csv, as the figure names them
    "clean": "clean glyphs, validation",
    "scans": "scans, validation",
    "phd08-sim": "simulated PHD08",
    "phd08": "real PHD08",
}


def long_run_figure(table: pd.DataFrame) -> Figure:
    """Accuracy on what READ names over the images of a run, a panel a method; columns of long_run.csv."""
    methods = list(dict.fromkeys(table.method))
    note = f"each point is the network as it then is; seed {table.seed.iloc[0]}"
    figure = new_figure(3.6 * len(methods) + 1, 4.2, "What is read while training goes on", note)
    for ax, method in zip(
        figure.subplots(1, len(methods), sharey=True, squeeze=False)[0], methods, strict=True
    ):
        part = table[table.method == method]
        for colour, (column, label) in zip(PALETTE, READ.items(), strict=False):
            ax.plot(part.images / 1000, part[column], "o-", color=colour, markersize=3.5, label=label)
        ax.set(title=method, xlabel="images seen (thousands)", xlim=(0, None), ylim=(0, 100))
        ax.xaxis.set_major_locator(MaxNLocator(6))
    figure.axes[0].set_ylabel("accuracy (%)")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(READ))
    return figure


def accuracy_by_font(records: list[dict], dataset: str = "phd08-sim", title: str = "") -> Figure:
    """Accuracy by font on a test set, the hardest font at the bottom.

    A mark for each row, with a bar from the lowest to the highest seed; `title` in place of the set's name
    and size.
    """
    data = by_font(records, dataset)
    if not data:
        return empty_figure(f"No run was evaluated on {dataset}.", title)
    fonts = sorted(
        {font for row in data.values() for font in row},
        key=lambda font: np.mean([row[font][0] for row in data.values() if font in row]),
    )
    figure = new_figure(8.5, 0.4 * len(fonts) + 1.3, title or _tested(records, dataset), describe(records))
    ax = figure.add_subplot()
    for y, font in enumerate(fonts):
        means = [row[font][0] for row in data.values() if font in row]
        ax.plot(
            [min(means), max(means)],
            [y, y],
            color=PALE,
            linewidth=9,
            alpha=0.55,
            zorder=1,
            solid_capstyle="round",
        )
    for (row, values), shift in zip(
        data.items(), np.linspace(0.16, -0.16, len(data)) if len(data) > 1 else [0.0], strict=True
    ):
        colour, seen = row_style(row)["color"], [y for y, font in enumerate(fonts) if font in values]
        mean, low, high = np.array([values[fonts[y]] for y in seen]).T
        places = np.array(seen) + shift  # rows of equal accuracy do not hide each other
        ax.hlines(places, low, high, color=colour, linewidth=1.2, zorder=2)
        ax.scatter(
            mean,
            places,
            s=52,
            marker=row_marker(row),
            color=colour,
            edgecolor="white",
            linewidth=0.8,
            zorder=3,
            label=row_title(row),
        )
    ax.set_yticks(range(len(fonts)), [_font_name(font) for font in fonts])
    ax.set(xlabel="accuracy (%)", ylabel="font", ylim=(-0.6, len(fonts) - 0.4))
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    figure.legend(loc="outside lower center", ncols=min(len(data), 4))
    return figure


def describe(records: list[dict]) -> str:
    """What the runs of one kind have in common, for a heading."""
    config, seeds = records[0]["config"], {record["seed"] for record in records}
    classes = dict.fromkeys(record["config"]["num_classes"] for record in records)
    text = (
        f"{' and '.join(f'{number:,}' for number in classes)} classes, {config['batch']} batches, "
        f"{config['images']:,} images a run (profile {config['profile']})"
    )
    return text + (f"; mean and range of {len(seeds)} seeds" if len(seeds) > 1 else f"; seed {min(seeds)}")


def _by_row(records: list[dict]) -> dict[str, list[dict]]:
    if len({run_kind(record) for record in records}) > 1:
        raise InputError(
            "records of different profiles, batches, classes, budgets, fonts or devices "
            "cannot share a figure; draw them one kind at a time"
        )
    return {
        row: [record for record in records if record["config"]["row"] == row]
        for row in row_order(record["config"]["row"] for record in records)
    }


def _tested(records: list[dict], dataset: str) -> str:
    test = next(record["evaluations"][dataset] for record in records if dataset in record["evaluations"])
    return f"Accuracy by font on {dataset}: {test['images']:,} images of {test['classes']:,} classes"


def curves(records: list[dict]) -> dict[str, dict]:
    """What `accuracy_curves` draws.

    Returns:
        row -> seeds (a number) and images, seconds (mean over seeds), mean, low and high of the accuracy,
        each a list over the updates.
    """
    found = {}
    for row, runs in _by_row(records).items():
        histories = [[line for line in run["history"] if line["accuracy"] is not None] for run in runs]
        length = min(map(len, histories))
        if length:
            accuracy = np.array([[line["accuracy"] for line in history[:length]] for history in histories])
            seconds = np.array(
                [[line["seconds"] for line in history[:length]] for history in histories]
            ).mean(0)
            found[row] = {
                "images": [line["images"] for line in histories[0][:length]],
                "seconds": seconds.tolist(),
                "seeds": len(runs),
            }
            found[row] |= {
                "mean": accuracy.mean(0).tolist(),
                "low": accuracy.min(0).tolist(),
                "high": accuracy.max(0).tolist(),
            }
    return found


def by_font(records: list[dict], dataset: str) -> dict[str, dict[str, list[float]]]:
    """row -> font -> mean, lowest and highest accuracy over seeds."""
    found: dict[str, dict[str, list[float]]] = {}
    for row, runs in _by_row(records).items():
        values = {
            font: [result["accuracy"] for result in results]
            for font, results in sorted(
                font_results(run["evaluations"].get(dataset, {}) for run in runs).items()
            )
        }
        if values:
            found[row] = {font: [float(np.mean(v)), min(v), max(v)] for font, v in values.items()}
    return found


def _font_name(font: str) -> str:
    from siamese_lib.data.faces import TEST_FACES

    return f"{TEST_FACES[font].look}  {font}" if font in TEST_FACES else font
