"""Vectors of eight images: the few instructions that the compiled kernels are made of.

The batch lies in the vector lanes. Tiles of ``LANES`` images are arrays ``(tile, c, h, w, LANES)`` whose last axis is
contiguous, so that a textbook loop is the same loop with a vector in place of a number, whatever the channels, kernel
and stride. Functions here become LLVM instructions in the function that calls them; they cost no call. Addresses are
element offsets from the array's start, and nothing checks them.

How many accumulators a block has must be known when it is compiled. It is told by a tuple's length, ``size(4)``: the
length is part of the tuple's type, so Numba compiles one version for each and keeps it in its cache.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from convolens.kernels.compiled import emit
from convolens.kernels.compiled.emit import LANES, Vector, intrinsic

__all__ = [
    "LANES", "absolute", "add", "at_least", "equal", "evens", "greater", "larger", "load", "muladd", "multiply", "odds",
    "size", "splat", "store", "total", "transpose", "where",
]  # fmt: skip


def size(count: int) -> tuple[int, ...]:
    """Return what tells the compiler this number."""
    return (0,) * count


@intrinsic
def load(typingctx: Any, array: Any, at: Any) -> Any:
    """Return the vector that begins at element ``at`` of an array."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base = emit.pointer(context, builder, signature.args[0], args[0])
        return emit.load(builder, base, args[1], emit.lanes_of(context, signature.args[0].dtype))

    return Vector(array.dtype)(array, types.int64), code


@intrinsic
def store(typingctx: Any, array: Any, at: Any, value: Any) -> Any:
    """Write a vector (of whole numbers: their low bits, as the array's type) from element ``at`` of an array on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base = emit.pointer(context, builder, signature.args[0], args[0])
        wanted = emit.lanes_of(context, signature.args[0].dtype)
        vector = args[2] if args[2].type == wanted else builder.trunc(args[2], wanted)
        emit.store(builder, vector, base, args[1])
        return context.get_dummy_value()

    return types.void(array, types.int64, value), code


@intrinsic
def splat(typingctx: Any, scalar: Any) -> Any:
    """Return a vector with this number in every lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit.splat(builder, args[0])

    return Vector(scalar)(scalar), code


@intrinsic
def muladd(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, rounded once where the processor can."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit.muladd(builder, *args)

    return a(a, b, c), code


@intrinsic
def add(typingctx: Any, a: Any, b: Any) -> Any:
    """Return ``a + b``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(*args)

    return a(a, b), code


@intrinsic
def multiply(typingctx: Any, a: Any, b: Any) -> Any:
    """Return ``a * b``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(*args)

    return a(a, b), code


@intrinsic
def absolute(typingctx: Any, a: Any) -> Any:
    """Return ``|a|``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit.size_of(builder, args[0])

    return a(a), code


@intrinsic
def greater(typingctx: Any, a: Any, b: Any) -> Any:
    """Return where ``a > b``, which no NaN is."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fcmp_ordered(">", *args)

    return Vector(types.boolean)(a, b), code


@intrinsic
def larger(typingctx: Any, a: Any, b: Any) -> Any:
    """Return where ``a`` takes the place of the maximum ``b``: where it is greater, or the first NaN."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b = args
        return builder.and_(builder.fcmp_unordered(">", a, b), builder.fcmp_ordered("ord", b, b))

    return Vector(types.boolean)(a, b), code


@intrinsic
def equal(typingctx: Any, a: Any, b: Any) -> Any:
    """Return where two vectors of whole numbers are equal."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.icmp_unsigned("==", *args)

    return Vector(types.boolean)(a, b), code


@intrinsic
def where(typingctx: Any, condition: Any, a: Any, b: Any) -> Any:
    """Return ``a`` where the condition holds, else ``b``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(condition, a, b), code


def _every_second(first: int) -> Any:
    @intrinsic
    def every_second(typingctx: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            index = ir.VectorType(ir.IntType(32), LANES)
            return builder.shuffle_vector(*args, ir.Constant(index, list(range(first, 2 * LANES, 2))))

        return a(a, b), code

    return every_second


evens = _every_second(0)
"""``evens(a, b)``: lanes 0, 2, 4, ... of the two vectors side by side."""
odds = _every_second(1)
"""``odds(a, b)``: lanes 1, 3, 5, ... of the two vectors side by side."""


@intrinsic
def total(typingctx: Any, vector: Any) -> Any:
    """Return the sum of the lanes."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit.total(builder, args[0])

    return vector.dtype(vector), code


@intrinsic
def at_least(typingctx: Any, vector: Any, lowest: Any) -> Any:
    """Return ``max(vector, lowest)`` for a vector ``lowest``; NaN stays."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit.at_least(builder, *args)

    return vector(vector, lowest), code


@intrinsic
def transpose(
    typingctx: Any, y: Any, y_at: Any, y_rows: Any, y_row: Any, x: Any, x_at: Any, x_rows: Any, x_row: Any
) -> Any:
    """Write ``LANES`` vectors with rows and columns exchanged: lane j of vector i becomes lane i of vector j.

    Vector i is read at ``x_at + x_rows[x_row + i]`` and vector j written at ``y_at + y_rows[y_row + j]``.
    """

    def body(
        builder: Any,
        vector: Any,
        y: Any,
        y_at: Any,
        y_rows: Any,
        y_row: Any,
        x: Any,
        x_at: Any,
        x_rows: Any,
        x_row: Any,
    ) -> None:
        def place(rows: Any, row: Any, number: int) -> Any:
            return builder.load(builder.gep(rows, [builder.add(row, emit.number(number))]))

        rows = [emit.load(builder, x, builder.add(x_at, place(x_rows, x_row, i)), vector) for i in range(LANES)]
        # Interleave row i with row i + LANES / 2; after log2(LANES) rounds rows and columns have changed places.
        half = LANES // 2
        index = ir.VectorType(ir.IntType(32), LANES)
        low = ir.Constant(index, [i // 2 + LANES * (i % 2) for i in range(LANES)])
        high = ir.Constant(index, [half + i // 2 + LANES * (i % 2) for i in range(LANES)])
        for _ in range(LANES.bit_length() - 1):
            rows = [builder.shuffle_vector(rows[i], rows[i + half], mask) for i in range(half) for mask in (low, high)]
        for j, value in enumerate(rows):
            emit.store(builder, value, y, builder.add(y_at, place(y_rows, y_row, j)))

    return emit.block(body, types.void, y, y_at, y_rows, y_row, x, x_at, x_rows, x_row)
