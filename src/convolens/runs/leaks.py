"""Test images that are training images too, and how good a network is without them."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.datasets import Dataset, leaked_images
from convolens.evaluation import Evaluation

__all__ = ["leak_figures"]


def leak_figures(data: Dataset, evaluation: Evaluation) -> dict[str, Any]:
    """Return what ``metrics.json`` says about leaks.

    Returns:
        ``leaked_test_images``: their indices; and where there are some, ``without_leaked``: ``accuracy``,
        ``accuracy_interval`` and ``count`` on the other test images.
    """
    leaked = leaked_images(*data.raw, threshold=data.near())
    kept = np.setdiff1d(np.arange(evaluation.count), leaked)
    figures: dict[str, Any] = {"leaked_test_images": leaked}
    if leaked and len(kept):
        rest = Evaluation(evaluation.class_names, evaluation.y_true[kept], evaluation.probabilities[kept])
        figures["without_leaked"] = {
            "accuracy": rest.accuracy,
            "accuracy_interval": list(rest.interval),
            "count": rest.count,
        }
    return figures
