from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import keyring.core
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null
from keyring.errors import PasswordDeleteError

from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.vault_traces import (
    KEY,
    LOW,
    PASSPHRASE,
    SPARE,
    add,
    clean_environment,
    open_vault,
    traces,
)
from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault import keyring_entry
from trainer_host.teacher.vault.contents import Contents, StoredKey, find_key, with_key
from trainer_host.teacher.vault.sealing import Protection
from trainer_host.teacher.vault.storage import Vault
from trainer_host.workspace import Workspace

pytestmark = pytest.mark.usefixtures("nobodys_keyring")
OTHER, WRONG = "another good one", "a wrong passphrase"


class Memory(KeyringBackend):
    """A keyring that lasts as long as the test."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError


class PlainFile(Memory):
    """What `keyring` doesn't recommend."""

    priority = 0.5  # type: ignore[assignment]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A usable keyring."""
    backend = Memory()
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)
    return backend


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_no_written_byte_holds_the_key_and_only_the_owner_can_read_them(workspace: Workspace) -> None:
    vault = open_vault(workspace)
    add(vault, "work")
    add(vault, "spare", SPARE)
    assert traces(workspace.home, KEY, SPARE) == []
    assert mode(workspace.keys) == 0o700
    files = {path.name: mode(path) for path in workspace.keys.iterdir()}
    assert files == {"providers.vault": 0o600, "providers.key": 0o600, ".providers.lock": 0o600}
    assert find_key(open_vault(workspace).read(), "openai", "spare").secret == Secret(SPARE)


def test_the_search_for_traces_finds_a_key_in_each_form(tmp_path: Path) -> None:
    import base64

    for number, content in enumerate(
        [KEY.encode(), base64.b64encode(b"a" + KEY.encode() + b"b"), KEY.encode().hex().encode(), KEY.encode("utf-16")]
    ):
        (tmp_path / str(number)).write_bytes(b"x" * number + content)
    assert len(traces(tmp_path, KEY)) == 4


def test_without_keyring_and_passphrase_a_key_file_and_a_sentence_once(workspace: Workspace) -> None:
    said: list[str] = []
    vault = open_vault(workspace, said)
    add(vault, "work")
    add(vault, "spare", SPARE)
    add(open_vault(workspace, said), "third", SPARE)
    assert len(said) == 1
    assert "not against anyone who can read the whole folder" in said[0] and "copy or backup" in said[0]
    assert vault.protection() is Protection.KEY_FILE
    shutil.move(workspace.keys / "providers.key", workspace.home / "elsewhere")
    with pytest.raises(KeysError, match=r"providers\.key isn't there"):
        open_vault(workspace).read()


def test_a_refused_change_makes_no_vault_and_changes_none(workspace: Workspace) -> None:
    vault = open_vault(workspace)

    def refuse(contents: Contents) -> Contents:
        raise KeysError("no")

    with pytest.raises(KeysError):
        vault.change(refuse)
    assert not (workspace.keys / "providers.key").exists() and vault.protection() is None
    add(vault, "work")
    before = (workspace.keys / "providers.vault").read_bytes()
    with pytest.raises(KeysError):
        vault.change(refuse)
    vault.change(lambda contents: contents)
    assert (workspace.keys / "providers.vault").read_bytes() == before


def test_storing_the_same_key_again_writes_other_bytes(workspace: Workspace) -> None:
    vault = open_vault(workspace)
    add(vault, "work")
    once = (workspace.keys / "providers.vault").read_bytes()
    vault.change(lambda contents: Contents())
    add(vault, "work")
    again = (workspace.keys / "providers.vault").read_bytes()
    assert len(once) == len(again) and once != again


def test_files_that_are_open_to_others_are_closed_or_refused(workspace: Workspace) -> None:
    add(open_vault(workspace), "work")
    (workspace.keys / "providers.vault").chmod(0o644)
    workspace.keys.chmod(0o755)
    assert open_vault(workspace).read().keys
    assert mode(workspace.keys) == 0o700 and mode(workspace.keys / "providers.vault") == 0o600
    (workspace.keys / "providers.key").chmod(0o640)
    with pytest.raises(KeysError, match="chmod 600"):
        open_vault(workspace).read()


