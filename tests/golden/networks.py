"""Small networks and data for comparing training runs; the same lines build them in Keras and here."""

from __future__ import annotations

from typing import Any

import numpy as np


def convolutional(api: Any) -> Any:
    """Convolution, batch normalisation, pooling, dense: one of each."""
    layers = api.layers
    return api.Sequential(
        [
            api.Input((7, 6, 2)),
            layers.Conv2D(4, 3, strides=(2, 1), padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(2, padding="same"),
            layers.Flatten(),
            layers.Dense(8, activation="tanh", kernel_regularizer=api.regularizers.L2(0.01)),
            layers.Dense(3, activation="softmax"),
        ]
    )


def branched(api: Any) -> Any:
    """Two inputs, a shared layer, a residual sum, two outputs."""
    layers = api.layers
    a, b = api.Input((5, 5, 2), name="a"), api.Input((5, 5, 2), name="b")
    shared = layers.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    x, y = shared(a), shared(b)
    z = layers.Add(name="sum")([x, layers.Conv2D(3, 1, name="side")(y)])
    z = layers.Concatenate(name="both")([z, x])
    flat = layers.Flatten(name="flat")(z)
    first = layers.Dense(1, activation="sigmoid", name="first")(flat)
    second = layers.Dense(4, activation="softmax", name="second")(layers.GlobalAveragePooling2D(name="mean")(z))
    return api.Model([a, b], [first, second])


def dense(api: Any) -> Any:
    """Two dense layers, for runs of every optimiser."""
    return api.Sequential(
        [api.Input((5,)), api.layers.Dense(6, activation="relu"), api.layers.Dense(3, activation="softmax")]
    )


OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "clipnorm": 0.5}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01}),
    "rmsprop_centered": ("RMSprop", {"learning_rate": 0.01, "centered": True, "momentum": 0.5}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1}),
    "adam": ("Adam", {"learning_rate": 0.01, "global_clipnorm": 0.3}),
    "amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True, "clipvalue": 0.05}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    "nadam": ("Nadam", {"learning_rate": 0.01}),
}


def data(name: str) -> dict[str, Any]:
    """Return the arguments of ``fit`` for a network: 20 samples, so that the last batch of 8 is smaller."""
    rng = np.random.default_rng(7)
    if name == "branched":
        x = [rng.normal(size=(20, 5, 5, 2)).astype("float32") for _ in range(2)]
        y = [rng.integers(0, 2, (20, 1)).astype("float32"), np.eye(4, dtype="float32")[rng.integers(0, 4, 20)]]
        return {"x": x, "y": y}
    shape = (20, 7, 6, 2) if name == "convolutional" else (20, 5)
    return {"x": rng.normal(size=shape).astype("float32"), "y": rng.integers(0, 3, 20)}


def cases() -> dict[str, dict[str, Any]]:
    """Return every run: the network, the arguments of ``compile``, and those of ``fit`` beyond the data."""
    rng = np.random.default_rng(3)
    sparse = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    found = {f"dense_{key}": {"network": "dense", "compile": sparse, "optimizer": key, "fit": {}} for key in OPTIMIZERS}
    conv = {"network": "convolutional", "compile": sparse, "optimizer": "adam"}
    found["convolutional"] = {**conv, "fit": {}}
    found["class_weight"] = {**conv, "fit": {"class_weight": {0: 2.0, 1: 0.5, 2: 1.0}}}
    weighted = {**sparse, "weighted_metrics": ["accuracy"]}
    weights = rng.uniform(0.1, 2, 20).astype("float32")
    found["sample_weight"] = {**conv, "compile": weighted, "fit": {"sample_weight": weights}}
    found["validation"] = {**conv, "fit": {"validation_split": 0.25}}
    two = {
        "loss": {"first": "binary_crossentropy", "second": "categorical_crossentropy"},
        "loss_weights": {"first": 0.3, "second": 1.5},
        "metrics": {"first": ["accuracy"], "second": ["accuracy", "mse"]},
    }
    found["branched"] = {"network": "branched", "compile": two, "optimizer": "momentum", "fit": {}}
    return found


def run(api: Any, case: dict[str, Any], weights: list[np.ndarray] | None = None) -> dict[str, Any]:
    """Train three epochs without shuffling and return what is compared."""
    model = {"dense": dense, "convolutional": convolutional, "branched": branched}[case["network"]](api)
    if weights is not None:
        model.set_weights(weights)
    name, options = OPTIMIZERS[case["optimizer"]]
    model.compile(optimizer=getattr(api.optimizers, name)(**options), **case["compile"])
    before = [np.array(w) for w in model.get_weights()]
    arguments = data(case["network"])
    history = model.fit(**arguments, batch_size=8, epochs=3, shuffle=False, verbose=0, **case["fit"]).history
    score = model.evaluate(**arguments, batch_size=8, verbose=0)
    outputs = model.predict(arguments["x"], verbose=0)
    return {
        "before": before,
        "after": [np.array(w) for w in model.get_weights()],
        "history": {key: [float(v) for v in values] for key, values in history.items()},
        "evaluate": [float(v) for v in score],
        "predict": [np.array(one) for one in (outputs if isinstance(outputs, list) else [outputs])],
        "weight_names": [w.path for w in model.weights],
    }
