"""Who may sign what in the update repository: the first root and delegations, and how keys are replaced."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edge_runtime.tasks import task_names
from edge_runtime.update.tuf.metadata import Delegation, Key, Role, Root, Targets, key_of
from trainer_host.errors import TrainerError
from trainer_host.release.authority import authority, group
from trainer_host.release.repository import Repository
from trainer_host.release.roles import (
    FLEET,
    LIFETIME,
    MODELS,
    OFFLINE,
    ROLES,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    RoleKeys,
)
from trainer_host.release.settle import Done
from trainer_host.teacher.protocol import Secret

COSIGNER = "cosigner"  # not a role: a key that signs beside the host's, in root, targets and models
MOST_KEYS = 16  # of one role


@dataclass(frozen=True)
class Plan:
    """Whose signatures are needed beside the host's.

    root_keys: public keys that sign the root too; root_threshold: how many of all of them must. cosigners: public keys of
    which one, beside the host's, must sign models, and who may; they sign the root too, where 2 must then.
    """

    root_threshold: int = 1
    root_keys: tuple[bytes, ...] = ()
    cosigners: tuple[bytes, ...] = ()

    def checked(self) -> Plan:
        """The plan with cosigners among the root keys; raises `TrainerError` where it can't hold."""
        others = tuple(dict.fromkeys([*self.cosigners, *self.root_keys]))
        if len(set(self.root_keys)) < len(self.root_keys) or len(set(self.cosigners)) < len(self.cosigners):
            raise TrainerError("A public key is given twice; each signer needs its own.")
        if len(others) >= MOST_KEYS:
            raise TrainerError(f"The root has at most {MOST_KEYS} keys.")
        # With one signature enough for the root, a host could say by itself that no co-signature is needed.
        threshold = max(self.root_threshold, 2 if self.cosigners else 1)
        if self.root_threshold < 1 or threshold > 1 + len(others):
            raise TrainerError(
                f"{self.root_threshold} signatures of the root need as many keys, and there are {1 + len(others)}: this host's "
                "and those of --root-key and --cosigner."
            )
        return Plan(threshold, others, self.cosigners)


def create(repository: Repository, plan: Plan, secret: Secret | None) -> Done:
    """Make the keys, the root and the delegations. secret: the passphrase of the keys that stay offline, None for none.

    Raises `TrainerError` where there is a repository already.
    """
    if repository.files.begun():
        raise TrainerError(f"There is an update repository in {repository.folder} already.")
    plan = plan.checked()
    own = {role: _own_key(repository.keys, role, secret) for role in ROLES}
    if own[ROOT] in plan.root_keys:
        raise TrainerError("One of the public keys is this host's own; give those of others.")
    now = repository.clock()
    root_keys = _keys([own[ROOT], *plan.root_keys])
    both = _keys([own[MODELS], *plan.cosigners])
    guard = _keys([own[TARGETS], *plan.cosigners])
    threshold = 2 if plan.cosigners else 1
    single = {role: _keys([own[role]]) for role in (SNAPSHOT, TIMESTAMP, FLEET)}
    root = Root(
        version=1,
        expires=now + LIFETIME[ROOT],
        keys=_merged(root_keys, guard, single[SNAPSHOT], single[TIMESTAMP]),
        roles={
            ROOT: Role(tuple(root_keys), plan.root_threshold),
            TARGETS: Role(tuple(guard), threshold),
            SNAPSHOT: Role(tuple(single[SNAPSHOT]), 1),
            TIMESTAMP: Role(tuple(single[TIMESTAMP]), 1),
        },
        consistent_snapshot=True,
        extra={},
    )
    delegations = [(FLEET, tuple(single[FLEET]), 1)]
    delegations += [(f"{MODELS}/{task}", tuple(both), threshold) for task in task_names()]
    targets = Targets(
        version=1,
        expires=now + LIFETIME[TARGETS],
        targets={},
        keys=_merged(both, single[FLEET]),
        delegations=tuple(
            Delegation(name, keyids, need, terminating=True, paths=(f"{name}/*",)) for name, keyids, need in delegations
        ),
        extra={},
    )
    return repository.begin(root, targets)


def rotate(
    repository: Repository, role: str, old: bytes | None = None, new: bytes | None = None, secret: Secret | None = None
) -> Done:
    """Replace a key of a role by another one; clients follow through the root, or through the delegations.

    role: one of `ROLES`, or "cosigner": that key in every role that it has. old: the public key that ends, by default this
    host's own. new: the one that takes its place, by default one that is made here. secret: the passphrase to seal it with,
    where its role stays offline.
    """
    state = repository.state()
    root, targets = state.root.content, state.targets.content
    if any(each.name in (ROOT, TARGETS) for each in repository.waiting()):
        raise TrainerError("Another change of keys still lacks signatures; see 'enigma release pending'.")
    if role == COSIGNER and (old is None or new is None):
        raise TrainerError("Say whose key ends and which takes its place: --old PUBLIC --new PUBLIC.")
    ends = old if old is not None else _own(repository, role, root, targets)
    among = (*OFFLINE, MODELS) if role == COSIGNER else (role,)
    places = [name for name in (*root.roles, *(each.name for each in targets.delegations)) if group(name) in among]
    if key_of(ends).keyid not in {keyid for name in places for keyid in authority(name, root, targets)[1].keyids}:
        raise TrainerError(f"{ends.hex()} isn't a key of {role}; see 'enigma release keys show'.")
    begins = new if new is not None else repository.keys.new(role, secret)
    swap = {key_of(ends).keyid: key_of(begins)}
    new_root, new_targets = _swapped_root(root, swap, among), _swapped_targets(targets, swap, among)
    expires = repository.clock()
    return repository.change_trust(
        dataclasses.replace(new_root, version=root.version + 1, expires=expires + LIFETIME[ROOT])
        if new_root != root
        else None,
        dataclasses.replace(new_targets, version=targets.version + 1, expires=expires + LIFETIME[TARGETS])
        if new_targets != targets
        else None,
    )


