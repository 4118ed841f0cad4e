"""A conversation with two models, as the chat screen shows one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from companion_app.state import chat_actions as cact
from companion_app.state.chat import Conversation, Listed, Model, Picture, Reply, ReplyPhase, Turn
from edge_runtime.tasks.knobs import turn

from . import samples
from .words import NUMBERS, Words

if TYPE_CHECKING:
    from companion_app.state.store import Store


def _talk(words: Words) -> Conversation:
    return Conversation(
        "0123456789abcdef",
        (Model(samples.KITCHEN, "talk", words.models[0]), Model(samples.ATTIC, "tiny-talk", words.models[1])),
        title=words.title,
        created=1.7e9,
        updated=1.7e9,
        turns=(
            Turn(
                1,
                words.said,
                (Reply(words.answers[0], ReplyPhase.DONE), Reply(words.answers[1], ReplyPhase.DONE)),
                Picture("1.png", *words.seen),
            ),
        ),
        blind=True,
    )


def furnish_chat(store: Store, words: Words = NUMBERS) -> None:
    """Open it, with a phrase about the knobs that was just read."""
    talk = _talk(words)
    store.dispatch(
        cact.ChatsListed((Listed(talk.id, talk.title, talk.updated), Listed("f" * 16, words.other_title, 1.6e9)))
    )
    store.dispatch(cact.ChatOpened(talk))
    store.dispatch(cact.KnobsTurned(words.turned, turn("shorter", talk.knobs)))
