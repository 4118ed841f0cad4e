from __future__ import annotations

import argparse
import asyncio
import io
import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import keyring.core
import pytest
from aiohttp import web
from keyring.backends import fail

from tests.trainer_host.teacher.fake_api import FakeApi
from tests.trainer_host.teacher.vault_traces import KEY, LOW, SPARE, clean_environment, on_terminal, traces
from trainer_host.commands import keys
from trainer_host.commands.options import workspace_of
from trainer_host.errors import KeysError, TrainerError
from trainer_host.keys import get_api_key, keys_for, vault_of
from trainer_host.presentation import Presenter
from trainer_host.teacher.providers import PROVIDERS
from trainer_host.teacher.vault.sealing import Protection
from trainer_host.teacher.vault.storage import Vault
from trainer_host.workspace import Workspace

PASSPHRASE = "correct horse battery"
Enigma = Callable[..., int | None]

# The command in a process of its own, as `trainer_host.cli` runs it; argon2id at its lowest, to be quick.
COMMAND = """
import argparse, sys
from trainer_host.commands import keys
from trainer_host.commands.options import workspace_of
from trainer_host.errors import TrainerError
from trainer_host.teacher.vault.sealing import Limits
from trainer_host.teacher.vault.storage import Vault
parser = argparse.ArgumentParser()
keys.add(parser.add_subparsers(required=True))
args = parser.parse_args(sys.argv[1:])
keys._vault = lambda args, show: Vault(workspace_of(args), on_made=show.warn, limits=Limits(1, 8))
try:
    sys.exit(args.command(args) or 0)
except TrainerError as error:
    print(f"enigma: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.fixture(autouse=True)
def nothing_of_this_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, keyring or passphrase of whoever runs the tests."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", fail.Keyring())
    for endpoint in PROVIDERS.values():
        monkeypatch.delenv(endpoint.environment or "NOTHING", raising=False)
    for name in ("ENIGMA_PASSPHRASE", "ENIGMA_NEW_PASSPHRASE", "ENIGMA_EXPORT_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def enigma(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Enigma:
    """Run `enigma keys ...` with this text on standard input; argon2id at its lowest, to be quick."""

    def quick(args: argparse.Namespace, show: Presenter) -> Vault:
        return Vault(workspace_of(args), on_made=show.warn, limits=LOW)

    monkeypatch.setattr(keys, "_vault", quick)

    def run(*arguments: str, stdin: str = "", home: Path | None = None) -> int | None:
        parser = argparse.ArgumentParser()
        keys.add(parser.add_subparsers(required=True))
        args = parser.parse_args(["keys", *arguments, "--home", str(home or workspace.home)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        found: int | None = args.command(args)
        return found

    return run


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert KEY not in said.out + said.err and SPARE not in said.out + said.err
    return said.out


def test_three_keys_are_stored_listed_chosen_and_removed(
    enigma: Enigma, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("work", KEY), ("spare", SPARE), ("old", "short-key")):
        enigma("add", "openai", "--name", name, stdin=text + "\n")
    said = shown(capsys)
    assert said.count("against anyone who can read the whole folder") == 1
    assert "The key 'work' of openai (…5RkE) is stored." in said and "'work' stays in use" in said
    with pytest.raises(KeysError, match="named 'spare'"):
        enigma("add", "openai", "--name", "spare", stdin=KEY)
    enigma("add", "openai", "--name", "spare", "--replace", stdin=SPARE)
    shown(capsys)

    enigma("list")
    said = shown(capsys)
    assert "…5RkE" in said and "…KiMj" in said and "short" not in said
    assert said.count("against anyone who can read the whole folder") == 1
    assert "openai work …5RkE in use" in " ".join(said.split())

    enigma("use", "openai", "spare")
    assert get_api_key("openai", home=workspace.home) == SPARE
    with pytest.raises(KeysError, match="there are spare, work, old"):
        enigma("use", "openai", "none")
    enigma("remove", "openai", "work", "--yes")
    assert [key.name for key in keys_for("openai", workspace)] == ["spare", "old"]
    with pytest.raises(KeysError, match="no key named 'work'"):
        enigma("remove", "openai", "work", "--yes")
    with pytest.raises(KeysError, match="Say which key"):
        enigma("remove", "openai", "--yes")
    assert traces(workspace.home, KEY, SPARE) == []


def test_json_holds_tails_alone(enigma: Enigma, capsys: pytest.CaptureFixture[str]) -> None:
    enigma("list", "--json")
    assert json.loads(shown(capsys)) == {"sealed_by": None, "keys": []}
    enigma("add", "openai", stdin=KEY)
    shown(capsys)
    enigma("list", "--json")
    found = json.loads(shown(capsys))
    assert found["sealed_by"] == "key-file"
    assert [(key["provider"], key["name"], key["tail"], key["in_use"]) for key in found["keys"]] == [
        ("openai", "default", "…5RkE", True)
    ]


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (["add", "openai"], "", "is empty"),
        (["add", "openai"], "sk-one\nsk-two\n", "line break"),
        (["add", "openai"], "\x1b[A", "control character"),
        (["add", "openai"], "x" * 20_000, "may have 4,096"),
        (["add", "openai", "--name", " "], KEY, "A key's name"),
        (["add", "opnai"], KEY, "there are openai"),
        (["add", "ollama"], KEY, "needs no key"),
        (["add", "openai", "--no-key"], "", "--no-key goes with --base-url"),
        (["add", "openai", "--model", "m"], KEY, "go with --base-url"),
        (["add", "openai", "--base-url", "https://x.example", "--model", "m"], KEY, "built in"),
        (["add", "gw", "--base-url", "https://x.example"], KEY, "--model"),
        (["add", "gw", "--base-url", "http://x.example", "--model", "m"], KEY, "use https"),
        (["add", "gw", "--base-url", "https://x.example", "--model", "m", "--header", "X-A"], KEY, "NAME=VALUE"),
        (
            ["add", "gw", "--base-url", "https://x.example", "--model", "m", "--header", "Host=b"],
            KEY,
            "is set for every",
        ),
        (["use", "openai", "none"], "", "enigma keys add openai"),
        (["test", "openai"], "", "export OPENAI_API_KEY"),
        (["remove", "openai", "none"], "", "no key named"),
        (["export", "keys.age"], "", "no keys to export"),
    ],
)
def test_a_mistake_is_one_sentence_and_stores_nothing(
    enigma: Enigma, workspace: Workspace, arguments: list[str], stdin: str, sentence: str
) -> None:
    with pytest.raises(KeysError) as caught:
        enigma(*arguments, stdin=stdin)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert not (workspace.keys / "providers.vault").exists()


def test_an_endpoint_and_its_key_are_stored_together_or_not_at_all(
    enigma: Enigma, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    custom = ["add", "gw", "--base-url", "https://x.example/v1", "--model", "m", "--header", "X-Team=s3cret-team-token"]
    with pytest.raises(KeysError):
        enigma(*custom, stdin="bad key")
    assert vault_of(workspace).read().endpoints == ()
    enigma(*custom, stdin=KEY)
    enigma("add", "home", "--base-url", "http://192.168.1.5:8000/v1", "--model", "m", "--no-key")
    enigma("list")
    said = shown(capsys)
    assert "https://x.example/v1" in said and "X-Team" in said and "s3cret" not in said
    assert keys_for("home", workspace) == ()
    enigma("remove", "gw", "--yes")
    assert [endpoint.provider for endpoint in vault_of(workspace).read().endpoints] == ["home"]
    assert vault_of(workspace).read().keys == ()


def test_removing_without_a_terminal_needs_yes(enigma: Enigma, workspace: Workspace) -> None:
    enigma("add", "openai", stdin=KEY)
    with pytest.raises(KeysError, match="--yes"):
        enigma("remove", "openai", "default")
    assert len(keys_for("openai", workspace)) == 1


async def test_the_provider_sees_the_key_in_use_the_named_one_or_the_environment_s(
    enigma: Enigma, workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    @web.middleware
    async def look(request: web.Request, handler: Callable[[web.Request], web.StreamResponse]) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", "") + request.headers.get("X-Team", ""))
        return await handler(request)  # type: ignore[misc]

    def watch(app: web.Application, api: FakeApi) -> None:
        app.middlewares.append(look)

    async with FakeApi(keys={KEY, SPARE}, add_routes=[watch]) as api:
        custom = ["add", "gw", "--base-url", f"{api.url}/v1", "--model", "fake-small", "--header", "X-Team= a"]
        with pytest.raises(KeysError, match="spaces around"):
            enigma(*custom, stdin=KEY)
        custom[-1] = "X-Team=-a"
        enigma(*custom, "--name", "work", stdin=KEY)
        for name, text in (("spare", SPARE), ("dead", "sk-dead-Q1w2E3r4T5y6U7i8")):
            enigma("add", "gw", "--name", name, stdin=text)
        shown(capsys)

        async def test(*arguments: str) -> int | None:
            return await asyncio.to_thread(enigma, "test", "gw", *arguments)

        assert await test() == 0
        assert shown(capsys) == "gw takes the key 'work'.\n"
        enigma("use", "gw", "spare")
        assert await test() == 0 and await test("work") == 0
        assert await test("dead") == 1
        said = shown(capsys)
        assert "gw refuses the key 'dead' (401" in said and "Q1w2" not in said
        monkeypatch.setenv("GW_API_KEY", KEY)
        assert await test() == 0
        assert "takes the key 'GW_API_KEY'" in shown(capsys)
    assert seen == [f"Bearer {key}-a" for key in (KEY, SPARE, KEY, "sk-dead-Q1w2E3r4T5y6U7i8", KEY)]
    with pytest.raises(TrainerError, match="can't be reached"):
        await test()


def test_keys_move_to_another_computer(
    enigma: Enigma,
    workspace: Workspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in (("work", KEY), ("spare", SPARE)):
        enigma("add", "openai", "--name", name, stdin=text)
    enigma("use", "openai", "spare")
    enigma("add", "home", "--base-url", "http://nas.local/v1", "--model", "m", "--no-key")
    file, other = tmp_path / "keys.age", Workspace(tmp_path / "other")
    with pytest.raises(KeysError, match="ENIGMA_EXPORT_PASSPHRASE"):
        enigma("export", str(file))
    monkeypatch.setenv("ENIGMA_EXPORT_PASSPHRASE", "short")
    with pytest.raises(KeysError, match="at least 8"):
        enigma("export", str(file))
    assert not file.exists()
    monkeypatch.setenv("ENIGMA_EXPORT_PASSPHRASE", PASSPHRASE)
    enigma("export", str(file), "--armor")
    assert "2 keys and 1 endpoint are in" in shown(capsys)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(KeysError, match="--replace"):
        enigma("export", str(file))
    assert traces(tmp_path, KEY, SPARE) == []

    enigma("import", str(file), home=other.home)
    assert "3 added, 0 replaced, 0 already here, 0 skipped." in shown(capsys)
    assert vault_of(other).read() == vault_of(workspace).read()
    enigma("add", "openai", "--name", "work", "--replace", stdin="sk-new-1234567890abcdefgh", home=other.home)
    shown(capsys)
    enigma("import", str(file), home=other.home)
    said = shown(capsys)
    assert "0 added, 0 replaced, 2 already here, 1 skipped." in said and "openai/work" in said
    monkeypatch.setenv("ENIGMA_EXPORT_PASSPHRASE", "a wrong passphrase")
    with pytest.raises(KeysError, match="passphrase is wrong"):
        enigma("import", str(file), home=tmp_path / "third")
    assert not (tmp_path / "third" / "keys" / "providers.vault").exists()


def test_a_file_that_is_none_is_one_sentence(enigma: Enigma, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENIGMA_EXPORT_PASSPHRASE", PASSPHRASE)
    with pytest.raises(TrainerError, match="can't be"):
        enigma("import", str(tmp_path / "none"))
    with pytest.raises(TrainerError, match="can't be"):
        enigma("import", str(tmp_path))
    (tmp_path / "zeros").write_bytes(b"\0" * 100)
    with pytest.raises(KeysError, match="isn't a file of keys"):
        enigma("import", str(tmp_path / "zeros"))
    with (tmp_path / "big").open("wb") as out:
        out.truncate(2**40)
    with pytest.raises(KeysError, match="at most 16 MiB"):
        enigma("import", str(tmp_path / "big"))


def test_protection_is_changed_by_a_command(
    enigma: Enigma, workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    enigma("add", "openai", stdin=KEY)
    with pytest.raises(KeysError, match="ENIGMA_NEW_PASSPHRASE"):
        enigma("protect", "--passphrase")
    monkeypatch.setenv("ENIGMA_PASSPHRASE", PASSPHRASE)
    enigma("protect", "--passphrase")
    assert Vault(workspace).protection() is Protection.PASSPHRASE
    assert "without it nobody can read them" in shown(capsys)
    with pytest.raises(KeysError, match="ENIGMA_NEW_PASSPHRASE"):
        enigma("protect", "--passphrase")
    monkeypatch.setenv("ENIGMA_NEW_PASSPHRASE", "another good one")
    enigma("protect", "--passphrase")
    with pytest.raises(KeysError, match="ENIGMA_PASSPHRASE is wrong"):
        enigma("list")
    monkeypatch.setenv("ENIGMA_PASSPHRASE", "another good one")
    with pytest.raises(KeysError, match="no usable one"):
        enigma("protect", "--keyring")
    enigma("protect", "--key-file")
    enigma("protect", "--key-file")
    assert "Nothing to change" in shown(capsys)
    monkeypatch.delenv("ENIGMA_PASSPHRASE")
    assert Vault(workspace).read().keys[0].secret.reveal() == KEY


def test_a_person_at_a_terminal_types_everything_unseen(workspace: Workspace, tmp_path: Path) -> None:
    """Key, passphrases and the question: typed, and never echoed."""

    def type_at(*arguments: str, typed: list[tuple[str, str]]) -> tuple[int, str]:
        command = [sys.executable, "-c", COMMAND, "keys", *arguments, "--home", str(workspace.home)]
        status, seen = on_terminal(command, typed, clean_environment())
        assert KEY not in seen and PASSPHRASE not in seen
        return status, seen

    status, seen = type_at("add", "openai", typed=[("(not shown): ", KEY)])
    assert status == 0 and "…5RkE" in seen
    again = [("key vault: ", PASSPHRASE), ("same again: ", PASSPHRASE)]
    assert type_at("protect", "--passphrase", typed=again)[0] == 0
    status, seen = type_at("list", typed=[("Passphrase of the key vault: ", PASSPHRASE)])
    assert status == 0 and "…5RkE" in seen
    status, seen = type_at("list", typed=[("Passphrase of the key vault: ", "something else")])
    assert status == 2 and "That passphrase is wrong" in seen and "Traceback" not in seen
    differ = [
        ("Passphrase of the key", PASSPHRASE),
        ("New passphrase", "one of two ways"),
        ("same again", "two of them"),
    ]
    status, seen = type_at("protect", "--passphrase", typed=differ)
    assert status == 2 and "differ; nothing was changed" in seen
    no = [("Passphrase of the key", PASSPHRASE), ("[y/N]", "n")]
    assert "Nothing was removed" in type_at("remove", "openai", "default", typed=no)[1]
    yes = [("Passphrase of the key", PASSPHRASE), ("[y/N]", "y")]
    assert "Removed the key 'default' of openai" in type_at("remove", "openai", "default", typed=yes)[1]


def test_a_key_is_never_an_argument(enigma: Enigma, capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed behind a command is in the shell's history and in `ps`."""
    with pytest.raises(SystemExit):
        enigma("add", "openai", KEY)
    capsys.readouterr()
