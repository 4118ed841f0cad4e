"""The wake-word-shaped way: a WAV as microphone, a ring of sound, features, a streaming network, a timed event.

The network is a real ONNX file in a signed bundle, on a device that admitted it; it waits for one tone among others.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.audio.files import RATE, write_sound
from edge_runtime.config import Config
from edge_runtime.device import Device
from edge_runtime.pipelines.items import Captured, Item, Sound
from edge_runtime.pipelines.service import FOLDER

from ..conftest import trust
from . import wake
from .host import Given, Kept, pipeline, running, until

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

# A tone is heard within its 0.4 s: five steps of 30 ms are averaged, and a ring gives 0.2 s at once. That is when it
# is told of; when it was, is known to a step.
TOLERANCE = 0.15
PLANTED = (1.0, 3.5)
OTHERS = ((2.2, wake.OTHER), (5.0, wake.OTHER), (5.8, 300.0))
Json = dict[str, object]
PIPELINE = """
[source]
kind = "microphone"
file = "heard.wav"
pace = "fast"

[[models]]
specialist = "beep"
priority = "high"
deadline_ms = 60000

[[sinks]]
kind = "event"
every_seconds = 0
queue = 100
"""


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    state = tmp_path / "device"
    trust(state)
    wake.make_bundle(tmp_path / "beep.enigma")
    device = Device(state, Config())
    await device.start()

    async def chunks() -> AsyncIterator[bytes]:
        yield (tmp_path / "beep.enigma").read_bytes()

    await device.install(chunks(), None)
    (state / FOLDER).mkdir()
    yield device
    await device.close()


async def test_a_planted_tone_in_a_wav_becomes_an_event_that_says_when_it_was(device: Device) -> None:
    sound = wake.tones(7.0, *((start, wake.TONE) for start in PLANTED), *OTHERS)
    folder = device.state / FOLDER
    (folder / "heard.wav").write_bytes(write_sound(sound))
    (folder / "ear.toml").write_text(PIPELINE)
    listener = device.events.listen(10**9)
    began = Captured.now()
    await device.pipelines.start_all()
    found: list[Json] = []
    async with asyncio.timeout(60):
        while len(found) < len(PLANTED):
            event = await listener.next()
            assert event is not None and event["type"] in ("pipeline", "error"), event
            assert event["type"] != "error", event
            found.append(event)
        await until(lambda: device.pipelines.all()[0]["state"] == "ended")
    told = device.pipelines.all()[0]
    # Loudness alone would have heard five: the other tones are as loud.
    assert told["out"] == len(PLANTED) and told["dropped"] == told["errors"] == 0
    for event, start in zip(found, PLANTED, strict=True):
        answer, captured = event["answer"], event["captured"]
        assert isinstance(answer, dict) and answer["phrase"] == "beep" and answer["confidence"] >= 0.5
        assert isinstance(captured, dict)
        position = float(str(event["position_seconds"]))
        assert position == pytest.approx(start + 0.2, abs=TOLERANCE)  # within the tone
        assert position == pytest.approx(float(str(answer["seconds"])), abs=0.001)  # nothing was lost before it
        # The two clocks say the same, from the moment when the source began, which is just after the test's.
        for clock in ("monotonic", "wall"):
            since = float(captured[clock]) - getattr(began, clock)
            assert 0 <= since - position < 60
    first, second = (float(event["captured"]["monotonic"]) for event in found)  # type: ignore[index]
    assert second - first == pytest.approx(PLANTED[1] - PLANTED[0], abs=0.06)
    text = device.metrics_text()
    assert 'enigma_wakes_total{specialist="beep"} 2' in text and 'enigma_pipeline_out_total{pipeline="ear"} 2' in text
    assert 'enigma_pipeline_age_seconds{pipeline="ear"}' in text


async def test_a_gap_in_the_sound_moves_no_event_in_time_and_makes_none(device: Device) -> None:
    """Pieces are lost before the second tone: positions go on with the clock, not with what was heard."""
    sound = wake.tones(4.0, (1.0, wake.TONE), (3.0, wake.TONE))
    size = RATE // 20
    pieces = [sound[at : at + size] for at in range(0, len(sound), size)]
    began = Captured(100.0, 1000.0)

    class Lossy(Given):
        async def items(self):  # type: ignore[no-untyped-def]
            for number, piece in enumerate(pieces):
                if not 34 <= number < 44:  # half a second from 1.7 s on
                    at = number * size / RATE
                    yield Item(Sound(np.asarray(piece)), began.later(at), at, number)

    kept = Kept()
    made = running(dataclasses.replace(pipeline(PIPELINE), name="ear"), device, Lossy(), kept)  # type: ignore[arg-type]
    await asyncio.wait_for(made.run(), 60)
    assert [item.position for item in kept.items] == pytest.approx([1.2, 3.2], abs=TOLERANCE)
    assert [item.captured.monotonic - 100 for item in kept.items] == pytest.approx([1.2, 3.2], abs=TOLERANCE)
    assert made.lost == 10
    seconds = [float(str(item.answer["seconds"])) for item in kept.items if item.answer]
    assert seconds[1] < 2  # the session began anew behind the gap


async def test_a_specialist_that_is_not_installed_yet_is_an_error_until_it_is(device: Device) -> None:
    kept = Kept()
    await device.remove("beep")
    sound = Sound(wake.tones(0.5))

    class Short:
        async def items(self):  # type: ignore[no-untyped-def]
            yield Item(sound, Captured.now(), 0.0, 1)

    made = running(pipeline(PIPELINE.replace("deadline", "window_seconds = 0.5\ndeadline")), device, Short(), kept)  # type: ignore[arg-type]
    await asyncio.wait_for(made.run(), 60)
    assert kept.items == []
    assert "There is no specialist 'beep'" in str(made.plain()["last_error"]) and made.errors == 1