def test_a_damaged_file_of_any_kind_is_one_sentence_and_is_kept(workspace: Workspace) -> None:
    add(open_vault(workspace), "work")
    path = workspace.keys / "providers.vault"
    content = path.read_bytes()
    for changed in (b"", content[:-1], content[:40], b"{}", content[:-1] + bytes([content[-1] ^ 1])):
        path.write_bytes(changed)
        with pytest.raises(KeysError, match="Restore"):
            add(open_vault(workspace), "spare")
        assert path.read_bytes() == changed
    path.write_bytes(content)
    for rubbish in (b"", b"not base64!", b"c2hvcnQ=\n"):
        (workspace.keys / "providers.key").write_bytes(rubbish)
        with pytest.raises(KeysError, match="damaged"):
            open_vault(workspace).read()
    (workspace.keys / "providers.key").write_bytes(b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n")
    with pytest.raises(KeysError, match="isn't the one"):
        open_vault(workspace).read()


def test_a_home_that_is_a_file_or_read_only_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(Exception, match=r"can't be used") as caught:
        add(open_vault(Workspace(tmp_path / "home")), "work")
    assert "\n" not in str(caught.value)


def test_a_passphrase_from_the_environment_seals_a_new_vault(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENIGMA_PASSPHRASE", PASSPHRASE)
    add(open_vault(workspace), "work")
    assert sorted(path.name for path in workspace.keys.iterdir()) == [".providers.lock", "providers.vault"]
    assert find_key(open_vault(workspace).read(), "openai", "work").secret == Secret(KEY)
    assert traces(workspace.home, KEY, PASSPHRASE) == []
    monkeypatch.setenv("ENIGMA_PASSPHRASE", "correct horse batterx")
    with pytest.raises(KeysError, match="ENIGMA_PASSPHRASE is wrong"):
        open_vault(workspace).read()
    monkeypatch.delenv("ENIGMA_PASSPHRASE")
    with pytest.raises(KeysError, match="set ENIGMA_PASSPHRASE"):
        open_vault(workspace).read()


def test_a_weak_passphrase_seals_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENIGMA_PASSPHRASE", "short")
    with pytest.raises(KeysError, match="at least 8"):
        add(open_vault(workspace), "work")
    assert open_vault(workspace).protection() is None


def test_a_passphrase_is_asked_for_once(workspace: Workspace) -> None:
    open_vault(workspace).protect(Protection.PASSPHRASE, Secret(PASSPHRASE))
    asked: list[str] = []

    def person(prompt: str) -> Secret:
        asked.append(prompt)
        return Secret(PASSPHRASE)

    vault = Vault(workspace, person, asked.append, LOW)
    for number in range(3):
        add(vault, f"key {number}")
        vault.read()
    assert asked == ["Passphrase of the key vault: "]
    with pytest.raises(KeysError, match="That passphrase is wrong"):
        Vault(workspace, lambda prompt: Secret("another one"), limits=LOW).read()


def test_protection_is_changed_and_the_old_way_opens_nothing(workspace: Workspace, memory: Memory) -> None:
    keyring.core.set_keyring(fail.Keyring())
    vault = open_vault(workspace)
    add(vault, "work")
    old_key = (workspace.keys / "providers.key").read_bytes()

    assert vault.protect(Protection.PASSPHRASE, Secret(PASSPHRASE))
    assert not (workspace.keys / "providers.key").exists()
    (workspace.keys / "providers.key").write_bytes(old_key)
    with pytest.raises(KeysError, match="sealed by a passphrase"):
        open_vault(workspace).read()

    assert vault.protect(Protection.PASSPHRASE, Secret("another good one"))
    assert vault.read().keys, "it remembers the new master key"

    keyring.core.set_keyring(memory)
    assert vault.protect(Protection.KEYRING)
    assert len(memory.entries) == 1
    assert find_key(open_vault(workspace).read(), "openai", "work").secret == Secret(KEY)
    assert not vault.protect(Protection.KEYRING), "it already is"

    assert vault.protect(Protection.KEY_FILE)
    assert memory.entries == {}
    assert find_key(open_vault(workspace).read(), "openai", "work").secret == Secret(KEY)
    assert (workspace.keys / "providers.key").read_bytes() != old_key
    assert not vault.protect(Protection.KEY_FILE)
    assert traces(workspace.home, KEY) == []


def test_a_usable_keyring_holds_the_master_key(workspace: Workspace, memory: Memory) -> None:
    said: list[str] = []
    vault = open_vault(workspace, said)
    add(vault, "work")
    assert vault.protection() is Protection.KEYRING and "keyring" in said[0]
    assert not (workspace.keys / "providers.key").exists()
    [entry] = memory.entries.values()
    assert KEY not in entry
    assert open_vault(workspace).read().keys
    memory.entries.clear()
    with pytest.raises(KeysError, match="enigma keys export"):
        open_vault(workspace).read()


@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring, PlainFile])
def test_a_keyring_that_keeps_nothing_or_in_a_plain_file_counts_as_none(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, backend: type[KeyringBackend]
) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend())
    assert keyring_entry.usable() is None
    add(open_vault(workspace), "work")
    assert open_vault(workspace).protection() is Protection.KEY_FILE
    with pytest.raises(KeysError, match="no usable one"):
        open_vault(workspace).protect(Protection.KEYRING)


