"""Every figure function: what is drawn (panels, labels, values), in both themes, and that nothing is left behind."""

from __future__ import annotations

import base64
import io
import re
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import convolens as cl
from convolens.pictures import reach, style


@pytest.fixture(scope="module")
def digits():
    return cl.datasets.load("digits")


@pytest.fixture(scope="module")
def model(digits):
    cl.utils.set_random_seed(0)
    model = cl.zoo.digits_cnn()
    model.fit(digits.x_train[:400], digits.y_train[:400], epochs=2, verbose=0)
    return model


def texts(figure):
    """All that is written in a figure and drawn."""
    figure.draw_without_rendering()
    found = [text for text in figure.findobj(lambda a: hasattr(a, "get_text")) if text.get_visible()]
    return [text.get_text() for text in found if text.get_text()]


def matrices(figure):
    return [np.asarray(image.get_array()) for ax in figure.axes for image in ax.images]


def numbers(ax):
    """The numbers in an axes' cells, by place ``(row, column)``."""
    cells = {tuple(int(v) for v in text.get_position()[::-1]): text.get_text() for text in ax.texts}
    return {place: float(text.replace("−", "-")) for place, text in cells.items()}


def grid(ax):
    found = numbers(ax)
    rows, columns = (max(place[axis] for place in found) + 1 for axis in (0, 1))
    return np.array([[found.get((r, c), np.nan) for c in range(columns)] for r in range(rows)])


# How figures live.


def test_figures_are_registered_nowhere_and_show_themselves_in_notebooks():
    figure = cl.visualize.history({"loss": [1.0, 0.5]})
    assert isinstance(figure, Figure)
    data = figure._repr_png_()
    assert Image.open(io.BytesIO(data)).size == tuple(int(v) for v in figure.get_size_inches() * style.DPI)
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def test_the_settings_of_the_user_stay_as_they_are():
    import matplotlib

    before = dict(matplotlib.rcParams)
    cl.visualize.history({"loss": [1.0, 0.5]})
    assert dict(matplotlib.rcParams) == before


def test_dark_theme_has_light_text_on_dark_paper():
    with cl.visualize.theme("dark"):
        figure = cl.visualize.history({"loss": [1.0, 0.5], "val_loss": [1.0, 0.6]})
    pixels = np.asarray(Image.open(io.BytesIO(figure._repr_png_())).convert("L")).astype(int)
    assert np.median(pixels) < 40
    assert pixels.max() > 200
    assert not style.is_dark()
    with pytest.raises(ValueError, match="'light', 'dark'; got 'blue'"), cl.visualize.theme("blue"):
        pass


def test_signed_colours_are_symmetric_about_zero():
    figure = style.figure(2, 2)
    shown = style.signed(figure.subplots(), np.array([[-1.0, 0.5]]))
    assert shown.get_clim() == (-1.0, 1.0)
    red, green, blue, _ = shown.cmap(0.5)
    assert abs(red - blue) < 0.05
    assert min(red, green, blue) > 0.9


# Curves and errors.


def test_history_marks_gap_and_best_epoch():
    h = {
        "loss": [1.0, 0.5, 0.2],
        "val_loss": [1.1, 0.6, 0.7],
        "accuracy": [0.5, 0.7, 0.9],
        "val_accuracy": [0.4, 0.8, 0.7],
    }
    figure = cl.visualize.history(h)
    loss, accuracy = figure.axes
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [[1, 1.0], [2, 0.5], [3, 0.2]])
    np.testing.assert_allclose(loss.lines[1].get_ydata(), h["val_loss"])
    written = texts(figure)
    for expected in (
        "loss",
        "accuracy",
        "epoch",
        "training",
        "validation",
        "gap 0.5",
        "gap 0.2",
        "best 0.6",
        "best 0.8",
    ):
        assert expected in written
    assert [dot.get_xydata().tolist() for dot in (loss.lines[2], accuracy.lines[2])] == [[[2, 0.6]], [[2, 0.8]]]


