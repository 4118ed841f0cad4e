"""The chat in its window: by touches and keys, with a real device that has a language model, and with two that are quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.services.remember import Memory, Remembered
from companion_app.state.chat_models import available
from companion_app.state.model import Screen

from . import screen_reader, window
from .fake_chat import FakeWriter, writing

if TYPE_CHECKING:
    from companion_app.app import Options
    from tests.edge_runtime.conftest import RunningDevice

ENTER = 13
ANSWER = (
    "## Water\n\nTwo [b]cans[/b] a day, **never** more:\n\n- in the morning\n- in the evening\n\n```\npour(2)\n```\n"
)

pytestmark = pytest.mark.usefixtures("display")


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A real daemon with a tiny language model of random weights."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("torch", reason="the model file is made by the trainer's export")
    from tests.edge_runtime.api import chatty
    from tests.edge_runtime.conftest import RunningDevice, trust

    folder = tmp_path_factory.mktemp("talker")
    trust(folder / "device")
    device = RunningDevice(folder / "device")
    pushed = device.push(chatty.make_bundle(folder))
    assert pushed.status == 200, pushed.body
    yield device
    assert device.stop() == 0


def remember(options: Options, *devices: tuple[str, str]) -> None:
    """Devices on this machine, which ask for no token."""
    memory = Memory(options.config)
    memory.prepare()
    memory.keep_devices(tuple(Remembered(url, name, "open", "") for url, name in devices))


async def test_a_real_device_answers_is_stopped_and_is_readable_in_large_letters(
    options: Options, talker: RunningDevice
) -> None:
    remember(options, (talker.url, "Kitchen"))
    async with window.opened(options) as driver:
        store = driver.app.store
        await driver.until(lambda: available(store.state), "the model")
        driver.app.open(Screen.CHAT)
        await driver.settle()
        screen = driver.find("ChatScreen")
        assert screen.ids.entry.focus
        driver.app.chats.say("at most 40 tokens")
        await driver.type("hello")
        await driver.press(ENTER)
        await driver.until(lambda: store.state.chat.conversation.turns, "the message")
        await driver.until(lambda: not store.state.chat.conversation.running, "the answer")
        one = store.state.chat.conversation
        asked = {"model": "chatty", "messages": [{"role": "user", "content": "hello"}], **one.knobs.request()}
        whole = talker.request("POST", "/v1/chat/completions", asked).json["choices"][0]["message"]["content"]
        (reply,) = one.turns[0].replies
        assert reply.text == whole  # the joined stream is the whole answer
        assert screen.ids.entry.text == ""

        driver.app.chats.say("temperature 1.5")
        driver.app.chats.say("length 400")
        await driver.type("again")
        await driver.touch(screen.ids.go)
        await driver.until(lambda: len(store.state.chat.conversation.turns) == 2, "the second message")
        await driver.until(lambda: store.state.chat.conversation.turns[1].replies[0].text, "its first words")
        if store.state.chat.conversation.running:
            await driver.touch(screen.ids.go)  # it says Stop now
        await driver.until(lambda: not store.state.chat.conversation.running, "the end")
        assert store.state.chat.conversation.turns[1].replies[0].text

        driver.app.choosing.change(font_scale=2.5)
        screen.toggle("knobs")
        await driver.settle()
        assert driver.clipped() == []


async def test_by_a_screen_reader_alone_a_model_is_asked(
    options: Options, talker: RunningDevice, listened_to: None
) -> None:
    remember(options, (talker.url, "Kitchen"))
    async with window.opened(options) as driver, screen_reader.reader() as reader:
        store = driver.app.store
        await driver.until(lambda: available(store.state), "the model")
        await reader.press("link", "More")
        await reader.press("push button", "Chat*")
        await reader.find("entry", "Write a message", "focused")
        driver.app.chats.say("at most 40 tokens")
        await driver.type("hello")
        await reader.press("push button", "Send")
        await driver.until(lambda: store.state.chat.conversation.turns, "the message")
        await driver.until(lambda: not store.state.chat.conversation.running, "the answer")
        (reply,) = store.state.chat.conversation.turns[0].replies
        assert reply.phase.value in ("done", "cut"), reply.problem
        await reader.heard(reply.text)
        await reader.find("entry", "Write a message", "focused")


async def test_two_models_side_by_side_a_vote_knobs_and_the_list(options: Options, tmp_path: Path) -> None:
    one, two = FakeWriter("One", words=tuple(ANSWER.split(" "))), FakeWriter("Two", words=("Less",))
    async with writing(one, two):
        remember(options, (one.url, "Kitchen"), (two.url, "Attic"))
        async with window.opened(options, size=(420, 800)) as driver:
            store, chats = driver.app.store, driver.app.chats
            await driver.until(lambda: len(available(store.state)) == 2, "both models")
            driver.app.open(Screen.CHAT)
            await driver.settle()
            await driver.touch(driver.find("ModelRow", text="Two on Attic"))
            await driver.touch(driver.find("Check", text="Hide the names until I vote"))
            await driver.write(driver.find("ChatScreen").ids.entry, "How much water?")
            await driver.press(ENTER)
            await driver.until(lambda: store.state.chat.conversation.turns, "the message")
            await driver.until(lambda: not store.state.chat.conversation.running, "both answers")
            # Narrow: one at a time, under letters.
            assert [choice.text for choice in driver.find_all("Choice")][:2] == ["Answer A", "Answer B"]
            assert len(driver.find_all("ReplyCard")) == 1
            await driver.touch(driver.find("Choice", text="Answer B"))
            await driver.resize(1200, 800)
            cards = driver.find_all("ReplyCard")
            assert sorted(card.who for card in cards) == ["Answer A", "Answer B"]
            assert abs(cards[0].x - cards[1].x) > 200 and cards[0].top == cards[1].top
            assert driver.clipped() == []
            # What a model wrote is never the app's own markup.
            assert any("&bl;b&br;cans" in text.text for text in driver.find_all("BlockText"))
            assert driver.find("CodeView").code == "pour(2)"

            await driver.touch(driver.find("Choice", text="Answer A is better"))
            assert sorted(card.who for card in driver.find_all("ReplyCard")) == ["One on Kitchen", "Two on Attic"]
            await driver.until(lambda: store.state.chat.waiting_votes == 1, "the vote")
            thumb = driver.find_all("Thumb", text="Bad answer")[0]
            await driver.touch(thumb)
            await driver.until(lambda: store.state.chat.waiting_votes == 2, "the thumb")
            assert thumb.on and [thumb.on for thumb in driver.find_all("Thumb")].count(True) == 1

            await driver.write(driver.find("ChatScreen").ids.entry, "sei kreativer")
            await driver.press(ENTER)
            assert store.state.chat.conversation.knobs.temperature == 0.25
            assert len(store.state.chat.conversation.turns) == 1
            await driver.touch(driver.find("Act", text="Undo"))
            assert store.state.chat.conversation.knobs.temperature == 0
            assert not driver.find_all("KnobDiff")

            chats.export("md", str(tmp_path))
            await driver.until(lambda: store.state.chat.said, "the export")
            assert "Two [b]cans[/b]" in (tmp_path / "How much water.md").read_text()
            await driver.drop(tmp_path / "photo.png")
            assert driver.find("ChatScreen").ids.picture.text.endswith("photo.png")

            await driver.touch(driver.find("RoundAct", text="New conversation"))
            assert driver.find_all("ModelRow")
            await driver.write(driver.find("ChatScreen").ids.entry, "A thought")
            await driver.touch(driver.find("RoundAct", text="Delete “How much water?”"))
            assert store.state.chat.known
            await driver.touch(driver.find("Act", text="Delete"))
            assert not store.state.chat.known
