"""Whatever array the images come in, the same order of the same numbers trains the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import convolens as cl

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (21, 9, 8, 2)).astype("float32")
LABELS = RNG.integers(0, 3, 21)


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bytes": lambda x: x.astype("uint8"),
    "float64": lambda x: x.astype("float64"),
    "read-only": read_only,
    "every other image": lambda x: np.repeat(x, 2, axis=0)[::2],
    "columns first": lambda x: np.asfortranarray(x),
    "mirrored twice": lambda x: x[:, ::-1].copy()[:, ::-1],
}


@pytest.fixture(params=["vectorized", pytest.param("compiled", marks=pytest.mark.compiled)])
def kernels(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param not in cl.kernels.available():
        pytest.skip("needs Numba")
    with cl.kernels.use(request.param):
        yield request.param


def network(first: list[cl.layers.Layer]) -> cl.Model:
    cl.utils.set_random_seed(1)
    layers = cl.layers
    return cl.Sequential(
        [cl.Input((9, 8, 2)), *first, layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
         layers.Dense(3, activation="softmax")]
    )  # fmt: skip


def trained(x: np.ndarray, first: list[cl.layers.Layer], **options: object) -> list[np.ndarray]:
    model = network(first)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, LABELS, epochs=2, verbose=0, **options)
    return [model.evaluate(x, LABELS, verbose=0), *model.get_weights()]


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch_size", [4, 16, 64])
def test_the_form_of_the_array_does_not_matter(kernels: str, form: str, batch_size: int) -> None:
    expected = trained(IMAGES.copy(), [], batch_size=batch_size)
    assert equal(trained(FORMS[form](IMAGES), [], batch_size=batch_size), expected)


def test_layers_that_need_whole_batches_get_them(kernels: str) -> None:
    x = IMAGES.copy()
    expected = trained(x / 255, [], batch_size=8)
    scaled = trained(x, [cl.layers.Rescaling(1 / 255)], batch_size=8)
    assert all(np.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(scaled, expected, strict=True))


def test_shuffled_batches_are_the_rows_in_that_order(kernels: str) -> None:
    """One epoch in a random order, against the same order laid out by hand and not shuffled."""
    seen: list[int] = []

    class Numbers(cl.losses.Loss):
        def call(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            seen.extend(y_true[:, 0].astype(int).tolist())
            return (y_pred * y_true[:, 1:]).sum(axis=-1), y_true

        def call_backward(self, d_losses: np.ndarray, cache: np.ndarray) -> np.ndarray:
            return d_losses[:, None] * cache[:, 1:] * np.ones((1, 3))

    def run(x: np.ndarray, y: np.ndarray, shuffle: bool) -> list[np.ndarray]:
        model = network([])
        model.compile("sgd", Numbers())
        model.fit(x, y, batch_size=8, shuffle=shuffle, verbose=0)
        return model.get_weights()

    y = np.stack([np.arange(21.0), LABELS], axis=1).astype("float32")
    shuffled = run(IMAGES / 255, y, True)
    order = list(seen)
    assert sorted(order) == list(range(21))
    assert order != sorted(order)
    assert equal(run((IMAGES / 255)[order], y[order], False), shuffled)


def test_an_image_may_be_its_own_target(kernels: str) -> None:
    def run(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        cl.utils.set_random_seed(1)
        model = cl.Sequential([cl.Input((9, 8, 2)), cl.layers.Conv2D(2, 3, padding="same")])
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        return model.get_weights()

    x = IMAGES / 255
    assert equal(run(x, x), run(x, x.copy()))
