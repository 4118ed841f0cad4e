from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import BundleError
from edge_runtime.vision.looks import FILE, Looks, packed, read_looks

DISTANCE, CHANCE = (1.0, 2.0, 3.0, 5.0), (0.2, 0.6, 0.9, 1.0)
LOOKS = Looks(
    np.array([1.0, 0.0], np.float32),
    np.array([[2.0, 0.0], [0.0, 0.5]], np.float32),
    np.array([[0.0, 0.0], [4.0, 1.0]], np.float32),
    DISTANCE,
    CHANCE,
)
OPTIONS: dict[str, object] = {"numbers": 2, "distance": list(DISTANCE), "chance": list(CHANCE)}


def test_a_distance_is_that_to_the_nearest_label_once_looks_are_whitened() -> None:
    looks = np.array([[1.0, 0.0], [3.0, 2.0], [1.0, 6.0], [3.0, 4.0]], np.float32)
    assert LOOKS.distances(looks).tolist() == [0.0, 0.0, 3.0, 1.0]


def test_what_no_label_is_told_by_counts_less_where_distances_are_relative() -> None:
    looks = np.array([[1.0, 0.0], [2.0, 8.0], [-0.1, 8.0]], np.float32)  # an int8 file's mean may be a little below 0
    white = (np.sqrt(np.maximum(looks, 0)) - LOOKS.centre) @ LOOKS.whiten
    to_nearest = np.min([((white - middle) ** 2).sum(1) for middle in LOOKS.middles], axis=0)
    off, spread = white - [2.0, 0.5], np.eye(2) + np.outer([2.0, 0.5], [2.0, 0.5])
    to_all = (off @ np.linalg.inv(spread) * off).sum(1)  # the middles lie 2, 0.5 to both sides of theirs
    assert replace(LOOKS, relative=0.8).distances(looks) == pytest.approx(to_nearest - 0.8 * to_all)
    sideways = np.square([[1.0, 1.0], [0.0, 17.0]]).astype(
        np.float32
    )  # whitened, at right angles to what parts the two
    at, aside = replace(LOOKS, relative=1.0).distances(sideways)
    assert at == pytest.approx(aside)


def test_what_is_farther_or_more_doubtful_is_less_like_the_training_without_end() -> None:
    far = [LOOKS.likeness(distance, 0.9) for distance in (0.0, 1.0, 2.5, 5.0, 8.0, 20.0)]
    assert far[0] == far[1] and far[1:] == sorted(far[1:], reverse=True) and len(set(far[1:])) == 5 and far[-1] < 1e-3
    doubtful = [LOOKS.likeness(1.0, chance) for chance in (1.0, 0.7, 0.3)]
    assert doubtful == sorted(doubtful, reverse=True) and doubtful[0] == 1.0
    assert LOOKS.likeness(1e9, 0.0) >= 0.0


def test_likeness_is_evenly_spread_over_pictures_like_those_of_the_training() -> None:
    draw = np.random.default_rng(1)
    distance, chance = draw.chisquare(9, 4000), draw.beta(8, 1, 4000)
    evenly = np.linspace(0, 1, 41)
    looks = replace(
        LOOKS,
        distance=tuple(np.quantile(distance, evenly).tolist()),
        chance=tuple(np.quantile(chance, evenly).tolist()),
    )
    found = np.array([looks.likeness(*one) for one in zip(distance.tolist(), chance.tolist(), strict=True)])
    for share in (0.05, 0.2, 0.5, 0.8):
        assert (found < share).mean() == pytest.approx(share, abs=0.03)


def test_a_bundle_keeps_them(tmp_path: Path) -> None:
    assert read_looks({}, tmp_path) is None
    (tmp_path / FILE).write_bytes(packed(LOOKS))
    read = read_looks({"looks": OPTIONS}, tmp_path)
    assert read is not None and read.numbers == 2 and (read.distance, read.chance) == (DISTANCE, CHANCE)
    assert read.relative == 0.0  # of a bundle from before there was a share
    less = read_looks({"looks": {**OPTIONS, "relative": 0.8}}, tmp_path)
    assert less is not None and less.relative == 0.8
    for name in ("centre", "whiten", "middles"):
        assert np.array_equal(getattr(read, name), getattr(LOOKS, name))


@pytest.mark.parametrize(
    ("options", "content", "sentence"),
    [
        ({**OPTIONS, "numbers": 0}, packed(LOOKS), "ascending numbers"),
        ({**OPTIONS, "distance": [3, 2]}, packed(LOOKS), "ascending numbers"),
        ({**OPTIONS, "chance": [0.5, float("nan")]}, packed(LOOKS), "ascending numbers"),
        ({"numbers": 2}, packed(LOOKS), "ascending numbers"),
        ({**OPTIONS, "relative": 1.5}, packed(LOOKS), "a share of 0 to 1"),
        ({**OPTIONS, "share": 0.5}, packed(LOOKS), "a share of 0 to 1"),
        (OPTIONS, None, "has no looks.bin"),
        (OPTIONS, packed(LOOKS)[:-2], "isn't what its options say"),
        (OPTIONS, packed(LOOKS)[:12], "isn't what its options say"),
        (OPTIONS, b"\x00\x7e" * 8, "something else than numbers"),
    ],
)
def test_a_bundle_of_another_make_is_refused(
    options: dict[str, object], content: bytes | None, sentence: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(BundleError, match=sentence):
        read_looks({"looks": options}, tmp_path)
