"""The vault among several processes, and killed at every step: the old vault or the new one, never less."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.vault_traces import PASSPHRASE, add, clean_environment, open_vault
from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault import storage
from trainer_host.teacher.vault.sealing import Protection
from trainer_host.teacher.vault.storage import Vault
from trainer_host.workspace import Workspace

pytestmark = pytest.mark.usefixtures("nobodys_keyring")
WRITER = """
import sys
from pathlib import Path
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault.contents import StoredKey, with_key
from trainer_host.teacher.vault.storage import Vault
from trainer_host.workspace import Workspace
vault = Vault(Workspace(Path(sys.argv[1])))
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    name = f"{sys.argv[2]}-{number}"
    vault.change(lambda have: with_key(have, StoredKey("openai", name, Secret("sk-" + name), "2026-11-25")))
    print(name, flush=True)
"""


def start_writer(workspace: Workspace, name: str, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(workspace.home), name, str(times)],
        cwd=REPO,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_that_write_at_once_lose_nothing(workspace: Workspace) -> None:
    writers = [start_writer(workspace, f"writer{number}", 10) for number in range(4)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    names = {key.name for key in open_vault(workspace).read().keys}
    assert names == {f"writer{number}-{each}" for number in range(4) for each in range(10)}


def test_a_vault_that_is_held_for_long_is_a_sentence(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    add(open_vault(workspace), "work")
    monkeypatch.setattr(storage, "LOCK_SECONDS", 0.1)
    with (workspace.keys / ".providers.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(KeysError, match="held the key vault"):
            add(open_vault(workspace), "spare")
        assert open_vault(workspace).read().keys, "reading waits for nobody"


def test_a_writer_killed_at_a_random_moment_loses_nothing_that_it_reported(workspace: Workspace) -> None:
    reported: set[str] = set()
    for attempt in range(4):
        writer = start_writer(workspace, f"attempt{attempt}", 10_000)
        assert writer.stdin is not None and writer.stdout is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
        for _ in range(5 + 3 * attempt):
            reported.add(writer.stdout.readline().strip())
        time.sleep(0.003 * attempt)
        writer.kill()
        rest, _ = writer.communicate(timeout=60)
        reported.update(rest.split())
        assert writer.returncode == -signal.SIGKILL
        names = {key.name for key in open_vault(workspace).read().keys}
        assert reported <= names


def killed_before_step(number: int, home: Path, action: Callable[[], object]) -> int:
    """Run the action in a process that kills itself right before the Nth thing that it does to a file under `home`."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    steps = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal steps
        if event in ("open", "os.rename", "os.remove", "os.chmod", "os.mkdir") and str(arguments[0]).startswith(
            str(home)
        ):
            if steps == number:
                os.kill(os.getpid(), signal.SIGKILL)
            steps += 1

    status = 1
    try:
        sys.addaudithook(watch)
        action()
        status = 0
    finally:
        os._exit(status)


@pytest.mark.parametrize(
    ("start", "what"),
    [("nothing", "add"), ("key file", "add"), ("key file", "passphrase"), ("passphrase", "key file")],
)
def test_kill_9_before_any_step_leaves_the_old_vault_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, what: str
) -> None:
    template = Workspace(tmp_path / "template")
    if start != "nothing":
        add(open_vault(template), "work")
    if start == "passphrase":
        open_vault(template).protect(Protection.PASSPHRASE, Secret(PASSPHRASE))
    if start == "passphrase" or what == "passphrase":
        monkeypatch.setenv("ENIGMA_PASSPHRASE", PASSPHRASE)
    actions: dict[str, Callable[[Vault], object]] = {
        "add": lambda vault: add(vault, "new"),
        "passphrase": lambda vault: vault.protect(Protection.PASSPHRASE, Secret(PASSPHRASE)),
        "key file": lambda vault: vault.protect(Protection.KEY_FILE),
    }
    before = {"work"} if start != "nothing" else set()
    after = before | ({"new"} if what == "add" else set())
    killed = 0
    while True:
        home = tmp_path / f"home{killed}"
        if start != "nothing":
            shutil.copytree(template.home, home)
        vault = open_vault(Workspace(home))
        status = killed_before_step(killed, home, partial(actions[what], vault))
        names = {key.name for key in open_vault(Workspace(home)).read().keys}
        if status == 0:
            assert names == after
            break
        assert status == -signal.SIGKILL
        assert names in (before, after)
        # The next writer goes on from there, and clears away what was left.
        add(open_vault(Workspace(home)), "next")
        assert {key.name for key in open_vault(Workspace(home)).read().keys} == names | {"next"}
        left = {path.name for path in (home / "keys").iterdir()}
        assert left <= {".providers.lock", "providers.vault", "providers.key"}
        killed += 1
    assert killed >= 6, "there were steps to be killed at"
    if what == "passphrase":
        assert not (home / "keys" / "providers.key").exists()
