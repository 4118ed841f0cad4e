"""The phone's half of a co-signature: say what metadata would change, in a person's words, and sign them. No I/O.

Whoever has the host can put anything before the phone. So what is said here comes from the very bytes that are signed,
and is told against what this phone signed last, which it keeps itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edge_runtime.errors import BadRequest
from edge_runtime.update.tuf.metadata import (
    ROOT,
    TARGETS,
    Root,
    Signed,
    TargetFile,
    Targets,
    add_signature,
    key_of,
    parse,
    to_bytes,
)

MOST_BYTES = 512 * 1024  # of one role's metadata
MODELS = "models/"  # what the roles of tasks begin with, and the files that they name
MOST_LINES = 200  # what a person may read before they sign


@dataclass(frozen=True)
class Offered:
    """A bundle that devices may have once it is signed. target: its name there; size: bytes; sha256: hex, of its file."""

    target: str
    specialist: str
    version: str
    task: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Proposal:
    """What a signature would put in force. role: "root", "targets" or "models/TASK"; changes: sentences, never empty.

    version: of the metadata. signatures: how many they have already. again: this phone signed the same before. bundles: those
    that are new, each of which has a sentence among the changes too.
    """

    role: str
    version: int
    expires: datetime
    changes: tuple[str, ...]
    signatures: int
    again: bool
    bundles: tuple[Offered, ...] = ()


def look(role: str, pending: bytes, signed_before: bytes | None = None) -> Proposal:
    """What metadata of a role say that wait for a signature.

    signed_before: what this phone signed last for the role, None where it never did: then all that they hold is new.
    Raises `BadRequest` for what no phone should sign: metadata that can't be read, of another role, older than what it
    signed before, or others of the same version.
    """
    new, old = _read(role, pending), None if signed_before is None else _read(role, signed_before)
    _check_role(role, new.content)
    again = old is not None and old.content == new.content
    if old is not None and not again and new.content.version <= old.content.version:
        raise BadRequest(
            f"This has version {new.content.version} of {role}, and version {old.content.version} was signed here before; "
            "ask for the newest."
        )
    if isinstance(new.content, Root):
        changes = _root_changes(new.content, old and old.content)
    else:
        changes = _targets_changes(new.content, old and old.content)
    if len(changes) > MOST_LINES:
        raise BadRequest(
            f"{role} has {len(changes)} changes at once, more than a person can read; publish fewer at a time."
        )
    made = tuple(changes) or ("Nothing but the date changes.",)
    bundles = _bundles(new.content, old and old.content)
    return Proposal(role, new.content.version, new.content.expires, made, len(new.signatures), again, bundles)


def signer(seed: bytes) -> tuple[str, str]:
    """The public half of a 32-byte Ed25519 seed in hex, and the id by which metadata know it."""
    from nacl.signing import SigningKey

    public = bytes(SigningKey(seed).verify_key)
    return public.hex(), key_of(public).keyid


def cosign(role: str, pending: bytes, seed: bytes, signed_before: bytes | None = None) -> bytes:
    """The metadata with one more signature, by a 32-byte Ed25519 seed; raises as `look`."""
    look(role, pending, signed_before)
    return to_bytes(add_signature(_read(role, pending), seed))


def signature(role: str, pending: bytes, seed: bytes, signed_before: bytes | None = None) -> tuple[str, str]:
    """That one signature alone, as (key id, hex), which is all that has to travel back; raises as `look`."""
    before = _read(role, pending).signatures
    added = _read(role, cosign(role, pending, seed, signed_before)).signatures
    keyid = next((keyid for keyid in added if keyid not in before), None)
    if keyid is None:
        raise BadRequest(f"{role} has a signature of this key already.")
    return keyid, added[keyid]


def role_of_file(name: str) -> str:
    """The role whose metadata a file of this name holds, as 'models%2Frouter.json'; raises `BadRequest`."""
    from urllib.parse import unquote

    role = unquote(name.removesuffix(".json"))
    if role not in (ROOT, TARGETS) and not role.startswith(MODELS):
        raise BadRequest(f"'{name[:80]}' isn't metadata that wait for a signature; keep the name that it had.")
    return role


def _read(role: str, raw: bytes) -> Signed:
    if len(raw) > MOST_BYTES:
        raise BadRequest(f"The metadata have {len(raw):,} bytes; at most {MOST_BYTES:,} are read.")
    return parse(raw, Root if role == ROOT else Targets)


def _check_role(role: str, content: Root | Targets) -> None:
    """TUF's metadata don't name their role: a signature of a task's models would count for whose keys count, and back."""
    if isinstance(content, Root):
        return
    if role == TARGETS:
        wrong = any(name.startswith(MODELS) for name in content.targets)
    else:
        inside = f"{role}/"
        wrong = bool(content.delegations) or any(not name.startswith(inside) for name in content.targets)
    if wrong or (role != TARGETS and not role.startswith(MODELS)):
        raise BadRequest(
            f"What is shown as {role[:80]} says what only another role may say; don't sign it, and find out why."
        )


