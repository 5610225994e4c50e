"""Callbacks that watch the loss or a metric, and stop, slow down or write down the training."""

from __future__ import annotations

import csv
import inspect
import math
import os
import warnings
from collections.abc import Callable
from typing import Any

from convolens.training.callbacks.base import Callback

__all__ = [
    "CSVLogger",
    "EarlyStopping",
    "LearningRateScheduler",
    "MonitorCallback",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]

# What a quantity's name says about its better direction.
_LOWER = ("loss", "error", "crossentropy", "mse", "mae", "huber")
_HIGHER = ("accuracy", "acc", "auc", "precision", "recall", "score")


class MonitorCallback(Callback):
    """A callback that compares one quantity of ``logs`` with the best so far.

    Args:
        monitor: its name, such as ``"val_loss"``.
        mode: ``"min"``, ``"max"``, or ``"auto"`` to tell from the name.
        baseline: the first best value, or None.
        min_delta: a smaller change is no improvement.

    Raises:
        ValueError: for another mode, or a name that does not tell its direction.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode is 'auto', 'min' or 'max'; got {mode!r}.")
        lower, higher = monitor.lower().endswith(_LOWER), any(word in monitor.lower() for word in _HIGHER)
        if mode == "auto" and not lower and not higher:
            raise ValueError(
                f"{type(self).__name__} cannot tell from the name {monitor!r} whether higher is better: "
                "pass mode='max' or mode='min'."
            )
        self._higher_is_better = mode == "max" or (mode == "auto" and not lower)
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)

    def _is_improvement(self, current: float, reference: float | None) -> bool:
        if math.isnan(current):
            return False
        if reference is None:
            return True
        change = current - reference if self._higher_is_better else reference - current
        return change > self.min_delta

    def _monitored(self, logs: dict[str, Any] | None) -> float | None:
        value = (logs or {}).get(self.monitor)
        if value is None:
            available = ", ".join(logs or {}) or "none"
            warnings.warn(
                f"{type(self).__name__} has nothing to go by: no {self.monitor!r} here (available: {available}).",
                stacklevel=2,
            )
        return None if value is None else float(value)


class EarlyStopping(MonitorCallback):
    """Ends training when a quantity has stopped improving.

    Args:
        monitor: what to watch.
        min_delta: a smaller change is no improvement.
        patience: how many epochs without improvement to wait.
        verbose: 1 to say so.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        baseline: the value that has to be beaten, or None.
        restore_best_weights: go back to the weights of the best epoch at the end.
        start_from_epoch: how many epochs to let pass first.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._restart()

    def _restart(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier run."""
        self._restart()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compare, and stop when patience is over."""
        current = self._monitored(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        improved = self._is_improvement(current, self.best)
        if self.restore_best_weights and (improved or self.best_weights is None):
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if improved:
            self.best, self.best_epoch = current, epoch
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Report, and restore the best weights."""
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: stopped early, {self.monitor} is no longer improving.")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restored the weights of the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a quantity has stopped improving; adds ``learning_rate`` to the logs.

    Args:
        monitor: what to watch.
        factor: the new rate is the old times this, below 1.
        patience: how many epochs without improvement to wait.
        verbose: 1 to say so.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        min_delta: a smaller change is no improvement.
        cooldown: how many epochs to wait after a reduction before counting again.
        min_lr: the lowest rate.

    Raises:
        ValueError: for a factor of 1 or more.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1:
            raise ValueError(f"factor is below 1; got {factor}.")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier run."""
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compare, and lower the rate when patience is over."""
        optimizer = self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        current = self._monitored(logs)
        if current is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                self.cooldown_counter = self.cooldown
                self.wait = 0
                if self.verbose:
                    print(
                        f"Epoch {epoch + 1}: {self.monitor} is on a plateau, learning rate {optimizer.learning_rate:g}."
                    )


class LearningRateScheduler(Callback):
    """Sets the learning rate before every epoch; adds ``learning_rate`` to the logs.

    Args:
        schedule: ``f(epoch, learning_rate)`` or ``f(epoch)``, giving the new rate.
        verbose: 1 to say so.

    Raises:
        ValueError: when the function gives something other than a number.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Ask the function and set the rate."""
        optimizer = self.model.optimizer
        try:
            inspect.signature(self.schedule).bind(epoch, 0.0)
            arguments: tuple[Any, ...] = (epoch, optimizer.learning_rate)
        except TypeError:
            arguments = (epoch,)
        rate = self.schedule(*arguments)
        if isinstance(rate, bool) or not (isinstance(rate, int | float) or getattr(rate, "ndim", 1) == 0):
            raise ValueError(f"the schedule of LearningRateScheduler gives a number; got {rate!r} for epoch {epoch}.")
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {float(rate):g}.")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the rate in the logs."""
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class TerminateOnNaN(Callback):
    """Ends training when the loss is NaN or infinite, without the error that ``fit`` raises otherwise.

    Args:
        raise_error: raise a ``RuntimeError`` at once instead of ending the epoch in order.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the loss so far."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"the loss became {loss} in batch {batch + 1}.")
        print(f"Batch {batch + 1}: the loss became {loss}; training ends.")
        self.model.stop_training = True


class CSVLogger(Callback):
    """Writes a row of a CSV file after every epoch: ``epoch`` from 0, then the logs by name.

    The first row decides the columns; a value missing later is ``NA``.

    Args:
        filename: the file.
        separator: between the fields.
        append: go on after the rows that are there.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self._columns: list[str] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Empty the file, or read its header to go on with the same columns."""
        self._columns = []
        with open(self.filename, "a+" if self.append else "w+", newline="", encoding="utf-8") as file:
            file.seek(0)
            self._columns = next(csv.reader(file, delimiter=self.sep), [])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the row, the header before the first."""
        row = {"epoch": epoch, **(logs or {})}
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=self.sep)
            if not self._columns:
                names = sorted(set(row) - {"epoch"})
                if not any(name.startswith("val_") for name in names):  # validation may come in a later epoch only
                    names += [f"val_{name}" for name in names]
                self._columns = ["epoch", *names]
                writer.writerow(self._columns)
            writer.writerow([row.get(name, "NA") for name in self._columns])
