"""What is kept and found, on examinations that nothing was chosen by; see tests/exams/documents."""

from __future__ import annotations

import multiprocessing
import re
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from edge_runtime.database import transaction
from edge_runtime.documents import encoder, meaning
from edge_runtime.documents import library as library_module
from edge_runtime.documents.answering import answer, cited
from edge_runtime.documents.library import FILE, MOST_CHARACTERS, Found, Library
from edge_runtime.documents.vectors import Makers
from edge_runtime.errors import BadRequest, EdgeError, NotFound
from tests.edge_runtime.documents import standard_library


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[Found], list[str]]]:
    """For each question of an exam the first three documents, and the right ones; for the absent ones none is right."""
    questions = [*standard_library.read_questions(), *((one, list[str]()) for one in standard_library.absent())]
    makers = Makers(tmp_path_factory.mktemp("words"))
    if makers.meaning() is None:
        pytest.skip("wordllama isn't installed; words alone find less")
    with pytest.MonkeyPatch.context() as patch, Library(tmp_path_factory.mktemp("functions"), makers) as library:
        patch.setattr(encoder, "PACKAGE", "none-of-that-name")
        for name, text in standard_library.functions().items():
            library.add(name, text)
        assert len(library.documents()) == 200
        return [(library.search(question, 3), right) for question, right in questions]


def test_the_right_document_is_among_the_first_three_and_most_words_in_common_find_less(
    found: list[tuple[list[Found], list[str]]],
) -> None:
    questions = standard_library.read_questions()
    assert len(questions) >= 90
    words = {
        name: Counter(re.findall(r"\w+", f"{name} {text}".casefold()))
        for name, text in standard_library.functions().items()
    }

    def naive(question: str) -> list[str]:
        asked = set(re.findall(r"\w+", question.casefold()))
        return sorted(words, key=lambda name: (-len(asked & words[name].keys()), name))[:3]

    plain = sum(bool(set(naive(question)) & set(right)) for question, right in questions) / len(questions)
    hits = sum(bool({one.document for one in three} & set(right)) for three, right in found) / len(questions)
    assert hits >= max(0.75, plain + 0.15)  # 80 of 100 here


def test_what_no_document_tells_is_said_to_be_absent_and_most_others_are_answered(
    found: list[tuple[list[Found], list[str]]],
) -> None:
    absent = [answer(three)["found"] is False for three, right in found if not right]
    assert len(absent) == 30 and sum(absent) / len(absent) >= 0.9
    asked = [bool({one.document for one in cited(three)} & set(right)) for three, right in found if right]
    assert sum(asked) / len(asked) >= 0.55  # 59 of 100 here


def test_what_is_kept_is_there_after_a_restart_and_changes_as_its_file_does(tmp_path: Path) -> None:
    with Library(tmp_path) as library:
        assert library.add("heater.md", "# Care\n\nClean the filter every four weeks.")
        assert not library.add("heater.md", "# Care\n\nClean the filter every four weeks.")
    with Library(tmp_path) as library:
        [found] = library.search("how often do I clean the filters?")
        assert (found.document, found.heading, found.quote) == (
            "heater.md",
            "Care",
            "Clean the filter every four weeks.",
        )
        assert found.answers
        assert library.add("heater.md", "The pump is loud.")
        assert not any(one.answers for one in library.search("how often do I clean the filters?"))
        library.remove("heater.md")
        assert library.documents() == [] and library.search("pump") == []
        with pytest.raises(NotFound, match=r"There is no document 'heater\.md'"):
            library.remove("heater.md")
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_without_vectors_words_are_enough_and_vectors_that_come_later_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = meaning.from_package()
    monkeypatch.setattr(meaning, "from_package", lambda: None)
    with Library(tmp_path) as library:
        library.add("boat.txt", "A boat was tied up at the quay.")
        library.add("bread.txt", "Bread rises in the oven.")
        [found, *_] = library.search("does bread rise?")
        assert (found.document, found.alike, found.answers) == ("bread.txt", None, True)
        assert library.search("which ship lay in the harbour?") == []
    if there is None:
        pytest.skip("wordllama isn't installed")
    monkeypatch.setattr(meaning, "from_package", lambda: there)
    with Library(tmp_path) as library:
        assert library.search("which ship lay in the harbour?")[0].document == "boat.txt"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("", "text", "name has 1 to"),
        ("a\nb", "text", "name has 1 to"),
        ("x" * 300, "text", "name has 1 to"),
        ("a", "  \n ", "'a' has no text"),
        ("a", "x" * (MOST_CHARACTERS + 1), "characters; a document may have"),
    ],
)
def test_what_cant_be_kept_is_one_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with Library(tmp_path) as library:
        with pytest.raises(BadRequest, match=sentence):
            library.add(name, text)
        assert library.documents() == []


@pytest.mark.parametrize(
    "question", ['"', "NEAR(a b)", "a OR", "text:", "*", "a^2 -b", "'; DROP TABLE documents; --", "\0"]
)
def test_no_question_is_read_as_a_query(tmp_path: Path, question: str) -> None:
    with Library(tmp_path) as library:
        library.add("a", "a b text")
        library.search(question)
        assert len(library.documents()) == 1


def test_a_question_of_nothing_finds_nothing_and_a_long_one_is_refused(tmp_path: Path) -> None:
    with Library(tmp_path) as library:
        library.add("a", "what is this")
        assert library.search("what is this?") == []
        for question in ("", "x" * 1001):
            with pytest.raises(BadRequest, match="1 to 1000 characters"):
                library.search(question)


def test_too_many_are_refused_and_a_file_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_module, "MOST_DOCUMENTS", 1)
    with Library(tmp_path) as library:
        library.add("a", "one")
        with pytest.raises(BadRequest, match="remove some"):
            library.add("b", "two")
        assert library.add("a", "one again")
    other = tmp_path / "other" / FILE
    other.parent.mkdir(parents=True)
    other.write_bytes(b"no database at all" * 100)
    with pytest.raises(EdgeError, match="can't be used for documents"):
        Library(tmp_path / "other")


def test_a_database_that_fails_in_use_is_one_sentence(tmp_path: Path) -> None:
    with Library(tmp_path) as library:
        library.add("a", "some text")
    with pytest.raises(EdgeError, match="can't be used for documents: no such table"), Library(tmp_path) as library:
        library._base.execute("DROP TABLE documents")
        library.add("b", "other text")


def test_others_may_look_while_one_changes(tmp_path: Path) -> None:
    with Library(tmp_path) as library, Library(tmp_path) as other:
        library.add("a", "the pump hums")
        library.search("pump")
        with transaction(library._base):
            library._base.execute("DELETE FROM documents")
            assert other.search("pump")[0].document == "a"


def _killed(state: Path) -> None:
    import os
    import signal

    with Library(state) as library:
        library.add("kept", "whole text")
        library._base.set_trace_callback(
            lambda told: os.kill(os.getpid(), signal.SIGKILL) if told.startswith("INSERT INTO passages") else None
        )
        library.add("half", "never whole")


def test_a_kill_leaves_whole_documents(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == -9
    with Library(tmp_path) as library:
        assert [document.name for document in library.documents()] == ["kept"]
        assert library.search("whole")[0].document == "kept"
    with sqlite3.connect(tmp_path / FILE) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
