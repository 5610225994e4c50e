"""Images that occur twice, exactly or nearly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["PAIR_LIMIT", "duplicate_groups", "leaked_images", "near_pairs"]

PAIR_LIMIT = 20_000
_BLOCK = 1024


def near_pairs(images: np.ndarray, threshold: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Find every pair of images whose root mean square difference is below a threshold.

    Thumbnails decide which pairs are compared: a block's mean difference, squared, is at most the mean of its squared
    differences, so images can only be as near as their thumbnails. For the same reason only images whose means differ
    by less than the threshold need to be compared at all.

    Args:
        images: shape ``(n, h, w, c)``, values from 0 to 255.
        threshold: in the units of the images.

    Returns:
        Index pairs ``(m, 2)``, the smaller index first, in order; and their root mean square differences ``(m,)``.
        The search ends after the first ``PAIR_LIMIT`` pairs found.
    """
    count, pixels = len(images), images[0].size
    thumbs, weight = _thumbnails(images)
    order = np.argsort(thumbs.mean(axis=1), kind="stable")
    thumbs = thumbs[order]
    means = thumbs.mean(axis=1)
    # |mean difference| <= rms over the covered pixels <= rms over all pixels * sqrt(all / covered)
    covered = weight * thumbs.shape[1]
    reach = threshold * np.sqrt(pixels / covered) * (1 + 1e-5)
    limit = threshold**2 * pixels / weight * (1 + 1e-4) + 1e-2  # on squared distances of thumbnails; slack for rounding
    flat = images.reshape(count, -1)
    pairs: list[np.ndarray] = []
    distances: list[np.ndarray] = []
    total = 0
    for i, j in _candidates(thumbs, means, reach, limit):
        a, b = order[i], order[j]
        rms = np.concatenate([_rms(flat[a[k : k + 256]], flat[b[k : k + 256]]) for k in range(0, len(a), 256)])
        near = rms < threshold
        pairs.append(np.sort(np.stack([a, b], axis=1)[near], axis=1))
        distances.append(rms[near])
        total += int(near.sum())
        if total >= PAIR_LIMIT:
            break
    if not pairs:
        return np.empty((0, 2), np.int64), np.empty(0)
    found, rms = np.concatenate(pairs), np.concatenate(distances)
    sequence = np.lexsort((found[:, 1], found[:, 0]))[:PAIR_LIMIT]
    return found[sequence], rms[sequence]


def duplicate_groups(images: np.ndarray, threshold: float = 5.0) -> np.ndarray:
    """Number the images so that those linked by near duplicates share a number; for folds that keep them together.

    >>> images = np.zeros((3, 4, 4, 1), np.uint8)
    >>> images[1] = 200
    >>> duplicate_groups(images)
    array([0, 1, 0])
    """
    group = np.arange(len(images))
    for i, j in near_pairs(images, threshold)[0]:
        low, high = sorted((group[i], group[j]))
        group[group == high] = low
    return group


def leaked_images(train: np.ndarray, test: np.ndarray, threshold: float = 5.0) -> list[int]:
    """Return the indices of the test images that are, exactly or nearly, training images.

    >>> images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * 80
    >>> leaked_images(images[:2], images[1:])
    [0]
    """
    pairs = near_pairs(np.concatenate([train, test]), threshold)[0] - len(train)
    return sorted({int(j) for i, j in pairs if i < 0 <= j})


def _candidates(
    thumbs: np.ndarray, means: np.ndarray, reach: float, limit: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions of pairs whose thumbnails are within the limit: |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, by blocks."""
    squares = np.einsum("nd,nd->n", thumbs, thumbs)
    for start in range(0, len(thumbs), _BLOCK):
        stop = min(start + _BLOCK, len(thumbs))
        end = int(np.searchsorted(means, means[stop - 1] + reach, side="right"))
        gram = thumbs[start:stop] @ thumbs[start:end].T
        gram *= -2
        gram += squares[start:end]
        i, j = np.nonzero(gram < (limit - squares[start:stop])[:, None])
        later = j > i
        if later.any():
            yield start + i[later], start + j[later]


def _thumbnails(images: np.ndarray) -> tuple[np.ndarray, int]:
    """Return block means of about 8x8 blocks, centred, as float32 ``(n, d)``, and the pixels in a block."""
    n, h, w, c = images.shape
    bh, bw = max(h // 8, 1), max(w // 8, 1)
    rows, columns = h // bh, w // bw
    thumbs = np.empty((n, rows * columns * c), np.float32)
    for start in range(0, n, 4096):
        part = images[start : start + 4096, : rows * bh, : columns * bw]
        blocks = part.reshape(len(part), rows, bh, columns, bw, c)
        thumbs[start : start + 4096] = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(part), -1)
    return thumbs - thumbs.mean(), bh * bw


def _rms(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(a.astype(np.float32) - b.astype(np.float32)).mean(axis=1, dtype=np.float64))
