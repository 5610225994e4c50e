"""Pictures of where in an image a network's answer comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import attribution, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["grad_cam", "occlusion", "overlay_pixels", "saliency"]


@style.drawn
def saliency(
    model: Any, x: Any, target: int | None = None, layer: str | None = None, class_names: Sequence[str] | None = None
) -> Figure:
    """Draw how strongly each pixel moves the score of a class: the size of its gradient.

    Args:
        model: a classifier of images.
        x: one image ``(h, w, c)``, or several.
        target: the class whose score is meant; for each image the predicted one if None.
        layer: take the gradient at this layer's output instead of at the image.
        class_names: the name of each class; their numbers if None.
    """
    images = attribution.images_of(model, x)
    maps = attribution.saliency_maps(model, images, target, layer)
    at = f" at {layer}" if layer else ""
    return _draw(model, images, target, class_names, maps, f"saliency{at}", "|d score / d pixel|")


@style.drawn
def grad_cam(
    model: Any, x: Any, target: int | None = None, layer: str | None = None, class_names: Sequence[str] | None = None
) -> Figure:
    """Draw where a convolution's maps speak for a class (Grad-CAM). Works on ``Sequential`` as on any model.

    Args:
        model: a classifier of images with a convolution.
        x: one image ``(h, w, c)``, or several.
        target: the class whose score is meant; for each image the predicted one if None.
        layer: whose maps; the last with the size that the last convolution gives, if None.
        class_names: the name of each class; their numbers if None.
    """
    images = attribution.images_of(model, x)
    maps = attribution.grad_cam_maps(model, images, target, layer)
    at = layer or attribution.last_maps(model.trace(images[:1]))
    label = f"weighted maps of {at}, {maps.shape[1]} × {maps.shape[2]}"
    return _draw(model, images, target, class_names, maps, "Grad-CAM", label)


@style.drawn
def occlusion(
    model: Any,
    x: Any,
    target: int | None = None,
    layer: str | None = None,
    class_names: Sequence[str] | None = None,
    patch: int | None = None,
    stride: int | None = None,
) -> Figure:
    """Draw how much probability a class loses where the image is covered. Blue: covering helps the class.

    Args:
        model: a classifier of images.
        x: one image ``(h, w, c)``, or several.
        target: the class whose probability is meant; for each image the predicted one if None.
        layer: cover this layer's maps instead of the image.
        class_names: the name of each class; their numbers if None.
        patch: the side of the covering square in cells; about a fifth of the shorter side if None.
        stride: cells from one place to the next; about a third of the patch if None.
    """
    images = attribution.images_of(model, x)
    maps = [attribution.occlusion_map(model, image[np.newaxis], target, layer, patch, stride) for image in images]
    at = f" at {layer}" if layer else ""
    return _draw(model, images, target, class_names, np.stack(maps), f"occlusion{at}", "loss of probability")


def _draw(
    model: Any,
    images: np.ndarray,
    target: int | None,
    class_names: Sequence[str] | None,
    maps: np.ndarray,
    method: str,
    label: str,
) -> Figure:
    """Draw a row per image: the image, and the map over a pale grey version of it."""
    from convolens import evaluation

    classes = attribution.target_classes(model, images, target)
    probabilities = _shares(model, images, evaluation)
    aspect = images.shape[2] / images.shape[1]
    fig = style.figure(4.2 * aspect * 2 + 1.9, 4.4 * len(images) + 0.5)
    rows = fig.subplots(len(images), 2, squeeze=False)
    stretched = attribution.resize(maps, images.shape[1:3])
    for axes, image, own, heat, number, p in zip(rows, images, maps, stretched, classes, probabilities, strict=True):
        name = str(number) if class_names is None else str(class_names[number])
        style.show_image(axes[0], image)
        axes[0].set_title(f"{_title(name)}: {'' if p is None else f'{p[number]:.3f}'}".rstrip(": "), fontweight="bold")
        shown = _overlay(axes[1], image, heat, style.largest(own))
        axes[1].set_title(method, fontweight="bold")
        style.color_bar(fig, shown, axes[1], label, positive=own.min() >= 0, fraction=0.05, pad=0.03)
    return fig


def _title(name: str) -> str:
    return f"class {name}" if name.isdigit() else name


def _shares(model: Any, images: np.ndarray, evaluation: Any) -> Any:
    """Return the class probabilities, or Nones for a network that gives none."""
    try:
        return evaluation.class_probabilities(model, images)
    except ValueError:
        return [None] * len(images)


def _overlay(ax: Any, image: np.ndarray, heat: np.ndarray, limit: float) -> Any:
    """Draw a map in colours that cover a pale image the more, the larger the value; return what a colour bar needs."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    style.show_pale(ax, image)
    colors, scale = style.heat_colormap(), Normalize(-limit, limit)
    ax.imshow(heat, cmap=colors, norm=scale)
    style.frame(ax)
    return ScalarMappable(scale, colors)


def overlay_pixels(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return a map over a pale image as pixels, uint8 ``(h, w, 3)``, a cell of the image to a pixel."""
    colors = style.heat_colormap()((heat / style.largest(heat) + 1) / 2)
    opacity = colors[..., 3:]
    pale = style.pale(image)[..., np.newaxis]
    return np.rint(255 * (opacity * colors[..., :3] + (1 - opacity) * pale)).astype(np.uint8)