def add_cosigner(repository: Repository, cosigners: Sequence[bytes], root_keys: Sequence[bytes] = ()) -> Done:
    """Let nothing be published, and no key be replaced, without another signer from now on, in a repository that began without.

    cosigners, root_keys: public keys, as in `Plan`. The root in force signs the new one, which counts once a new signer has
    signed it too; until then all goes on as before. One more co-signer may be added the same way.
    """
    state = repository.state()
    root, targets = state.root.content, state.targets.content
    if any(each.name in (ROOT, TARGETS) for each in repository.waiting()):
        raise TrainerError("Another change of keys still lacks signatures; see 'enigma release pending'.")
    if not cosigners:
        raise TrainerError("Say whose key is to sign too, by its public half.")
    given = [*cosigners, *root_keys]
    known = {*root.keys, *targets.keys}
    if len(set(given)) < len(given) or any(key_of(public).keyid in known for public in given):
        raise TrainerError("One of these keys signs here already, or is given twice; each signer needs its own.")
    if len(root.roles[ROOT].keyids) + len(given) > MOST_KEYS:
        raise TrainerError(f"The root has at most {MOST_KEYS} keys.")
    phones = _keys(cosigners)
    every = _keys(given)
    now = repository.clock()
    more = {ROOT: every, TARGETS: phones}
    new_root = dataclasses.replace(
        root,
        version=root.version + 1,
        expires=now + LIFETIME[ROOT],
        keys=_merged(root.keys, every),
        roles={name: _guarded(role, more[name]) if name in more else role for name, role in root.roles.items()},
    )
    new_targets = dataclasses.replace(
        targets,
        version=targets.version + 1,
        expires=now + LIFETIME[TARGETS],
        keys=_merged(targets.keys, phones),
        delegations=tuple(_guarded_below(each, phones) for each in targets.delegations),
    )
    return repository.change_trust(new_root, new_targets)


def _guarded(role: Role, more: dict[str, Key]) -> Role:
    """With one signature enough, a host could say by itself that no co-signature is needed."""
    return Role((*role.keyids, *more), max(2, role.threshold))


def _guarded_below(each: Delegation, more: dict[str, Key]) -> Delegation:
    if group(each.name) != MODELS:
        return each
    role = _guarded(each.role, more)
    return dataclasses.replace(each, keyids=role.keyids, threshold=role.threshold)


def _own_key(keys: RoleKeys, role: str, secret: Secret | None) -> bytes:
    """The key of a role, made where an earlier try didn't come so far."""
    held = keys.held(role)
    return held[0].public if held else keys.new(role, secret if role in OFFLINE else None)


def _own(repository: Repository, role: str, root: Root, targets: Targets) -> bytes:
    """The key of a role that is this host's."""
    name = role if role in root.roles or role == FLEET else next(n for n in _names(targets) if group(n) == role)
    keys = {**root.keys, **targets.keys}
    publics = [bytes.fromhex(keys[keyid].public) for keyid in authority(name, root, targets)[1].keyids]
    held = [key.public for key in repository.keys.held(role) if key.public in publics]
    if len(held or publics) != 1:
        raise TrainerError(f"Say which of the keys of {role} ends, by --old; 'enigma release keys show' lists them.")
    return (held or publics)[0]


def _names(targets: Targets) -> list[str]:
    return [each.name for each in targets.delegations]


def _swapped_root(root: Root, swap: dict[str, Key], among: Collection[str]) -> Root:
    roles = {
        name: Role(_swapped(role.keyids, swap), role.threshold) if name in among else role
        for name, role in root.roles.items()
    }
    used = {keyid for role in roles.values() for keyid in role.keyids}
    return dataclasses.replace(root, roles=roles, keys=_used(root.keys, swap, used))


def _swapped_targets(targets: Targets, swap: dict[str, Key], among: Collection[str]) -> Targets:
    delegations = tuple(
        dataclasses.replace(each, keyids=_swapped(each.keyids, swap)) if group(each.name) in among else each
        for each in targets.delegations
    )
    used = {keyid for each in delegations for keyid in each.keyids}
    return dataclasses.replace(targets, delegations=delegations, keys=_used(targets.keys, swap, used))


def _swapped(keyids: Sequence[str], swap: dict[str, Key]) -> tuple[str, ...]:
    made = tuple(swap[keyid].keyid if keyid in swap else keyid for keyid in keyids)
    if len(set(made)) < len(made):
        raise TrainerError("That key signs for this role already; each signer needs its own.")
    return made


def _used(keys: dict[str, Key], swap: dict[str, Key], used: Collection[str]) -> dict[str, Key]:
    every = {**keys, **{key.keyid: key for key in swap.values()}}
    return {keyid: key for keyid, key in every.items() if keyid in used}


def _keys(publics: Sequence[bytes]) -> dict[str, Key]:
    return {key.keyid: key for key in map(key_of, publics)}


def _merged(*parts: dict[str, Key]) -> dict[str, Key]:
    return {keyid: key for part in parts for keyid, key in part.items()}
