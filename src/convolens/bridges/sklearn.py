"""Networks as estimators of scikit-learn: in pipelines, cross-validation and searches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

import convolens as cl
from convolens import random as random_source
from convolens.evaluation import class_probabilities
from convolens.losses import SparseCategoricalCrossentropy

__all__ = ["ConvolensClassifier", "small_network"]


def small_network(input_shape: tuple[int, ...], classes: int) -> Any:
    """Return a network that suits many small sets: one convolution for images, one hidden layer for vectors.

    >>> small_network((8, 8, 1), 10).output_shape
    (None, 10)
    """
    layers: list[Any] = [cl.Input(input_shape)]
    if len(input_shape) == 3:
        layers += [
            cl.layers.Conv2D(16, 3, padding="same", activation="relu"),
            cl.layers.MaxPooling2D(2, padding="same"),
        ]
    layers += [
        cl.layers.Flatten(),
        cl.layers.Dense(64, activation="relu"),
        cl.layers.Dense(classes, activation="softmax"),
    ]
    return cl.Sequential(layers)


class ConvolensClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of scikit-learn over any function that builds a model.

    Args:
        build: called as ``build(input_shape=..., classes=...)``, or without ``classes`` if it takes none; returns a
            model with softmax over the classes, or one sigmoid unit for two of them. If it is not compiled, it is with
            ``optimizer``, ``learning_rate`` and the matching cross-entropy. ``small_network`` if None; the functions
            of ``cl.zoo`` fit.
        image_shape: ``(h, w, c)`` of the images if ``X`` has them as rows of features, as after a ``StandardScaler``;
            None if ``X`` is ``(n, features)``, ``(n, h, w)`` or ``(n, h, w, c)`` and to be taken as it is.
        epochs: how many times every sample is seen.
        batch_size: samples per step.
        optimizer: the name of one of ``cl.optimizers``, for models that are not compiled.
        learning_rate: for models that are not compiled.
        random_state: a seed, a ``RandomState``, or None; decides initial weights, order and dropout.
        verbose: as in ``fit`` of a model.

    Attributes:
        classes_: the labels, sorted; columns of ``predict_proba`` are in their order.
        model_: the trained model.
        history_: its ``History``.
        n_features_in_: the size of the second axis of ``X``.

    >>> from sklearn.datasets import load_digits
    >>> x, y = load_digits(return_X_y=True)
    >>> network = ConvolensClassifier(image_shape=(8, 8, 1), epochs=3, random_state=0)
    >>> bool(network.fit(x[:600] / 16, y[:600]).score(x[600:900] / 16, y[600:900]) > 0.8)
    True
    """

    def __init__(
        self,
        build: Callable[..., Any] | None = None,
        *,
        image_shape: tuple[int, int, int] | None = None,
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: str = "adam",
        learning_rate: float = 2e-3,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.build = build
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ConvolensClassifier:
        """Build a model for these data and train it.

        Args:
            X: ``(n, features)``, ``(n, h, w)`` or ``(n, h, w, c)``.
            y: labels of any kind, ``(n,)``.
            sample_weight: what each sample counts, ``(n,)``.

        Raises:
            ValueError: for data that do not fit, fewer than two classes, or a model that does not fit the data.
        """
        X, y = validate_data(self, X, y, allow_nd=True, dtype="numeric")
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs at least two classes; found one class: {self.classes_[0]!r}.")
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float32)
        self._sample_shape = X.shape[1:]
        images = self._images(X)
        with random_source.seeded(int(check_random_state(self.random_state).randint(2**31))):
            self.model_ = self._compiled_model(images.shape[1:])
            self.history_ = self.model_.fit(
                images,
                self._targets(numbers),
                sample_weight=weights,
                batch_size=self.batch_size,
                epochs=self.epochs,
                verbose=self.verbose,
            )
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of every class, ``(n, classes)``, in the order of ``classes_``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True, dtype="numeric")
        if X.shape[1:] != self._sample_shape:
            raise ValueError(f"X has samples of shape {X.shape[1:]}; the model was fitted to {self._sample_shape}.")
        return class_probabilities(self.model_, self._images(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of every sample, ``(n,)``."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = self.random_state is None
        return tags

    def _images(self, X: np.ndarray) -> np.ndarray:
        X = X.astype(cl.config.floatx(), copy=False)
        if self.image_shape is not None:
            if X[0].size != np.prod(self.image_shape):
                raise ValueError(f"image_shape is {self.image_shape}; X has samples of shape {X.shape[1:]}.")
            return X.reshape(-1, *self.image_shape)
        return X[..., None] if X.ndim == 3 else X

    def _compiled_model(self, input_shape: tuple[int, ...]) -> Any:
        build = self.build or small_network
        arguments: dict[str, Any] = {"input_shape": input_shape}
        takes = inspect.signature(build).parameters
        if "classes" in takes or any(p.kind is p.VAR_KEYWORD for p in takes.values()):
            arguments["classes"] = len(self.classes_)
        model = build(**arguments)
        outputs, classes = model.output_shape[-1], len(self.classes_)
        if outputs != classes and (outputs, classes) != (1, 2):
            raise ValueError(f"build returned a model with {outputs} outputs; y has {classes} classes.")
        if not model.compiled:
            rule: Any = type(cl.optimizers.get(self.optimizer))
            loss = "binary_crossentropy" if outputs == 1 else "sparse_categorical_crossentropy"
            model.compile(rule(learning_rate=self.learning_rate), loss, metrics=["accuracy"])
        return model

    def _targets(self, numbers: np.ndarray) -> np.ndarray:
        if self.model_.output_shape[-1] == 1:
            return numbers[:, None].astype(np.float32)
        if isinstance(self.model_.objective.losses[0], SparseCategoricalCrossentropy):
            return numbers
        return cl.utils.to_categorical(numbers, len(self.classes_))
