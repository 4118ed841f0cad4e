"""Whose packs this host takes: its own, and those whose keys were trusted by name (HOME/keys/pack-makers.json)."""

from __future__ import annotations

import json
import re

from trainer_host.errors import NotThere, TrainerError
from trainer_host.release.keys import private_folder, signing_key
from trainer_host.workspace import Workspace, checked_name, storage_errors, write_atomic

FILE = "pack-makers.json"


def trusted_keys(workspace: Workspace) -> frozenset[bytes]:
    """The 32-byte public keys whose packs are imported."""
    return frozenset({signing_key(workspace).public, *makers(workspace).values()})


def makers(workspace: Workspace) -> dict[str, bytes]:
    """The trusted makers by name; raises `TrainerError` where the file is damaged."""
    path = workspace.keys / FILE
    try:
        raw = json.loads(path.read_bytes())
        found = {str(name): bytes.fromhex(key) for name, key in raw["makers"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise TrainerError(f"{path} is damaged; delete it and trust the makers of packs again.") from None
    return found


def trust(workspace: Workspace, name: str, key: str) -> None:
    """Take packs signed by this key (64 hex digits) from now on; raises `TrainerError`."""
    if not re.fullmatch(r"[0-9a-f]{64}", key.strip().lower()):
        raise TrainerError("A maker's key has 64 hex digits, as 'enigma devices key' prints it on the maker's host.")
    _write(workspace, {**makers(workspace), checked_name(name): bytes.fromhex(key.strip())})


def distrust(workspace: Workspace, name: str) -> None:
    """Take no more packs of this maker; what was imported stays. Raises `NotThere`."""
    known = makers(workspace)
    if name not in known:
        raise NotThere(f"There is no maker '{name[:64]}'; there are {', '.join(known) or 'none'}.")
    del known[name]
    _write(workspace, known)


def _write(workspace: Workspace, found: dict[str, bytes]) -> None:
    text = json.dumps({"makers": {name: key.hex() for name, key in sorted(found.items())}}, indent=1)
    with storage_errors(workspace.keys):
        private_folder(workspace)
        write_atomic(workspace.keys / FILE, text.encode() + b"\n", 0o600)
