"""Where in an image a network's answer comes from: saliency, Grad-CAM and occlusion as arrays.

They work on any model with one image input and one row of class scores as output. A *score* is what goes into the last
softmax or sigmoid: a probability near 1 hardly has a gradient, its score has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "grad_cam_maps",
    "images_of",
    "last_maps",
    "occlusion_map",
    "resize",
    "saliency_maps",
    "score_model",
    "target_classes",
]

_SQUASHING = ("softmax", "log_softmax", "sigmoid")
_AT_A_TIME = 64


def images_of(model: Any, x: Any) -> np.ndarray:
    """Return images as ``(n, h, w, c)`` in the model's float type; a single image gets a batch axis.

    Raises:
        ValueError: if the model has several inputs or they are no images.
    """
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
        raise ValueError(
            f"this works on models with one image (height, width, channels) as input; {model.name!r} takes "
            f"{[symbol.shape for symbol in model.inputs]}."
        )
    x = np.asarray(x)
    shape = model.inputs[0].shape[1:]
    if x.ndim == 2 or (x.ndim == 3 and x.shape[-1] == shape[-1] and shape[0] in (None, x.shape[0])):
        x = x[np.newaxis]
    (images,) = model.cast_inputs(model.standardize_inputs(x))
    return images


def score_model(model: Any) -> Any:
    """Return the model up to what goes into its last softmax or sigmoid: ``(n, classes)``, or ``(n, 1)``.

    It is the model itself if it ends otherwise. Weights are copied, the model is left as it is.

    Raises:
        ValueError: if the outputs are no rows of scores, or the last layer is a model itself.
    """
    from convolens.layers.activation import ActivationLayer
    from convolens.layers.base import ActivatedLayer
    from convolens.model import Model

    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        raise ValueError(
            f"this works on models with one row of class scores per image as output; {model.name!r} gives "
            f"{[symbol.shape for symbol in model.outputs]}."
        )
    node = model.outputs[0].node
    layer, before = node.layer, node.inputs
    if hasattr(layer, "graph"):
        raise ValueError(
            f"the last layer {layer.name!r} of {model.name!r} is a model itself, so the scores before its softmax are "
            "out of reach. Build the network of layers instead of models."
        )
    if getattr(getattr(layer, "activation", None), "name", None) not in _SQUASHING:
        return model
    if isinstance(layer, ActivationLayer):
        return Model(model.inputs, before[0], name=f"{model.name}_scores")
    if not isinstance(layer, ActivatedLayer):
        return model
    config = {**layer.get_config(), "name": f"{layer.name}_scores", "activation": None, "kernel_initializer": "zeros"}
    linear = type(layer).from_config(config)
    scores = linear(before[0])
    linear.set_weights(layer.get_weights())
    return Model(model.inputs, scores, name=f"{model.name}_scores")


def target_classes(model: Any, images: np.ndarray, target: Any = None) -> np.ndarray:
    """Return a class for each image: the given one (or one for each), else the one the model finds most probable.

    Raises:
        ValueError: for a class that the model does not know.
    """
    outputs = model.predict(images, verbose=0)
    units = outputs.shape[1]
    if target is None:
        if units > 1:
            return outputs.argmax(axis=1)
        return (outputs[:, 0] > (0 if score_model(model) is model else 0.5)).astype(np.int64)
    classes = np.broadcast_to(np.asarray(target), len(images))
    known = max(units, 2)
    if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= known:
        raise ValueError(f"target is a class number from 0 to {known - 1}; got {target!r}.")
    return classes


def _trace_of_scores(model: Any, images: np.ndarray, classes: np.ndarray) -> Any:
    """Trace the model and go back from each image's score of its class; a lone unit scores class 1 against class 0."""
    scores = score_model(model)
    units = scores.outputs[0].shape[-1]
    d_scores = np.eye(units)[classes] if units > 1 else np.where(classes, 1.0, -1.0)[:, np.newaxis]
    return scores.trace(images, d_output=d_scores)


def saliency_maps(model: Any, x: Any, target: Any = None, layer: str | None = None) -> np.ndarray:
    """Return how strongly each cell moves the score: ``max over channels of |d score / d cell|``, ``(n, h, w)``.

    K. Simonyan, A. Vedaldi, A. Zisserman, "Deep inside convolutional networks", 2013.

    Args:
        model: the network.
        x: an image or several.
        target: the class whose score is meant; the predicted one if None.
        layer: take the gradient at this layer's output instead of at the image.
    """
    images = images_of(model, x)
    trace = _trace_of_scores(model, images, target_classes(model, images, target))
    gradient = trace.d_input if layer is None else _maps_of(model, trace, layer).d_output
    return np.abs(gradient).max(axis=-1)


def grad_cam_maps(model: Any, x: Any, target: Any = None, layer: str | None = None) -> np.ndarray:
    """Return where a layer's maps speak for the class, ``(n, h, w)`` at the layer's own size.

    Each map is weighted with the mean gradient of the score over its cells, and what adds up to less than 0 is dropped:
    ``relu(sum over k of mean(d score / d A_k) A_k)``. R. R. Selvaraju et al., "Grad-CAM", 2017.

    Args:
        model: the network.
        x: an image or several.
        target: the class whose score is meant; the predicted one if None.
        layer: whose maps; the last layer with maps of the size that the last convolution gives, if None.
    """
    images = images_of(model, x)
    trace = _trace_of_scores(model, images, target_classes(model, images, target))
    step = _maps_of(model, trace, layer or last_maps(trace))
    weights = step.d_output.mean(axis=(1, 2), keepdims=True)
    return np.maximum((weights * step.output).sum(axis=-1), 0)


