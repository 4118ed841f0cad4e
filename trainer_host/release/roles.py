"""The keys of the update repository's roles, one file each; those that are seldom needed are sealed by a passphrase."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.bundle import public_key_of
from edge_runtime.errors import BadRequest
from trainer_host.errors import KeysError, TrainerError
from trainer_host.release.keys import SigningKey
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault import passphrase
from trainer_host.teacher.vault.sealing import MODERATE, Limits, Protection, master_of, new_master, read_header
from trainer_host.teacher.vault.sealing import seal as sealed_by
from trainer_host.teacher.vault.sealing import unseal as unsealed_by
from trainer_host.workspace import Workspace, storage_errors, write_atomic

ROOT, TARGETS, MODELS, FLEET, SNAPSHOT, TIMESTAMP = "root", "targets", "models", "fleet", "snapshot", "timestamp"
ROLES = (ROOT, TARGETS, MODELS, FLEET, SNAPSHOT, TIMESTAMP)
OFFLINE = (ROOT, TARGETS)  # sealed: they say who may sign what, and are needed when that changes
# How long metadata count after they were signed. Who holds a device's network can hide what is new for a week before the
# device says so; what a person has to sign, perhaps with a second device at hand, lasts long enough not to become a habit.
LIFETIME = {
    ROOT: timedelta(days=730),
    TARGETS: timedelta(days=365),
    MODELS: timedelta(days=365),
    FLEET: timedelta(days=30),
    SNAPSHOT: timedelta(days=30),
    TIMESTAMP: timedelta(days=7),
}
PASSPHRASE, NEW_PASSPHRASE = "ENIGMA_ROOT_PASSPHRASE", "ENIGMA_NEW_ROOT_PASSPHRASE"
MAX_FILE_BYTES = 4096  # a key file has some 300
_PUBLIC = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class KeyFile:
    """A key as it lies in its file. seed: None where it is sealed; sealed: then the vault's bytes."""

    path: Path
    public: bytes
    seed: bytes | None
    sealed: bytes | None

    def __repr__(self) -> str:  # the seed must not get into a log by way of a traceback
        return f"KeyFile({self.path}, public={self.public.hex()})"


def checked_public(text: str) -> bytes:
    """A public key as `enigma release keys` shows it; raises `TrainerError`."""
    if not _PUBLIC.fullmatch(text.strip().lower()):
        raise TrainerError(
            f"'{text[:80]}' isn't a public key: 64 hex digits, as 'enigma release keys show' prints them."
        )
    return bytes.fromhex(text.strip())


def write_key(path: Path, secret: Secret | None, limits: Limits = MODERATE) -> SigningKey:
    """Make a key and write it to a new file for its owner alone.

    secret: the passphrase to seal it with. Raises `TrainerError` where there is such a file already.
    """
    seed = os.urandom(32)
    public = public_key_of(seed)
    kept = {"public": public.hex(), "seed": base64.b64encode(seed).decode()}
    if secret is not None:
        master = new_master(Protection.PASSPHRASE, secret, limits)
        box = sealed_by(master, Secret(base64.b64encode(seed).decode()))
        kept = {"public": public.hex(), "sealed": base64.b64encode(box).decode()}
    with storage_errors(path.parent):
        if path.exists():
            raise TrainerError(f"{path} is there already; a key is never written over.")
        write_atomic(path, strict_json.dumps(kept), 0o600)
    return SigningKey(seed, public)


def read_key(path: Path) -> KeyFile:
    """A key file; raises `TrainerError` where it isn't one, is damaged, or can be read by others."""
    damaged = TrainerError(f"{path} isn't a key of 'enigma release', or is damaged; restore it from a copy.")
    with storage_errors(path.parent):
        if not path.is_file():
            raise TrainerError(f"There is no key file {path}.")
        # Asked of the open file, so that it is the one that is read.
        with path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o077:
                raise TrainerError(
                    f"{path} can be read by others; run 'chmod 600 {path}', and renew it if others were here."
                )
            content = opened.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise damaged
    try:
        kept = strict_json.loads_object(content, "A key file")
        public = checked_public(str(kept.get("public")))
        seed, sealed = (base64.b64decode(str(kept.get(key, "")), validate=True) for key in ("seed", "sealed"))
    except (BadRequest, TrainerError, ValueError, binascii.Error):
        raise damaged from None
    if sealed and not seed:
        return KeyFile(path, public, None, sealed)
    if len(seed) != 32 or sealed or public_key_of(seed) != public:
        raise damaged
    return KeyFile(path, public, seed, None)


