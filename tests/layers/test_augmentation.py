"""Random layers: what is random about them, exact special cases, and that resampling's backward is its transpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convolens as cl
from convolens.kernels.affine import affine_backward, affine_forward

L = cl.layers
PICTURE = np.arange(1.0, 13.0).reshape(1, 3, 4, 1)


def moved(matrix: Any, fill_mode: str, interpolation: str = "nearest", **options: Any) -> list:
    x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 4, 1)
    y, _ = affine_forward(x, np.array([matrix], float), interpolation=interpolation, fill_mode=fill_mode, **options)
    return y.ravel().tolist()


@pytest.mark.parametrize(
    ("fill_mode", "expected"),
    [
        ("constant", [9.0, 9.0, 1.0, 2.0]),
        ("nearest", [1.0, 1.0, 1.0, 2.0]),
        ("reflect", [2.0, 1.0, 1.0, 2.0]),
        ("wrap", [3.0, 4.0, 1.0, 2.0]),
    ],
)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_two_cells_to_the_right(fill_mode: str, expected: list, interpolation: str) -> None:
    assert moved([[1, 0, -2], [0, 1, 0]], fill_mode, interpolation, fill_value=9.0) == expected


def test_half_a_cell_is_the_mean_of_two() -> None:
    assert moved([[1, 0, 0.5], [0, 1, 0]], "constant", "bilinear", fill_value=10.0) == [1.5, 2.5, 3.5, 7.0]


@settings(max_examples=50, deadline=None)
@given(
    matrix=st.lists(st.floats(-3, 3), min_size=6, max_size=6),
    fill_mode=st.sampled_from(["reflect", "wrap", "constant", "nearest"]),
    interpolation=st.sampled_from(["nearest", "bilinear"]),
    h=st.integers(1, 4),
    w=st.integers(1, 4),
)
def test_backward_is_the_transpose(matrix: list, fill_mode: str, interpolation: str, h: int, w: int) -> None:
    """``<A x, dy> = <x, A^T dy>`` for all x and dy; and without a constant the weights of each output add up to one."""
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 2, h, w, 3))
    matrices = np.array([matrix, matrix[::-1]]).reshape(2, 2, 3)
    y, cache = affine_forward(x, matrices, interpolation=interpolation, fill_mode=fill_mode)
    assert np.sum(y * dy) == pytest.approx(np.sum(x * affine_backward(dy, cache)), abs=1e-9)
    if fill_mode != "constant":
        np.testing.assert_allclose(sum(cache.weights), 1, atol=1e-12)


def test_a_quarter_turn_is_counter_clockwise() -> None:
    layer = L.RandomRotation((0.25, 0.25), dtype="float64")
    square = np.arange(9.0).reshape(1, 3, 3, 1)
    y, _ = layer.forward(square, training=True, rng=np.random.default_rng(0))
    np.testing.assert_allclose(y, np.rot90(square, axes=(1, 2)), atol=1e-12)


def test_translation_moves_down_and_right() -> None:
    layer = L.RandomTranslation((1 / 3, 1 / 3), (0.5, 0.5), fill_mode="constant", dtype="float64")
    y, _ = layer.forward(PICTURE, training=True, rng=np.random.default_rng(0))
    np.testing.assert_allclose(y[0, :, :, 0], [[0, 0, 0, 0], [0, 0, 1, 2], [0, 0, 5, 6]], atol=1e-12)


def test_zooming_in_by_half_enlarges_the_middle() -> None:
    layer = L.RandomZoom((-0.5, -0.5), dtype="float64")
    x = np.array([0.0, 0.0, 4.0, 0.0, 0.0]).reshape(1, 1, 5, 1)
    y, _ = layer.forward(x, training=True, rng=np.random.default_rng(0))
    np.testing.assert_allclose(y.ravel(), [0, 2, 4, 2, 0], atol=1e-12)


def test_zoom_keeps_proportions_unless_told_otherwise() -> None:
    rng = np.random.default_rng(0)
    height, width = L.RandomZoom(0.3).draw(rng, 50)
    np.testing.assert_array_equal(height, width)
    height, width = L.RandomZoom(0.3, (0.1, 0.2)).draw(rng, 50)
    assert np.all((width >= 1.1) & (width <= 1.2))
    assert np.all((height >= 0.7) & (height <= 1.3))


def test_flips_half_of_the_images() -> None:
    x = np.tile(PICTURE, (400, 1, 1, 1))
    y, _ = L.RandomFlip(dtype="float64").forward(x, training=True, rng=np.random.default_rng(0))
    same = np.all(y == x, axis=(1, 2, 3))
    both = np.all(y == x[:, ::-1, ::-1], axis=(1, 2, 3))
    assert np.all(same ^ both)
    assert 150 < same.sum() < 250


@pytest.mark.parametrize(
    "layer", [L.RandomFlip(), L.RandomRotation(0.1), L.RandomZoom(0.1), L.RandomTranslation(0.1, 0.1)]
)
def test_inference_leaves_images_alone(layer: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype(np.float32)
    assert layer.stochastic
    np.testing.assert_array_equal(layer(x), x)
    assert not np.array_equal(layer.forward(x, training=True, rng=np.random.default_rng(0))[0], x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L.RandomFlip("sideways"), "mode is one of 'horizontal', 'vertical', 'horizontal_and_vertical'"),
        (lambda: L.RandomRotation(1.5), "factor is a number, or two of them, from -1 to 1; got 1.5"),
        (lambda: L.RandomRotation((0, 0.1, 0.2)), "factor is a number, or two of them"),
        (lambda: L.RandomZoom((-1, 0)), "height_factor is a number, or two of them, above -1 to 1; got (-1, 0)"),
        (lambda: L.RandomZoom(0.1, "wide"), "width_factor is a number"),
        (
            lambda: L.RandomTranslation(0.1, 0.1, fill_mode="mirror"),
            "fill_mode is one of 'reflect', 'wrap', 'constant'",
        ),
        (lambda: L.RandomTranslation(0.1, 0.1, interpolation="cubic"), "interpolation is one of 'nearest', 'bilinear'"),
        (lambda: L.RandomZoom(0.1, name="z")(np.zeros((4, 4, 1))), "'z' expects inputs of 4 axes"),
        (lambda: L.RandomFlip(name="f").forward(np.zeros((1, 2, 2, 1)), training=True), "'f' needs random numbers"),
    ],
)
def test_bad_input(make: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)
