# ruff: noqa: E501
"""Wrong solutions: a right one, in any style, with one real mistake made in it.

Each row says what the mistake is called, in which function it is, and what to change where. The mistakes are those of
the exercise's public threads and of copies of it in circulation.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["WRONG", "Wrong"]


class Wrong(NamedTuple):
    """One wrong solution.

    Attributes:
        diagnosis: what it should be called; the part in brackets that names outputs left out.
        function: where the mistake is.
        file: the right solution it is made in.
        edits: lines of it, old and new.
    """

    diagnosis: str
    function: str
    file: str
    edits: tuple[tuple[str, str], ...]

    def source(self, right: str) -> str:
        """Return the wrong solution's text, given the right one's."""
        for old, new in self.edits:
            assert right.count(old) == 1, f"{self.file}: {old!r} occurs {right.count(old)} times"
            right = right.replace(old, new)
        return right


def _wrong(diagnosis: str, function: str, file: str, *edits: tuple[str, str]) -> Wrong:
    return Wrong(diagnosis, function, f"{file}.py", edits)


COURSE, WINDOWS, COLUMNS, PURE, BATCH, SINGLE = (
    "course_style", "sliding_windows", "im2col", "pure_python", "batch_at_once", "single_precision",
)  # fmt: skip
LOOPS, LAYERS = "layers_with_loops", "layers_vectorised"

WRONG = [
    # zero_pad
    _wrong("padding on the wrong axes", "zero_pad", COURSE,
           ("np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode", "np.pad(X, ((pad, pad), (pad, pad), (0, 0), (0, 0)), mode")),
    _wrong("padding on the wrong axes", "zero_pad", WINDOWS, ("[(0, 0), (pad, pad), (pad, pad), (0, 0)]", "pad")),
    _wrong("padding with another value", "zero_pad", COURSE, ("constant_values=(0, 0)", "constant_values=(1, 1)")),
    _wrong("padding on one side only", "zero_pad", COLUMNS, ("out[:, pad : pad + H, pad : pad + W, :] = X", "out[:, :H, :W, :] = X; out = out")),
    # conv_single_step
    _wrong("bias added per product", "conv_single_step", COURSE, ("s = np.multiply(a_slice_prev, W)", "s = np.multiply(a_slice_prev, W) + b"), ("Z = Z + float(np.squeeze(b))", "pass")),
    _wrong("float() of an array", "conv_single_step", COURSE, ("float(np.squeeze(b))", "float(b)")),
    _wrong("a number expected, an array returned", "conv_single_step", WINDOWS, ("+ b.ravel()[0]", "+ b")),
    _wrong("kernel flipped", "conv_single_step", COLUMNS, ("dot(W.flatten())", "dot(W[::-1, ::-1].flatten())")),
    _wrong("bias left out", "conv_single_step", PURE, ("return total + float(b[0, 0, 0])", "return total")),
    _wrong("bias added per channel", "conv_single_step", PURE, ("    total = 0.0\n", "    total = (W.shape[2] - 1) * float(b[0, 0, 0])\n")),
    # conv_forward
    _wrong("stride ignored", "conv_forward", COURSE,
           ("        for h in range(n_H):\n            vert_start = stride * h\n            vert_end = vert_start + f\n            for w in range(n_W):\n                horiz_start = stride * w\n                horiz_end = horiz_start + f\n                for c in range(n_C):\n                    a_slice_prev",
            "        for h in range(n_H):\n            vert_start = h\n            vert_end = vert_start + f\n            for w in range(n_W):\n                horiz_start = w\n                horiz_end = horiz_start + f\n                for c in range(n_C):\n                    a_slice_prev")),
    _wrong("wrong output size", "conv_forward", COURSE, ("n_H = int((n_H_prev - f + 2 * pad) / stride) + 1", "n_H = int((n_H_prev - f + pad) / stride) + 1")),
    _wrong("wrong output size", "conv_forward", COURSE, ("n_W = int((n_W_prev - f + 2 * pad) / stride) + 1", "n_W = int(np.ceil((n_W_prev - f + 2 * pad) / stride)) + 1")),
    _wrong("wrong output size", "conv_forward", COLUMNS, ("n_H, n_W = (A.shape[1] - f) // s + 1, (A.shape[2] - f) // s + 1\n    Z", "n_H, n_W = (A.shape[1] - f) // s, (A.shape[2] - f) // s\n    Z")),
    _wrong("height and width swapped", "conv_forward", SINGLE, ("w * stride : w * stride + f]\n        Z[i, h, w, c] = conv", "w * stride : w * stride + f]\n        Z[i, w, h, c] = conv")),
    _wrong("height and width swapped", "conv_forward", COURSE, ("n_H = int((n_H_prev - f + 2 * pad) / stride) + 1", "n_H = int((n_W_prev - f + 2 * pad) / stride) + 1"), ("n_W = int((n_W_prev - f + 2 * pad) / stride) + 1", "n_W = int((n_H_prev - f + 2 * pad) / stride) + 1")),
    _wrong("kernel flipped", "conv_forward", PURE, ("A_prev[i, row, col, c] * W[y, x, c, k]\n", "A_prev[i, row, col, c] * W[f - 1 - y, f - 1 - x, c, k]\n")),
    _wrong("unpadded input used", "conv_forward", SINGLE, ("window = A[i, h * stride : h * stride + f, w * stride : w * stride + f]\n        Z", "window = A_prev[i, h * stride : h * stride + f, w * stride : w * stride + f]\n        Z")),
    _wrong("bias added per product", "conv_forward", PURE, ("                                    total = total + A_prev[i, row, col, c] * W[y, x, c, k]\n                    Z[i, h, w, k] = total",
                                                            "                                    total = total + A_prev[i, row, col, c] * W[y, x, c, k]\n                    Z[i, h, w, k] = total + (f * f * C - 1) * b[0, 0, 0, k]")),
    _wrong("returned inside the loop", "conv_forward", COURSE, ("                    Z[i, h, w, c] = conv_single_step(a_slice_prev, weights, biases)\n",
                                                                "                    Z[i, h, w, c] = conv_single_step(a_slice_prev, weights, biases)\n        return Z, (A_prev, W, b, hparameters)\n")),
    _wrong("first filter used for every output", "conv_forward", COURSE, ("weights = W[:, :, :, c]", "weights = W[:, :, :, 0]")),
    _wrong("integer result", "conv_forward", SINGLE, ('Z = np.empty(shape, dtype="float32")', "Z = np.empty(shape, dtype=int)")),
    _wrong("cache is wrong", "conv_forward", COURSE, ("cache = (A_prev, W, b, hparameters)\n    print", "cache = (A_prev_pad, W, b, hparameters)\n    print")),
    _wrong("input mutated", "conv_forward", BATCH, ("    a = zero_pad(eingabe, rand)\n    zeilen", "    a = zero_pad(eingabe, rand)\n    versatz += 0.25\n    versatz -= 0.125\n    versatz -= 0.125 - 1e-9\n    zeilen")),
    _wrong("does not end", "conv_forward", PURE, ("    Z = np.zeros((m, out_h, out_w, F))\n", "    Z = np.zeros((m, out_h, out_w, F))\n    k = 0\n    while k < F:\n        Z[..., k] = b[0, 0, 0, k]\n")),
    # pool_forward
    _wrong("stride ignored", "pool_forward", WINDOWS, ("windows = sliding_window_view(A_prev, (f, f), axis=(1, 2))[:, ::s, ::s]", "windows = sliding_window_view(A_prev, (f, f), axis=(1, 2))[:, : (A_prev.shape[1] - f) // s + 1, : (A_prev.shape[2] - f) // s + 1]")),
    _wrong("window over all channels", "pool_forward", COURSE, ("a_prev_slice = a_prev[vert_start:vert_end, horiz_start:horiz_end, c]\n                    if mode == \"max\":\n                        A[", "a_prev_slice = a_prev[vert_start:vert_end, horiz_start:horiz_end]\n                    if mode == \"max\":\n                        A[")),
    _wrong("average not divided", "pool_forward", COLUMNS, ("rows.sum(axis=2) / (f * f)", "rows.sum(axis=2)")),
    _wrong("average divided twice", "pool_forward", COURSE, ("np.mean(a_prev_slice)", "np.mean(a_prev_slice) / f**2")),
    _wrong("mode ignored", "pool_forward", WINDOWS, ('reduce = np.max if mode == "max" else np.mean', "reduce = np.max")),
    _wrong("maximum starts from 0", "pool_forward", "own_cache", ('best = -np.inf if mode == "max" else 0.0', "best = 0.0")),
    _wrong("minimum instead of maximum", "pool_forward", PURE, ("max(cells) if mode", "min(cells) if mode")),
    _wrong("wrong output size", "pool_forward", COURSE, ("n_H = int(1 + (n_H_prev - f) / stride)", "n_H = int(n_H_prev / stride)"), ("n_W = int(1 + (n_W_prev - f) / stride)", "n_W = int(n_W_prev / stride)")),
    # conv_backward
    _wrong("stride ignored in backward", "conv_backward", COURSE,
           ("                    vert_start = stride * h\n                    vert_end = vert_start + f\n                    horiz_start = stride * w\n", "                    vert_start = h\n                    vert_end = vert_start + f\n                    horiz_start = w\n")),
    _wrong("batch not summed", "conv_backward", COLUMNS, ("dW = sum(r.T @ g for r, g in zip(rows, d)).reshape(W.shape)", "dW = (rows[-1].T @ d[-1]).reshape(W.shape)")),
    _wrong("batch not summed", "conv_backward", COURSE, ("        a_prev_pad = A_prev_pad[i]\n        da_prev_pad", "        dW = np.zeros((f, f, n_C_prev, n_C))\n        db = np.zeros((1, 1, 1, n_C))\n        a_prev_pad = A_prev_pad[i]\n        da_prev_pad")),
    _wrong("off by a factor", "conv_backward", WINDOWS, ('dW = np.einsum("nhwcij,nhwf->ijcf", windows, dZ)', 'dW = np.einsum("nhwcij,nhwf->ijcf", windows, dZ) / len(dZ)'), ("db = dZ.sum(axis=(0, 1, 2), keepdims=True)", "db = dZ.mean(axis=0, keepdims=True).sum(axis=(1, 2), keepdims=True)")),
    _wrong("off by a factor", "conv_backward", COLUMNS, ("d.sum(axis=(0, 1)).reshape(b.shape)", "2 * d.sum(axis=(0, 1)).reshape(b.shape)")),
    _wrong("[pad:-pad] with pad 0", "conv_backward", COURSE, ("        if pad:\n            dA_prev[i, :, :, :] = da_prev_pad[pad:-pad, pad:-pad, :]\n        else:\n            dA_prev[i] = da_prev_pad\n", "        dA_prev[i, :, :, :] = da_prev_pad[pad:-pad, pad:-pad, :]\n")),
    _wrong("[pad:-pad] with pad 0", "conv_backward", COLUMNS, ("    if p > 0:\n        dA = dA[:, p:-p, p:-p, :]\n", "    dA = dA[:, p:-p, p:-p, :]\n")),
    _wrong("padding cropped on the wrong axes", "conv_backward", SINGLE, ("return dA[:, pad : dA.shape[1] - pad, pad : dA.shape[2] - pad], dW, db", "return dA[pad : len(dA) - pad, pad : dA.shape[1] - pad], dW, db")),
    _wrong("padding cropped on one side only", "conv_backward", WINDOWS, ("dA_pad[:, p : p + A_prev.shape[1], p : p + A_prev.shape[2]], dW, db", "dA_pad[:, : A_prev.shape[1], : A_prev.shape[2]], dW, db")),
    _wrong("padding not cropped", "conv_backward", BATCH, ("da[:, innen, innen], dw, db", "da, dw, db")),
    _wrong("unpadded input used", "conv_backward", COURSE, ("        a_prev_pad = A_prev_pad[i]\n        da_prev_pad", "        a_prev_pad = A_prev[i]\n        da_prev_pad")),
    _wrong("= for +=", "conv_backward", COURSE, ("da_prev_pad[vert_start:vert_end, horiz_start:horiz_end, :] += W", "da_prev_pad[vert_start:vert_end, horiz_start:horiz_end, :] = W")),
    _wrong("= for +=", "conv_backward", COURSE, ("dW[:, :, :, c] += a_slice", "dW[:, :, :, c] = a_slice")),
    _wrong("= for +=", "conv_backward", SINGLE, ("db[..., c] += g", "db[..., c] = g")),
    _wrong("kernel flipped", "conv_backward", WINDOWS, ("dZ @ W[i, j].T", "dZ @ W[f - 1 - i, f - 1 - j].T")),
    _wrong("outputs in the wrong order", "conv_backward", BATCH, ("da[:, innen, innen], dw, db", "dw, da[:, innen, innen], db")),
    _wrong("returned inside the loop", "conv_backward", SINGLE, ("        db[..., c] += g\n    return dA", "        db[..., c] += g\n        return dA")),
    _wrong("input mutated", "conv_backward", COLUMNS, ("    rows = im2col(A, f, hp[\"stride\"])\n    d = ", "    rows = im2col(A, f, hp[\"stride\"])\n    b -= 0.1\n    d = ")),
    _wrong("wrong factor in the input's gradient", "conv_backward", COURSE, ("+= W[:, :, :, c] * dZ[i, h, w, c]", "+= a_slice * dZ[i, h, w, c]")),
    _wrong("integer result", "conv_backward", COURSE, ("dW = np.zeros((f, f, n_C_prev, n_C))", "dW = np.zeros((f, f, n_C_prev, n_C), dtype=int)")),
    _wrong("gradients of all filters added", "conv_backward", COURSE, ("dW[:, :, :, c] += a_slice * dZ[i, h, w, c]", "dW[:, :, :, c] += a_slice * dZ[i, h, w].sum()")),
    # create_mask_from_window and distribute_value
    _wrong("only one of the tied maxima", "create_mask_from_window", COURSE, ("mask = x == np.max(x)", "mask = np.zeros(x.shape, bool); mask[np.unravel_index(x.argmax(), x.shape)] = True")),
    _wrong("mask holds values", "create_mask_from_window", WINDOWS, ("np.equal(x, x.max())", "np.where(x == x.max(), x, 0)")),
    _wrong("maximum by row or column", "create_mask_from_window", COLUMNS, ("np.amax(x)", "np.amax(x, axis=0)")),
    _wrong("average not divided", "distribute_value", COURSE, ("average = dz / (n_H * n_W)", "average = dz")),
    _wrong("average divided by the wrong number", "distribute_value", COURSE, ("average = dz / (n_H * n_W)", "average = dz / (n_H + n_W)")),
    _wrong("integer result", "distribute_value", WINDOWS, ("dz / np.prod(shape)", "dz // np.prod(shape)")),
    # pool_backward
    _wrong("stride ignored in backward", "pool_backward", COURSE, ("                    vert_start = h * stride\n", "                    vert_start = h\n"), ("                    horiz_start = w * stride\n", "                    horiz_start = w\n")),
    _wrong("only one of the tied maxima", "pool_backward", PURE, ("                            dA_prev[i, y, x, c] += dA[i, h, w, c]\n", "                            dA_prev[i, y, x, c] += dA[i, h, w, c]\n                            break\n")),
    _wrong("= for +=", "pool_backward", COURSE, ("c] += mask * dA", "c] = mask * dA"), ("c] += distribute", "c] = distribute")),
    _wrong("output gradient indexed by the window's corner", "pool_backward", COURSE, ("mask * dA[i, h, w, c]", "mask * dA[i, vert_start, horiz_start, c]")),
    _wrong("average not divided", "pool_backward", WINDOWS, ("dA / f**2", "dA")),
    _wrong("mask left out", "pool_backward", SINGLE, ("out[place] += create_mask_from_window(A_prev[place]) * np.float32", "out[place] += np.float32")),
    _wrong("window over all channels", "pool_backward", COURSE, ("a_prev_slice = a_prev[vert_start:vert_end, horiz_start:horiz_end, c]\n                        mask = create", "a_prev_slice = a_prev[vert_start:vert_end, horiz_start:horiz_end]\n                        mask = create"), ("horiz_end, c] += mask", "horiz_end, c] += mask[:, :, c]")),
    _wrong("mode ignored", "pool_backward", PURE, ('if mode != "max":', 'if mode == "mean":')),
    # layer by layer
    _wrong("padding rounded down", "conv_forward", LAYERS, ("    A = np.pad(A_prev, pads(A_prev, W, padding, stride))\n", "    A = np.pad(A_prev, [(p - q % 2, p - q % 2) for (p, _), q in zip(pads(A_prev, W, padding, stride), (0, *(((n - 1) * s + k - n) * (padding == 'same') for n, s, k in zip(A_prev.shape[1:3], stride, W.shape)), 0))])\n")),
    _wrong("padding as in Keras", "conv_forward", LOOPS, ("    images = np.pad(A_prev, ((0, 0), (ph, ph), (pw, pw), (0, 0)), \"constant\")\n    output", "    if padding == \"same\":\n        ph = max((int(np.ceil(h_prev / sh)) - 1) * sh + kh - h_prev, 0) // 2\n        pw = max((int(np.ceil(w_prev / sw)) - 1) * sw + kw - w_prev, 0) // 2\n        oh, ow = (h_prev + 2 * ph - kh) // sh + 1, (w_prev + 2 * pw - kw) // sw + 1\n    images = np.pad(A_prev, ((0, 0), (ph, ph), (pw, pw), (0, 0)), \"constant\")\n    output")),
    _wrong("activation left out", "conv_forward", LOOPS, ("return activation(output + b)", "return output + b")),
    _wrong("activation applied before the bias", "conv_forward", LOOPS, ("return activation(output + b)", "return activation(output) + b")),
    _wrong("stride of one direction used for both", "pool_forward", LOOPS, ("    sh, sw = stride\n    oh = int((h_prev", "    sh = sw = stride[0]\n    oh = int((h_prev")),
    _wrong("height and width swapped", "pool_forward", LOOPS, ("kh, kw = kernel_shape\n    sh, sw = stride\n    oh", "kw, kh = kernel_shape\n    sh, sw = stride\n    oh")),
    _wrong("stride ignored in backward", "conv_backward", LAYERS, ("    for y, x, cells in slices(dZ.shape, W.shape, stride):", "    for y, x, cells in slices(dZ.shape, W.shape, (1, 1)):")),
    _wrong("padding ignored", "conv_backward", LAYERS, ("around = pads(A_prev, W, padding, stride)\n", "around = pads(A_prev, W, 'valid', stride)\n")),
    _wrong("right numbers in the wrong shape", "conv_backward", LOOPS, ("db = np.sum(dZ, axis=(0, 1, 2), keepdims=True)", "db = np.sum(dZ, axis=(0, 1, 2))")),
    _wrong("off by a factor (db): divided by the number of images and places", "conv_backward", LOOPS, ("db = np.sum(dZ, axis=(0, 1, 2), keepdims=True)", "db = np.mean(dZ, axis=(0, 1, 2), keepdims=True)")),
    _wrong("[pad:-pad] with pad 0", "conv_backward", LOOPS, ("dA[:, ph : ph + h_prev, pw : pw + w_prev]", "dA[:, ph:-ph, pw:-pw]")),
    _wrong("average not divided", "pool_backward", LOOPS, ("mask = np.ones(kernel_shape) / (kh * kw)", "mask = np.ones(kernel_shape)")),
    _wrong("only one of the tied maxima", "pool_backward", LOOPS, ("mask = np.where(window == np.max(window), 1, 0)", "mask = np.zeros(window.shape); mask.flat[np.argmax(window)] = 1")),
]  # fmt: skip
