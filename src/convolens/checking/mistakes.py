"""Known mistakes: each is a change to a line or two of the plain solution, so that what it computes can be compared."""

from __future__ import annotations

from convolens.checking.edits import SAME, SIZES, SLICE, WINDOWS, Edit, any_of, each

__all__ = ["MISTAKES"]

_STEP_CALL = "conv_single_step(a_slice_prev, W[:, :, :, c], b[:, :, :, c])"
_LAYER_CALL = "np.sum(a_slice_prev * W[:, :, :, c]) + b[0, 0, 0, c]"
_BOTH_CALLS = (_STEP_CALL, _LAYER_CALL)
_PAD_BOTH = "((0, 0), (pad, pad), (pad, pad), (0, 0))"
_CROP = "dA_prev[i] = dA_prev_pad[i, {ph} : {ph} + n_H_prev, {pw} : {pw} + n_W_prev, :]"
_TO_A, _TO_W, _TO_B = (
    f"dA_prev_pad[i, {SLICE}, :] += W[:, :, :, c] * dZ[i, h, w, c]",
    "dW[:, :, :, c] += a_slice * dZ[i, h, w, c]",
    "db[:, :, :, c] += dZ[i, h, w, c]",
)
_MASK = ("mask = create_mask_from_window(a_prev_slice)", "mask = a_prev_slice == np.max(a_prev_slice)")
_SHARE = ("da = distribute_value(dA[i, h, w, c], (f, f))", "da = dA[i, h, w, c] / (kh * kw)")
_FIRST = "np.arange({x}.size).reshape({x}.shape) == np.argmax({x})"
_LAST = "np.arange({x}.size).reshape({x}.shape) == {x}.size - 1 - np.argmax({x}[::-1, ::-1])"

