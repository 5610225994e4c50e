"""A certificate for a network: its numbers recomputed by the reference loops, its gradients checked one by one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from convolens.checking.evidence import Examiner
from convolens.checking.records import LayerRecord, shown

__all__ = ["Certificate", "certify"]


@dataclass
class Certificate:
    """What ``certify`` found. Prints as text and displays as a table in a notebook.

    Attributes:
        model: the model's name.
        layers: a record for each call of a layer, in order.
        examples: how many examples the numbers were recomputed for.
        dtype: the model's own float type, whose rounding is reported.
        kernels: the kernels that were compared, the model's own first.
        peers: the frameworks that were compared with, or why one was not.
        failures: what is wrong with the network as a whole, in sentences.
    """

    model: str
    layers: list[LayerRecord]
    examples: int
    dtype: str
    kernels: list[str]
    peers: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every check of every layer, and of the whole, holds."""
        return not self.failures and all(layer.ok for layer in self.layers)

    @property
    def summary(self) -> str:
        """The certificate in a line."""
        gradients = [gradient for layer in self.layers for gradient in layer.gradients if gradient.parameter]
        total, compared = (sum(getattr(g, name) for g in gradients) for name in ("elements", "compared"))
        verified, kinks = (sum(getattr(g, name) for g in gradients) for name in ("verified", "kinks"))
        line = f"{verified:,} of {total:,} gradient elements verified"
        measured = [gradient for gradient in gradients if gradient.worst_at]
        if measured:
            worst = max(measured, key=lambda gradient: gradient.worst)
            line += f", worst relative error {shown(worst.worst)} at {worst.worst_at}"
        if kinks:
            line += f"; {kinks:,} at kinks"
        if compared < total:
            line += f"; the other {total - compared:,} along random directions"
        wrong = [layer.name for layer in self.layers if not layer.ok]
        if wrong or self.failures:
            line = f"WRONG ({', '.join(dict.fromkeys(wrong)) or 'the network as a whole'}): {line}"
        return line

    @property
    def text(self) -> str:
        """The whole certificate, a block for each layer and the summary last."""
        head = (
            f"Certificate for {self.model}: {self.examples} examples, {self.dtype}, kernels {', '.join(self.kernels)}"
        )
        peers = [f"  {name}: {said}" for name, said in self.peers.items()]
        blocks = [line for layer in self.layers for line in layer.lines()]
        return "\n".join([head, *peers, *blocks, *(f"FAILED  {failure}" for failure in self.failures), self.summary])

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> str:
        """Return everything as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        layers = [{**asdict(layer), "ok": layer.ok} for layer in self.layers]
        return {"ok": self.ok, "summary": self.summary, **asdict(self), "layers": layers}

    def to_html(self) -> str:
        """Return a section to be put into a page: the summary and a table of the layers."""
        from convolens.checking.certificate_page import section

        return section(self)

    def _repr_html_(self) -> str:
        return self.to_html()


def certify(
    model: Any, x: Any, y: Any = None, *, examples: int = 2, seed: int = 0, budget: float = 4e10
) -> Certificate:
    """Prove a network's numbers right, or say where they are not.

    For the first few examples of ``x`` the network is recomputed by the reference loops in float64. For each layer:

    - its output is compared with the model's own (its float type and kernels): the growth of rounding errors;
    - its forward and backward are compared between all kernels, in float64;
    - each element of its gradients is compared with finite differences, on the values it meets in the network, in
      inference and, where that differs (batch normalisation, dropout), in training; a kink (ReLU at 0, a tie) is told
      from an error. Where a layer is too large for that, a seeded sample and random directions through all elements
      are compared, and the record says so;
    - it is compared with PyTorch and Keras, forward and backward, where they are installed.

    At last the gradient of the whole loss is compared with finite differences, and the gradients of the fused steps
    that training runs with those of the reference loops.

    Args:
        model: a model; compiled, if ``y`` is given.
        x: inputs, as for ``predict``.
        y: targets; without them the gradient of a random projection of the output is checked.
        examples: how many examples to take; 2 or more let batch normalisation be checked in training.
        seed: of samples and directions.
        budget: multiply-adds that each layer's element-by-element check may take; above, a sample is checked.

    Returns:
        The certificate. What is wrong is in it; nothing is raised for it.

    Raises:
        ValueError: if ``x`` or ``y`` do not fit the model, or there is no example.

    >>> import convolens as cl, numpy as np
    >>> model = cl.Sequential([cl.Input((5, 5, 1)), cl.layers.Conv2D(2, 3), cl.layers.Flatten(), cl.layers.Dense(1)])
    >>> certificate = cl.certify(model, np.random.default_rng(0).normal(size=(2, 5, 5, 1)))
    >>> certificate.ok, certificate.summary.split(",")[0]
    (True, '39 of 39 gradient elements verified')
    """
    examiner = Examiner(model, x, y, examples, seed, budget)
    layers = examiner.examine_layers()
    failures = examiner.examine_whole()
    names = [examiner.own_kernels, *(name for name in examiner.kernels if name != examiner.own_kernels)]
    return Certificate(model.name, layers, examiner.examples, str(model.dtype), names, examiner.peers, failures)
