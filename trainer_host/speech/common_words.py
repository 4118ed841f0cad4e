"""The commonest words of English, as the language model knows them that pocketsphinx brings (extra `speech`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from trainer_host.errors import DataError

_WORDS, _MODEL = "en-us/cmudict-en-us.dict", "en-us/en-us.lm.bin"


def has_common_words() -> bool:
    """Whether pocketsphinx is installed."""
    return importlib.util.find_spec("pocketsphinx") is not None


def common_words(count: int) -> list[str]:
    """The `count` commonest, in the alphabet's order: letters a to z, and apostrophes. Raises `DataError` without pocketsphinx."""
    if not has_common_words():
        raise DataError("Common words are told by pocketsphinx: pip install 'enigma[speech]', or leave out --common.")
    from pocketsphinx import NGramModel, get_model_path

    model = NGramModel.readfile(get_model_path(_MODEL))
    lines = Path(get_model_path(_WORDS)).read_text("utf-8").splitlines()
    words = {line.split(maxsplit=1)[0] for line in lines if line.strip()}
    likely = {word: model.prob([word]) for word in words if word.replace("'", "").isalpha() and word.isascii()}
    least = min(likely.values())  # of all words that it doesn't know
    known = sorted((word for word in likely if likely[word] > least), key=lambda word: (-likely[word], word))
    return sorted(known[:count])
