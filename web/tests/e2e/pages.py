"""Four networks with their pages, and a browser in which every network request is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, Route

import convolens as cl


@dataclass
class Case:
    """A network with one image, its page, and its trace by the reference loops in float64."""

    name: str
    model: cl.Model
    explanation: cl.explainer.Explanation
    truth: Any
    path: Path


def residual(input_shape: tuple[int, int, int] = (16, 14, 2), classes: int = 5) -> cl.Model:
    """Return a network with an identity shortcut and a projected one."""
    layers = cl.layers
    image = cl.Input(input_shape)
    x = shortcut = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x))
    x = layers.ReLU()(layers.Add()([x, shortcut]))
    shortcut = layers.Conv2D(6, 1, strides=2)(x)
    x = layers.BatchNormalization()(layers.Conv2D(6, 3, strides=2, padding="same")(x))
    x = layers.ReLU()(layers.Add()([x, shortcut]))
    x = layers.Dense(classes, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = cl.Model(image, x, name="residual")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


BUILDERS = {
    "lenet5": (cl.zoo.lenet5, 7, False),
    "happy_model": (cl.zoo.happy_model, 1, False),
    "convolutional_model": (cl.zoo.convolutional_model, 2, False),
    "residual": (residual, 3, True),
}


def make(name: str, folder: Path) -> Case:
    """Build a network, explain one random image, and trace it again by the reference loops."""
    build, label, training = BUILDERS[name]
    rng = np.random.default_rng(len(name))
    cl.utils.set_random_seed(3)
    model = build()
    for variable in model.weights:
        if variable.name in ("bias", "beta", "moving_mean"):
            variable.assign(rng.normal(size=variable.shape) * 0.1)
    x = rng.uniform(size=(1, *model.inputs[0].shape[1:])).astype(np.float32)
    classes = ["no", "yes"] if name == "happy_model" else [f"class {k}" for k in range(model.outputs[0].shape[-1])]
    explanation = cl.explain(model, x, label, class_names=classes, training=training)
    path = folder / f"{name}.html"
    explanation.save(path)
    before = cl.config.floatx()
    cl.config.set_floatx("float64")
    try:
        twin = build()
        twin.set_weights(model.get_weights())
        with cl.kernels.use("reference"):
            truth = twin.trace(x, np.array([label]), training=training)
    finally:
        cl.config.set_floatx(before)
    return Case(name, model, explanation, truth, path)


class Opener:
    """Opens pages and remembers what went wrong on them."""

    def __init__(self, browser: Browser) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.context.route("http://**", self._refuse)
        self.context.route("https://**", self._refuse)

    def _refuse(self, route: Route) -> None:
        self.requests.append(route.request.url)
        route.abort()

    def __call__(self, path: Path, anchor: str = "") -> Page:
        page = self.context.new_page()
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(path.as_uri() + anchor)
        page.wait_for_selector("header")
        return page
