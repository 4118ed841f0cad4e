"""Conversations: two models that don't wait for each other, answers that break, votes, files, and nothing that gets lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from companion_app.registry import Registry
from companion_app.screens.chat.commands import commands
from companion_app.services.chat_commands import ChatCommands
from companion_app.services.chat_export import to_markdown
from companion_app.services.chat_json import ChatFileError, dumps, loads
from companion_app.services.chat_store import FILE, ChatStore
from companion_app.services.host_client import HostClient, HostError
from companion_app.state import chat_actions as cact
from companion_app.state.chat import (
    HOST,
    TIE,
    Chat,
    Conversation,
    Former,
    Model,
    Reply,
    ReplyPhase,
    Turn,
    hidden,
    history,
    preference,
    shown_order,
)
from companion_app.state.model import AppState, Device, Link, Specialist
from companion_app.state.phase import Phase
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient
from edge_runtime.tasks.knobs import Knobs

from . import samples
from .fake_chat import FakeWriter, writing


class Talk:
    """The chat's commands over devices, without a window."""

    def __init__(self, folder: Path, *writers: FakeWriter) -> None:
        models = tuple(
            Specialist(name, task, "1.0.0", "onnxruntime", 1) for name, task in (("writer", "chat"), ("eye", "vision"))
        )
        devices = tuple(
            Device(one.url, one.name, "operator", Link(phase=Phase.ONLINE, models=models)) for one in writers
        )
        self.store = Store(AppState(inventory=samples.home(), devices=devices, selected=writers[0].url))
        self.clients = {one.url: DeviceClient(one.url) for one in writers}
        self.host: HostClient | None = None
        self.chats = ChatCommands(self.store, folder, self.clients.__getitem__, self._host, chance=lambda: 0.9)

    def _host(self) -> HostClient:
        if self.host is None:
            raise HostError("There is no host.")
        return self.host

    @property
    def chat(self) -> Chat:
        return self.store.state.chat

    @property
    def one(self) -> Conversation:
        assert self.chat.conversation is not None
        return self.chat.conversation

    @property
    def last(self) -> Turn:
        return self.one.turns[-1]

    async def until(self, holds: Callable[[], object], seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - the state has no event to wait for
                await asyncio.sleep(0.005)

    async def said(self, text: str, **more: object) -> Turn:
        """Send, and wait for the end of the answers."""
        assert self.chats.send(text, **more), self.chat.said  # type: ignore[arg-type]
        await self.until(lambda: not self.one.running)
        return self.last


@contextlib.asynccontextmanager
async def talking(folder: Path, *writers: FakeWriter) -> AsyncIterator[Talk]:
    async with writing(*writers):
        talk = Talk(folder, *writers)
        talk.chats.start()
        try:
            yield talk
        finally:
            await talk.chats.close()
            for client in talk.clients.values():
                await client.close()


def model(writer: FakeWriter) -> Model:
    return Model(writer.url, "writer", f"writer on {writer.name}")


async def test_a_message_is_answered_word_by_word_and_kept_over_a_restart(tmp_path: Path) -> None:
    kitchen = FakeWriter("Kitchen", words=("Good", "morning"))
    async with talking(tmp_path, kitchen) as talk:
        turn = await talk.said("Hello there")
        assert turn.replies == (Reply("Good morning ", ReplyPhase.DONE),)
        assert kitchen.asked[0]["messages"] == [{"role": "user", "content": "Hello there"}]
        assert kitchen.asked[0]["stream"] is True
        await talk.said("And again")
        assert [message["role"] for message in kitchen.asked[1]["messages"]] == ["user", "assistant", "user"]  # type: ignore[attr-defined]
        talk.chats.typed("half a thou")
        id = talk.one.id
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    again = FakeWriter("Kitchen")
    async with talking(tmp_path, again) as talk:
        await talk.until(lambda: talk.chat.known)
        assert [one.title for one in talk.chat.known] == ["Hello there"]
        talk.chats.open(id)
        await talk.until(lambda: talk.chat.conversation)
        assert talk.one.draft == "half a thou"
        assert [turn.text for turn in talk.one.turns] == ["Hello there", "And again"]


async def test_two_models_at_different_speeds_do_not_wait_for_each_other(tmp_path: Path) -> None:
    words = tuple(f"w{number}" for number in range(10))
    quick = FakeWriter("Quick", rate=20, words=words)
    slow = FakeWriter("Slow", words=words, behind=quick)  # as 5 words a second are beside 20
    async with talking(tmp_path, quick, slow) as talk:
        talk.chats.pick((model(quick), model(slow)))
        talk.chats.send("Both of you!")
        await talk.until(lambda: talk.last.replies[0].phase is ReplyPhase.DONE)
        await talk.until(lambda: len(talk.last.replies[1].text.split()) == 2)
        first, second = talk.last.replies
        assert first.text.split() == list(words)
        # The slow one is on its way, neither held up nor ended: of ten words' time it has two.
        assert second.phase is ReplyPhase.RUNNING
        assert quick.asked[0]["messages"] == slow.asked[0]["messages"]
        talk.chats.stop()
        await talk.until(lambda: not talk.one.running)
        assert talk.last.replies[1].phase is ReplyPhase.STOPPED


async def test_stop_ends_the_writing_within_a_word_and_keeps_what_came(tmp_path: Path) -> None:
    kitchen = FakeWriter("Kitchen", rate=50, words=("word",) * 500)
    async with talking(tmp_path, kitchen) as talk:
        talk.chats.send("Tell me a long story")
        await talk.until(lambda: len(talk.last.replies[0].text.split()) > 3)
        talk.chats.stop()
        await talk.until(lambda: not talk.one.running)
        came = kitchen.sent
        await asyncio.sleep(0.1)
        assert kitchen.sent <= came + 1
        assert talk.last.replies[0].phase is ReplyPhase.STOPPED
        assert talk.last.replies[0].text.startswith("word word word")
        retried = replace(talk.last)
        talk.chats.retry(talk.last.number, 0)
        assert talk.last.replies[0] == Reply()
        talk.chats.stop()
        await talk.until(lambda: not talk.one.running)
        assert talk.last.text == retried.text


async def test_a_device_that_vanishes_leaves_its_part_and_the_message(tmp_path: Path) -> None:
    kitchen = FakeWriter("Kitchen", words=("one", "two", "three", "four"), cut=2)
    async with talking(tmp_path, kitchen) as talk:
        turn = await talk.said("Count")
        (reply,) = turn.replies
        assert (reply.text, reply.phase) == ("one two ", ReplyPhase.BROKEN)
        assert reply.problem.endswith(".")
        device = talk.store.state.devices[0]
        away = replace(device, link=replace(device.link, phase=Phase.WAITING))
        talk.store.state = replace(talk.store.state, devices=(away,))
        talk.chats.typed("Are you there?")
        assert not talk.chats.send("Are you there?")
        assert talk.one.draft == "Are you there?"
        assert "isn't reachable" in talk.chat.said


async def test_a_message_sent_otherwise_begins_a_new_conversation_and_keeps_the_old_one(tmp_path: Path) -> None:
    async with talking(tmp_path, FakeWriter("Kitchen")) as talk:
        await talk.said("First")
        await talk.said("Secnod")
        await talk.said("Third")
        old = talk.one
        talk.chats.edit(2, "Second")
        await talk.until(lambda: not talk.one.running)
        assert talk.one.id != old.id
        assert [turn.text for turn in talk.one.turns] == ["First", "Second"]
        talk.chats.open(old.id)
        await talk.until(lambda: talk.one.id == old.id)
        assert [turn.text for turn in talk.one.turns] == ["First", "Secnod", "Third"]


async def test_saying_how_to_answer_turns_knobs_and_undo_turns_them_back(tmp_path: Path) -> None:
    kitchen = FakeWriter("Kitchen")
    async with talking(tmp_path, kitchen) as talk:
        await talk.said("Hello")
        assert talk.chats.send("Be more creative!")
        assert len(talk.one.turns) == 1  # that was no message
        assert talk.one.knobs.temperature == 0.25
        assert talk.chat.turned is not None
        assert [change.name for change in talk.chat.turned.changes] == ["temperature"]
        await talk.said("Sing")
        assert kitchen.asked[-1]["temperature"] == 0.25
        talk.chats.undo_knobs()
        assert talk.one.knobs == Knobs()
        talk.chats.say("make it purple")
        assert talk.one.knobs == Knobs()
        assert talk.chat.turned is not None and not talk.chat.turned.understood
        await talk.said("Be more creative!", as_message=True)
        assert kitchen.asked[-1]["messages"][-1]["content"] == "Be more creative!"  # type: ignore[index]


async def test_a_picture_is_seen_and_what_was_seen_is_read_by_the_model(tmp_path: Path) -> None:
    kitchen = FakeWriter("Kitchen")
    photo = tmp_path / "cat.png"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n...")
    async with talking(tmp_path, kitchen) as talk:
        turn = await talk.said("What is that?", picture=str(photo))
        assert turn.picture is not None and turn.picture.seen == "cat (97 %)"
        # A specialist that names pictures takes no question, and is asked without.
        assert kitchen.seen == [photo.read_bytes()] * 2 and kitchen.questions == ["What is that?", None]
        assert "cat (97 %)" in kitchen.asked[0]["messages"][-1]["content"]  # type: ignore[index]
        alone = await talk.said("", picture=str(photo))
        assert alone.replies == () and alone.picture is not None and alone.picture.seen
        await talk.said("And now?")
        assert kitchen.asked[-1]["messages"][-1]["content"].count("cat (97 %)") == 1  # type: ignore[index]
        kitchen.questions.clear()
        kitchen.answers = "3"
        turn = await talk.said("How many cats are there?", picture=str(photo))
        assert turn.picture is not None and turn.picture.seen == "3 (94 %), but it isn't sure"
        await talk.said("many " * 120, picture=str(photo))
        assert kitchen.questions == ["How many cats are there?", None]  # nobody reads that much


@pytest.mark.parametrize(
    ("content", "size", "words"),
    [
        (b"\x89PNG\r\n\x1a\ncorrupt", None, "can't be read"),
        (b"GIF89a", None, "no PNG or JPEG"),
        (b"", None, "no PNG or JPEG"),
        (b"\x89PNG\r\n\x1a\n", 2 * 1024**3, "2,048 MB"),
        (None, None, "no file"),
    ],
)
async def test_a_bad_picture_gets_one_sentence_and_the_message_is_kept(
    tmp_path: Path, content: bytes | None, size: int | None, words: str
) -> None:
    photo = tmp_path / "photo.png"
    if content is not None:
        photo.write_bytes(content)
    if size is not None:
        with photo.open("r+b") as file:
            file.truncate(size)  # sparse: nothing of it is read
    kitchen = FakeWriter("Kitchen")
    async with talking(tmp_path, kitchen) as talk:
        turn = await talk.said("What is that?", picture=str(photo))
        assert turn.picture is not None and words in turn.picture.problem
        assert turn.picture.problem.count(".") - photo.name.count(".") * turn.picture.problem.count(photo.name) <= 1
        assert turn.text == "What is that?"
        assert turn.replies[0].phase is ReplyPhase.BROKEN
        assert not kitchen.asked


async def test_conversations_are_searched_renamed_and_deleted(tmp_path: Path) -> None:
    async with talking(tmp_path, FakeWriter("Kitchen", words=("Käsekuchen",))) as talk:
        await talk.said("About cake")
        cake = talk.one.id
        talk.chats.begin()
        await talk.said("About 100 % wool")
        talk.chats.search("KÄSE cake")
        await talk.until(lambda: talk.chat.found)
        assert [one.title for one in talk.chat.found] == ["About cake"]
        talk.chats.search("100 %")
        await talk.until(lambda: talk.chat.query == "100 %")
        assert [one.title for one in talk.chat.found] == ["About 100 % wool"]
        talk.chats.rename(cake, "  Baking  ")
        talk.chats.delete(talk.one.id)
        assert talk.chat.open is None
    content = b"".join(file.read_bytes() for file in tmp_path.glob("chats.db*"))
    assert b"wool" not in content  # gone for good
    store = ChatStore(tmp_path)
    assert [one.title for one in store.listed()] == ["Baking"]
    store.close()


async def test_a_vote_waits_for_the_host_and_is_a_pair_over_the_same_history(tmp_path: Path) -> None:
    one, two = FakeWriter("One", words=("A",)), FakeWriter("Two", words=("B",))
    sent: list[dict[str, object]] = []

    class Host(HostClient):
        async def prefer(self, pair: dict[str, object]) -> None:
            sent.append(pair)

    async with talking(tmp_path, one, two) as talk:
        talk.chats.pick((model(one), model(two)))
        talk.chats.set_blind(True)
        turn = await talk.said("First")
        assert hidden(talk.one, turn)
        talk.chats.vote(turn.number, 1)
        await talk.until(lambda: talk.chat.waiting_votes == 1)
        assert not hidden(talk.one, talk.last)
        turn = await talk.said("Second")
        # Both read the answer that was preferred.
        assert one.asked[1]["messages"] == two.asked[1]["messages"]
        assert one.asked[1]["messages"][1]["content"] == "B "  # type: ignore[index]
        talk.chats.vote(turn.number, TIE)
        talk.host = Host("http://127.0.0.1:1")
        await talk.chats._ask_host()
        await talk.until(lambda: talk.chat.waiting_votes == 0)
    (pair,) = sent
    assert pair["prompt"] == [{"role": "user", "content": "First"}]
    assert pair["chosen"] == [{"role": "assistant", "content": "B "}]
    assert pair["rejected"] == [{"role": "assistant", "content": "A "}]


async def test_what_the_chat_s_buttons_do_is_in_the_table_of_commands(tmp_path: Path) -> None:
    """Sent, asked again, judged, voted on, sent otherwise, and how it answers: by the values that the commands offer."""
    quick, slow = FakeWriter("Quick"), FakeWriter("Slow")
    async with talking(tmp_path, quick, slow) as talk:
        app = SimpleNamespace(chats=talk.chats, open=lambda screen: None)
        registry = Registry(lambda: talk.store.state)
        registry.add(*commands(app))

        def offered(name: str, argument: str) -> list[str]:
            return [value for value, _ in registry[name].choices[argument](talk.store.state)]

        assert registry.why_not(registry["chat.vote"]) == "There are no two answers yet."
        talk.chats.pick((model(quick), model(slow)))
        assert registry.run("chat.send", text="be more creative", as_message=False) is True
        assert talk.one.knobs.temperature > 0 and not talk.one.turns, "that says how to answer"
        assert registry.run("chat.send", text="Hello", picture="", as_message=False) is True
        await talk.until(lambda: talk.one.turns and not talk.one.running)
        assert offered("chat.retry", "answer") == offered("chat.judge", "answer") == ["1.0", "1.1"]
        assert offered("chat.vote", "better") == ["1.0", "1.1", f"1.{TIE}"] and offered("chat.change", "message") == [
            "1"
        ]
        registry.run("chat.judge", answer="1.1", good=True)
        registry.run("chat.vote", better=f"1.{TIE}")
        assert talk.last.replies[1].liked is True and talk.last.vote == TIE
        registry.run("chat.retry", answer="1.0")
        await talk.until(lambda: len(quick.asked) == 2 and not talk.one.running)
        assert talk.last.vote is None and len(slow.asked) == 1
        registry.run("chat.knob", knob="top_p", value=0.5)
        assert talk.one.knobs.top_p == 0.5
        before = talk.one.id
        registry.run("chat.change", message="1", text="Good evening")
        await talk.until(lambda: not talk.one.running)
        assert talk.one.id != before and [turn.text for turn in talk.one.turns] == ["Good evening"]


async def test_a_thumb_is_kept_sent_changed_and_taken_back(tmp_path: Path) -> None:
    one = FakeWriter("One", words=("A",))
    sent: list[dict[str, object]] = []
    gone: list[str] = []
    older = True

    class Host(HostClient):
        async def prefer(self, pair: dict[str, object]) -> None:
            if older and "completion" in pair:  # a version before thumbs
                raise HostError("", 422)
            sent.append(pair)

        async def unprefer(self, id: str) -> None:
            gone.append(id)

    async with talking(tmp_path, one) as talk:
        talk.chats.pick((model(one),))
        turn = await talk.said("First")
        talk.host = Host("http://127.0.0.1:1")
        talk.chats.like(turn.number, 0, False)
        await talk.until(lambda: talk.chat.waiting_votes == 1)
        assert talk.last.replies[0].liked is False and not sent
        one.words = ("B",)
        talk.chats.retry(turn.number, 0)
        await talk.until(lambda: not talk.one.running)
        assert talk.last.replies[0].liked is None and talk.last.former == (Former(0, "A ", False),)
        older = False
        talk.chats.like_last(True)
        await talk.until(lambda: talk.chat.waiting_votes == 0 and len(sent) == 2)
        # As the host pairs them: two answers to the same, each with a name of its own.
        assert [(row["completion"][0]["content"], row["label"]) for row in sent] == [("A ", False), ("B ", True)]  # type: ignore[index]
        assert sent[0]["prompt"] == sent[1]["prompt"] and sent[0]["source"] != sent[1]["source"]
        kept = loads(dumps(talk.one))
        assert kept.turns[0].former == talk.last.former and kept.turns[0].replies[0].liked is True
        assert "You found this answer good." in to_markdown(talk.one)
        talk.chats.like_last(True)  # the same again takes it back
        await talk.until(lambda: gone)
        assert gone == [sent[1]["source"]["id"]] and talk.last.replies[0].liked is None  # type: ignore[index]
        id = talk.one.id
        talk.chats.like_last(False)
        await talk.until(lambda: len(sent) == 3)
    again = ChatStore(tmp_path)
    assert again.read(id).turns[0].replies[0].liked is False and not again.votes()
    again.close()


def test_hidden_answers_are_shown_in_an_order_of_chance() -> None:
    models = (Model("a", "x", "X"), Model("b", "y", "Y"))
    turn = Turn(1, "?", (Reply("1", ReplyPhase.DONE), Reply("2", ReplyPhase.DONE)), flipped=True)
    one = Conversation("0" * 16, models, turns=(turn,), blind=True)
    assert shown_order(one, turn) == (1, 0)
    assert shown_order(replace(one, blind=False), turn) == (0, 1)
    assert preference(one, turn) is None  # nobody voted
    same = replace(turn, replies=(Reply("1", ReplyPhase.DONE),) * 2, vote=0)
    assert preference(one, same) is None


def test_an_answer_that_nobody_gave_is_left_out_of_what_models_read() -> None:
    broken = Turn(1, "lost", (Reply("", ReplyPhase.BROKEN, "gone"),))
    part = Turn(2, "cut", (Reply("half", ReplyPhase.BROKEN, "gone"),))
    one = Conversation("0" * 16, (Model(HOST, "m", "m"),), turns=(broken, part, Turn(3, "now", (Reply(),))))
    assert [message["content"] for message in history(one, 3)] == ["cut", "half", "now"]


@pytest.mark.parametrize(
    "change", [{"format": "x"}, {"id": "../../etc"}, {"turns": [{}]}, {"knobs": None}, {"models": "x"}, {"title": 5}]
)
def test_a_file_that_is_no_conversation_is_refused_in_a_sentence(change: dict[str, object]) -> None:
    from companion_app.services.chat_json import to_json

    raw = to_json(Conversation("0" * 16, (), turns=(Turn(1, "x"),)))
    with pytest.raises(ChatFileError, match=r"\.$"):
        loads(json.dumps(raw | change).encode())
    for content in (b"", b"[]", b"{", b"\xff\xfe"):
        with pytest.raises(ChatFileError):
            loads(content)


async def test_an_answer_of_thousands_of_pieces_is_shown_a_few_times_a_second(tmp_path: Path) -> None:
    kitchen = FakeWriter("Kitchen", rate=100_000, words=("w",) * 2000)
    async with talking(tmp_path, kitchen) as talk:
        changes = 0

        def count(state: AppState) -> None:
            nonlocal changes
            changes += 1

        talk.store.listen(count)
        begun = time.monotonic()
        turn = await talk.said("Go")
        seconds = time.monotonic() - begun
        assert len(turn.replies[0].text.split()) == 2000
        assert changes <= 10 + seconds / 0.05


async def test_deleting_a_conversation_ends_its_answers(tmp_path: Path) -> None:
    kitchen = FakeWriter("Kitchen", rate=20, words=("w",) * 500)
    async with talking(tmp_path, kitchen) as talk:
        talk.chats.send("Go")
        await talk.until(lambda: talk.last.replies[0].text)
        talk.chats.delete(talk.one.id)
        await asyncio.sleep(0.12)
        came = kitchen.sent
        await asyncio.sleep(0.12)
        assert kitchen.sent <= came + 1
        assert talk.chat.loaded == ()
        talk.store.dispatch(cact.ChatDrafted("x"))  # nothing is open: nothing happens


async def test_a_model_answers_on_the_command_line_without_a_window(tmp_path: Path) -> None:
    from companion_app import headless
    from companion_app.registry import CommandError
    from companion_app.services.remember import Memory, Remembered
    from companion_app.start import Options

    kitchen = FakeWriter("Kitchen", words=("Good", "morning"))
    async with writing(kitchen):
        memory = Memory(tmp_path)
        memory.prepare()
        memory.keep_devices((Remembered(kitchen.url, "Kitchen", "open", ""),))
        said = await headless.run(Options(config=tmp_path), "chat.send", ["--text", "be more creative"])
        assert said == "Good morning "
        kitchen.cut = 1
        with pytest.raises(CommandError, match=r"\.$"):
            await headless.run(Options(config=tmp_path), "chat.send", ["--text", "again"])
