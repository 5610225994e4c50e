"""What a certificate says about a layer and about a gradient."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["GRADIENT", "GradientRecord", "LayerRecord", "shown"]

GRADIENT = 1e-5
"""The largest relative error of a derivative that is let pass, as in ``check_gradients``."""


def shown(difference: float) -> str:
    """Return a difference in a few characters.

    >>> shown(3.2e-9), shown(0.0)
    ('3e-9', 'exact')
    """
    return f"{difference:.0e}".replace("e-0", "e-") if difference else "exact"


@dataclass
class GradientRecord:
    """How the gradient of one parameter (or input) of a layer was checked.

    Attributes:
        name: ``"kernel"``, or ``"input"``.
        parameter: whether it is a parameter's.
        mode: ``"inference"`` or ``"training"``.
        elements: how many elements it has (counted once per parameter, in its first record).
        compared: how many were compared one by one.
        kinks: how many of these are at kinks.
        wrong: how many of these are wrong.
        how: ``"every element"``, or what was done instead.
        worst: the largest relative error away from kinks.
        worst_at: where that is: ``"conv2d_1/kernel[2, 1, 0, 7]"``; empty if nothing was compared.
    """

    name: str
    parameter: bool
    mode: str
    elements: int
    compared: int
    kinks: int
    wrong: int
    how: str
    worst: float = 0.0
    worst_at: str = ""

    @property
    def verified(self) -> int:
        """How many elements were compared and are right."""
        return self.compared - self.kinks - self.wrong


@dataclass
class LayerRecord:
    """What was found about one call of a layer.

    Attributes:
        name: the layer's name.
        kind: its class.
        forward_difference: the largest difference of the model's own output from the reference, as it is.
        own_error: the same in parts of the largest magnitude: the rounding error grown so far.
        own_gradient_error: the same for the gradient by the output; None if the trace did not go back.
        kernels: the largest relative difference from the reference, forward and backward, by the kernels' name.
        gradients: how each gradient was checked.
        peers: the largest relative difference from another framework, by its name.
        failures: what is wrong, in sentences.
    """

    name: str
    kind: str
    forward_difference: float = 0.0
    own_error: float = 0.0
    own_gradient_error: float | None = None
    kernels: dict[str, float] = field(default_factory=dict)
    gradients: list[GradientRecord] = field(default_factory=list)
    peers: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    quantity = "gradient"
    tolerance = GRADIENT

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    @property
    def difference(self) -> float | None:
        """The largest relative error among its gradients; None if it has none."""
        compared = [gradient.worst for gradient in self.gradients if gradient.worst_at]
        return max(compared) if compared else None

    def lines(self) -> list[str]:
        """Return the record as text."""
        agree = ", ".join(f"{name} {shown(difference)}" for name, difference in {**self.kernels, **self.peers}.items())
        back = "" if self.own_gradient_error is None else f", gradient {shown(self.own_gradient_error)}"
        lines = [f"{self.name} ({self.kind}): {'ok' if self.ok else 'WRONG'}"]
        lines.append(
            f"  own arithmetic  output {shown(self.own_error)} (absolute {shown(self.forward_difference)}){back}"
        )
        if agree:
            lines.append(f"  agreement       {agree}")
        for one in self.gradients:
            kinks = f", {one.kinks} at kinks" if one.kinks else ""
            lines.append(f"  d{one.name} ({one.mode}): {one.how}, worst {shown(one.worst)}{kinks}")
        return lines + [f"  FAILED  {failure}" for failure in self.failures]
