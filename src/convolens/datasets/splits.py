"""Stratified splits: every class gives the same share of its images."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["stratified_folds", "stratified_split"]


def stratified_split(
    y: Any, test_size: float = 0.2, seed: int = 0, groups: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split the indices of ``y`` in two, with the same share of each class in both.

    Args:
        y: labels, shape ``(n,)``.
        test_size: the share of the second part, between 0 and 1.
        seed: the same seed gives the same split.
        groups: images with the same number stay together (duplicates; see ``duplicate_groups``), or None.

    Returns:
        Two sorted index arrays. Each class with two or more images is in both.

    Raises:
        ValueError: if ``test_size`` is not between 0 and 1, or a part would be empty.

    >>> train, test = stratified_split([0, 0, 0, 0, 1, 1, 1, 1], test_size=0.25)
    >>> len(train), len(test)
    (6, 2)
    """
    y = np.asarray(y)
    if not 0 < test_size < 1:
        raise ValueError(f"the test share is {test_size!r}; expected a number between 0 and 1, such as 0.2.")
    leaders, member, sizes = _group_table(y, groups)
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(leaders), dtype=bool)
    for label in np.unique(y):
        own = rng.permutation(np.flatnonzero(leaders == label))
        total = int(sizes[own].sum())
        wanted = min(max(round(total * test_size), 1), total - 1)
        chosen[own[np.cumsum(sizes[own]) <= wanted]] = True
    test = np.flatnonzero(chosen[member])
    train = np.flatnonzero(~chosen[member])
    if not len(test) or not len(train):
        near = " that are no near duplicates of each other" if groups is not None else ""
        raise ValueError(
            f"{len(y)} images are too few to set a share of {test_size:g} aside: expected at least two of some class"
            f"{near}, or no share (validation 0)."
        )
    return train, test


def _group_table(y: np.ndarray, groups: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each group's label (its first image's), the group of each image, and the groups' sizes."""
    groups = np.arange(len(y)) if groups is None else np.asarray(groups)
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    return y[first], member, np.bincount(member)


def stratified_folds(y: Any, folds: int = 5, seed: int = 0, groups: Any = None) -> np.ndarray:
    """Give each image the number of its fold, for cross-validation.

    Args:
        y: labels, shape ``(n,)``.
        folds: how many folds.
        seed: the same seed gives the same folds.
        groups: images with the same number stay in one fold (duplicates; see ``duplicate_groups``), or None.

    Returns:
        Fold numbers from 0 to ``folds - 1``, shape ``(n,)``.

    >>> folds = stratified_folds([0, 0, 0, 0, 1, 1], folds=2, groups=[7, 7, 8, 9, 10, 11])
    >>> bool(folds[0] == folds[1]), np.bincount(folds)
    (True, array([3, 3]))
    """
    y = np.asarray(y)
    leaders, member, sizes = _group_table(y, groups)
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(leaders), dtype=np.int64)
    for label in np.unique(leaders):
        filled = np.zeros(folds, dtype=np.int64)
        own = rng.permutation(np.flatnonzero(leaders == label))
        for group in own[np.argsort(-sizes[own], kind="stable")]:  # large groups first, each into the emptiest fold
            fold = int(np.argmin(filled))
            fold_of[group] = fold
            filled[fold] += sizes[group]
    return fold_of[member]
