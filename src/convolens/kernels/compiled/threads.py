"""A few threads that wait for work between steps; compiled kernels let them run side by side."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

__all__ = ["parallel"]


class _Worker:
    """A thread that runs one function at a time."""

    def __init__(self) -> None:
        self._asked = threading.Lock()
        self._done = threading.Lock()
        self._asked.acquire()
        self._done.acquire()
        self._work: Callable[[], None] | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._serve, daemon=True, name="convolens").start()

    def _serve(self) -> None:
        while True:
            self._asked.acquire()
            try:
                assert self._work is not None
                self._work()
            except BaseException as error:
                self._error = error
            self._done.release()

    def begin(self, work: Callable[[], None]) -> None:
        self._work = work
        self._asked.release()

    def wait(self) -> None:
        self._done.acquire()
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

    Raises:
        Exception: the first that a call raised, after all have ended.
    """
    if count == 1:
        work(0)
        return
    with _borrow:
        workers = [_idle.pop() if _idle else _Worker() for _ in range(count - 1)]
    for number, worker in enumerate(workers, start=1):
        worker.begin(lambda number=number: work(number))  # type: ignore[misc]
    errors: list[BaseException] = []
    try:
        work(0)
    except BaseException as error:
        errors.append(error)
    for worker in workers:
        try:
            worker.wait()
        except BaseException as error:
            errors.append(error)
    with _borrow:
        _idle.extend(workers)
    if errors:
        raise errors[0]
