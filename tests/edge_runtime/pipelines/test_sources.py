"""Sources over real devices: WAV files in place of a microphone, a video file, and a pty as a serial port."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import local_only
from edge_runtime.audio.files import read_sound, write_sound
from edge_runtime.errors import BadRequest, EdgeError, NotEquipped
from edge_runtime.pipelines import camera, sources
from edge_runtime.pipelines.declare import Camera, Microphone, Serial
from edge_runtime.pipelines.items import Captured, Frame, Item, Sound, SourceError
from edge_runtime.pipelines.sources import open_source
from edge_runtime.pipelines.topics import Topics

from .host import EVENT, Host, Json, Kept, pipeline, running, until

needs_cv2 = pytest.mark.skipif(importlib.util.find_spec("cv2") is None, reason="opencv-python-headless isn't installed")
needs_serial = pytest.mark.skipif(importlib.util.find_spec("serial") is None, reason="pyserial isn't installed")


def write_video(path: Path, frames: int = 12, rate: float = 10.0) -> None:
    """A film whose picture n has the grey 20 * n."""
    import cv2

    film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (64, 48))
    for number in range(frames):
        film.write(np.full((48, 64, 3), 20 * number, np.uint8))
    film.release()


async def taken(declared: object, most: int = 1000) -> list[Item]:
    """The first items of a source."""
    items: list[Item] = []
    source = open_source(declared, Topics()).items()  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(60):
            async for item in source:
                items.append(item)
                if len(items) == most:
                    break
    finally:
        await source.aclose()
    return items


async def test_a_wav_as_microphone_gives_all_its_sound_when_it_was_and_at_its_own_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_READ_AHEAD", 100)  # nothing is dropped where this process stands for a while
    sound = np.sin(np.arange(4_000) / 10).astype(np.float32) / 2
    (tmp_path / "a.wav").write_bytes(write_sound(sound))
    items = await taken(Microphone("", tmp_path / "a.wav", True, False))
    whole = np.concatenate([item.value.samples for item in items if isinstance(item.value, Sound)])
    assert np.abs(whole[:4_000] - sound).max() < 1e-4 and not whole[4_000:].any()
    for item in items:
        assert item.captured.monotonic - items[0].captured.monotonic == pytest.approx(item.position)
        assert item.position == pytest.approx((item.sequence - 1) * 0.05)
    began = time.monotonic()
    assert len(await taken(Microphone("", tmp_path / "a.wav", False, False))) == len(items)
    assert time.monotonic() - began >= 0.5  # a quarter of a second, and silence behind it
    looped = await taken(Microphone("", tmp_path / "a.wav", True, True), most=30)
    assert looped[-1].sequence == 30 and looped[-1].position > 2 * 0.55


async def test_what_is_no_wav_and_a_machine_without_arecord_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(BadRequest, match="WAV"):
        await taken(Microphone("", tmp_path / "a.wav", True, False))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotEquipped, match="arecord"):
        await taken(Microphone("", None, False, False))


async def test_windows_of_sound_reach_a_model_as_wavs_at_the_time_when_they_ended(tmp_path: Path) -> None:

    (tmp_path / "a.wav").write_bytes(write_sound(np.linspace(0, 0.9, 16_000, dtype=np.float32)))
    heard: list[float] = []

    async def ear(request: Json) -> Json:
        samples = read_sound(request["audio"].content).samples  # type: ignore[attr-defined]
        heard.append(float(samples[-1]))
        assert len(samples) == 4_800
        return {"label": "noise"}

    text = f'[source]\nkind = "microphone"\nfile = "{tmp_path / "a.wav"}"\npace = "fast"\n'
    declared = pipeline(text + '[[models]]\nspecialist = "ear"\nwindow_seconds = 0.3\nhop_seconds = 0.2\n' + EVENT)
    kept = Kept()
    source = open_source(declared.source, Topics())
    made = running(declared, Host(ear=ear), source, kept)
    await asyncio.wait_for(made.run(), 60)
    ends = [item.position for item in kept.items]
    assert ends == pytest.approx([0.3, 0.5, 0.7, 0.9, 1.1, 1.3]) and made.dropped == 0
    assert heard[:4] == pytest.approx([0.9 * end for end in ends[:4]], abs=0.01)


async def test_a_device_that_hangs_is_not_opened_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "STOP_SECONDS", 0.02)
    hangs, made = threading.Event(), []

    def read(stopped: threading.Event) -> Iterator[Item]:
        made.append(stopped)
        yield Item({}, Captured.now(), 0.0)
        hangs.wait(60)

    declared = pipeline('[source]\nkind = "serial"\nport = "x"\nretry_seconds = 0.01\nquiet_seconds = 0.02\n' + EVENT)
    kept = Kept()
    opened = running(declared, Host(), sources.Threaded(read, "camera", False), kept)
    task = asyncio.create_task(opened.run())
    await until(lambda: opened.restarts >= 2)
    assert "still hangs" in str(opened.plain()["last_error"]) and len(made) == 1 and made[0].is_set()
    hangs.set()
    await until(lambda: len(kept.items) >= 2)  # it came back, and is read again
    task.cancel()
    await asyncio.wait([task], timeout=60)


@needs_cv2
async def test_a_film_as_camera_gives_its_pictures_when_they_were(tmp_path: Path) -> None:
    import cv2

    write_video(tmp_path / "a.avi")
    declared = Camera("", tmp_path / "a.avi", "", None, 0, 0, 0.0, True, False)
    items = await taken(declared)
    assert [item.position for item in items] == pytest.approx([number / 10 for number in range(12)])
    last = items[-1].value
    assert isinstance(last, Frame) and (last.width, last.height) == (64, 48)
    media = last.encoded()
    assert media.content_type == "image/jpeg" and last.encoded() is media
    assert abs(cv2.imdecode(np.frombuffer(media.content, np.uint8), 1).mean() - 220) < 6
    few = await taken(Camera("", tmp_path / "a.avi", "", None, 32, 24, 2.5, True, True), most=5)
    assert [item.position for item in few] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6], abs=0.05)
    assert [item.sequence for item in few] == [1, 2, 3, 4, 5]
    assert isinstance(few[0].value, Frame) and few[0].value.width == 32
    began = time.monotonic()
    await taken(Camera("", tmp_path / "a.avi", "", None, 0, 0, 0.0, False, False), most=4)
    assert time.monotonic() - began >= 0.3  # live, as it was recorded


@needs_cv2
async def test_a_film_goes_through_a_model_and_none_of_its_pictures_is_lost(tmp_path: Path) -> None:
    import cv2

    write_video(tmp_path / "a.avi")

    async def eye(request: Json) -> Json:
        await asyncio.sleep(0.005)  # slower than the file is read
        media = request["image"]
        return {"grey": int(cv2.imdecode(np.frombuffer(media.content, np.uint8), 1).mean())}  # type: ignore[attr-defined]

    text = f'[source]\nkind = "camera"\nfile = "{tmp_path / "a.avi"}"\npace = "fast"\n'
    declared = pipeline(text + '[[models]]\nspecialist = "eye"\nqueue = 1\n' + EVENT)
    kept = Kept()
    made = running(declared, Host(eye=eye), open_source(declared.source, Topics()), kept)
    await asyncio.wait_for(made.run(), 60)
    assert [round(item.answer["grey"] / 20) for item in kept.items if item.answer] == list(range(12))  # type: ignore[operator]
    assert made.dropped == 0


@needs_cv2
async def test_cameras_that_are_not_there_say_so_without_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "no.avi").write_bytes(b"no film" * 100)
    (tmp_path / "cam.txt").write_text("me:se/cret\n")
    closed = Camera("", None, "rtsp://127.0.0.1:9/1", tmp_path / "cam.txt", 0, 0, 0.0, False, False)
    assert camera._with_credentials(closed) == "rtsp://me:se%2Fcret@127.0.0.1:9/1"
    for declared in (
        Camera("", tmp_path / "absent.avi", "", None, 0, 0, 0.0, False, False),
        Camera("", tmp_path / "no.avi", "", None, 0, 0, 0.0, False, False),
        Camera("/dev/video99", None, "", None, 0, 0, 0.0, False, False),
        closed,
    ):
        with pytest.raises(SourceError) as said:
            await taken(declared)
        assert "cret" not in str(said.value)
    assert "cret" not in capfd.readouterr().err  # nor do OpenCV and FFmpeg write it
    (tmp_path / "cam.txt").write_text("nobody\n")
    with pytest.raises(EdgeError, match="user:password"):
        await taken(closed)
    monkeypatch.setattr(local_only, "_on", True)
    far = Camera("", None, "rtsp://192.0.2.1/1", None, 0, 0, 0.0, False, False)
    with pytest.raises(SourceError, match="Local-only mode is on, so the camera at 192"):
        await taken(far)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set whenever a serial port was opened; what came before that is dropped."""
    import serial

    event, usual = threading.Event(), serial.Serial.open

    def open_port(port: serial.Serial) -> None:
        usual(port)
        event.set()

    monkeypatch.setattr(serial.Serial, "open", open_port)
    return event


