"""The update repository: TUF 1.0 metadata and content-addressed files, static, for any web server, folder or USB stick.

How what is changed here is signed and comes into force is in `trainer_host.release.settle`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from edge_runtime.update.desired import TARGET as DESIRED
from edge_runtime.update.desired import Rollout, parse_desired, write_desired
from edge_runtime.update.tuf.metadata import (
    Content,
    Delegation,
    Root,
    Signed,
    TargetFile,
    Targets,
    Timestamp,
    sign,
    to_bytes,
)
from trainer_host.data.dataset import Json
from trainer_host.errors import NotThere, TrainerError
from trainer_host.release.authority import authority, counted, group, rules_of, signers
from trainer_host.release.publish import hash_of
from trainer_host.release.repository_files import MOST_METADATA_BYTES
from trainer_host.release.roles import FLEET, MODELS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleKeys
from trainer_host.release.settle import Done, Settling
from trainer_host.workspace import Workspace


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


class Repository(Settling):
    """A repository and what waits to be signed for it, in HOME/updates; of that, `public` is served."""

    @classmethod
    def of(cls, workspace: Workspace, keys: RoleKeys | None = None) -> Repository:
        """The one of a home folder; raises `NotThere` where 'enigma release init' wasn't run."""
        made = cls(workspace.home / "updates", keys or RoleKeys.of(workspace))
        if not made.files.begun():
            raise NotThere(f"There is no update repository in {workspace.home}; make one with 'enigma release init'.")
        return made

    # Reading

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


def _role_of(target: str) -> str:
    return target.rpartition("/")[0]


def _delegation(name: str, targets: Targets) -> Delegation:
    """Of one more task's models, by the keys that sign those of the others."""
    like = next(each for each in targets.delegations if group(each.name) == MODELS)
    return dataclasses.replace(like, name=name, paths=(f"{name}/*",))
