"""Our own drawing of the paper's Figure 6 and Table 1; every size is read off the network."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from siamese_lib.model import SIDE, EmbeddingNet
from siamese_lib.plots.style import ANCHOR, INK, MUTED, NEGATIVE, PALE, POSITIVE, new_figure


def network_figure() -> Figure:
    """Fig. 6 and Table 1: three images through one network, two distances, three terms of the loss.

    Sizes and parameters are read off EmbeddingNet.
    """
    net, sizes = EmbeddingNet(), []
    layers = list(net.children())
    for layer in layers:
        layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        net(torch.zeros(1, 1, SIDE, SIDE))
    total = sum(parameter.numel() for parameter in net.parameters())
    figure = new_figure(
        11,
        4.6,
        "The metric network: three images, one set of weights",
        f"top: layers and their output sizes; below: parameters, {total:,} in all",
    )
    ax = figure.add_subplot()
    ax.set(xlim=(0, 22), ylim=(-1.1, 8.4))
    ax.set_axis_off()
    rows = {
        "P": (6.0, POSITIVE),
        "A": (4.0, ANCHOR),
        "N": (2.0, NEGATIVE),
    }  # the anchor in the middle: both distances are its own
    xs = [3.0 + 1.6 * i for i in range(len(layers))]
    ax.add_patch(
        FancyBboxPatch(
            (2.15, 0.35),
            xs[-1] - 1.3,
            7.75,
            boxstyle="round,pad=0,rounding_size=0.25",
            fc="#F6F6F6",
            ec=PALE,
            zorder=0,
        )
    )
    for x, layer in zip(xs, layers, strict=True):
        ax.text(
            x,
            7.55,
            _layer_name(layer),
            ha="center",
            va="center",
            fontsize="small",
            color=INK,
            linespacing=1.2,
        )
        ax.text(
            x,
            0.75,
            f"{sum(p.numel() for p in layer.parameters()):,}",
            ha="center",
            va="center",
            fontsize="small",
            color=MUTED,
        )
    space, dist, term = xs[-1] + 2.0, xs[-1] + 4.0, xs[-1] + 6.1
    for name, (y, colour) in rows.items():
        ax.plot([0.9, space], [y, y], color=MUTED, linewidth=1, zorder=1)
        _box(ax, 0.9, y, 1.35, 1.5, f"{name}\n{SIDE}×{SIDE}", colour)
        for x, size in zip(xs, sizes, strict=True):
            side = size[1] if len(size) == 3 else 0
            _box(
                ax,
                x,
                y,
                1.3,
                0.7 + 0.025 * side,
                f"{size[1]}×{size[2]}\n×{size[0]}" if side else f"{size[0]}",
                MUTED,
            )
        _box(ax, space, y, 1.1, 0.8, f"$a(x_{name})$", colour)
    for y, name, ends in ((5.0, "AP", "PA"), (3.0, "AN", "AN")):
        for end in ends:
            _line(ax, (space + 0.55, rows[end][0]), (dist - 0.55, y))
        _box(ax, dist, y, 1.1, 0.8, f"$d_{{{name}}}$", INK)
    for start, end in (((dist, 5.0), (term, 6.0)), ((dist, 5.0), (term, 4.0)), ((dist, 3.0), (term, 4.0))):
        _line(ax, (start[0] + 0.55, start[1]), (end[0] - 0.65, end[1]))
    ax.plot(
        [space, space, term - 0.65], [6.0, 0.0, 0.0], color=MUTED, linewidth=1, zorder=1
    )  # behind the boxes: all three are compared with c
    _box(ax, dist, 0.0, 1.7, 0.9, "ideal vectors\n$c_A, c_P, c_N$", INK)
    for y, name in ((6.0, "$g_1^2$"), (4.0, "$g_2^2$"), (0.0, "$g_3$")):
        _box(ax, term, y, 1.3, 0.8, name, INK)
        _line(ax, (term + 0.65, y), (term + 1.55, 3.0))
    _box(ax, term + 2.1, 3.0, 1.1, 1.0, "loss", INK)
    ax.text(space, 7.55, "Eq. 5", ha="center", va="center", fontsize="small", color=INK)
    ax.text(dist, 7.55, "Eq. 6", ha="center", va="center", fontsize="small", color=INK)
    ax.text(term, 7.55, "Section 3.4", ha="center", va="center", fontsize="small", color=INK)
    return figure


def _layer_name(layer: nn.Module) -> str:
    if isinstance(layer, nn.Linear):
        return "linear"
    stride = layer.stride[0]
    return f"conv {layer.kernel_size[0]}×{layer.kernel_size[1]}\n" + (
        f"stride {stride}" if stride > 1 else ""
    )


def _line(ax: Axes, start, end) -> None:
    ax.plot(*zip(start, end, strict=True), color=MUTED, linewidth=1, zorder=1)


def _box(ax: Axes, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    corner, style = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=0.12"
    ax.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=style, fc="white", ec="none", zorder=2)
    )  # no line shines through
    ax.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=style, fc=(colour, 0.15), ec=(colour, 0.6), zorder=3)
    )
    ax.text(x, y, text, ha="center", va="center", fontsize="small", color=INK, zorder=4)
