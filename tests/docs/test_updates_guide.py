"""The commands of docs/updates.md, run as they stand there."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from tests.edge_runtime import tiny
from trainer_host import cli
from trainer_host.release.keys import signing_key
from trainer_host.release.repository import Repository
from trainer_host.workspace import Workspace

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "updates.md"
TARGET = "models/router/home-en-1.0.0.enigma"
# Sealing by a passphrase takes a second each time (see test_roles); nobody sits here to be asked.
MORE = {"init": ["--no-passphrase"], "rotate": ["--no-passphrase"], "keys": ["--no-passphrase"], "cosign": ["--yes"]}

_parser = functools.cache(cli.build_parser)  # all commands' takes longer than some of them

pytestmark = pytest.mark.skipif(not tiny.RUNTIME, reason="no runtime for models here")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A home with a bundle, and a folder to work in."""
    made = Workspace(tmp_path / "home")
    made.bundles.mkdir(parents=True)
    path = made.bundles / "home-en-1.0.0.enigma"
    tiny.make_bundle(path, tiny.usable_manifest("1.0.0", "home-en"), key=signing_key(made).seed)
    monkeypatch.setenv("ENIGMA_HOME", str(made.home))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "build_parser", _parser)
    return made


def lines(title: str) -> list[str]:
    """The host's commands of a section, in order; what runs until it is stopped isn't among them."""
    text = GUIDE.read_text(encoding="utf-8")
    body = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert body is not None, title
    found = re.findall(r"^    enigma (release .+)$", body[1], re.MULTILINE)
    assert found, title
    return [line for line in found if line != "release serve"]


def run(line: str, **words: str) -> None:
    """One command of the guide, its placeholders filled in."""
    arguments = [words.get(word, word) for word in line.split()]
    assert cli.main([*arguments, *MORE.get(arguments[1], [])]) == 0, line


def test_the_way_of_one_host(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for title in ("Start", "Who signs what", "When a key is lost or stolen", "Without a network"):
        for line in lines(title):
            run(line)
    run("release verify stick")
    assert "is sound: " in capsys.readouterr().out.splitlines()[-1]
    repository = Repository.of(home)
    publish, withdraw = lines("What is published")
    run(publish)
    assert repository.targets()[TARGET].custom["budgets"] == {"p95_ms": 40, "memory_mb": 120}
    run(withdraw.replace("models/robot", "models/router"))
    assert repository.targets() == {}


def test_the_way_with_a_phone(home: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walk(lines("A phone that must agree"), capsys)
    assert TARGET in Repository.of(home).targets()
    assert Repository.of(home).state().root.content.roles["root"].threshold == 2


def test_the_way_with_a_phone_that_comes_later(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    keys = [line for line in lines("A phone that must agree") if line.startswith("release keys new")]
    walk([*lines("Start"), *keys, *lines("A phone that comes later"), "release cosign --key phone.key"], capsys)
    assert Repository.of(home).state().root.content.roles["root"].threshold == 2


def walk(commands: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Run commands, the keys that they print filled into those that follow."""
    keys: dict[str, str] = {}
    for line in commands:
        capsys.readouterr()
        run(line, **keys)
        if line.startswith("release keys new"):
            keys[line.split()[-1].removesuffix(".key").upper()] = capsys.readouterr().out.splitlines()[0]
