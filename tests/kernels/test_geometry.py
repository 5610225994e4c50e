"""Sizes and pads: against hand-counted values, and against the definition by brute force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convolens.kernels import geometry

PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "expected"),
    [
        (5, 3, 1, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),  # one cell is missing: it goes after
        (5, 4, 1, 1, (1, 2)),
        (64, 4, 1, 1, (1, 2)),
        (64, 8, 8, 1, (0, 0)),
        (5, 3, 2, 1, (1, 1)),  # 3 outputs need (3 - 1) * 2 + 3 = 7 cells
        (6, 3, 2, 1, (0, 1)),  # 3 outputs need 7 cells
        (7, 1, 3, 1, (0, 0)),  # never negative
        (5, 3, 1, 2, (2, 2)),  # the dilated kernel spans 5
        (5, 2, 1, 3, (1, 2)),
    ],
)
def test_same_pads_by_hand(size: int, kernel: int, stride: int, dilation: int, expected: tuple[int, int]) -> None:
    found = geometry.pads("same", (size, 1), (kernel, 1), (stride, 1), (dilation, 1))
    assert found == (expected, (0, 0))
    assert geometry.output_size((size, 1), (kernel, 1), (stride, 1), "same", (dilation, 1))[0] == -(-size // stride)


@given(size=PAIRS, kernel=PAIRS, strides=PAIRS, dilation=PAIRS, padding=st.sampled_from(["same", "valid"]))
def test_output_size_counts_the_windows_that_fit(size, kernel, strides, dilation, padding) -> None:
    added = geometry.pads(padding, size, kernel, strides, dilation)
    counts = []
    for a in (0, 1):
        cells = size[a] + sum(added[a])
        starts = range(0, cells, strides[a])
        counts.append(sum(start + dilation[a] * (kernel[a] - 1) < cells for start in starts))
    if 0 in counts:
        with pytest.raises(ValueError, match="does not fit"):
            geometry.output_size(size, kernel, strides, padding, dilation)
    else:
        assert geometry.output_size(size, kernel, strides, padding, dilation) == tuple(counts)


@given(size=PAIRS, kernel=PAIRS, strides=PAIRS, dilation=PAIRS, before=PAIRS, after=PAIRS)
def test_taps_join_each_output_with_the_cells_of_its_window(size, kernel, strides, dilation, before, after) -> None:
    pads = tuple(zip(before, after, strict=True))
    output = tuple(
        max(0, (size[a] + sum(pads[a]) - dilation[a] * (kernel[a] - 1) - 1) // strides[a] + 1) for a in (0, 1)
    )
    expected = {
        (i, j, oi, oj, row, column)
        for i in range(kernel[0]) for j in range(kernel[1]) for oi in range(output[0]) for oj in range(output[1])
        if 0 <= (row := oi * strides[0] + i * dilation[0] - before[0]) < size[0]
        and 0 <= (column := oj * strides[1] + j * dilation[1] - before[1]) < size[1]
    }  # fmt: skip
    found = [
        (i, j, oi, oj, row, column)
        for i, j, outputs, inputs in geometry.taps(size, output, kernel, strides, pads, dilation)
        for oi, row in zip(cells(outputs[0], output[0]), cells(inputs[0], size[0]), strict=True)
        for oj, column in zip(cells(outputs[1], output[1]), cells(inputs[1], size[1]), strict=True)
    ]
    assert len(found) == len(expected)
    assert set(found) == expected


def cells(which: slice, size: int) -> range:
    return range(*which.indices(size))


def test_unknown_sizes_stay_unknown() -> None:
    assert geometry.output_size((None, None), (3, 3), (2, 2), "same") == (None, None)
    assert geometry.output_size((None, 9), (3, 3), (2, 2), "valid") == (None, 4)
    assert geometry.transposed_output_size((None, 4), (3, 3), (2, 2), "same") == (None, 8)


@given(size=PAIRS, kernel=PAIRS, strides=PAIRS, dilation=PAIRS, padding=st.sampled_from(["same", "valid"]))
def test_a_transposed_convolution_inverts_the_size_and_pads_of_a_convolution(
    size, kernel, strides, dilation, padding
) -> None:
    output = geometry.transposed_output_size(size, kernel, strides, padding, dilation)
    assert geometry.output_size(output, kernel, strides, padding, dilation) == size
    assert geometry.transposed_pads(padding, size, output, kernel, strides, dilation) == geometry.pads(
        padding, output, kernel, strides, dilation
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0, 4), (3, 3), (1, 1), "same"), "does not fit"),
        (((4, 4), (0, 3), (1, 1), "same"), "kernel must be at least 1"),
        (((4, 4), (3, 3), (1, 1), "same", (1, 0)), "dilation must be at least 1"),
        (((4, 4), (3, 3), (1, 1), ((1, 1), (1,))), "got \\(\\(1, 1\\), \\(1,\\)\\)"),
    ],
)
def test_impossible_sizes_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        geometry.output_size(*arguments)


def test_a_transposed_convolution_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="would leave"):
        geometry.transposed_output_size((1, 1), (2, 2), (1, 1), ((1, 1), (1, 1)))
