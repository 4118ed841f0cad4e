from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
from pathlib import Path

import keyring.core
import pytest
from keyring.backends import fail

from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.vault_traces import KEY, SPARE, clean_environment, traces
from trainer_host import keys
from trainer_host.errors import KeysError
from trainer_host.keys import get_api_key, keys_for, listed, store_api_key, store_endpoint, vault_of
from trainer_host.teacher.protocol import Key, Secret
from trainer_host.teacher.providers import PROVIDERS
from trainer_host.teacher.vault.contents import using, without_key
from trainer_host.workspace import Workspace


@pytest.fixture(autouse=True)
def nothing_of_this_person(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> None:
    """No key, keyring, passphrase or home of whoever runs the tests."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", fail.Keyring())
    for endpoint in PROVIDERS.values():
        monkeypatch.delenv(endpoint.environment or "NOTHING", raising=False)
    monkeypatch.delenv("ENIGMA_PASSPHRASE", raising=False)
    monkeypatch.setenv("ENIGMA_HOME", str(workspace.home))


def names(found: tuple[Key, ...]) -> list[str]:
    return [key.name for key in found]


def test_the_mission_s_own_lines_work() -> None:
    store_api_key("openai", "sk-...", "My key")
    key = get_api_key("openai")
    assert key == "sk-..." and type(key) is str


def test_a_key_is_found_by_the_next_process(workspace: Workspace, tmp_path: Path) -> None:
    code = "import sys; from trainer_host.keys import {0}; {1}"
    for line in (
        code.format(
            "store_api_key", "store_api_key('openai', sys.stdin.read(), home=__import__('pathlib').Path(sys.argv[1]))"
        ),
        code.format("get_api_key", "print(get_api_key('openai', home=__import__('pathlib').Path(sys.argv[1])))"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", line, str(workspace.home)],
            input=KEY,
            env=clean_environment(),
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert done.stdout == KEY + "\n"
    assert traces(workspace.home, KEY) == []


def test_the_key_in_use_is_first_and_the_others_are_spares(workspace: Workspace) -> None:
    for name, text in (("work", KEY), ("spare", SPARE), ("old", "sk-old")):
        store_api_key("openai", text, name)
    store_api_key("anthropic", "sk-ant-1", "other")
    assert names(keys_for("openai", workspace)) == ["work", "spare", "old"]
    vault_of(workspace).change(lambda contents: using(contents, "openai", "spare"))
    assert names(keys_for("openai", workspace)) == ["spare", "work", "old"]
    assert get_api_key("openai") == SPARE and get_api_key("openai", "work") == KEY
    assert names(keys_for("openai", workspace, ("old", "work"))) == ["old", "work"], (
        "those that were named, in that order"
    )
    vault_of(workspace).change(lambda contents: without_key(contents, "openai", "spare"))
    assert names(keys_for("openai", workspace)) == ["work", "old"]


def test_the_environment_wins_and_needs_no_vault(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SPARE)
    assert keys_for("openai", workspace) == (Key("OPENAI_API_KEY", Secret(SPARE)),)
    assert not workspace.keys.exists(), "nothing was made or opened"
    store_api_key("openai", KEY, "work")
    assert get_api_key("openai") == SPARE, "also over a stored key, and no stored one is a spare for it"
    assert names(keys_for("openai", workspace)) == ["OPENAI_API_KEY"]
    assert get_api_key("openai", "work") == KEY, "a stored one by its name"
    monkeypatch.setenv("OPENAI_API_KEY", "")
    assert get_api_key("openai") == KEY


@pytest.mark.parametrize("text", ["sk-a\nsk-b", "sk-é", "sk a", " "])
def test_a_broken_key_in_the_environment_is_named_by_its_variable(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", text)
    with pytest.raises(KeysError, match="The key in OPENAI_API_KEY"):
        keys_for("openai", workspace)


def test_without_any_key_both_ways_to_give_one_are_named(workspace: Workspace) -> None:
    with pytest.raises(KeysError, match=r"'enigma keys add openai', or 'export OPENAI_API_KEY=\.\.\.'"):
        get_api_key("openai")
    assert not workspace.keys.exists()


@pytest.mark.parametrize("key", ["", "sk-a\nb", "sk-\x00", "sk-ä", "x" * 5000])
def test_what_can_be_no_key_is_not_stored(workspace: Workspace, key: str) -> None:
    with pytest.raises(KeysError):
        store_api_key("openai", key)
    assert not (workspace.keys / "providers.vault").exists()


def test_an_unknown_provider_is_told_the_known_ones(workspace: Workspace) -> None:
    for action in (
        lambda: store_api_key("opnai", KEY),
        lambda: get_api_key("opnai"),
        lambda: keys_for("opnai", workspace),
    ):
        with pytest.raises(KeysError, match=r"there are openai, anthropic, .*--base-url"):
            action()
    assert not (workspace.keys / "providers.vault").exists()


def test_a_taken_name_is_refused_unless_it_is_replaced() -> None:
    store_api_key("openai", KEY)
    with pytest.raises(KeysError, match="named 'default'"):
        store_api_key("openai", SPARE)
    assert get_api_key("openai") == KEY
    store_api_key("openai", SPARE, replace=True)
    assert get_api_key("openai") == SPARE


def test_servers_without_keys_are_asked_without_one(workspace: Workspace) -> None:
    assert keys_for("ollama", workspace) == ()
    with pytest.raises(KeysError, match="'ollama' needs no key"):
        get_api_key("ollama")
    with pytest.raises(KeysError, match="needs no key"):
        store_api_key("ollama", KEY)
    assert not (workspace.keys / "providers.vault").exists()


def test_a_custom_endpoint_has_keys_and_a_variable_of_its_own(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_endpoint("my-gw", "https://gw.example/v1/", model="big", headers={"X-Team": "s3cret-team-token"})
    endpoint = keys.endpoint_for("my-gw", workspace)
    assert (endpoint.base_url, endpoint.wire, endpoint.model) == ("https://gw.example/v1", "openai", "big")
    assert traces(workspace.home, "s3cret-team-token", "gw.example") == []
    with pytest.raises(KeysError, match="export MY_GW_API_KEY"):
        keys_for("my-gw", workspace)
    store_api_key("my-gw", KEY)
    assert get_api_key("my-gw") == KEY
    monkeypatch.setenv("MY_GW_API_KEY", SPARE)
    assert get_api_key("my-gw") == SPARE
    store_endpoint("my-gw", "https://gw.example/v1/", model="bigger")
    assert keys.endpoint_for("my-gw", workspace).model == "bigger"
    with pytest.raises(KeysError, match="other settings"):
        store_endpoint("my-gw", "https://gw.example/v1/", model="other", replace=False)
    with pytest.raises(KeysError, match="use https"):
        store_endpoint("evil", "http://gw.example/v1", model="m")
    with pytest.raises(KeysError, match="built in"):
        store_endpoint("openai", "https://gw.example/v1", model="m")
    with pytest.raises(KeysError, match="wire openai or anthropic"):
        store_endpoint("gw", "https://gw.example/v1", model="m", wire="smtp")


def test_built_in_endpoints_do_not_open_the_vault(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A box without a terminal, with a sealed vault and a key in its environment, must work."""
    monkeypatch.setenv("ENIGMA_PASSPHRASE", "correct horse battery")
    store_api_key("openai", KEY)
    monkeypatch.delenv("ENIGMA_PASSPHRASE")
    vault_of.cache_clear()
    monkeypatch.setenv("OPENAI_API_KEY", SPARE)
    assert get_api_key("openai") == SPARE
    assert keys_for("local", workspace) == ()
    with pytest.raises(KeysError, match="set ENIGMA_PASSPHRASE"):
        get_api_key("openai", "default")


def test_a_list_shows_four_characters_of_long_keys_and_none_of_short_ones(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_api_key("openai", KEY, "long")
    store_api_key("openai", "x" * 15 + "tail", "nineteen")
    store_api_key("openai", "x" * 16 + "tail", "twenty")
    monkeypatch.setenv("ANTHROPIC_API_KEY", SPARE)
    shown = {(line.provider, line.name): (line.tail, line.in_use, line.source) for line in listed(workspace)}
    assert shown == {
        ("openai", "long"): ("…" + KEY[-4:], True, "vault"),
        ("openai", "nineteen"): ("…", False, "vault"),
        ("openai", "twenty"): ("…tail", False, "vault"),
        ("anthropic", "ANTHROPIC_API_KEY"): ("…" + SPARE[-4:], True, "ANTHROPIC_API_KEY"),
    }
    monkeypatch.setenv("OPENAI_API_KEY", SPARE)
    in_use = [line.name for line in listed(workspace) if line.provider == "openai" and line.in_use]
    assert in_use == ["OPENAI_API_KEY"]


def test_no_repr_log_or_json_shows_a_key(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        store_api_key("openai", KEY, "work")
        found = keys_for("openai", workspace)
    vault = vault_of(workspace)
    things = (
        found,
        found[0],
        found[0].secret,
        vault,
        vault.read(),
        vault.read().keys,
        vault._master,
        listed(workspace),
    )
    for thing in things:
        assert KEY not in f"{thing} {thing!r} {vars(thing) if hasattr(thing, '__dict__') else ''}"
    assert KEY not in caplog.text
    for dump in (json.dumps, pickle.dumps):
        with pytest.raises(TypeError):
            dump(found[0].secret)


CRASH = """
import sys, traceback
from pathlib import Path
from trainer_host import keys
from trainer_host.workspace import Workspace
def report(kind, error, trace):
    print("".join(traceback.TracebackException(kind, error, trace, capture_locals=True).format()))
sys.excepthook = report
home = Path(sys.argv[1])
keys.store_api_key("openai", sys.stdin.read(), home=home)
def crash(found):
    endpoint = keys.endpoint_for("openai", Workspace(home))
    raise ValueError(f"the wire broke: {found} {endpoint}")
crash(keys.keys_for("openai", Workspace(home)))
"""
CRASH_IN_STORE = CRASH.replace("home = Path", "import os; os.fsync = None\nhome = Path")


@pytest.mark.parametrize(("code", "said"), [(CRASH, "the wire broke"), (CRASH_IN_STORE, "NoneType")])
def test_a_crash_report_with_all_variables_shows_no_key(workspace: Workspace, code: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code, str(workspace.home)],
        input=KEY,
        env=clean_environment(),
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1 and said in done.stdout and "Secret(...)" in done.stdout
    assert KEY not in done.stdout + done.stderr


def test_the_facade_imports_nothing_heavy() -> None:
    code = (
        "import sys, trainer_host.keys; "
        "heavy = {'torch', 'numpy', 'rich', 'aiohttp', 'nacl', 'keyring', 'pyrage', 'asyncio'} & sys.modules.keys(); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True, timeout=60)
