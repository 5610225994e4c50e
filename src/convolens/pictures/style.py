"""The one look of all figures: colours, fonts, and how images and cells with numbers are drawn.

Figures are plain ``matplotlib.figure.Figure`` objects made without pyplot: none is registered anywhere, so none leaks
and none has to be closed. A notebook shows a figure that ends a cell (figures carry their own ``_repr_png_``);
``figure.savefig(path)`` writes a file. Colours are safe for colour-blind readers: blue against orange for values and
gradients, purple against green for weights, each symmetric about zero, and marks that differ in more than colour.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = [
    "blue", "cells", "color_bar", "colormap", "drawn", "figure", "frame", "grey_level", "heat_colormap", "ink",
    "is_dark", "largest", "line", "number", "orange", "pale", "paper", "picture", "png", "readable", "settings",
    "show_image", "show_pale", "signed", "soft", "theme",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")

DPI = 150

_THEMES = {
    name: dict(zip(("ink", "soft", "line", "paper", "blue", "orange"), colors.split(), strict=True))
    for name, colors in {
        "light": "#1b1e24 #5b616c #c3c6c9 #ffffff #0072b2 #d55e00",
        "dark": "#e8eaee #a7adb8 #414753 #171a20 #56b4e9 #ff9d4d",
    }.items()
}
# The stops of the explainer's page, from the most negative value through zero to the most positive.
_STOPS = {
    ("values", "light"): "053061 2166ac 67a9cf d1e5f0 f7f7f5 fddbb3 f49840 cb580a 782c04",
    ("values", "dark"): "bde0ff 6ab2f5 307ac7 193e68 181b21 5c340c ba600e fa9c3a ffdba6",
    ("weights", "light"): "40004b 762a83 9970ab decbe4 f7f7f5 cdebc8 6eba71 1b7837 00441b",
    ("weights", "dark"): "f0d2ff cd96eb 9258b4 482a5c 181b21 164628 268a46 6ace7a cdf5cd",
}

_theme: ContextVar[str] = ContextVar("theme", default="light")


@contextlib.contextmanager
def theme(name: str) -> Iterator[None]:
    """Draw figures made inside the ``with`` block for ``"light"`` or ``"dark"`` pages."""
    if name not in _THEMES:
        raise ValueError(f"a theme is one of {', '.join(map(repr, _THEMES))}; got {name!r}.")
    token = _theme.set(name)
    try:
        yield
    finally:
        _theme.reset(token)


def is_dark() -> bool:
    """Whether figures are being drawn for a dark page."""
    return _theme.get() == "dark"


def ink() -> str:
    """The colour of text and of marks that matter."""
    return _THEMES[_theme.get()]["ink"]


def soft() -> str:
    """The colour of secondary text."""
    return _THEMES[_theme.get()]["soft"]


def blue() -> str:
    """The first colour of a pair: training, the truth, what goes in."""
    return _THEMES[_theme.get()]["blue"]


def orange() -> str:
    """The second colour of a pair: validation, the answer, what comes out."""
    return _THEMES[_theme.get()]["orange"]


def line() -> str:
    """The colour of frames and rules."""
    return _THEMES[_theme.get()]["line"]


def paper() -> str:
    """The colour of the background."""
    return _THEMES[_theme.get()]["paper"]


def drawn(function: Callable[P, R]) -> Callable[P, R]:
    """Give the figures that a function makes the fonts and colours of this file."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context(settings()):  # type: ignore[arg-type]
            made = function(*args, **kwargs)
            for ax in getattr(made, "axes", []):  # later ticks take after the first, which is made here
                ax.xaxis.get_major_ticks(1)
                ax.yaxis.get_major_ticks(1)
            return made

    return wrapper


def settings() -> dict[str, Any]:
    """Return Matplotlib's settings for the theme in use."""
    return {
        "font.family": ["DejaVu Sans"],
        "font.size": 14,
        "axes.titlesize": 15,
        "axes.labelsize": 14,
        "xtick.labelsize": 13,
        "ytick.labelsize": 13,
        "figure.titlesize": 18,
        "text.color": ink(),
        "axes.labelcolor": ink(),
        "axes.edgecolor": line(),
        "xtick.color": soft(),
        "ytick.color": soft(),
        "axes.facecolor": "none",
        "figure.facecolor": paper(),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 1,
        "lines.linewidth": 2.5,
        "lines.solid_capstyle": "round",
        "image.interpolation": "nearest",
        "axes.formatter.useoffset": False,
        "text.parse_math": False,  # a class named "$x$" is just that
    }


