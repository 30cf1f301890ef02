"""Alternative texts of figures, for readers who do not see them."""

import re

from matplotlib.figure import Figure


def alt_text(figure: Figure) -> str:
    """A figure in words: its heading, then of each panel the title and the axes, then the legend."""
    said = [text.get_text() for text in figure.texts]
    for ax in figure.axes:
        axes = " over ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
        said.append(": ".join(filter(None, (ax.get_title(), axes))))
    said += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    different = dict.fromkeys(_plain(text) for text in said)
    return "; ".join(filter(None, different))


def _plain(text: str) -> str:
    """One line, without the marks of mathematical type."""
    text = re.sub(r"\\([a-zA-Z]+) ?", r"\1 ", text)
    return " ".join(re.sub(r"[${}\\]", "", text).split())


def use_alt_text() -> None:
    """In a notebook's kernel, give every figure that is shown its `alt_text`; anywhere else, nothing.

    It stands in the metadata of the output, where nbconvert's classic template finds it (its lab template
    and JupyterLab 4.6 do not look there), and as the plain text of the output.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if not hasattr(shell, "kernel"):
        return
    shell.enable_matplotlib("inline")  # it registers how figures are printed, so this must come first
    formatters = shell.display_formatter.formatters
    printed = formatters["image/png"].lookup_by_type(Figure)

    def with_alt_text(figure: Figure) -> tuple[str, dict]:
        return printed(figure), {"alt": alt_text(figure)}

    formatters["image/png"].for_type(Figure, with_alt_text)
    formatters["text/plain"].for_type(Figure, lambda figure, page, cycle: page.text(alt_text(figure)))
