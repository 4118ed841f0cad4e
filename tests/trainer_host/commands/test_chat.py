"""`enigma chat` as a process: with a bundle and with a device, without and with a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="the model file is made by the trainer's export")

from tests.edge_runtime.api import chatty
from tests.edge_runtime.conftest import ROOT, RunningDevice, trust

# The command as `enigma chat` runs it.
RUN = (
    "import argparse, sys; from trainer_host.commands import chat\n"
    "parser = argparse.ArgumentParser(); chat.add(parser.add_subparsers()); args = parser.parse_args()\n"
    "from trainer_host.errors import TrainerError\n"
    "try: args.command(args)\n"
    "except TrainerError as error: sys.exit(f'enigma: {error}')\n"
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chatty.make_bundle(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[RunningDevice]:
    folder = tmp_path_factory.mktemp("device") / "device"
    trust(folder)
    running = RunningDevice(folder)
    assert running.push(bundle).status == 200
    yield running
    running.stop()


def command(home: Path, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", RUN, "chat", "--home", str(home), *map(str, arguments)]


def talk(home: Path, lines: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(home, *arguments), input=lines, capture_output=True, text=True, env=environment, timeout=60, check=False
    )


def test_a_bundle_and_a_device_give_the_same_conversation_and_save_it(
    tmp_path: Path, bundle: Path, device: RunningDevice
) -> None:
    saved: list[dict[str, object]] = []
    for where in (["--bundle", str(bundle)], ["--device", device.url]):
        path = tmp_path / f"talk{len(saved)}.json"
        lines = f"hello\nand you?\n/save {path}\n/save {tmp_path / 'talk.md'}\n"
        done = talk(tmp_path, lines, *where, "--max-tokens", "8", "--system", "Be kind.", "--thoughts")
        assert done.returncode == 0, done.stderr
        saved.append(json.loads(path.read_text()))
        messages = saved[-1]["messages"]
        assert isinstance(messages, list)
        assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant"]
        assert messages[2]["content"] in done.stdout
    assert saved[0] == saved[1]
    assert "**assistant**\n\n> " in (tmp_path / "talk.md").read_text()


def test_reset_and_system_begin_anew(tmp_path: Path, bundle: Path) -> None:
    path = tmp_path / "talk.json"
    done = talk(
        tmp_path, f"hello\n/system Be brief.\nhi\n/reset\n/save {path}\n", "--bundle", bundle, "--max-tokens", "3"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["messages"] == [{"role": "system", "content": "Be brief."}]


@pytest.mark.parametrize(
    ("lines", "where", "sentence"),
    [
        ("hello\n/save talk.doc\n", None, "saved as .md or .json"),
        ("x " * 2000 + "\n", None, "send less of it"),
        ("hello\n", ["--bundle", "nothing.enigma"], "There is no bundle"),
        ("hello\n", ["--device", "127.0.0.1:9"], "can't be reached"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, bundle: Path, lines: str, where: list[str] | None, sentence: str
) -> None:
    done = talk(tmp_path, lines, *(where or ["--bundle", str(bundle)]), "--max-tokens", "3")
    assert done.returncode == 1 and sentence in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c_stops_an_answer_and_the_conversation_goes_on(tmp_path: Path, device: RunningDevice) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    path = tmp_path / "talk.json"
    process = subprocess.Popen(
        command(tmp_path, "--device", device.url, "--temperature", "1.5", "--seed", "3"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    seen = b""

    def until(*some: bytes) -> None:
        nonlocal seen
        ends = time.monotonic() + 60
        while not any(what in seen for what in some):
            assert select.select([ours], [], [], max(0.0, ends - time.monotonic()))[0], seen
            seen += os.read(ours, 4096)

    asked = 0
    try:
        until(b"> ")
        while (
            b"[stopped]" not in seen
        ):  # an answer may be whole before the signal comes; then there is another question
            seen, asked = b"", asked + 1
            os.write(ours, b"hello\n")
            until(b"hello\r\n")
            while len(seen) < 30:
                seen += os.read(ours, 4096)
            process.send_signal(signal.SIGINT)
            until(b"[stopped]", b"\n> ")
        os.write(ours, f"/save {path}\n/quit\n".encode())
        until(b"Saved")
        assert process.wait(60) == 0
    finally:
        process.kill()
        os.close(ours)
    roles = [message["role"] for message in json.loads(path.read_text())["messages"]]
    assert roles == ["user", "assistant"] * asked
