"""The controls of notebook 11; they show the figures of siamese_lib.report.explore.

Figures are shown by an Image: an Output would do, but papermill waits for ever for what is printed into one.
"""

import io
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from siamese_lib.errors import InputError
from siamese_lib.report import explore
from siamese_lib.report.explore import Explorer

SIZE, PEN = 185, 14  # pixels: side of the canvas, width of a stroke


def syllable(explorer: Explorer, first: str = "한"):
    """A box to type a syllable into, and what is known of it."""
    import ipywidgets

    box = ipywidgets.Text(first, description="syllable", continuous_update=False)
    return _with_figure([box], lambda: explore.syllable(explorer, box.value.strip()))


def two(explorer: Explorer, one: str = "정", other: str = "청"):
    """Two boxes, and what tells the syllables apart."""
    import ipywidgets

    boxes = [
        ipywidgets.Text(text, description=name, continuous_update=False)
        for text, name in ((one, "one"), (other, "other"))
    ]
    return _with_figure(boxes, lambda: explore.two(explorer, *(box.value.strip() for box in boxes)))


def upload(explorer: Explorer):
    """A button that loads a picture of one character, and what it is read as."""
    import ipywidgets
    from PIL import Image

    button = ipywidgets.FileUpload(accept="image/*", description="picture")

    def figure():
        if not button.value:
            return None
        try:
            picture = Image.open(io.BytesIO(button.value[0].content.tobytes())).convert("L")
        except Exception as error:  # Pillow raises many kinds
            raise InputError(f"{button.value[0].name} is no picture that Pillow reads ({error})") from error
        return explore.reading(explorer, np.asarray(picture))

    return _with_figure([button], figure)


def canvas(explorer: Explorer):
    """A field to draw a syllable on with the mouse; it is read at the end of each stroke."""
    import ipywidgets
    from ipycanvas import Canvas

    field, strokes, clear = Canvas(width=SIZE, height=SIZE), [], ipywidgets.Button(description="clear")
    field.stroke_rect(0, 0, SIZE, SIZE)
    field.line_width, field.line_cap = PEN, "round"
    answer = Answer()

    def down(x: float, y: float) -> None:
        strokes.append([(x, y)])

    def move(x: float, y: float) -> None:
        if strokes and strokes[-1] is not None:
            field.stroke_line(*strokes[-1][-1], x, y)
            strokes[-1].append((x, y))

    def up(x: float, y: float) -> None:
        move(x, y)
        drawn = [stroke for stroke in strokes if stroke]
        strokes.append(None)  # the pen is up
        answer.show(lambda: explore.reading(explorer, inked(drawn)))

    def start_anew(_) -> None:
        strokes.clear()
        field.clear()
        field.stroke_rect(0, 0, SIZE, SIZE)
        answer.show(lambda: None)

    field.on_mouse_down(down)
    field.on_mouse_move(move)
    field.on_mouse_up(up)
    clear.on_click(start_anew)
    return ipywidgets.VBox([ipywidgets.HBox([field, clear]), *answer.parts])


def inked(strokes: list[list[tuple[float, float]]]) -> np.ndarray:
    """Strokes, points (x, y) in pixels of the canvas -> grey picture (185, 185), dark on light."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (SIZE, SIZE), 255)
    draw = ImageDraw.Draw(picture)
    for stroke in strokes:
        draw.line(stroke, fill=0, width=PEN, joint="curve")
        for x, y in stroke:
            draw.ellipse((x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2), fill=0)
    return np.asarray(picture)


def _with_figure(controls: list, figure: Callable[[], object]):
    """Controls, and below them a figure that follows each change."""
    import ipywidgets

    answer = Answer()
    for control in controls:
        control.observe(lambda _: answer.show(figure), "value")
    answer.show(figure)
    return ipywidgets.VBox([*controls, *answer.parts])


class Answer:
    """A figure, or in one line what was wrong."""

    def __init__(self) -> None:
        import ipywidgets

        self.image, self.message = ipywidgets.Image(format="png"), ipywidgets.Label()
        self.parts = self.image, self.message

    def show(self, figure: Callable[[], Figure | None]) -> None:
        """Make the figure and show it; nothing for None."""
        try:
            found, self.message.value = figure(), ""
        except InputError as error:
            found, self.message.value = None, str(error)
        self.image.layout.display = "none" if found is None else ""
        if found is not None:
            content = io.BytesIO()
            found.savefig(content, format="png", dpi=100)
            self.image.value = content.getvalue()