def test_a_chain_of_keyrings_is_used_by_its_best_part(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [PlainFile(), Memory()]
    monkeypatch.setattr(chainer.ChainerBackend, "backends", parts)
    monkeypatch.setattr(keyring.core, "_keyring_backend", chainer.ChainerBackend())
    assert keyring_entry.usable() is parts[1]
    del parts[1]
    assert keyring_entry.usable() is None


def test_a_keyring_that_fails_or_hangs_is_a_sentence_and_a_new_vault_does_without(
    workspace: Workspace, memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(service: str, username: str, password: str) -> None:
        raise OSError("the bus is gone")

    monkeypatch.setattr(memory, "set_password", broken)
    with caplog.at_level(logging.WARNING):
        add(open_vault(workspace), "work")
    assert "can't be used (OSError)" in caplog.text
    vault = open_vault(workspace)
    assert vault.protection() is Protection.KEY_FILE
    over = threading.Event()
    monkeypatch.setattr(keyring_entry, "DEADLINE_SECONDS", 0.1)
    monkeypatch.setattr(memory, "set_password", lambda *given: over.wait())
    with pytest.raises(KeysError, match="hasn't answered"):
        vault.protect(Protection.KEYRING)
    over.set()
    assert open_vault(workspace).read().keys


def test_without_the_package_there_is_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert keyring_entry.usable() is None


SECRET_SERVICE = """
import sys
from pathlib import Path
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault.contents import StoredKey, with_key
from trainer_host.teacher.vault.storage import Vault
from trainer_host.workspace import Workspace
vault = Vault(Workspace(Path(sys.argv[1])))
if sys.argv[2] == "store":
    vault.change(lambda have: with_key(have, StoredKey("openai", "work", Secret(sys.argv[3]), "2026-11-25")))
print(vault.protection().name, vault.read().keys[0].secret.reveal() == sys.argv[3])
"""


@pytest.mark.skipif(
    not (shutil.which("dbus-run-session") and shutil.which("gnome-keyring-daemon")),
    reason="gnome-keyring and dbus aren't installed",
)
def test_a_real_secret_service_holds_the_master_key(workspace: Workspace, tmp_path: Path) -> None:
    python = f"{sys.executable} -c '{SECRET_SERVICE.strip()}' {workspace.home}"
    script = (
        "echo -n login | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; "
        f"{python} store {KEY} && {python} read {KEY}"
    )
    environment = clean_environment(HOME=str(tmp_path / "person"), XDG_DATA_HOME=str(tmp_path / "person"))
    del environment["PYTHON_KEYRING_BACKEND"]
    (tmp_path / "person").mkdir()
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", script],
        env=environment,
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "KEYRING True\nKEYRING True\n", done.stderr
    assert not (workspace.keys / "providers.key").exists()


def test_no_traceback_shows_a_key_even_with_its_locals(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """As crash reporters print them: every variable of every frame."""
    monkeypatch.setenv("ENIGMA_PASSPHRASE", PASSPHRASE)
    vault = open_vault(workspace)
    add(vault, "work")

    def full_disk(*given: object) -> None:
        raise OSError(28, "No space left on device")

    spare = StoredKey("openai", "spare", Secret(SPARE), "2026-11-25")
    actions: list[Callable[[], object]] = [
        lambda: vault.change(lambda have: with_key(have, spare)),
        lambda: vault.protect(Protection.KEY_FILE),
        lambda: vault.protect(Protection.PASSPHRASE, Secret(OTHER)),
        lambda: Vault(workspace, lambda prompt: Secret(WRONG)).read(),
    ]
    shown = ""
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full_disk)
        for action in actions:
            broken.setenv("ENIGMA_PASSPHRASE", PASSPHRASE if action is not actions[-1] else WRONG)
            try:
                action()
            except Exception as error:
                shown += "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert shown.count("No space left") >= 3 and "is wrong" in shown and "Secret(...)" in shown
    for secret in (KEY, SPARE, PASSPHRASE, OTHER, WRONG):
        assert secret not in shown
    assert [key.name for key in open_vault(workspace).read().keys] == ["work"]
