"""A run's folder: what it was trained on and how, the network, and how good it is."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convolens.datasets import Dataset, names, read_image
from convolens.evaluation import Evaluation, class_probabilities, evaluate_classifier
from convolens.files import replacing

from .leaks import leak_figures
from .tasks import find_task, moved

__all__ = ["Run", "write_json"]


class Run:
    """A folder that ``train_task`` made.

    Attributes:
        folder: where it is.
        config: what ``config.json`` says: task, options, data, environment, state.
    """

    def __init__(self, folder: str | Path, config: dict[str, Any]) -> None:
        self.folder = Path(folder)
        self.config = config
        self._dataset: Dataset | None = None

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Open the folder of a run.

        Raises:
            FileNotFoundError: if there is no such folder, or it is no run.
            ValueError: if its ``config.json`` cannot be read.
        """
        path = Path(folder) / "config.json"
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{folder}: no such run folder.")
        if not path.is_file():
            raise FileNotFoundError(f"{folder}: no run: it has no config.json. Expected a folder that `train` made.")
        config = read_json(path)
        missing = [key for key in ("task", "options", "data") if key not in config]
        if missing:
            raise ValueError(f"{path}: lacks {', '.join(missing)}; expected what `train` writes.")
        return cls(folder, config)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}: {self.config['data']['name']}, {self.config.get('state', 'unknown')})"

    @property
    def model(self) -> Any:
        """The trained network, read anew: the kept epoch's."""
        from convolens.saving import load_model

        path = self.folder / "model.keras"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no network yet. Go on with: convolens train --resume {self.folder}")
        return load_model(path)

    @property
    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` says: ``accuracy`` on the test images and more."""
        return read_json(self.folder / "metrics.json")

    @property
    def history(self) -> dict[str, list[float]]:
        """A list of values per name, one per epoch: what ``history.csv`` says."""
        path = self.folder / "history.csv"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected a row per epoch, as `train` writes it.")
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        try:
            columns = {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(f"{path}: damaged; expected a number per column and epoch ({error}).") from None
        if rows and columns.get("epoch") != list(range(1, len(rows) + 1)):
            raise ValueError(f"{path}: damaged; expected the epochs 1 to {len(rows)} in a column 'epoch'.")
        return columns

    @property
    def class_names(self) -> list[str]:
        """The names of the classes, in order."""
        return list(self.config["data"]["class_names"])

    def dataset(self, data_dir: str | Path | None = None) -> Dataset:
        """Load the data that the run was trained on, from where they were or from ``data_dir``.

        Raises:
            ValueError: if the files are not those that the run was trained on.
            OSError: if they are missing.
        """
        if self._dataset is None or data_dir is not None:
            options = self.config["options"]
            task = self.config["task"] if data_dir is None else moved(self.config["task"], Path(data_dir))
            gone = [part for part in task if part not in names() and not Path(part).exists()]
            if gone:
                raise FileNotFoundError(f"{gone[0]}: the run's data are not there. Name their place with --data.")
            data = find_task(task, data_dir or options["data_dir"], options["seed"])
            if sorted(data.source.files.values()) != sorted(self.config["data"]["files"].values()):
                raise ValueError(
                    f"{self.folder}: the data files are not those that the run was trained on, and a new split would "
                    "test it on images that it has learnt. Put them back, name their place with --data, or train a new "
                    "run."
                )
            self._dataset = data
        return self._dataset

    def keep(self, dataset: Dataset) -> None:
        """Take data that are loaded already for the run's."""
        self._dataset = dataset

    def evaluate(self, data_dir: str | Path | None = None) -> Evaluation:
        """Evaluate the network on the test images and write ``metrics.json``."""
        data = self.dataset(data_dir)
        evaluation = evaluate_classifier(self.model, data.x_test, data.y_test, self.class_names)
        figures = {**evaluation.to_dict(), **leak_figures(data, evaluation), "protocol": self._protocol()}
        write_json(self.folder / "metrics.json", figures)
        return evaluation

    def _protocol(self) -> str:
        share = self.config["options"]["validation"]
        chosen = f"The epoch was chosen on {share:.0%} of the training images" if share else "The last epoch was kept"
        return f"{chosen}; the test images took no part in training or in any choice."

    def prepare(self, path: str | Path) -> tuple[np.ndarray, list[str]]:
        """Read an image file as the run's data were: ``(h, w, c)`` in [0, 1], and notes on what was done to it.

        A picture with a light border is inverted if the training images are light on dark, as scanned digits are.
        """
        height, width, channels = self.config["data"]["image_shape"]
        pixels = read_image(path, (height, width), channels)
        notes = []
        if self.config["data"]["dark_border"] and border_mean(pixels[None]) > 0.5 * 255:
            pixels = 255 - pixels
            notes.append("inverted: the training images are light on dark")
        return pixels.astype(np.float32) / 255, notes

    def predict(self, paths: Iterable[str | Path]) -> list[dict[str, Any]]:
        """Classify image files of any size and mode.

        Returns:
            Per file: ``file``, ``label`` (a class name), ``probability``, ``probabilities`` by class name, ``notes``.

        Raises:
            OSError: if a file is missing.
            ValueError: if one cannot be read as an image, or there is none.
        """
        files = [Path(path) for path in paths]
        if not files:
            raise ValueError("no image files were named.")
        prepared = [self.prepare(file) for file in files]
        rows = []
        probabilities = class_probabilities(self.model, np.stack([image for image, _ in prepared]))
        for file, (_, notes), p in zip(files, prepared, probabilities, strict=True):
            best = int(p.argmax())
            by_class = {name: float(value) for name, value in zip(self.class_names, p, strict=True)}
            rows.append(
                {
                    "file": str(file),
                    "label": self.class_names[best],
                    "probability": float(p[best]),
                    "probabilities": by_class,
                    "notes": notes,
                }
            )
        return rows


def border_mean(images: np.ndarray) -> float:
    """Return the mean of the outermost pixels of images ``(n, h, w, c)``."""
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    return float(np.mean([edge.mean() for edge in edges]))


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; one clear error if it is missing or damaged."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: cannot be read as JSON ({error}).") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}; expected an object.")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file in one piece."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=2, default=_plain) + "\n", encoding="utf-8")


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a CSV file in one piece; columns are those of any row."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)
