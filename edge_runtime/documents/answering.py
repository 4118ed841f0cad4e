"""A question's answer from documents: a quote and where it stands, or a specialist's words held to the passages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from edge_runtime.documents.library import Found
from edge_runtime.documents.stop_words import STOP_WORDS
from edge_runtime.errors import BadRequest

NOT_THERE = "That isn't in the documents."
NEAR = 0.05  # as much below what answers, another document is a source too; chosen as `Encoder.least` was
LEAST_GROUNDED = 0.6  # of the words of an answer that a specialist wrote, in the passages or the question
_SHOWN = 1200  # characters of passages that a specialist reads
_WORD = re.compile(r"\w+")
Json = dict[str, object]
Run = Callable[[str, Json], Awaitable[Json]]


def answer(found: Sequence[Found]) -> Json:
    """{"found", "answer", "document", "sources"}: the best passage's quote, or that there is none."""
    sources = [found_as_json(one) for one in cited(found)]
    if not sources:
        return {"found": False, "answer": NOT_THERE, "document": None, "sources": []}
    best = sources[0]
    return {"found": True, "answer": best["quote"], "document": best["document"], "sources": sources}


def cited(found: Sequence[Found]) -> list[Found]:
    """Those that an answer rests on: the first that answers, and all that answer nearly; none where none answers."""
    first = next((one for one in found if one.answers), None)
    others = [one for one in found if one is not first and one.score >= one.least - NEAR]
    return [] if first is None else [first, *others]


def found_as_json(one: Found) -> Json:
    """{"document", "heading", "text", "quote", "covered", "alike", "answers"}."""
    return {
        "document": one.document,
        "heading": one.heading,
        "text": one.text,
        "quote": one.quote,
        "covered": round(one.covered, 4),
        "alike": None if one.alike is None else round(one.alike, 4),
        "answers": one.answers,
    }


async def written(question: str, found: Sequence[Found], specialist: str, run: Run) -> Json:
    """As `answer`, in the words of a `chat` specialist that reads the passages: {.., "written_by"}.

    Where it says what the passages don't have, the quote stands, and written_by is None. run: asks a specialist. Raises
    `BadRequest` where the specialist is none for `chat`, and what asking it raises.
    """
    made = answer(found)
    if not made["found"]:
        return {**made, "written_by": None}
    passages = "\n\n".join(f"{one.document}: {one.text}" for one in cited(found))[:_SHOWN]
    asked = f"{passages}\n\nAnswer in one or two sentences, from the text above alone: {question}"
    reply = (await run(specialist, {"messages": [{"role": "user", "content": asked}]})).get("reply")
    if not isinstance(reply, str):
        raise BadRequest(f"'{specialist}' doesn't write answers; name a specialist for chat.")
    if grounded(reply, f"{passages} {question}") < LEAST_GROUNDED:
        return {**made, "written_by": None}
    return {**made, "answer": reply.strip(), "written_by": specialist}


def grounded(text: str, passages: str) -> float:
    """The share, 0 to 1, of a text's words that say something which the passages have; 0 for none."""
    have = set(_WORD.findall(passages.casefold()))
    words = [word for word in _WORD.findall(text.casefold()) if word not in STOP_WORDS]
    return sum(word in have for word in words) / len(words) if words else 0.0


def as_text(made: Json) -> str:
    """An answer for a terminal: what was said, and a line for each source."""
    lines = [str(made["answer"])]
    for source in cast("list[Json]", made["sources"]):
        heading = f" ({source['heading']})" if source["heading"] else ""
        lines.append(f"  {source['document']}{heading}")
    return "\n".join(lines)
