"""From what a user passes as data to batches of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from convolens.kernels.rows import Rows
from convolens.random import generator

__all__ = ["ArrayBatches", "Batch", "IterableBatches", "as_arrays", "class_weights_of", "make_batches", "split_off"]


@dataclass
class Batch:
    """One batch: a list of inputs, and lists (or None) of targets and sample weights, one per output.

    Inputs are arrays, or ``Rows`` of larger ones that are not collected yet.
    """

    x: list[Any]
    y: list[np.ndarray] | None
    sample_weight: list[np.ndarray | None] | None

    @property
    def size(self) -> int:
        """The number of samples."""
        return len(self.x[0])


def as_arrays(data: Any, names: Sequence[str], what: str) -> list[np.ndarray]:
    """Return one array per name from an array, a list of arrays, or a dictionary by name.

    Raises:
        ValueError: if their number or names do not fit, or something is no numeric array.
    """
    if isinstance(data, Mapping):
        missing, unknown = [n for n in names if n not in data], [n for n in data if n not in names]
        if missing or unknown:
            raise ValueError(f"{what} is a dictionary with keys {list(data)}; expected {list(names)}.")
        items = [data[name] for name in names]
    elif len(names) == 1:
        single = isinstance(data, list | tuple) and len(data) == 1 and hasattr(data[0], "shape")
        items = [data[0] if single else data]
    elif isinstance(data, list | tuple):
        items = list(data)
    else:
        raise ValueError(f"{what} is one array, but the model has {len(names)}: {list(names)}; pass a list of arrays.")
    if len(items) != len(names):
        raise ValueError(f"{what} has {len(items)} arrays, but the model has {len(names)}: {list(names)}.")
    return [_as_array(item, what) for item in items]


def _as_array(item: Any, what: str) -> np.ndarray:
    try:
        array = np.asarray(item)
    except ValueError as error:
        raise ValueError(f"{what} is not an array of numbers: {error}.") from error
    if array.dtype == object or array.dtype.kind not in "buif":
        raise ValueError(f"{what} has type {array.dtype}; expected numbers.")
    if array.ndim == 0:
        raise ValueError(f"{what} is a single number; expected an array with the samples along its first axis.")
    return array


class ArrayBatches:
    """Batches cut from whole arrays.

    Args:
        x: input arrays of equal length.
        y: target arrays, one per output, or None.
        sample_weight: a weight per sample for every output, or None.
        batch_size: samples per batch; the last batch has the rest.
        shuffle: whether every epoch has an order of its own.

    Raises:
        ValueError: if the arrays are empty or of unequal length.
    """

    def __init__(
        self,
        x: list[np.ndarray],
        y: list[np.ndarray] | None = None,
        sample_weight: list[np.ndarray | None] | None = None,
        batch_size: int = 32,
        shuffle: bool = False,
    ) -> None:
        if not isinstance(batch_size, int | np.integer) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"batch_size is a positive integer; got {batch_size!r}.")
        lengths = {len(array) for array in [*x, *(y or []), *(w for w in sample_weight or [] if w is not None)]}
        if len(lengths) > 1:
            parts = [("x", x), ("y", y or []), ("sample_weight", [w for w in sample_weight or [] if w is not None])]
            found = ", ".join(f"{name} {len(array)}" for name, arrays in parts for array in arrays)
            raise ValueError(f"the arrays have unequal numbers of samples: {found}.")
        if lengths == {0}:
            raise ValueError("the data is empty: x has 0 samples.")
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.samples = len(x[0])

    def __len__(self) -> int:
        return -(-self.samples // self.batch_size)

    def epoch(self, seed: int = 0, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch from number ``start`` on; the order depends on ``seed`` and ``epoch`` only.

        A shuffled batch holds ``Rows``, which are collected in memory that the next batch overwrites.
        """
        take = _Shuffled(generator(seed, epoch).permutation(self.samples)) if self.shuffle else _sliced
        for first in range(start * self.batch_size, self.samples, self.batch_size):
            part = slice(first, first + self.batch_size)
            yield Batch(
                [take(array, part) for array in self.x],
                None if self.y is None else [np.asarray(take(array, part)) for array in self.y],
                None
                if self.sample_weight is None
                else [None if weight is None else np.asarray(take(weight, part)) for weight in self.sample_weight],
            )


def _sliced(array: np.ndarray, part: slice) -> Any:
    return array[part]


class _Shuffled:
    """Takes parts of arrays in an order, those of one array into one buffer."""

    def __init__(self, order: np.ndarray) -> None:
        self.order = order
        self.buffers: dict[int, np.ndarray] = {}

    def __call__(self, array: np.ndarray, part: slice) -> Any:
        chosen = self.order[part]
        if id(array) not in self.buffers:
            self.buffers[id(array)] = np.empty((len(chosen), *array.shape[1:]), array.dtype)
        return Rows(array, chosen, self.buffers[id(array)])


