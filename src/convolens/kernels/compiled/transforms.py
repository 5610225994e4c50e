"""The additions around Winograd's products, on vectors: products with small constant matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types

from convolens.kernels.compiled import emit
from convolens.kernels.compiled.emit import LANES, intrinsic

__all__ = ["affine_of", "linear", "sums_of"]

_NOISE = 2.0**-20  # what rounding leaves of a sum that is zero, as a part of its terms: 16 units in the last place

Matrix = Sequence[Sequence[Any]]


def _product(builder: Any, vector: Any, matrix: Matrix, x: Any, x_at: Any, x_step: Any) -> list[Any]:
    """Return ``matrix @ x`` as vectors, without the products with 0 and 1."""
    values = [emit.load(builder, x, at, vector) for at in emit.apart(builder, x_at, x_step, len(matrix[0]))]
    found = []
    for row in matrix:
        value = None
        for factor, one in zip(row, values, strict=True):
            if factor == 0:
                continue
            if factor == 1 or (factor == -1 and value is not None):
                add = builder.fadd if factor == 1 else builder.fsub
                value = one if value is None else add(value, one)
                continue
            constant = ir.Constant(one.type, [float(factor)] * LANES)
            value = builder.fmul(constant, one) if value is None else emit.muladd(builder, constant, one, value)
        found.append(value)
    return found


def _settled(builder: Any, vector: Any, matrix: Matrix, x: Any, x_at: Any, x_step: Any) -> list[Any]:
    """Return ``matrix @ x`` as vectors, zero where it is no more than rounding leaves of terms that cancel."""
    values = [emit.load(builder, x, at, vector) for at in emit.apart(builder, x_at, x_step, len(matrix[0]))]
    sizes = [emit.size_of(builder, one) for one in values]
    found = []
    for row, value in zip(matrix, _product(builder, vector, matrix, x, x_at, x_step), strict=True):
        noise = ir.Constant(vector, [0.0] * LANES)
        for factor, one in zip(row, sizes, strict=True):
            if factor != 0:
                constant = ir.Constant(vector, [_NOISE * abs(float(factor))] * LANES)
                noise = emit.muladd(builder, constant, one, noise)
        vanishes = builder.fcmp_ordered("<", emit.size_of(builder, value), noise)  # not NaN, nor infinity
        found.append(builder.select(vanishes, ir.Constant(vector, [0.0] * LANES), value))
    return found


def linear(matrix: Matrix) -> Any:
    """Return an intrinsic ``(y, y_at, y_step, x, x_at, x_step)`` that writes ``y = matrix @ x`` for vectors."""

    @intrinsic
    def transform(typingctx: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any) -> Any:
        def body(builder: Any, vector: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any) -> None:
            values = _product(builder, vector, matrix, x, x_at, x_step)
            for value, at in zip(values, emit.apart(builder, y_at, y_step, len(matrix)), strict=True):
                emit.store(builder, value, y, at)

        return emit.block(body, types.void, y, y_at, y_step, x, x_at, x_step)

    return transform


def sums_of(matrix: Matrix) -> Any:
    """Return an intrinsic as ``linear`` does; with a ``settled`` of one element, zero where only noise is left."""

    @intrinsic
    def transform(typingctx: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any, settled: Any) -> Any:
        def body(
            builder: Any, vector: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any, settled: int
        ) -> None:
            values = (_settled if settled else _product)(builder, vector, matrix, x, x_at, x_step)
            for value, at in zip(values, emit.apart(builder, y_at, y_step, len(matrix)), strict=True):
                emit.store(builder, value, y, at)

        return emit.block(body, types.void, y, y_at, y_step, x, x_at, x_step, settled)

    return transform


def affine_of(matrix: Matrix) -> Any:
    """Return an intrinsic that writes ``matrix @ x + bias``, at least ``lowest``, with the two after ``x_step``."""

    @intrinsic
    def transform(
        typingctx: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any, bias: Any, lowest: Any,
        settled: Any,
    ) -> Any:  # fmt: skip
        def body(
            builder: Any, vector: Any,
            y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any, bias: Any, lowest: Any, settled: int,
        ) -> None:  # fmt: skip
            values = (_settled if settled else _product)(builder, vector, matrix, x, x_at, x_step)
            added, floor = emit.splat(builder, bias), emit.splat(builder, lowest)
            for value, at in zip(values, emit.apart(builder, y_at, y_step, len(matrix)), strict=True):
                emit.store(builder, emit.at_least(builder, builder.fadd(value, added), floor), y, at)

        return emit.block(body, types.void, y, y_at, y_step, x, x_at, x_step, bias, lowest, settled)

    return transform
