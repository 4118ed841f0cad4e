"""The commonest words of English, as pocketsphinx's language model knows them."""

from __future__ import annotations

import pytest

from trainer_host.errors import DataError
from trainer_host.speech import common_words as module
from trainer_host.speech.common_words import common_words


def test_the_commonest_words_are_those_that_everybody_knows() -> None:
    pytest.importorskip("pocketsphinx", reason="pip install 'enigma[speech]'")
    few, many = common_words(200), common_words(20_000)
    assert len(few) == 200 and {"the", "of", "and", "people"} <= set(few)
    assert len(many) == 20_000 and {"bakery", "vanished", "don't"} <= set(many) and many == sorted(many)
    assert "zyuganov" not in many


def test_without_pocketsphinx_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_common_words", lambda: False)
    with pytest.raises(DataError, match="pip install 'enigma\\[speech\\]'"):
        common_words(10)
