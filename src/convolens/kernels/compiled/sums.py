"""The two sums of products that everything is made of, in blocks of accumulators that stay in registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from convolens.kernels.compiled import emit
from convolens.kernels.compiled.emit import LANES, intrinsic

__all__ = ["correlate", "correlate_lanes"]


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
        lowest: values below become this one: zero for a rectifier, else minus infinity; None for sums that go on.
        filters, columns: the block, as ``size(...)``.
    """

    has_lowest = not isinstance(lowest, types.NoneType)

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
            start = emit.splat(builder, builder.load(builder.gep(b, [builder.add(b_at, emit.number(f))])))
            for i in range(columns):
                builder.store(start, sums[f, i])
        places = {
            (f, i): builder.add(
                y_at, builder.add(builder.mul(y_filter, emit.number(f)), builder.mul(y_step, emit.number(i)))
            )
            for f, i in cells
        }
        with builder.if_then(resumed):
            for cell in cells:
                builder.store(emit.load(builder, y, places[cell], vector), sums[cell])
        x_columns = [builder.gep(x, [at]) for at in emit.apart(builder, x_at, x_step, columns)]
        w_rows = [builder.gep(w, [at]) for at in emit.apart(builder, w_at, w_filter, filters)]
        with cgutils.for_range_slice(builder, first, last, emit.number(1)) as (tap, _):
            x_tap = builder.load(builder.gep(x_taps, [tap]))
            w_tap = builder.load(builder.gep(w_taps, [tap]))
            inputs = [emit.load(builder, column, x_tap, vector) for column in x_columns]
            for f in range(filters):
                weight = emit.splat(builder, builder.load(builder.gep(w_rows[f], [w_tap])))
                for i in range(columns):
                    builder.store(emit.muladd(builder, weight, inputs[i], builder.load(sums[f, i])), sums[f, i])
        for cell in cells:
            value = builder.load(sums[cell])
            if has_lowest:
                value = emit.at_least(builder, value, emit.splat(builder, lowest))
            emit.store(builder, value, y, places[cell])

    return emit.block(
        body, types.void,
        y, y_at, y_filter, y_step, x, x_at, x_step, x_taps, w, w_at, w_filter, w_taps, first, last,
        resumed, b, b_at, lowest, filters, columns,
    )  # fmt: skip


@intrinsic
def correlate_lanes(
    typingctx: Any,
    g: Any, g_at: Any, g_tap: Any,
    dy: Any, dy_at: Any, dy_filter: Any, dy_row: Any, dy_step: Any,
    x: Any, x_at: Any, x_row: Any, x_step: Any, x_taps: Any,
    tap: Any, rows: Any, columns: Any,
    filters: Any, taps: Any,
) -> Any:  # fmt: skip
    """Add one tile's share to ``filters x taps`` numbers of a convolution's gradient by its kernel.

    ``g[f, t] += sum over rows r, columns i and lanes of dy[f, r, i] * x[t, r, i]``:

        g[f, t]     at g_at + f + t * g_tap
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
        g: Any, g_at: Any, g_tap: Any,
        dy: Any, dy_at: Any, dy_filter: Any, dy_row: Any, dy_step: Any,
        x: Any, x_at: Any, x_row: Any, x_step: Any, x_taps: Any,
        tap: Any, rows: Any, columns: Any,
        filters: int, taps: int,
    ) -> None:  # fmt: skip
        sums = {(f, t): cgutils.alloca_once(builder, vector) for t in range(taps) for f in range(filters)}
        for one in sums.values():
            builder.store(ir.Constant(vector, [0.0] * LANES), one)
        dy_of = [builder.gep(dy, [at]) for at in emit.apart(builder, dy_at, dy_filter, filters)]
        x_of = [
            builder.gep(x, [builder.add(x_at, builder.load(builder.gep(x_taps, [builder.add(tap, emit.number(t))])))])
            for t in range(taps)
        ]
        with cgutils.for_range(builder, rows) as row:
            dy_begin = builder.mul(row.index, dy_row)
            x_begin = builder.mul(row.index, x_row)
            with cgutils.for_range(builder, columns) as column:
                dy_here = builder.add(dy_begin, builder.mul(column.index, dy_step))
                x_here = builder.add(x_begin, builder.mul(column.index, x_step))
                gradients = [emit.load(builder, base, dy_here, vector) for base in dy_of]
                for t in range(taps):
                    value = emit.load(builder, x_of[t], x_here, vector)
                    for f in range(filters):
                        builder.store(emit.muladd(builder, gradients[f], value, builder.load(sums[f, t])), sums[f, t])
        for t, at in enumerate(emit.apart(builder, g_at, g_tap, taps)):
            whole = filters // LANES * LANES
            for f in range(0, whole, LANES):
                own = builder.add(at, emit.number(f))
                added = emit.totals(builder, [builder.load(sums[n, t]) for n in range(f, f + LANES)])
                emit.store(builder, builder.fadd(emit.load(builder, g, own, vector), added), g, own)
            for f in range(whole, filters):
                place = builder.gep(g, [builder.add(at, emit.number(f))])
                builder.store(builder.fadd(builder.load(place), emit.total(builder, builder.load(sums[f, t]))), place)

    return emit.block(
        body, types.void,
        g, g_at, g_tap, dy, dy_at, dy_filter, dy_row, dy_step, x, x_at, x_row, x_step, x_taps,
        tap, rows, columns, filters, taps,
    )  # fmt: skip
