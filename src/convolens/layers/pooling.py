"""Pooling of images ``(n, h, w, c)``: the largest or the mean value of each window, or of the whole image."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from convolens import kernels
from convolens.kernels import geometry
from convolens.kernels.operations import Operation
from convolens.layers import arguments
from convolens.layers.base import Layer, registry
from convolens.symbol import Shape

__all__ = ["AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "MaxPooling2D"]


class Pooling(Layer):
    """What max and average pooling share: a window, and a kernel that the subclass names."""

    kernel_name: ClassVar[str]
    input_rank = 4
    fields = ("pool_size", "strides", "padding")
    fixed: ClassVar = {"data_format": "channels_last"}

    def __init__(self, pool_size: Any, strides: Any, padding: str, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.accept_only_fixed(data_format=data_format)
        self.pool_size = arguments.pair("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else arguments.pair("strides", strides)
        self.padding = arguments.choice("padding", padding, ("valid", "same"))

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the kernel."""
        return {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(n, oh, ow, c)``."""
        n, h, w, c = input_shape
        try:
            rows, columns = geometry.output_size((h, w), self.pool_size, self.strides, self.padding)
        except ValueError as error:
            raise ValueError(f"layer {self.name!r} on input of shape {tuple(input_shape)}: {error}") from None
        return n, rows, columns, c

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, Any]:
        """Return the pooled images."""
        return getattr(kernels.backend(), f"{self.kernel_name}_forward")(x, **self.options())

    def backward(self, d_output: np.ndarray, cache: Any, need_dx: bool = True) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient by the images."""
        return getattr(kernels.backend(), f"{self.kernel_name}_backward")(d_output, cache), {}

    def operation(self) -> Operation | None:
        """Return the pooling."""
        return Operation(self.kernel_name, {}, self.options())


@registry.register()
class MaxPooling2D(Pooling):
    """The largest value of each window; its gradient goes to the first maximum in row-major order.

    So do TensorFlow and PyTorch. The course's functions (``cl.course``) send a tie's gradient to every maximum instead.

    Args:
        pool_size: the window's ``(height, width)``, or one integer for both.
        strides: steps of the window; the window's size if None.
        padding: ``"valid"`` or ``"same"``; cells of the padding are never the largest.
        data_format: ``"channels_last"``.
        name: see ``Layer``.
        **kwargs: ``trainable``, ``dtype``, ``input_shape``.

    >>> MaxPooling2D()(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """

    kernel_name = "max_pool2d"

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


@registry.register()
class AveragePooling2D(Pooling):
    """The mean of each window; cells of the padding do not count.

    Args:
        pool_size: the window's ``(height, width)``, or one integer for both.
        strides: steps of the window; the window's size if None.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"``.
        name: see ``Layer``.
        **kwargs: ``trainable``, ``dtype``, ``input_shape``.

    >>> AveragePooling2D(2)(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """

    kernel_name = "average_pool2d"

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


class GlobalPooling(Layer):
    """What the poolings over whole images share.

    Args:
        data_format: ``"channels_last"``.
        keepdims: whether the output is ``(n, 1, 1, c)`` instead of ``(n, c)``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    input_rank = 4
    fields = ("keepdims",)
    fixed: ClassVar = {"data_format": "channels_last"}

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.accept_only_fixed(data_format=data_format)
        self.keepdims = bool(keepdims)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(n, c)``, or ``(n, 1, 1, c)`` with ``keepdims``."""
        n, _, _, c = input_shape
        return (n, 1, 1, c) if self.keepdims else (n, c)


@registry.register()
class GlobalAveragePooling2D(GlobalPooling):
    """The mean of each channel over the image.

    Args:
        data_format: ``"channels_last"``.
        keepdims: whether the output is ``(n, 1, 1, c)`` instead of ``(n, c)``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return the means; the cache is the images' shape."""
        return x.mean(axis=(1, 2), keepdims=self.keepdims), x.shape

    def backward(
        self, d_output: np.ndarray, cache: tuple[int, ...], need_dx: bool = True
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return an equal share of the gradient for each cell."""
        n, h, w, c = cache
        share = d_output.reshape(n, 1, 1, c) / d_output.dtype.type(h * w)
        return np.broadcast_to(share, cache).copy(), {}

    def operation(self) -> Operation | None:
        """Return the mean over the image."""
        return Operation("global_average_pool2d", {}, {"keepdims": self.keepdims})


@registry.register()
class GlobalMaxPooling2D(GlobalPooling):
    """The largest value of each channel; its gradient goes to the first maximum in row-major order.

    Args:
        data_format: ``"channels_last"``.
        keepdims: whether the output is ``(n, 1, 1, c)`` instead of ``(n, c)``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, tuple[tuple[int, ...], np.ndarray]]:
        """Return the maxima; the cache is the images' shape and the maxima's places ``(n, 1, c)``."""
        n, h, w, c = x.shape
        cells = x.reshape(n, h * w, c)
        winners = cells.argmax(axis=1, keepdims=True)
        y = np.take_along_axis(cells, winners, axis=1)
        return y.reshape((n, 1, 1, c) if self.keepdims else (n, c)), (x.shape, winners)

    def backward(
        self, d_output: np.ndarray, cache: tuple[tuple[int, ...], np.ndarray], need_dx: bool = True
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient at the maxima, zero elsewhere."""
        (n, h, w, c), winners = cache
        dx = np.zeros((n, h * w, c), d_output.dtype)
        np.put_along_axis(dx, winners, d_output.reshape(n, 1, c), axis=1)
        return dx.reshape(n, h, w, c), {}

    def operation(self) -> Operation | None:
        """Return the maximum over the image."""
        return Operation("global_max_pool2d", {}, {"keepdims": self.keepdims})
