"""Whose signatures metadata of the update repository need, and whether they have them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from edge_runtime.errors import EdgeError
from edge_runtime.update.tuf.metadata import Key, Role, Root, Signed, Targets, verify
from trainer_host.release.repository_files import State
from trainer_host.release.roles import ROOT, TARGETS

Rules = tuple[Root, Targets]  # who may sign what: the root, and the list of delegations
_NOBODY = Role((), 1)


def group(name: str) -> str:
    """The role whose keys sign metadata of this name: of 'models/router' it is 'models'."""
    return name.split("/", 1)[0]


def authority(name: str, root: Root, targets: Targets) -> tuple[dict[str, Key], Role]:
    """The keys among which are those that sign metadata of this name, and which and how many must."""
    if name in root.roles:
        return root.keys, root.roles[name]
    return targets.keys, next((each.role for each in targets.delegations if each.name == name), _NOBODY)


def meets(name: str, signed: Signed, rules: Rules) -> bool:
    """Whether as many of the role's keys signed it as must."""
    try:
        verify(signed, *authority(name, *rules))
    except EdgeError:
        return False
    return True


def rules_of(old: State | None, coming: Mapping[str, Signed]) -> list[Rules]:
    """Those in force, and those that will be with what is coming."""
    now = {} if old is None else old.named()
    found = [] if old is None else [(old.root.content, old.targets.content)]
    named = {**now, **coming}
    return [*found, (named[ROOT].content, named[TARGETS].content)] if ROOT in named and TARGETS in named else found


def signers(signed: Signed, keys: dict[str, Key], role: Role) -> set[str]:
    """The keys of a role whose signatures are right."""
    found = set()
    for keyid in role.keyids:
        with contextlib.suppress(EdgeError):
            verify(signed, keys, Role((keyid,), 1))
            found.add(keyid)
    return found


def counted(name: str, old: State | None, pending: Mapping[str, Signed]) -> set[str]:
    """The keys that signed, of those that may by the old or the new rules."""
    return {keyid for rules in rules_of(old, pending) for keyid in signers(pending[name], *authority(name, *rules))}