def test_history_takes_what_fit_returns_and_a_table(model, digits):
    import pandas as pd

    h = model.fit(digits.x_train[:32], digits.y_train[:32], epochs=1, verbose=0)
    assert len(cl.visualize.history(h).axes) == 2
    table = pd.DataFrame({"epoch": [0, 1], "loss": [1.0, 0.5], "learning_rate": [0.1, 0.1]})
    (ax,) = cl.visualize.history(table).axes
    assert ax.get_title(loc="left") == "loss"
    assert "validation" not in texts(ax.figure)
    with pytest.raises(ValueError, match="no epochs"):
        cl.visualize.history({})
    with pytest.raises(ValueError, match="got int"):
        cl.visualize.history(3)


def test_history_with_diverged_values_is_drawn():
    figure = cl.visualize.history({"loss": [1.0, np.nan], "val_loss": [np.nan, np.nan]})
    assert "loss" in texts(figure)


@pytest.mark.parametrize("form", ["numbers", "one-hot", "probabilities"])
def test_confusion_matrix_shows_the_counts(form):
    y_true, y_pred = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0])
    given = y_pred if form == "numbers" else np.eye(3)[y_pred] * (1 if form == "one-hot" else 0.8) + 0.05
    figure = cl.visualize.confusion_matrix(y_true, given if form != "one-hot" else np.eye(3)[y_pred], ["$a$", "b", "c"])
    (ax,) = figure.axes
    assert numbers(ax) == {(0, 0): 1, (0, 1): 1, (1, 1): 1, (2, 0): 1, (2, 2): 2}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["$a$", "b", "c"]
    assert ax.get_ylabel() == "true class"
    assert "4 of 6 right (66.7%)" in texts(figure)
    tones = ax.images[0].get_array()
    assert np.all(np.diag(tones) < 0)
    assert tones[0, 1] > 0
    assert tones[1, 0] == 0


def test_confusion_matrix_of_unequal_counts_is_refused():
    with pytest.raises(ValueError, match="y_true has 3 labels and y_pred 2"):
        cl.visualize.confusion_matrix([0, 1, 1], [0, 1], ["a", "b"])


def test_confusion_matrix_of_sigmoid_outputs():
    figure = cl.visualize.confusion_matrix([0, 1, 1], np.array([[0.2], [0.7], [0.4]]))
    assert numbers(figure.axes[0]) == {(0, 0): 1, (1, 0): 1, (1, 1): 1}


def test_misclassified_shows_the_most_confident_errors_with_probabilities(model, digits):
    evaluation = cl.evaluation.evaluate_classifier(model, digits.x_test, digits.y_test, digits.class_names)
    wrong = evaluation.misclassified
    assert len(wrong) > 5
    figure = cl.visualize.misclassified(model, digits.x_test, digits.y_test, digits.class_names, count=5)
    shown = [ax for ax in figure.axes if ax.images]
    assert len(shown) == 5
    first = wrong.iloc[0]
    np.testing.assert_allclose(shown[0].images[0].get_array(), digits.x_test[first["index"], ..., 0])
    assert [text.get_text() for text in shown[0].texts] == [
        f"says {first['predicted']}: {first['confidence']:.2f}", f"is {first['true']}: {first['true_probability']:.2f}",
    ]  # fmt: skip
    assert f"{len(wrong)} of {len(digits.x_test)} wrong, the 5 most confident" in texts(figure)


def test_misclassified_of_a_perfect_model_says_none():
    class Right:
        def predict(self, x, **kwargs):
            return np.eye(2)[[0, 1]]

    written = texts(cl.visualize.misclassified(Right(), np.zeros((2, 4, 4, 1)), [0, 1]))
    assert "0 of 2 wrong" in written
    assert "none" in written


# Inside a network.


