"""Writes conversations down as they change: what was sent or typed at once, what is being written twice a second."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from companion_app.i18n import tr
from companion_app.services.chat_json import ChatFileError
from companion_app.services.chat_store import ChatStore
from companion_app.state import chat_actions as cact
from companion_app.state.chat import Conversation
from companion_app.state.model import AppState
from companion_app.state.store import Store

PAUSE = 0.5  # seconds; every keystroke and token would wear out an SD card


class Keeping:
    """Follows the store; one task writes, in a thread."""

    def __init__(self, store: Store, files: ChatStore) -> None:
        self._store = store
        self._files = files
        self._seen: dict[str, Conversation] = {}
        self._waiting: dict[str, Conversation] = {}  # also of those that aren't loaded any more
        self._wanted = asyncio.Event()
        self._turn = asyncio.Lock()
        self._gone: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._stop_listening = store.listen(self._watch)

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Write what isn't yet."""
        self._stop_listening()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(ChatFileError):  # it was said while the window was there
            await self.flush()

    async def flush(self) -> None:
        """Write all that changed, now. Raises `ChatFileError`."""
        async with self._turn:
            self._wanted.clear()
            while self._waiting:
                id, one = next(iter(self._waiting.items()))
                if id not in self._gone:
                    await asyncio.to_thread(self._files.keep, one)
                if self._waiting.get(id) is one:  # it didn't change meanwhile
                    del self._waiting[id]

    async def read(self, id: str) -> Conversation:
        """A conversation out of the file. Raises `ChatFileError`."""
        await self.flush()
        return await asyncio.to_thread(self._files.read, id)

    async def rename(self, id: str, title: str) -> None:
        """Another title for one that isn't open."""
        try:
            one = await self.read(id)
            await asyncio.to_thread(self._files.keep, replace(one, title=title or tr("Conversation")))
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))

    async def delete(self, id: str) -> None:
        """Remove one; nothing writes it again."""
        self._gone.add(id)
        try:
            async with self._turn:
                await asyncio.to_thread(self._files.delete, id)
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))

    def _watch(self, state: AppState) -> None:
        for one in state.chat.loaded:
            if self._seen.get(one.id) is not one and (one.turns or one.draft.strip() or one.id in self._seen):
                self._seen[one.id] = self._waiting[one.id] = one
                self._wanted.set()

    async def _run(self) -> None:
        said = ""
        while True:
            await self._wanted.wait()
            try:
                await self.flush()
                said = ""
            except ChatFileError as error:
                if str(error) != said:  # once, not twice a second
                    said = str(error)
                    self._store.dispatch(cact.ChatNoted(said, wrong=True))
            await asyncio.sleep(PAUSE)
