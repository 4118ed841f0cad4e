"""What goes wrong around the app, one after the other in one window: it says what happened, stays usable, and loses nothing
that was typed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.state.chat import ReplyPhase
from companion_app.state.chat_models import available
from companion_app.state.model import Screen
from companion_app.state.phase import Phase
from companion_app.state.upkeep import DropStage

from . import fake_host, window
from .fake_chat import FakeWriter, writing
from .fake_host import FakeHost
from .test_chat_window import remember

if TYPE_CHECKING:
    from companion_app.app import Options

CODE_CARD = "Read the picture"


async def test_whatever_goes_wrong_is_said_and_nothing_typed_is_lost(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zxingcpp")
    writer = FakeWriter("Kitchen", words=("one", "two", "three"), cut=2)
    async with writing(writer), FakeHost() as host:
        remember(options, (writer.url, "Kitchen"))
        async with window.opened(options, (420, 800)) as driver:
            app, store = driver.app, driver.app.store
            # A device that vanishes in the middle of an answer: what came stays, and what is typed next.
            await driver.until(lambda: available(store.state), "the device")
            app.open(Screen.CHAT)
            await driver.settle()
            app.chats.send("hello")
            await driver.type("and more")
            await driver.until(
                lambda: store.state.chat.conversation.turns[0].replies[0].phase is ReplyPhase.BROKEN, "the end"
            )
            card = driver.find("ReplyCard")
            assert card.badge == "Incomplete" and card.problem and "one" in card.ids.blocks.spoken
            assert app.screen.ids.entry.text == "and more" and not app.screen.ids.go.disabled

            # A wrong code: the address and the code stay, to be mended.
            app.open(Screen.PAIR_HOST)
            await driver.settle()
            form = driver.find("PairHostScreen")
            form.ids.address.entry.text, form.ids.code.entry.text = host.url, f"{(int(host.code) + 1) % 10**6:06}"
            await driver.touch(form.ids.pair)
            await driver.until(lambda: store.state.host_pairing.error, "the refusal")
            assert "The code is wrong" in form.error and form.error.endswith("4 more tries.")
            assert form.ids.address.text == host.url and len(form.ids.code.text) == 6 and not form.ids.pair.disabled
            form.ids.code.entry.text = host.code
            await driver.touch(form.ids.pair)
            await driver.until(lambda: store.state.host and store.state.host.phase is Phase.ONLINE, "the host")

            # A picture that is none, for a QR code.
            (tmp_path / "code.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"no picture" * 20)
            app.open(Screen.PAIR)
            await driver.settle()
            app.screen.ids.address.entry.text = "10.0.0.9:8731"
            driver.find("CodeCard").ids.path.entry.text = str(tmp_path / "code.png")
            await driver.touch(driver.find("Act", text=CODE_CARD))
            await driver.until(lambda: store.state.pairing.error, "the sentence")
            assert "code.png" in app.screen.error and app.screen.error.endswith(".")
            assert app.screen.ids.address.text == "10.0.0.9:8731"
            assert (
                driver.find("CodeCard").ids.path.text.endswith("code.png")
                and not driver.find("Act", text=CODE_CARD).disabled
            )

            # Two gigabytes fall on the window: what is typed in the form stays, nothing is sent.
            app.open(Screen.IMPORTS)
            await driver.settle()
            app.screen.ids.path.entry.text = "/half/typed"
            with (tmp_path / "huge.jsonl").open("wb") as file:
                file.truncate(2 * 2**30)  # sparse
            await driver.drop(tmp_path / "huge.jsonl")
            await driver.until(lambda: store.state.upkeep.dropped.stage is DropStage.FAILED, "the refusal")
            assert "128 MB" in app.screen.failed and app.screen.ids.path.text == "/half/typed"
            assert not any(path.startswith("/v1/imports") for _, path, _ in host.asked)

            # A host of a version before trainings; then its token ends, while a lesson is being written.
            app.open(Screen.TRAIN)
            await driver.until(lambda: store.state.training.problem, "the sentence")
            assert app.screen.empty == "This host can't train for the companion; update Enigma there."
            app.open(Screen.TEACH)
            await driver.settle()
            app.screen.ids.budget.entry.text = "2.50"
            monkeypatch.setattr(fake_host, "TOKEN", "of another pairing")
            port = host.port
            await host.stop()
            await host.start(port)
            await driver.until(
                lambda: store.state.host.error and "pair with it again" in store.state.host.error, "the end"
            )
            assert app.screen.ids.budget.text == "2.50" and driver.clipped() == []
            app.open(Screen.PAIR_HOST)
            await driver.settle()
            assert not driver.find("PairHostScreen").ids.pair.disabled
