"""The library's random numbers: repeatable where a seed was set, different where none was."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from convolens import initializers, random


def test_a_seed_repeats_the_sequence() -> None:
    random.set_seed(7)
    first = [random.next_seed() for _ in range(5)]
    random.set_seed(7)
    assert [random.next_seed() for _ in range(5)] == first
    assert len(set(first)) == 5
    random.set_seed(8)
    assert random.next_seed() != first[0]


def test_without_a_seed_two_processes_differ() -> None:
    command = [sys.executable, "-c", "from convolens import random; print(random.next_seed())"]
    assert len({subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)}) == 2


def test_numpys_global_state_is_neither_read_nor_changed() -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    random.set_seed(1)
    first = initializers.HeNormal()((4, 4))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(5)
    random.set_seed(1)
    np.testing.assert_array_equal(initializers.HeNormal()((4, 4)), first)


def test_a_generator_depends_on_its_key_alone() -> None:
    draws = {key: random.generator(*key).random() for key in [(0,), (1,), (0, 0), (0, 1), (1, 0)]}
    assert len(set(draws.values())) == len(draws)
    random.set_seed(3)
    assert random.generator(0, 1).random() == draws[0, 1]


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(ValueError, match="a seed is an integer of at least 0"):
        random.set_seed(seed)
