"""A convolution step by step, as an animation with the numbers in the cells."""

from __future__ import annotations

import base64
import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convolens import kernels
from convolens.kernels import geometry
from convolens.layers import arguments

from . import style
from .teaching import EXAMPLE_IMAGE, EXAMPLE_KERNEL, example, outline, sign

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

__all__ = ["convolution"]

_TERMS_SHOWN = 12


@style.drawn
def convolution(
    x: Any = None, w: Any = None, b: float = 0.0, strides: Any = 1, padding: str = "valid", interval: int = 900
) -> FuncAnimation:
    """Return an animation of a convolution: the window moves over the image and the output fills, cell by cell.

    ``y[i, j] = b + sum over u, v of x[i s + u, j s + v] w[u, v]``. The last frame shows the whole output.
    A notebook plays it where it ends a cell; ``convolution().save("convolution.gif", writer="pillow")`` writes a file.

    Args:
        x: the image, a matrix; an example if None.
        w: the kernel, a matrix; an edge detector if None.
        b: the bias.
        strides: an integer or ``(vertical, horizontal)``.
        padding: ``"valid"`` or ``"same"``.
        interval: milliseconds per step.
    """
    from matplotlib.animation import FuncAnimation

    image, kernel = example(x, EXAMPLE_IMAGE, "x"), example(w, EXAMPLE_KERNEL, "w")
    steps = arguments.pair("strides", strides)
    y, _ = kernels.backend("reference").conv2d_forward(
        image[None, :, :, None], kernel[:, :, None, None], np.array([float(b)]), strides=steps, padding=padding
    )
    pads = geometry.pads(padding, (image.shape[0], image.shape[1]), (kernel.shape[0], kernel.shape[1]), steps)
    scene = _Scene(np.pad(image, pads), kernel, float(b), y[0, :, :, 0], steps)
    animation = FuncAnimation(scene.figure, scene.draw, frames=y[0, :, :, 0].size + 1, interval=interval)
    animation._repr_html_ = functools.partial(_as_gif, animation, max(1, round(1000 / interval)))  # type: ignore[method-assign]
    return animation


class _Scene:
    """The image, the kernel and the output, and what changes from step to step."""

    def __init__(self, image: np.ndarray, kernel: np.ndarray, b: float, y: np.ndarray, steps: tuple[int, int]) -> None:
        self.image, self.kernel, self.b, self.y, self.steps = image, kernel, b, y, steps
        widths = [image.shape[1], 0.7, kernel.shape[1], 0.7, y.shape[1]]
        rows = max(image.shape[0], kernel.shape[0], y.shape[0])
        self.figure = style.figure(max(0.7 * sum(widths) + 1.4, 10.5), 0.7 * rows + 1.7)
        axes = self.figure.subplots(1, 5, width_ratios=widths)
        style.cells(axes[0], image, title="x")
        style.cells(axes[2], kernel, kind="weights", title="w")
        sign(axes[1], "∗")
        sign(axes[3], "=" if b == 0 else f"+ {style.number(b)} =")
        self.output = axes[4]
        self.window = outline(axes[0], 0, 0, kernel.shape, style.orange(), 4)
        self.sum = self.figure.supxlabel(" ", fontsize=14)
        self.settings = style.settings()
        self.draw(0)

    def draw(self, step: int) -> list[Any]:
        """Draw the state after computing output cell number ``step``; after the last, the whole output."""
        import matplotlib

        done = step >= self.y.size
        row, column = divmod(min(step, self.y.size - 1), self.y.shape[1])
        blank = np.arange(self.y.size).reshape(self.y.shape) > step
        with matplotlib.rc_context(self.settings):  # type: ignore[arg-type]
            self.output.clear()
            style.cells(self.output, self.y, style.largest(self.y), title="y", blank=blank)
            if not done:
                outline(self.output, row, column, (1, 1), style.orange(), 4)
        self.window.set_visible(not done)
        top, left = row * self.steps[0], column * self.steps[1]
        self.window.set_xy((left - 0.5, top - 0.5))
        self.sum.set_text(
            "every cell of y is the sum of one window" if done else self._equation(row, column, top, left)
        )
        return [self.window, self.sum]

    def _equation(self, row: int, column: int, top: int, left: int) -> str:
        kh, kw = self.kernel.shape
        window = self.image[top : top + kh, left : left + kw]
        terms = [
            f"{style.number(a)}·{_in_brackets(c)}" for a, c in zip(window.ravel(), self.kernel.ravel(), strict=True)
        ]
        if len(terms) > _TERMS_SHOWN:
            terms = [*terms[:_TERMS_SHOWN], "…"]
        text = " + ".join(terms) + (f" + {_in_brackets(self.b)}" if self.b else "")
        return f"y[{row}, {column}] = {text} = {style.number(self.y[row, column])}"


def _in_brackets(value: float) -> str:
    text = style.number(value)
    return f"({text})" if text.startswith("−") else text


def _as_gif(animation: FuncAnimation, fps: int) -> str:
    """Return the animation as an HTML image."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "convolution.gif"
        animation.save(str(path), writer="pillow", fps=fps, dpi=80)
        data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="a convolution step by step" src="data:image/gif;base64,{data}">'
