"""Mistakes with windows, sizes and padding, which several functions share."""

from __future__ import annotations

__all__ = ["SAME", "SIZES", "SLICE", "WINDOWS", "Edit", "any_of", "each"]

Edit = tuple[tuple[str, str], ...]
"""Lines of the plain solution, old and new. ``{sh} {sw} {kh} {kw} {ph} {pw}`` stand for the dialect's names of strides,
window sizes and pads; an edit whose lines are not in a dialect's solution is left out there."""

SLICE = "vert_start:vert_end, horiz_start:horiz_end"
_VERTICAL, _HORIZONTAL = ("vert_start = h * {sh}", "vert_start = h"), ("horiz_start = w * {sw}", "horiz_start = w")
_SWAPPED = "horiz_start:horiz_end, vert_start:vert_end"
_PH = "ph = int(np.ceil(((n_H_prev - 1) * sh + kh - n_H_prev) / 2))"
_PW = "pw = int(np.ceil(((n_W_prev - 1) * sw + kw - n_W_prev) / 2))"


def each(*edits: tuple[str, str]) -> list[Edit]:
    """All of the edits together, and each alone."""
    return [edits, *((edit,) for edit in edits)]


def any_of(olds: tuple[str, ...], *news: str) -> list[Edit]:
    """Each old line with each new one in its stead; ``{old}`` in a new one is the old one."""
    return [((old, new.replace("{old}", old)),) for old in olds for new in news]


WINDOWS: dict[str, list[Edit]] = {
    "stride ignored": [
        *each(_VERTICAL, _HORIZONTAL),
        (('stride = hparameters["stride"]', "stride = 1"),),
        (("sh, sw = stride", "sh, sw = 1, 1"),),
    ],
    "one index used for rows and columns": [
        (("horiz_start = w * {sw}", "horiz_start = h * {sw}"),),
        (("vert_start = h * {sh}", "vert_start = w * {sh}"),),
    ],
    "stride of one direction used for both": [
        (("vert_start = h * {sh}", "vert_start = h * {sw}"), ("horiz_start = w * {sw}", "horiz_start = w * {sh}")),
        (("sh, sw = stride", "sh = sw = stride[0]"),),
        (("sh, sw = stride", "sh = sw = stride[1]"),),
        (("sh, sw = stride", "sw, sh = stride"),),
    ],
    "height and width swapped": [
        ((SLICE, _SWAPPED),),
        (("vert_start = h * {sh}", "vert_start = w * {sh}"), ("horiz_start = w * {sw}", "horiz_start = h * {sw}")),
        (("kh, kw = kernel_shape", "kw, kh = kernel_shape"),),
        (("kh, kw, n_C_prev, n_C = W.shape", "kw, kh, n_C_prev, n_C = W.shape"),),
    ],
    "window of the wrong size": [
        (
            ("vert_end = vert_start + {kh}", "vert_end = vert_start + {kh} - 1"),
            ("horiz_end = horiz_start + {kw}", "horiz_end = horiz_start + {kw} - 1"),
        ),
        (
            ("vert_end = vert_start + {kh}", "vert_end = vert_start + {kh} + 1"),
            ("horiz_end = horiz_start + {kw}", "horiz_end = horiz_start + {kw} + 1"),
        ),
    ],
    "window ends at the stride": each(
        ("vert_end = vert_start + {kh}", "vert_end = vert_start + {sh}"),
        ("horiz_end = horiz_start + {kw}", "horiz_end = horiz_start + {sw}"),
    ),
    "window starts at the wrong place": [
        (
            ("vert_start = h * {sh}", "vert_start = h * {sh} + 1"),
            ("horiz_start = w * {sw}", "horiz_start = w * {sw} + 1"),
        ),
    ],
    "only the first image used": [
        (("A_prev_pad[i,", "A_prev_pad[0,"),),
        (("A_prev[i,", "A_prev[0,"),),
    ],
}

