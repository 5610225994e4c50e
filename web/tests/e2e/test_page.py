"""What a person does on the page: keyboard, what-if, worksheets, size, and names that try to be markup."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from pages import BUILDERS, Case, Opener
from playwright.sync_api import Page, expect
from reading import number, open_layer, pick, read

import convolens as cl
from convolens.explainer import make_record
from convolens.explainer.page import make_page
from convolens.kernels import reference


def probabilities(page: Page) -> np.ndarray:
    page.locator("nav").get_by_role("button", name="Loss", exact=True).click()
    return np.array([number(text) for text in page.get_by_test_id("p").all_inner_texts()])


def test_every_view_opens_in_light_and_dark(case: Case, open_page: Opener) -> None:
    page = open_page(case.path)
    for _ in range(2):
        for view in page.locator("nav button").all():
            view.click()
            expect(page.locator("main > *")).not_to_have_count(0)
        page.get_by_label("Light or dark").click()


def test_pages_are_small(case: Case) -> None:
    assert case.path.stat().st_size < (2_000_000 if case.name == "lenet5" else 8_000_000)


def test_what_if_a_weight_were_another(lenet: Case, open_page: Opener) -> None:
    """The page's own passes are the library's, also after a change."""
    page = open_page(lenet.path)
    page.get_by_label("digits").select_option("9")
    open_layer(page, 1, "Back to a weight")
    pick(page, (2, 1, 0, 3))
    page.get_by_label("Set the weight to a number").fill("1.5")
    page.get_by_label("Set the weight to a number").press("Enter")
    shown = read(page)
    changed = cl.zoo.lenet5()
    changed.set_weights(lenet.model.get_weights())
    kernel = changed.layers[1].kernel.numpy()
    kernel[2, 1, 0, 3] = 1.5
    changed.layers[1].kernel.assign(kernel)
    trace = changed.trace(lenet.truth.steps[0].output.astype(np.float32), np.array([BUILDERS["lenet5"][1]]))
    name = changed.layers[1].name
    np.testing.assert_allclose(shown.result, trace.gradients[name]["kernel"][2, 1, 0, 3], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(probabilities(page), trace.output[0], atol=1e-5)
    page.locator("nav").get_by_role("button", name="Layer", exact=True).click()
    page.get_by_role("button", name="Undo all changes").click()
    np.testing.assert_allclose(probabilities(page), lenet.truth.output[0], atol=1e-5)


def test_what_if_a_filter_were_blank(lenet: Case, open_page: Opener) -> None:
    page = open_page(lenet.path)
    open_layer(page, 1, "Back to a weight")
    pick(page, (0, 0, 0, 0))
    page.get_by_role("button", name="Blank filter 0").click()
    changed = cl.zoo.lenet5()
    changed.set_weights(lenet.model.get_weights())
    layer = changed.layers[1]
    layer.kernel.assign(layer.kernel.numpy() * (np.arange(6) > 0))
    layer.bias.assign(layer.bias.numpy() * (np.arange(6) > 0))
    page.get_by_label("digits").select_option("9")
    expected = changed.predict(lenet.truth.steps[0].output.astype(np.float32), verbose=0)[0]
    np.testing.assert_allclose(probabilities(page), expected, atol=1e-5)


def test_drawing_changes_the_answer(lenet: Case, open_page: Opener) -> None:
    page = open_page(lenet.path)
    page.get_by_role("button", name="What if").click()
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("digits").select_option("9")
    black = lenet.model.predict(np.zeros((1, 28, 28, 1), np.float32), verbose=0)[0]
    np.testing.assert_allclose(probabilities(page), black, atol=1e-5)
    box = page.get_by_label("The image: draw here").bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 160, steps=4)
    page.mouse.up()
    assert np.abs(probabilities(page) - black).max() > 1e-4


def test_arrow_keys_move_the_cell(lenet: Case, open_page: Opener) -> None:
    page = open_page(lenet.path)
    open_layer(page, 1, "Forward")
    pick(page, (5, 6, 2))
    page.get_by_role("slider", name="conv2d").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    fields = page.locator("section.centre .picker input")
    assert [field.input_value() for field in fields.all()] == ["6", "7", "2"]


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what a reader would call ``name`` has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        label = page.evaluate("() => { const e = document.activeElement; return e.ariaLabel ?? e.textContent.trim(); }")
        if label == name:
            return
    pytest.fail(f"{name} cannot be reached by the keyboard.")


def test_the_whole_way_by_keyboard_alone(lenet: Case, open_page: Opener) -> None:
    """From the network to a weight that is changed, the code that computes it, and the picture of why."""
    page = open_page(lenet.path)
    tab_to(page, "Gradients")
    page.keyboard.press("Enter")
    first, second = (node["name"] for node in lenet.explanation.record["nodes"][:2])
    tab_to(page, f"{second}, Conv2D, 28×28×6: open")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    tab_to(page, "Back to an input")
    page.keyboard.press("Enter")
    before = page.locator("section.centre .picker input").nth(1).input_value()
    tab_to(page, f"∂loss/∂{first}, map 0")
    page.keyboard.press("ArrowRight")
    assert page.locator("section.centre .picker input").nth(1).input_value() == str(int(before) + 1)
    tab_to(page, "Back to a weight")
    page.keyboard.press("Space")
    tab_to(page, "Set the weight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Undo all changes").first).to_be_visible()
    tab_to(page, "What am I looking at")
    page.keyboard.press("Enter")
    tab_to(page, "convolens.kernels.reference.conv2d_backward")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="conv2d_backward")).to_be_focused()
    tab_to(page, "Way back")
    page.keyboard.press("Enter")
    tab_to(page, "Steps")
    page.keyboard.press("ArrowDown")
    expect(page.locator("ol [aria-selected=true]")).to_contain_text("2")
    tab_to(page, "Why")
    page.keyboard.press("Enter")
    tab_to(page, "Grad-CAM")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("gradcam")).to_be_visible()
    tab_to(page, "What if …")
    page.keyboard.press("Enter")
    tab_to(page, "Invert")
    page.keyboard.press("Enter")
    expect(page.get_by_label("What if", exact=True)).to_contain_text("Computed and drawn")
    now = page.get_by_test_id("now").all_inner_texts()
    page.get_by_label("The image: draw here").focus()
    page.keyboard.press("ArrowRight")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    assert page.get_by_test_id("now").all_inner_texts() != now


def test_the_overview_opens_a_layer_by_keyboard(lenet: Case, open_page: Opener) -> None:
    page = open_page(lenet.path)
    page.locator("#block-1").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Layer", exact=True)).to_have_value("2")


def test_the_walk_ends_at_the_pixel(lenet: Case, open_page: Opener) -> None:
    page = open_page(lenet.path)
    page.locator("nav").get_by_role("button", name="Way back").click()
    steps = page.locator("ol [role=option]")
    assert steps.count() == len(lenet.truth.steps)
    expect(steps.first).to_contain_text("dense")
    expect(steps.last).to_contain_text("input_layer")


def test_a_worksheet_has_blanks_and_answers(lenet: Case, open_page: Opener) -> None:
    page = open_page(lenet.path)
    open_layer(page, 1, "Forward")
    page.get_by_role("button", name="Copy as worksheet").click()
    blanks, answers = page.get_by_test_id("blanks"), page.get_by_test_id("answers")
    assert blanks.locator("td").count() == answers.locator("td").count() == 75
    assert sum(not text for text in blanks.locator("td").all_inner_texts()) == 25
    assert all(answers.locator("td").all_inner_texts())


def test_why_has_the_gradients_of_the_score(lenet: Case, open_page: Opener) -> None:
    page = open_page(lenet.path)
    page.get_by_label("digits").select_option("9")
    page.locator("nav").get_by_role("button", name="Why").click()
    page.get_by_role("button", name="Grad-CAM").click()
    page.get_by_label("for the answer").select_option("4")
    page.get_by_label("at the layer").select_option("3")
    trunk = cl.Model(lenet.model.inputs, lenet.model.outputs)
    z, row = lenet.model.layers[-1], np.zeros((1, 10), np.float32)
    row[0, 4] = 1
    score = cl.layers.Dense(10)
    scores = cl.Model(trunk.inputs, score(z.input))
    score.set_weights(z.get_weights())
    trace = scores.trace(lenet.truth.steps[0].output.astype(np.float32), d_output=row)
    weights = trace.steps[3].d_output[0].mean(axis=(0, 1))
    table = page.get_by_test_id("gradcam")
    for line in table.locator("tbody tr").all():
        texts = line.locator("td").all_inner_texts()
        np.testing.assert_allclose(number(texts[2]), weights[int(texts[0])], rtol=1e-4, atol=1e-7)


def vector() -> cl.Model:
    layers = cl.layers
    model = cl.Sequential([layers.Input((7,)), layers.Dense(40, "gelu"), layers.Dropout(0.5), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def two_inputs() -> cl.Model:
    layers = cl.layers
    a, b = cl.Input((8, 8, 3)), cl.Input((8, 8, 3))
    shared = layers.Conv2D(4, 3, activation="tanh")
    x = layers.Concatenate()([shared(a), shared(b)])
    inner = cl.Sequential([layers.Input((6, 6, 8)), layers.SeparableConv2D(6, 3), layers.LayerNormalization()])
    x = layers.UpSampling2D(2)(layers.Conv2DTranspose(3, 2, strides=2)(inner(x)))
    x = layers.GlobalMaxPooling2D()(layers.DepthwiseConv2D(3, depth_multiplier=2)(x))
    model = cl.Model(
        [a, b], [layers.Dense(3, activation="sigmoid")(x), layers.Activation("softmax")(layers.Dense(4)(x))]
    )
    model.compile("sgd", ["binary_crossentropy", "categorical_crossentropy"])
    return model


def wide() -> cl.Model:
    layers = cl.layers
    blocks = [layers.Conv2D(70, 1), layers.AveragePooling2D(2), layers.ELU(), layers.Conv2D(30, 3, padding="same")]
    head = [layers.GlobalAveragePooling2D(keepdims=True), layers.Reshape((30,)), layers.Dense(30, "softmax")]
    model = cl.Sequential([layers.Input((12, 20, 4)), layers.Rescaling(2.0), *blocks, *head])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


ODD = {
    "vector": (vector, lambda rng: rng.normal(size=7), 0.25),
    "two inputs": (
        two_inputs,
        lambda rng: [rng.normal(size=(8, 8, 3)) for _ in "ab"],
        [np.array([[1.0, 0.0, 1.0]]), np.eye(4)[[2]]],
    ),
    "wide": (wide, lambda rng: rng.uniform(size=(12, 20, 4)), 17),
}


@pytest.mark.parametrize("name", list(ODD))
def test_every_layer_opens_in_every_direction(name: str, open_page: Opener, tmp_path: Path) -> None:
    build, image, y = ODD[name]
    explanation = cl.explain(build(), image(np.random.default_rng(5)), y)
    explanation.save(tmp_path / "page.html")
    page = open_page(tmp_path / "page.html")
    page.get_by_role("button", name="Gradients").click()
    for node in range(len(explanation.record["nodes"])):
        open_layer(page, node, "Forward")
        for direction in page.get_by_label("Direction").get_by_role("button").all():
            direction.click()
            if direction.inner_text() != "Table":
                if explanation.record["nodes"][node]["inputs"]:
                    assert page.locator("section.centre a[href^='#convolens.']").count() > 0, node
                shown = read(page)
                assert np.isfinite(shown.result)
                if shown.recorded is not None:
                    np.testing.assert_allclose(shown.result, shown.recorded, rtol=1e-2, atol=1e-5)
    for view in page.locator("nav button").all():
        view.click()
    page.get_by_role("button", name="What if").click()


HOSTILE = ["</script><script>window.hacked=1</script>", '"><img src=x onerror="window.hacked=1">', "<!--<script>"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layers = cl.layers
    model = cl.Sequential(
        [
            layers.Input((6, 6, 1), name="<b>input</b>"),
            layers.Conv2D(2, 3, name="<img src=x onerror=window.hacked=1>"),
            layers.Flatten(name="</script><script>window.hacked=2</script>"),
            layers.Dense(3, "softmax", name="__proto__"),
        ],
        name="<svg onload=window.hacked=3>",
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    path = tmp_path_factory.mktemp("hostile") / "page.html"
    cl.explain(model, np.ones((6, 6, 1)), 1, class_names=HOSTILE).save(path)
    return path


def test_names_are_never_markup(hostile: Path, open_page: Opener) -> None:
    page = open_page(hostile)
    for view in page.locator("nav button").all():
        view.click()
    open_layer(page, 3, "Forward")
    page.get_by_role("button", name="Copy as worksheet").click()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, svg[onload], b:text-is('input')").count() == 0


def test_a_notebook_shows_the_page(lenet: Case, open_page: Opener, tmp_path: Path) -> None:
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><meta charset=utf-8><body>{lenet.explanation._repr_html_()}", encoding="utf-8")
    page = open_page.context.new_page()
    page.goto(notebook.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("#block-1").click()
    expect(frame.get_by_label("Layer", exact=True)).to_have_value("1")
    frame.get_by_role("link", name="convolens.kernels.reference.conv2d_forward").click()
    expect(frame.locator("main")).to_contain_text("def conv2d_forward(")


def test_a_panel_leads_to_the_librarys_code_and_back(case: Case, open_page: Opener) -> None:
    page = open_page(case.path)
    last = len(case.explanation.record["nodes"]) - 1
    open_layer(page, last, "Back to a weight")
    link = page.locator("section.centre").get_by_role("link", name="convolens.kernels.reference.dense_backward")
    link.click()
    source = inspect.getsource(reference.dense_backward).rstrip().splitlines()
    lines = page.locator("section table tr")
    assert lines.locator("td:nth-child(2)").all_text_contents() == source
    first = inspect.getsourcelines(reference.dense_backward)[1]
    assert lines.locator("td:nth-child(1)").first.inner_text() == str(first)
    expect(page.locator("main")).to_contain_text("from convolens.kernels.reference import dense_backward")
    page.go_back()
    expect(link).to_be_visible()


def test_every_view_tells_what_one_looks_at(case: Case, open_page: Opener) -> None:
    page = open_page(case.path)
    for view in page.locator("nav button").all()[:-1]:
        view.click()
        page.get_by_role("button", name="What am I looking at").first.click()
        dialog = page.locator("dialog")
        expect(dialog.locator("p").first).not_to_be_empty()
        expect(dialog.locator("math").first).to_be_visible()
        expect(dialog.get_by_role("link").first).to_contain_text("convolens.")
        dialog.get_by_label("Close").click()


# Of everything but what a reader scrolls on purpose: long tables, wide sums and kernels, code, the network itself.
_TOO_WIDE = """() => {
  const found = [], edge = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > edge) found.push('the page');
  for (const e of document.querySelectorAll('aside, section, article, nav.card, header, .bar, .body > *'))
    if (e.scrollWidth > e.clientWidth + 1 && !e.querySelector('td.n')) found.push(`${e.className} ${e.scrollWidth}`);
  for (const e of document.querySelectorAll('header *, .bar button, .bar select, aside button'))
    if (e.getBoundingClientRect().right > edge + 1) found.push(`${e.tagName} ${e.textContent}`);
  return found;
}"""


@pytest.mark.parametrize("what_if", [False, True])
def test_nothing_is_cut_off_on_a_phone_held_sideways(case: Case, open_page: Opener, what_if: bool) -> None:
    page = open_page(case.path)
    page.set_viewport_size({"width": 844, "height": 390})
    if what_if:
        page.get_by_role("button", name="What if").click()
    for view in page.locator("nav[aria-label=Views] button").all():
        view.click()
        assert page.evaluate(_TOO_WIDE) == [], view.inner_text()
    for node in range(len(case.explanation.record["nodes"])):
        open_layer(page, node, "Forward")
        for direction in page.get_by_label("Direction").get_by_role("button").all():
            direction.click()
            assert page.evaluate(_TOO_WIDE) == [], (node, direction.inner_text())


def test_a_link_to_a_function_opens_its_code(lenet: Case, open_page: Opener) -> None:
    page = open_page(lenet.path, "#convolens.kernels.reference.max_pool2d_backward")
    expect(page.get_by_role("heading", name="max_pool2d_backward")).to_be_focused()


def test_without_a_label_there_are_no_gradients(open_page: Opener, tmp_path: Path) -> None:
    model = cl.zoo.convolutional_model()
    cl.explain(model, np.full((64, 64, 3), 0.5)).save(tmp_path / "page.html")
    page = open_page(tmp_path / "page.html")
    expect(page.get_by_role("button", name="Gradients")).to_be_disabled()
    expect(page.locator("nav").get_by_role("button", name="Loss", exact=True)).to_have_count(0)


def test_what_was_left_out_is_computed_by_the_page(lenet: Case, open_page: Opener, tmp_path: Path) -> None:
    x = lenet.truth.steps[0].output.astype(np.float32)
    record = make_record(lenet.model, x, np.array([7]), limit=330_000)
    assert any("output" in name for name in record["thinned"])
    (tmp_path / "page.html").write_text(make_page(record), encoding="utf-8")
    page = open_page(tmp_path / "page.html")
    page.get_by_label("digits").select_option("9")
    open_layer(page, 1, "Forward")
    pick(page, (12, 13, 2))
    expect(page.locator("section.centre")).to_contain_text("computed here")
    np.testing.assert_allclose(read(page).recorded, lenet.truth.steps[1].output[0, 12, 13, 2], rtol=1e-4)
    page.locator("nav").get_by_role("button", name="Trust").click()
    expect(page.locator("main")).to_contain_text("To keep the file small")


def test_a_layer_of_ones_own_is_shown_as_recorded(open_page: Opener, tmp_path: Path) -> None:
    class Doubled(cl.layers.Layer):
        def forward(self, x, training=False, rng=None):
            return 2 * x, None

        def backward(self, d_output, cache, need_dx=True):
            return 2 * d_output, {}

    layers = cl.layers
    model = cl.Sequential(
        [layers.Input((5, 5, 1)), layers.Conv2D(2, 2), Doubled(), layers.Flatten(), layers.Dense(2, "softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = np.linspace(0, 1, 25).reshape(1, 5, 5, 1)
    cl.explain(model, x, 1).save(tmp_path / "page.html")
    trace = model.trace(x, np.array([1]))
    page = open_page(tmp_path / "page.html")
    page.get_by_label("digits").select_option("9")
    open_layer(page, 2, "Forward")
    pick(page, (1, 2, 1))
    np.testing.assert_allclose(read(page).result, trace.steps[2].output[0, 1, 2, 1], rtol=1e-5)
    open_layer(page, 1, "Back to an input")
    pick(page, (2, 2, 0))
    np.testing.assert_allclose(read(page).result, trace.d_input[0, 2, 2, 0], rtol=1e-4, atol=1e-7)
    page.get_by_role("button", name="What if").click()
    expect(page.get_by_label("What if", exact=True)).to_contain_text("does not compute Doubled")


def test_the_recorder_has_a_slider(open_page: Opener, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(40, 28, 28, 1)).astype(np.float32), rng.integers(10, size=40)
    model = cl.zoo.lenet5()
    recorder = cl.callbacks.Recorder(x[:1], y[:1])
    model.fit(x, y, epochs=3, verbose=0, callbacks=[recorder])
    cl.explain(model, x[0], y[0], recorder=recorder).save(tmp_path / "page.html")
    page = open_page(tmp_path / "page.html")
    page.locator("nav").get_by_role("button", name="Training").click()
    slider = page.get_by_label("Epoch", exact=True)
    slider.fill("2")
    expect(page.locator("main")).to_contain_text("after epoch 2")
    expect(page.locator("main")).to_contain_text("Dead ReLU")
