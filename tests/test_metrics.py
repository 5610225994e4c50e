"""Metrics: against Keras's results over batches of unequal size, scikit-learn's, numbers by hand, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score, top_k_accuracy_score

from convolens import losses, metrics, naming

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "functions.json").read_text())
ARRAYS = np.load(GOLDEN / "functions.npz")


def ids(case: dict) -> str:
    options = {k: v for k, v in case["config"].items() if k not in ("name", "dtype") and v not in (None, False)}
    return f"{case['class_name']}-{options}"


@pytest.mark.parametrize("number", range(len(FACTS["metrics"])), ids=[ids(case) for case in FACTS["metrics"]])
def test_results_are_those_of_keras(number: int) -> None:
    case = FACTS["metrics"][number]
    values = {name: ARRAYS[f"metrics/{number}/{name}"] for name in case["arrays"]}
    weights = values.get("sample_weight")
    metric = metrics.deserialize(case)
    for _ in range(2):
        for rows, expected in zip((slice(0, 4), slice(4, 6), slice(6, 9)), values["results"], strict=True):
            batch = values["y_true"][rows], values["y_pred"][rows], None if weights is None else weights[rows]
            np.testing.assert_allclose(metric(*batch), expected, rtol=2e-6, atol=1e-6)
        metric.reset_state()
    assert metric.get_config() == case["config"]


binary_batches = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1, width=32)), min_size=1, max_size=30)


@given(binary_batches, st.integers(0, 30))
def test_precision_and_recall_are_those_of_scikit_learn(samples: list, cut: int) -> None:
    y_true, y_pred = (np.array(column) for column in zip(*samples, strict=True))
    precision, recall = metrics.Precision(), metrics.Recall()
    for rows in (slice(cut), slice(cut, None)):
        precision.update_state(y_true[rows], y_pred[rows])
        recall.update_state(y_true[rows], y_pred[rows])
    positive = y_pred > 0.5
    assert precision.result() == pytest.approx(precision_score(y_true, positive, zero_division=0))
    assert recall.result() == pytest.approx(recall_score(y_true, positive, zero_division=0))


@given(binary_batches)
def test_auc_with_a_threshold_between_any_two_scores_is_the_exact_one(samples: list) -> None:
    y_true = np.array([0, 1, *(label for label, _ in samples)])
    y_pred = np.array([0.25, 0.75, *(round(score, 2) for _, score in samples)])
    auc = metrics.AUC(thresholds=[i / 100 + 0.005 for i in range(100)])
    assert auc(y_true, y_pred) == pytest.approx(roc_auc_score(y_true, y_pred))


@given(st.lists(st.integers(0, 3), min_size=2, max_size=20), st.integers(1, 3), st.integers(0, 1000))
def test_scores_of_classes_are_those_of_scikit_learn(labels: list[int], k: int, seed: int) -> None:
    y_true, y_pred = np.array(labels), np.random.default_rng(seed).uniform(0.1, 1, size=(len(labels), 4))
    one_hot = np.eye(4)[y_true]
    top = metrics.SparseTopKCategoricalAccuracy(k)(y_true, y_pred)
    assert top == pytest.approx(top_k_accuracy_score(y_true, y_pred, k=k, labels=range(4)))
    assert metrics.TopKCategoricalAccuracy(k)(one_hot, y_pred) == top
    for average in ("micro", "macro", "weighted"):
        expected = f1_score(y_true, y_pred.argmax(-1), labels=range(4), average=average, zero_division=0)
        assert metrics.F1Score(average)(one_hot, y_pred) == pytest.approx(expected, abs=1e-6)


def test_a_small_last_batch_weighs_less() -> None:
    metric = metrics.SparseCategoricalAccuracy()
    metric.update_state([0, 0, 0], [[1, 0]] * 3)
    metric.update_state([1], [[1, 0]])
    assert metric.result() == 3 / 4
    metric.reset_state()
    assert metric.result() == 0
    metric.update_state([0, 1], [[1, 0]] * 2, sample_weight=[1, 4])
    assert metric.result() == 1 / 5


def test_many_small_numbers_are_not_lost() -> None:
    mean = metrics.Mean()
    for _ in range(20):
        mean.update_state(np.full(2_000_000, 0.1, np.float32))
    assert mean.result() == pytest.approx(0.1, rel=1e-7)


def test_root_mean_squared_error_is_the_root_of_the_mean_of_all() -> None:
    metric = metrics.RootMeanSquaredError()
    metric.update_state([[0.0]], [[3.0]])
    metric.update_state([[0.0]], [[1.0]])
    assert metric.result() == pytest.approx(np.sqrt(5))


def test_ties_for_the_last_place_count_as_in_and_infinite_scores_do_not() -> None:
    function = metrics.sparse_top_k_categorical_accuracy
    scores = [[0.5, 0.2, 0.2, 0.1]]
    assert [bool(function([label], scores, k=2)[0]) for label in range(4)] == [True, True, True, False]
    assert not function([0], [[np.inf, 0.0]], k=1)[0]
    assert not function([7], [[1.0, 0.0]], k=1)[0]


@pytest.mark.parametrize(
    ("identifier", "kind", "name"),
    [
        ("accuracy", metrics.Accuracy, "accuracy"),
        ("acc", metrics.Accuracy, "accuracy"),
        ("mse", metrics.MeanSquaredError, "mean_squared_error"),
        ("AUC", metrics.AUC, "auc"),
        ("f1_score", metrics.F1Score, "f1_score"),
        (metrics.Recall, metrics.Recall, "recall"),
        ({"class_name": "BinaryAccuracy", "config": {"threshold": 0.3}}, metrics.BinaryAccuracy, "binary_accuracy"),
        (losses.mean_squared_error, metrics.MeanMetricWrapper, "mean_squared_error"),
        (losses.MeanSquaredError(name="mine"), metrics.MeanMetricWrapper, "mine"),
    ],
)
def test_what_a_metric_may_be_given_as(identifier: object, kind: type, name: str) -> None:
    naming.reset()
    metric = metrics.get(identifier)
    assert type(metric) is kind
    assert metric.name == name


@pytest.mark.parametrize("given_as", ["accuracy", "acc", "Accuracy"])
@pytest.mark.parametrize(
    ("y_true", "y_pred", "kind"),
    [
        ((None,), (None, 1), metrics.BinaryAccuracy),
        ((None, 1), (None, 1), metrics.BinaryAccuracy),
        ((None,), (None, 10), metrics.SparseCategoricalAccuracy),
        ((None, 1), (None, 10), metrics.SparseCategoricalAccuracy),
        ((None, 10), (None, 10), metrics.CategoricalAccuracy),
        ((None, 4, 4), (None, 4, 4, 3), metrics.SparseCategoricalAccuracy),
    ],
)
def test_accuracy_is_chosen_by_the_shapes_and_bears_its_name(given_as, y_true, y_pred, kind) -> None:
    metric = metrics.resolve(given_as, y_true, y_pred)
    assert type(metric) is kind
    assert metric.name == given_as


def test_resolve_names_a_metric_as_it_was_given() -> None:
    assert metrics.resolve("mse", (8,), (8, 1)).name == "mse"
    assert type(metrics.resolve("crossentropy", (8,), (8, 3))) is metrics.SparseCategoricalCrossentropy
    own = metrics.Precision(name="own")
    assert metrics.resolve(own, (8,), (8, 1)) is own
    assert own.name == "own"


def test_a_plain_function_becomes_its_mean() -> None:
    def largest(y_true, y_pred):
        return np.abs(y_true - y_pred).max(axis=-1)

    metric = metrics.resolve(largest, (2, 2), (2, 2))
    metric.update_state(np.zeros((2, 2)), np.array([[1, 2], [4, 3]]))
    metric.update_state(np.zeros((1, 2)), np.array([[0, 9]]), sample_weight=[2])
    assert metric.name == "largest"
    assert metric.result() == pytest.approx((2 + 4 + 2 * 9) / 4)


@pytest.mark.parametrize("facts", [c for c in FACTS["configs"] if c["module"] == "metrics"], ids=lambda c: c["name"])
def test_configurations_are_those_of_keras(facts: dict) -> None:
    naming.reset()
    assert metrics.serialize(getattr(metrics, facts["name"])()) == facts["serialized"]


def test_configurations_build_the_same_metric() -> None:
    y_true, y_pred = [0, 1, 1, 0], [0.1, 0.4, 0.8, 0.6]
    for metric in (
        metrics.AUC(thresholds=[0.3, 0.7], curve="PR"),
        metrics.Precision([0.2, 0.5]),
        metrics.BinaryAccuracy(threshold=0.3),
        metrics.MeanMetricWrapper(metrics.binary_accuracy, threshold=0.45),
    ):
        again = metrics.deserialize(json.loads(json.dumps(metrics.serialize(metric))))
        assert again.name == metric.name
        np.testing.assert_array_equal(again(y_true, y_pred), metric(y_true, y_pred))


def test_arguments_are_not_written() -> None:
    y_true, y_pred = np.eye(3)[[0, 1, 2, 1]], np.random.default_rng(1).uniform(size=(4, 3))
    weights = np.array([1.0, 2, 0, 1])
    for array in (y_true, y_pred, weights):
        array.flags.writeable = False
    for name in ("CategoricalAccuracy", "F1Score", "AUC", "Precision", "MeanSquaredError", "CategoricalCrossentropy"):
        metrics.get(name).update_state(y_true, y_pred, weights)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.get("acuracy"), "unknown metric 'acuracy'. Did you mean 'accuracy'"),
        (lambda: metrics.get(3), "a metric is a name such as 'accuracy'"),
        (lambda: metrics.resolve(None, (1,), (1, 1)), "got None"),
        (lambda: metrics.AUC(curve="ROCK"), "curve is one of ROC, PR, PRGAIN; got 'ROCK'"),
        (lambda: metrics.AUC(summation_method="sum"), "summation_method is one of"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds is an integer of at least 2; got 1"),
        (lambda: metrics.AUC(num_labels=3), "goes with multi_label=True"),
        (lambda: metrics.AUC(multi_label=True, num_labels=2)(np.ones((4, 3)), np.ones((4, 3))), r"shape \(n, 2\)"),
        (lambda: metrics.Precision(1.5), "thresholds are numbers from 0 to 1; got 1.5"),
        (lambda: metrics.Recall(class_id=1)([1, 0], [0.5, 0.2]), "class_id needs predictions of shape"),
        (lambda: metrics.F1Score("mean"), "average is None, 'micro'"),
        (lambda: metrics.F1Score(threshold=0.0), "threshold is a number above 0"),
        (lambda: metrics.FBetaScore(beta=-1), "beta is a positive number"),
        (lambda: metrics.F1Score()([1, 0], [0.5, 0.2]), r"shape \(n, classes\)"),
        (lambda: metrics.CategoricalAccuracy()([1, 0], np.ones((2, 3))), r"y_true of shape \(2, 3\) is expected"),
        (
            lambda: metrics.SparseCategoricalAccuracy()([1, 0, 1], np.ones((2, 3))),
            r"y_true of shape \(2,\) is expected",
        ),
        (lambda: metrics.BinaryAccuracy()(np.ones((2, 3)), np.ones((2, 1))), "is expected"),
        (lambda: metrics.Accuracy()([1, 0], [1, 0], [1, 2, 3]), r"sample_weight has shape \(3,\)"),
        (lambda: metrics.Recall()([1, 0], [1, 0], [1, 2, 3]), r"sample_weight has shape \(3,\)"),
        (
            lambda: metrics.deserialize({"class_name": "MeanMetricWrapper", "config": {"fn": {"config": "eval"}}}),
            "unknown metric function 'eval'",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
