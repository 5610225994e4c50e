"""Callbacks that write the model while it trains, and take up a run where it broke off."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

from convolens.files import replacing
from convolens.training.callbacks.base import Callback
from convolens.training.callbacks.watching import MonitorCallback

__all__ = ["BackupAndRestore", "ModelCheckpoint"]


class _BatchCounter:
    """Tells every so many train batches; ``"epoch"`` tells never."""

    def __init__(self, save_freq: str | int) -> None:
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1):
            raise ValueError(f"save_freq is 'epoch' or a positive number of batches; got {save_freq!r}.")
        self.every = save_freq
        self.seen = 0

    def is_due(self) -> bool:
        """Count a batch and return whether it is one to save after."""
        self.seen += 1
        return self.every != "epoch" and self.seen % int(self.every) == 0


class ModelCheckpoint(MonitorCallback):
    """Saves the model after every epoch, after every so many batches, or when it is the best so far.

    Args:
        filepath: ``.keras`` for whole models, ``.weights.h5`` with ``save_weights_only``; may hold ``{epoch:02d}``
            (counted from 1), ``{batch}`` and the names of logs: ``"{epoch:02d}-{val_loss:.2f}.keras"``.
        monitor: what to watch for ``save_best_only``.
        verbose: 1 to say what is saved.
        save_best_only: save only when the monitored quantity is better than ever before.
        save_weights_only: the weights (and the optimiser's state) only.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        save_freq: ``"epoch"``, or a number of batches.
        initial_value_threshold: the first best value.

    Raises:
        ValueError: for another kind of file or another ``save_freq``.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._counter = _BatchCounter(save_freq)
        self._epoch = 0
        ending = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(ending):
            kind = "save_weights_only=True" if save_weights_only else "whole models"
            raise ValueError(f"ModelCheckpoint with {kind} writes files that end in {ending!r}; got {self.filepath!r}.")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Save if this batch is due."""
        if self._counter.is_due():
            self._save(logs, {"batch": batch + 1})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save, unless batches are what counts."""
        if self.save_freq == "epoch":
            self._save(logs, {})

    def _save(self, logs: dict[str, Any] | None, counted: dict[str, int]) -> None:
        if self.save_best_only:
            current = self._monitored(logs)
            if current is not None:
                if not self._is_improvement(current, self.best):
                    return
                self.best = current
        path = self._path({"epoch": self._epoch + 1, **counted, **(logs or {})})
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        if self.verbose:
            better = (
                f" ({self.monitor} {self.best:.5f} is the best so far)" if self.save_best_only and self.best else ""
            )
            print(f"Epoch {self._epoch + 1}: saved {path}{better}.")

    def _path(self, values: dict[str, Any]) -> str:
        try:
            return self.filepath.format(**values)
        except KeyError as error:
            raise ValueError(f"{self.filepath!r} names {error}; known here: {', '.join(values)}.") from error


class BackupAndRestore(Callback):
    """Backs up a run of ``fit``; the same call made again after an interruption goes on where the last backup was.

    Weights, the optimiser's state, epoch, batch and the seed are restored, so with the same data the resumed run ends
    with the weights of an undisturbed one, bit for bit. The backup is removed when training ends in order.

    Args:
        backup_dir: a folder for the backup alone.
        save_freq: ``"epoch"``, or a number of batches.
        double_checkpoint: keep the backup before the last one too, in case the last cannot be read.
        delete_checkpoint: remove the backup when training ends in order.

    Raises:
        ValueError: for another ``save_freq``, or no folder.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not os.fspath(backup_dir):
            raise ValueError("backup_dir is empty; name a folder for the backup.")
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._counter = _BatchCounter(save_freq)

    @property
    def _index(self) -> Path:
        return self.backup_dir / "training_metadata.json"

    def _backups(self) -> list[dict[str, Any]]:
        """Return what the index lists, the newest first: the weights' file and the progress of each backup."""
        if not self._index.exists():
            return []
        try:
            return list(json.loads(self._index.read_text())["backups"])
        except (ValueError, KeyError, TypeError) as error:
            raise OSError(f"{self._index} is not a readable backup ({error}); remove it to begin anew.") from error

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Restore the newest backup that can be read."""
        backups = self._backups()
        for number, backup in enumerate(backups, start=1):
            try:
                if not self.model.optimizer.built:
                    self.model.optimizer.build(self.model.trainable_weights)
                self.model.load_weights(self.backup_dir / backup["weights"])
            except OSError:
                if number == len(backups):
                    raise
                continue
            progress = dataclasses.replace(self.model.progress, **backup["progress"])
            if progress.batch == self.params.get("steps"):  # backed up after the last batch of an epoch
                progress = dataclasses.replace(progress, epoch=progress.epoch + 1, batch=0)
            self.model.progress = progress
            return

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Back up if this batch is due."""
        if self._counter.is_due():
            self._back_up()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Back up, unless batches are what counts."""
        if self.save_freq == "epoch":
            self._back_up()

    def _back_up(self) -> None:
        # The index is replaced last and in one piece: whenever the run dies, it lists files that are whole.
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        progress = self.model.progress
        weights = f"step-{progress.step}.weights.h5"
        earlier = [backup for backup in self._backups() if backup["weights"] != weights]
        self.model.save_weights(self.backup_dir / weights, overwrite=True)
        latest = {"weights": weights, "progress": dataclasses.asdict(progress)}
        kept = [latest, *earlier[: 1 if self.double_checkpoint else 0]]
        with replacing(self._index) as beside:
            beside.write_text(json.dumps({"backups": kept}))
        for path in self.backup_dir.glob("step-*.weights.h5"):
            if path.name not in {backup["weights"] for backup in kept}:
                path.unlink()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Remove the backup if training ended in order."""
        in_order = self.model.stop_training or self.model.progress.epoch >= self.params.get("epochs", 0)
        if self.delete_checkpoint and in_order:
            shutil.rmtree(self.backup_dir, ignore_errors=True)
