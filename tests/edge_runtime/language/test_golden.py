"""The golden texts prove a tokenizer."""

from __future__ import annotations

import json

import pytest

from edge_runtime.errors import AdmissionError
from edge_runtime.language.golden import COUNT, check_golden, golden_rows, golden_strings
from tests.edge_runtime.language.trained import ours, table


def test_there_are_200_different_texts_and_all_come_back() -> None:
    texts = golden_strings()
    assert len(set(texts)) == len(texts) == COUNT
    for text in texts:
        assert ours().decode(ours().encode(text)) == text


@pytest.mark.parametrize("kind", ["gpt2", "digits", "qwen"])
def test_the_package_gives_the_golden_tokens(kind: str) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="the package that ours is compared with")
    made = tokenizers.Tokenizer.from_str(table(kind))
    made.encode_special_tokens = True
    rows = [{"text": text, "ids": made.encode(text, add_special_tokens=False).ids} for text in golden_strings()]
    assert rows == golden_rows(ours(kind))
    check_golden(ours(kind), json.loads(json.dumps(rows)))


def test_a_tokenizer_that_splits_otherwise_is_found_out() -> None:
    with pytest.raises(AdmissionError, match="other tokens"):
        check_golden(ours("digits"), golden_rows(ours("gpt2")))
    for rows in ([], [{"text": 1}], [{"text": "a"}]):
        with pytest.raises(AdmissionError):
            check_golden(ours(), rows)
