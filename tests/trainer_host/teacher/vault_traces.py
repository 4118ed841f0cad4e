"""What the tests of the vault share: keys to look for, every form in which a file could give them away, a terminal."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import pty
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.trainer_host.samples import REPO
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault.contents import Contents, StoredKey, with_key
from trainer_host.teacher.vault.sealing import Limits
from trainer_host.teacher.vault.storage import Vault
from trainer_host.workspace import Workspace

PASSPHRASE = "correct horse battery"
KEY = "sk-test-Zq81vJx0TnYb3uWm5RkE"
SPARE = "sk-spare-P0aB7cLdHeIfGgJhKiMj"
LOW = Limits(1, 8)  # the least that argon2id takes: microseconds
# No test may write into the keyring of whoever runs it.
NO_KEYRING = "keyring.backends.fail.Keyring"


def forms(secret: str) -> list[bytes]:
    """A secret as it is, in hex, in base64 at each of its three alignments, in UTF-16, and backwards."""
    raw = secret.encode()
    found = [raw, raw.hex().encode(), raw.hex().upper().encode(), secret.encode("utf-16-le"), raw[::-1]]
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # The first group and the last ones depend on what stands around the secret.
            found.append(encode(b"\0" * shift + raw)[4:-4])
    return found


def traces(folder: Path, *secrets: str) -> list[str]:
    """The files under a folder that hold one of the secrets in some form."""
    wanted = [form for secret in secrets for form in forms(secret)]
    return [
        str(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(form in path.read_bytes() for form in wanted)
    ]


def clean_environment(**more: str) -> dict[str, str]:
    """The environment of a test's process: no keys, no passphrases, no keyring of the person who runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_API_KEY") and not name.startswith("ENIGMA_")
    }
    return {**kept, "PYTHON_KEYRING_BACKEND": NO_KEYRING, "PYTHONPATH": str(REPO), **more}


def on_terminal(
    arguments: Sequence[str], typed: Sequence[tuple[str, str]], environment: Mapping[str, str], seconds: float = 120.0
) -> tuple[int, str]:
    """Run a command on a terminal of its own; at each prompt type the line. Returns its status and what was shown."""
    ours, theirs = pty.openpty()

    def own_the_terminal() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        list(arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=REPO,
        env=dict(environment),
        start_new_session=True,
        preexec_fn=own_the_terminal,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    shown, seen, waiting = "", 0, list(typed)
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        ended = process.poll() is not None
        with contextlib.suppress(BlockingIOError, OSError):  # OSError: the other side is closed
            shown += os.read(ours, 4096).decode(errors="replace")
            ended = False
        # What was typed before the echo is turned off is dropped; a yes or no is seen.
        open_ = waiting and ("[y/N]" in waiting[0][0] or not termios.tcgetattr(ours)[3] & termios.ECHO)
        if open_ and waiting[0][0] in shown[seen:]:
            seen = shown.index(waiting[0][0], seen) + len(waiting[0][0])
            os.write(ours, waiting.pop(0)[1].encode() + b"\n")
        if ended:
            break
        time.sleep(0.01)
    else:
        process.kill()
    os.close(ours)
    return process.wait(), shown


def nobody(prompt: str) -> Secret | None:
    """There is no terminal."""
    return None


def open_vault(workspace: Workspace, said: list[str] | None = None) -> Vault:
    """A vault that asks nobody and is quick. said: gets what it says."""
    return Vault(workspace, nobody, (said if said is not None else []).append, LOW)


def add(vault: Vault, name: str, text: str = KEY) -> Contents:
    """Store a key of openai."""
    return vault.change(lambda have: with_key(have, StoredKey("openai", name, Secret(text), "2026-11-25")))
