"""Features of text: the same ids everywhere, for any language."""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.tasks.text import Features, encode, words


def feature_strings(text: str, features: Features) -> list[str]:
    """What the ids stand for, in their order, without anything that was kept from texts before."""
    tokens = words(text)
    made = [f"w{token}" for token in tokens]
    made += [f"p{first} {second}" for first, second in itertools.pairwise(tokens)]
    for token in tokens:
        marked = f"<{token}>"
        for size in range(features.shortest, features.longest + 1):
            made += [f"c{marked[i : i + size]}" for i in range(len(marked) - size + 1)]
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Turn ON the Light!", ["turn", "on", "the", "light"]),
        ("Don’t, it's 'quoted'", ["don't", "it's", "quoted"]),
        ("ﬁx ｆｕｌｌ", ["fix", "full"]),
        ("बत्ती जलाओ", ["बत्ती", "जलाओ"]),
        ("ไฟ เปิด", ["ไฟ", "เปิด"]),
        ("電気をつけて。", ["電気をつけて"]),
        ("hot🙂day", ["hot", "🙂", "day"]),
        ("21.5 °C_x", ["21", "5", "°", "c", "x"]),
        ("... --- '", []),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_the_ids_are_those_that_bundles_were_made_with() -> None:
    """Bundles out there depend on these numbers: a change needs a new scheme's name."""
    encoded = encode("Turn on", Features(length=14, buckets=1000))
    assert encoded.ids.tolist() == [[130, 41, 508, 933, 447, 90, 774, 647, 540, 339, 291, 911, 759, 0]]
    assert (encoded.count, encoded.dropped) == (13, 0)


def test_what_does_not_fit_is_counted_and_words_come_first() -> None:
    features = Features(length=4, buckets=1000)
    assert feature_strings("a bee sea", features)[:5] == ["wa", "wbee", "wsea", "pa bee", "pbee sea"]
    encoded = encode("a bee sea", features)
    assert encoded.count == 4
    assert encoded.dropped == len(feature_strings("a bee sea", features)) - 4


@given(st.text(max_size=300), st.integers(1, 64), st.integers(1, 5000))
def test_any_text_gives_ids_in_range(text: str, length: int, buckets: int) -> None:
    encoded = encode(text, Features(length=length, buckets=buckets))
    assert encoded.ids.shape == (1, length) and encoded.ids.dtype == np.int32
    assert (encoded.ids[0, : encoded.count] >= 1).all() and (encoded.ids <= buckets).all()
    assert (encoded.ids[0, encoded.count :] == 0).all()


@given(st.lists(st.sampled_from(["turn", "on", "it's", "電気をつけて", "x" * 30, "🙂"]) | st.text(max_size=9)))
def test_each_id_is_its_feature_s_hash_whatever_was_read_before(pieces: list[str]) -> None:
    text = " ".join(pieces)
    for features in (Features(), Features(length=20, buckets=50, shortest=2, longest=5)):
        hashes = [zlib.crc32(each.encode()) % features.buckets + 1 for each in feature_strings(text, features)]
        encoded = encode(text, features)
        kept = hashes[: features.length]
        assert encoded.ids[0].tolist() == kept + [0] * (features.length - len(kept))
        assert (encoded.count, encoded.dropped) == (len(kept), len(hashes) - len(kept))


@given(st.text(max_size=100))
def test_case_does_not_matter_where_it_is_reversible(text: str) -> None:
    features = Features()
    if text.upper().lower() == text.lower():
        assert (encode(text.upper(), features).ids == encode(text.lower(), features).ids).all()
