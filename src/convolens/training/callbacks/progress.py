"""What a person sees while a model trains: a bar per epoch on a terminal, else a line per epoch."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from convolens.training.callbacks.base import Callback

__all__ = ["ProgressBar"]

# Drawing costs a few milliseconds, so at most four pictures a second.
SECONDS_BETWEEN_PICTURES = 0.25


class ProgressBar(Callback):
    """Shows epoch, batches done, loss, metrics and the time left; ``fit`` adds one unless ``verbose=0``.

    ``verbose=1`` draws a bar where the output is a terminal; elsewhere, and with ``verbose=2``, each epoch gets one
    plain line.

    Args:
        file: where to write; the standard output of the moment if None.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        super().__init__()
        self._file = file
        self._bar: _Bar | None = None
        self._fitting = False
        self._started = 0.0

    @property
    def _out(self) -> TextIO:
        return self._file or sys.stdout

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Remember that evaluation from now on is validation, which is not shown apart."""
        self._fitting = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the terminal as it was, also after an error."""
        self._fitting = False
        self._close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin the epoch's bar."""
        epochs = self.params.get("epochs")
        self._open(f"Epoch {epoch + 1}/{epochs}" if epochs else f"Epoch {epoch + 1}")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar."""
        self._move(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Finish the bar, or write the line."""
        self._finish(logs)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin the bar of ``evaluate``."""
        if not self._fitting:
            self._open("Evaluate")

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar."""
        if not self._fitting:
            self._move(batch, logs)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Finish the bar, or write the line."""
        if not self._fitting:
            self._finish(logs)

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin the bar of ``predict``."""
        self._open("Predict")

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar."""
        self._move(batch, None)

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """Finish the bar, or write the line."""
        self._finish(None)

    def _open(self, title: str) -> None:
        self._close()
        self._title = title
        self._started = time.perf_counter()
        if self.params.get("verbose") in (1, "auto", None) and self._out.isatty():
            self._bar = _Bar(title, self.params.get("steps"), self._out)

    def _move(self, batch: int, logs: dict[str, Any] | None) -> None:
        if self._bar is not None:
            self._bar.move(batch + 1, _in_words(logs))

    def _finish(self, logs: dict[str, Any] | None) -> None:
        if self._bar is not None:
            self._bar.finish(_in_words(logs))
            self._bar = None
        elif self.params.get("verbose") != 0:
            seconds = f"{time.perf_counter() - self._started:.1f} s"
            print(f"{self._title}  {seconds}  {_in_words(logs)}".rstrip(), file=self._out, flush=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.finish(None)
            self._bar = None


class _Bar:
    """One bar of rich, drawn by the thread that trains so that nothing else takes its time."""

    def __init__(self, title: str, steps: int | None, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as TimeLeftColumn

        class TimeColumn(TimeLeftColumn):
            """The time left, and the time taken once the bar is full."""

            def render(self, task: Any) -> Any:
                return TimeElapsedColumn().render(task) if task.finished else super().render(task)

        console = Console(file=out)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
            auto_refresh=False,
        )
        self._task = self._progress.add_task(title, total=steps, words="")
        self._progress.start()
        console.show_cursor(True)  # an error between two hooks must not leave the terminal without one
        self._drawn = time.perf_counter()

    def move(self, done: int, words: str) -> None:
        now = time.perf_counter()
        if now - self._drawn >= SECONDS_BETWEEN_PICTURES:
            self._drawn = now
            self._progress.update(self._task, completed=done, words=words, refresh=True)

    def finish(self, words: str | None) -> None:
        if words is not None:
            task = self._progress.tasks[0]
            total = task.total or task.completed or 1
            self._progress.update(self._task, total=total, completed=total, words=words, refresh=True)
        self._progress.stop()


def _in_words(logs: dict[str, Any] | None) -> str:
    """Return ``loss 0.1234  accuracy 0.9876``: the loss first, small numbers with an exponent.

    >>> _in_words({"learning_rate": 1e-05, "loss": 0.25, "val_loss": 0.5})
    'loss 0.2500  learning_rate 1.00e-05  val_loss 0.5000'
    """
    words = []
    for name, value in sorted((logs or {}).items(), key=lambda item: item[0] != "loss"):
        if isinstance(value, int | float) or getattr(value, "ndim", 1) == 0:
            number = float(value)
            words.append(f"{name} {number:.2e}" if 0 < abs(number) < 1e-3 else f"{name} {number:.4f}")
    return "  ".join(words)
