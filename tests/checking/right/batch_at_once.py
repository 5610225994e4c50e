# ruff: noqa
"""Loops over places only; all images and filters at once. Own names, and views handed out."""

import numpy as np


def zero_pad(bilder, rand):
    return np.concatenate(
        [
            np.zeros((bilder.shape[0], rand, bilder.shape[2] + 2 * rand, bilder.shape[3])),
            np.concatenate(
                [
                    np.zeros((*bilder.shape[:2], rand, bilder.shape[3])),
                    bilder,
                    np.zeros((*bilder.shape[:2], rand, bilder.shape[3])),
                ],
                axis=2,
            ),
            np.zeros((bilder.shape[0], rand, bilder.shape[2] + 2 * rand, bilder.shape[3])),
        ],
        axis=1,
    )


def conv_single_step(fenster, filter_, versatz):
    return (fenster * filter_).sum() + versatz[0, 0, 0]


def _fenster(a, h, w, f, s):
    return a[:, h * s : h * s + f, w * s : w * s + f, :]


def conv_forward(eingabe, gewichte, versatz, einstellungen):
    s, rand = einstellungen["stride"], einstellungen["pad"]
    f = gewichte.shape[0]
    a = zero_pad(eingabe, rand)
    zeilen, spalten = 1 + (a.shape[1] - f) // s, 1 + (a.shape[2] - f) // s
    z = np.stack(
        [
            np.stack([np.tensordot(_fenster(a, h, w, f, s), gewichte, 3) for w in range(spalten)], 1)
            for h in range(zeilen)
        ],
        1,
    )
    return z + versatz, (eingabe, gewichte, versatz, einstellungen)


def conv_backward(dz, gemerkt):
    eingabe, gewichte, versatz, einstellungen = gemerkt
    s, rand, f = einstellungen["stride"], einstellungen["pad"], gewichte.shape[0]
    a = zero_pad(eingabe, rand)
    da, dw = np.zeros_like(a), np.zeros_like(gewichte)
    for h in range(dz.shape[1]):
        for w in range(dz.shape[2]):
            g = dz[:, h, w, :]
            _fenster(da, h, w, f, s)[...] += np.tensordot(g, gewichte, axes=(1, 3))
            dw += np.tensordot(_fenster(a, h, w, f, s), g, axes=(0, 0))
    db = np.add.reduce(dz, axis=(0, 1, 2)).reshape(1, 1, 1, -1)
    innen = slice(rand, -rand) if rand else slice(None)
    return da[:, innen, innen], dw, db


def pool_forward(eingabe, einstellungen, mode="max"):
    f, s = einstellungen["f"], einstellungen["stride"]
    rechnen = {"max": np.max, "average": np.average}[mode]
    zeilen, spalten = 1 + (eingabe.shape[1] - f) // s, 1 + (eingabe.shape[2] - f) // s
    a = np.array([[rechnen(_fenster(eingabe, h, w, f, s), axis=(1, 2)) for w in range(spalten)] for h in range(zeilen)])
    return a.transpose(2, 0, 1, 3), (eingabe, einstellungen)


def create_mask_from_window(x):
    return x - x.max() == 0


def distribute_value(dz, shape):
    return np.broadcast_to(dz / (shape[0] * shape[1]), shape)


def pool_backward(da, gemerkt, mode="max"):
    eingabe, einstellungen = gemerkt
    f, s = einstellungen["f"], einstellungen["stride"]
    ergebnis = np.zeros_like(eingabe)
    for h in range(da.shape[1]):
        for w in range(da.shape[2]):
            fenster, g = _fenster(eingabe, h, w, f, s), da[:, h : h + 1, w : w + 1]
            maske = fenster == fenster.max((1, 2), keepdims=True) if mode == "max" else np.full(fenster.shape, 1 / f**2)
            _fenster(ergebnis, h, w, f, s)[...] += maske * g
    return ergebnis
