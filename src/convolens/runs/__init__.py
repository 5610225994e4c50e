"""The training of a task, and the folder that it leaves."""

from .cross_validation import CrossValidation, cross_validate
from .curves import curve_differences
from .recipes import Recipe, recipe_for
from .run import Run
from .tasks import find_task
from .training import train_task

__all__ = [
    "CrossValidation",
    "Recipe",
    "Run",
    "cross_validate",
    "curve_differences",
    "find_task",
    "recipe_for",
    "train_task",
]
