"""docs/pipelines.md: its files can be used, its commands run, and its check of a signature is right."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from edge_runtime.cli import build_parser, main
from edge_runtime.pipelines.reading import read_pipeline
from edge_runtime.pipelines.webhook import sign

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "pipelines.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`(\w+\.toml)`:\n\n```toml\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^\$ (enigma-edge .*)$", PAGE, re.MULTILINE)


def test_its_commands_run_in_the_order_in_which_they_stand_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENIGMA_STATE", str(tmp_path / "device"))
    (tmp_path / "device").mkdir()
    for name, text in FILES.items():
        Path(name).write_text(text)
    assert (
        sorted(FILES) == ["door.toml", "ear.toml", "hello.toml", "look.toml", "said.toml", "says.toml"]
        and len(COMMANDS) == 10
    )
    for command in COMMANDS:
        arguments = shlex.split(command)[1:]
        build_parser().parse_args(arguments)
        needs_daemon = arguments[1:2] in (["start"], ["stop"])
        for _ in range(9):  # an event is held back that comes at once after another, as where this process stood
            assert main(arguments) == (1 if needs_daemon else 0), command
            said = capsys.readouterr()
            if "run" not in arguments or "3 out" in said.err:
                break
        assert "No daemon runs" in said.err if needs_daemon else "3 in, 0 dropped, 3 out" in said.err or not said.err
        if "run" in arguments:
            assert said.out.count('"pipeline": "hello"') == 3
        if arguments[-1] == "door.toml":
            assert "camera -> eye, plates -> webhook, topic" in said.out and "eye isn't installed" in said.out


def test_its_receiver_tells_a_genuine_post_from_others() -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    scope: dict[str, object] = {}
    exec(code, scope)
    is_genuine = scope["is_genuine"]
    assert callable(is_genuine)
    import time

    now = int(time.time())
    assert is_genuine(b"k" * 16, sign(b"k" * 16, b"{}", now), b"{}")
    assert not is_genuine(b"k" * 16, sign(b"k" * 16, b"{}", now), b"{ }")
    assert not is_genuine(b"l" * 16, sign(b"k" * 16, b"{}", now), b"{}")
    assert not is_genuine(b"k" * 16, sign(b"k" * 16, b"{}", now - 1000), b"{}")


def test_every_key_that_it_names_is_one(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        assert read_pipeline(tmp_path / name).sinks
    known = (Path(read_pipeline.__code__.co_filename)).read_text(encoding="utf-8")
    _, _, rest = PAGE.partition("## Every key")
    tables, _, _ = rest.partition("## Topics")
    for key in re.findall(r"`([a-z]+_[a-z_]+)`", tables):
        assert f'"{key}"' in known, key
