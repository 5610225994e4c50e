"""What is in a data set: counts, pixel statistics, duplicates, a grid of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .dataset import Dataset
from .duplicates import PAIR_LIMIT, duplicate_groups, near_pairs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Description", "describe", "duplicate_groups", "sample_grid"]


@dataclass
class Description:
    """Tables about a data set, as pandas frames.

    Attributes:
        name: the set's name.
        counts: images per class (rows) and split (columns).
        pixels: per split and channel: mean, standard deviation, least and greatest value, from 0 to 1.
        duplicates: a row per pair of equal or nearly equal images: the split and index of both, their labels, the root
            mean square difference from 0 to 255, and whether they are equal.
        summary: per relation (within training, within test, across): exact pairs, near pairs, images of the test set
            or of the training set involved, and pairs whose labels differ.
        threshold: differences below it (of 255) count as near.
        notes: what a reader must know, most important first; leaks between the splits, stand-ins, checksums.
        files: SHA-256 of every file read.
        samples: an image with some examples of each class, ``uint8 (h, w, c)``.
    """

    name: str
    description: str
    image_shape: tuple[int, int, int]
    counts: pd.DataFrame
    pixels: pd.DataFrame
    duplicates: pd.DataFrame
    summary: pd.DataFrame
    threshold: float
    notes: list[str]
    files: dict[str, str]
    samples: np.ndarray

    @property
    def leaked(self) -> list[int]:
        """Indices of the test images that are, exactly or nearly, training images."""
        pairs = self.duplicates
        across = pairs[(pairs["split_a"] == "train") & (pairs["split_b"] == "test")]
        return sorted({int(i) for i in across["index_b"]})

    def to_json(self) -> dict[str, Any]:
        """Return everything but the sample grid as plain values."""
        return {
            "name": self.name,
            "description": self.description,
            "image_shape": list(self.image_shape),
            "counts": self.counts.to_dict(),
            "pixels": self.pixels.to_dict(orient="records"),
            "threshold": self.threshold,
            "duplicates": self.duplicates.to_dict(orient="records"),
            "duplicate_summary": self.summary.to_dict(orient="records"),
            "leaked_test_images": self.leaked,
            "notes": self.notes,
            "files": self.files,
        }


def describe(dataset: Dataset, threshold: float = 5.0) -> Description:
    """Describe a data set: counts, pixel statistics, duplicates within and across splits, samples.

    Two images count as near duplicates if the root mean square of their difference is below ``threshold`` of 255: an
    image and its copy after JPEG compression are, two photographs of one scene are not.

    Args:
        dataset: what ``load`` and the loaders return.
        threshold: in units of 1/255.

    >>> from convolens.datasets import load
    >>> found = describe(load("digits"))
    >>> int(found.counts["train"].sum()), len(found.duplicates)
    (1347, 0)
    """
    import pandas as pd

    names = dataset.class_names
    labels = {"train": dataset.y_train, "test": dataset.y_test}
    counts = pd.DataFrame({split: np.bincount(y, minlength=len(names)) for split, y in labels.items()}, index=names)
    counts.index.name = "class"
    duplicates = _duplicate_table(dataset, threshold)
    summary = _summary(duplicates)
    found = Description(
        name=dataset.name,
        description=dataset.description,
        image_shape=dataset.image_shape,
        counts=counts,
        pixels=_pixel_table(dataset),
        duplicates=duplicates,
        summary=summary,
        threshold=threshold,
        notes=list(dataset.source.notes),
        files=dict(dataset.source.files),
        samples=sample_grid(dataset),
    )
    found.notes[:0] = _findings(found, len(dataset.x_test))
    return found


def sample_grid(dataset: Dataset, columns: int = 10) -> np.ndarray:
    """Return one image with a row of training examples for each class, ``uint8 (h, w, c)``."""
    x, y = dataset.raw.x_train, dataset.y_train
    h, w, c = dataset.image_shape
    grid = np.full((len(dataset.class_names) * (h + 1) - 1, columns * (w + 1) - 1, c), 255, np.uint8)
    for row in range(len(dataset.class_names)):
        for column, i in enumerate(np.flatnonzero(y == row)[:columns]):
            tile = np.rint(x[i] * (255 / dataset.scale)).astype(np.uint8)
            grid[row * (h + 1) : row * (h + 1) + h, column * (w + 1) : column * (w + 1) + w] = tile
    return grid


def _pixel_table(dataset: Dataset) -> pd.DataFrame:
    """Per split and channel, from counts of the stored values: exact and quick for any number of images."""
    import pandas as pd

    rows = []
    values = np.arange(256) / dataset.scale
    for split, x in zip(("train", "test"), dataset.raw, strict=True):
        channels = ["grey"] if x.shape[-1] == 1 else ["red", "green", "blue"]
        for c, channel in enumerate(channels):
            histogram = np.bincount(x[..., c].ravel(), minlength=256)
            present = values[np.flatnonzero(histogram)]
            mean = float(np.average(values, weights=histogram))
            deviation = float(np.sqrt(np.average((values - mean) ** 2, weights=histogram)))
            rows.append((split, channel, mean, deviation, float(present[0]), float(present[-1])))
    return pd.DataFrame(rows, columns=["split", "channel", "mean", "std", "min", "max"])


def _duplicate_table(dataset: Dataset, threshold: float) -> pd.DataFrame:
    import pandas as pd

    boundary = len(dataset.x_train)
    images = np.concatenate(dataset.raw)
    labels = np.concatenate([dataset.y_train, dataset.y_test])
    unit = 255 / dataset.scale
    pairs, rms = near_pairs(images, dataset.near(threshold))
    a, b = pairs[:, 0], pairs[:, 1]

    def split(i: np.ndarray) -> np.ndarray:
        return np.where(i < boundary, "train", "test")

    return pd.DataFrame(
        {
            "split_a": split(a),
            "index_a": np.where(a < boundary, a, a - boundary),
            "split_b": split(b),
            "index_b": np.where(b < boundary, b, b - boundary),
            "label_a": labels[a],
            "label_b": labels[b],
            "rms": np.round(rms * unit, 3),
            "exact": rms == 0,
        }
    )


_RELATIONS = {"within training": ("train", "train"), "within test": ("test", "test"), "across": ("train", "test")}


def _summary(pairs: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for relation, (a, b) in _RELATIONS.items():
        own = pairs[(pairs["split_a"] == a) & (pairs["split_b"] == b)]
        images = set(own["index_b"]) | (set(own["index_a"]) if a == b else set())
        exact = int(own["exact"].sum())
        rows.append((relation, exact, len(own) - exact, len(images), int((own["label_a"] != own["label_b"]).sum())))
    return pd.DataFrame(rows, columns=["relation", "exact pairs", "near pairs", "images", "labels differ"])


def _findings(found: Description, test_count: int) -> list[str]:
    notes = []
    if found.leaked:
        notes.append(
            f"{len(found.leaked)} of the {test_count} test images are also training images, exactly or nearly "
            f"(root mean square difference below {found.threshold:g} of 255): test figures are optimistic."
        )
    contradicting = int(found.summary["labels differ"].sum())
    if contradicting:
        notes.append(f"{contradicting} pairs of equal or nearly equal images have different labels.")
    if len(found.duplicates) >= PAIR_LIMIT:
        notes.append(f"The search for duplicates ended at {PAIR_LIMIT:,} pairs.")
    return notes
