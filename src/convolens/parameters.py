"""The variables of a model as one contiguous vector, so that an optimiser moves them all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from convolens.variable import Variable

__all__ = ["ParameterVector", "pack"]


class ParameterVector:
    """Variables of one dtype packed side by side.

    ``values`` holds the contents of all variables, and each ``variable.value`` becomes a view into it: layers and users
    see arrays of the usual shapes, the optimiser sees one vector. ``gradients`` is its twin for the derivatives.

    Args:
        variables: at least one, all of one dtype. Their contents are kept.

    Attributes:
        values: ``(size,)``, the parameters.
        gradients: ``(size,)``, d loss / d values.
        slices: where each variable lies in the vector.
        gradient_views: one view of ``gradients`` per variable, in its shape.

    >>> w, b = Variable(np.ones((2, 2))), Variable(np.zeros(2))
    >>> vector = ParameterVector([w, b])
    >>> vector.values[:] += 1
    >>> b.value
    array([1., 1.])
    """

    def __init__(self, variables: Sequence[Variable]) -> None:
        dtypes = sorted({variable.dtype for variable in variables})
        if len(dtypes) != 1:
            raise ValueError(f"a parameter vector has variables of one dtype; got {dtypes}.")
        self.variables = list(variables)
        ends = np.cumsum([variable.size for variable in self.variables]).tolist()
        self.slices = [slice(end - variable.size, end) for variable, end in zip(self.variables, ends, strict=True)]
        self.values = np.empty(ends[-1], dtypes[0])
        self.gradients = np.zeros_like(self.values)
        self.gradient_views = self.views(self.gradients)
        self._value_views = self.views(self.values)
        self.attach()

    def views(self, flat: np.ndarray) -> list[np.ndarray]:
        """Return one view of a vector of this size per variable, in the variable's shape."""
        return [flat[at].reshape(variable.shape) for variable, at in zip(self.variables, self.slices, strict=True)]

    def attach(self) -> None:
        """Take over every variable whose array lies elsewhere, for another vector may have packed it since."""
        for variable, view in zip(self.variables, self._value_views, strict=True):
            if variable.value is not view:
                view[...] = variable.value
                variable.value = view

    def runs(self, chosen: Iterable[bool]) -> list[slice]:
        """Return the chosen variables' slices, neighbours joined."""
        runs: list[slice] = []
        for at, wanted in zip(self.slices, chosen, strict=True):
            if wanted and runs and runs[-1].stop == at.start:
                runs[-1] = slice(runs[-1].start, at.stop)
            elif wanted:
                runs.append(at)
        return runs


def pack(variables: Iterable[Variable]) -> list[ParameterVector]:
    """Pack variables into one vector per dtype, in order of first appearance."""
    by_dtype: dict[str, list[Variable]] = {}
    for variable in variables:
        by_dtype.setdefault(variable.dtype, []).append(variable)
    return [ParameterVector(group) for group in by_dtype.values()]
