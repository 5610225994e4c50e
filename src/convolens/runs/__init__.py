"""The training of a task, and the folder that it leaves."""

from .run import Run
from .tasks import find_task
from .training import train_task

__all__ = ["Run", "find_task", "train_task"]
