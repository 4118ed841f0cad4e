"""Votes on their way to the host: kept on disk until it has them, so that none is lost while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from companion_app.services.chat_json import ChatFileError
from companion_app.services.chat_store import ChatStore
from companion_app.services.host_client import HostClient, HostError
from companion_app.state import chat_actions as cact
from companion_app.state.chat import Conversation, Turn, preference
from companion_app.state.store import Store


class Votes:
    """Keeps them, sends them, and says how many wait."""

    def __init__(self, store: Store, files: ChatStore, host: Callable[[], HostClient]) -> None:
        self._store = store
        self._files = files
        self._host = host
        self._turn = asyncio.Lock()

    async def keep(self, conversation: Conversation, turn: Turn) -> None:
        """Keep a vote, and try to send it; a tie prefers nothing."""
        pair = preference(conversation, turn)
        try:
            await asyncio.to_thread(self._files.keep_vote, _id(conversation, turn), pair)
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))
            return
        await self.send()

    async def take_back(self, conversation: Conversation, turn: Turn) -> None:
        """An answer is written anew: a vote on the former one that wasn't sent isn't sent any more."""
        try:
            await asyncio.to_thread(self._files.keep_vote, _id(conversation, turn), None)
            await self.count()
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))

    async def count(self) -> None:
        """Say how many wait. Raises `ChatFileError`."""
        self._store.dispatch(cact.VotesWaiting(len(await asyncio.to_thread(self._files.votes))))

    async def send(self) -> None:
        """Send what waits; where the host isn't there, it waits on."""
        async with self._turn:
            try:
                for pair in await asyncio.to_thread(self._files.votes):
                    source = pair["source"]
                    assert isinstance(source, dict)
                    await self._host().prefer(pair)
                    await asyncio.to_thread(self._files.sent, str(source["id"]))
            except (HostError, ChatFileError):
                pass  # they wait for the next time; `waiting_votes` says so
            try:
                await self.count()
            except ChatFileError as error:
                self._store.dispatch(cact.ChatNoted(str(error), wrong=True))


def _id(conversation: Conversation, turn: Turn) -> str:
    return f"{conversation.id}-{turn.number}"