def test_feature_maps_show_each_layers_output(model, digits):
    figure = cl.visualize.feature_maps(model, digits.x_test[0], maps=4)
    trace = model.trace(digits.x_test[:1])
    shown = matrices(figure)
    np.testing.assert_allclose(shown[0], digits.x_test[0, ..., 0])
    conv = next(step for step in trace if type(step.layer).__name__ == "Conv2D")
    for channel in range(4):
        np.testing.assert_allclose(shown[1 + channel], conv.output[0, ..., channel])
    written = texts(figure)
    for layer in model.layers[1:]:
        kind = type(layer).__name__
        assert (layer.name in written) == (kind not in ("Flatten", "Dropout", "InputLayer"))
    assert "8 × 8 × 16\n4 shown" in written
    probabilities = [style.number(p) for p in trace.output[0]]
    assert [text.get_text() for text in figure.axes[-1].texts] == probabilities


def test_feature_maps_of_chosen_layers(model, digits):
    name = model.layers[1].name
    figure = cl.visualize.feature_maps(model, digits.x_test[:1], layers=[name], maps=2)
    assert len(matrices(figure)) == 1 + 2
    with pytest.raises(ValueError, match="no layer 'nowhere'"):
        cl.visualize.feature_maps(model, digits.x_test[0], layers=["nowhere"])


def test_filters_show_the_kernel(model):
    layer = next(layer for layer in model.layers if type(layer).__name__ == "Conv2D")
    kernel = layer.get_weights()[0]
    shown = matrices(cl.visualize.filters(model, layer.name, count=10))
    assert len(shown) == 10
    for number, matrix in enumerate(shown):
        np.testing.assert_array_equal(matrix, kernel[:, :, 0, number])


def test_filters_have_a_row_per_channel_and_say_what_is_left_out(model):
    layer = [layer for layer in model.layers if type(layer).__name__ == "Conv2D"][1]
    kernel = layer.get_weights()[0]
    figure = cl.visualize.filters(model, layer, count=3, channels=2)
    shown = matrices(figure)
    assert len(shown) == 6
    np.testing.assert_array_equal(shown[4], kernel[:, :, 1, 1])
    assert f"{layer.name}: 32 filters of 3 × 3 × 16\n3 of the filters and 2 of the channels shown" in texts(figure)
    with pytest.raises(ValueError, match="no kernels"):
        cl.visualize.filters(model, model.layers[-1])


@pytest.mark.parametrize("method", ["saliency", "grad_cam", "occlusion"])
def test_heat_maps_show_the_image_and_the_map(method, model, digits):
    x = digits.x_test[3]
    figure = getattr(cl.visualize, method)(model, x, class_names=digits.class_names)
    picture, _, heat = matrices(figure)[:3]
    np.testing.assert_allclose(picture, x[..., 0])
    maps = getattr(cl.visualize, f"{method}_map" if method == "occlusion" else f"{method}_maps")(model, x)
    np.testing.assert_allclose(heat, np.squeeze(maps), rtol=1e-5, atol=1e-7)
    p = model.predict(x[np.newaxis], verbose=0)[0]
    assert f"class {digits.class_names[p.argmax()]}: {p.max():.3f}" in texts(figure)
    low, high = figure.axes[1].images[1].get_clim()
    assert low == -high
    assert high == pytest.approx(np.abs(maps).max(), rel=1e-5)


def test_heat_maps_of_several_images_and_a_target_have_a_row_each(model, digits):
    figure = cl.visualize.saliency(model, digits.x_test[:2], target=7)
    assert len([ax for ax in figure.axes if ax.images]) == 4
    p = model.predict(digits.x_test[:2], verbose=0)[:, 7]
    assert {f"class 7: {one:.3f}" for one in p} <= set(texts(figure))


