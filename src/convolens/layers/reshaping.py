"""Layers that move cells: padding, cropping, enlarging, flattening, reshaping."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any, ClassVar

import numpy as np

from convolens.kernels.operations import Operation
from convolens.layers import arguments
from convolens.layers.base import Layer, registry
from convolens.symbol import Shape

__all__ = ["Cropping2D", "Flatten", "Reshape", "UpSampling2D", "ZeroPadding2D"]


@registry.register()
class ZeroPadding2D(Layer):
    """Add rows and columns of zeros around images ``(n, h, w, c)``.

    Args:
        padding: cells on every side; or ``(vertical, horizontal)``; or ``((top, bottom), (left, right))``.
        data_format: ``"channels_last"``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    >>> ZeroPadding2D(((0, 0), (0, 2)))(np.ones((1, 1, 1, 1)))[0, :, :, 0].tolist()
    [[1.0, 0.0, 0.0]]
    """

    input_rank = 4
    fields = ("padding",)
    fixed: ClassVar = {"data_format": "channels_last"}

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.accept_only_fixed(data_format=data_format)
        self.padding = arguments.around("padding", padding)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(n, h + top + bottom, w + left + right, c)``."""
        n, h, w, c = input_shape
        rows, columns = map(sum, self.padding)
        return n, h if h is None else h + rows, w if w is None else w + columns, c

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, None]:
        """Return the padded images."""
        return np.pad(x, ((0, 0), *self.padding, (0, 0))), None

    def backward(self, d_output: np.ndarray, cache: None, need_dx: bool = True) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient without the added cells."""
        return _cropped(d_output, self.padding), {}

    def operation(self) -> Operation | None:
        """Return the padding."""
        return Operation("zero_padding2d", {}, {"padding": self.padding})


@registry.register()
class Cropping2D(Layer):
    """Cut rows and columns off images ``(n, h, w, c)``.

    Args:
        cropping: cells on every side; or ``(vertical, horizontal)``; or ``((top, bottom), (left, right))``.
        data_format: ``"channels_last"``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    Raises:
        ValueError: if nothing would be left.
    """

    input_rank = 4
    fields = ("cropping",)
    fixed: ClassVar = {"data_format": "channels_last"}

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.accept_only_fixed(data_format=data_format)
        self.cropping = arguments.around("cropping", cropping)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(n, h - top - bottom, w - left - right, c)``."""
        n, h, w, c = input_shape
        left = [size if size is None else size - sum(cut) for size, cut in zip((h, w), self.cropping, strict=True)]
        if any(size is not None and size < 1 for size in left):
            raise ValueError(
                f"layer {self.name!r} cuts off {self.cropping}, which leaves nothing of shape {tuple(input_shape)}."
            )
        return n, left[0], left[1], c

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, None]:
        """Return the middle of the images."""
        return _cropped(x, self.cropping), None

    def backward(self, d_output: np.ndarray, cache: None, need_dx: bool = True) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient with zeros for the cells that were cut off."""
        return np.pad(d_output, ((0, 0), *self.cropping, (0, 0))), {}

    def operation(self) -> Operation | None:
        """Return the cropping."""
        return Operation("cropping2d", {}, {"cropping": self.cropping})


def _cropped(x: np.ndarray, cells: Any) -> np.ndarray:
    (top, bottom), (left, right) = cells
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


@registry.register()
class UpSampling2D(Layer):
    """Enlarge images ``(n, h, w, c)`` by whole factors.

    Bilinear interpolation is ``Y = R X C^T`` for each image and channel, with a matrix of interpolation weights for
    the rows and one for the columns; the gradient uses their transposes.

    Args:
        size: the factors ``(vertical, horizontal)``, or one integer for both.
        data_format: ``"channels_last"``.
        interpolation: ``"nearest"`` repeats cells; ``"bilinear"`` interpolates between cell centres, as Keras.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    >>> UpSampling2D((1, 2), interpolation="bilinear")(np.array([0.0, 4.0]).reshape(1, 1, 2, 1)).ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    input_rank = 4
    fields = ("size", "interpolation")
    fixed: ClassVar = {"data_format": "channels_last"}

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.accept_only_fixed(data_format=data_format)
        self.size = arguments.pair("size", size)
        self.interpolation = arguments.choice("interpolation", interpolation, ("nearest", "bilinear"))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(n, h * size[0], w * size[1], c)``."""
        n, h, w, c = input_shape
        rows, columns = self.size
        return n, h if h is None else h * rows, w if w is None else w * columns, c

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return the enlarged images; the cache is their shape before."""
        rows, columns = self.size
        if self.interpolation == "nearest":
            return x.repeat(rows, axis=1).repeat(columns, axis=2), x.shape
        _, h, w, _ = x.shape
        return _transformed(x, _interpolating(h, rows, x.dtype), _interpolating(w, columns, x.dtype)), x.shape

    def backward(
        self, d_output: np.ndarray, cache: tuple[int, ...], need_dx: bool = True
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient of each cell: the sum of its copies', or what the transposed matrices gather."""
        (_, h, w, _), (rows, columns), dtype = cache, self.size, d_output.dtype
        if self.interpolation == "nearest":
            copies = (d_output[:, i::rows, j::columns] for i in range(rows) for j in range(columns))
            return reduce(np.add, copies), {}
        return _transformed(d_output, _interpolating(h, rows, dtype).T, _interpolating(w, columns, dtype).T), {}


def _transformed(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return ``rows @ x @ columns.T`` for each image and channel."""
    x = np.moveaxis(np.tensordot(rows, x, (1, 1)), 0, 1)
    return np.ascontiguousarray(np.moveaxis(np.tensordot(columns, x, (1, 2)), 0, 2))


def _interpolating(size: int, factor: int, dtype: Any) -> np.ndarray:
    """Return the matrix of linear interpolation at ``(i + 1/2) / factor - 1/2``, constant beyond the outer centres."""
    places = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size))).astype(dtype)


@registry.register()
class Flatten(Layer):
    """Put all of an example's cells into one axis, the last axis fastest: ``(n, h, w, c) -> (n, h * w * c)``.

    Args:
        data_format: ``"channels_last"``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    fixed: ClassVar = {"data_format": "channels_last"}

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.accept_only_fixed(data_format=data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(n, product of the others)``."""
        n, *others = input_shape
        known = [size for size in others if size is not None]
        return n, math.prod(known) if len(known) == len(others) else None

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return the flat examples; the cache is their shape before."""
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(
        self, d_output: np.ndarray, cache: tuple[int, ...], need_dx: bool = True
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient in the shape before."""
        return d_output.reshape(cache), {}

    def operation(self) -> Operation | None:
        """Return the flattening."""
        return Operation("flatten")


@registry.register()
class Reshape(Layer):
    """Give each example another shape with as many cells, kept in row-major order.

    Args:
        target_shape: without the batch axis; one size may be -1, for what is left.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    >>> Reshape((-1, 2))(np.zeros((3, 8))).shape
    (3, 4, 2)
    """

    fields = ("target_shape",)

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        sizes = tuple(target_shape) if isinstance(target_shape, list | tuple) else (target_shape,)
        if sizes.count(-1) > 1:
            raise ValueError(f"Reshape: only one size of target_shape may be -1; got {target_shape!r}.")
        self.target_shape = tuple(-1 if size == -1 else arguments.positive("target_shape", size) for size in sizes)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(n, *target_shape)`` with -1 worked out, or None for it where the input's size is open."""
        n, *others = input_shape
        known = [size for size in others if size is not None]
        wanted = math.prod(size for size in self.target_shape if size != -1)
        if len(known) < len(others):
            return n, *(None if size == -1 else size for size in self.target_shape)
        left, rest = divmod(math.prod(known), wanted)
        if rest or (left != 1 and -1 not in self.target_shape):
            raise ValueError(
                f"layer {self.name!r} gives each example the shape {self.target_shape}; "
                f"found inputs of shape {tuple(input_shape)}, which have {math.prod(known)} cells each."
            )
        return n, *(left if size == -1 else size for size in self.target_shape)

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return the reshaped examples; the cache is their shape before."""
        shape = self.compute_output_shape(x.shape)
        return x.reshape([size for size in shape if size is not None]), x.shape

    def backward(
        self, d_output: np.ndarray, cache: tuple[int, ...], need_dx: bool = True
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient in the shape before."""
        return d_output.reshape(cache), {}
