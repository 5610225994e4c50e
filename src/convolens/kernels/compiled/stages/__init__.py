"""From operations to stages: what is fused is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from convolens.kernels.compiled.stages.base import Stage
from convolens.kernels.compiled.stages.convolution import ConvolutionStage
from convolens.kernels.compiled.stages.dense import DenseStage
from convolens.kernels.compiled.stages.normalization import BatchNormalizationStage, PoolStage
from convolens.kernels.compiled.tiles import NO_PADS
from convolens.kernels.operations import Operation

__all__ = ["build"]

Chain = Sequence[Operation]
Image = tuple[int, ...]


def build(
    chain: Chain, shape: tuple[int, ...], training: bool, folded: bool = False
) -> tuple[list[Stage], int, tuple[int, ...]]:
    """Return the stages for the longest beginning of a chain, how many operations they do, and the output's shape.

    ================================================= ====================================================
    one stage                                         for
    ================================================= ====================================================
    ``[zero_padding2d] conv2d [relu] [max_pool2d]``   one group; any strides, padding and dilation
    ``batch_normalization [relu] [max_pool2d]``       by channel
    ``relu [max_pool2d]``, ``max_pool2d [relu]``
    ``dense [relu]``                                  vectors, and images after ``flatten``
    ================================================= ====================================================

    A pooling's windows lie side by side, and may come before the rectifier: both orders give the same. ``folded`` is
    for prediction: a ``batch_normalization`` right after a convolution becomes part of its kernel and bias.
    """
    image: Image = tuple(shape[1:])
    stages: list[Stage] = []
    done = 0
    while done < len(chain):
        rest = chain[done:]
        if rest[0].name == "flatten":
            image, used = (prod(image),), 1
            if stages:
                stages[-1].words.append("flatten")
        else:
            stage, used = _next_stage(rest, image, stages[-1].output_shape if stages else None, training, folded)
            if stage is None:
                break
            stage.words = [operation.name for operation in rest[:used]]
            stages.append(stage)
            filters, rows, columns = stage.output_shape
            image = (filters,) if len(image) == 1 else (rows, columns, filters)
        done += used
    return stages, done, (shape[0], *image)


def _next_stage(rest: Chain, image: Image, before: Any, training: bool, folded: bool) -> tuple[Stage | None, int]:
    """Return the stage that ``rest`` begins with, and how many operations it does."""
    first = rest[0]
    if len(image) == 1:
        if first.name != "dense":
            return None, 0
        relu = _is_relu(rest, 1)
        return DenseStage(first, before or (*image, 1, 1), relu), 1 + relu
    if len(image) != 3:
        return None, 0
    shape = (image[2], image[0], image[1])
    extra = 0
    padding = NO_PADS
    if first.name == "zero_padding2d" and len(rest) > 1 and rest[1].name == "conv2d":
        extra, padding, first = 1, first.options["padding"], rest[1]
    if first.name == "conv2d" and first.options.get("groups", 1) == 1:
        used = 1 + extra
        normalization = rest[used] if folded and len(rest) > used and _is_normalization(rest[used]) else None
        relu, pool, used = _after(rest, used + (normalization is not None))
        return ConvolutionStage(first, shape, relu, padding, pool, normalization), used
    if _is_normalization(first):
        relu, pool, used = _after(rest, 1)
        return BatchNormalizationStage(first, shape, relu, pool, training), used
    relu, pool, used = _after(rest, 0)
    return (PoolStage(first, shape, relu, pool), used) if used else (None, 0)


def _after(rest: Chain, at: int) -> tuple[bool, Any, int]:
    """Return whether a rectifier comes at this place, the pooling that does or None, and where they end."""
    relu = _is_relu(rest, at)
    at += relu
    pool = rest[at].options if _is_pool(rest, at) else None
    at += pool is not None
    if pool is not None and not relu:
        relu = _is_relu(rest, at)
        at += relu
    return relu, pool, at


def _is_normalization(operation: Operation) -> bool:
    return operation.name == "batch_normalization" and operation.options["axis"] in (-1, 3)


def _is_relu(chain: Chain, at: int) -> bool:
    return at < len(chain) and chain[at].name == "relu" and not any(chain[at].options.values())


def _is_pool(chain: Chain, at: int) -> bool:
    here = chain[at] if at < len(chain) else None
    return here is not None and here.name == "max_pool2d" and here.options["pool_size"] == here.options["strides"]
