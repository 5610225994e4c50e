"""How each task is trained unless one says otherwise: network, epochs, batch size, learning rate, augmentation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from convolens.datasets import Dataset

__all__ = ["Recipe", "augmentation_layers", "recipe_for"]

#: Layers that vary a training image, by what the image shows. Digits and hand signs are never mirrored.
_AUGMENTATIONS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "written": (
        ("RandomRotation", {"factor": 0.03}),
        ("RandomTranslation", {"height_factor": 0.08, "width_factor": 0.08}),
        ("RandomZoom", {"height_factor": 0.08}),
    ),
    "scans": (
        ("RandomRotation", {"factor": 0.03}),
        ("RandomTranslation", {"height_factor": 0.08, "width_factor": 0.08}),
    ),
    "clothes": (("RandomFlip", {"mode": "horizontal"}),),
    "upright faces": (
        ("RandomFlip", {"mode": "horizontal"}),
        ("RandomTranslation", {"height_factor": 0.06, "width_factor": 0.06}),
    ),
    "faces": (
        ("RandomFlip", {"mode": "horizontal"}),
        ("RandomRotation", {"factor": 0.03}),
        ("RandomTranslation", {"height_factor": 0.06, "width_factor": 0.06}),
    ),
    "signs": (
        ("RandomRotation", {"factor": 0.05}),
        ("RandomTranslation", {"height_factor": 0.1, "width_factor": 0.1}),
    ),
}


@dataclass(frozen=True)
class Recipe:
    """The defaults of a task.

    Attributes:
        network: its name in ``cl.zoo``.
        epochs: how many times every training image is seen.
        batch_size: images per step.
        learning_rate: at the start; it falls to 0 along half a cosine.
        augmentation: which variations suit the images.
        augment: whether they are used unless one says otherwise.
        validation: the share of the training images that is set aside to choose the epoch whose network is kept; with
            0 the last epoch's is kept.
    """

    network: str
    epochs: int
    batch_size: int
    learning_rate: float = 1e-3
    augmentation: str = "signs"
    augment: bool = False
    validation: float = 0.1

    @property
    def variations(self) -> list[list[Any]]:
        """The layers of the augmentation: each one's name and arguments."""
        return [[name, dict(options)] for name, options in _AUGMENTATIONS[self.augmentation]]


#: The first recipe of a task is its own; ``train TASK --model NAME`` takes another of them.
_RECIPES = {
    "digits": [Recipe("digits_cnn", 80, 32, 3e-3, "written", augment=True)],
    "mnist": [Recipe("lenet5", 15, 128, 2e-3, "scans", augment=True)],
    "fashion_mnist": [Recipe("lenet5", 20, 64, 1e-3, "clothes", augment=True)],
    "happy": [
        Recipe("happy_model", 20, 16, 1e-3, "faces"),
        Recipe("smile_cnn", 40, 32, 2e-3, "faces", augment=True, validation=0.0),
        Recipe("smile_trio", 40, 32, 2e-3, "faces", augment=True, validation=0.0),
    ],
    "smiles": [
        Recipe("happy_model", 36, 32, 4e-4, "upright faces", augment=True, validation=0.0),
        Recipe("smile_cnn", 40, 32, 2e-3, "faces", augment=True, validation=0.0),
        Recipe("smile_trio", 40, 32, 2e-3, "faces", augment=True, validation=0.0),
    ],
    "signs": [
        Recipe("convolutional_model", 120, 32, 3e-3, "signs"),
        Recipe("signs_cnn", 40, 32, 2e-3, "signs", augment=True, validation=0.0),
    ],
    "drawn_smiles": [Recipe("happy_model", 15, 16, 1e-3, "faces")],
    "drawn_signs": [Recipe("convolutional_model", 120, 32, 3e-3, "signs")],
}


def recipe_for(dataset: Dataset, network: str | None = None) -> Recipe:
    """Return the recipe of a named set, or the course's network for a user's own set's number of classes.

    Args:
        dataset: what to train on.
        network: another network than the task's own. With no recipe of its own for this set it takes the task's.
    """
    two = len(dataset.class_names) == 2
    other = Recipe("happy_model", 20, 16) if two else Recipe("convolutional_model", 60, 32, 3e-3)
    recipes = _RECIPES.get(dataset.name, [other])
    own = recipes[0] if network is None else dataclasses.replace(recipes[0], network=network)
    return next((recipe for recipe in recipes if recipe.network == network), own)


def augmentation_layers(recipe: Recipe, api: Any) -> list[Any]:
    """Return the recipe's augmentation as layers of an API."""
    return [getattr(api.layers, name)(**options) for name, options in recipe.variations]
