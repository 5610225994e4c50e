"""Objects that are told how training goes and may step in: ``cl.callbacks``."""

from convolens.training.callbacks.base import Callback, CallbackList, History, LambdaCallback
from convolens.training.callbacks.checkpoint import BackupAndRestore, ModelCheckpoint
from convolens.training.callbacks.progress import ProgressBar
from convolens.training.callbacks.recorder import Recorder
from convolens.training.callbacks.watching import (
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ReduceLROnPlateau,
    TerminateOnNaN,
)

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "Recorder",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
