"""A data set in memory: images and labels, checked once, with a record of where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Dataset", "Raw", "Source", "assemble", "check_images", "check_labels"]


class Raw(NamedTuple):
    """The images as they were stored: ``uint8``, shape ``(n, h, w, c)``."""

    x_train: np.ndarray
    x_test: np.ndarray


@dataclass
class Source:
    """Where a data set came from.

    Attributes:
        files: path to SHA-256 of every file that was read.
        notes: what a reader of the results must know: a file that stands in for another, a checksum that differs.
    """

    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Dataset:
    """Images in [0, 1] with integer labels, split into training and test parts.

    Attributes:
        name: ``"mnist"``, or the path of a user's own files.
        x_train: training images, float32 in [0, 1], shape ``(n, h, w, c)``.
        y_train: training labels, int64, shape ``(n,)``.
        x_test: test images, as ``x_train``.
        y_test: test labels, as ``y_train``.
        class_names: the name of each label.
        description: what the images show and where they come from, in a sentence or two.
        raw: the images as stored (``uint8``), ``raw.x_train`` and ``raw.x_test``.
        scale: the stored value that means 1.0: 255, or 16 for the bundled digits.
        source: files read, with checksums, and notes.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: list[str]
    description: str
    raw: Raw
    scale: int = 255
    source: Source = field(default_factory=Source)

    def near(self, threshold: float = 5.0) -> float:
        """Return a difference of ``threshold`` of 255 in the units of ``raw``, as near duplicates are told by.

        Images that use less than a quarter of their scale, such as pixels of 0 to 16, are measured by what they use.
        """
        brightest = max(int(images.max(initial=0)) for images in self.raw)
        return threshold / 255 * (brightest if 0 < brightest < self.scale / 4 else self.scale)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        h, w, c = self.x_train.shape[1:]
        return h, w, c

    def __repr__(self) -> str:
        h, w, c = self.image_shape
        return (
            f"Dataset({self.name!r}: {len(self.x_train)} training and {len(self.x_test)} test images "
            f"of {h}x{w}x{c} in {len(self.class_names)} classes)"
        )


def assemble(
    name: str,
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    class_names: Sequence[str],
    description: str = "",
    scale: int = 255,
    source: Source | None = None,
) -> Dataset:
    """Check stored images and labels and return them as a data set.

    Args:
        name: what the set is called in messages and reports.
        train: images ``(n, h, w)`` or ``(n, h, w, c)`` in 0..``scale``, and labels ``(n,)``, ``(1, n)`` or ``(n, 1)``.
        test: the same for the test part.
        class_names: one name per label.
        description: a sentence or two about the set.
        scale: the stored value that means 1.0.
        source: where the arrays came from.

    Raises:
        ValueError: if a part is empty, has NaN or values out of range, a label without a class, or if counts or
            shapes do not fit together.
    """
    if len(class_names) < 2:
        raise ValueError(f"{name}: one class only ({', '.join(class_names)}); expected at least two.")
    images, labels = [], []
    for part, (x, y) in (("training", train), ("test", test)):
        where = f"{name}: {part} set"
        images.append(check_images(x, where, scale))
        labels.append(check_labels(y, len(images[-1]), len(class_names), where))
    if images[0].shape[1:] != images[1].shape[1:]:
        raise ValueError(
            f"{name}: training images have shape {images[0].shape[1:]} and test images {images[1].shape[1:]}; "
            "both sets need images of one size and number of channels."
        )
    x_train, x_test = (np.divide(x, np.float32(scale), dtype=np.float32) for x in images)
    return Dataset(
        name,
        x_train,
        labels[0],
        x_test,
        labels[1],
        list(class_names),
        description,
        Raw(*images),
        scale,
        source or Source(),
    )


def check_images(x: Any, where: str, scale: int = 255) -> np.ndarray:
    """Return images as contiguous ``uint8 (n, h, w, c)``; fractions in [0, 1] are taken as already scaled."""
    x = np.asarray(x)
    if x.size == 0 or x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{where} is empty: found images of shape {x.shape}, expected at least one.")
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.shape[-1] not in (1, 3):
        raise ValueError(
            f"{where}: images have shape {x.shape}; expected (n, height, width) or (n, height, width, channels) "
            "with 1 or 3 channels."
        )
    if x.dtype != np.uint8:
        x = _to_uint8(x, where, scale)
    if scale < 255 and int(x.max()) > scale:
        raise ValueError(f"{where}: a pixel is {int(x.max())}; expected 0 to {scale}.")
    return np.ascontiguousarray(x)


def _to_uint8(x: np.ndarray, where: str, scale: int) -> np.ndarray:
    if x.dtype.kind not in "iufb":
        raise ValueError(f"{where}: pixels are of type {x.dtype}; expected numbers from 0 to {scale}.")
    if x.dtype.kind == "f":
        bad = np.argwhere(~np.isfinite(x))
        if len(bad):
            raise ValueError(
                f"{where}: {len(bad)} pixels are NaN or infinite, the first in image {bad[0][0]}; "
                f"expected numbers from 0 to {scale}. Remove or repair these images."
            )
    low, high = x.min(), x.max()
    if low < 0 or high > scale:
        raise ValueError(f"{where}: pixels go from {low:g} to {high:g}; expected 0 to {scale}.")
    if x.dtype.kind == "f" and high <= 1 and np.any(x != np.rint(x)):
        x = x * scale
    return np.rint(x).astype(np.uint8)


def check_labels(y: Any, count: int, classes: int, where: str) -> np.ndarray:
    """Return labels as ``int64`` of shape ``(n,)``, each one of 0 to ``classes - 1``."""
    y = np.asarray(y)
    if y.ndim == 2 and 1 in y.shape:
        y = y.reshape(-1)
    if y.ndim != 1 or y.dtype.kind not in "iufb":
        raise ValueError(
            f"{where}: labels are {y.dtype} of shape {y.shape}; expected whole numbers of shape (n,) or (1, n)."
        )
    if len(y) != count:
        raise ValueError(f"{where} has {count} images but {len(y)} labels; expected one label for each image.")
    bad = np.flatnonzero(~(np.isfinite(y) & (y >= 0) & (y < classes) & (y == np.floor(y))))
    if len(bad):
        raise ValueError(
            f"{where}: the label of image {bad[0]} is {y[bad[0]]}; expected a whole number from 0 to {classes - 1}."
        )
    return y.astype(np.int64)
