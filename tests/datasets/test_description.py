"""Counts, statistics and duplicates, against plain NumPy."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convolens.datasets import Dataset, describe, duplicate_groups, load
from convolens.datasets.dataset import assemble
from convolens.datasets.duplicates import near_pairs
from convolens.datasets.splits import stratified_folds, stratified_split


def noise(count: int, shape: tuple[int, ...] = (16, 16, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def jpeg(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return np.asarray(Image.open(buffer))


@pytest.fixture
def leaky() -> Dataset:
    """Test image 1 is training image 4 exactly, test image 3 is training image 0 after JPEG; 5 and 6 are equal."""
    smooth = np.linspace(0, 1, 16)[:, None, None] * noise(20, (1, 1, 3)) * np.linspace(0.2, 1, 16)[None, :, None]
    x = smooth.astype(np.uint8)
    x_train, x_test = x[:12].copy(), x[12:].copy()
    x_test[1], x_test[3] = x_train[4], jpeg(x_train[0])
    x_train[6] = x_train[5]
    return assemble("leaky", (x_train, np.arange(12) % 2), (x_test, np.arange(8) % 2), ["no", "yes"])


def test_leaks_are_found_and_told(leaky: Dataset) -> None:
    found = describe(leaky, threshold=3)
    assert found.leaked == [1, 3]
    across = found.duplicates[found.duplicates["split_a"] != found.duplicates["split_b"]]
    rows = across[["index_a", "index_b", "exact"]].to_numpy().tolist()
    assert rows == [[0, 3, False], [4, 1, True]]
    assert found.notes[0].startswith("2 of the 8 test images are also training images")
    summary = found.summary.set_index("relation")
    assert summary.loc["within training", "exact pairs"] == 1
    assert summary.loc["within training", "labels differ"] == 1  # images 5 and 6
    assert summary.loc["across", "images"] == 2
    json.dumps(found.to_json(), default=int)


def test_counts_and_pixel_statistics_equal_numpy_s(leaky: Dataset) -> None:
    found = describe(leaky)
    assert found.counts.to_numpy().tolist() == [[6, 4], [6, 4]]
    for split, x in (("train", leaky.x_train), ("test", leaky.x_test)):
        rows = found.pixels[found.pixels["split"] == split]
        for name in ("mean", "std", "min", "max"):
            expected = getattr(x.astype(float), name)(axis=(0, 1, 2))
            np.testing.assert_allclose(rows[name], expected, atol=1e-6)


def test_digits_statistics_are_in_their_own_scale() -> None:
    digits = load("digits")
    found = describe(digits)
    np.testing.assert_allclose(found.pixels["mean"][0], digits.x_train.mean(), rtol=1e-5)
    assert found.samples.shape == (10 * 9 - 1, 10 * 9 - 1, 1)
    assert found.samples.max() == 255


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 30),
    st.sampled_from([(5, 7, 3), (8, 8, 1), (19, 17, 1), (1, 1, 1)]),
    st.floats(0.5, 60),
    st.integers(0, 99),
)
def test_pairs_are_those_of_a_plain_search(
    count: int, shape: tuple[int, int, int], threshold: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (4, *shape))
    x = np.clip(base[rng.integers(0, 4, count)] + rng.normal(0, 12, (count, *shape)), 0, 255).astype(np.uint8)
    pairs, rms = near_pairs(x, threshold)
    values = x.reshape(count, -1).astype(float)
    distance = np.sqrt(((values[:, None] - values[None]) ** 2).mean(axis=2))
    expected = np.argwhere(np.triu(distance < threshold, 1))
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_allclose(rms, distance[expected[:, 0], expected[:, 1]], rtol=1e-5, atol=1e-6)


def test_groups_join_chains_of_duplicates() -> None:
    x = np.repeat(np.array([0, 100, 4, 103, 8, 200], np.uint8), 16).reshape(6, 4, 4, 1)
    assert duplicate_groups(x).tolist() == [0, 1, 0, 1, 0, 5]


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=10, max_size=80), st.floats(0.1, 0.5), st.integers(0, 9))
def test_split_is_a_stratified_partition(labels: list[int], share: float, seed: int) -> None:
    y = np.array(labels)
    train, test = stratified_split(y, share, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(y)))
    np.testing.assert_array_equal(test, stratified_split(y, share, seed)[1])
    for label in np.unique(y):
        size = (y == label).sum()
        assert abs((y[test] == label).sum() - share * size) <= 1
        assert (y[train] == label).any()


def test_folds_keep_groups_together_and_classes_even() -> None:
    y = np.repeat([0, 1], 50)
    groups = np.arange(100)
    groups[10:16] = 10
    folds = stratified_folds(y, 5, seed=1, groups=groups)
    assert len(set(folds[10:16])) == 1
    for fold in range(5):
        assert np.all(np.bincount(y[folds == fold], minlength=2) == 10)


@pytest.mark.parametrize("share", [0, 1, 1.5])
def test_bad_share(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        stratified_split([0, 1], share)
