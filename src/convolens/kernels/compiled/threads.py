"""A few threads that wait for work between steps; compiled kernels let them run side by side.

A thread that sleeps is slow to wake: on a virtual machine its processor may be halted, and the scheduler then runs it
on the one that woke it, in turns with the waker. So who waits looks for a while whether its turn has come, longer than
most pauses of a training step between two segments, and only then sleeps.
"""

from __future__ import annotations

import os
import platform
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from convolens import config
from convolens.kernels.compiled.emit import intrinsic, pointer
from convolens.kernels.compiled.jit import kernel

__all__ = ["Offers", "own_shares", "parallel", "workspace"]

_LOOKS = 40_000  # some tenths of a millisecond
_HAS_PAUSE = platform.machine() in ("x86_64", "AMD64")


@intrinsic
def _look(typingctx: Any, counter: Any) -> Any:
    """Return a counter's number as memory has it now, after a pause of some nanoseconds."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if _HAS_PAUSE:
            nothing = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, nothing, "llvm.x86.sse2.pause"), [])
        return builder.load_atomic(pointer(context, builder, signature.args[0], args[0]), "acquire", 8)

    return types.int64(counter), code


@kernel
def _watch(counter: Any, seen: Any, looks: Any) -> None:
    """Wait until a counter is no longer what it was when it was ``seen``, but not longer than for so many looks."""
    for _ in range(looks):
        if _look(counter) != seen[0]:
            return


class _Turn:
    """Something that one thread waits for and another gives: a lock, with a counter to look at before sleeping."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._given, self._taken = np.zeros(1, np.int64), np.zeros(1, np.int64)

    def give(self) -> None:
        self._lock.release()
        self._given[0] += 1

    def take_back(self) -> bool:
        """Whether what was given is still there; then it is no more."""
        if not self._lock.acquire(blocking=False):
            return False
        self._given[0] -= 1
        return True

    def take(self, looks: int) -> None:
        _watch(self._given, self._taken, looks)
        self._lock.acquire()
        self._taken[0] += 1


class _Worker:
    """A thread that runs one function at a time."""

    def __init__(self) -> None:
        self._asked, self._done = _Turn(), _Turn()
        self._work: Callable[[], None] | None = None
        self._looks = 0
        self._error: BaseException | None = None
        threading.Thread(target=self._serve, daemon=True, name="convolens").start()

    def _serve(self) -> None:
        while True:
            self._asked.take(self._looks)
            try:
                assert self._work is not None
                self._work()
            except BaseException as error:
                self._error = error
            self._done.give()

    def begin(self, work: Callable[[], None], looks: int) -> None:
        self._work, self._looks = work, looks
        self._asked.give()

    def give_up(self) -> bool:
        """Whether the work was not begun; then it never is."""
        idle = self._asked.take_back()
        if idle:
            self._work = None
        return idle

    def wait(self) -> None:
        self._done.take(self._looks)
        self._work = None
        error, self._error = self._error, None
        if error is not None:
            raise error


_idle: list[_Worker] = []
_borrow = threading.Lock()


def _forget() -> None:
    """In a forked process no thread of the parent lives on."""
    global _borrow
    _idle.clear()
    _borrow = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def parallel(work: Callable[[int], None], count: int) -> None:
    """Call ``work(0)`` ... ``work(count - 1)`` side by side, the first on the calling thread.

    So are those that no other thread has begun by then: on a machine that is busy with other things, a thread may wait
    for milliseconds until a core is given to it.

    Raises:
        Exception: the first that a call raised, after all have ended.
    """
    if count == 1:
        work(0)
        return
    with _borrow:
        workers = [_idle.pop() if _idle else _Worker() for _ in range(count - 1)]
    # With more threads than cores, who looks would be in the way of who works.
    looks = _LOOKS if count <= config.available_cores() else 0
    for number, worker in enumerate(workers, start=1):
        worker.begin(partial(work, number), looks)
    errors: list[BaseException] = []
    try:
        work(0)
    except BaseException as error:
        errors.append(error)
    for number, worker in enumerate(workers, start=1):
        try:
            if worker.give_up():
                work(number)
            else:
                worker.wait()
        except BaseException as error:
            errors.append(error)
    with _borrow:
        _idle.extend(workers)
    if errors:
        raise errors[0]


def own_shares(count: int, worker: int, workers: int) -> list[int]:
    """Return which of ``count`` shares of a work are this thread's, in the order that ``Offers`` asks for.

    >>> own_shares(8, 0, 2), own_shares(8, 1, 2)
    ([0, 1, 2, 3], [7, 6, 5, 4])
    """
    shares = list(range(worker * count // workers, (worker + 1) * count // workers))
    return shares[::-1] if worker % 2 else shares


class Offers:
    """Shares that are not begun: a thread takes its own, then what its neighbour has left.

    Neighbours work towards each other, so that what each has taken is one range; a thread whose core is busy with other
    things gives shares away.
    """

    def __init__(self, workers: int) -> None:
        self._offered: list[deque[int]] = [deque() for _ in range(workers)]

    def taken(self, worker: int, shares: list[int]) -> Iterator[int]:
        """Yield a thread's own shares, which are ready from now on, and its neighbour's; each goes to one thread."""
        own = self._offered[worker]
        own.extend(shares)
        with suppress(IndexError):
            while True:
                yield own.popleft()
        neighbour = worker ^ 1
        with suppress(IndexError):
            while neighbour < len(self._offered):
                yield self._offered[neighbour].pop()


class _Kept(threading.local):
    """Every thread's own memory for what a kernel needs while it runs."""

    def __init__(self) -> None:
        self.arrays: dict[np.dtype[Any], np.ndarray] = {}


_kept = _Kept()


def workspace(count: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Return room for so many numbers, this thread's own until its next call; fresh memory costs as much as sums."""
    array = _kept.arrays.get(dtype)
    if array is None or array.size < count:
        array = _kept.arrays[dtype] = np.zeros(count, dtype)
    return array