class IterableBatches:
    """Batches that a user's iterable gives: ``x``, ``(x, y)`` or ``(x, y, sample_weight)`` each.

    Args:
        source: an iterable; one with ``__getitem__`` and ``__len__`` is begun anew every epoch, so is one whose
            iterators are independent; a generator goes on where it was.
        unpack: turns ``(x, y, sample_weight)`` into a ``Batch``.
        steps: how many batches make an epoch, or None for all.
    """

    def __init__(
        self, source: Iterable[Any], unpack: Callable[[Any, Any, Any], Batch], steps: int | None = None
    ) -> None:
        self.source = source
        self.unpack = unpack
        self.steps = steps
        self._running: Iterator[Any] | None = None

    def __len__(self) -> int:
        return self.steps or (len(self.source) if isinstance(self.source, Sized) else 0)

    def epoch(self, seed: int = 0, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch, without the first ``start``."""
        goes_on = self.steps is not None or iter(self.source) is self.source
        if self._running is None or not goes_on:
            self._running = self._items()
        for number in range(self.steps) if self.steps else iter(int, 1):
            item = next(self._running, None)
            if item is None and self.steps and number:
                self._running = self._items()
                item = next(self._running, None)
            if item is None:
                self._running = None
                return
            if start > 0:
                start -= 1
                continue
            parts = item if isinstance(item, tuple) else (item,)
            if len(parts) > 3:
                raise ValueError(f"a batch is x, (x, y) or (x, y, sample_weight); got {len(parts)} parts.")
            yield self.unpack(*parts, *(None,) * (3 - len(parts)))

    def _items(self) -> Iterator[Any]:
        source: Any = self.source
        if not hasattr(source, "__iter__") and hasattr(source, "__getitem__"):
            return (source[index] for index in range(len(source)))
        return iter(source)


def is_batches(x: Any) -> bool:
    """Whether ``x`` is an iterable of batches rather than arrays."""
    if isinstance(x, np.ndarray | list | tuple | Mapping) or hasattr(x, "__array__") or np.isscalar(x):
        return False
    return hasattr(x, "__iter__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def make_batches(
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool = False,
    steps: int | None = None,
    class_weight: Mapping[int, float] | None = None,
) -> ArrayBatches | IterableBatches:
    """Turn the data arguments of ``fit``, ``evaluate`` and ``predict`` into batches for this model.

    Raises:
        ValueError: for data that does not fit the model, with what was found and expected.
    """

    def unpack(x: Any, y: Any, sample_weight: Any) -> Batch:
        xs = model.standardize_inputs(x)
        ys = None if y is None else as_arrays(y, model.output_names, "y")
        return Batch(xs, ys, _weights(model, ys, sample_weight, class_weight))

    if is_batches(x):
        if y is not None or sample_weight is not None:
            raise ValueError("x is an iterable of batches, which hold y and sample_weight; do not pass them too.")
        return IterableBatches(x, unpack, steps)
    whole = unpack(x, y, sample_weight)
    batches = ArrayBatches(whole.x, whole.y, whole.sample_weight, 32 if batch_size is None else batch_size, shuffle)
    if steps is not None and steps < len(batches):
        return IterableBatches(_Endless(batches), lambda batch, *_: batch, steps)
    return batches


class _Endless:
    """Epoch after epoch of arrays, for ``steps_per_epoch``."""

    def __init__(self, batches: ArrayBatches) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:
        epoch = 0
        while True:
            yield from self.batches.epoch(0, epoch)
            epoch += 1


def _weights(
    model: Any, ys: list[np.ndarray] | None, sample_weight: Any, class_weight: Mapping[int, float] | None
) -> list[np.ndarray | None] | None:
    if class_weight is not None:
        if len(model.output_names) > 1:
            raise ValueError("class_weight is for models with one output; use sample_weight.")
        if ys is None:
            raise ValueError("class_weight needs y.")
        by_class = class_weights_of(ys[0], class_weight)
        sample_weight = by_class if sample_weight is None else np.asarray(sample_weight) * by_class
    if sample_weight is None:
        return None
    if len(model.output_names) > 1 and not isinstance(sample_weight, list | tuple | Mapping):
        return [np.asarray(sample_weight)] * len(model.output_names)
    return list(as_arrays(sample_weight, model.output_names, "sample_weight"))


def class_weights_of(y: np.ndarray, class_weight: Mapping[int, float]) -> np.ndarray:
    """Return the weight of every sample's class; labels may be one-hot, ``(n, 1)`` or ``(n,)``.

    >>> class_weights_of(np.array([0, 2, 0]), {0: 1.0, 2: 5.0}).tolist()
    [1.0, 5.0, 1.0]
    """
    labels = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else np.round(y.reshape(len(y), -1)[:, 0]).astype(int)
    return np.array([class_weight.get(int(label), 1.0) for label in labels], dtype="float32")


def split_off(arrays: Any, fraction: float) -> tuple[Any, Any]:
    """Split arrays (or lists or dictionaries of them) into all but the last ``fraction`` of the samples, and those."""
    if arrays is None:
        return None, None
    if isinstance(arrays, Mapping):
        pairs = {key: split_off(value, fraction) for key, value in arrays.items()}
        return {k: v[0] for k, v in pairs.items()}, {k: v[1] for k, v in pairs.items()}
    if isinstance(arrays, list | tuple) and arrays and hasattr(arrays[0], "shape") and arrays[0].ndim > 0:
        halves = [split_off(value, fraction) for value in arrays]
        return [first for first, _ in halves], [second for _, second in halves]
    array = np.asarray(arrays)
    at = int(np.floor(len(array) * (1.0 - fraction)))
    if at == 0 or at == len(array):
        raise ValueError(f"validation_split={fraction} of {len(array)} samples leaves one side empty.")
    return array[:at], array[at:]
