"""A teacher's probabilities of an answer, as a dataset's row keeps them: cut out of the reply, by bytes of the student's text.

A teacher answers in JSON, and a student learns one text of it. Where that text stands in the reply as a string, the pieces
of the reply are its own, escapes undone, and each comes with what else the teacher might have written there. An answer that
is made of the reply, as a mathematics problem's expression over numbered places, has none.
"""

from __future__ import annotations

import json
import math
import re

from edge_runtime.errors import BadRequest
from edge_runtime.tasks import task_module
from trainer_host.tasks import Example, Json
from trainer_host.teacher.protocol import Piece, Reply

SOFT = "soft"  # in a row's meta
ALTERNATIVES = 5  # for each piece: servers allow 5 at least, and the likeliest few hold nearly all
LEAST = 1e-4  # of a probability that is kept
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ESCAPE = re.compile(r"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[^u])")


def soft_answer(task: str, example: Example, reply: Reply) -> Json | None:
    """What an example's meta holds of the teacher's probabilities; None where the reply has none for the student's text.

    `at`: [offset, [[text, probability], ...]] of each piece, in bytes of the text that the student learns; the first text is
    what was written, "" the text's end.
    """
    if reply.pieces is None or not hasattr(module := task_module(task), "reply"):
        return None
    try:
        said = str(module.reply(example.input, example.output))
    except (BadRequest, KeyError):
        return None
    found = soft_pieces(reply.text, reply.pieces, said)
    return {"at": found} if found else None


def soft_pieces(text: str, pieces: tuple[Piece, ...], said: str) -> list[list[object]] | None:
    """The pieces of a reply that lie in the one string of its JSON that is `said`; None where there isn't just one."""
    strings = [match for match in _STRING.finditer(text) if _text(match.group()) == said]
    if not said or len(strings) != 1:
        return None
    begin = len(text[: strings[0].start() + 1].encode())
    offsets = _offsets(strings[0].group()[1:-1])
    made: list[list[object]] = []
    start = 0
    for piece in pieces:
        if (offset := offsets.get(start - begin)) is not None:
            chances = _chances(piece)
            if chances:
                made.append([offset, chances])
        start += len(piece.data)
    return made


def _offsets(written: str) -> dict[int, int]:
    """Byte of a JSON string without its quotes -> byte of the text that it stands for, where a piece may begin."""
    made: dict[int, int] = {}
    raw = plain = at = 0
    while at < len(written):
        escape = _ESCAPE.match(written, at)
        part = escape.group() if escape else written[at]
        size = len(part.encode())
        meant = len((_text(f'"{part}"') or "").encode()) if escape else size
        if escape:
            made[raw] = plain
        else:
            made |= {raw + byte: plain + byte for byte in range(size)}
        raw, plain, at = raw + size, plain + meant, at + len(part)
    return {**made, raw: plain}  # the quote behind it


def _chances(piece: Piece) -> list[list[object]]:
    """[text, probability] of what was written and of what else might have been; [] where the former isn't plain."""
    written = _plain(piece.data)
    if written is None:
        return []
    others: dict[str, float] = {}
    for data, logprob in piece.others:
        text = _plain(data)
        if data != piece.data and text is not None and math.exp(logprob) >= LEAST:
            others[text] = others.get(text, 0.0) + math.exp(logprob)
    others[written] = others.get(written, 0.0) + math.exp(piece.logprob)
    ordered = sorted(others.items(), key=lambda pair: (pair[0] != written, -pair[1]))
    return [[text, round(chance, 4)] for text, chance in ordered]


def _plain(data: bytes) -> str | None:
    """What a piece of a JSON string means, up to the string's end; None for half a character or half an escape."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    end = re.match(r'(?:[^"\\]|\\.)*', text, re.DOTALL)
    inside = text[: end.end()] if end else text
    rest = text[len(inside) :]
    if rest and not rest.startswith('"'):
        return None
    return _text(f'"{inside}"')


def _text(literal: str) -> str | None:
    try:
        value = json.loads(literal, strict=False)
        value.encode("utf-8")  # half of a pair is no text
    except (ValueError, AttributeError):
        return None
    return str(value)
