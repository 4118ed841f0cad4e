"""A conversation as JSON, in its file and where it is exported, and back: what is read is checked, field by field."""

from __future__ import annotations

import json
import re
from typing import TypeVar

from companion_app.i18n import tr
from companion_app.services.wire import MAX_TIME
from companion_app.state.chat import Conversation, Former, Model, Picture, Reply, ReplyPhase, Turn
from edge_runtime.strict_json import is_number
from edge_runtime.tasks.knobs import Knobs

FORMAT = "enigma-chat-1"
MAX_BYTES = 32 * 1024 * 1024
MAX_TURNS = 10_000
MAX_FORMER = 64
MAX_TEXT = 1_000_000  # characters of one message or answer
_ID = re.compile(r"[0-9a-f]{16}")
T = TypeVar("T")
Json = dict[str, object]


class ChatFileError(Exception):
    """A file isn't a conversation, or can't be read or written; the message is one sentence for the person."""


def to_json(one: Conversation) -> Json:
    """A conversation as JSON's own types; a draft goes along."""
    return {
        "format": FORMAT,
        "id": one.id,
        "title": one.title,
        "created": one.created,
        "updated": one.updated,
        "models": [{"where": model.where, "name": model.name, "label": model.label} for model in one.models],
        "blind": one.blind,
        "knobs": {
            "temperature": one.knobs.temperature,
            "top_p": one.knobs.top_p,
            "max_tokens": one.knobs.max_tokens,
            "repetition": one.knobs.repetition,
        },
        "draft": one.draft,
        "turns": [_turn(turn) for turn in one.turns],
    }


def from_json(raw: object) -> Conversation:
    """The conversation of `to_json`; raises `ChatFileError` with what is wrong."""
    whole = _mapping(raw, "the file")
    if whole.get("format") != FORMAT:
        raise ChatFileError(tr("This file holds no conversation of this app; export one as JSON to get such a file."))
    id = _text(whole, "id", 16)
    if not _ID.fullmatch(id):
        raise _wrong("id")
    models = tuple(
        Model(_text(item, "where", 300), _text(item, "name", 100), _text(item, "label", 200))
        for item in _items(whole, "models", 2)
    )
    turns = tuple(_turn_from(item, len(models)) for item in _items(whole, "turns", MAX_TURNS))
    if len({turn.number for turn in turns}) < len(turns):
        raise _wrong("turns")
    knobs = _mapping(whole.get("knobs"), "knobs")
    return Conversation(
        id=id,
        models=models,
        title=_text(whole, "title", 500),
        created=_number(whole, "created", 0, MAX_TIME),
        updated=_number(whole, "updated", 0, MAX_TIME),
        turns=turns,
        knobs=Knobs(
            _number(knobs, "temperature", 0, 10),
            _number(knobs, "top_p", 0, 1),
            int(_number(knobs, "max_tokens", 1, 1_000_000)),
            _number(knobs, "repetition", 0, 10),
        ).bounded(),
        blind=_flag(whole, "blind"),
        draft=_text(whole, "draft", MAX_TEXT),
    )


def loads(content: bytes) -> Conversation:
    """The conversation in a file's content; raises `ChatFileError`."""
    if len(content) > MAX_BYTES:
        raise ChatFileError(tr("This file is too large for a conversation."))
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError):
        raise ChatFileError(tr("This file isn't JSON; choose a conversation that was exported as JSON.")) from None
    return from_json(raw)


def dumps(one: Conversation) -> bytes:
    """A conversation as the content of a file."""
    return (json.dumps(to_json(one), ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace")


def _turn(turn: Turn) -> Json:
    picture = turn.picture
    return {
        "number": turn.number,
        "text": turn.text,
        "replies": [
            {"text": reply.text, "phase": reply.phase.value, "problem": reply.problem, "liked": reply.liked}
            for reply in turn.replies
        ],
        "picture": None
        if picture is None
        else {
            "name": picture.name,
            "specialist": picture.specialist,
            "seen": picture.seen,
            "problem": picture.problem,
        },
        "flipped": turn.flipped,
        "vote": turn.vote,
        "former": [{"model": one.model, "text": one.text, "liked": one.liked} for one in turn.former],
    }


def _turn_from(raw: Json, models: int) -> Turn:
    replies = tuple(
        Reply(_text(item, "text", MAX_TEXT), _phase(item), _text(item, "problem", 1000), _liked(item))
        for item in _items(raw, "replies", 2)
    )
    picture, vote = raw.get("picture"), raw.get("vote")
    if vote is not None and (isinstance(vote, bool) or not isinstance(vote, int) or not -1 <= vote < len(replies)):
        raise _wrong("vote")
    if len(replies) > models:
        raise _wrong("replies")
    shown = None
    if picture is not None:
        item = _mapping(picture, "picture")
        names = (_text(item, "name", 300), _text(item, "specialist", 100))
        shown = Picture(*names, _text(item, "seen", 10_000), _text(item, "problem", 1000))
    former = tuple(
        Former(int(_number(item, "model", 0, max(0, models - 1))), _text(item, "text", MAX_TEXT), _flag(item, "liked"))
        for item in _items({"former": [], **raw}, "former", MAX_FORMER)
    )
    return Turn(
        number=int(_number(raw, "number", 0, 1e9)),
        text=_text(raw, "text", MAX_TEXT),
        replies=replies,
        picture=shown,
        flipped=_flag(raw, "flipped"),
        vote=vote,
        former=former,
    )


def _phase(raw: Json) -> ReplyPhase:
    try:
        return ReplyPhase(_text(raw, "phase", 20))
    except ValueError:
        raise _wrong("phase") from None


def _mapping(raw: object, name: str) -> Json:
    if not isinstance(raw, dict):
        raise _wrong(name)
    return raw


def _items(raw: Json, name: str, most: int) -> list[Json]:
    items = raw.get(name)
    if not isinstance(items, list) or len(items) > most:
        raise _wrong(name)
    return [_mapping(item, name) for item in items]


def _text(raw: Json, name: str, most: int) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise _wrong(name)
    return value


def _number(raw: Json, name: str, low: float, high: float) -> float:
    value = raw.get(name)
    if not is_number(value) or not low <= value <= high:
        raise _wrong(name)
    return value


def _liked(raw: Json) -> bool | None:
    # Files of versions without thumbs have none.
    return None if raw.get("liked") is None else _flag(raw, "liked")


def _flag(raw: Json, name: str) -> bool:
    value = raw.get(name)
    if not isinstance(value, bool):
        raise _wrong(name)
    return value


def _wrong(name: str) -> ChatFileError:
    return ChatFileError(
        tr("This file is no whole conversation: “{name}” is missing or wrong; export it again.", name=name)
    )
