"""Vectors of eight images: the few instructions that the compiled kernels are made of.

The batch lies in the vector lanes. Tiles of ``LANES`` images are arrays ``(tile, c, h, w, LANES)`` whose last axis is
contiguous, so that a textbook loop is the same loop with a vector in place of a number, whatever the channels, kernel
and stride. Functions here become LLVM instructions in the function that calls them; they cost no call. Addresses are
element offsets from the array's start, and nothing checks them.

How many accumulators a block has must be known when it is compiled. It is told by a tuple's length, ``size(4)``: the
length is part of the tuple's type, so Numba compiles one version for each and keeps it in its cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import PrimitiveModel, register_default
from numba.extending import intrinsic as _intrinsic

__all__ = [
    "LANES",
    "add",
    "at_least",
    "correlate",
    "correlate_lanes",
    "equal",
    "evens",
    "greater",
    "larger",
    "load",
    "muladd",
    "multiply",
    "odds",
    "size",
    "splat",
    "store",
    "total",
    "transpose",
    "where",
    "winograd_input",
    "winograd_output",
]

LANES = 8
"""Images in a tile: 256 bits of float32, which Zen 4 multiplies twice per cycle, as many numbers as one of 512."""

intrinsic: Any = _intrinsic
_FAST = ("contract", "reassoc", "nsz", "arcp")  # flags that leave NaN and infinity alone


def size(count: int) -> tuple[int, ...]:
    """Return what tells the compiler this number."""
    return (0,) * count


class Vector(types.Type):
    """``LANES`` numbers (or truth values) of one type."""

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_default(Vector)
class _VectorModel(PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        scalar = ir.IntType(1) if vector.dtype is types.boolean else manager[vector.dtype].get_value_type()
        super().__init__(manager, vector, ir.VectorType(scalar, LANES))


# Helpers that write instructions.


def _pointer(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    return context.make_array(array_type)(context, builder, array).data


def _lanes_of(context: Any, dtype: Any) -> Any:
    return ir.VectorType(context.get_value_type(dtype), LANES)


def _number(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _splat(builder: Any, scalar: Any) -> Any:
    vector = ir.VectorType(scalar.type, LANES)
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _load(builder: Any, base: Any, at: Any, vector: Any) -> Any:
    pointer = builder.bitcast(builder.gep(base, [at]), vector.as_pointer())
    return builder.load(pointer, align=_alignment(vector))


def _store(builder: Any, value: Any, base: Any, at: Any) -> None:
    pointer = builder.bitcast(builder.gep(base, [at]), value.type.as_pointer())
    builder.store(value, pointer, align=_alignment(value.type))


def _alignment(vector: Any) -> int:
    return {ir.FloatType(): 4, ir.DoubleType(): 8}.get(vector.element) or vector.element.width // 8


def _muladd(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=_FAST), c, flags=_FAST)


def _sum(builder: Any, value: Any) -> Any:
    """Add the lanes, halves first: always in the same order."""
    width = LANES
    while width > 1:
        width //= 2
        undefined = ir.Constant(value.type, ir.Undefined)
        low, high = (
            builder.shuffle_vector(
                value, undefined, ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width)))
            )
            for start in (0, width)
        )
        value = builder.fadd(low, high)
    return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))


# Single vectors.


@intrinsic
def load(typingctx: Any, array: Any, at: Any) -> Any:
    """Return the vector that begins at element ``at`` of an array."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base = _pointer(context, builder, signature.args[0], args[0])
        return _load(builder, base, args[1], _lanes_of(context, signature.args[0].dtype))

    return Vector(array.dtype)(array, types.int64), code


@intrinsic
def store(typingctx: Any, array: Any, at: Any, value: Any) -> Any:
    """Write a vector (of whole numbers: their low bits, as the array's type) from element ``at`` of an array on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base = _pointer(context, builder, signature.args[0], args[0])
        wanted = _lanes_of(context, signature.args[0].dtype)
        vector = args[2] if args[2].type == wanted else builder.trunc(args[2], wanted)
        _store(builder, vector, base, args[1])
        return context.get_dummy_value()

    return types.void(array, types.int64, value), code


@intrinsic
def splat(typingctx: Any, scalar: Any) -> Any:
    """Return a vector with this number in every lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0])

    return Vector(scalar)(scalar), code


