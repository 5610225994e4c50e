"""A certificate as a section of a page: the summary, and a table with a row for each layer."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from convolens.checking.records import shown

if TYPE_CHECKING:
    from convolens.checking.certificate import Certificate
    from convolens.checking.records import LayerRecord

__all__ = ["section"]

_STYLE = """
.cl-certificate { font: 15px/1.5 system-ui, sans-serif; overflow-x: auto; }
.cl-certificate table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9em; }
.cl-certificate th, .cl-certificate td { text-align: left; padding: .25rem .8rem .25rem 0; vertical-align: top;
  border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.cl-certificate .wrong { color: #b3261e; font-weight: 600; }
.cl-certificate .right { color: #1a7f4b; font-weight: 600; }
.cl-certificate small { opacity: .75; }
@media (prefers-color-scheme: dark) {
  .cl-certificate .wrong { color: #ff8a80; } .cl-certificate .right { color: #5fc490; } }
"""


def section(certificate: Certificate) -> str:
    """Return the section."""
    said = "; ".join(f"{name}: {words}" for name, words in certificate.peers.items())
    about = (
        f"{certificate.examples} examples, {certificate.dtype}, kernels {', '.join(certificate.kernels)}. {said}. "
        "Reference: the textbook loops in float64."
    )
    heads = ("layer", "", "own arithmetic", "kernels and frameworks", "gradients, against finite differences")
    rows = "".join(_row(layer) for layer in certificate.layers)
    failures = "".join(f'<p class="wrong">{escape(failure)}</p>' for failure in certificate.failures)
    verdict = "right" if certificate.ok else "wrong"
    return (
        f'<style>{_STYLE}</style><section class="cl-certificate"><p class="{verdict}">{escape(certificate.summary)}</p>'
        f"<p><small>{escape(about)}</small></p>{failures}"
        f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{rows}</table></section>"
    )


def _row(layer: LayerRecord) -> str:
    verdict = '<span class="right">ok</span>' if layer.ok else '<span class="wrong">wrong</span>'
    own = f"output {shown(layer.own_error)}"
    if layer.own_gradient_error is not None:
        own += f"<br>gradient {shown(layer.own_gradient_error)}"
    agree = "<br>".join(f"{escape(name)} {shown(value)}" for name, value in {**layer.kernels, **layer.peers}.items())
    gradients = "<br>".join(
        f"d{escape(one.name)} ({one.mode}): {one.how}, worst {shown(one.worst)}"
        + (f", {one.kinks:,} at kinks" if one.kinks else "")
        for one in layer.gradients
    )
    failures = "".join(f'<br><span class="wrong">{escape(failure)}</span>' for failure in layer.failures)
    name = f"{escape(layer.name)}<br><small>{escape(layer.kind)}</small>"
    cells = (name, verdict, own, agree, gradients + failures)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
