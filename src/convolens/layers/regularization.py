"""Dropout: in training a random part of the cells, or of the channels, is set to zero."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from convolens import random
from convolens.kernels.operations import Operation
from convolens.layers import arguments
from convolens.layers.base import Layer, registry

__all__ = ["Dropout", "SpatialDropout2D"]


@registry.register()
class Dropout(Layer):
    """Set a random part ``rate`` of the cells to zero in training and scale the rest by ``1 / (1 - rate)``.

    The expected output equals the input (Srivastava et al., 2014). In inference nothing happens.

    Args:
        rate: the probability of zero, from 0 to 1.
        noise_shape: the shape in which cells are chosen together; None for the input's own. A size of None is the
            input's, a size of 1 chooses for the whole axis.
        seed: of this layer's random numbers; None for the model's.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    Raises:
        ValueError: for a rate outside [0, 1], or in a training pass without random numbers.
    """

    fields: ClassVar = ("rate", "seed", "noise_shape")
    stochastic = True

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = arguments.number("rate", rate, 0, 1)
        self.seed = None if seed is None else random.checked(seed)
        self.noise_shape = None
        if noise_shape is not None:
            self.noise_shape = tuple(
                None if size is None else arguments.positive("noise_shape", size) for size in noise_shape
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return tuple(input_shape)

    def chosen_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the mask's shape for an input's."""
        if self.noise_shape is None:
            return shape
        if len(self.noise_shape) != len(shape):
            raise ValueError(
                f"layer {self.name!r}: noise_shape {self.noise_shape} has not as many axes as the input, {shape}."
            )
        return tuple(size if noise is None else noise for noise, size in zip(self.noise_shape, shape, strict=True))

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return ``x`` with cells dropped; the cache is what each cell was multiplied by, or None in inference."""
        if not training or not self.rate:
            return x, None
        if rng is None:
            raise ValueError(
                f"layer {self.name!r} needs random numbers in training: pass rng=np.random.default_rng(0)."
            )
        kept = rng.random(self.chosen_shape(x.shape), np.float32) >= self.rate
        factor = kept * x.dtype.type(1 / (1 - self.rate) if self.rate < 1 else 0)
        return x * factor, factor

    def backward(
        self, d_output: np.ndarray, cache: np.ndarray | None, need_dx: bool = True
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient of the cells that were kept, scaled as they were."""
        return d_output if cache is None else d_output * cache, {}

    def operation(self) -> Operation | None:
        """Return the dropout of single cells."""
        return Operation("dropout", {}, {"rate": self.rate}) if self.noise_shape is None else None


@registry.register()
class SpatialDropout2D(Dropout):
    """Set a random part ``rate`` of each image's channels to zero in training and scale the rest by ``1 / (1 - rate)``.

    Neighbouring cells of a channel are alike, so dropping single ones hides little (Tompson et al., 2015).

    Args:
        rate: the probability of zero, from 0 to 1.
        data_format: ``"channels_last"``.
        seed: of this layer's random numbers; None for the model's.
        name: see ``Layer``.
        dtype: see ``Layer``.
    """

    input_rank = 4
    fixed: ClassVar = {"data_format": "channels_last"}

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, noise_shape=(None, 1, 1, None), seed=seed, name=name, dtype=dtype)
        self.accept_only_fixed(data_format=data_format)

    def get_config(self) -> dict[str, Any]:
        """Return Keras's configuration, which for this layer has no ``trainable``."""
        own = {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}
        return {**own, **self.fixed}