@intrinsic
def muladd(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, rounded once where the processor can."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _muladd(builder, *args)

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
        return _sum(builder, args[0])

    return vector.dtype(vector), code


def _at_least(builder: Any, value: Any, lowest: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", value, lowest), lowest, value)  # NaN stays NaN


@intrinsic
def at_least(typingctx: Any, vector: Any, lowest: Any) -> Any:
    """Return ``max(vector, lowest)`` for a vector ``lowest``; NaN stays."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _at_least(builder, *args)

    return vector(vector, lowest), code


# Blocks of accumulators.


def _block(body: Callable[..., None], result: Any, *arguments: Any) -> Any:
    """Return an intrinsic's signature and code, with arrays as pointers and tuples as their lengths."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = []
        for kind, value in zip(signature.args, args, strict=True):
            if isinstance(kind, types.Array):
                values.append(_pointer(context, builder, kind, value))
            elif isinstance(kind, types.UniTuple):
                values.append(kind.count)
            else:
                values.append(value)
        body(builder, _lanes_of(context, signature.args[0].dtype), *values)
        return context.get_dummy_value()

    return types.void(*(types.int64 if isinstance(a, types.Integer) else a for a in arguments)), code


@intrinsic
def correlate(
    typingctx: Any,
    y: Any, y_at: Any, y_filter: Any, y_step: Any,
    x: Any, x_at: Any, x_step: Any, x_taps: Any,
    w: Any, w_at: Any, w_filter: Any, w_taps: Any,
    first: Any, last: Any, resumed: Any,
    b: Any, b_at: Any, lowest: Any,
    filters: Any, columns: Any,
) -> Any:  # fmt: skip
    """Compute ``filters x columns`` neighbouring vectors of a sum of products: the one inner loop of every forward.

    ``y[f, i] = b[f] + sum over taps t of w[f, t] * x[i, t]``, with ``w`` single numbers and ``x`` and ``y`` vectors:

        y[f, i] at y_at + f * y_filter + i * y_step
        x[i, t] at x_at + i * x_step + x_taps[t]
        w[f, t] at w_at + f * w_filter + w_taps[t]

    A convolution, its gradient by the input, a dense layer and both of its gradients are this sum with different
    offsets; kernel size, stride and dilation are all in ``x_taps``. Each value loaded serves several products, and
    the sums stay in registers.

    Args:
        y: where to, at offsets ``y_at``, ``y_filter``, ``y_step``.
        x: vectors, at offsets ``x_at``, ``x_step``, ``x_taps``.
        w: numbers, at offsets ``w_at``, ``w_filter``, ``w_taps``.
        first, last: the range of taps.
        resumed: whether ``y`` has the sum of the taps before.
        b: biases, at ``b_at + f``.
        lowest: values below become this one: zero for a rectifier, else minus infinity.
        filters, columns: the block, as ``size(...)``.
    """

    def body(
        builder: Any, vector: Any,
        y: Any, y_at: Any, y_filter: Any, y_step: Any,
        x: Any, x_at: Any, x_step: Any, x_taps: Any,
        w: Any, w_at: Any, w_filter: Any, w_taps: Any,
        first: Any, last: Any, resumed: Any,
        b: Any, b_at: Any, lowest: Any,
        filters: int, columns: int,
    ) -> None:  # fmt: skip
        cells = [(f, i) for f in range(filters) for i in range(columns)]
        sums = {cell: cgutils.alloca_once(builder, vector) for cell in cells}
        for f in range(filters):
            start = _splat(builder, builder.load(builder.gep(b, [builder.add(b_at, _number(f))])))
            for i in range(columns):
                builder.store(start, sums[f, i])
        places = {
            (f, i): builder.add(y_at, builder.add(builder.mul(y_filter, _number(f)), builder.mul(y_step, _number(i))))
            for f, i in cells
        }
        with builder.if_then(resumed):
            for cell in cells:
                builder.store(_load(builder, y, places[cell], vector), sums[cell])
        x_columns = [builder.gep(x, [builder.add(x_at, builder.mul(x_step, _number(i)))]) for i in range(columns)]
        w_rows = [builder.gep(w, [builder.add(w_at, builder.mul(w_filter, _number(f)))]) for f in range(filters)]
        with cgutils.for_range_slice(builder, first, last, _number(1)) as (tap, _):
            x_tap = builder.load(builder.gep(x_taps, [tap]))
            w_tap = builder.load(builder.gep(w_taps, [tap]))
            inputs = [_load(builder, column, x_tap, vector) for column in x_columns]
            for f in range(filters):
                weight = _splat(builder, builder.load(builder.gep(w_rows[f], [w_tap])))
                for i in range(columns):
                    builder.store(_muladd(builder, weight, inputs[i], builder.load(sums[f, i])), sums[f, i])
        floor = _splat(builder, lowest)
        for cell in cells:
            _store(builder, _at_least(builder, builder.load(sums[cell]), floor), y, places[cell])

    return _block(
        body, types.void,
        y, y_at, y_filter, y_step, x, x_at, x_step, x_taps, w, w_at, w_filter, w_taps, first, last,
        resumed, b, b_at, lowest, filters, columns,
    )  # fmt: skip


@intrinsic
def correlate_lanes(
    typingctx: Any,
    g: Any, g_at: Any, g_filter: Any, g_tap: Any,
    dy: Any, dy_at: Any, dy_filter: Any, dy_row: Any, dy_step: Any,
    x: Any, x_at: Any, x_row: Any, x_step: Any, x_taps: Any,
    tap: Any, rows: Any, columns: Any,
    filters: Any, taps: Any,
) -> Any:  # fmt: skip
    """Add one tile's share to ``filters x taps`` numbers of a convolution's gradient by its kernel.

    ``g[f, t] += sum over rows r, columns i and lanes of dy[f, r, i] * x[t, r, i]``:

        g[f, t]     at g_at + f * g_filter + t * g_tap
        dy[f, r, i] at dy_at + f * dy_filter + r * dy_row + i * dy_step
        x[t, r, i]  at x_at + r * x_row + i * x_step + x_taps[tap + t]

    Args:
        g: where to.
        dy: the gradient by the output.
        x: the input.
        tap: the first tap of the block.
        rows, columns: the size of the output.
        filters, taps: the block, as ``size(...)``.
    """

    def body(
        builder: Any, vector: Any,
        g: Any, g_at: Any, g_filter: Any, g_tap: Any,
        dy: Any, dy_at: Any, dy_filter: Any, dy_row: Any, dy_step: Any,
        x: Any, x_at: Any, x_row: Any, x_step: Any, x_taps: Any,
        tap: Any, rows: Any, columns: Any,
        filters: int, taps: int,
    ) -> None:  # fmt: skip
        cells = [(f, t) for t in range(taps) for f in range(filters)]
        sums = {cell: cgutils.alloca_once(builder, vector) for cell in cells}
        for cell in cells:
            builder.store(ir.Constant(vector, [0.0] * LANES), sums[cell])
        dy_of = [builder.gep(dy, [builder.add(dy_at, builder.mul(dy_filter, _number(f)))]) for f in range(filters)]
        x_of = [
            builder.gep(x, [builder.add(x_at, builder.load(builder.gep(x_taps, [builder.add(tap, _number(t))])))])
            for t in range(taps)
        ]
        with cgutils.for_range(builder, rows) as row:
            dy_begin = builder.mul(row.index, dy_row)
            x_begin = builder.mul(row.index, x_row)
            with cgutils.for_range(builder, columns) as column:
                dy_here = builder.add(dy_begin, builder.mul(column.index, dy_step))
                x_here = builder.add(x_begin, builder.mul(column.index, x_step))
                gradients = [_load(builder, base, dy_here, vector) for base in dy_of]
                for t in range(taps):
                    value = _load(builder, x_of[t], x_here, vector)
                    for f in range(filters):
                        builder.store(_muladd(builder, gradients[f], value, builder.load(sums[f, t])), sums[f, t])
        for f, t in cells:
            at = builder.add(g_at, builder.add(builder.mul(g_filter, _number(f)), builder.mul(g_tap, _number(t))))
            place = builder.gep(g, [at])
            builder.store(builder.fadd(builder.load(place), _sum(builder, builder.load(sums[f, t]))), place)

    return _block(
        body, types.void,
        g, g_at, g_filter, g_tap, dy, dy_at, dy_filter, dy_row, dy_step, x, x_at, x_row, x_step, x_taps,
        tap, rows, columns, filters, taps,
    )  # fmt: skip


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
            return builder.load(builder.gep(rows, [builder.add(row, _number(number))]))

        rows = [_load(builder, x, builder.add(x_at, place(x_rows, x_row, i)), vector) for i in range(LANES)]
        # Interleave row i with row i + LANES / 2; after log2(LANES) rounds rows and columns have changed places.
        half = LANES // 2
        index = ir.VectorType(ir.IntType(32), LANES)
        low = ir.Constant(index, [i // 2 + LANES * (i % 2) for i in range(LANES)])
        high = ir.Constant(index, [half + i // 2 + LANES * (i % 2) for i in range(LANES)])
        for _ in range(LANES.bit_length() - 1):
            rows = [builder.shuffle_vector(rows[i], rows[i + half], mask) for i in range(half) for mask in (low, high)]
        for j, value in enumerate(rows):
            _store(builder, value, y, builder.add(y_at, place(y_rows, y_row, j)))

    return _block(body, types.void, y, y_at, y_rows, y_row, x, x_at, x_rows, x_row)


# Winograd's F(2x2, 3x3): see ``winograd``.


def _places(builder: Any, at: Any, row: Any, column: Any, count: int) -> list[list[Any]]:
    """Return the offsets of ``count x count`` cells."""
    rows = [builder.add(at, builder.mul(row, _number(i))) for i in range(count)]
    return [[builder.add(start, builder.mul(column, _number(j))) for j in range(count)] for start in rows]


@intrinsic
def winograd_input(typingctx: Any, v: Any, v_at: Any, v_step: Any, x: Any, x_at: Any, x_row: Any, x_column: Any) -> Any:
    """Write the 16 vectors ``B' x B`` of 4 x 4 cells of the input."""

    def body(
        builder: Any, vector: Any, v: Any, v_at: Any, v_step: Any, x: Any, x_at: Any, x_row: Any, x_column: Any
    ) -> None:
        def differences(a: Any) -> list[Any]:
            return [
                builder.fsub(a[0], a[2]),
                builder.fadd(a[1], a[2]),
                builder.fsub(a[2], a[1]),
                builder.fsub(a[1], a[3]),
            ]

        cells = [[_load(builder, x, at, vector) for at in row] for row in _places(builder, x_at, x_row, x_column, 4)]
        columns = [differences(column) for column in zip(*cells, strict=True)]
        for i, row in enumerate(zip(*columns, strict=True)):
            for j, value in enumerate(differences(row)):
                _store(builder, value, v, builder.add(v_at, builder.mul(v_step, _number(4 * i + j))))

    return _block(body, types.void, v, v_at, v_step, x, x_at, x_row, x_column)


@intrinsic
def winograd_output(
    typingctx: Any, y: Any, y_at: Any, y_row: Any, y_column: Any, m: Any, m_at: Any, m_step: Any, bias: Any, lowest: Any
) -> Any:
    """Write ``A' m A + bias``, at least ``lowest``: 2 x 2 cells of the output, from 16 vectors."""

    def body(
        builder: Any, vector: Any,
        y: Any, y_at: Any, y_row: Any, y_column: Any, m: Any, m_at: Any, m_step: Any, bias: Any, lowest: Any,
    ) -> None:  # fmt: skip
        def sums(a: Any) -> list[Any]:
            middle, other = builder.fadd(a[1], a[2]), builder.fsub(a[1], a[2])
            return [builder.fadd(a[0], middle), builder.fsub(other, a[3])]

        products = [
            [_load(builder, m, builder.add(m_at, builder.mul(m_step, _number(4 * i + j))), vector) for j in range(4)]
            for i in range(4)
        ]
        columns = [sums(column) for column in zip(*products, strict=True)]
        places = _places(builder, y_at, y_row, y_column, 2)
        added, floor = _splat(builder, bias), _splat(builder, lowest)
        for i, row in enumerate(zip(*columns, strict=True)):
            for j, value in enumerate(sums(row)):
                _store(builder, _at_least(builder, builder.fadd(value, added), floor), y, places[i][j])

    return _block(body, types.void, y, y_at, y_row, y_column, m, m_at, m_step, bias, lowest)
