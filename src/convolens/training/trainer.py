"""Training, evaluation and prediction: epochs over batches, and what one train step does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convolens import optimizers
from convolens import random as random_source
from convolens.graph import Graph, Randomness
from convolens.objective import Objective
from convolens.plan import Plan
from convolens.trace import Trace
from convolens.training import callbacks as callback_module
from convolens.training.batches import Batch, is_batches, make_batches, split_off
from convolens.training.compiled import MetricSet, loss_per_output, weight_per_output
from convolens.training.step import test_step, train_step

__all__ = ["Progress", "Trainer"]


@dataclass
class Progress:
    """Where a run of ``fit`` stands. With the weights and the optimiser's state it is all that resuming needs.

    Attributes:
        seed: what the order of the samples and all random layers depend on.
        epoch: the epoch under way.
        batch: how many of its batches are done.
        step: how many train steps were done in all.
    """

    seed: int
    epoch: int = 0
    batch: int = 0
    step: int = 0


class Trainer:
    """The half of a model that trains: ``compile``, ``fit``, ``evaluate``, ``predict`` and their one-batch forms."""

    graph: Graph
    input_names: list[str]
    output_names: list[str]
    optimizer: Any = None
    loss: Any = None
    objective: Objective | None = None
    metric_set: MetricSet
    history: Any = None
    stop_training = False
    progress: Progress = Progress(0)
    trainable_weights: Any
    _compile_arguments: dict[str, Any] | None = None

    def plan_for(
        self,
        shapes: Sequence[tuple[int, ...]],
        *,
        training: bool = False,
        gradients: str = "none",
        fused: bool = True,
        with_loss: bool = True,
    ) -> Plan:
        """Return the plan for inputs of these shapes; see ``Plan`` for the options."""
        raise NotImplementedError

    def standardize_inputs(self, x: Any) -> list[np.ndarray]:
        """Return one array of the right shape per input."""
        raise NotImplementedError

    def cast_inputs(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the arrays in the model's float type."""
        raise NotImplementedError

    def pack_outputs(self, outputs: list[Any]) -> Any:
        """Return the outputs in the form the model was made with."""
        raise NotImplementedError

    def trace(self, x: Any, y: Any = None, d_output: Any = None, training: bool = False, seed: int = 0) -> Trace:
        """Return the record of every number."""
        raise NotImplementedError

    # Compiling.

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: str | bool = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how the model is trained.

        Every loss that is reported is a mean over samples, so that a smaller last batch counts less; of several
        outputs, Keras on TensorFlow reports each one's loss as a mean over batches.

        Args:
            optimizer: a name or an object of ``cl.optimizers``.
            loss: a name, an object of ``cl.losses``, or a list or dictionary of them by output.
            loss_weights: what each output's loss counts; 1 each if None.
            metrics: names or objects of ``cl.metrics``, as a list, or per output.
            weighted_metrics: likewise, for metrics that see the sample weights.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: their defaults only.

        Raises:
            ValueError: for an unknown name or an option that makes no sense here.
        """
        refused = {
            "run_eagerly": run_eagerly not in (False, None),
            "steps_per_execution": steps_per_execution != 1,
            "jit_compile": jit_compile not in ("auto", False, None),
            "auto_scale_loss": auto_scale_loss is not True,
        }
        for name in (name for name, wrong in refused.items() if wrong):
            raise ValueError(f"compile: {name} has no meaning here; leave it at its default.")
        self.optimizer = optimizers.get(optimizer)
        self.loss = loss
        per_output = loss_per_output(loss, self.output_names)
        self.objective = Objective(self.graph, per_output, weight_per_output(loss_weights, self.output_names))
        self.metric_set = MetricSet(
            metrics, weighted_metrics, self.output_names, [one is not None for one in per_output]
        )
        self.stop_training = False
        self._compile_arguments = {
            "optimizer": self.optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` was called."""
        return self._compile_arguments is not None

    @property
    def metrics_names(self) -> list[str]:
        """``loss`` and the names of the metrics, in the order in which ``evaluate`` returns them."""
        self._need_objective()
        return list(self.metric_set.result())

    def reset_metrics(self) -> None:
        """Begin the means of the loss and of all metrics anew."""
        self._need_objective()
        self.metric_set.reset()

    def _need_compiled(self) -> None:
        if not self.compiled:
            raise ValueError("the model is not compiled: call compile(optimizer, loss, metrics) first.")

    def _need_objective(self) -> Objective:
        self._need_compiled()
        if self.objective is None:
            raise ValueError("the model does not know its input's shape yet: begin it with cl.Input(shape).")
        return self.objective

    # One batch.

    def _predict_step(self, xs: list[np.ndarray]) -> list[Any]:
        xs = self.cast_inputs(xs)
        plan = self.plan_for([x.shape for x in xs], training=False, gradients="none", with_loss=False)
        return plan.outputs_of(plan.forward(xs))

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Do one train step on this batch and return the loss and metrics of this batch."""
        self._need_compiled()
        batch = self._one_batch(x, y, sample_weight, class_weight)
        self.reset_metrics()
        step = self.progress.step
        randomness = Randomness(self.progress.seed, step)
        self._need_objective()
        train_step(self, batch, randomness)
        self.progress.step = step + 1
        return self._results(return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Return the loss and metrics of this batch, without training."""
        self._need_compiled()
        batch = self._one_batch(x, y, sample_weight, None)
        self.reset_metrics()
        test_step(self, batch)
        return self._results(return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for this batch."""
        return self.pack_outputs([_copied(one) for one in self._predict_step(self.standardize_inputs(x))])

    def _one_batch(self, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Batch:
        batches = make_batches(self, x, y, sample_weight, batch_size=2**62, class_weight=class_weight)
        return next(iter(batches.epoch()))

    def _results(self, as_dict: bool) -> Any:
        logs = self.metric_set.result()
        if as_dict:
            return dict(sorted(logs.items()))
        return next(iter(logs.values())) if len(logs) == 1 else list(logs.values())

    # Many batches.

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | list[int] = 1,
    ) -> Any:
        """Train for a number of epochs and return the ``History``.

        Args:
            x: an array ``(n, ...)``, a list or dictionary of them, or an iterable of batches ``(x, y[, weights])``.
            y: the targets; not with an iterable.
            batch_size: samples per step; 32 if None.
            epochs: the epoch to stop before.
            verbose: 0 silent, 1 (``"auto"``) a progress bar per epoch, 2 a line per epoch.
            callbacks: objects of ``cl.callbacks``.
            validation_split: the share of samples at the end of the arrays to validate on.
            validation_data: ``(x, y)``, ``(x, y, sample_weight)`` or an iterable to validate on after every epoch.
            shuffle: whether every epoch has an order of its own.
            class_weight: what a sample of each class counts.
            sample_weight: what each sample counts.
            initial_epoch: the epoch to begin with.
            steps_per_epoch: batches per epoch; all if None.
            validation_steps, validation_batch_size: likewise for the validation data.
            validation_freq: validate every so many epochs, or after the epochs listed.

        Raises:
            ValueError: for data that does not fit the model.
            FloatingPointError: if the loss is NaN or infinite, unless ``TerminateOnNaN`` is among the callbacks.
        """
        self._need_compiled()
        if isinstance(epochs, bool) or not isinstance(epochs, int | np.integer) or epochs < 0:
            raise ValueError(f"epochs is an integer of at least 0; got {epochs!r}.")
        if not 0 <= validation_split < 1:
            raise ValueError(f"validation_split is at least 0 and less than 1; got {validation_split}.")
        if validation_split and validation_data is None:
            if is_batches(x):
                raise ValueError("validation_split needs arrays; for an iterable of batches pass validation_data.")
            (x, held_x), (y, held_y) = split_off(x, validation_split), split_off(y, validation_split)
            sample_weight, held_weight = split_off(sample_weight, validation_split)
            validation_data = (held_x, held_y) if held_weight is None else (held_x, held_y, held_weight)
        options: dict[str, Any] = {"batch_size": batch_size, "shuffle": shuffle, "class_weight": class_weight}
        batches = make_batches(self, x, y, sample_weight, steps=steps_per_epoch, **options)
        validation = None
        if validation_data is not None:
            size = batch_size if validation_batch_size is None else validation_batch_size
            validation = self._validation_batches(validation_data, size, validation_steps)
        self.progress = Progress(random_source.next_seed(), initial_epoch)
        self.stop_training = False
        watchers = callback_module.CallbackList(
            callbacks, add_history=True, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=epochs,
            steps=len(batches) or None,
        )  # fmt: skip
        self.history = watchers.history
        check_finite = not any(isinstance(one, callback_module.TerminateOnNaN) for one in watchers.callbacks)
        logs: dict[str, Any] = {}
        watchers.on_train_begin()
        try:
            for epoch in range(self.progress.epoch, epochs):
                self.progress.epoch = epoch
                self.reset_metrics()
                watchers.on_epoch_begin(epoch)
                self._train_epoch(batches, watchers, check_finite)
                logs = self.metric_set.result()
                if validation is not None and _is_due(epoch + 1, validation_freq):
                    logs |= {f"val_{name}": value for name, value in self._evaluate(validation, watchers).items()}
                self.progress.batch = 0
                self.progress.epoch = epoch + 1
                logs = dict(sorted(logs.items()))
                watchers.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            self.optimizer.finalize_variable_values(self.trainable_weights)
        finally:
            watchers.on_train_end(logs)
        return self.history

    def _train_epoch(self, batches: Any, watchers: Any, check_finite: bool) -> None:
        progress = self.progress
        watched = watchers.watches_batches
        for batch in batches.epoch(progress.seed, progress.epoch, progress.batch):
            if watched:
                watchers.on_train_batch_begin(progress.batch)
            train_step(self, batch, Randomness(progress.seed, progress.step), check_finite)
            done = progress.batch
            progress.batch += 1
            progress.step += 1
            if watched:
                watchers.on_train_batch_end(done, self.metric_set.result())
            if self.stop_training:
                break

    def _validation_batches(self, data: Any, batch_size: int | None, steps: int | None) -> Any:
        if not isinstance(data, tuple | list) or is_batches(data):
            return make_batches(self, data, steps=steps)
        if len(data) not in (2, 3):
            raise ValueError(f"validation_data is (x, y) or (x, y, sample_weight); got {len(data)} parts.")
        return make_batches(self, *data, batch_size=batch_size, steps=steps)

    def _evaluate(self, batches: Any, watchers: Any) -> dict[str, float]:
        self.reset_metrics()
        watchers.on_test_begin()
        for number, batch in enumerate(batches.epoch()):
            watchers.on_test_batch_begin(number)
            test_step(self, batch)
            if watchers.watches_tests:
                watchers.on_test_batch_end(number, self.metric_set.result())
        logs = self.metric_set.result()
        watchers.on_test_end(logs)
        return logs

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics on this data: a list in the order of ``metrics_names``, or a dictionary."""
        self._need_compiled()
        batches = make_batches(self, x, y, sample_weight, batch_size=batch_size, steps=steps)
        watchers = callback_module.CallbackList(
            callbacks, add_progbar=verbose != 0, model=self, verbose=verbose, steps=len(batches) or None
        )
        self._evaluate(batches, watchers)
        return self._results(return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Return the outputs for all samples, computed batch by batch."""
        batches = make_batches(self, x, batch_size=batch_size, steps=steps)
        watchers = callback_module.CallbackList(
            callbacks, add_progbar=verbose != 0, model=self, verbose=verbose, steps=len(batches) or None
        )
        watchers.on_predict_begin()
        parts: list[list[np.ndarray]] = []
        for number, batch in enumerate(batches.epoch()):
            watchers.on_predict_batch_begin(number)
            parts.append([_copied(one) for one in self._predict_step(batch.x)])
            watchers.on_predict_batch_end(number, {"outputs": self.pack_outputs(parts[-1])})
        watchers.on_predict_end()
        if not parts:
            raise ValueError("the data is empty: there was no batch to predict.")
        return self.pack_outputs([np.concatenate(column) for column in zip(*parts, strict=True)])


def _copied(array: np.ndarray) -> np.ndarray:
    return np.array(array)


def _is_due(epoch: int, frequency: int | list[int]) -> bool:
    return epoch % frequency == 0 if isinstance(frequency, int) else epoch in frequency
