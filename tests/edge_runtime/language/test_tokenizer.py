"""Our tokenizer against the package `tokenizers`, on any Unicode."""

from __future__ import annotations

import functools
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.language.letters import SPACES, YOUNG_DIGITS, letters, numbers
from edge_runtime.language.tokenizer import StreamDecoder, Tokenizer
from tests.edge_runtime.language.trained import SPECIALS, TEXT, ours, table

tokenizers = pytest.importorskip("tokenizers", reason="the package that ours is compared with")
KINDS = ("gpt2", "digits", "qwen")
TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cs",)),
        st.sampled_from(" \n\t\r'\x1c\x85\u3000"),
        st.sampled_from("stremvld0123½①abAB"),
    ),
    max_size=60,
)


@functools.cache
def oracle(kind: str) -> Any:
    made = tokenizers.Tokenizer.from_str(table(kind))
    made.encode_special_tokens = True
    return made


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=250, deadline=None)
@given(text=TEXTS)
def test_a_text_has_the_tokens_that_the_package_gives_and_comes_back_from_them(kind: str, text: str) -> None:
    ids = ours(kind).encode(text)
    assert ids == oracle(kind).encode(text, add_special_tokens=False).ids
    assert ours(kind).decode(ids) == text


def test_letters_numbers_and_spaces_are_the_packages_for_every_code_point() -> None:
    # In one text each: a run of a class stays one word only where every character is of the class.
    # Planes 4 to 13 have no characters yet, and 15 and 16 are private.
    codes = (*range(0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xE1000))
    points = list(map(chr, codes))
    assert max(letters() + numbers()) < chr(0x40000)
    text = "".join(points)
    for pattern, own in ((r"\p{L}", letters()), (r"\p{N}", numbers()), (r"\s", SPACES)):
        split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(f"{pattern}+"), "removed")
        kept = "".join(word for word, _ in split.pre_tokenize_str(text))
        assert kept == re.sub(f"[{own}]+", "", text)
    digits = tokenizers.pre_tokenizers.Digits(individual_digits=True)
    alone = {word for word, _ in digits.pre_tokenize_str("".join(f"a{char}" for char in points)) if len(word) == 1}
    found = set(re.findall(f"[{numbers()}{YOUNG_DIGITS}]", text))
    assert found <= alone and not (alone - found - {"a"} - set(re.findall(f"[{SPACES}]", text)))


@pytest.mark.parametrize("special", [*SPECIALS, f"a{SPECIALS[1]}b"])
def test_a_text_that_spells_a_special_token_gives_plain_ones(special: str) -> None:
    ids = ours().encode(special)
    assert not set(ids) & set(ours().special.values())
    assert ours().decode(ids) == special


def test_an_added_token_that_isnt_special_is_found_where_it_is_spelled() -> None:
    ids = ours().encode("x<tool_call>{")
    assert ids == oracle("gpt2").encode("x<tool_call>{").ids
    assert ours().decode(ids) == "x<tool_call>{" and len(ids) == 3


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_a_stream_gives_the_same_text_in_whole_characters(text: str) -> None:
    decoder = StreamDecoder(ours())
    parts = [decoder.push(number) for number in ours().encode(text)]
    assert "".join(parts) == text
    assert decoder.finish() == ""


def test_a_character_that_stays_unfinished_ends_as_a_replacement() -> None:
    first = next(i for i in range(ours().size) if ours().token_bytes(i) == b"\xf0")
    decoder = StreamDecoder(ours())
    assert decoder.push(first) == "" and decoder.finish() == "\ufffd"


def test_a_long_word_is_merged_as_a_short_one_and_in_time() -> None:
    word = "".join(random.Random(1).choice("thecatson") for _ in range(3000))
    assert ours().encode(word) == oracle("gpt2").encode(word).ids
    assert ours().decode(ours().encode(word * 30)) == word * 30


def test_the_memory_of_words_forgets_and_changes_nothing() -> None:
    small = Tokenizer(json.loads(table()), remembered=2)
    assert small.encode(TEXT * 2) == ours().encode(TEXT * 2)


def test_half_a_surrogate_pair_isnt_text() -> None:
    with pytest.raises(BadRequest, match="surrogate"):
        ours().encode("a\ud800")


def test_a_token_of_another_model_is_refused() -> None:
    with pytest.raises(BundleError, match="no token"):
        ours().token_bytes(ours().size)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": {"type": "Unigram"}}, "byte-level BPE"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "byte-level"),
        ({"normalizer": {"type": "Lowercase"}}, "Lowercase"),
        ({"model": {"type": "BPE", "vocab": {"a": "b"}, "merges": []}}, "damaged"),
    ],
)
def test_a_tokenizer_that_would_lose_text_is_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(table()) | change))
    with pytest.raises(BundleError, match=says):
        Tokenizer.read(path)


def test_a_file_that_isnt_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(BundleError, match="isn't a tokenizer"):
        Tokenizer.read(tmp_path / "tokenizer.json")
