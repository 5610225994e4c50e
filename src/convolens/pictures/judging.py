"""Pictures of how far a classifier's probabilities can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convolens.evaluation import Evaluation

from . import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["calibration", "roc"]


@style.drawn
def calibration(evaluation: Evaluation) -> Figure:
    """Draw how often the classifier is right against how sure it is; on the diagonal it is as good as it says.

    Args:
        evaluation: what ``evaluate_classifier`` returns.

    Returns:
        A dot per bin of confidence, its area by the number of images.
    """
    table = evaluation.calibration[evaluation.calibration["images"] > 0]
    fig = style.figure(5.8, 5.4)
    ax = fig.subplots()
    ax.plot([0, 1], [0, 1], color=style.soft(), linewidth=1.2, linestyle=(0, (4, 3)))
    ax.vlines(table["confidence"], table["confidence"], table["accuracy"], color=style.orange(), linewidth=2)
    sizes = 60 + 700 * table["images"] / table["images"].sum()
    ax.scatter(table["confidence"], table["accuracy"], s=sizes, color=style.blue(), edgecolor=style.paper(), zorder=3)
    ax.set(xlabel="confidence", ylabel="share right", xlim=(-0.02, 1.06), ylim=(-0.04, 1.08), aspect="equal")
    error = style.number(evaluation.expected_calibration_error, 3)
    ax.set_title(f"calibration error {error}", loc="left", fontweight="bold")
    return fig


@style.drawn
def roc(evaluation: Evaluation) -> Figure:
    """Draw the ROC curve of a classifier of two classes, with the threshold that parts them best.

    Args:
        evaluation: what ``evaluate_classifier`` returns for two classes.

    Raises:
        ValueError: for other than two classes, or if the images are all of one.
    """
    table = evaluation.roc
    if table is None:
        raise ValueError(
            f"a ROC curve is of two classes, with images of both; this evaluation has {len(evaluation.class_names)} "
            f"classes, and images of {len(np.unique(evaluation.y_true))}."
        )
    false, true = table["false_positive_rate"].to_numpy(), table["true_positive_rate"].to_numpy()
    best = int(np.argmax(true - false))
    fig = style.figure(5.8, 5.4)
    ax = fig.subplots()
    ax.plot([0, 1], [0, 1], color=style.soft(), linewidth=1.2, linestyle=(0, (4, 3)))
    ax.fill_between(false, true, step=None, color=style.blue(), alpha=0.12, linewidth=0)
    ax.plot(false, true, color=style.blue())
    ax.plot(false[best], true[best], "o", color=style.orange(), markersize=11, markeredgecolor=style.paper())
    ax.annotate(
        f"threshold {style.number(table['thresholds'][best], 3)}", (false[best], true[best]), xytext=(14, -12),
        textcoords="offset points", color=style.orange(), va="top",
    )  # fmt: skip
    name = evaluation.class_names[1]
    ax.set(xlabel="false positive rate", ylabel=f"true positive rate ({name})", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set_aspect("equal")
    ax.set_title(f"area under the curve {evaluation.auc:.4f}", loc="left", fontweight="bold")
    return fig