def opened_seed(key: KeyFile, ask: passphrase.Ask = passphrase.ask_on_terminal) -> bytes:
    """The seed of a key; where it is sealed, by the passphrase in ENIGMA_ROOT_PASSPHRASE, or typed."""
    return _opened(key, ask, [])


def _opened(key: KeyFile, ask: passphrase.Ask, known: list[Secret]) -> bytes:
    """As `opened_seed`; passphrases that others were opened by are tried first, and what opens this one is kept there."""
    if key.seed is not None:
        return key.seed
    given = passphrase.from_environment(PASSPHRASE)
    for secret in [*known, *([given] if given is not None and given not in known else [])]:
        if (seed := _unsealed(key, secret)) is not None:
            known.append(secret)
            return seed
    typed = ask(f"Passphrase of {key.path.name}: ")
    if typed is None:
        wrong = f"the one in {PASSPHRASE} is wrong" if given is not None else f"set {PASSPHRASE}"
        raise TrainerError(f"{key.path} is sealed by a passphrase; {wrong}, or run this on a terminal.")
    if (seed := _unsealed(key, typed)) is None:
        raise TrainerError(f"That passphrase is wrong; {key.path} stays closed.")
    known.append(typed)
    return seed


def _unsealed(key: KeyFile, secret: Secret) -> bytes | None:
    """The seed, None where the passphrase is wrong; raises `TrainerError` where the file is damaged."""
    assert key.sealed is not None
    seed = b""
    try:
        master = master_of(read_header(key.sealed), secret)
        if master is None:
            return None
        seed = base64.b64decode(unsealed_by(master, key.sealed).reveal(), validate=True)
    except (KeysError, ValueError, binascii.Error):
        pass
    if len(seed) != 32 or public_key_of(seed) != key.public:
        raise TrainerError(f"{key.path} is damaged; restore it from a copy.")
    return seed


class RoleKeys:
    """The keys in HOME/keys/release. It remembers what it opened, and by which passphrase, which is asked for once."""

    def __init__(
        self, folder: Path, ask: passphrase.Ask = passphrase.ask_on_terminal, limits: Limits = MODERATE
    ) -> None:
        self.folder = folder
        self._ask = ask
        self._limits = limits
        self._seeds: dict[bytes, bytes] = {}
        self._known: list[Secret] = []

    @classmethod
    def of(cls, workspace: Workspace, ask: passphrase.Ask = passphrase.ask_on_terminal) -> RoleKeys:
        """Those of a home folder."""
        return cls(workspace.keys / "release", ask)

    def held(self, role: str) -> tuple[KeyFile, ...]:
        """The keys of a role that lie here; raises `TrainerError` for a damaged file."""
        return tuple(read_key(path) for path in self._paths(role))

    def new(self, role: str, secret: Secret | None = None) -> bytes:
        """Make a key of a role; its public half. Others that it has stay."""
        with storage_errors(self.folder):
            for folder in (self.folder.parent, self.folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
        part = self.folder / f".{role}.{os.urandom(4).hex()}.new"
        made = write_key(part, secret, self._limits)
        part.replace(self.folder / f"{role}.{made.public.hex()[:16]}.key")
        self._seeds[made.public] = made.seed
        return made.public

    def seeds(self, role: str, publics: Collection[bytes]) -> list[bytes]:
        """The seeds of those of a role's keys that lie here, of `publics`."""
        made = []
        for key in self.held(role):
            if key.public in publics:
                if key.public not in self._seeds:
                    self._seeds[key.public] = _opened(key, self._ask, self._known)
                made.append(self._seeds[key.public])
        return made

    def retire(self, used: Collection[bytes]) -> None:
        """Remove the keys that count for nothing any more: those that aren't in `used`."""
        with storage_errors(self.folder):
            for role in ROLES:
                for path in self._paths(role):
                    if read_key(path).public not in used:
                        path.unlink()

    def _paths(self, role: str) -> list[Path]:
        return sorted(self.folder.glob(f"{role}.*.key"))


def new_root_passphrase(replacing: bool = False, ask: passphrase.Ask = passphrase.ask_on_terminal) -> Secret:
    """A passphrase for a key that stays offline; raises `TrainerError`. replacing: the one that is in use may differ."""
    try:
        variables = (NEW_PASSPHRASE, PASSPHRASE) if replacing else (PASSPHRASE,)
        return passphrase.new_passphrase(variables, "the root key", ask)
    except KeysError as error:
        raise TrainerError(f"{error} Without one: --no-passphrase.") from None
