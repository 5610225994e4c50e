"""Where random numbers come from: one seed for the library, and a generator for every purpose.

Nothing in the library uses NumPy's global state. Whatever was not given a seed of its own (initial weights, the order
of the training images, dropout masks) starts from :func:`next_seed`; :func:`set_seed` makes that sequence repeatable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

__all__ = ["generator", "next_seed", "seeded", "set_seed"]

_seeds = np.random.default_rng()


def set_seed(seed: int) -> None:
    """Restart the sequence of seeds, so that what follows can be repeated bit for bit.

    Raises:
        ValueError: if ``seed`` is not an integer of at least 0.
    """
    global _seeds
    _seeds = np.random.default_rng(checked(seed))


def next_seed() -> int:
    """Return the next seed, below 2**32; from the system's entropy if ``set_seed`` was never called."""
    return int(_seeds.integers(2**32))


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let what runs in the block draw from this seed, and put the library's own sequence of seeds back afterwards.

    >>> with seeded(7):
    ...     first = next_seed()
    >>> with seeded(7):
    ...     first == next_seed()
    True
    """
    global _seeds
    before = _seeds
    set_seed(seed)
    try:
        yield
    finally:
        _seeds = before


def generator(*key: int) -> np.random.Generator:
    """Return a generator that depends on the integers of ``key`` alone: ``generator(seed, node, step)``.

    Philox is counter-based, so generators of neighbouring keys are independent (Salmon et al., 2011).

    >>> bool(generator(3, 1).random() == generator(3, 1).random())
    True
    """
    # The length is part of it, because a SeedSequence takes (3,) and (3, 0) for the same.
    entropy = [len(key), *(checked(part) for part in key)]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


def checked(seed: int) -> int:
    """Return ``seed`` as an int, or raise the ``ValueError`` that says what a seed is."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"a seed is an integer of at least 0; got {seed!r}.")
    return int(seed)