def test_receptive_field_draws_box_and_gradient(model):
    name = next(layer.name for layer in model.layers if type(layer).__name__ == "MaxPooling2D")
    figure = cl.visualize.receptive_field(model, name, (1, 1))
    box = reach.theoretical_field(model, name, (1, 1))
    assert box == (0, 5, 0, 5)
    left, right = figure.axes[:2]
    np.testing.assert_array_equal(np.argwhere(left.images[0].get_array()), [[1, 1]])
    np.testing.assert_allclose(right.images[-1].get_array(), reach.measured_field(model, name, (1, 1)))
    dashed = next(patch for patch in right.patches if patch.get_linestyle() == "--")
    assert dashed.get_bbox().bounds == (-0.5, -0.5, 6, 6)
    assert "theoretical: 6 × 6 cells of the image (dashed)\nmeasured: 6 × 6" in texts(figure)


# Teaching figures.


def test_padding_puts_zeros_around():
    figure = cl.visualize.padding([[1, 2], [3, 4]], pad=((1, 0), (2, 1)))
    before, after = figure.axes
    np.testing.assert_array_equal(grid(before), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(grid(after), np.pad([[1, 2], [3, 4]], ((1, 0), (2, 1))))
    assert after.get_title() == "padded, 3 × 5"
    hatched = [patch.get_xy() for patch in after.patches if patch.get_hatch()]
    assert len(hatched) == 15 - 4
    with pytest.raises(ValueError, match="got shape"):
        cl.visualize.padding(np.zeros((2, 2, 2)))


def test_pooling_shows_winners_masks_and_gradients():
    x = [[1, 3, 2, 0], [4, 2, 1, 5]]
    figure = cl.visualize.pooling(x, 2, dy=[[1, -2]])
    axes = figure.axes
    assert len(axes) == 10
    np.testing.assert_array_equal(grid(axes[1]), [[4, 5]])
    np.testing.assert_array_equal(grid(axes[2]), [[0, 0, 0, 0], [1, 0, 0, 1]])
    np.testing.assert_array_equal(grid(axes[4]), [[0, 0, 0, 0], [1, 0, 0, -2]])
    np.testing.assert_array_equal(grid(axes[6]), [[2.5, 2]])
    np.testing.assert_array_equal(grid(axes[7]), np.full((2, 4), 0.25))
    np.testing.assert_array_equal(grid(axes[9]), [[0.25, 0.25, -0.5, -0.5]] * 2)
    framed = [patch.get_xy() for patch in axes[0].patches if patch.get_width() == 1]
    assert framed == [(-0.5, 0.5), (2.5, 0.5)]
    with pytest.raises(ValueError, match="dy has shape"):
        cl.visualize.pooling(x, 2, dy=[[1, 2, 3]])


def test_convolution_backward_by_hand():
    figure = cl.visualize.convolution_backward([[1, 2, 0], [0, 1, 3]], [[1, -1]], [[1, 2], [0, -1]])
    x, _, dy, _, dw, padded, _, turned, _, dx = figure.axes
    np.testing.assert_array_equal(grid(x), [[1, 2, 0], [0, 1, 3]])
    np.testing.assert_array_equal(grid(dy), [[1, 2], [0, -1]])
    np.testing.assert_array_equal(grid(dw), [[1 * 1 + 2 * 2 - 1 * 1, 2 * 1 + 0 - 3]])
    np.testing.assert_array_equal(grid(padded), [[0, 1, 2, 0], [0, 0, -1, 0]])
    np.testing.assert_array_equal(grid(turned), [[-1, 1]])
    np.testing.assert_array_equal(grid(dx), [[1, 2 - 1, -2], [0, -1, 1]])
    assert "db = sum of dy = 2" in texts(figure)


def test_convolution_moves_the_window_and_fills_the_output(tmp_path):
    x, w = [[1, 0, 2], [3, 1, 0], [0, 2, 1]], [[1, -1], [2, 0]]
    animation = cl.visualize.convolution(x, w, b=1)
    figure = animation._fig
    path = tmp_path / "convolution.gif"
    animation.save(str(path), writer="pillow", dpi=30)
    with Image.open(path) as film:
        assert film.n_frames == 4 + 1
    image, _, kernel, plus, output = figure.axes
    np.testing.assert_array_equal(grid(image), x)
    np.testing.assert_array_equal(grid(kernel), w)
    assert [text.get_text() for text in plus.texts] == ["+ 1 ="]
    np.testing.assert_array_equal(grid(output), [[1 + 6 + 1, 0 - 2 + 2 + 1], [3 - 1 + 0 + 1, 1 - 0 + 4 + 1]])
    animation._func(1)
    assert set(numbers(output)) == {(0, 0), (0, 1)}
    window = image.patches[-1]
    assert window.get_xy() == (0.5, -0.5)
    assert figure.texts[0].get_text() == "y[0, 1] = 0·1 + 2·(−1) + 1·2 + 0·0 + 1 = 1"


def test_convolution_with_strides_and_padding_shows_the_padded_image():
    animation = cl.visualize.convolution(np.ones((3, 3)), np.ones((3, 3)), strides=2, padding="same")
    image, *_, output = animation._fig.axes
    np.testing.assert_array_equal(grid(image), np.pad(np.ones((3, 3)), 1))
    animation._func(3)
    assert image.patches[-1].get_xy() == (1.5, 1.5)
    np.testing.assert_array_equal(grid(output), [[4, 4], [4, 4]])
    page = animation._repr_html_()
    assert base64.b64decode(re.search(r"base64,([^\"]+)", page)[1])[:6] == b"GIF89a"


# Architecture.


def faces(figure):
    """Width and height of the front of each volume, in the order they were drawn."""
    polygons = [patch.get_xy() for patch in figure.axes[0].patches if hasattr(patch, "get_xy")]
    return [tuple(np.ptp(points, axis=0)) for points in polygons[::3]]


def test_architecture_is_to_scale_and_names_what_it_shows():
    model = cl.zoo.lenet5()
    figure = cl.visualize.architecture(model)
    front = faces(figure)
    shapes = [(28, 1), (28, 6), (14, 6), (10, 16), (5, 16)]
    for (width, height), (h, c) in zip(front, shapes, strict=False):
        assert height / front[0][1] == pytest.approx(h / 28)
        assert width / front[3][0] == pytest.approx(max(c / 16, 0.02 / front[3][0]))
    for (_, height), units in zip(front[5:], (120, 84, 10), strict=True):
        assert height / front[5][1] == pytest.approx(units / 120)
    written = " ".join(texts(figure))
    for expected in ("28 × 28 × 6", "5 × 5, relu", "conv2d_1", "dense_2", "softmax", "120"):
        assert expected in written
    assert len([a for a in figure.axes[0].texts if getattr(a, "arrow_patch", None)]) == 7


def test_architecture_names_layers_that_keep_the_shape_below_their_volume():
    figure = cl.visualize.architecture(cl.zoo.happy_model(input_shape=(16, 16, 3)))
    assert len(faces(figure)) == 5
    assert any("+ batch norm\n+ ReLU" in text for text in texts(figure))


def test_architecture_draws_branches_in_lanes_and_open_sizes_as_question_marks():
    inputs = cl.Input((None, None, 3))
    a, b = cl.layers.Conv2D(4, 3, padding="same")(inputs), cl.layers.Conv2D(2, 5, padding="same")(inputs)
    joined = cl.layers.Concatenate()([a, b])
    figure = cl.visualize.architecture(cl.Model(inputs, cl.layers.GlobalAveragePooling2D()(joined)))
    names = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert names["conv2d"][0] == names["conv2d_1"][0]
    assert names["conv2d"][1] > names["conv2d_1"][1]
    assert any("? × ? × 6" in text for text in names)
    arrows = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 5
