"""Files of stubs to start from: the plain solutions without their bodies."""

from __future__ import annotations

import ast

from convolens.checking.exercises import DIALECTS
from convolens.checking.mutants import solution_of

__all__ = ["template"]


def template(dialect: str) -> str:
    """Return a Python file with a stub and a docstring for each function of a dialect.

    Raises:
        ValueError: for an unknown dialect.

    >>> print(template("layer_by_layer").splitlines()[5])
    def conv_forward(A_prev, W, b, activation, padding="same", stride=(1, 1)):
    """
    if dialect not in DIALECTS:
        raise ValueError(f"templates are {' and '.join(DIALECTS)}; got {dialect!r}.")
    source = solution_of(dialect)
    tree = ast.parse(source)
    lines = source.splitlines()
    parts = [f'"""{ast.get_docstring(tree)}"""\n\nimport numpy as np']
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            documented = function.body[0].end_lineno or function.lineno
            head = "\n".join(lines[function.lineno - 1 : documented])
            parts.append(f'{head}\n    raise NotImplementedError("write {function.name} here")')
    return "\n\n\n".join(parts) + "\n"
