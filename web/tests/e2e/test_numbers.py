"""Every product, sum, gradient and probability on the page, beside the reference loops in float64."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pages import Case, Opener
from playwright.sync_api import Page
from reading import Shown, number, open_layer, pick, read

CELLS = 2
rng = np.random.default_rng(11)

FORWARD, INPUT, GATE, WEIGHT = "Forward", "Back to an input", "Back through the activation", "Back to a weight"


def random_index(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(rng.integers(n)) for n in shape)


def near(actual: Any, expected: Any, scale: float) -> None:
    """The page shows what was recorded in float32; the reference is in float64."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-5 * max(scale, 1e-7))


def largest(array: np.ndarray) -> float:
    return float(np.abs(array).max())


def check_products(shown: Shown) -> None:
    """Products are those of the factors beside them, sums those of the products, and the result that of the sums."""
    for group in shown.groups:
        names = list(group.columns)
        if len(names) == 3:
            a, b, product = (group.columns[name] for name in names)
            np.testing.assert_allclose(product, a * b, rtol=1e-6, atol=1e-12)
            assert group.total is not None
            if not group.rest:
                scale = np.abs(product).sum()
                np.testing.assert_allclose(group.total, product.sum(), rtol=1e-6, atol=1e-7 * scale + 1e-12)
    assert shown.recorded is not None
    np.testing.assert_allclose(shown.result, shown.recorded, rtol=2e-5, atol=1e-6)


@pytest.fixture
def page(case: Case, open_page: Opener) -> Iterator[Page]:
    opened = open_page(case.path)
    opened.get_by_label("digits").select_option("9")
    return opened


def test_forward(case: Case, page: Page) -> None:
    """Every layer, cells at random: the window, the weights, the sum, the activation."""
    for node, step in enumerate(case.truth):
        if not step.inputs:
            continue
        output = step.output[0]
        open_layer(page, node, FORWARD)
        for _ in range(CELLS):
            index = random_index(output.shape)
            pick(page, index)
            shown = read(page)
            check_products(shown)
            near(shown.result, output[index], largest(output))
            factors = forward_factors(step, index)
            assert len(shown.groups) >= len(factors)
            for group, (x, w) in zip(shown.groups, factors, strict=False):
                near(group.columns["x"], in_order(group.labels, x), largest(step.inputs[0]))
                near(group.columns["w"], in_order(group.labels, w), largest(w))


def in_order(labels: list[str], values: np.ndarray) -> np.ndarray:
    """Lists on the page are sorted by size: put the values into that order by the first number of each label."""
    if not labels:
        return values.ravel()
    return np.array([values[int(re.findall(r"\d+", label)[0])] for label in labels])


