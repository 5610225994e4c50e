"""What a report tells: a run's network, data and history, and what follows from them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from convolens.datasets import Dataset, Description, describe
from convolens.evaluation import Evaluation, evaluate_classifier
from convolens.runs import Run
from convolens.runs.leaks import leak_figures

__all__ = ["Findings"]


class Findings:
    """Everything the report's sections draw on; each part is worked out when it is first asked for.

    Args:
        run: the run, or its folder.
        data_dir: where to search the data first, if not where they were.
    """

    def __init__(self, run: Run | str | Path, data_dir: str | Path | None = None) -> None:
        self.run = run if isinstance(run, Run) else Run.load(run)
        self.dataset: Dataset = self.run.dataset(data_dir)
        self.class_names = [str(name) for name in self.run.class_names]

    @cached_property
    def model(self) -> Any:
        """The network of the epoch that was kept."""
        return self.run.model

    @cached_property
    def history(self) -> dict[str, list[float]]:
        """The curves, without the column of epochs."""
        return {name: values for name, values in self.run.history.items() if name != "epoch"}

    @cached_property
    def evaluation(self) -> Evaluation:
        """The evaluation on the test images."""
        return evaluate_classifier(self.model, self.dataset.x_test, self.dataset.y_test, self.class_names)

    @cached_property
    def description(self) -> Description:
        """What is in the data, duplicates and leaks included."""
        return describe(self.dataset)

    @cached_property
    def leaks(self) -> dict[str, Any]:
        """Which test images are training images, and the accuracy without them, as ``metrics.json`` has it."""
        return leak_figures(self.dataset, self.evaluation)

    @cached_property
    def example(self) -> int:
        """The test image whose feature maps are shown: the first that is classified rightly, else the first."""
        return int(np.argmax(self.evaluation.y_true == self.evaluation.y_pred))

    @property
    def first_convolution(self) -> Any:
        """The first layer with kernels ``(kh, kw, c, f)``; None if there is none."""
        return next((one for one in self.model.layers if any(v.value.ndim == 4 for v in one.weights)), None)

    @property
    def layers(self) -> list[dict[str, Any]]:
        """A row per layer: name, class, output shape, parameters and the layers it works on."""
        inside = set(self.model.graph.nodes)
        rows = []
        for layer in self.model.layers:
            calls = [node for node in layer.nodes if node in inside] or layer.nodes
            sources = dict.fromkeys(symbol.node.layer.name for node in calls for symbol in node.inputs)
            shape = calls[0].outputs[0].shape[1:]
            rows.append(
                {
                    "name": layer.name,
                    "kind": type(layer).__name__,
                    "shape": " × ".join("any" if size is None else f"{size:,}" for size in shape),
                    "parameters": layer.count_params(),
                    "sources": ", ".join(sources),
                }
            )
        return rows
