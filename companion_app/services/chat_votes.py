"""Votes and thumbs on their way to the host: kept on disk until it has them, so that none is lost while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from companion_app.services.chat_json import ChatFileError
from companion_app.services.chat_store import ChatStore
from companion_app.services.host_client import HostClient, HostError
from companion_app.state import chat_actions as cact
from companion_app.state.chat import Conversation, Turn, opinion, preference
from companion_app.state.store import Store

UNKNOWN = (400, 404, 405, 422)  # of HTTP: the host knows no such row or address


class Votes:
    """Keeps them, sends them, and says how many wait."""

    def __init__(self, store: Store, files: ChatStore, host: Callable[[], HostClient]) -> None:
        self._store = store
        self._files = files
        self._host = host
        self._turn = asyncio.Lock()

    async def keep(self, conversation: Conversation, turn: Turn) -> None:
        """Keep a vote, and try to send it; a tie prefers nothing."""
        await self._keep(_id(conversation, turn), preference(conversation, turn))

    async def keep_thumb(self, conversation: Conversation, turn: Turn, model: int) -> None:
        """Keep whether an answer was found good or bad, or neither any more, and try to send it."""
        number = sum(one.model == model for one in turn.former)
        await self._keep(f"{_id(conversation, turn)}-{model}-{number}", opinion(conversation, turn, model))

    async def take_back(self, conversation: Conversation, turn: Turn) -> None:
        """An answer is written anew: a vote on the former one counts no more."""
        await self._keep(_id(conversation, turn), None)

    async def _keep(self, id: str, row: dict[str, object] | None) -> None:
        try:
            await asyncio.to_thread(self._files.keep_vote, id, row)
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))
            return
        await self.send()

    async def count(self) -> None:
        """Say how many wait. Raises `ChatFileError`."""
        self._store.dispatch(cact.VotesWaiting(len(await asyncio.to_thread(self._files.votes))))

    async def send(self) -> None:
        """Send what waits; where the host isn't there, it waits on."""
        async with self._turn:
            try:
                for id, row in await asyncio.to_thread(self._files.votes):
                    try:
                        await (self._host().unprefer(id) if row is None else self._host().prefer(row))
                    except HostError as error:
                        # A host of a version before thumbs takes none: they wait for a later one, and hold up no vote.
                        if error.status not in UNKNOWN:
                            raise
                        continue
                    await asyncio.to_thread(self._files.sent, id)
            except (HostError, ChatFileError):
                pass  # they wait for the next time; `waiting_votes` says so
            try:
                await self.count()
            except ChatFileError as error:
                self._store.dispatch(cact.ChatNoted(str(error), wrong=True))


def _id(conversation: Conversation, turn: Turn) -> str:
    return f"{conversation.id}-{turn.number}"
