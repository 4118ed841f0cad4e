"""What a person can do in a chat; each command returns at once and reports through the store."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

from companion_app.i18n import tr
from companion_app.services.chat_answers import Answer, Place
from companion_app.services.chat_files import read_conversation, write_conversation
from companion_app.services.chat_json import MAX_FORMER, ChatFileError
from companion_app.services.chat_keeping import Keeping
from companion_app.services.chat_picture import PictureError, read_picture, seen_words
from companion_app.services.chat_store import ChatStore
from companion_app.services.chat_votes import Votes
from companion_app.services.chat_wire import chunks, request, writers_from
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.link import sentence_of
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import chat_actions as cact
from companion_app.state.chat import (
    Chat,
    Conversation,
    Former,
    Model,
    Picture,
    Reply,
    ReplyPhase,
    Turn,
    ended,
    shown_order,
    title_of,
)
from companion_app.state.chat_models import chosen, obstacle, seer
from companion_app.state.model import AppState, Screen
from companion_app.state.phase import Phase
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient, EdgeError
from edge_runtime.tasks.knobs import Knobs, turn

MAX_MESSAGE = 30_000  # characters; devices take 32,000 of a whole conversation, and say where that is too much
MAX_TITLE = 120
PICTURE_DEADLINE = 40.0
WRITE_DEADLINE = 5.0


class ChatCommands:
    """Owns the conversations: what is written of them, and the answers that are on their way."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        device: Callable[[str], DeviceClient],
        host: Callable[[], HostClient],
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """folder: of the app's files. device, host: the clients of what is paired; they raise where nothing is.
        chance: decides which of two hidden answers is shown first."""
        self._store = store
        self._device = device
        self._host = host
        self._clock = clock
        self._chance = chance
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._answers: dict[Place, asyncio.Task[None]] = {}
        self._writes: set[asyncio.Task[None]] = set()  # what a person was told is done: the app ends after it
        self.files = ChatStore(folder)
        self._keeping = Keeping(store, self.files)
        self._votes = Votes(store, self.files, host)
        self._seen = False
        self._stop_listening = store.listen(self._watch)

    def start(self) -> None:
        """Read the list; needs a running event loop."""
        self._keeping.start()
        self._work.begin(self._list())

    async def close(self) -> None:
        """End every answer, keep what came of it, and close the file."""
        self._stop_listening()
        if self._writes:
            await asyncio.wait(self._writes, timeout=WRITE_DEADLINE)
        await self._work.close()
        await self._keeping.close()
        await asyncio.to_thread(self.files.close)

    async def written(self) -> ChatStore:
        """The file, with all that was said so far in it. Raises `ChatFileError`."""
        await self._keeping.flush()
        return self.files

    def begin(self) -> None:
        """Show the beginning of a new conversation."""
        self._store.dispatch(cact.ChatOpened(None))

    def open(self, id: str) -> None:
        """Go on with a conversation."""
        self._work.begin(self._open(id))

    def search(self, query: str) -> None:
        """Look for words in all conversations."""
        self._work.begin(self._search(query))

    def rename(self, id: str, title: str) -> None:
        """Give a conversation another title."""
        title = " ".join(title.split())[:MAX_TITLE]
        self._store.dispatch(cact.ChatRenamed(id, title or tr("Conversation")))
        if self._chat.one(id) is None:
            self._write(self._keeping.rename(id, title))

    def delete(self, id: str) -> None:
        """Remove a conversation for good; the screen has asked before."""
        for place in [place for place in self._answers if place[0] == id]:
            self._answers[place].cancel()
        self._store.dispatch(cact.ChatDeleted(id))
        self._write(self._keeping.delete(id))

    def pick(self, models: tuple[Model, ...]) -> None:
        """Say whom the next conversation is with."""
        self._store.dispatch(cact.ChatModelsPicked(models))

    def typed(self, text: str) -> None:
        """Keep what is being typed."""
        if self._chat.conversation is None:
            if not text.strip():
                return
            self._store.dispatch(cact.ChatOpened(self._new()))
        self._store.dispatch(cact.ChatDrafted(text))

    def send(self, text: str, picture: str = "", *, as_message: bool = False) -> bool:
        """Send a message, with a picture where a path is given; whether it went out.

        A message that says nothing but how to answer ("be more creative") turns the knobs instead, unless as_message.
        """
        state = self._store.state
        text = text.strip()
        if not text and not picture.strip():
            return False
        one = state.chat.conversation
        if text and not picture and not as_message and turn(text, one.knobs if one else Knobs()).certain:
            self.say(text)
            self._store.dispatch(cact.ChatDrafted(""))
            return True
        models = chosen(state)
        if not text and seer(state, models) is not None:
            models = one.models if one is not None else models  # the picture's answer is all that is asked for
            reason = ""
        else:
            reason = obstacle(state, one, models)
        if not reason and len(text) > MAX_MESSAGE:
            reason = tr(
                "A message may have {most} characters; this one has {number}.", most=MAX_MESSAGE, number=len(text)
            )
        if reason:
            self._store.dispatch(cact.ChatNoted(reason, wrong=True))
            return False
        if one is None or (not one.turns and one.models != models):
            one = replace(one or self._new(), models=models, blind=state.chat.blind and len(models) == 2)
            self._store.dispatch(cact.ChatOpened(one))
        number = max((turn.number for turn in one.turns), default=0) + 1
        self._ask(one, number, text, picture.strip())
        return True

    def stop(self) -> None:
        """End the answers of the open conversation; the models stop within a token."""
        for place, task in self._answers.items():
            if place[0] == self._chat.open:
                task.cancel()

    def retry(self, number: int, model: int) -> None:
        """Ask a model again for its answer to the last message."""
        one = self._chat.conversation
        again = one.turn(number) if one else None
        if one is None or again is None or one.turns[-1].number != number or again.running:
            return
        if reason := obstacle(self._store.state, one, one.models[model : model + 1]):
            self._store.dispatch(cact.ChatNoted(reason, wrong=True))
            return
        replies = tuple(Reply() if at == model else reply for at, reply in enumerate(again.replies))
        if again.vote is not None:
            self._write(self._votes.take_back(one, again))
        before = again.replies[model]
        former = again.former
        if before.liked is not None:  # it stays what a person said of that answer; a better one makes a pair of both
            former = (*former, Former(model, before.text, before.liked))[-MAX_FORMER:]
        asked = replace(again, replies=replies, vote=None, former=former)
        self._store.dispatch(cact.ChatSaid(one.id, asked, self._clock()))
        self._begin((one.id, number, model))

    def edit(self, number: int, text: str) -> None:
        """Send a message otherwise than it was: in a new conversation with all before it. The former one stays as it is."""
        one = self._chat.conversation
        former = one.turn(number) if one else None
        if one is None or former is None or not text.strip():
            return
        if reason := obstacle(self._store.state, one, one.models):
            self._store.dispatch(cact.ChatNoted(reason, wrong=True))
            return
        before = tuple(turn for turn in one.turns if turn.number < number)
        fresh = self._new()
        fresh = replace(
            fresh, models=one.models, blind=one.blind, knobs=one.knobs, turns=before, title=one.title if before else ""
        )
        self._store.dispatch(cact.ChatOpened(fresh))
        picture = replace(former.picture) if former.picture is not None and former.picture.seen else None
        self._say(fresh, Turn(number, text.strip(), self._waiting(fresh), picture))

    def vote(self, number: int, vote: int) -> None:
        """Say which of two answers is better; it goes to the host as a preference."""
        one = self._chat.conversation
        if one is None:
            return
        self._store.dispatch(cact.ChatVoted(one.id, number, vote))
        now = self._chat.one(one.id)
        voted = now.turn(number) if now else None
        if now is not None and voted is not None and voted.vote == vote:
            self._write(self._votes.keep(now, voted))

    def like(self, number: int, model: int, liked: bool) -> None:
        """Say that an answer is good or bad; the same again takes it back. It goes to the host, which learns from it."""
        one = self._chat.conversation
        judged = one.turn(number) if one else None
        if one is None or judged is None or not judged.replies[model].likable:
            return
        told = None if judged.replies[model].liked is liked else liked
        self._store.dispatch(cact.ReplyLiked(one.id, number, model, told))
        now = self._chat.one(one.id)
        changed = now.turn(number) if now else None
        if now is not None and changed is not None:
            self._write(self._votes.keep_thumb(now, changed, model))

    def like_last(self, liked: bool) -> None:
        """The same of the last answer that is whole."""
        one = self._chat.conversation
        for said in reversed(one.turns if one else ()):
            for model in reversed(shown_order(one, said) if one else ()):
                if said.replies[model].likable:
                    self.like(said.number, model, liked)
                    return

    def say(self, phrase: str) -> None:
        """Turn knobs by saying so."""
        one = self._chat.conversation
        if one is None:
            one = self._new()
            self._store.dispatch(cact.ChatOpened(one))
        self._store.dispatch(cact.KnobsTurned(phrase.strip(), turn(phrase, one.knobs)))

    def undo_knobs(self) -> None:
        """Take the last change of the knobs back."""
        self._store.dispatch(cact.KnobsUndone())

    def knobs_seen(self) -> None:
        """What a phrase changed has been read."""
        self._store.dispatch(cact.KnobsSeen())

    def show_list(self, shown: bool) -> None:
        """Show the list of conversations in a narrow window, or hide it."""
        self._store.dispatch(cact.ChatListShown(shown))

    def delete_ask(self, id: str | None) -> None:
        """Ask whether one is to be deleted; None takes the question back."""
        self._store.dispatch(cact.ChatDeleteAsked(id))

    def rename_begin(self, on: bool) -> None:
        """Let the title be typed, or not any more."""
        self._store.dispatch(cact.ChatRenaming(on))

    def edit_begin(self, number: int | None) -> None:
        """Take a message into the field, to be sent otherwise; None ends that."""
        self._store.dispatch(cact.ChatEditBegun(number))

    def set_blind(self, blind: bool) -> None:
        """Whether names are hidden until a vote."""
        self._store.dispatch(cact.ChatBlindSet(blind))

    def set_knob(self, name: str, value: float) -> None:
        """Move one knob by hand."""
        one = self._chat.conversation or self._new()
        if self._chat.conversation is None:
            self._store.dispatch(cact.ChatOpened(one))
        fields = {"temperature": one.knobs.temperature, "top_p": one.knobs.top_p, "repetition": one.knobs.repetition}
        fields[name] = round(value, 2)
        tokens = int(value) if name == "max_tokens" else one.knobs.max_tokens
        moved = Knobs(fields["temperature"], fields["top_p"], tokens, fields["repetition"])
        self._store.dispatch(cact.KnobsSet(moved.bounded()))

    def export(self, kind: str, path: str = "") -> None:
        """Write the open conversation as "md", "json" or "pdf": into a folder or file, by default where downloads go."""
        one = self._chat.conversation
        if one is None or not one.turns:
            self._store.dispatch(cact.ChatNoted(tr("There is nothing to export yet."), wrong=True))
            return
        self._work.begin(self._export(one, kind, path))

    def import_(self, path: str) -> None:
        """Read a conversation that was exported as JSON, and open it."""
        self._work.begin(self._import(path))

    @property
    def _chat(self) -> Chat:
        return self._store.state.chat

    def _new(self) -> Conversation:
        state, now = self._store.state, self._clock()
        models = state.chat.picked or chosen(state)
        return Conversation(
            secrets.token_hex(8), models, created=now, updated=now, blind=state.chat.blind and len(models) == 2
        )

    def _waiting(self, one: Conversation) -> tuple[Reply, ...]:
        return tuple(Reply() for _ in one.models)

    def _ask(self, one: Conversation, number: int, text: str, picture: str) -> None:
        if not picture:
            self._say(one, Turn(number, text, self._waiting(one), flipped=self._chance() < 0.5))
            return
        name = Path(picture).name or picture
        # Without a question, the picture's answer is all; with one, the models wait until it was looked at.
        replies = self._waiting(one) if text else ()
        self._store.dispatch(
            cact.ChatSaid(one.id, Turn(number, text, replies, Picture(name[:200]), self._chance() < 0.5), self._clock())
        )
        self._work.begin(self._look(one, number, Path(picture).expanduser(), text))

    def _say(self, one: Conversation, said: Turn) -> None:
        self._store.dispatch(cact.ChatSaid(one.id, said, self._clock()))
        for model in range(len(said.replies)):
            self._begin((one.id, said.number, model))

    def _begin(self, place: Place) -> None:
        """Let a model write; what it reads is taken now, so that two of them read the same."""
        one = self._chat.one(place[0])
        assert one is not None
        model = one.models[place[2]]
        body = request(one, place[1], model)
        answer = Answer(place, self._store.dispatch)
        task = self._work.begin(answer.read(lambda: chunks(model, body, self._device, self._host)))
        self._answers[place] = task
        task.add_done_callback(lambda _: self._ended(place, task))

    def _ended(self, place: Place, task: asyncio.Task[None]) -> None:
        if self._answers.get(place) is task:
            del self._answers[place]
            # One that is stopped before it began says nothing of its end.
            self._store.dispatch(cact.ReplyEnded(*place, ReplyPhase.STOPPED, tr("Stopped by you.")))

    def _write(self, work: Coroutine[object, object, None]) -> None:
        task = self._work.begin(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _look(self, one: Conversation, number: int, path: Path, text: str) -> None:
        specialist, seen, problem = "", "", ""
        try:
            found = seer(self._store.state, one.models)
            if found is None:
                raise PictureError(tr("No device here has a vision specialist; push one, and send the picture again."))
            address, specialist = found
            kind, content = await asyncio.to_thread(read_picture, path)
            async with asyncio.timeout(PICTURE_DEADLINE):
                seen = seen_words(await self._device(address).look(specialist, kind, content, text))
        except PictureError as error:
            problem = str(error)
        except (EdgeError, TimeoutError, OSError) as error:
            problem = sentence_of(error)
        self._store.dispatch(cact.PictureSeen(one.id, number, specialist, seen, problem))
        now = self._chat.one(one.id)
        asked = now.turn(number) if now else None
        for model in range(len(asked.replies) if text and asked is not None else 0):
            if problem:
                unasked = tr("Not asked, as nobody could look at the picture; send the message again without it.")
                self._store.dispatch(cact.ReplyEnded(one.id, number, model, ReplyPhase.BROKEN, unasked))
            else:
                self._begin((one.id, number, model))

    async def _list(self) -> None:
        try:
            self._store.dispatch(cact.ChatsListed(await asyncio.to_thread(self.files.listed)))
            await self._votes.count()
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))

    async def _open(self, id: str) -> None:
        try:
            one = self._chat.one(id) or await self._keeping.read(id)
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))
            return
        if not one.running or self._chat.one(id) is None:
            one = ended(one, tr("The app ended in the middle of this answer."))
        self._store.dispatch(cact.ChatOpened(one))

    async def _search(self, query: str) -> None:
        try:
            await self._keeping.flush()
            found = await asyncio.to_thread(self.files.search, query)
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))
            return
        self._store.dispatch(cact.ChatsSearched(query, found))

    async def _export(self, one: Conversation, kind: str, path: str) -> None:
        try:
            said = await asyncio.to_thread(write_conversation, one, kind, path)
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))
            return
        self._store.dispatch(cact.ChatNoted(said))

    async def _import(self, path: str) -> None:
        try:
            one = await asyncio.to_thread(read_conversation, path)
            known = {listed.id for listed in self._chat.known}
            if one.id in known:  # beside the one that is here, which may have gone on since
                one = replace(one, id=secrets.token_hex(8))
            one = ended(one, tr("This answer wasn't complete when it was exported."))
            one = one if one.title else replace(one, title=title_of(one.turns[0].text if one.turns else ""))
            self._store.dispatch(cact.ChatOpened(one))
            await self._keeping.flush()
            self._store.dispatch(cact.ChatsListed(await asyncio.to_thread(self.files.listed)))
        except ChatFileError as error:
            self._store.dispatch(cact.ChatNoted(str(error), wrong=True))

    def _watch(self, state: AppState) -> None:
        """Where the host comes within reach, ask it who answers, and send it the votes."""
        online = state.host is not None and state.host.phase is Phase.ONLINE
        seen = online and state.screen is Screen.CHAT
        if seen and not self._seen:
            self._work.begin(self._ask_host())
        self._seen = seen

    async def _ask_host(self) -> None:
        # Whether the host is there, the frame says; one of a version before it could chat has no models for it.
        with contextlib.suppress(HostError):
            self._store.dispatch(cact.ChatWritersTold(writers_from(await self._host().chat_models())))
        await self._votes.send()
