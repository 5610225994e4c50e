"""One step for a run of operations: convolution, batch normalisation, ReLU and max pooling, any of them left out.

What comes after the convolution is done on the pooled array, a quarter or less of the cells: ReLU and adding a bias
change places with max pooling, and batch normalisation does so as ``normalization`` says. Where ReLU passes nothing,
who won the window does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from convolens.kernels.operations import Operation
from convolens.kernels.vectorized.native.convolution import Convolution
from convolens.kernels.vectorized.native.layout import per_channel, sum_rows
from convolens.kernels.vectorized.native.normalization import Normalization
from convolens.kernels.vectorized.native.pooling import MaxPooling
from convolens.kernels.vectorized.threads import by_rows

__all__ = ["Block"]


class Block:
    """A native step; what its public attributes and methods are for, the plan says.

    Args:
        operations: what it does, in the network's order.
        shape: of the input, ``(h, c, w, n)``.
        convolution: the convolution, or None.
        training: whether a batch normalisation uses the batch's statistics.
        dtype: of all arrays.
    """

    input_layout = output_layout = "native"
    takes_rows = False

    def __init__(
        self,
        operations: tuple[Operation, ...],
        shape: tuple[int, ...],
        convolution: Convolution | None,
        training: bool,
        dtype: Any,
    ) -> None:
        named = {operation.name: operation for operation in operations}
        self.count = len(operations)
        self.name = " + ".join(operation.name for operation in operations)
        self.destinations: dict[str, np.ndarray] = {}
        self.parameters: Mapping[str, Any] = {
            name: variable
            for operation in operations
            if operation.trainable
            for name, variable in operation.parameters.items()
            if variable.trainable
        }
        inner = convolution.output if convolution else shape
        self._convolution = convolution
        self._of_convolution = named["conv2d"].parameters if convolution else {}
        self._pool = MaxPooling(inner, named["max_pool2d"].options, dtype) if "max_pool2d" in named else None
        pooled = self._pool.y.shape if self._pool else inner
        self._norm: Normalization | None = None
        if (normalization := named.get("batch_normalization")) is not None:
            of_batch = training and normalization.trainable
            self._norm = Normalization(normalization, inner, pooled[0], of_batch, dtype)
            self.update_state: Callable[[Any], None] = normalization.update_state or _nothing
        else:
            self.update_state = _nothing
        self._relu = "relu" in named

        # The arrays, in the order in which they are made: x, convolved, z (centred), p (pooled), y; and back again.
        self._convolved = np.empty(inner, dtype) if convolution else None
        changes = self._norm is not None or self._relu or "bias" in self._of_convolution
        must_keep_p = self._pool is not None or self._norm is not None or convolution is None
        self._y = np.empty(pooled, dtype) if changes and must_keep_p else None
        self._dx = convolution.dz if convolution else np.zeros(shape, dtype)
        self._dp = np.empty(pooled, dtype) if self._pool or self._norm else self._dx
        self._dp_sums = np.empty(pooled[:2], dtype)

    def forward(self, x: np.ndarray, *, training: bool = False, rng: Any = None) -> tuple[np.ndarray, Any]:
        """Return the output, in a buffer, and the batch normalisation's cache."""
        convolution, norm, pool = self._convolution, self._norm, self._pool
        kernel, bias = map(self._value, ("kernel", "bias"))
        before = x if self._convolved is None else self._convolved
        z = before if norm is None else norm.z
        p = z if pool is None else pool.y
        y = p if self._y is None else self._y

        def up_to_the_mean(rows: slice) -> None:
            if convolution is not None:
                convolution.multiply(kernel, rows, out=before)
            if norm is not None:
                norm.sum_rows(before, rows)
            elif pool is not None:
                pool.forward_columns(before, rows)
            else:
                from_pooled(rows)

        def from_the_mean(rows: slice) -> None:
            if norm is not None:
                norm.centre(before, rows)
            if pool is not None:
                pool.forward_columns(z, rows)

        def from_pooled(rows: slice) -> None:
            last = p
            if pool is not None:
                pool.forward_rows(rows)
            if norm is not None:
                norm.scale(p, y, rows)
                last = y
            elif bias is not None:
                np.add(p[rows], per_channel(bias), out=y[rows])
                last = y
            if self._relu:
                np.maximum(last[rows], 0, out=y[rows])

        if convolution is not None:
            convolution.load(x)
        by_rows(len(before), before.size if convolution is None else convolution.operations, up_to_the_mean)
        if norm is not None:
            norm.find_mean(bias)
            by_rows(len(z), z.size, from_the_mean)
            norm.find_scale()
        if norm is not None or pool is not None:
            by_rows(len(p), p.size, from_pooled)
        self._of_pass = z, p, y
        return y, None if norm is None else norm.cache

    def backward(
        self, d_output: np.ndarray, cache: Any, need_dx: bool = True
    ) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return the gradient by the input, in a buffer, and those by the parameters."""
        convolution, norm, pool = self._convolution, self._norm, self._pool
        z, p, y = self._of_pass
        dp, dx = self._dp, self._dx
        gradients: dict[str, np.ndarray] = {}

        def to_pooled(rows: slice) -> None:
            if self._relu:
                np.multiply(d_output[rows], y[rows] > 0, out=dp[rows])
            else:
                np.copyto(dp[rows], d_output[rows])
            if norm is not None:
                norm.scale_backward(dp, p, rows)
            elif "bias" in self.parameters:
                self._dp_sums[rows] = sum_rows(dp[rows])
            if pool is not None:
                pool.backward_rows(dp[rows], rows)

        def to_input(rows: slice) -> None:
            if norm is not None:
                norm.centre_backward(dx, rows)
            if pool is not None:
                pool.backward_columns(z, dx, rows, add=norm is not None)
            else:
                dx[rows] += dp[rows]

        whole = pool is not None and pool.rows_overlap
        by_rows(len(dp), 0 if whole else dp.size, to_pooled)
        if norm is not None:
            gradients |= {k: v for k, v in norm.find_gradients().items() if k in self.parameters}
        if dp is not dx:
            by_rows(len(dx), dx.size, to_input)
        if convolution is None:
            return dx if need_dx else None, gradients
        if "kernel" in self.parameters:
            gradients["kernel"] = convolution.backward_kernel(self.destinations.get("kernel"))
        if "bias" in self.parameters:
            gradients["bias"] = self._dp_sums.sum(axis=0) if norm is None else norm.bias_gradient()
        return convolution.backward_input(self._value("kernel")) if need_dx else None, gradients

    def _value(self, name: str) -> Any:
        variable = self._of_convolution.get(name)
        return None if variable is None else variable.value


def _nothing(cache: Any) -> None:
    """Move no state."""
