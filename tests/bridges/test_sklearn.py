"""The estimator in scikit-learn's own machinery, and under its own checks."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import convolens as cl
from convolens import random as random_source

#: The checks of scikit-learn that cannot hold, and why.
EXCEPTIONS = {
    "check_sample_weight_equivalence_on_dense_data": "a weight of 2 changes a step of stochastic gradient descent as "
    "two samples in two batches do not",
}


@parametrize_with_checks(
    [cl.sklearn.ConvolensClassifier(random_state=0)], expected_failed_checks=lambda estimator: EXCEPTIONS
)
@pytest.mark.slow
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:400], y[:400]


def fast(**options):
    return cl.sklearn.ConvolensClassifier(image_shape=(8, 8, 1), epochs=4, random_state=0, **options)


def test_pipeline_and_cross_validation(digits):
    x, y = digits
    scores = cross_val_score(make_pipeline(MinMaxScaler(), fast().set_params(epochs=8)), x, y, cv=2)
    assert scores.min() > 0.7


def test_search(digits):
    x, y = digits
    names = np.array(["odd", "even"])[(y + 1) % 2]
    search = GridSearchCV(fast(build=cl.zoo.digits_cnn), {"epochs": [1, 3]}, cv=2).fit(x / 16, names)
    assert set(search.classes_) == {"odd", "even"}
    assert search.best_score_ > 0.7


def test_images_as_they_are_and_any_labels(digits):
    x, y = digits
    images = x.reshape(-1, 8, 8) / 16
    names = np.array([f"digit {n}" for n in y])
    one = cl.sklearn.ConvolensClassifier(epochs=4, random_state=0).fit(images, names)
    assert one.score(images, names) > 0.8
    p = one.predict_proba(images[:5])
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert (one.classes_[p.argmax(axis=1)] == one.predict(images[:5])).all()
    np.testing.assert_array_equal(fast().fit(x / 16, names).predict_proba(x[:5] / 16), p)
    with pytest.raises(ValueError, match=r"samples of shape \(8, 7\); the model was fitted to \(8, 8\)"):
        one.predict(images[:, :, :7])


def test_two_classes_with_one_sigmoid_unit(digits):
    x, y = digits

    def build(input_shape):
        layers = cl.layers
        return cl.Sequential([cl.Input(input_shape), layers.Flatten(), layers.Dense(1, activation="sigmoid")])

    one = fast(build=build, learning_rate=2e-2).fit(x / 16, y == 0)
    assert one.predict_proba(x[:3]).shape == (3, 2)
    assert one.score(x / 16, y == 0) > 0.95
    assert one.classes_.dtype == bool


def test_a_compiled_model_keeps_its_training_settings(digits):
    x, y = digits

    def build(input_shape, classes):
        model = cl.sklearn.small_network(input_shape, classes)
        model.compile(cl.optimizers.SGD(0.25), "categorical_crossentropy")
        return model

    one = fast(build=build).fit(x / 16, y)
    assert type(one.model_.optimizer) is cl.optimizers.SGD
    assert one.score(x / 16, y) > 0.5


def test_clone_parameters_and_pickle(digits):
    x, y = digits
    one = fast(build=cl.zoo.digits_cnn, learning_rate=1e-2)
    copy = clone(one)
    assert copy.get_params() == one.get_params()
    assert not hasattr(copy, "model_")
    one.set_params(epochs=1).fit(x / 16, y)
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.predict_proba(x[:9] / 16), one.predict_proba(x[:9] / 16))


def test_the_library_s_own_random_numbers_are_left_alone(digits):
    x, y = digits
    random_source.set_seed(3)
    expected = [random_source.next_seed(), random_source.next_seed()]
    random_source.set_seed(3)
    first = random_source.next_seed()
    fast().set_params(epochs=1).fit(x[:40], y[:40])
    assert [first, random_source.next_seed()] == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"build": lambda input_shape: cl.sklearn.small_network(input_shape, 3)}, "3 outputs; y has 10 classes"),
        ({"image_shape": (8, 8, 3)}, r"image_shape is \(8, 8, 3\); X has samples of shape \(64,\)"),
    ],
)
def test_what_does_not_fit_is_said(digits, options, reason):
    with pytest.raises(ValueError, match=reason):
        fast().set_params(**options).fit(*digits)