def forward_factors(step: Any, index: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of a convolution or dense layer, the window and the weights by channel."""
    kind, x = type(step.layer).__name__, step.inputs[0][0]
    if kind == "Dense":
        return [(x, step.parameters["kernel"][:, index[-1]])]
    if kind != "Conv2D":
        return []
    cache = step.cache.inner if hasattr(step.cache, "inner") else step.cache
    padded = np.pad(x, (*cache.pads, (0, 0)))
    kh, kw = cache.w.shape[:2]
    top, left = index[0] * cache.strides[0], index[1] * cache.strides[1]
    window = padded[top : top + kh, left : left + kw]
    return [(window[..., c], cache.w[..., c, index[2]]) for c in range(x.shape[2])]


def test_back_to_an_input(case: Case, page: Page) -> None:
    """Every layer, input cells at random: all that sends gradient to it, and the sum, also at forks."""
    consumers: dict[int, int] = {}
    for node in case.explanation.record["nodes"]:
        for source in node["inputs"]:
            consumers[source] = consumers.get(source, 0) + 1
    for node, step in enumerate(case.truth):
        if not step.inputs:
            continue
        open_layer(page, node, INPUT)
        sources = case.explanation.record["nodes"][node]["inputs"]
        for position, (source, d_input) in enumerate(zip(sources, step.d_inputs, strict=True)):
            if len(sources) > 1:
                page.get_by_label("Which input").select_option(str(position))
            for _ in range(CELLS):
                index = random_index(d_input.shape[1:])
                pick(page, index)
                shown = read(page)
                near(shown.result, d_input[0][index], largest(d_input))
                whole = case.truth.steps[source].d_output[0]
                if consumers[source] == 1:
                    check_products(shown)
                    near(shown.recorded, whole[index], largest(whole))
                else:
                    fork = page.locator("[data-testid=ribbon]").nth(1)
                    total = number(fork.locator("[data-testid=step]").last.inner_text())
                    near(total, whole[index], largest(whole))


def test_back_through_the_activation(case: Case, page: Page) -> None:
    for node, layer in enumerate(
        case.explanation.record["layers"][n["layer"]] for n in case.explanation.record["nodes"]
    ):
        if layer["activation"] is None:
            continue
        open_layer(page, node, GATE)
        d_z = case.truth.steps[node].d_z[0]
        for _ in range(CELLS):
            index = random_index(d_z.shape)
            pick(page, index)
            near(read(page).result, d_z[index], largest(d_z))


def test_back_to_a_weight(case: Case, page: Page) -> None:
    """Every parameter, elements at random: each position's product, and the sum over the image."""
    for node, step in enumerate(case.truth):
        if not step.gradients:
            continue
        open_layer(page, node, WEIGHT)
        for name, gradient in case.truth.gradients[step.layer.name].items():
            choice = page.get_by_label("Parameter", exact=True)
            if choice.count():
                choice.select_option(name)
            index = random_index(gradient.shape)
            pick(page, index)
            shown = read(page)
            check_products(shown)
            near(shown.result, gradient[index], largest(gradient))


def test_all_positions_of_a_weight(lenet: Case, open_page: Opener) -> None:
    """A list of several pages, turned to its end: every product beside the reference's, and their sum."""
    page = open_page(lenet.path)
    page.get_by_label("digits").select_option("9")
    open_layer(page, 1, WEIGHT)
    pick(page, (2, 4, 0, 3))
    (group,) = read(page, whole_lists=True).groups
    step = lenet.truth.steps[1]
    x = np.pad(step.inputs[0][0], (*step.cache.inner.pads, (0, 0)))[2 : 2 + 28, 4 : 4 + 28, 0]
    dy = step.d_z[0, ..., 3]
    cells = [tuple(int(n) for n in re.findall(r"\d+", label.split("dy")[1])) for label in group.labels]
    assert not group.rest
    inside = {(row, column, 3) for row in range(28) for column in range(28) if within(row + 2, column + 4, step)}
    assert set(cells) == inside
    assert len(cells) == len(inside) > 400
    rows, columns = np.array(cells).T[:2]
    near(group.columns["x"], x[rows, columns], 1)
    near(group.columns["dy"], dy[rows, columns], largest(dy))
    np.testing.assert_allclose(group.columns["x·dy"].sum(), group.total, rtol=1e-6)
    gradient = lenet.truth.gradients[step.layer.name]["kernel"]
    near(group.total, gradient[2, 4, 0, 3], largest(gradient))


def within(row: int, column: int, step: Any) -> bool:
    """Whether a cell of the padded image lies on the image."""
    (top, _), (left, _) = step.cache.inner.pads
    height, width = step.inputs[0].shape[1:3]
    return 0 <= row - top < height and 0 <= column - left < width


def test_probabilities_and_loss(case: Case, page: Page) -> None:
    page.locator("nav").get_by_role("button", name="Loss", exact=True).click()
    table = page.get_by_test_id("loss-table")
    last = case.truth.steps[-1]
    p = [number(text) for text in table.get_by_test_id("p").all_inner_texts()]
    near(p, last.output[0], 1)
    near([number(text) for text in table.get_by_test_id("gradient").all_inner_texts()], last.d_z[0], 1)
    near(number(page.get_by_test_id("loss").inner_text()), case.truth.data_loss, case.truth.data_loss)


def test_recorded_and_recomputed_agree(case: Case, page: Page) -> None:
    page.locator("nav").get_by_role("button", name="Trust").click()
    assert number(page.get_by_test_id("agreement").inner_text()) < 1e-4


def test_the_table_shows_the_map(case: Case, page: Page) -> None:
    open_layer(page, 2, "Table")
    output = case.truth.steps[2].output[0]
    shown = np.array([number(text) for text in page.get_by_test_id("table").locator("td").all_inner_texts()])
    near(shown.reshape(output.shape[:2]), output[..., 0], largest(output))
