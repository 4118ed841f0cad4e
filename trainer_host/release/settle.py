"""How a change of the update repository comes about: signed by the keys that lie here, in force once enough have signed.

Whatever is killed at whatever moment, clients accept what lies there: files that nothing names yet are written first,
timestamp.json, which names the rest, comes last. A new root comes after it, where old and new keys signed what it names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_runtime.update.slots import lock
from edge_runtime.update.tuf.metadata import (
    Content,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    Timestamp,
    sign,
    time_text,
    to_bytes,
)
from trainer_host.data.dataset import Json
from trainer_host.errors import TrainerError
from trainer_host.release.authority import Rules, authority, group, meets, rules_of
from trainer_host.release.repository_files import Files, State
from trainer_host.release.roles import LIFETIME, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleKeys

Clock = Callable[[], datetime]

LOCK_SECONDS = 60.0  # another command copies a bundle, or signs, within this


@dataclass(frozen=True)
class Done:
    """What a change came to. changed: whether clients see something new. waiting: roles that lack signatures."""

    changed: bool
    waiting: tuple[str, ...] = ()


def utc_now() -> datetime:
    """The time, in whole seconds, as TUF writes it."""
    return datetime.now(UTC).replace(microsecond=0)


class Settling:
    """A repository's folder, its keys, and what waits to be signed for it; the folder `public` is served."""

    def __init__(self, folder: Path, keys: RoleKeys, clock: Clock = utc_now) -> None:
        self.folder = folder
        self.keys = keys
        self.clock = clock
        self.files = Files(folder)

    @property
    def public(self) -> Path:
        """The folder that clients see."""
        return self.files.public

    def state(self) -> State:
        """What clients see now; raises `TrainerError` where it is damaged, or not signed yet."""
        found = self._state()
        if found is None:
            raise TrainerError(
                "The update repository isn't signed yet; 'enigma release pending' says whose signatures are lacking."
            )
        return found

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
