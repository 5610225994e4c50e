"""A named array of a layer: a parameter or a piece of state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["Variable"]


class Variable(NDArrayOperatorsMixin):
    """A named array that layers own, optimisers move and files store.

    ``value`` is the array itself; it may be a view into the model's one flat vector, so it is written in place
    (``assign``) and never replaced by a user. Arithmetic with arrays works: ``x @ layer.kernel``.

    Args:
        value: the initial array.
        name: Keras's name of the variable: ``"kernel"``.
        trainable: whether an optimiser moves it (also asks its layer: see ``Layer.trainable``).
        regularizer: a function of the array that adds to the loss, or None.
        path: the name with its layer's: ``"conv2d/kernel"``.
    """

    def __init__(
        self,
        value: Any,
        name: str = "variable",
        trainable: bool = True,
        regularizer: Any = None,
        path: str | None = None,
    ) -> None:
        self.value = np.array(value)
        self.name = name
        self.trainable = trainable
        self.regularizer = regularizer
        self.path = path or name

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.value.shape

    @property
    def dtype(self) -> str:
        """The name of the array's type, as Keras gives it."""
        return self.value.dtype.name

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.value.size

    def numpy(self) -> np.ndarray:
        """Return a copy of the array."""
        return self.value.copy()

    def assign(self, value: Any) -> Variable:
        """Copy ``value`` into the array.

        Raises:
            ValueError: if the shapes differ.
        """
        array = np.asarray(value)
        if array.shape != self.value.shape:
            raise ValueError(f"{self.path} has shape {self.value.shape}; got an array of shape {array.shape}.")
        self.value[...] = array
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if dtype is not None and np.dtype(dtype) != self.value.dtype:
            return self.value.astype(dtype)
        return self.value.copy() if copy else self.value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if "out" in kwargs:
            return NotImplemented
        arrays = [item.value if isinstance(item, Variable) else item for item in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Any:
        return self.value[index]

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"
