"""What is said becomes text by a grammar, and what becomes of a robot's orders is said: over a real robot's socket, and a WAV."""

from __future__ import annotations

import asyncio
import json
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.audio.files import RATE, write_sound
from edge_runtime.errors import BadRequest, NotEquipped
from edge_runtime.events import EventHub
from edge_runtime.media import Media, speech
from edge_runtime.media.wav import RATE as SPOKEN
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.items import Captured, Item, SinkError
from edge_runtime.pipelines.reading import parse_pipeline
from edge_runtime.pipelines.runner import Running
from edge_runtime.pipelines.sinks import open_sink
from edge_runtime.pipelines.sources import open_source
from edge_runtime.pipelines.speaker import Speaker
from edge_runtime.pipelines.speech import read_grammar
from edge_runtime.pipelines.topics import Topics

from .host import Host, Kept, until

GRAMMAR = """#JSGF V1.0;
grammar robot;
<place> = kitchen | sofa;
<order> = (go | drive) to the <place> | stop;
public <sentence> = robot <order> [and then <order>];
"""
SAID = """
[source]
kind = "speech"
file = "said.wav"
pace = "fast"
grammar = "robot.jsgf"
[[models]]
specialist = "robot-en"
request = { text = "$item.text" }
[[sinks]]
kind = "action"
socket = "robot.sock"
max_age_ms = 60000
"""
NEWS = """
[source]
kind = "robot"
socket = "robot.sock"
every_seconds = 0.1
[[sinks]]
kind = "speak"
file = "answer.wav"
"""
speaks = pytest.mark.skipif(not speech.available(), reason="espeak-ng isn't installed")


def say(path: Path, *sentences: str) -> None:
    """A WAV with a pause round each sentence."""
    parts = [np.zeros(RATE // 2, np.float32)]
    for sentence in sentences:
        said = speech.speak(speech.Utterance(sentence, "woman", rate=140))
        times = np.arange(int(len(said) * RATE / SPOKEN)) * SPOKEN / RATE
        parts += [np.interp(times, np.arange(len(said)), said).astype(np.float32), np.zeros(RATE, np.float32)]
    path.write_bytes(write_sound(np.concatenate(parts)))


class Robot:
    """Listens on a robot's socket: takes orders, and tells of their outcomes."""

    def __init__(self, folder: Path) -> None:
        self.path, self.asked = folder / "robot.sock", list[dict[str, object]]()
        self.outcomes = [{"number": 1, "state": "done", "text": "Done: before."}]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await reader.readline())
        self.asked.append(asked)
        answer = {"accepted": True, "state": {"outcomes": self.outcomes}} if "op" in asked else {"accepted": True}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()


@speaks
async def test_a_spoken_sentence_becomes_orders_and_what_is_not_in_the_grammar_moves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx", reason="pip install 'enigma[speech]'")
    (tmp_path / "robot.jsgf").write_text(GRAMMAR)
    remarks = "the weather is nice today", "the robot went to the kitchen yesterday", "he drove to the office by car"
    say(tmp_path / "said.wav", "robot, go to the kitchen", *remarks, "robot, stop")

    async def robot_en(request: dict[str, object]) -> dict[str, object]:
        calls = [{"name": "stop"}] if request["text"] == "robot stop" else [{"name": "go_to", "targets": ["kitchen"]}]
        return {"calls": calls, "unsure": request["text"] not in ("robot stop", "robot go to the kitchen")}

    robot, host = Robot(tmp_path), Host(**{"robot-en": robot_en})
    server = await asyncio.start_unix_server(robot.take, robot.path)
    async with server:
        declared = parse_pipeline(SAID, "said", tmp_path)
        assert declared.waits and not declared.hears
        running = Running(
            declared, host, open_source(declared.source, Topics()),  # type: ignore[arg-type]
            lambda sink: open_sink(sink, "said", host.events, Topics()),
        )  # fmt: skip
        await running.run()
    assert [text["text"] for _, text, _ in host.asked] == ["robot go to the kitchen", "robot stop"]
    assert [asked["calls"] for asked in robot.asked] == [
        [{"name": "go_to", "targets": ["kitchen"]}], [{"name": "stop"}]
    ]  # fmt: skip


@speaks
async def test_what_became_of_orders_is_said_once(tmp_path: Path) -> None:
    robot, host = Robot(tmp_path), Host()
    server = await asyncio.start_unix_server(robot.take, robot.path)
    async with server:
        declared = parse_pipeline(NEWS, "says", tmp_path)
        told, events = Kept(), EventHub()
        speaker = open_sink(declared.sinks[0], "says", events, Topics())

        class Both:
            async def deliver(self, item: Item) -> bool:
                await told.deliver(item)
                return await speaker.deliver(item)

            async def close(self) -> None:
                await speaker.close()

        running = Running(declared, host, open_source(declared.source, Topics()), lambda sink: Both())  # type: ignore[arg-type]
        task = asyncio.create_task(running.run())
        await until(lambda: len(robot.asked) > 1)
        robot.outcomes.append({"number": 2, "state": "done", "text": "Done: kitchen."})
        await until(lambda: (tmp_path / "answer.wav").exists() and len(robot.asked) > 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [item.value for item in told.items] == [{"text": "Done: kitchen.", "state": "done"}]
    with wave.open(str(tmp_path / "answer.wav")) as file:
        assert file.getnframes() / file.getframerate() > 0.5


async def test_a_speaker_plays_the_sound_of_an_answer_and_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = Item({"text": "hi"}, Captured.now(), 0.0)
    played = item.answered("a", "a", {"sound": Media("audio/wav", b"RIFF...")}, 0.1)
    to = tmp_path / "out.wav"
    assert await Speaker(declare.Speak("$item.text", "man", "", to)).deliver(played) and to.read_bytes() == b"RIFF..."
    assert not await Speaker(declare.Speak("$item.text", "man", "", to)).deliver(
        Item({"text": "?!"}, item.captured, 0.0)
    )
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SinkError, match="needs aplay"):
        await Speaker(declare.Speak("", "man", "", None)).deliver(played)
    with pytest.raises(SinkError, match="install"):
        await Speaker(declare.Speak("$item.text", "man", "", to)).deliver(item)


@pytest.fixture
def grammar(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "robot.jsgf"


def test_a_grammar_that_cannot_be_used_is_a_sentence(grammar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, why in ((b"", "must begin with"), (b"\xff", "isn't UTF-8"), (b"#JSGF" + b" " * 70_000, "over 65,536")):
        grammar.write_bytes(content)
        with pytest.raises(BadRequest, match=why):
            read_grammar(grammar)
    with pytest.raises(BadRequest, match="can't be read"):
        read_grammar(grammar.with_name("none"))
    source = declare.Speech(declare.Microphone("", None, False, False), grammar)
    grammar.write_text(GRAMMAR.replace("kitchen", "xqzwv"))
    from edge_runtime.pipelines.speech import spoken

    pytest.importorskip("pocketsphinx", reason="pip install 'enigma[speech]'")
    import threading

    with pytest.raises(BadRequest, match="CMU's dictionary"):
        next(spoken(source, iter(()), threading.Event()))
    monkeypatch.setitem(__import__("sys").modules, "pocketsphinx", None)
    with pytest.raises(NotEquipped, match="the extra 'speech'"):
        next(spoken(source, iter(()), threading.Event()))
