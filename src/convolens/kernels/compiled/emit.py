"""What the intrinsics are made of: functions that write LLVM instructions on vectors of ``LANES`` numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import PrimitiveModel, register_default
from numba.extending import intrinsic as _intrinsic

LANES = 8
"""Images in a tile: 256 bits of float32, which Zen 4 multiplies twice per cycle, as many numbers as one of 512."""

intrinsic: Any = _intrinsic
FAST = ("contract", "reassoc", "nsz", "arcp")
"""Flags that leave NaN and infinity alone."""


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


def pointer(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """Return the address of an array's first element."""
    return context.make_array(array_type)(context, builder, array).data


def lanes_of(context: Any, dtype: Any) -> Any:
    """Return the LLVM type of a vector of these numbers."""
    return ir.VectorType(context.get_value_type(dtype), LANES)


def number(value: int) -> Any:
    """Return a constant whole number."""
    return ir.Constant(ir.IntType(64), value)


def splat(builder: Any, scalar: Any) -> Any:
    """Return a vector with this number in every lane."""
    vector = ir.VectorType(scalar.type, LANES)
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def load(builder: Any, base: Any, at: Any, vector: Any) -> Any:
    """Return the vector at an offset."""
    place = builder.bitcast(builder.gep(base, [at]), vector.as_pointer())
    return builder.load(place, align=_alignment(vector))


def store(builder: Any, value: Any, base: Any, at: Any) -> None:
    """Write a vector at an offset."""
    place = builder.bitcast(builder.gep(base, [at]), value.type.as_pointer())
    builder.store(value, place, align=_alignment(value.type))


def _alignment(vector: Any) -> int:
    return {ir.FloatType(): 4, ir.DoubleType(): 8}.get(vector.element) or vector.element.width // 8


def apart(builder: Any, at: Any, step: Any, count: int) -> list[Any]:
    """Return ``count`` offsets from ``at`` on, ``step`` apart."""
    return [builder.add(at, builder.mul(step, number(i))) for i in range(count)]


def muladd(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``."""
    return builder.fadd(builder.fmul(a, b, flags=FAST), c, flags=FAST)


def total(builder: Any, value: Any) -> Any:
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


def totals(builder: Any, values: list[Any]) -> Any:
    """Return a vector of the totals of ``LANES`` vectors, each added as by ``total``."""
    width = LANES
    while width > 1:
        width //= 2
        # Of two vectors, lane for lane of a half or quarter: [a's low + a's high, b's low + b's high].
        lanes = [at + i for at in range(0, 2 * LANES, 2 * width) for i in range(width)]
        low, high = ([lane + more for lane in lanes] for more in (0, width))
        pairs = zip(values[::2], values[1::2], strict=True)
        values = [builder.fadd(*(_chosen(builder, a, b, which) for which in (low, high))) for a, b in pairs]
    return values[0]


def _chosen(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


def at_least(builder: Any, value: Any, lowest: Any) -> Any:
    """Return ``max(value, lowest)``; NaN stays."""
    return builder.select(builder.fcmp_ordered("<", value, lowest), lowest, value)


def size_of(builder: Any, value: Any) -> Any:
    """Return ``abs(value)`` of a vector of float32."""
    function = ir.FunctionType(value.type, [value.type])
    name = f"llvm.fabs.v{value.type.count}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), [value])


def block(body: Callable[..., None], result: Any, *arguments: Any) -> Any:
    """Return an intrinsic's signature and code, with arrays as pointers and tuples as their lengths."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = []
        for kind, value in zip(signature.args, args, strict=True):
            if isinstance(kind, types.Array):
                values.append(pointer(context, builder, kind, value))
            elif isinstance(kind, types.BaseTuple):  # the empty one is no UniTuple
                values.append(len(kind))
            else:
                values.append(value)
        body(builder, lanes_of(context, signature.args[0].dtype), *values)
        return context.get_dummy_value()

    return types.void(*(types.int64 if isinstance(a, types.Integer) else a for a in arguments)), code
