"""Sizes and pads of windows that slide over an image: integers only, exactly as Keras 3 and TensorFlow compute them.

A window of ``kernel`` taps with ``dilation`` d spans ``d * (kernel - 1) + 1`` cells. Sizes and kernels are
``(height, width)`` pairs; pads are ``((top, bottom), (left, right))``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias, cast, overload

__all__ = [
    "Pads",
    "Pair",
    "Tap",
    "check_channels",
    "check_pooling_pads",
    "output_size",
    "pads",
    "span",
    "taps",
    "transposed_output_size",
    "transposed_pads",
]

Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[Pair, Pair]
Size: TypeAlias = tuple[int | None, int | None]


class Tap(NamedTuple):
    """One cell of the kernel, and which cells of the image it meets under which outputs.

    Attributes:
        row: the tap's row in the kernel.
        column: its column.
        outputs: slices ``(rows, columns)`` of the outputs whose window has this tap inside the image.
        inputs: slices of the image cells it meets there, one for one; cells of the padding are left out.
    """

    row: int
    column: int
    outputs: tuple[slice, slice]
    inputs: tuple[slice, slice]


def span(kernel: int, dilation: int = 1) -> int:
    """Return how many cells a dilated kernel covers from its first tap to its last.

    >>> span(3, dilation=2)
    5
    """
    return dilation * (kernel - 1) + 1


def pads(padding: str | Pads, size: Pair, kernel: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Pads:
    """Return the cells to add around an image, as ``((top, bottom), (left, right))``.

    ``"same"`` gives ``ceil(size / stride)`` outputs; where the cells to add are odd in number, the odd one goes
    after. ``"valid"`` adds none. Explicit pads pass through.

    Raises:
        ValueError: for an unknown padding.

    >>> pads("same", (5, 6), (2, 3), (1, 2))
    ((0, 1), (0, 1))
    >>> pads(((1, 1), (0, 2)), (5, 6), (2, 3), (1, 2))
    ((1, 1), (0, 2))
    """
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        vertical, horizontal = map(_same_pads, size, kernel, strides, dilation)
        return vertical, horizontal
    return _explicit_pads(padding)


def _same_pads(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + span(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def _explicit_pads(padding: object) -> Pads:
    try:
        (top, bottom), (left, right) = cast(Pads, padding)
        if min(top, bottom, left, right) >= 0:
            return (int(top), int(bottom)), (int(left), int(right))
    except (TypeError, ValueError):
        pass
    raise ValueError(f"padding is 'valid', 'same' or ((top, bottom), (left, right)); got {padding!r}.")


@overload
def output_size(size: Pair, kernel: Pair, strides: Pair, padding: str | Pads, dilation: Pair = (1, 1)) -> Pair: ...


@overload
def output_size(size: Size, kernel: Pair, strides: Pair, padding: str | Pads, dilation: Pair = (1, 1)) -> Size: ...


def output_size(size: Size, kernel: Pair, strides: Pair, padding: str | Pads, dilation: Pair = (1, 1)) -> Size:
    """Return ``(oh, ow)`` of a convolution or pooling; a size of None stays None.

    ``floor((size + pads - span) / stride) + 1``, which is ``ceil(size / stride)`` for ``"same"``.

    Raises:
        ValueError: if the kernel is larger than the padded image, or a stride or dilation is below one.

    >>> output_size((28, None), (5, 5), (2, 2), "valid")
    (12, None)
    """
    for name, values in (("kernel", kernel), ("strides", strides), ("dilation", dilation)):
        if min(values) < 1:
            raise ValueError(f"{name} must be at least 1 in each direction; got {values}.")
    known = tuple(
        cells if cells is not None else span(k, d) for cells, k, d in zip(size, kernel, dilation, strict=True)
    )
    added = pads(padding, cast(Pair, known), kernel, strides, dilation)
    sizes = [
        (cells + sum(pad) - span(k, d)) // s + 1
        for cells, pad, k, s, d in zip(known, added, kernel, strides, dilation, strict=True)
    ]
    if min(known) < 1 or min(sizes) < 1:
        spans = tuple(map(span, kernel, dilation))
        padded = tuple(cells + sum(pad) for cells, pad in zip(known, added, strict=True))
        raise ValueError(
            f"a kernel spanning {spans} cells does not fit into the padded input of {padded} cells; "
            "use a smaller kernel, less dilation, a larger image or padding='same'."
        )
    rows, columns = (None if cells is None else count for cells, count in zip(size, sizes, strict=True))
    return rows, columns


@overload
def transposed_output_size(
    size: Pair,
    kernel: Pair,
    strides: Pair,
    padding: str | Pads,
    dilation: Pair = (1, 1),
    output_padding: int | Pair | None = None,
) -> Pair: ...


@overload
def transposed_output_size(
    size: Size,
    kernel: Pair,
    strides: Pair,
    padding: str | Pads,
    dilation: Pair = (1, 1),
    output_padding: int | Pair | None = None,
) -> Size: ...


def transposed_output_size(
    size: Size,
    kernel: Pair,
    strides: Pair,
    padding: str | Pads,
    dilation: Pair = (1, 1),
    output_padding: int | Pair | None = None,
) -> Size:
    """Return the size of a transposed convolution's output, as Keras's ``Conv2DTranspose``; None stays None.

    ========= ============================================= =============================================
    padding   ``output_padding=None``                       ``output_padding=p``
    ========= ============================================= =============================================
    valid     ``(size - 1) * stride + max(span, stride)``   ``(size - 1) * stride + span + p``
    same      ``size * stride``                             ``(size - 1) * stride + span % 2 + p``
    explicit  ``(size - 1) * stride + span - pads``         ``(size - 1) * stride + span - pads + p``
    ========= ============================================= =============================================

    Raises:
        ValueError: if nothing would be left, if ``output_padding`` is not smaller than the stride, or a stride or
            dilation is below one.

    >>> transposed_output_size((4, 4), (3, 3), (2, 2), "same")
    (8, 8)
    """
    for name, values in (("kernel", kernel), ("strides", strides), ("dilation", dilation)):
        if min(values) < 1:
            raise ValueError(f"{name} must be at least 1 in each direction; got {values}.")
    extra: tuple[int | None, int | None]
    extra = output_padding if isinstance(output_padding, tuple) else (output_padding, output_padding)
    if any(p is not None and not 0 <= p < s for p, s in zip(extra, strides, strict=True)):
        raise ValueError(
            f"output_padding must be at least 0 and less than the strides {strides}; got {output_padding}."
        )
    explicit = None if padding in ("valid", "same") else _explicit_pads(padding)
    sizes: list[int | None] = []
    for axis, (cells, stride, p) in enumerate(zip(size, strides, extra, strict=True)):
        spanned = span(kernel[axis], dilation[axis])
        if cells is None:
            sizes.append(None)
        elif explicit:
            sizes.append((cells - 1) * stride + spanned - sum(explicit[axis]) + (p or 0))
        elif padding == "valid":
            sizes.append((cells - 1) * stride + (max(spanned, stride) if p is None else spanned + p))
        else:
            sizes.append(cells * stride if p is None else (cells - 1) * stride + spanned % 2 + p)
    if any(cells is not None and cells < 1 for cells in sizes):
        raise ValueError(
            f"a transposed convolution of {size} with padding={padding!r} would leave {tuple(sizes)} cells."
        )
    return sizes[0], sizes[1]


def transposed_pads(
    padding: str | Pads, size: Pair, output: Pair, kernel: Pair, strides: Pair, dilation: Pair = (1, 1)
) -> Pads:
    """Return the pads of the convolution from ``output`` to ``size`` whose transpose is wanted.

    They are what the transposed convolution cuts off. Where ``output`` reaches past the last window, no cell is
    cut there, and those cells of the output meet no tap.

    >>> transposed_pads("same", (4, 4), (8, 8), (3, 3), (2, 2))
    ((0, 1), (0, 1))
    """
    if padding not in ("valid", "same"):
        return _explicit_pads(padding)
    if padding == "valid":
        return (0, 0), (0, 0)
    totals = [
        max((n - 1) * s + span(k, d) - m, 0)
        for n, m, k, s, d in zip(size, output, kernel, strides, dilation, strict=True)
    ]
    vertical, horizontal = ((total // 2, total - total // 2) for total in totals)
    return vertical, horizontal


def taps(
    size: tuple[int, ...],
    output: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: Pair,
    pads: Pads,
    dilation: Pair = (1, 1),
) -> Iterator[Tap]:
    """Yield the kernel's taps in row-major order, each with the outputs and the image cells that it joins.

    With it a whole sliding window is ``kh * kw`` operations on strided slices, and no padded copy is made.
    Taps that only ever meet padding are left out.

    >>> for tap in taps((3, 1), (3, 1), (2, 1), (1, 1), ((0, 1), (0, 0))):
    ...     print(tap.row, tap.outputs[0], tap.inputs[0])
    0 slice(0, 3, None) slice(0, 3, 1)
    1 slice(0, 2, None) slice(1, 3, 1)
    """
    rows, columns = (
        [_meeting(size[a], output[a], strides[a], pads[a][0], dilation[a] * i) for i in range(kernel[a])]
        for a in (0, 1)
    )
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if row and column:
                yield Tap(i, j, (row[0], column[0]), (row[1], column[1]))


def _meeting(size: int, output: int, stride: int, before: int, offset: int) -> tuple[slice, slice] | None:
    """Outputs ``o`` and image cells ``stride * o + offset - before`` that lie inside the image."""
    first = max(0, -(-(before - offset) // stride))
    last = min(output - 1, (size - 1 + before - offset) // stride)
    if last < first:
        return None
    start = stride * first + offset - before
    return slice(first, last + 1), slice(start, stride * last + offset - before + 1, stride)


def check_channels(channels: int, kernel_channels: int, groups: int = 1, filters: int | None = None) -> None:
    """Check that a kernel fits an image's channels.

    Raises:
        ValueError: if ``channels`` is not ``kernel_channels * groups``, or ``filters`` is no multiple of ``groups``.
    """
    if channels != kernel_channels * groups:
        wanted = f"{kernel_channels} channels" if groups == 1 else f"{groups} groups of {kernel_channels} channels"
        raise ValueError(f"the kernel is for {wanted}; the input has {channels} channels.")
    if filters is not None and filters % groups:
        raise ValueError(f"the number of filters must be a multiple of groups={groups}; got {filters}.")


def check_pooling_pads(pads: Pads, pool_size: Pair) -> None:
    """Check that each pooling window sees at least one cell of the image.

    Raises:
        ValueError: if the pads are as large as the window.
    """
    if any(max(pad) >= cells for pad, cells in zip(pads, pool_size, strict=True)):
        raise ValueError(f"the pads of a pooling must be smaller than its window {pool_size}; got {pads}.")