def figure(width: float, height: float, title: str = "") -> Figure:
    """Return an empty figure of that size in inches; a notebook shows it if it ends a cell."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    made = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.12), dpi=DPI)
    FigureCanvasAgg(made)
    made._repr_png_ = functools.partial(png, made)  # type: ignore[attr-defined]
    if title:
        made.suptitle(title, fontweight="bold")
    return made


def png(made: Figure, dpi: int = DPI) -> bytes:
    """Return a figure as the content of a PNG file."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def colormap(kind: str = "values") -> Colormap:
    """Return the diverging colours of ``"values"`` (blue, orange) or ``"weights"`` (purple, green)."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        f"convolens-{kind}", [f"#{stop}" for stop in _STOPS[kind, _theme.get()].split()]
    )


def heat_colormap() -> Colormap:
    """Return the colours of values with their opacity: clear at zero, covering at either end."""
    from matplotlib.colors import ListedColormap

    shares = np.linspace(-1, 1, 511)
    rgba = colormap()((np.sign(shares) * (0.3 + 0.7 * np.abs(shares)) + 1) / 2)
    rgba[:, 3] = np.clip(1.5 * np.abs(shares), 0, 0.92)
    return ListedColormap(rgba)


def largest(*arrays: Any) -> float:
    """Return the largest magnitude in the arrays, or 1 if all is zero: the end of a scale symmetric about zero."""
    return max((float(np.max(np.abs(array))) for array in arrays if np.size(array)), default=0.0) or 1.0


def signed(ax: Axes, values: np.ndarray, limit: float | None = None, kind: str = "values", **options: Any) -> Any:
    """Draw a matrix in colours symmetric about zero."""
    limit = largest(values) if limit is None else limit
    return ax.imshow(values, cmap=colormap(kind), vmin=-limit, vmax=limit, **options)


def picture(image: np.ndarray) -> np.ndarray:
    """Return an image for display: ``(h, w)`` or ``(h, w, 3)`` in [0, 1]; other ranges are stretched to it."""
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] not in (3, 4):
        image = image[..., 0]
    if image.dtype == np.uint8:
        return image / 255
    low, high = min(float(image.min()), 0.0), max(float(image.max()), 1.0)
    return (image - low) / (high - low)


def grey_level(image: np.ndarray) -> np.ndarray:
    """Return the brightness ``(h, w)`` of an image for display."""
    shown = picture(image)
    return shown if shown.ndim == 2 else shown[..., :3] @ np.array([0.299, 0.587, 0.114])


def show_image(ax: Axes, image: np.ndarray, **options: Any) -> Any:
    """Draw an image without axes."""
    shown = ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, **options)
    frame(ax)
    return shown


def pale(image: np.ndarray) -> np.ndarray:
    """Return the brightness ``(h, w)`` of an image in weak greys, as a background for colours."""
    grey = grey_level(image)
    return 0.1 + 0.35 * grey if is_dark() else 0.55 + 0.4 * grey


def show_pale(ax: Axes, image: np.ndarray) -> None:
    """Draw an image in weak greys."""
    ax.imshow(pale(image), cmap="gray", vmin=0, vmax=1)


def frame(ax: Axes, color: str | None = None, width: float = 1.0) -> None:
    """Leave nothing of the axes but a frame."""
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, edgecolor=color or line(), linewidth=width)


def number(value: float, digits: int = 2) -> str:
    """Return a number as short text, with a real minus sign.

    >>> number(3.0), number(-0.5), number(0.126), number(-0.001)
    ('3', '−0.5', '0.13', '0')
    """
    text = f"{float(value):.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "0") else text.replace("-", "−")


def cells(
    ax: Axes,
    values: np.ndarray,
    limit: float | None = None,
    kind: str = "values",
    title: str = "",
    digits: int = 2,
    size: float = 15,
    blank: np.ndarray | None = None,
) -> None:
    """Draw a matrix as cells with their numbers, coloured symmetrically about zero.

    Args:
        ax: where.
        values: ``(rows, columns)``.
        limit: the magnitude with the strongest colour.
        kind: ``"values"`` or ``"weights"``.
        title: written above.
        digits: decimals of the numbers at most.
        size: of the font.
        blank: cells to leave empty, bool ``(rows, columns)``.
    """
    limit = largest(values) if limit is None else limit
    blank = np.zeros(values.shape, bool) if blank is None else blank
    colors = colormap(kind)
    # Beyond 0.85 of the palette black and white numbers both read badly; the numbers say the rest.
    shares = np.clip(0.85 * values / limit, -1, 1)
    filled = colors((shares + 1) / 2)
    filled[blank] = (0, 0, 0, 0)
    ax.imshow(filled)
    for (row, column), value in np.ndenumerate(values):
        if not blank[row, column]:
            color = readable(filled[row, column])
            ax.text(column, row, number(value, digits), ha="center", va="center", color=color, fontsize=size)
    rows, columns = values.shape
    ax.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    ax.grid(which="minor", color=line(), linewidth=1)
    ax.tick_params(which="both", length=0)
    frame(ax)
    if title:
        ax.set_title(title)


def readable(color: np.ndarray) -> str:
    """Return black or white, whichever reads better on a colour."""
    return "#14161a" if color[:3] @ np.array([0.299, 0.587, 0.114]) > 0.55 else "#f6f7f9"


def color_bar(fig: Figure, shown: Any, axes: Any, label: str = "", positive: bool = False, **options: Any) -> Any:
    """Add a colour bar with a few ticks and no outline; with ``positive`` only its part from 0."""
    from matplotlib.ticker import MaxNLocator

    bar = fig.colorbar(shown, ax=axes, ticks=MaxNLocator(4 if positive else 3), **options)
    bar.outline.set_visible(False)
    bar.set_label(label)
    if positive:
        bar.ax.set_ylim(0, None)
    return bar
