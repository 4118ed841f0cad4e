"""How a device's owner wants its specialists served: a TOML file in the state folder, also written over the API.

pinned = ["home"]                       # these never give their memory back
[smaller]
eye = "eye-small"                       # answers in its place while the device must spare itself
[ensemble.careful]
members = ["mail-a", "mail-b"]          # all answer, and their probabilities are averaged
[cascade.quick]
first = "mail-small"                    # answers alone where it is sure
then = "mail"
[shadow.mail]
candidate = "mail-new"                  # answers the same requests beside it, and is only compared
share = 0.1
[ab.mails]
a = "mail"
b = "mail-new"
share = 0.5                             # of b
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.errors import BadRequest, StateError

FILE_NAME = "serving.toml"
MAX_BYTES = 64 * 1024
MOST_MEMBERS = 8
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TABLES = ("smaller", "ensemble", "cascade", "shadow", "ab")


@dataclass(frozen=True)
class Group:
    """Several specialists behind one name. kind: ensemble, cascade or ab; share: of the second one, for ab."""

    kind: str
    members: tuple[str, ...]
    share: float = 0.5


@dataclass(frozen=True)
class Shadow:
    """A candidate that answers `share` of a specialist's requests beside it."""

    candidate: str
    share: float


@dataclass(frozen=True)
class Plan:
    """All of it; an absent file is an empty plan."""

    text: str = ""
    pinned: frozenset[str] = frozenset()
    smaller: dict[str, str] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    shadows: dict[str, Shadow] = field(default_factory=dict)


def parse_plan(text: str) -> Plan:
    """Read a plan; raises `BadRequest` with the entry that is wrong."""
    import tomllib

    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise BadRequest(f"The plan is longer than {MAX_BYTES:,} bytes.")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise BadRequest(f"The plan isn't valid TOML: {cause}.") from None
    if unknown := sorted(raw.keys() - {"pinned", *_TABLES}):
        raise BadRequest(f"The plan has no '{unknown[0][:40]}'; it knows pinned, {', '.join(_TABLES)}.")
    tables = {name: raw.get(name, {}) for name in _TABLES}
    if wrong := next((name for name, table in tables.items() if not isinstance(table, dict)), None):
        raise BadRequest(f"In the plan, '{wrong}' must be a table.")
    groups: dict[str, Group] = {}
    for name, entry in tables["ensemble"].items():
        members = _fields(f"ensemble.{name}", entry, "members")["members"]
        if not isinstance(members, list) or not 2 <= len(members) <= MOST_MEMBERS:
            raise BadRequest(f"ensemble.{name}.members must name 2 to {MOST_MEMBERS} specialists.")
        groups[_name(name)] = Group("ensemble", tuple(_name(member) for member in members))
    for name, entry in tables["cascade"].items():
        found = _fields(f"cascade.{name}", entry, "first", "then")
        groups[_name(name)] = Group("cascade", (_name(found["first"]), _name(found["then"])))
    for name, entry in tables["ab"].items():
        found = _fields(f"ab.{name}", entry, "a", "b", "share")
        groups[_name(name)] = Group("ab", (_name(found["a"]), _name(found["b"])), _share(f"ab.{name}", found["share"]))
    for name, group in groups.items():
        if inner := next((member for member in group.members if member in groups), None):
            raise BadRequest(f"'{name}' has the group '{inner}' in it; name specialists alone.")
        if len(set(group.members)) < len(group.members):
            raise BadRequest(f"'{name}' names a specialist twice.")
    shadows: dict[str, Shadow] = {}
    for name, entry in tables["shadow"].items():
        found = _fields(f"shadow.{name}", entry, "candidate", "share")
        shadows[_name(name)] = Shadow(_name(found["candidate"]), _share(f"shadow.{name}", found["share"]))
    pinned = raw.get("pinned", [])
    if not isinstance(pinned, list):
        raise BadRequest("pinned must be a list of specialists.")
    smaller = {_name(name): _name(other) for name, other in tables["smaller"].items()}
    return Plan(text, frozenset(_name(name) for name in pinned), smaller, groups, shadows)


def load_plan(state: Path) -> Plan:
    """The plan in a state folder; raises `StateError` where it can't be used."""
    path = state / FILE_NAME
    if not path.exists():
        return Plan()
    try:
        return parse_plan(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as cause:
        raise StateError(f"{path} can't be read ({cause}); mend or remove it.") from None
    except BadRequest as cause:
        raise StateError(f"{path} can't be used: {cause}") from None


def _fields(where: str, entry: object, *names: str) -> dict[str, object]:
    if not isinstance(entry, dict) or set(entry) != set(names):
        raise BadRequest(f"{where} must have exactly {', '.join(names)}.")
    return entry


def _name(raw: object) -> str:
    if not isinstance(raw, str) or not _NAME.fullmatch(raw):
        raise BadRequest(f"'{str(raw)[:40]}' isn't a specialist's name.")
    return raw


def _share(where: str, raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw <= 1:
        raise BadRequest(f"{where}.share must be a number from 0 to 1.")
    return float(raw)
