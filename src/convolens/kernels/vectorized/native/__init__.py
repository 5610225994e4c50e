"""Native steps: the plan's fast way through a network, on arrays of layout ``(h, c, w, n)``.

See ``plan`` for what a native step is, ``layout`` and ``convolution`` for why the layout is this one.
"""

from __future__ import annotations

from typing import Any

from convolens.kernels import geometry
from convolens.kernels.operations import Operation
from convolens.kernels.vectorized.native.averaging import AveragePooling
from convolens.kernels.vectorized.native.block import Block
from convolens.kernels.vectorized.native.convolution import Convolution
from convolens.kernels.vectorized.native.layout import Enter, Leave

__all__ = ["enter_step", "leave_step", "native_step"]


def native_step(
    chain: tuple[Operation, ...],
    shape: tuple[int, ...],
    *,
    layout: str,
    training: bool,
    need_dx: bool,
    dtype: Any,
    gradients: bool = True,
) -> Block | AveragePooling | None:
    """Return a step for the first operations of a chain, or None if the first has to run as written.

    It takes as many as fit ``zero_padding2d, conv2d, batch_normalization``, then ``relu`` and ``max_pool2d`` in either
    order, each of them if it is there; or one ``average_pool2d``. What has no convolution is taken only where the
    input is native already.

    Args:
        chain: operations that feed only each other.
        shape: of the input, ``(n, h, w, c)``.
        layout: what the input is at hand in, ``"plain"`` or ``"native"``.
        training: whether layers behave as in training.
        need_dx: whether the gradient by the input is wanted.
        dtype: of all arrays.
        gradients: whether ``backward`` may be called, which makes no difference here.
    """
    if len(shape) != 4 or 0 in shape:
        return None
    n, h, w, c = shape
    inner = h, c, w, n
    if chain[0].name == "average_pool2d":
        return AveragePooling(chain[0], inner, dtype) if layout == "native" else None
    names = [operation.name if _is_native(operation) else "" for operation in chain]
    padding = None
    if names[:2] == ["zero_padding2d", "conv2d"] and chain[1].options["padding"] == "valid":
        padding = chain[0].options["padding"]
    taken = 0 if padding is None else 1
    convolution = None
    if names[taken : taken + 1] == ["conv2d"]:
        convolution = _convolution(chain[taken], shape, padding, need_dx, dtype)
        taken += 1
    for wanted in (["batch_normalization"], ["relu", "max_pool2d"], ["relu", "max_pool2d"]):
        if names[taken : taken + 1] and names[taken] in wanted and names[taken] not in names[:taken]:
            taken += 1
    if convolution is None and (layout == "plain" or names[:taken] in ([], ["relu"])):
        return None
    return Block(chain[:taken], inner, convolution, training, dtype)


def _is_native(operation: Operation) -> bool:
    """Tell whether the options of an operation are among those that native steps have."""
    options = operation.options
    if operation.name == "conv2d":
        # Rows that are not neighbours are no view (see ``convolution``).
        height = operation.parameters["kernel"].shape[0]
        return options["groups"] == 1 and (options["dilation"][0] == 1 or height == 1)
    if operation.name == "batch_normalization":
        return options["axis"] in (-1, 3)
    if operation.name == "relu":
        return not any(options.values())
    return operation.name in ("max_pool2d", "zero_padding2d")


def _convolution(operation: Operation, shape: tuple[int, ...], padding: Any, need_dx: bool, dtype: Any) -> Convolution:
    options = operation.options
    kernel_shape = operation.parameters["kernel"].shape
    pads = geometry.pads(
        padding or options["padding"], (shape[1], shape[2]), kernel_shape[:2], options["strides"], options["dilation"]
    )
    return Convolution(shape, kernel_shape, options["strides"], pads, options["dilation"][1], need_dx, dtype)


def enter_step(shape: tuple[int, ...], *, dtype: Any) -> Enter:
    """Return the step from a channels-last array of this shape to a native one."""
    return Enter(shape, dtype)


def leave_step(shape: tuple[int, ...], *, dtype: Any) -> Leave:
    """Return the step from a native array to a channels-last one of this shape."""
    return Leave(shape, dtype)