def last_maps(trace: Any) -> str:
    """Return the name of the layer that Grad-CAM looks at unless told otherwise.

    Raises:
        ValueError: if the network has no convolution.
    """
    with_maps = [step for step in trace if np.ndim(step.output) == 4 and step.inputs]
    sizes = [step.output.shape[1:3] for step in with_maps if np.ndim(step.parameters.get("kernel")) == 4]
    if not sizes:
        raise ValueError("Grad-CAM needs the maps of a convolution; this network has none.")
    return [step.layer.name for step in with_maps if step.output.shape[1:3] == sizes[-1]][-1]


def _maps_of(model: Any, trace: Any, layer: str) -> Any:
    _symbol_of_maps(model, layer)
    step = trace[layer]
    if step.d_output is None:
        raise ValueError(f"nothing of the score depends on layer {layer!r}.")
    return step


def _symbol_of_maps(model: Any, layer: str) -> Any:
    symbol = model.get_layer(layer).output
    if len(symbol.shape) != 4:
        raise ValueError(f"layer {layer!r} gives {symbol.shape}, no maps (n, h, w, c); choose one before it.")
    return symbol


def occlusion_map(
    model: Any,
    x: Any,
    target: int | None = None,
    layer: str | None = None,
    patch: int | None = None,
    stride: int | None = None,
) -> np.ndarray:
    """Return how much probability the class loses where a patch covers the image, ``(h, w)``.

    A square patch of the image's mean colour is laid on every place in turn; a cell's value is the mean loss over the
    patches that cover it. M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", 2014.

    Args:
        model: the network.
        x: one image.
        target: the class whose probability is meant; the predicted one if None.
        layer: cover this layer's maps instead of the image.
        patch: the patch's side in cells; about a fifth of the shorter side if None.
        stride: cells from one place to the next; about a third of the patch if None.

    Raises:
        ValueError: if there are several images, or the patch does not fit.
    """
    image = images_of(model, x)
    if len(image) != 1:
        raise ValueError(f"occlusion works on one image; got {len(image)}.")
    (number,) = target_classes(model, image, target)
    rest = model
    if layer is not None:
        image, rest = _maps_of_layer(model, image, layer)
    _, h, w, _ = image.shape
    patch = max(1, round(min(h, w) / 5)) if patch is None else patch
    stride = max(1, patch // 3) if stride is None else stride
    if not 1 <= patch <= min(h, w) or stride < 1:
        raise ValueError(f"a patch of {patch} cells every {stride} does not fit an image of {h} x {w}.")
    places = [(top, left) for top in _places(h, patch, stride) for left in _places(w, patch, stride)]
    whole = _probability(rest, image, number)[0]
    fill = image.mean(axis=(1, 2))
    loss, covers = np.zeros((h, w)), np.zeros((h, w))
    for start in range(0, len(places), _AT_A_TIME):
        chunk = places[start : start + _AT_A_TIME]
        covered = np.repeat(image, len(chunk), axis=0)
        for one, (top, left) in zip(covered, chunk, strict=True):
            one[top : top + patch, left : left + patch] = fill
        for p, (top, left) in zip(_probability(rest, covered, number), chunk, strict=True):
            loss[top : top + patch, left : left + patch] += whole - p
            covers[top : top + patch, left : left + patch] += 1
    return loss / covers


def _places(size: int, patch: int, stride: int) -> list[int]:
    """Where patches begin; the last one ends at the edge."""
    return sorted({*range(0, size - patch + 1, stride), size - patch})


def _maps_of_layer(model: Any, image: np.ndarray, layer: str) -> tuple[np.ndarray, Any]:
    """Return the layer's maps of the image, and the rest of the network, which takes such maps."""
    from convolens.model import Model

    symbol = _symbol_of_maps(model, layer)
    maps = Model(model.inputs, symbol, name="maps").predict(image, verbose=0)
    try:
        return maps, Model(symbol, model.outputs[0], name="rest")
    except ValueError:
        raise ValueError(
            f"the output also depends on layers beside {layer!r}, so covering its maps alone is not well defined; "
            "choose a layer that everything passes through."
        ) from None


def _probability(model: Any, images: np.ndarray, number: int) -> np.ndarray:
    outputs = model.predict(images, verbose=0)
    if outputs.shape[1] == 1:
        return outputs[:, 0] if number else 1 - outputs[:, 0]
    return outputs[:, number]


def resize(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return maps ``(n, h, w)`` stretched to a size, linear between the centres of cells.

    >>> resize(np.array([[[0.0, 1.0]]]), (1, 4)).tolist()
    [[[0.0, 0.25, 0.75, 1.0]]]
    """
    for axis, cells in ((1, size[0]), (2, size[1])):
        have = maps.shape[axis]
        at = np.clip((np.arange(cells) + 0.5) * have / cells - 0.5, 0, have - 1)
        low = np.minimum(at.astype(int), max(have - 2, 0))
        share = (at - low).reshape((-1, 1) if axis == 1 else (1, -1))
        after = np.minimum(low + 1, have - 1)
        maps = np.take(maps, low, axis) * (1 - share) + np.take(maps, after, axis) * share
    return maps