MISTAKES: dict[str, list[dict[str, list[Edit]]]] = {
    "zero_pad": [
        {
            "padding on the wrong axes": any_of(
                (_PAD_BOTH,),
                "((pad, pad), (pad, pad), (0, 0), (0, 0))",
                "((0, 0), (0, 0), (pad, pad), (pad, pad))",
                "pad",
                "((0, 0), (pad, pad), (0, 0), (0, 0))",
                "((0, 0), (0, 0), (pad, pad), (0, 0))",
                "((0, 0), (pad, pad), (0, 0), (pad, pad))",
                "((pad, pad), (0, 0), (0, 0), (pad, pad))",
                "((0, 0), (pad, pad), (pad, pad), (pad, pad))",
                "((pad, pad), (pad, pad), (pad, pad), (0, 0))",
            ),
            "padding on one side only": any_of(
                (_PAD_BOTH,),
                "((0, 0), (pad, 0), (pad, 0), (0, 0))",
                "((0, 0), (0, pad), (0, pad), (0, 0))",
                "((0, 0), (2 * pad, 0), (2 * pad, 0), (0, 0))",
                "((0, 0), (0, 2 * pad), (0, 2 * pad), (0, 0))",
            ),
            "padding of the wrong size": any_of(
                (_PAD_BOTH,),
                "((0, 0), (2 * pad, 2 * pad), (2 * pad, 2 * pad), (0, 0))",
                "((0, 0), (1, 1), (1, 1), (0, 0))",
                "((0, 0), (pad // 2, pad // 2), (pad // 2, pad // 2), (0, 0))",
                "((0, 0), (pad, pad + 1), (pad, pad + 1), (0, 0))",
            ),
            "padding with another value": any_of(
                (_PAD_BOTH,),
                "{old}, constant_values=1",
                "{old}, mode='edge'",
                "{old}, mode='wrap'",
                "{old}, constant_values=-1",
                "{old}, constant_values=pad",
                "{old}, mode='symmetric'",
                "{old}, mode='mean'",
            ),
            "padding ignored": [(("return X_pad", "return X"),)],
        }
    ],
    "conv_single_step": [
        {
            "bias added per product": [
                (("s = a_slice_prev * W", "s = a_slice_prev * W + b"), ("Z = Z + b.item()", "Z = Z + 0"))
            ],
            "bias added per channel": [(("b.item()", "b.item() * W.shape[2]"),)],
            "bias left out": [(("Z = Z + b.item()", "Z = Z + 0"),)],
            "bias subtracted": [(("Z + b", "Z - b"),)],
            "kernel flipped": any_of(
                ("s = a_slice_prev * W",), "s = a_slice_prev * W[::-1, ::-1]", "s = a_slice_prev * W[::-1, ::-1, ::-1]"
            ),
            "kernel transposed": any_of(("s = a_slice_prev * W",), "s = a_slice_prev * W.swapaxes(0, 1)"),
            "only one input channel used": [(("s = a_slice_prev * W", "s = a_slice_prev[:, :, 0] * W[:, :, 0]"),)],
            "product left out": any_of(("s = a_slice_prev * W",), "s = a_slice_prev", "s = a_slice_prev + W", "s = W"),
            "mean instead of sum": [(("np.sum(s)", "np.mean(s)"),)],
            "sum left out": [(("np.sum(s)", "s"),), (("np.sum(s)", "np.max(s)"),)],
            "an activation is applied": [(("return Z", "return max(Z, 0)"),), (("return Z", "return abs(Z)"),)],
            "integer result": [(("return Z", "return int(Z)"),), (("return Z", "return round(Z)"),)],
        }
    ],
    "conv_forward": [
        WINDOWS,
        SIZES,
        SAME,
        {
            "height and width swapped": [(("Z[i, h, w, c]", "Z[i, w, h, c]"),)],
            "unpadded input used": [(("a_slice_prev = A_prev_pad[i,", "a_slice_prev = A_prev[i,"),)],
            "kernel flipped": [(("W[:, :, :, c]", "W[::-1, ::-1, :, c]"),)],
            "kernel transposed": [(("W[:, :, :, c]", "W.swapaxes(0, 1)[:, :, :, c]"),)],
            "bias added per product": any_of(_BOTH_CALLS, "np.sum(a_slice_prev * W[:, :, :, c] + b[0, 0, 0, c])"),
            "bias added per channel": any_of(
                _BOTH_CALLS, "np.sum(np.sum(a_slice_prev * W[:, :, :, c], axis=(0, 1)) + b[0, 0, 0, c])"
            ),
            "bias left out": any_of(_BOTH_CALLS, "np.sum(a_slice_prev * W[:, :, :, c])"),
            "bias added twice": any_of(_BOTH_CALLS, "np.sum(a_slice_prev * W[:, :, :, c]) + 2 * b[0, 0, 0, c]"),
            "bias subtracted": any_of(_BOTH_CALLS, "np.sum(a_slice_prev * W[:, :, :, c]) - b[0, 0, 0, c]"),
            "first bias used for every filter": any_of(
                _BOTH_CALLS, "np.sum(a_slice_prev * W[:, :, :, c]) + b[0, 0, 0, 0]"
            ),
            "first filter used for every output": [(("W[:, :, :, c]", "W[:, :, :, 0]"),)],
            "only one input channel used": any_of(
                _BOTH_CALLS, "np.sum(a_slice_prev[:, :, 0] * W[:, :, 0, c]) + b[0, 0, 0, c]"
            ),
            "= for +=": any_of(_BOTH_CALLS, "np.sum(a_slice_prev[:, :, -1] * W[:, :, -1, c]) + b[0, 0, 0, c]"),
            "mean instead of sum": any_of(_BOTH_CALLS, "np.mean(a_slice_prev * W[:, :, :, c]) + b[0, 0, 0, c]"),
            "an activation is applied": [
                *any_of((_STEP_CALL,), "max({old}, 0)"),
                (("return activation(Z)", "return activation(np.maximum(Z, 0))"),),
            ],
            "activation left out": [(("return activation(Z)", "return Z"),)],
            "activation applied before the bias": [
                (
                    (_LAYER_CALL, "activation(np.sum(a_slice_prev * W[:, :, :, c])) + b[0, 0, 0, c]"),
                    ("return activation(Z)", "return Z"),
                )
            ],
            "only the first image used": [(("A_prev_pad[i,", "A_prev_pad[0,"),)],
        },
    ],
    "pool_forward": [
        WINDOWS,
        SIZES,
        {
            "height and width swapped": [(("A[i, h, w, c]", "A[i, w, h, c]"),)],
            "window over all channels": [((f"{SLICE}, c]", f"{SLICE}, :]"),)],
            "only one input channel used": [((f"{SLICE}, c]", f"{SLICE}, 0]"),)],
            "average not divided": [(("np.mean", "np.sum"),)],
            "average divided twice": [(("np.mean(a_prev_slice)", "np.mean(a_prev_slice) / ({kh} * {kw})"),)],
            "average divided by the wrong number": any_of(
                ("np.mean(a_prev_slice)",),
                "np.sum(a_prev_slice) / {kh}",
                "np.sum(a_prev_slice) / {kw}",
                "np.sum(a_prev_slice) / ({kh} + {kw})",
                "np.sum(a_prev_slice) / 4",
                "np.sum(a_prev_slice) / ({sh} * {sw})",
            ),
            "mode ignored": [
                (("np.mean", "np.max"),),
                (("np.max", "np.mean"),),
                (("np.max", "np.mean"), ("np.mean", "np.max")),
            ],
            "minimum instead of maximum": [(("np.max", "np.min"),)],
            "maximum of absolute values": [
                (("np.max(a_prev_slice)", "np.max(np.abs(a_prev_slice))"),),
                (("np.max(a_prev_slice)", "a_prev_slice.flat[np.argmax(np.abs(a_prev_slice))]"),),
            ],
            "maximum starts from 0": [(("np.max(a_prev_slice)", "max(0, np.max(a_prev_slice))"),)],
        },
    ],
    "conv_backward": [
        WINDOWS,
        SAME,
        {
            "height and width swapped": [
                (("dZ[i, h, w, c]", "dZ[i, w, h, c]"),),
                (("m, n_H, n_W, n_C = dZ.shape", "m, n_W, n_H, n_C = dZ.shape"),),
                (("n_H_prev, {pw} : {pw} + n_W_prev", "n_W_prev, {pw} : {pw} + n_H_prev"),),
            ],
            "unpadded input used": [(("a_slice = A_prev_pad[i,", "a_slice = A_prev[i,"),)],
            "kernel flipped": [
                ((_TO_A, _TO_A.replace("W[:", "W[::-1, ::-1").replace("::-1, ::-1, :, :, c", "::-1, ::-1, :, c")),),
                ((_TO_W, _TO_W.replace("a_slice", "a_slice[::-1, ::-1]")),),
            ],
            "kernel transposed": [
                ((_TO_A, _TO_A.replace("W[", "W.swapaxes(0, 1)[")),),
                ((_TO_W, _TO_W.replace("a_slice", "a_slice.swapaxes(0, 1)")),),
            ],
            "= for +=": [
                *each(*((line, line.replace("+=", "=")) for line in (_TO_A, _TO_W, _TO_B))),
                ((_TO_A, _TO_A.replace("+=", "=")), (_TO_W, _TO_W.replace("+=", "="))),
                ((_TO_W, _TO_W.replace("+=", "=")), (_TO_B, _TO_B.replace("+=", "="))),
            ],
            "batch not summed": [
                *each(
                    ("    for i in range(m):\n", "    for i in range(m):\n        dW = np.zeros(W.shape)\n"),
                    (_TO_B, "db[:, :, :, c] = db[:, :, :, c] * (h + w > 0) + dZ[i, h, w, c]"),
                ),
                (
                    (
                        "    for i in range(m):\n",
                        "    for i in range(m):\n        dW, db = np.zeros(W.shape), np.zeros(b.shape)\n",
                    ),
                ),
                (("    for i in range(m):\n", "    for i in range(m):\n        db = np.zeros(b.shape)\n"),),
                *each(
                    (_TO_W, _TO_W.replace("+= a_slice", "+= (i == 0) * a_slice")),
                    (_TO_B, _TO_B.replace("+= dZ", "+= (i == 0) * dZ")),
                ),
            ],
            "only the first image used": [(("dZ[i, h, w, c]", "dZ[0, h, w, c]"),)],
            "padding cropped on the wrong axes": [
                (("dA_prev, dW, db", "dA_prev_pad[{ph} : len(dA_prev_pad) - {ph}, {pw} : {pw} + n_H_prev], dW, db"),),
                (("dA_prev, dW, db", "dA_prev_pad[:, :, {ph} : {ph} + n_W_prev, {pw} : n_C_prev - {pw}], dW, db"),),
                (("dA_prev, dW, db", "dA_prev_pad[{ph}:-{ph}, {pw}:-{pw}], dW, db"),),
                (("dA_prev, dW, db", "dA_prev_pad[:, :, {ph}:-{ph}, {pw}:-{pw}], dW, db"),),
                ((_CROP, "dA_prev[i] = dA_prev_pad[i, :, {ph}:-{ph}, {pw}:-{pw}]"),),
            ],
            "padding cropped on one side only": [
                ((_CROP, "dA_prev[i] = dA_prev_pad[i, :n_H_prev, :n_W_prev]"),),
                ((_CROP, "dA_prev[i] = dA_prev_pad[i, 2 * {ph} :, 2 * {pw} :]"),),
            ],
            "padding not cropped": [(("dA_prev, dW, db", "dA_prev_pad, dW, db"),), ((_CROP, "pass"),)],
            "[pad:-pad] with pad 0": [
                ((_CROP, "dA_prev[i] = dA_prev_pad[i, {ph}:-{ph}, {pw}:-{pw}, :]"),),
                (("dA_prev, dW, db", "dA_prev_pad[:, {ph}:-{ph}, {pw}:-{pw}], dW, db"),),
            ],
            "wrong window for the weight's gradient": [
                ((_TO_W, "dW[:, :, :, c] += W[:, :, :, c] * dZ[i, h, w, c]"),),
                ((_TO_W, "dW[:, :, :, c] += a_slice"),),
                ((_TO_W, "dW[:, :, :, c] += dZ[i, h, w, c]"),),
            ],
            "wrong factor in the input's gradient": [
                ((_TO_A, _TO_A.replace("W[:, :, :, c]", "a_slice")),),
                ((_TO_A, _TO_A.replace(" * dZ[i, h, w, c]", "")),),
                ((_TO_A, _TO_A.replace("W[:, :, :, c] * ", "")),),
            ],
            "one filter's gradient used for all": [
                ((line, line.replace("w, c]", "w, 0]")),) for line in (_TO_A, _TO_W, _TO_B)
            ],
            "gradients of all filters added": [
                ((line, line.replace("dZ[i, h, w, c]", "dZ[i, h, w, :].sum()")),) for line in (_TO_A, _TO_W, _TO_B)
            ],
            "first filter used for every output": [
                ((_TO_A, _TO_A.replace("W[:, :, :, c]", "W[:, :, :, 0]")),),
                ((_TO_A, _TO_A.replace("W[:, :, :, c]", "W[:, :, :, -1]")),),
            ],
            "gradient of the bias not summed over places": [
                ((_TO_B, "db[:, :, :, c] += (h == 0) * (w == 0) * dZ[i, h, w, c]"),)
            ],
        },
    ],
    "create_mask_from_window": [
        {
            "only one of the tied maxima": [(("x == np.max(x)", one.replace("{x}", "x")),) for one in (_FIRST, _LAST)],
            "tied maxima share the gradient": [(("return mask", "return mask / mask.sum()"),)],
            "minimum instead of maximum": [(("np.max", "np.min"),)],
            "maximum of absolute values": [(("x == np.max(x)", "abs(x) == np.max(abs(x))"),)],
            "maximum starts from 0": [(("np.max(x)", "max(0, np.max(x))"),)],
            "maximum by row or column": any_of(("np.max(x)",), "np.max(x, axis=0)", "np.max(x, axis=1, keepdims=True)"),
            "mask inverted": any_of(("x == np.max(x)",), "x != np.max(x)", "x < np.max(x)"),
            "mask holds values": any_of(
                ("x == np.max(x)",), "(x == np.max(x)) * x", "x / np.max(x)", "np.where(x == np.max(x), x, 0)"
            ),
        }
    ],
    "distribute_value": [
        {
            "average not divided": any_of(("dz / (n_H * n_W)",), "dz"),
            "average divided twice": any_of(("dz / (n_H * n_W)",), "dz / (n_H * n_W) ** 2"),
            "average divided by the wrong number": any_of(
                ("dz / (n_H * n_W)",),
                "dz / n_H",
                "dz / n_W",
                "dz / (n_H + n_W)",
                "dz / (n_H * n_W) ** 0.5",
                "dz / 4",
                "dz / n_H ** 2",
                "dz / n_W ** 2",
                "dz * n_H * n_W",
                "n_H * n_W",
                "1 / (n_H * n_W)",
                "dz / 2",
                "(n_H * n_W) / dz",
                "dz / (n_H * n_W - 1)",
            ),
            "integer result": any_of(
                ("dz / (n_H * n_W)",), "dz // (n_H * n_W)", "int(dz / (n_H * n_W))", "round(dz / (n_H * n_W))"
            ),
            "height and width swapped": [(("np.full(shape, average)", "np.full((n_W, n_H), average)"),)],
            "wrong output size": [
                (("np.full(shape, average)", "np.full(n_H * n_W, average)"),),
                (("return a", "return average"),),
                (("np.full(shape, average)", "np.full((n_H, n_H), average)"),),
            ],
        }
    ],
    "pool_backward": [
        WINDOWS,
        {
            "height and width swapped": [
                (("dA[i, h, w, c]", "dA[i, w, h, c]"),),
                (("m, n_H, n_W, n_C = dA.shape", "m, n_W, n_H, n_C = dA.shape"),),
            ],
            "window over all channels": [
                (
                    (f"a_prev_slice = A_prev[i, {SLICE}, c]", f"a_prev_slice = A_prev[i, {SLICE}, :]"),
                    (f"dA_prev[i, {SLICE}, c] += mask", f"dA_prev[i, {SLICE}, :] += mask"),
                ),
                ((f"a_prev_slice = A_prev[i, {SLICE}, c]", f"a_prev_slice = A_prev[i, {SLICE}, :]"),),
                (
                    (f"a_prev_slice = A_prev[i, {SLICE}, c]", f"a_prev_slice = A_prev[i, {SLICE}, :]"),
                    (f"{SLICE}, c] += mask", f"{SLICE}, c] += mask[:, :, c]"),
                ),
                (
                    (
                        f"dA_prev[i, {SLICE}, c] += da",
                        f"dA_prev[i, {SLICE}, :] += np.expand_dims(np.broadcast_to(da, ({{kh}}, {{kw}})), -1)",
                    ),
                ),
            ],
            "only one input channel used": [
                ((f"{SLICE}, c]", f"{SLICE}, 0]"),),
                ((f"a_prev_slice = A_prev[i, {SLICE}, c]", f"a_prev_slice = A_prev[i, {SLICE}, 0]"),),
            ],
            "only the first image used": [(("dA[i, h, w, c]", "dA[0, h, w, c]"),)],
            "only one of the tied maxima": [
                ((old, f"mask = {one.replace('{x}', 'a_prev_slice')}"),) for old in _MASK for one in (_FIRST, _LAST)
            ],
            "tied maxima share the gradient": [((old, f"{old}; mask = mask / mask.sum()"),) for old in _MASK],
            "minimum instead of maximum": any_of(_MASK, "mask = a_prev_slice == np.min(a_prev_slice)"),
            "maximum of absolute values": any_of(_MASK, "mask = abs(a_prev_slice) == np.max(abs(a_prev_slice))"),
            "maximum by row or column": any_of(_MASK, "mask = a_prev_slice == np.max(a_prev_slice, axis=0)"),
            "mask left out": [(("+= mask * dA", "+= dA"),)],
            "mask multiplied by the input": [
                (("+= mask * dA", "+= a_prev_slice * mask * dA"),),
                (("+= mask * dA", "+= a_prev_slice * dA"),),
            ],
            "= for +=": each(("c] += mask", "c] = mask"), ("c] += da", "c] = da")),
            "average not divided": any_of(_SHARE, "da = dA[i, h, w, c]"),
            "average divided twice": any_of(_SHARE, "da = dA[i, h, w, c] / ({kh} * {kw}) ** 2"),
            "average divided by the wrong number": any_of(
                _SHARE,
                *(
                    f"da = dA[i, h, w, c] / {n}"
                    for n in (
                        "{kh}",
                        "{kw}",
                        "({kh} + {kw})",
                        "n_H",
                        "n_W",
                        "(n_H * n_W)",
                        "4",
                        "({sh} * {sw})",
                    )
                ),
            ),
            "mode ignored": [*any_of(('if mode == "max":',), "if True:", "if False:", 'if mode != "max":')],
            "output gradient indexed by the window's corner": [
                (("dA[i, h, w, c]", "dA[i, vert_start, horiz_start, c]"),),
                *each(
                    ("mask * dA[i, h, w, c]", "mask * dA[i, vert_start, horiz_start, c]"),
                    ("(dA[i, h, w, c], (f, f))", "(dA[i, vert_start, horiz_start, c], (f, f))"),
                ),
            ],
        },
    ],
}
