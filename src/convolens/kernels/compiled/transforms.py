"""The additions around Winograd's products, on vectors: products with small constant matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llvmlite import ir
from numba import types

from convolens.kernels.compiled import emit
from convolens.kernels.compiled.emit import LANES, intrinsic

__all__ = ["affine_of", "linear", "squared", "squares_of"]

Matrix = Sequence[Sequence[Any]]
Matrices = Mapping[int, Matrix]


def _pairs(rows: Matrix) -> list[tuple[int, int]]:
    """Return the pairs of rows that differ in the signs of some numbers only, as those of points x and -x do.

    >>> _pairs([[1, 2, 4], [1, 0, 0], [1, -2, 4]])
    [(0, 2)]
    """
    found: list[tuple[int, int]] = []
    for q, row in enumerate(rows):
        for p in range(q):
            sizes_agree = all(abs(a) == abs(b) for a, b in zip(rows[p], row, strict=True))
            if sizes_agree and rows[p] != row and not any(p in pair for pair in found):
                found.append((p, q))
    return found


def _row(builder: Any, row: Sequence[Any], values: list[Any]) -> Any:
    """Return the sum of ``values`` times the numbers of the row, without the products with 0 and 1."""
    found = None
    for factor, one in zip(row, values, strict=True):
        if factor == 0:
            continue
        if factor == 1 or (factor == -1 and found is not None):
            add = builder.fadd if factor == 1 else builder.fsub
            found = one if found is None else add(found, one)
            continue
        constant = ir.Constant(one.type, [float(factor)] * LANES)
        found = builder.fmul(constant, one) if found is None else emit.muladd(builder, constant, one, found)
    return found


def _product(builder: Any, matrix: Matrix, values: list[Any]) -> list[Any]:
    """Return ``matrix @ values``; what a pair of rows or of columns have in common is computed once."""
    rows, values = [list(row) for row in matrix], list(values)
    for p, q in _pairs(list(zip(*rows, strict=True))):
        values[p], values[q] = builder.fadd(values[p], values[q]), builder.fsub(values[p], values[q])
        for row in rows:
            row[p], row[q] = (row[p], 0) if row[p] == row[q] else (0, row[p])
    partner = dict(_pairs(rows))
    found: list[Any] = [None] * len(rows)
    for p, row in enumerate(rows):
        if p in partner:
            other = rows[partner[p]]
            even = _row(builder, [a if a == b else 0 for a, b in zip(row, other, strict=True)], values)
            odd = _row(builder, [0 if a == b else a for a, b in zip(row, other, strict=True)], values)
            found[p], found[partner[p]] = builder.fadd(even, odd), builder.fsub(even, odd)
        elif found[p] is None:
            found[p] = _row(builder, row, values)
    return found


def _square(builder: Any, matrix: Matrix, values: list[Any]) -> list[Any]:
    """Return ``matrix @ values @ matrix.T`` of a square, row by row."""
    side = len(matrix[0])
    columns = [_product(builder, matrix, values[j::side]) for j in range(side)]
    return [one for row in zip(*columns, strict=True) for one in _product(builder, matrix, list(row))]


def _affine(builder: Any, values: list[Any], bias: Any, lowest: Any) -> list[Any]:
    added, floor = emit.splat(builder, bias), emit.splat(builder, lowest)
    return [emit.at_least(builder, builder.fadd(one, added), floor) for one in values]


def _vectors(builder: Any, vector: Any, x: Any, x_at: Any, x_step: Any, count: int) -> list[Any]:
    return [emit.load(builder, x, at, vector) for at in emit.apart(builder, x_at, x_step, count)]


def linear(matrices: Matrices) -> Any:
    """Return an intrinsic ``(y, y_at, y_step, x, x_at, x_step, width)`` that writes ``y = matrices[width] @ x``.

    ``x`` and ``y`` are vectors, ``width`` is a ``size``.
    """

    @intrinsic
    def transform(typingctx: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any, width: Any) -> Any:
        def body(
            builder: Any, vector: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any, width: int
        ) -> None:
            matrix = matrices[width]
            values = _product(builder, matrix, _vectors(builder, vector, x, x_at, x_step, len(matrix[0])))
            for value, at in zip(values, emit.apart(builder, y_at, y_step, len(matrix)), strict=True):
                emit.store(builder, value, y, at)

        return emit.block(body, types.void, y, y_at, y_step, x, x_at, x_step, width)

    return transform


def affine_of(matrices: Matrices) -> Any:
    """Return an intrinsic as ``linear`` does that writes ``matrix @ x + bias``, at least ``lowest``.

    The two come after ``x_step``; with neither if ``lowest`` is None.
    """

    @intrinsic
    def transform(
        typingctx: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any,
        bias: Any, lowest: Any, width: Any,
    ) -> Any:  # fmt: skip
        affine = not isinstance(lowest, types.NoneType)

        def body(
            builder: Any, vector: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any,
            bias: Any, lowest: Any, width: int,
        ) -> None:  # fmt: skip
            matrix = matrices[width]
            values = _product(builder, matrix, _vectors(builder, vector, x, x_at, x_step, len(matrix[0])))
            if affine:
                values = _affine(builder, values, bias, lowest)
            for value, at in zip(values, emit.apart(builder, y_at, y_step, len(matrix)), strict=True):
                emit.store(builder, value, y, at)

        return emit.block(body, types.void, y, y_at, y_step, x, x_at, x_step, bias, lowest, width)

    return transform


def squared(matrix: Matrix) -> Any:
    """Return an intrinsic ``(y, y_at, y_step, x, x_at, x_row, x_column)``: ``matrix @ x @ matrix.T`` of squares.

    ``y`` is written row by row, ``y_step`` apart.
    """

    @intrinsic
    def transform(typingctx: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_row: Any, x_column: Any) -> Any:
        def body(
            builder: Any, vector: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_row: Any, x_column: Any
        ) -> None:
            side = len(matrix[0])
            rows = emit.apart(builder, x_at, x_row, side)
            values = [one for row in rows for one in _vectors(builder, vector, x, row, x_column, side)]
            found = _square(builder, matrix, values)
            for value, at in zip(found, emit.apart(builder, y_at, y_step, len(found)), strict=True):
                emit.store(builder, value, y, at)

        return emit.block(body, types.void, y, y_at, y_step, x, x_at, x_row, x_column)

    return transform


def squares_of(matrix: Matrix) -> Any:
    """Return an intrinsic that writes ``matrix @ x @ matrix.T + bias``, at least ``lowest``, from ``x`` row by row.

    ``(y, y_at, y_row, y_column, x, x_at, x_step, bias, lowest)``; with neither if ``lowest`` is None.
    """

    @intrinsic
    def transform(
        typingctx: Any, y: Any, y_at: Any, y_row: Any, y_column: Any, x: Any, x_at: Any, x_step: Any,
        bias: Any, lowest: Any,
    ) -> Any:  # fmt: skip
        affine = not isinstance(lowest, types.NoneType)

        def body(
            builder: Any, vector: Any, y: Any, y_at: Any, y_row: Any, y_column: Any, x: Any, x_at: Any, x_step: Any,
            bias: Any, lowest: Any,
        ) -> None:  # fmt: skip
            side = len(matrix[0])
            values = _square(builder, matrix, _vectors(builder, vector, x, x_at, x_step, side * side))
            if affine:
                values = _affine(builder, values, bias, lowest)
            rows = emit.apart(builder, y_at, y_row, len(matrix))
            places = [at for row in rows for at in emit.apart(builder, row, y_column, len(matrix))]
            for value, at in zip(values, places, strict=True):
                emit.store(builder, value, y, at)

        return emit.block(body, types.void, y, y_at, y_row, y_column, x, x_at, x_step, bias, lowest)

    return transform
