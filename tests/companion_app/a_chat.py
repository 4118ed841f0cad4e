"""A conversation with two models, as the chat screen shows one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from companion_app.state import chat_actions as cact
from companion_app.state.chat import Conversation, Listed, Model, Picture, Reply, ReplyPhase, Turn
from edge_runtime.tasks.knobs import turn

from . import samples

if TYPE_CHECKING:
    from companion_app.state.store import Store

TALK = Conversation(
    "0123456789abcdef",
    (Model(samples.KITCHEN, "talk", "4711"), Model(samples.ATTIC, "tiny-talk", "4712")),
    title="1 + 1 = ?",
    created=1.7e9,
    updated=1.7e9,
    turns=(
        Turn(
            1,
            "1 + 1 = ?",
            (Reply("**2**\n\n- 1\n- 1\n\n```\n1 + 1\n```", ReplyPhase.DONE), Reply("3", ReplyPhase.DONE)),
            Picture("1.png", "42", "43"),
        ),
    ),
    blind=True,
)


def furnish_chat(store: Store) -> None:
    """Open it, with a phrase about the knobs that was just read."""
    store.dispatch(cact.ChatsListed((Listed(TALK.id, TALK.title, TALK.updated), Listed("f" * 16, "2 + 2", 1.6e9))))
    store.dispatch(cact.ChatOpened(TALK))
    store.dispatch(cact.KnobsTurned("1.2.3", turn("shorter", TALK.knobs)))
