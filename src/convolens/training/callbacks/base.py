"""What a callback is, the list that calls many at once, and the record every run keeps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

__all__ = ["HOOKS", "Callback", "CallbackList", "History", "LambdaCallback"]

#: Every hook, with the older name that it also calls.
HOOKS = {
    "on_train_begin": None,
    "on_train_end": None,
    "on_epoch_begin": None,
    "on_epoch_end": None,
    "on_train_batch_begin": "on_batch_begin",
    "on_train_batch_end": "on_batch_end",
    "on_test_begin": None,
    "on_test_end": None,
    "on_test_batch_begin": None,
    "on_test_batch_end": None,
    "on_predict_begin": None,
    "on_predict_end": None,
    "on_predict_batch_begin": None,
    "on_predict_batch_end": None,
}


class Callback:
    """Something that is told how training, evaluation and prediction go, and may step in.

    A subclass overrides the hooks it needs. ``logs`` holds means so far: ``loss``, the metrics, and at the end of an
    epoch the validation's with ``val_`` before their names; after a batch of prediction it holds ``outputs``. Entries
    that a hook adds are seen by later callbacks.

    Attributes:
        model: the model, set before the first hook. ``model.stop_training = True`` ends ``fit`` after this batch.
        params: ``verbose``, ``epochs`` and ``steps`` (batches per epoch, or None where unknown).
    """

    model: Any = None
    params: dict[str, Any]

    def __init__(self) -> None:
        self.params = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Take the run's parameters."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take the model."""
        self.model = model

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Run at the start of ``fit``."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Run at the end of ``fit``, also when an error or Ctrl-C ends it."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Run before epoch number ``epoch``, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Run after an epoch and its validation."""

    def on_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Run before a train batch: the older name of ``on_train_batch_begin``."""

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Run after a train batch: the older name of ``on_train_batch_end``."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Run before a train batch, counted from 0 in its epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Run after a train batch."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Run at the start of ``evaluate``, and of the validation within ``fit``."""

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Run at the end of ``evaluate``, and of the validation within ``fit``."""

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Run before a batch of evaluation."""

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Run after a batch of evaluation."""

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Run at the start of ``predict``."""

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """Run at the end of ``predict``."""

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Run before a batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Run after a batch of prediction."""


class History(Callback):
    """The record that ``fit`` returns.

    Attributes:
        history: a list of values per name, one per epoch: ``history["val_loss"][-1]``.
        epoch: the numbers of these epochs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin the list of epochs anew."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Append the epoch's values."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: ``f(epoch, logs)``.
        on_epoch_end: ``f(epoch, logs)``.
        on_train_begin: ``f(logs)``.
        on_train_end: ``f(logs)``.
        on_train_batch_begin: ``f(batch, logs)``.
        on_train_batch_end: ``f(batch, logs)``.
        kwargs: any other hook.

    Raises:
        ValueError: for a name that is no hook.

    >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"])).on_epoch_end(0, {"loss": 0.5})
    0 0.5
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Callable[..., Any] | None,
    ) -> None:
        super().__init__()
        known = {*HOOKS, *filter(None, HOOKS.values())}
        for name in kwargs:
            if name not in known:
                raise ValueError(f"{name!r} is not a hook of a callback; the hooks are {', '.join(sorted(known))}.")
        functions = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        self.__dict__.update({name: function for name, function in functions.items() if function is not None})


class CallbackList:
    """Calls the same hook of many callbacks, in order; ``list.on_epoch_end(epoch, logs)`` and so on.

    Only overridden hooks are called, so a hook that nobody uses costs nothing. A hook always gets ``logs``, empty
    where there is nothing to tell.

    Args:
        callbacks: a callback, or a nested list of them.
        add_history: add a ``History`` if there is none.
        add_progbar: add a ``ProgressBar`` if there is none.
        model: the model they watch.
        params: what each gets as ``params``.

    Attributes:
        callbacks: all of them, flat.
        history: the ``History`` among them, or None.
        watches_batches: whether any wants to know of train batches.
        watches_tests: whether any wants to know what a batch of evaluation gave.

    Raises:
        ValueError: for something that is no ``Callback``.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        from convolens.training.callbacks.progress import ProgressBar

        self.callbacks = _flat(callbacks)
        if add_history and not any(isinstance(one, History) for one in self.callbacks):
            self.callbacks.append(History())
        if add_progbar and not any(isinstance(one, ProgressBar) for one in self.callbacks):
            self.callbacks.append(ProgressBar())
        self.history = next((one for one in self.callbacks if isinstance(one, History)), None)
        for one in self.callbacks:
            one.set_params(copy.copy(params))
            one.set_model(model)
        self._listeners = {
            hook: [getattr(one, hook) for one in self.callbacks if _overrides(one, hook) or _overrides(one, older)]
            for hook, older in HOOKS.items()
        }
        self.watches_batches = bool(self._listeners["on_train_batch_begin"] or self._listeners["on_train_batch_end"])
        self.watches_tests = bool(self._listeners["on_test_batch_end"])

    def __getattr__(self, hook: str) -> Callable[..., None]:
        if hook not in HOOKS:
            raise AttributeError(hook)
        listeners = self._listeners[hook]

        numbered = "epoch" in hook or "batch" in hook

        def call(*arguments: Any) -> None:
            number, logs = arguments[:numbered], arguments[numbered:] or ({},)
            for listener in listeners:
                listener(*number, *logs)

        self.__dict__[hook] = call
        return call


def _overrides(callback: Callback, hook: str | None) -> bool:
    if hook is None:
        return False
    return hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)


def _flat(callbacks: Any) -> list[Callback]:
    if callbacks is None:
        return []
    if isinstance(callbacks, list | tuple):
        return [one for part in callbacks for one in _flat(part)]
    if not isinstance(callbacks, Callback):
        raise ValueError(f"callbacks are objects of cl.callbacks.Callback; got {callbacks!r}.")
    return [callbacks]
