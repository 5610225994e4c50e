"""Pictures of what a classifier gets wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convolens import evaluation

from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_matrix", "misclassified"]


@style.drawn
def confusion_matrix(y_true: Any, y_pred: Any, class_names: Sequence[str] | None = None) -> Figure:
    """Draw how often each class was taken for each other.

    Args:
        y_true: the true classes, as numbers or one-hot.
        y_pred: the predicted ones, or the model's outputs: probabilities ``(n, classes)`` or ``(n, 1)``.
        class_names: the name of each class; their numbers if None.

    Returns:
        Counts in cells; right ones on the diagonal blue, wrong ones orange, the stronger the larger their share of the
        true class.
    """
    y_pred = np.asarray(y_pred)
    classes = len(class_names) if class_names is not None else _count_of_classes(y_true, y_pred)
    predicted = evaluation.class_numbers(_decided(y_pred), classes, "y_pred")
    counts = evaluation.confusion_matrix(evaluation.class_numbers(y_true, classes, "y_true"), predicted, classes)
    names = [str(name) for name in (range(classes) if class_names is None else class_names)]
    return _draw_confusion(counts, names)


def _count_of_classes(y_true: Any, y_pred: np.ndarray) -> int:
    for one in (y_pred, np.asarray(y_true)):
        if one.ndim == 2 and one.shape[1] > 1:
            return one.shape[1]
    return max(2, int(np.max(y_true)) + 1, int(np.ceil(np.max(y_pred))) + 1)


def _decided(y_pred: np.ndarray) -> np.ndarray:
    """Return class numbers for the outputs of a model; class numbers stay as they are."""
    if y_pred.ndim == 2 and y_pred.shape[1] > 1:
        return y_pred.argmax(axis=1)
    if y_pred.dtype.kind == "f" and np.all((y_pred >= 0) & (y_pred <= 1)):
        return (y_pred.reshape(-1) >= 0.5).astype(np.int64)
    return y_pred


def _draw_confusion(counts: np.ndarray, names: list[str]) -> Figure:
    classes = len(names)
    side = min(max(5.0, 0.62 * classes + 2.2), 14)
    fig = style.figure(side + 0.8, side)
    ax = fig.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Errors are few: their colours run to a quarter of the class, those of the diagonal to all of it.
    on_diagonal = np.eye(classes, dtype=bool)
    tones = np.where(on_diagonal, -0.75 * shares, np.where(counts > 0, np.clip(0.12 + 2.6 * shares, 0, 0.8), 0))
    shown = style.signed(ax, tones, limit=1.0)
    size = float(np.clip(200 / max(classes, 10), 7, 18))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = style.readable(shown.cmap(shown.norm(tones[row, column])))
            weight = "bold" if row == column else "normal"
            ax.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=size, fontweight=weight)
    long = max(map(len, names)) * classes > 45
    ax.set_xticks(range(classes), names, rotation=45 if long else 0, ha="right" if long else "center")
    ax.set_yticks(range(classes), names)
    ax.tick_params(length=0)
    ax.set(xlabel="predicted class", ylabel="true class")
    for spine in ax.spines.values():
        spine.set_visible(False)
    right, total = int(np.trace(counts)), int(counts.sum())
    ax.set_title(f"{right} of {total} right ({right / max(total, 1):.1%})", loc="left", fontweight="bold")
    return fig


@style.drawn
def misclassified(model: Any, x: Any, y: Any, class_names: Sequence[str] | None = None, count: int = 16) -> Figure:
    """Draw the images that the model gets wrong, most confidently wrong first, with the probabilities.

    Args:
        model: a classifier.
        x: images ``(n, h, w, c)``.
        y: their classes.
        class_names: the name of each class; their numbers if None.
        count: how many to show at most.
    """
    found = evaluation.evaluate_classifier(model, x, y, class_names)
    wrong = found.misclassified
    shown = wrong.head(count)
    title = f"{len(wrong)} of {found.count} wrong" + (f", the {count} most confident" if len(wrong) > count else "")
    columns = min(max(len(shown), 3), 4 if len(shown) <= 8 else -(-len(shown) // max(1, round(len(shown) ** 0.5))))
    rows = max(1, -(-len(shown) // columns))
    fig = style.figure(2.6 * columns, 3.15 * rows + 0.6, title)
    axes = fig.subplots(rows, columns, squeeze=False).ravel()
    cases = shown.to_dict(orient="records")
    longest = max((len(_short(case[key])) for case in cases for key in ("true", "predicted")), default=0)
    for ax, case in zip(axes, cases, strict=False):
        style.show_image(ax, np.asarray(x)[case["index"]])
        _caption(ax, case, size=min(14.0, 245 / (longest + 11)))
    for ax in axes[len(shown) :]:
        ax.axis("off")
    if wrong.empty:
        axes[len(axes) // 2].text(0.5, 0.5, "none", ha="center", va="center", color=style.soft(), fontsize=18)
    return fig


def _caption(ax: Axes, case: Mapping[Any, Any], size: float) -> None:
    says = f"says {_short(case['predicted'])}: {case['confidence']:.2f}"
    truth = f"is {_short(case['true'])}: {case['true_probability']:.2f}"
    options: dict[str, Any] = {"transform": ax.transAxes, "ha": "center", "va": "top", "fontsize": size}
    ax.text(0.5, -0.03, says, color=style.orange(), fontweight="bold", **options)
    ax.text(0.5, -0.15, truth, color=style.blue(), **options)
    ax.set_title(f"#{case['index']}", loc="left", fontsize=11, color=style.soft(), pad=3)


def _short(name: str, length: int = 14) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
