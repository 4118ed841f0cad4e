from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.documents.answering import LEAST_GROUNDED, NOT_THERE, Json, answer, grounded, written
from edge_runtime.documents.library import Found, Library
from edge_runtime.errors import BadRequest

QUESTION = "how often must the filter be cleaned?"


@pytest.fixture
def found(tmp_path: Path) -> list[Found]:
    with Library(tmp_path) as library:
        library.add("heater.md", "# Care\n\nThe heater is white. Clean the filter every four weeks. Keep the box.")
        library.add("bread.md", "Bread rises in the oven.")
        return library.search(QUESTION)


def test_an_answer_is_a_quote_and_names_its_document(found: list[Found]) -> None:
    made = answer(found)
    assert made["found"] is True and made["document"] == "heater.md"
    assert made["answer"] == "Clean the filter every four weeks."


def test_where_nothing_says_it_that_is_said() -> None:
    assert answer([]) == {"found": False, "answer": NOT_THERE, "document": None, "sources": []}


async def test_a_specialist_may_say_it_in_its_words_and_not_make_it_up(found: list[Found]) -> None:
    asked: list[Json] = []
    replies = iter(["Every four weeks the filter is cleaned.", "Ask your local plumber about Jupiter's moons.", ""])

    async def run(name: str, request: Json) -> Json:
        asked.append(request)
        return {"reply": next(replies)}

    told = await written(QUESTION, found, "talk", run)
    assert (told["answer"], told["written_by"]) == ("Every four weeks the filter is cleaned.", "talk")
    assert "Clean the filter every four weeks." in str(asked[0]) and QUESTION in str(asked[0])
    for _ in range(2):
        told = await written(QUESTION, found, "talk", run)
        assert (told["answer"], told["written_by"]) == ("Clean the filter every four weeks.", None)
    assert (await written(QUESTION, [], "talk", run))["found"] is False and len(asked) == 3

    async def router(name: str, request: Json) -> Json:
        return {"label": "robot"}

    with pytest.raises(BadRequest, match="name a specialist for chat"):
        await written(QUESTION, found, "desk", router)


def test_what_is_grounded() -> None:
    assert grounded("The filter, weekly!", "clean the filter weekly") == 1
    assert grounded("buy a new car", "clean the filter weekly") < LEAST_GROUNDED
    assert grounded("", "clean") == 0
