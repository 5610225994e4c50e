"""Random changes of the training images: flips, shifts, rotations and zooms. In inference they do nothing.

Shifts, rotations and zooms are one affine resampling (``kernels/affine.py``) with three ways to draw its matrices.
A matrix says where in the input each output cell is read, so it moves the picture the opposite way.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from convolens import random
from convolens.kernels.affine import FILL_MODES, INTERPOLATIONS, affine_backward, affine_forward
from convolens.layers import arguments
from convolens.layers.base import Layer, registry

__all__ = ["RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom"]


class Augmentation(Layer):
    """What the random layers share: they act on images ``(n, h, w, c)`` in training only.

    A subclass defines ``change``, and ``change_backward``.
    """

    input_rank = 4
    stochastic = True
    fixed: ClassVar = {"data_format": "channels_last"}

    def __init__(self, seed: int | None, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.accept_only_fixed(data_format=data_format)
        self.seed = None if seed is None else random.checked(seed)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return tuple(input_shape)

    def change(self, x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
        """Return the changed images, and what ``change_backward`` needs."""
        raise NotImplementedError

    def change_backward(self, d_output: np.ndarray, cache: Any) -> np.ndarray:
        """Return the gradient by the images."""
        raise NotImplementedError

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, Any]:
        """Return the images, changed in training; the cache is None in inference."""
        if not training:
            return x, None
        if rng is None:
            raise ValueError(
                f"layer {self.name!r} needs random numbers in training: pass rng=np.random.default_rng(0)."
            )
        return self.change(x, rng)

    def backward(self, d_output: np.ndarray, cache: Any, need_dx: bool = True) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient by the images."""
        return d_output if cache is None else self.change_backward(d_output, cache), {}


