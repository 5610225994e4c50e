"""Evaluation: the figures are scikit-learn's, whatever the form of labels and outputs; names are escaped."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

import convolens as cl
from convolens.evaluation import measures


class Fixed:
    """A model that predicts what it was given."""

    def __init__(self, probabilities):
        self.probabilities = np.asarray(probabilities)

    def predict(self, x, batch_size=None, verbose=0):
        return self.probabilities


def random_case(classes, n=200, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    scores = rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[y]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return np.zeros((n, 1)), y, probabilities


def test_figures_are_those_of_scikit_learn():
    x, y, p = random_case(5)
    found = cl.evaluation.evaluate_classifier(Fixed(p), x, y, list("abcde"))
    predicted = p.argmax(axis=1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(y, predicted, zero_division=0)
    assert found.accuracy == metrics.accuracy_score(y, predicted)
    np.testing.assert_allclose(found.table["precision"], precision, rtol=1e-12)
    np.testing.assert_allclose(found.table["recall"], recall, rtol=1e-12)
    np.testing.assert_allclose(found.table["F1"], f1, rtol=1e-12)
    np.testing.assert_array_equal(found.table["support"], support)
    np.testing.assert_array_equal(found.confusion_matrix, metrics.confusion_matrix(y, predicted))
    assert list(found.table.index) == list("abcde")
    report = metrics.classification_report(y, predicted, output_dict=True, zero_division=0)
    for row, name in (("macro average", "macro avg"), ("weighted average", "weighted avg")):
        expected = [report[name][key] for key in ("precision", "recall", "f1-score")]
        np.testing.assert_allclose(found.averages.loc[row, ["precision", "recall", "F1"]], expected, rtol=1e-12)


def test_a_class_never_predicted_and_one_without_images_get_zero():
    found = cl.evaluation.evaluate_classifier(Fixed([[0.8, 0.1, 0.1], [0.7, 0.3, 0.0]]), np.zeros(2), [0, 1])
    assert found.table["precision"].tolist() == [0.5, 0.0, 0.0]
    assert found.table["support"].tolist() == [1, 1, 0]


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_that_of_scipy(case):
    from scipy.stats import binomtest

    correct, total = case
    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(measures.wilson_interval(correct, total), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["one column", "two columns"])
def test_binary_outputs_give_a_roc_curve_equal_to_scikit_learns(form):
    x, y, p = random_case(2)
    p = np.round(p, 2)
    p[:, 0] = 1 - p[:, 1]
    found = cl.evaluation.evaluate_classifier(Fixed(p[:, 1:] if form == "one column" else p), x, y, ["no", "yes"])
    fpr, tpr, thresholds = metrics.roc_curve(y, p[:, 1], drop_intermediate=False)
    np.testing.assert_allclose(found.roc["false_positive_rate"], fpr)
    np.testing.assert_allclose(found.roc["true_positive_rate"], tpr)
    np.testing.assert_allclose(found.roc["thresholds"], thresholds)
    assert found.auc == pytest.approx(metrics.roc_auc_score(y, p[:, 1]), rel=1e-12)
    best = np.argmax(tpr - fpr)
    assert found.best_threshold == pytest.approx(thresholds[best])
    assert found.accuracy == np.mean((p[:, 1] >= 0.5) == y)


def test_no_roc_for_several_classes_or_a_single_present_one():
    x, y, p = random_case(3)
    found = cl.evaluation.evaluate_classifier(Fixed(p), x, y)
    assert found.roc is None
    assert found.auc is None
    assert found.best_threshold is None
    only_one = cl.evaluation.evaluate_classifier(Fixed([[0.2], [0.9]]), np.zeros(2), [1, 1])
    assert only_one.roc is None
    json.loads(only_one.to_json())


@pytest.mark.parametrize(
    "labels", [lambda y: y, lambda y: y[:, None], lambda y: y[None], lambda y: np.eye(4)[y], lambda y: y.astype(float)]
)
def test_labels_in_every_form(labels):
    x, y, p = random_case(4)
    expected = cl.evaluation.evaluate_classifier(Fixed(p), x, y)
    found = cl.evaluation.evaluate_classifier(Fixed(p), x, labels(y))
    np.testing.assert_array_equal(found.confusion_matrix, expected.confusion_matrix)


def test_logits_of_a_compiled_model_become_probabilities():
    model = cl.Sequential([cl.Input((3,)), cl.layers.Dense(2)])
    model.set_weights([np.array([[2.0, 0], [0, 1], [0, 0]]), np.zeros(2)])
    x = np.eye(3, dtype="float32")
    with pytest.raises(ValueError, match="no probabilities"):
        cl.evaluation.evaluate_classifier(model, x, [0, 1, 1])
    model.compile("sgd", cl.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = cl.evaluation.evaluate_classifier(model, x, [0, 1, 1])
    np.testing.assert_allclose(found.probabilities[0], [np.e**2 / (1 + np.e**2), 1 / (1 + np.e**2)], rtol=1e-6)
    one = cl.Sequential([cl.Input((3,)), cl.layers.Dense(1)])
    one.set_weights([np.array([[2.0], [0], [-1]]), np.zeros(1)])
    one.compile("sgd", cl.losses.BinaryCrossentropy(from_logits=True))
    found = cl.evaluation.evaluate_classifier(one, x, [1, 1, 0])
    np.testing.assert_allclose(found.probabilities[:, 1], 1 / (1 + np.exp([-2.0, 0, 1])), rtol=1e-6)


def test_calibration_by_hand():
    p = np.array([[0.95, 0.05], [0.92, 0.08], [0.38, 0.62], [0.35, 0.65]])
    found = cl.evaluation.evaluate_classifier(Fixed(p), np.zeros(4), [0, 1, 1, 1])
    rows = found.calibration[found.calibration["images"] > 0]
    np.testing.assert_allclose(rows[["lower", "upper"]], [[0.6, 0.7], [0.9, 1.0]])
    np.testing.assert_allclose(rows["confidence"], [0.635, 0.935])
    np.testing.assert_allclose(rows["accuracy"], [1.0, 0.5])
    assert found.expected_calibration_error == pytest.approx((0.365 * 2 + 0.435 * 2) / 4)


def test_most_confidently_wrong_come_first():
    p = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    found = cl.evaluation.evaluate_classifier(Fixed(p), np.zeros(4), [1, 1, 1, 0], ["cat", "dog"]).misclassified
    assert found["index"].tolist() == [1, 3, 0]
    assert found["true"].tolist() == ["dog", "cat", "dog"]
    assert found["predicted"].tolist() == ["cat", "dog", "cat"]
    np.testing.assert_allclose(found["confidence"], [0.9, 0.7, 0.6])
    np.testing.assert_allclose(found["true_probability"], [0.1, 0.3, 0.4])


def test_json_and_html_say_the_same_and_names_are_escaped():
    x, y, p = random_case(2)
    found = cl.evaluation.evaluate_classifier(Fixed(p), x, y, ["<script>alert(1)</script>", "a & b"])
    figures = json.loads(found.to_json())
    assert figures["accuracy"] == found.accuracy
    assert figures["accuracy_interval"] == list(found.interval)
    assert figures["confusion_matrix"] == found.confusion_matrix.tolist()
    assert figures["classes"][1]["recall"] == found.table["recall"].iloc[1]
    page = found.to_html()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
    assert f"{found.accuracy:.2%}" in page
    for count in found.confusion_matrix.ravel():
        assert f">{count}</td>" in page
    assert found._repr_html_() == page


@pytest.mark.parametrize(
    ("x", "y", "names", "message"),
    [
        (np.zeros(0), [], None, "no images"),
        (np.zeros(2), [0, 2], None, r"y\[1\] is 2"),
        (np.zeros(2), [0, 1, 1], None, "2 images and 3 labels"),
        (np.zeros(2), [0, 1], ["a"], "2 classes apart and there are 1 class names"),
        (np.zeros(2), [[0.5, 0.5], [0, 1]], None, "not one-hot"),
        (np.zeros(2), ["a", "b"], None, "labels are class numbers"),
        (np.zeros(2), np.zeros((2, 3)), None, "expected"),
    ],
)
def test_bad_input_is_named(x, y, names, message):
    with pytest.raises(ValueError, match=message):
        cl.evaluation.evaluate_classifier(Fixed([[0.5, 0.5], [0.1, 0.9]]), x, y, names)


def test_outputs_that_are_no_class_rows_are_refused():
    with pytest.raises(ValueError, match="one row of class probabilities"):
        cl.evaluation.evaluate_classifier(Fixed(np.zeros((2, 4, 4, 1))), np.zeros(2), [0, 1])
