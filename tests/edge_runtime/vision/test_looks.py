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
    for name in ("centre", "whiten", "middles"):
        assert np.array_equal(getattr(read, name), getattr(LOOKS, name))


@pytest.mark.parametrize(
    ("options", "content", "sentence"),
    [
        ({**OPTIONS, "numbers": 0}, packed(LOOKS), "ascending numbers"),
        ({**OPTIONS, "distance": [3, 2]}, packed(LOOKS), "ascending numbers"),
        ({**OPTIONS, "chance": [0.5, float("nan")]}, packed(LOOKS), "ascending numbers"),
        ({"numbers": 2}, packed(LOOKS), "ascending numbers"),
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
