"""Stopping code that does not end by itself."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["OutOfTime", "deadline"]


class OutOfTime(BaseException):
    """Raised inside code that has used up its time. No ``Exception``, so that ``except Exception`` lets it pass."""


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise ``OutOfTime`` in the block's code when it has run this long, and again while it goes on.

    Works in the main thread and stops Python code, not a single long call into compiled code; elsewhere it does
    nothing. Ctrl-C keeps its meaning.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    over, done = threading.Event(), threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not over.is_set():
            raise KeyboardInterrupt
        if not done.is_set():
            raise OutOfTime

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            over.set()
            _thread.interrupt_main()
            wait = 0.2

    previous = signal.signal(signal.SIGINT, interrupt)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        signal.signal(signal.SIGINT, previous)
