"""What a run's folder learns of each epoch."""

from __future__ import annotations

from typing import Any

from convolens.training.callbacks import Callback

from .run import Run, write_rows

__all__ = ["Record"]


class Record(Callback):
    """Writes ``history.csv`` after every epoch, and ``model.keras`` when the epoch is the best so far.

    The best is that of the best validation; without validation the last, for figures on training images judge nothing.
    """

    def __init__(self, run: Run, network: Any) -> None:
        super().__init__()
        self.run, self.network = run, network
        self.rows: list[dict[str, Any]] = []
        if (run.folder / "history.csv").is_file():
            columns = run.history
            self.rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
            for row in self.rows:
                row["epoch"] = int(row["epoch"])

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Forget rows of epochs that are done again after an interruption."""
        del self.rows[epoch:]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the row, and the network if it is to be kept."""
        logs = {name: float(value) for name, value in (logs or {}).items()}
        better = "val_loss" not in logs or all(_rank(logs) < _rank(row) for row in self.rows)
        self.rows.append({"epoch": epoch + 1, **logs})
        write_rows(self.run.folder / "history.csv", self.rows)
        if better:
            if self.network is not self.model:
                self.network.set_weights(self.model.get_weights())
            self.network.save(self.run.folder / "model.keras")
            self.run.config["kept"] = self.rows[-1]


def _rank(logs: dict[str, Any]) -> tuple[float, float]:
    """Return what orders epochs, the best first: validation accuracy, then its loss."""
    return -logs["val_accuracy"], logs["val_loss"]