@needs_serial
async def test_lines_of_a_serial_port_are_texts_or_objects_and_noise_is_left_out(opened: threading.Event) -> None:
    host, port = os.openpty()
    try:
        import tty

        tty.setraw(host)
        name = os.ttyname(port)

        async def sent(declared: Serial, data: bytes, most: int) -> list[Item]:
            opened.clear()
            taking = asyncio.create_task(taken(declared, most))
            await until(opened.is_set)
            await asyncio.to_thread(os.write, host, data)
            return await taking

        lines = await sent(Serial(name, 115_200, False), b"door open\r\n\n\xff\xfe\n" + b"x" * 5000 + b"\nlast\n", 2)
        assert [item.value for item in lines] == [{"text": "door open"}, {"text": "last"}]
        assert [item.sequence for item in lines] == [1, 5]  # three lines between them were none
        objects = await sent(Serial(name, 115_200, True), b'{"t": 21.5}\nnot json\n[1]\n{"t": 22}\n', 2)
        assert [item.value for item in objects] == [{"t": 21.5}, {"t": 22}]
    finally:
        os.close(host)
        os.close(port)
    with pytest.raises(SourceError, match="can't be opened"):
        await taken(Serial("/dev/none", 9600, False))


@needs_serial
async def test_a_serial_port_that_is_pulled_out_and_back_is_read_again(tmp_path: Path, opened: threading.Event) -> None:
    """The cable: a link to a pty, which goes with its other end, and then leads to another one."""
    import tty

    link, kept = tmp_path / "tty", Kept()
    host, port = os.openpty()
    tty.setraw(host)
    link.symlink_to(os.ttyname(port))
    os.close(port)
    text = f'[source]\nkind = "serial"\nport = "{link}"\nretry_seconds = 0.02\nretry_most_seconds = 0.05\n'
    declared = pipeline(text + EVENT)
    made = running(declared, Host(), open_source(declared.source, Topics()), kept)
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(60):
        await until(opened.is_set)
        os.write(host, b"before\n")
        await until(lambda: kept.items)
        os.close(host)
        await until(lambda: made.restarts)
        host, port = os.openpty()
        tty.setraw(host)
        link.unlink()
        link.symlink_to(os.ttyname(port))
        while len(kept.items) < 2:
            os.write(host, b"after\n")
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task], timeout=60)
    os.close(host)
    os.close(port)
    assert [item.value for item in kept.items[:2]] == [{"text": "before"}, {"text": "after"}]