@registry.register()
class RandomFlip(Augmentation):
    """Flip each image with probability 1/2.

    Args:
        mode: ``"horizontal"`` (left to right), ``"vertical"`` (top to bottom) or ``"horizontal_and_vertical"``, which
            does both to the chosen images, as Keras.
        seed: of this layer's random numbers; None for the model's.
        data_format: ``"channels_last"``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    fields = ("seed", "mode")
    axes: ClassVar = {"horizontal": (2,), "vertical": (1,), "horizontal_and_vertical": (1, 2)}

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.mode = arguments.choice("mode", mode, tuple(self.axes))

    def change(self, x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the images, some flipped; the cache says which."""
        chosen = rng.random((len(x), 1, 1, 1)) <= 0.5
        return np.where(chosen, np.flip(x, self.axes[self.mode]), x), chosen

    def change_backward(self, d_output: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return the gradient, flipped back."""
        return np.where(cache, np.flip(d_output, self.axes[self.mode]), d_output)


class RandomAffine(Augmentation):
    """What shifts, rotations and zooms share: the resampling. A subclass defines ``matrices``."""

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.fill_mode = arguments.choice("fill_mode", fill_mode, tuple(FILL_MODES))
        self.interpolation = arguments.choice("interpolation", interpolation, INTERPOLATIONS)
        self.fill_value = arguments.number("fill_value", fill_value)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
        """Return random arguments of ``matrices`` for so many images."""
        raise NotImplementedError

    def matrices(self, h: int, w: int, *drawn: np.ndarray) -> np.ndarray:
        """Return the affine maps ``(n, 2, 3)`` for images of this size."""
        raise NotImplementedError

    def change(self, x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
        """Return the images, each resampled by its own map."""
        n, h, w, _ = x.shape
        return affine_forward(
            x,
            self.matrices(h, w, *self.draw(rng, n)),
            interpolation=self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
        )

    def change_backward(self, d_output: np.ndarray, cache: Any) -> np.ndarray:
        """Return the gradient, resampled by the transpose."""
        return affine_backward(d_output, cache)


@registry.register()
class RandomTranslation(RandomAffine):
    """Shift each image by a random part of its size.

    Args:
        height_factor: the range of the shift down (negative for up) as parts of the height: one number ``f`` for
            ``(-f, f)``, or two from -1 to 1.
        width_factor: the same to the right, as parts of the width.
        fill_mode: what lies beyond the edge: ``"reflect"``, ``"wrap"``, ``"constant"`` or ``"nearest"``.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        seed: of this layer's random numbers; None for the model's.
        fill_value: the constant.
        data_format: ``"channels_last"``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    fields = ("height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self.ranges = _range("height_factor", height_factor), _range("width_factor", width_factor)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
        """Return the shifts down and to the right, as parts of the image's size."""
        return rng.uniform(*self.ranges[0], count), rng.uniform(*self.ranges[1], count)

    def matrices(self, h: int, w: int, *drawn: np.ndarray) -> np.ndarray:
        """Return ``(x - right * w, y - down * h)``."""
        down, right = drawn
        zero, one = np.zeros(len(down)), np.ones(len(down))
        return _stacked((one, zero, -right * w), (zero, one, -down * h))


@registry.register()
class RandomRotation(RandomAffine):
    """Turn each image about its centre by a random angle.

    Args:
        factor: the range of the angle as parts of a full turn, positive for counter-clockwise: one number ``f`` for
            ``(-f, f)``, or two from -1 to 1.
        fill_mode: what lies beyond the edge: ``"reflect"``, ``"wrap"``, ``"constant"`` or ``"nearest"``.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        seed: of this layer's random numbers; None for the model's.
        fill_value: the constant.
        data_format: ``"channels_last"``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    fields = ("factor", "fill_mode", "interpolation", "seed", "fill_value")

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = _range("factor", factor)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
        """Return the angles in radians."""
        return (2 * np.pi * rng.uniform(*self.factor, count),)

    def matrices(self, h: int, w: int, *drawn: np.ndarray) -> np.ndarray:
        """Return the rotation about ``((w - 1) / 2, (h - 1) / 2)``."""
        (angle,) = drawn
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = (w - 1) / 2, (h - 1) / 2
        return _stacked((cos, -sin, x - x * cos + y * sin), (sin, cos, y - x * sin - y * cos))


@registry.register()
class RandomZoom(RandomAffine):
    """Zoom each image about its centre by a random factor.

    Args:
        height_factor: the range of the zoom: positive zooms out, negative in, by that part of the height; one number
            ``f`` for ``(-f, f)``, or two above -1 and up to 1.
        width_factor: the same for the width; None keeps the proportions.
        fill_mode: what lies beyond the edge: ``"reflect"``, ``"wrap"``, ``"constant"`` or ``"nearest"``.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        seed: of this layer's random numbers; None for the model's.
        fill_value: the constant.
        data_format: ``"channels_last"``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    fields = ("height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self.height_range = _range("height_factor", height_factor, includes_least=False)
        self.width_range = None
        if width_factor is not None:
            self.width_range = _range("width_factor", width_factor, includes_least=False)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
        """Return the zooms of height and width; 1 for none, above for out."""
        height = 1 + rng.uniform(*self.height_range, count)
        return height, height if self.width_range is None else 1 + rng.uniform(*self.width_range, count)

    def matrices(self, h: int, w: int, *drawn: np.ndarray) -> np.ndarray:
        """Return the zoom about ``((w - 1) / 2, (h - 1) / 2)``."""
        height, width = drawn
        zero = np.zeros(len(height))
        return _stacked((width, zero, (w - 1) / 2 * (1 - width)), (zero, height, (h - 1) / 2 * (1 - height)))


def _stacked(*rows: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return matrices ``(n, 2, 3)`` from two rows of three numbers per image."""
    return np.moveaxis(np.array(rows), 2, 0)


def _range(name: str, factor: Any, includes_least: bool = True) -> tuple[float, float]:
    """Return a factor's least and largest value, of a range within [-1, 1]."""
    bounds = list(factor) if isinstance(factor, list | tuple) else [factor]
    try:
        bounds = [float(arguments.number(name, bound, -1, 1)) for bound in bounds]
        if len(bounds) > 2 or not bounds or (not includes_least and min(bounds) == -1):
            raise ValueError
    except ValueError:
        least = "from -1" if includes_least else "above -1"
        raise ValueError(f"{name} is a number, or two of them, {least} to 1; got {factor!r}.") from None
    return (min(bounds), max(bounds)) if len(bounds) == 2 else (-abs(bounds[0]), abs(bounds[0]))