SIZES: dict[str, list[Edit]] = {
    "wrong output size": [
        (("// {sh} + 1", "// {sh}"), ("// {sw} + 1", "// {sw}")),
        *each(
            ("(n_H_prev - {kh} + 2 * {ph}) // {sh} + 1", "-(-(n_H_prev - {kh} + 2 * {ph}) // {sh}) + 1"),
            ("(n_W_prev - {kw} + 2 * {pw}) // {sw} + 1", "-(-(n_W_prev - {kw} + 2 * {pw}) // {sw}) + 1"),
        ),
        *each(
            ("n_H_prev - {kh} + 2 * {ph})", "n_H_prev - {kh} + {ph})"),
            ("n_W_prev - {kw} + 2 * {pw})", "n_W_prev - {kw} + {pw})"),
        ),
        *each(("n_H_prev - {kh} + 2 * {ph})", "n_H_prev - {kh})"), ("n_W_prev - {kw} + 2 * {pw})", "n_W_prev - {kw})")),
        (
            ("n_H = (n_H_prev - {kh} + 2 * {ph}) // {sh} + 1", "n_H = n_H_prev"),
            ("n_W = (n_W_prev - {kw} + 2 * {pw}) // {sw} + 1", "n_W = n_W_prev"),
        ),
        (("2 * {ph}) // {sh}", "2 * {ph}) // 1"), ("2 * {pw}) // {sw}", "2 * {pw}) // 1")),
        *each(
            ("(n_H_prev - {kh}) // {sh} + 1", "-(-(n_H_prev - {kh}) // {sh}) + 1"),
            ("(n_W_prev - {kw}) // {sw} + 1", "-(-(n_W_prev - {kw}) // {sw}) + 1"),
        ),
        (
            ("n_H = (n_H_prev - {kh}) // {sh} + 1", "n_H = n_H_prev // {sh}"),
            ("n_W = (n_W_prev - {kw}) // {sw} + 1", "n_W = n_W_prev // {sw}"),
        ),
        (("n_H_prev - {kh}) // {sh}", "n_H_prev - {kh}) // 1"), ("n_W_prev - {kw}) // {sw}", "n_W_prev - {kw}) // 1")),
    ],
    "height and width swapped": [
        *each(("n_H = (n_H_prev", "n_H = (n_W_prev"), ("n_W = (n_W_prev", "n_W = (n_H_prev")),
        (("m, n_H_prev, n_W_prev, n_C_prev = A_prev.shape", "m, n_W_prev, n_H_prev, n_C_prev = A_prev.shape"),),
        (("m, n_H_prev, n_W_prev, n_C = A_prev.shape", "m, n_W_prev, n_H_prev, n_C = A_prev.shape"),),
    ],
}

SAME: dict[str, list[Edit]] = {
    "padding rounded down": each(
        (_PH, "ph = ((n_H_prev - 1) * sh + kh - n_H_prev) // 2"),
        (_PW, "pw = ((n_W_prev - 1) * sw + kw - n_W_prev) // 2"),
    ),
    "padding ignores the stride": [
        *each((_PH, "ph = (kh - 1) // 2"), (_PW, "pw = (kw - 1) // 2")),
        ((_PH, "ph = kh // 2"), (_PW, "pw = kw // 2")),
    ],
    "padding with one cell too many": each(
        (_PH, "ph = ((n_H_prev - 1) * sh + kh - n_H_prev) // 2 + 1"),
        (_PW, "pw = ((n_W_prev - 1) * sw + kw - n_W_prev) // 2 + 1"),
    ),
    "padding as in Keras": each(
        (_PH, "ph = max((-(-n_H_prev // sh) - 1) * sh + kh - n_H_prev, 0) // 2"),
        (_PW, "pw = max((-(-n_W_prev // sw) - 1) * sw + kw - n_W_prev, 0) // 2"),
    ),
    "padding ignored": [(('if padding == "same":', "if False:"),), (('if padding == "same":', "if True:"),)],
}
