"""The vault on disk: who may read it, how it is opened, and how it is changed without losing anything."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault import key_file, keyring_entry, passphrase
from trainer_host.teacher.vault.checks import checked_passphrase
from trainer_host.teacher.vault.contents import Contents, from_text, to_text
from trainer_host.teacher.vault.sealing import (
    KEY_BYTES,
    MAX_BYTES,
    MODERATE,
    Header,
    Limits,
    MasterKey,
    Protection,
    master_of,
    new_master,
    read_header,
    seal,
    unseal,
)
from trainer_host.workspace import Workspace, storage_errors, write_atomic

T = TypeVar("T")

NAME = "providers.vault"
LOCK = ".providers.lock"
LOCK_SECONDS = 60.0  # a writer holds the lock for a second at most, unless the keyring asks its owner something
ATTEMPTS = 5  # how often another process may change the protection between our look and our lock

# What is said when a vault is made, and in `enigma keys list`.
PROTECTED_BY = {
    Protection.PASSPHRASE: "The keys are sealed by your passphrase: without it nobody can read them.",
    Protection.KEYRING: "The keys are sealed by this system's keyring: whoever is logged in as you can read them, "
    "a copy of the files can't be opened.",
    Protection.KEY_FILE: "The keys are sealed by a key file that lies beside them (providers.key): that protects a "
    "copy or backup of the vault alone, and against showing keys by accident, but not against anyone who can read "
    "the whole folder; 'enigma keys protect --passphrase' does.",
}

_log = logging.getLogger(__name__)


class Vault:
    """The keys of one workspace. It remembers the master key, so that a passphrase is asked for once."""

    def __init__(
        self,
        workspace: Workspace,
        ask: passphrase.Ask = passphrase.ask_on_terminal,
        on_made: Callable[[str], None] = _log.warning,
        limits: Limits = MODERATE,
    ) -> None:
        self._folder = workspace.keys
        self._ask = ask
        self._on_made = on_made
        self._limits = limits
        self._master: MasterKey | None = None

    def protection(self) -> Protection | None:
        """What holds the master key, without opening the vault; None where there is no vault yet."""
        with storage_errors(self._folder):
            content = self._content()
        return None if content is None else read_header(content).protection

    def read(self) -> Contents:
        """All keys and endpoints; nothing where there is no vault. Raises `KeysError` where it can't be opened."""
        with storage_errors(self._folder):
            opened = self._opened()
        return Contents() if opened is None else from_text(unseal(*opened))

    def change(self, edit: Callable[[Contents], Contents]) -> Contents:
        """Replace what is stored by what `edit` makes of it; whatever `edit` raises leaves all as it was.

        Another process that changes it at the same moment waits, and then edits what this one wrote.
        """

        def write(contents: Contents, master: MasterKey | None) -> Contents:
            after = edit(contents)
            if master is None:
                self._master = self._made()
                self._write(self._master, after)
                self._on_made(PROTECTED_BY[self._master.header.protection])
            elif after != contents:
                self._write(master, after)
            return after

        return self._exclusively(write)

    def protect(self, by: Protection, secret: Secret | None = None) -> bool:
        """Seal it in another way, or by another passphrase (`secret`); False where it already is.

        Copies of the vault made before still open in the old way.
        """

        def write(contents: Contents, master: MasterKey | None) -> bool:
            old = master.header if master is not None else None
            if old is not None and old.protection is by and by is not Protection.PASSPHRASE:
                return False
            fresh = self._sealed_by(by, secret)
            self._write(fresh, contents)
            self._master = fresh
            # Last: until the vault was replaced, these opened it.
            if old is not None and old.protection is Protection.KEYRING:
                keyring_entry.forget(old.salt)
            return True

        return self._exclusively(write)

    def _exclusively(self, write: Callable[[Contents, MasterKey | None], T]) -> T:
        with storage_errors(self._folder):
            self._make_private()
            for _ in range(ATTEMPTS):
                opened = self._opened()  # before the lock: a person may be asked for the passphrase
                master = None if opened is None else opened[0]
                with self._lock():
                    content = self._content()
                    if (None if content is None else read_header(content)) != (master and master.header):
                        continue  # another process sealed it in another way in between
                    for part in self._folder.glob(".providers.*.part"):
                        part.unlink(missing_ok=True)  # of a process that was killed while it wrote
                    return write(from_text(unseal(master, content)) if master and content else Contents(), master)
        raise KeysError("Other commands keep changing the key vault; try again when they are done.")

    def _opened(self) -> tuple[MasterKey, bytes] | None:
        for attempt in range(ATTEMPTS):
            content = self._content()
            if content is None:
                return None
            header = read_header(content)
            if self._master is None or self._master.header != header:
                try:
                    self._master = self._unlocked(header)
                except KeysError:
                    now = self._content()
                    if attempt + 1 < ATTEMPTS and now is not None and read_header(now) != header:
                        continue  # it was sealed in another way meanwhile, and the old key file is gone
                    raise
            return self._master, content
        raise AssertionError("the last attempt returns or raises")

    def _unlocked(self, header: Header) -> MasterKey:
        if header.protection is Protection.KEY_FILE:
            master = master_of(header, key_file.load(self._folder))
            wrong = f"{self._folder / key_file.NAME} isn't the one that {NAME} was sealed with; restore that one."
        elif header.protection is Protection.KEYRING:
            master = master_of(header, keyring_entry.load(header.salt))
            wrong = (
                "The system's keyring has no entry for this key vault, which may come from another computer; "
                "move keys by 'enigma keys export' there and 'enigma keys import' here."
            )
        else:
            given = passphrase.from_environment(passphrase.VAULT)
            typed = given or self._ask("Passphrase of the key vault: ")
            if typed is None:
                raise KeysError(
                    f"The key vault is sealed by a passphrase; set {passphrase.VAULT}, or run this on a terminal."
                )
            master = master_of(header, typed)
            source = f"The passphrase in {passphrase.VAULT}" if given else "That passphrase"
            wrong = f"{source} is wrong; the key vault stays closed."
        if master is None:
            raise KeysError(wrong)
        return master

    def _made(self) -> MasterKey:
        """The master key of a new vault: by passphrase, else by keyring, else by a file."""
        if given := passphrase.from_environment(passphrase.VAULT):
            return self._sealed_by(Protection.PASSPHRASE, given)
        if keyring_entry.usable() is not None:
            try:
                return self._sealed_by(Protection.KEYRING)
            except KeysError as error:
                _log.warning("%s The keys are sealed by a key file for now.", error)
        if (self._folder / key_file.NAME).exists():
            # The vault was moved away, or making it was cut short; a copy of it may still need this file.
            return new_master(Protection.KEY_FILE, key_file.load(self._folder))
        return self._sealed_by(Protection.KEY_FILE)

    def _sealed_by(self, by: Protection, secret: Secret | None = None) -> MasterKey:
        if by is Protection.PASSPHRASE:
            if secret is None:
                raise KeysError("Give a passphrase to seal the key vault with.")
            return new_master(by, checked_passphrase(secret), self._limits)
        value = os.urandom(KEY_BYTES)
        master = new_master(by, value)
        if by is Protection.KEYRING:
            keyring_entry.store(master.header.salt, value)
        else:
            key_file.store(self._folder, value)
        return master

    def _content(self) -> bytes | None:
        path = self._folder / NAME
        try:
            with path.open("rb") as opened:
                # Sealed, so that closing it is enough, where that can be done; the key file is another matter.
                if os.fstat(opened.fileno()).st_mode & 0o077:
                    with contextlib.suppress(OSError):
                        path.chmod(0o600)
                if self._folder.stat().st_mode & 0o077:
                    with contextlib.suppress(OSError):
                        self._folder.chmod(0o700)
                content = opened.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(content) > MAX_BYTES:
            raise KeysError(f"{path} is far too big for a key vault; restore it from a copy.")
        return content

    def _write(self, master: MasterKey, contents: Contents) -> None:
        sealed = seal(master, to_text(contents))
        if len(sealed) > MAX_BYTES:
            raise KeysError("The key vault would get too big; remove some keys or endpoints.")
        write_atomic(self._folder / NAME, sealed, 0o600)
        if master.header.protection is not Protection.KEY_FILE:
            # It no longer opens the vault; gone here, so that also a process killed in between leaves none for long.
            (self._folder / key_file.NAME).unlink(missing_ok=True)

    def _make_private(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._folder.stat().st_mode & 0o077:
            self._folder.chmod(0o700)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        handle = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            give_up = time.monotonic() + LOCK_SECONDS
            while not _try_lock(handle):
                if time.monotonic() > give_up:
                    raise KeysError("Another command has held the key vault for a minute; end it and try again.")
                time.sleep(0.02)
            yield
        finally:
            os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
