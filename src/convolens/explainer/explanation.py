"""``convolens.explain``: a page that shows how every number of a network was made."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from convolens.explainer.page import make_page
from convolens.explainer.record import make_record
from convolens.files import replacing

__all__ = ["Explanation", "explain"]


class Explanation:
    """The page of one image: every multiply-add, forward and backward. Displays itself in a notebook.

    Attributes:
        record: the numbers, as the page reads them.
    """

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record

    @cached_property
    def html(self) -> str:
        """The page as text."""
        return make_page(self.record)

    def save(self, path: str | os.PathLike[Any]) -> None:
        """Write the page to a file that opens in any browser, without a network.

        Raises:
            OSError: if the folder is missing or not writable.
        """
        with replacing(path) as beside:
            beside.write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        page = html.escape(self.html, quote=True)
        permissions = "allow-scripts allow-modals allow-downloads"
        style = "width:100%;height:760px;border:1px solid #8884;border-radius:8px"
        return f'<iframe srcdoc="{page}" sandbox="{permissions}" style="{style}" title="convolens explainer"></iframe>'

    def __repr__(self) -> str:
        return f"<Explanation of {self.record['model']['name']}: save('page.html') writes the page>"


def explain(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    index: int = 0,
    class_names: Sequence[str] | None = None,
    training: bool = False,
    seed: int = 0,
    recorder: Any = None,
    certificate: Any = None,
) -> Explanation:
    """Explain one image: see each number of the network being made, forward and backward.

    Args:
        model: any model of this library; compiled with a loss if ``y`` is given.
        x: an image ``(h, w, c)``, or a batch of them, from which ``index`` chooses; for several inputs a list.
        y: the label (or the labels of the batch); without it there are no gradients.
        index: which image of a batch.
        class_names: names of the outputs.
        training: show layers as they behave in training (batch normalisation with this image's own statistics).
        seed: what random layers draw from.
        recorder: a ``callbacks.Recorder`` that watched the training: adds a slider over the epochs.
        certificate: what ``certify`` returned: shown in the page's trust panel.

    Returns:
        An ``Explanation``: ``save(path)`` writes one HTML file; in a notebook it displays itself.

    Raises:
        ValueError: if the image does not fit the model or holds NaN, or ``y`` is given to a model without a loss.

    >>> import convolens as cl
    >>> model = cl.Sequential([cl.layers.Input((4, 4, 1)), cl.layers.Flatten(), cl.layers.Dense(2, "softmax")])
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> page = cl.explain(model, np.ones((4, 4, 1)), 1, class_names=["no", "yes"])
    >>> page.html.startswith("<!doctype html>")
    True
    """
    several = len(model.inputs) > 1
    given = list(x) if several else [x]
    if several and len(given) != len(model.inputs):
        raise ValueError(f"the model has {len(model.inputs)} inputs; got {len(given)} arrays.")
    images, batched = zip(
        *(_image(one, symbol.shape, index) for one, symbol in zip(given, model.inputs, strict=True)), strict=True
    )
    targets = None
    if y is not None:
        many = len(model.outputs) > 1 and isinstance(y, list | tuple)
        chosen = [_target(one, batched[0], index) for one in (y if many else [y])]
        targets = chosen if many else chosen[0]
    record = make_record(
        model,
        list(images) if several else images[0],
        targets,
        class_names=class_names,
        training=training,
        seed=seed,
        recorder=recorder,
        certificate=certificate,
    )
    return Explanation(record)


def _image(x: Any, shape: tuple[int | None, ...], index: int) -> tuple[np.ndarray, bool]:
    """Return one input with a batch axis of one, and whether it came from a batch."""
    array = np.asarray(x)
    if array.ndim == len(shape) - 1:
        array, batched = array[None], False
    elif array.ndim == len(shape):
        if not -len(array) <= index < len(array):
            raise ValueError(f"index {index} is outside a batch of {len(array)} images.")
        array, batched = array[index % len(array)][None], True
    else:
        raise ValueError(f"the model takes images of shape {shape[1:]}; got an array of shape {array.shape}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("the image holds NaN or infinite numbers; explain needs finite ones.")
    return array, batched


def _target(y: Any, batched: bool, index: int) -> np.ndarray:
    """Return one target with a batch axis of one."""
    array = np.asarray(y)
    if batched and array.ndim > 0 and len(array) > 1:
        return array[index % len(array)][None]
    return array[None] if array.ndim == 0 or (array.ndim == 1 and array.size > 1) else array