def _targets_changes(new: object, old: object) -> list[str]:
    assert isinstance(new, Targets)
    before = old.targets if isinstance(old, Targets) else {}
    told: list[str] = []
    for name, target in sorted(new.targets.items()):
        if target.custom.get("kind") == "delta" and _made_of(target, new):
            continue  # whatever it makes has to be the bundle that is told of
        if name not in before:
            told.append(f"Adds {_what(target)}.")
        elif before[name] != target:
            told.append(f"Changes what is said of {_what(target)}.")
    told += [f"Takes {name} out." for name in sorted(before.keys() - new.targets.keys())]
    return told + _delegation_changes(new, old)


def _bundles(new: object, old: object) -> tuple[Offered, ...]:
    before = old.targets if isinstance(old, Targets) else {}
    targets = new.targets if isinstance(new, Targets) else {}
    made = []
    for name, each in sorted(targets.items()):
        if each.custom.get("kind") == "bundle" and name not in before:
            specialist, version, task = (_text(each.custom.get(key)) for key in ("specialist", "version", "task"))
            made.append(Offered(name, specialist, version, task, each.length, each.hashes.get("sha256", "")))
    return tuple(made)


def _made_of(target: TargetFile, new: Targets) -> bool:
    return target.custom.get("of") in new.targets


def _what(target: TargetFile) -> str:
    custom = target.custom
    sha256 = target.hashes.get("sha256", "")
    size = f"{target.length / 1e6:.2f} MB, SHA-256 {sha256[:16]}"
    if custom.get("kind") == "bundle":
        return f"{_text(custom.get('specialist'))} {_text(custom.get('version'))} ({_text(custom.get('task'))}, {size})"
    return f"{_text(target.name)} ({size})"


def _delegation_changes(new: Targets, old: object) -> list[str]:
    before = {each.name: each for each in old.delegations} if isinstance(old, Targets) else {}
    alike: dict[str, list[str]] = {}  # roles by whose signatures they need: a person reads it once for all of them
    for each in new.delegations:
        if before.get(each.name) != each:
            alike.setdefault(f"signed by {each.threshold} of the keys {_keys(new, each.keyids)}.", []).append(
                _text(each.name)
            )
    told = [f"{_listed(names)} {by}" for by, names in alike.items()]
    return told + [
        f"{_text(name)} is signed by nobody any more."
        for name in sorted(before.keys() - {d.name for d in new.delegations})
    ]


def _root_changes(new: Root, old: object) -> list[str]:
    before = old.roles if isinstance(old, Root) else {}
    return [
        f"{name} is signed by {role.threshold} of the keys {_keys(new, role.keyids)}."
        for name, role in sorted(new.roles.items())
        if before.get(name) != role
    ]


def _listed(names: list[str]) -> str:
    """Names with their verb; those of the tasks' models without what they all begin with."""
    if len(names) == 1:
        return f"{names[0]} is"
    if all(name.startswith(MODELS) for name in names):
        return f"{MODELS} {', '.join(name.removeprefix(MODELS) for name in names)} are each"
    return f"{', '.join(names)} are each"


def _keys(holder: Root | Targets, keyids: tuple[str, ...]) -> str:
    return ", ".join(holder.keys[keyid].public[:16] if keyid in holder.keys else "?" for keyid in keyids)


def _text(value: object) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in str(value)[:80])
