"""Adam's rule over the flat vectors of parameters, in one pass."""

from __future__ import annotations

import numpy as np

from convolens import config
from convolens.kernels.compiled import cells
from convolens.kernels.compiled.threads import parallel

__all__ = ["adam_update"]

_WORTH_A_THREAD = 1 << 18  # elements; waking a thread costs what 100,000 take


def adam_update(
    w: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray,
    *, alpha: float, beta_1: float, beta_2: float, epsilon: float,
) -> None:  # fmt: skip
    """Move ``w`` and the running means ``m`` and ``v`` in place: see ``convolens.optimizers.Adam``.

    Args:
        w: parameters, ``(size,)``, like the other vectors.
        g: their gradients.
        m: running means of the gradients.
        v: running means of their squares.
        alpha: the learning rate with the correction of the means' beginning.
        beta_1, beta_2: how slowly the means forget.
        epsilon: keeps the division finite.
    """
    number = w.dtype.type
    scalars = number(alpha), number(1 - beta_1), number(1 - beta_2), number(epsilon)
    parts = min(config.get_num_threads(), 1 + w.size // _WORTH_A_THREAD)

    def work(part: int) -> None:
        cells.adam(w, g, m, v, *scalars, part * w.size // parts, (part + 1) * w.size // parts)

    parallel(work, parts)
