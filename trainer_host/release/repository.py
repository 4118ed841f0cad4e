"""The update repository: TUF 1.0 metadata and content-addressed files, static, for any web server, folder or USB stick.

Whatever is killed at whatever moment, clients accept what lies there: files that nothing names yet are written first,
timestamp.json, which names the rest, comes last. A new root comes after it, where old and new keys signed what it names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_runtime.update.desired import TARGET as DESIRED
from edge_runtime.update.desired import Rollout, parse_desired, write_desired
from edge_runtime.update.slots import lock
from edge_runtime.update.tuf.metadata import (
    Content,
    Delegation,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
    sign,
    time_text,
    to_bytes,
)
from trainer_host.data.dataset import Json
from trainer_host.errors import NotThere, TrainerError
from trainer_host.release.authority import Rules, authority, counted, group, meets, rules_of, signers
from trainer_host.release.publish import hash_of
from trainer_host.release.repository_files import MOST_METADATA_BYTES, Files, State
from trainer_host.release.roles import FLEET, LIFETIME, MODELS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleKeys
from trainer_host.workspace import Workspace

Clock = Callable[[], datetime]

LOCK_SECONDS = 60.0  # another command copies a bundle, or signs, within this


@dataclass(frozen=True)
class Done:
    """What a change came to. changed: whether clients see something new. waiting: roles that lack signatures."""

    changed: bool
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """A role's metadata that count once enough keys have signed them. have, need: signatures; lacking: key ids.

    before: those that count until then, None where there are none.
    """

    name: str
    signed: Signed
    before: Signed | None
    have: int
    need: int
    lacking: tuple[str, ...]


def utc_now() -> datetime:
    """The time, in whole seconds, as TUF writes it."""
    return datetime.now(UTC).replace(microsecond=0)


class Repository:
    """A repository and what waits to be signed for it, in HOME/updates; of that, `public` is served."""

    def __init__(self, folder: Path, keys: RoleKeys, clock: Clock = utc_now) -> None:
        self.folder = folder
        self.keys = keys
        self.clock = clock
        self.files = Files(folder)

    @classmethod
    def of(cls, workspace: Workspace, keys: RoleKeys | None = None) -> Repository:
        """The one of a home folder; raises `NotThere` where 'enigma release init' wasn't run."""
        made = cls(workspace.home / "updates", keys or RoleKeys.of(workspace))
        if not made.files.begun():
            raise NotThere(f"There is no update repository in {workspace.home}; make one with 'enigma release init'.")
        return made

    @property
    def public(self) -> Path:
        """The folder that clients see."""
        return self.files.public

    # Reading

    def state(self) -> State:
        """What clients see now; raises `TrainerError` where it is damaged, or not signed yet."""
        found = self._state()
        if found is None:
            raise TrainerError(
                "The update repository isn't signed yet; 'enigma release pending' says whose signatures are lacking."
            )
        return found

    def targets(self) -> dict[str, TargetFile]:
        """All files that clients may have, by name, but for the list of rollouts."""
        delegated = self.state().delegated
        return {
            name: target
            for role in sorted(delegated.keys() - {FLEET})
            for name, target in delegated[role].content.targets.items()
        }

    def desired(self) -> tuple[Rollout, ...]:
        """What the fleet shall run."""
        target = self.state().delegated[FLEET].content.targets[DESIRED]
        return parse_desired(self.files.file(target).read_bytes())

    def waiting(self) -> list[Waiting]:
        """What lacks signatures, the root first."""
        old = self._state()
        pending = self.files.pending(old)
        found = []
        for name in sorted(pending, key=lambda name: (name != ROOT, name != TARGETS, name)):
            rules = rules_of(old, pending)
            for root, targets in rules if name == ROOT else rules[-1:]:
                keys, role = authority(name, root, targets)
                have = signers(pending[name], keys, role)
                if len(have) < role.threshold:
                    lacking = tuple(keyid for keyid in role.keyids if keyid not in have)
                    before = None if old is None else old.named().get(name)
                    found.append(Waiting(name, pending[name], before, len(have), role.threshold, lacking))
                    break
        return found

    def expiries(self) -> dict[str, datetime]:
        """When each role's metadata stop counting."""
        now = self.state()
        named = {**now.named(), SNAPSHOT: now.snapshot, TIMESTAMP: now.timestamp}
        return {name: signed.content.expires for name, signed in named.items()}

    # Changing

    def begin(self, root: Root, targets: Targets) -> Done:
        """Write the first metadata."""
        with self._locked():
            empty = self.files.store(DESIRED, write_desired(()))
            fleet = Targets(1, self._until(FLEET), {DESIRED: empty}, {}, (), {})
            first: dict[str, Content] = {ROOT: root, TARGETS: targets, FLEET: fleet}
            return self._settle({name: self._signed(name, made, [(root, targets)]) for name, made in first.items()})

    def publish(self, files: Mapping[str, tuple[Path, Json]], remove: Collection[str] = ()) -> Done:
        """Add targets, name -> (file, custom), and take some out; the same ones again change nothing.

        Raises `TrainerError` where a name has another content already. Those of a role that needs a co-signature count
        from that on.
        """
        with self._locked():
            now = self._recovered()
            pending = self.files.pending(now)
            changes: dict[str, Content] = {}
            by_role: dict[str, dict[str, TargetFile]] = {_role_of(name): {} for name in [*files, *remove]}
            for name, (path, custom) in sorted(files.items()):
                length, sha256 = hash_of(path)
                by_role[_role_of(name)][name] = TargetFile(name, length, {"sha256": sha256}, custom)
            trust: Targets = pending[TARGETS].content if TARGETS in pending else now.targets.content
            if new := sorted(by_role.keys() - {each.name for each in trust.delegations}):
                more = tuple(_delegation(role, trust) for role in new)
                changes[TARGETS] = dataclasses.replace(
                    trust,
                    version=now.targets.content.version + 1,
                    expires=self._until(TARGETS),
                    delegations=(*trust.delegations, *more),
                )
            for role, targets in sorted(by_role.items()):
                before = pending.get(role) or now.delegated.get(role)
                have: Mapping[str, TargetFile] = before.content.targets if before else {}
                wanted = {name: made for name, made in {**have, **targets}.items() if name not in remove}
                if before is not None and wanted == have:
                    continue
                version = 1 + (now.delegated[role].content.version if role in now.delegated else 0)
                changes[role] = self._with_targets(role, version, have, wanted)
                for name, made in targets.items():
                    self.files.copy(files[name][0], made)
            return self._apply(now, changes)

    def set_desired(self, rollouts: Iterable[Rollout]) -> Done:
        """Say what the fleet shall run; raises `TrainerError` for a bundle that isn't published like that."""
        with self._locked():
            now, wanted, have = self._recovered(), tuple(rollouts), self.targets()
            for rollout in wanted:
                target = have.get(rollout.target)
                if target is None or target.hashes.get("sha256") != rollout.sha256:
                    raise TrainerError(
                        f"The rollout '{rollout.id}' gives {rollout.target}, which isn't published with that content; "
                        "publish it, and have it co-signed where that is needed."
                    )
            made = self.files.store(DESIRED, write_desired(wanted))
            before = now.delegated[FLEET].content
            if before.targets.get(DESIRED) == made:
                return Done(False)
            fleet = Targets(before.version + 1, self._until(FLEET), {DESIRED: made}, {}, (), {})
            return self._apply(now, {FLEET: fleet})

    def refresh(self, offline: bool = False) -> Done:
        """Sign again what would stop counting: the timestamp daily, the rest in the second half of its life.

        With the timestamp, files that nothing names any more are removed.
        offline: root and targets too, whose keys are sealed.
        """
        with self._locked():
            now = self._recovered()
            pending = self.files.pending(now)
            named = now.named() if offline else now.delegated
            changes = {
                name: self._renewed(name, signed.content)
                for name, signed in named.items()
                if name not in pending and self._due(name, signed)
            }
            renew = {name for name in (SNAPSHOT, TIMESTAMP) if self._due(name, getattr(now, name))}
            done = self._apply(now, changes, renew)
            if renew:
                self.files.tidy(self.state())
            return done

    def change_trust(self, root: Root | None, targets: Targets | None) -> Done:
        """Put another root or another list of delegations in force, as soon as enough keys have signed them."""
        with self._locked():
            asked: dict[str, Content | None] = {ROOT: root, TARGETS: targets}
            return self._apply(self._recovered(), {name: made for name, made in asked.items() if made is not None})

    def add_signatures(self, name: str, signed: Signed) -> Done:
        """Take over the signatures of a copy of what waits under this name; raises `TrainerError` for other ones."""
        with self._locked():
            old = self._state()
            pending = self.files.pending(old)
            if name not in pending:
                raise TrainerError(
                    f"Nothing of '{name[:80]}' waits for a signature; 'enigma release pending' lists it."
                )
            if pending[name].document != signed.document:
                raise TrainerError(f"That isn't the {name} that waits here now; sign the newest copy.")
            both = {**pending[name].signatures, **signed.signatures}
            before = counted(name, old, pending)
            pending[name] = dataclasses.replace(pending[name], signatures=both)
            if counted(name, old, pending) == before:
                raise TrainerError(f"That copy of {name} has no signature of a key that may sign it and hasn't yet.")
            self.files.keep(pending)
            return self._settle(pending)

    def lasting(self, life: timedelta) -> Signed[Timestamp]:
        """A timestamp that counts for so long, with what it names, for a copy that nobody can renew.

        The repository itself gets a usual one at once, with a higher version: a device that saw the copy goes on with it.
        """
        with self._locked():
            now = self._recovered()
            fleet = dataclasses.replace(self._renewed(FLEET, now.delegated[FLEET].content), expires=self.clock() + life)
            self._commit(now, {FLEET: self._online(FLEET, fleet, rules_of(now, {}))}, None, (), life)
            made = self.state()
            self._commit(made, {}, None, {TIMESTAMP})
            self.files.sweep(self.state())
            return made.timestamp

    # How a change comes about

    def _apply(self, now: State, changes: Mapping[str, Content], renew: Collection[str] = ()) -> Done:
        pending = self.files.pending(now)
        coming = rules_of(now, {**pending, **{name: Signed(made, {}, {}) for name, made in changes.items()}})
        for name, made in changes.items():
            if name not in pending or pending[name].content != made:
                pending[name] = self._signed(name, made, coming)
        return self._settle(pending, renew) if pending or renew else Done(False)

    def _settle(self, pending: dict[str, Signed], renew: Collection[str] = ()) -> Done:
        """Put in force what has its signatures; what lacks some waits, and with it what it goes with."""
        old = self._state()
        rules = rules_of(old, pending)
        coming = {**(old.named() if old else {}), **pending}
        waiting: set[str] = set()
        changed: dict[str, Signed] = {}
        for name in [TARGETS, *sorted(coming.keys() - {ROOT, TARGETS})]:
            if name not in pending and not meets(name, coming[name], rules[-1]):
                # Its keys changed: the old and the new ones sign it, so that it counts before and after the new root.
                pending[name] = self._signed(name, self._renewed(name, coming[name].content), rules)
            if name not in pending:
                continue
            if meets(name, pending[name], rules[-1]):
                changed[name] = pending[name]
            else:
                waiting.add(name)
        if ROOT in pending and not all(meets(ROOT, pending[ROOT], each) for each in rules):
            waiting.add(ROOT)
        trust = {ROOT, TARGETS} & pending.keys()
        if trust or waiting:
            self.files.keep(pending)
        new_root = pending.get(ROOT)
        again: dict[str, Signed] = {}
        if waiting and trust:
            # New keys may take days to be signed; what the old ones say counts until then, as that a rollout pauses.
            have = old.named() if old else {}
            changed = {
                name: signed
                for name, signed in pending.items()
                if old is not None
                and name not in (ROOT, TARGETS)
                and meets(name, signed, rules[0])
                and (meets(name, signed, rules[-1]) or not _says_the_same(have.get(name), signed))
            }
            # What counts by the old keys alone has to be signed for the new ones too.
            again = {
                name: self._signed(name, self._renewed(name, signed.content), rules)
                for name, signed in changed.items()
                if not meets(name, signed, rules[-1])
            }
            new_root = None
        if old is not None or not waiting:
            self._commit(old, changed, new_root, renew)
        done = {*changed, *({ROOT} if new_root is not None else {})}
        if trust or waiting:
            self.files.keep({**{name: signed for name, signed in pending.items() if name not in done}, **again})
        if trust and not waiting:
            self._retire()
        if (now := self._state()) is not None:
            self.files.sweep(now)
        return Done(bool(done or renew), tuple(sorted(waiting)))

    def _commit(
        self,
        old: State | None,
        changed: Mapping[str, Signed],
        new_root: Signed[Root] | None,
        renew: Collection[str],
        life: timedelta | None = None,
    ) -> None:
        """Write what has its signatures, in the order in which clients can always go on. life: of what is signed here."""
        rules = rules_of(old, {} if new_root is None else {ROOT: new_root, **changed})
        snapshot, timestamp = (old.snapshot, old.timestamp) if old else (None, None)
        writes: list[tuple[str, Signed]] = sorted(changed.items())
        if changed or snapshot is None or SNAPSHOT in renew or not meets(SNAPSHOT, snapshot, rules[-1]):
            meta = dict(snapshot.content.meta) if snapshot else {}
            for name, signed in changed.items():
                raw = to_bytes(signed)
                hashes = {"sha256": hashlib.sha256(raw).hexdigest()}
                meta[f"{name}.json"] = MetaFile(signed.content.version, len(raw), hashes)
            version = snapshot.content.version + 1 if snapshot else 1
            made = Snapshot(version, self._until(SNAPSHOT, life), meta, {})
            snapshot, timestamp = self._online(SNAPSHOT, made, rules), None
            writes.append((SNAPSHOT, snapshot))
        if timestamp is None or TIMESTAMP in renew or not meets(TIMESTAMP, timestamp, rules[-1]):
            version = old.timestamp.content.version + 1 if old else 1
            about = MetaFile(snapshot.content.version)  # signed itself, so its hash would only make each look longer
            # A new key is how a repository comes back from a time that it should never have signed.
            same_key = old is not None and meets(TIMESTAMP, old.timestamp, rules[-1])
            issued: Json = {"issued": time_text(self._now(old if same_key else None))}
            newest = Timestamp(version, self._until(TIMESTAMP, life), about, issued)
            writes.append((TIMESTAMP, self._online(TIMESTAMP, newest, rules)))
        if new_root is not None:
            writes.append((ROOT, new_root))
        for name, signed in writes:
            self.files.write(name, signed)

    def _online(self, name: str, made: Content, rules: Sequence[Rules]) -> Signed:
        """Signed here and now; raises `TrainerError` where the key is lost."""
        signed = self._signed(name, made, rules)
        if not meets(name, signed, rules[-1]):
            raise TrainerError(
                f"The key of the role {name} isn't in {self.keys.folder}; restore it from a copy, or make a new one "
                f"with 'enigma release rotate {name}'."
            )
        return signed

    def _signed(self, name: str, made: Content, rules: Sequence[Rules]) -> Signed:
        """Signed by those of the role's keys that lie here, old and new ones."""
        publics: set[bytes] = set()
        for root, targets in rules:
            keys, role = authority(name, root, targets)
            publics |= {bytes.fromhex(keys[keyid].public) for keyid in role.keyids}
        return sign(made, self.keys.seeds(group(name), publics))

    def _with_targets(
        self, role: str, version: int, have: Mapping[str, TargetFile], wanted: dict[str, TargetFile]
    ) -> Targets:
        for name in wanted.keys() & have.keys():
            if wanted[name].hashes != have[name].hashes:
                raise TrainerError(
                    f"{name} is published with another content; give this one a new version with 'enigma bundle --version'."
                )
        made = Targets(version, self._until(MODELS), wanted, {}, (), {})
        if len(to_bytes(sign(made, []))) > MOST_METADATA_BYTES:
            raise TrainerError(f"{role} has too many files; take old versions out with 'enigma release withdraw'.")
        return made

    def _now(self, old: State | None) -> datetime:
        now = self.clock()
        said = old.timestamp.content.extra.get("issued") if old else None
        if isinstance(said, str) and time_text(now) < said:
            raise TrainerError(
                f"This computer's clock is behind the repository's last signature ({said}); set it right, or where that time "
                "was wrong, run 'enigma release rotate timestamp'."
            )
        return now

    def _until(self, name: str, life: timedelta | None = None) -> datetime:
        return self.clock() + (life or LIFETIME[group(name)])

    def _due(self, name: str, signed: Signed) -> bool:
        left, life = signed.content.expires - self.clock(), LIFETIME[group(name)]
        return left <= life - timedelta(days=1) if name == TIMESTAMP else left < life / 2

    def _renewed(self, name: str, content: Content) -> Content:
        return dataclasses.replace(content, version=content.version + 1, expires=self._until(name))

    def _state(self) -> State | None:
        """What lies there; raises `TrainerError` for what the roles' keys didn't sign.

        Others may be able to write where it is served from, and what is there is signed again with each change.
        """
        found = self.files.state()
        if found is None:
            return None
        roots, targets = self.files.roots(), found.targets.content
        chain = zip([roots[0], *roots], roots, strict=False)
        sound = all(meets(ROOT, new, (by.content, targets)) for old, new in chain for by in (old, new))
        rules, pending = [(found.root.content, targets)], self.files.pending(found)
        coming = rules_of(found, pending)
        if ROOT in pending and all(meets(ROOT, pending[ROOT], each) for each in coming):
            rules.append(coming[-1])  # a killed command came half the way to new keys
        signed = {**found.named(), SNAPSHOT: found.snapshot, TIMESTAMP: found.timestamp}
        if not sound or not all(any(meets(name, each, rule) for rule in rules) for name, each in signed.items()):
            raise TrainerError(
                f"The update repository {self.public} was changed by somebody who hasn't got its keys; restore it from a copy, "
                "and see who may write there."
            )
        return found

    def _recovered(self) -> State:
        """The state, after what a killed process left is brought to its end."""
        if pending := self.files.pending(self._state()):
            self._settle(pending)
        return self.state()

    def _retire(self) -> None:
        now = self.state()
        trusted = [*now.root.content.keys.values(), *now.targets.content.keys.values()]
        self.keys.retire({bytes.fromhex(key.public) for key in trusted})

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        give_up = time.monotonic() + LOCK_SECONDS
        while (handle := lock(self.keys.folder)) is None:
            if time.monotonic() > give_up:
                raise TrainerError("Another command has held the update repository for a minute; end it and try again.")
            time.sleep(0.05)
        try:
            yield
        finally:
            os.close(handle)


def _says_the_same(before: Signed | None, made: Signed) -> bool:
    """Whether metadata say what those before them said, but for a version and a date: only their signatures are new."""
    if before is None:
        return False
    old = before.content
    return bool(dataclasses.replace(made.content, version=old.version, expires=old.expires) == old)


def _role_of(target: str) -> str:
    return target.rpartition("/")[0]


def _delegation(name: str, targets: Targets) -> Delegation:
    """Of one more task's models, by the keys that sign those of the others."""
    like = next(each for each in targets.delegations if group(each.name) == MODELS)
    return dataclasses.replace(like, name=name, paths=(f"{name}/*",))
