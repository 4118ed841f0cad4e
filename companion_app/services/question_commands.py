"""What a person can do with questions. An answer is on disk before it is sent, and sent until the host has it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from companion_app.i18n import tr
from companion_app.services.host_client import HostClient, HostError, Json
from companion_app.services.link import backoff
from companion_app.services.outbox import keep_outbox, read_outbox
from companion_app.services.question_wire import queue_from, reply_body, topics_from
from companion_app.services.remember import Memory, RememberError
from companion_app.services.wire import as_number, as_text
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import question_actions as qact
from companion_app.state.model import AppState, Screen
from companion_app.state.phase import Phase
from companion_app.state.questions import DROPPED, Reply, card, refused_line, taken_line
from companion_app.state.store import Store

# What a host said for good: the same answer would be refused again.
MISSING = 404
REFUSED_FOR_GOOD = frozenset({400, MISSING, 409, 413, 422})


class QuestionCommands:
    """Owns the outbox and the calls about questions, one at a time: an older answer never comes after a newer one."""

    def __init__(self, store: Store, memory: Memory, client: Callable[[], HostClient]) -> None:
        """client: the paired host's; raises `HostError` without one."""
        self._store = store
        self._memory = memory
        self._client = client
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._turn = asyncio.Lock()
        self._kick = asyncio.Event()
        self._kept: tuple[str, tuple[Reply, ...]] = ("", ())
        self._tried: Reply | None = None  # the host may have it, whatever came back
        self._sending: asyncio.Task[None] | None = None
        self._started = self._online = self._seen = False
        self._stop_listening = store.listen(self._watch)

    def start(self) -> None:
        """Go on with what an earlier run didn't get rid of; needs a running event loop."""
        address = self._address() or ""
        found: tuple[Reply, ...] = ()
        try:
            found = read_outbox(self._memory, address)
        except RememberError as error:
            self._store.dispatch(act.Noticed(str(error)))
        self._kept, self._started = (address, found), True
        self._store.dispatch(qact.OutboxFound(found))

    async def close(self) -> None:
        """End every call; what isn't sent stays on disk."""
        self._stop_listening()
        await self._work.close()

    def look(self) -> None:
        """Ask the host what it asks."""
        self._work.begin(self._look())

    def pick(self, dataset: str) -> None:
        """Answer the questions about this dataset."""
        self._store.dispatch(qact.TopicPicked(dataset))
        self.look()

    def answer(self, label: str | None, reason: str = DROPPED) -> None:
        """Answer the question on the screen; with None it gets no label, for that reason."""
        asking = self._store.state.asking
        if (question := card(asking)) is not None:
            said = Reply(asking.opened, question, label, "" if label is not None else reason)
            self._store.dispatch(qact.Replied(said))

    def skip(self) -> None:
        """See the question on the screen last."""
        if (question := card(self._store.state.asking)) is not None:
            self._store.dispatch(qact.Skipped(question.text))

    def undo(self) -> None:
        """Take back the last answer."""
        asking = self._store.state.asking
        if asking.history:
            last = asking.history[-1]
            here = any(one is last for one in asking.outbox)
            self._store.dispatch(qact.Undone(last, withdrawn=here and last is not self._tried))

    def take(self) -> None:
        """Have the answers put into the dataset."""
        if not self._store.state.asking.taking:
            self._store.dispatch(qact.TakeStarted())
            self._work.begin(self._take(self._store.state.asking.opened))

    def _watch(self, state: AppState) -> None:
        """Keep and send what was said; ask anew where the host is back, or a person comes to look."""
        if not self._started:
            return
        online = state.host is not None and state.host.phase is Phase.ONLINE
        seen = online and state.screen is Screen.QUESTIONS
        if seen and not self._seen:
            self.look()
        if online and not self._online:
            self._kick.set()
        self._online, self._seen = online, seen
        address = self._address() or ""
        if (address, state.asking.outbox) != self._kept:
            self._kept = (address, state.asking.outbox)
            self._keep()
        if state.asking.outbox and (self._sending is None or self._sending.done()):
            self._sending = self._work.begin(self._send())

    def _keep(self) -> None:
        try:
            keep_outbox(self._memory, *self._kept)
        except RememberError as error:
            # Not from within a listener of the store: the others have to hear of the first change first.
            asyncio.get_running_loop().call_soon(self._store.dispatch, act.Noticed(str(error)))

    async def _look(self) -> None:
        try:
            async with self._turn:
                self._store.dispatch(qact.TopicsTold(topics_from(await self._topics())))
                if opened := self._store.state.asking.opened:
                    self._store.dispatch(qact.QueueTold(queue_from(await self._client().questions_about(opened))))
        except HostError as error:
            self._store.dispatch(qact.QuestionsFailed(str(error)))

    async def _topics(self) -> Json:
        try:
            return await self._client().questions()
        except HostError as error:
            if error.status == MISSING:
                raise HostError(tr("This host asks no questions; update Enigma there.")) from None
            raise

    async def _send(self) -> None:
        """Send what is in the outbox, in order, as often as it takes."""
        attempt = 0
        while outbox := self._store.state.asking.outbox:
            reply, address = outbox[0], self._address()
            self._tried = reply
            try:
                async with self._turn:
                    answer = await self._client().answer(reply.dataset, reply_body(reply), undo=reply.undo)
                    if address == self._address():
                        self._store.dispatch(qact.ReplySent(reply, queue_from(answer)))
                attempt = 0
            except HostError as error:
                if error.status in REFUSED_FOR_GOOD:
                    self._store.dispatch(qact.ReplyRefused(reply))
                    self._store.dispatch(act.Noticed(refused_line(reply, str(error))))
                    self.look()
                    continue
                self._store.dispatch(qact.QuestionsFailed(str(error)))
                await self._pause(backoff(attempt, random.random()))
                attempt += 1

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until the host is back."""
        self._kick.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._kick.wait()
        except TimeoutError:
            return

    async def _take(self, dataset: str) -> None:
        try:
            async with self._turn:
                answer = await self._client().take_answers(dataset)
                to, new, rows = (answer.get(name) for name in ("to", "new", "rows"))
                sentence = taken_line(as_text(to), int(as_number(new)), int(as_number(rows)))
                self._store.dispatch(qact.Taken(sentence, queue_from(answer)))
        except HostError as error:
            self._store.dispatch(qact.QuestionsFailed(str(error)))

    def _address(self) -> str | None:
        host = self._store.state.host
        return None if host is None else host.address
