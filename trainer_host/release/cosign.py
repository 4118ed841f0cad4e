"""The host's half of a co-signature: what waits for one, and taking it over once it was given elsewhere."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import EdgeError
from edge_runtime.update.cosign import MOST_BYTES, Proposal, cosign, look, role_of_file
from edge_runtime.update.tuf.metadata import Root, Targets, file_name, parse, to_bytes
from trainer_host.errors import TrainerError
from trainer_host.release.repository import Repository, Waiting
from trainer_host.release.roles import ROOT
from trainer_host.release.settle import Done
from trainer_host.workspace import storage_errors, write_atomic


@dataclass(frozen=True)
class Asked:
    """What waits, and what it would change against what counts now."""

    waiting: Waiting
    proposal: Proposal

    @property
    def raw(self) -> bytes:
        """What is signed elsewhere, see `edge_runtime.update.cosign`."""
        return to_bytes(self.waiting.signed)

    @property
    def file_name(self) -> str:
        """What its copy is called, from which the role is known again."""
        return file_name(self.waiting.name)


def asked(repository: Repository) -> list[Asked]:
    """What waits for signatures, the root first."""
    made = []
    for waiting in repository.waiting():
        before = None if waiting.before is None else to_bytes(waiting.before)
        made.append(Asked(waiting, look(waiting.name, to_bytes(waiting.signed), before)))
    return made


def take(repository: Repository, role: str, raw: bytes) -> Done:
    """Take over the signatures of a copy that was signed elsewhere; raises `TrainerError` for one of something else."""
    if len(raw) > MOST_BYTES:
        raise TrainerError(f"That copy has {len(raw):,} bytes; it isn't one of 'enigma release pending'.")
    try:
        signed = parse(raw, Root if role == ROOT else Targets)
    except EdgeError as cause:
        raise TrainerError(f"That copy of {role} can't be read: {cause}") from None
    return repository.add_signatures(role, signed)


def take_signature(repository: Repository, role: str, version: int, keyid: str, signature: str) -> Done:
    """Take over one signature that was made elsewhere; raises `TrainerError` where it isn't of what waits here now."""
    found = next((each.signed for each in repository.waiting() if each.name == role), None)
    if found is None or found.content.version != version:
        raise TrainerError(f"Version {version} of {role[:80]} doesn't wait for a signature; ask for what does.")
    return repository.add_signatures(role, dataclasses.replace(found, signatures={keyid: signature}))


def copies(repository: Repository, into: Path) -> list[Path]:
    """Write what waits into a folder, to be signed on another machine."""
    made = []
    with storage_errors(into):
        into.mkdir(parents=True, exist_ok=True)
        for each in asked(repository):
            write_atomic(into / each.file_name, each.raw)
            made.append(into / each.file_name)
    return made


def read_copy(path: Path) -> tuple[str, bytes]:
    """The role and the content of such a copy; raises `TrainerError`."""
    try:
        role = role_of_file(path.name)
    except EdgeError as cause:
        raise TrainerError(str(cause)) from None
    with storage_errors(path.parent):
        if not path.is_file():
            raise TrainerError(f"There is no file {path}.")
        with path.open("rb") as opened:
            return role, opened.read(MOST_BYTES + 1)


def sign_copy(path: Path, seed: bytes) -> None:
    """Add a signature to such a copy."""
    role, raw = read_copy(path)
    with storage_errors(path.parent):
        write_atomic(path, cosign(role, raw, seed))
