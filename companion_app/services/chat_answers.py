"""Answers that are being written: one task for each, so that a slow model holds up nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from companion_app.i18n import tr
from companion_app.services.chat_wire import Json, words_of
from companion_app.services.host_client import HostError
from companion_app.services.link import sentence_of
from companion_app.state import chat_actions as cact
from companion_app.state.chat import ReplyPhase
from edge_runtime.client import EdgeError

FRAME = 0.05  # seconds; pieces that come faster are shown together
MAX_ANSWER = 500_000  # characters; a model that never ends isn't read for ever

Place = tuple[str, int, int]  # a conversation's id, a turn's number, a model's place
Dispatch = Callable[[cact.ChatAction], None]


class Answer:
    """One answer, from its first piece to its end; whatever came stays, however it ends."""

    def __init__(self, place: Place, dispatch: Dispatch) -> None:
        self._place = place
        self._dispatch = dispatch
        self._held: list[str] = []
        self._length = 0
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, chunks: Callable[[], AsyncGenerator[Json, None]]) -> None:
        """Show the pieces as they come. chunks: opens the stream; closed early, the model stops within a token."""
        phase, problem = ReplyPhase.DONE, ""
        try:
            async with contextlib.aclosing(chunks()) as found:
                finish = ""
                async for chunk in found:
                    text, ended = words_of(chunk)
                    finish = ended or finish
                    self._grow(text)
                    if self._length > MAX_ANSWER:
                        finish = "length"
                        break
            if finish == "length":
                phase = ReplyPhase.CUT
        except asyncio.CancelledError:
            phase = ReplyPhase.STOPPED
            raise
        except (EdgeError, HostError, TimeoutError, OSError) as error:
            phase, problem = ReplyPhase.BROKEN, sentence_of(error)
        finally:
            self._flush()
            self._dispatch(cact.ReplyEnded(*self._place, phase, problem or _sentence(phase)))

    def _grow(self, text: str) -> None:
        if not text:
            return
        self._held.append(text)
        self._length += len(text)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FRAME, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            text = "".join(self._held)
            self._held.clear()
            self._dispatch(cact.ReplyGrew(*self._place, text))


def _sentence(phase: ReplyPhase) -> str:
    if phase is ReplyPhase.CUT:
        return tr("It reached its longest length; say “longer” for more.")
    return tr("Stopped by you.") if phase is ReplyPhase.STOPPED else ""
