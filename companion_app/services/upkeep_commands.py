"""What keeps the app in order: files for the host, backups, and its own newer versions; reports through the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from companion_app.i18n import ntr, tr
from companion_app.services import backup, dropped, self_update
from companion_app.services.backup import BackupError, Opened
from companion_app.services.chat_json import ChatFileError
from companion_app.services.chat_store import ChatStore
from companion_app.services.dropped import DropError
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.link import sentence_of
from companion_app.services.remember import Memory, RememberError
from companion_app.services.wire import as_list, as_number, as_text
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state.checks import passphrase_problem
from companion_app.state.model import Screen
from companion_app.state.store import Store
from companion_app.state.upkeep import (
    Backup,
    BackupPicked,
    BackupTold,
    Dropped,
    DropStage,
    DropTold,
    Version,
    VersionTold,
)
from edge_runtime.client import EdgeError

MAX_SHOWN = 100
# For one look at the repository; its client has shorter ones for each file.
UPDATE_DEADLINE, FETCH_DEADLINE = 150.0, 1800.0
BUSY = (DropStage.READING, DropStage.SENDING, DropStage.ADDING)


class UpkeepCommands:
    """Owns the calls that are under way; `close` ends them all."""

    def __init__(
        self,
        store: Store,
        memory: Memory,
        client: Callable[[], HostClient],
        chats: Callable[[], Awaitable[ChatStore]] | None = None,
    ) -> None:
        """client: the paired host's; raises `HostError` without one. chats: the file of conversations, all written."""
        self._store = store
        self._memory = memory
        self._client = client
        self._chats = chats
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._opened: Opened | None = None

    async def close(self) -> None:
        """End every call."""
        await self._work.close()

    # Files for the host

    def drop(self, path: str) -> None:
        """Send a dropped file or folder to the host, which says what is in it."""
        now = self._store.state.upkeep.dropped
        if now is not None and now.stage in BUSY:
            self._store.dispatch(act.Noticed(tr("A file is on its way already; drop this one when it is there.")))
            return
        path = str(Path(path.strip()).expanduser())
        self._tell_drop(Dropped(path))
        self._store.dispatch(act.Opened(Screen.IMPORTS))
        self._work.begin(self._drop(Dropped(path)))

    def add_dropped(self, dataset: str, *, kind: str, task: str) -> None:
        """Put what was sent into a dataset. kind: rows or texts; task: what rows teach."""
        now = self._store.state.upkeep.dropped
        if now is None or now.stage is not DropStage.SEEN:
            return
        if not dataset.strip():
            self._tell_drop(replace(now, said=tr("Give the dataset a name, such as mails.")))
            return
        self._tell_drop(replace(now, stage=DropStage.ADDING, said=""))
        self._work.begin(self._add(now, dataset.strip(), kind, task))

    def forget_dropped(self) -> None:
        """Let the host drop what was sent."""
        now = self._store.state.upkeep.dropped
        self._tell_drop(None)
        if now is not None and now.stage is DropStage.SEEN:
            self._work.begin(self._forget(now.id))

    async def _drop(self, now: Dropped) -> None:
        try:
            client = self._client()
            name, file, size = await asyncio.to_thread(dropped.opened, Path(now.path))
            with file:
                self._tell_drop(now := replace(now, stage=DropStage.SENDING))
                told = 0.0

                def share(done: float) -> None:
                    nonlocal told
                    if done - told >= 0.02 or done == 1:  # as often as an eye sees
                        told = done
                        self._tell_drop(replace(now, share=done))

                answer = await client.send_file(name, dropped.blocks(file, size, share))
        except (DropError, HostError) as error:
            self._tell_drop(replace(now, stage=DropStage.FAILED, said=str(error)))
            return
        files = [item for item in as_list(answer.get("files"))[:MAX_SHOWN] if isinstance(item, dict)]
        refused = [item for item in as_list(answer.get("refused"))[:MAX_SHOWN] if isinstance(item, dict)]
        seen = replace(
            now,
            stage=DropStage.SEEN,
            share=1.0,
            id=as_text(answer.get("id")),
            files=tuple(
                (
                    as_text(item.get("name")),
                    as_text(item.get("kind")),
                    int(as_number(item.get("count"))),
                    as_text(next(iter(as_list(item.get("sample"))), "")),
                )
                for item in files
            ),
            refused=tuple((as_text(item.get("name")), as_text(item.get("why"))) for item in refused),
            rows=int(as_number(answer.get("rows"))),
            texts=int(as_number(answer.get("texts"))),
        )
        self._tell_drop(seen)

    async def _add(self, now: Dropped, dataset: str, kind: str, task: str) -> None:
        try:
            answer = await self._client().add_file(now.id, kind, task, dataset)
        except HostError as error:
            self._tell_drop(replace(now, said=str(error)))
            return
        new = int(as_number(answer.get("new")))
        said = ntr(
            "{number} new example is in the dataset {name}.", "{number} new examples are in the dataset {name}.", new,
            name=as_text(answer.get("dataset")),
        )  # fmt: skip
        self._tell_drop(replace(now, stage=DropStage.DONE, said=said))

    async def _forget(self, id: str) -> None:
        try:
            await self._client().forget_file(id)
        except HostError:
            return  # it goes by itself, when others come or the host starts anew

    def _tell_drop(self, now: Dropped | None) -> None:
        self._store.dispatch(DropTold(now))

    # Backups

    def pick_backup(self, way: str, *, with_chats: bool = False) -> None:
        """Open the form that makes one ("save") or brings one back ("restore"), or close both ("")."""
        self._store.dispatch(BackupPicked(way, with_chats))

    def save_backup(self, path: str, passphrase: str, again: str, *, with_chats: bool = False) -> None:
        """Write all that this app keeps into a new file that only the passphrase opens; conversations where wanted."""
        problem = passphrase_problem(passphrase)
        if not problem and passphrase != again:
            problem = tr("The two passphrases differ; type the same one again.")
        if not problem and not path.strip():
            problem = tr("Say where to write the file, such as ~/enigma-companion.backup.")
        if self._may(problem):
            self._work.begin(self._save(path, passphrase, with_chats))

    def open_backup(self, path: str, passphrase: str) -> None:
        """See what a backup holds; nothing is changed by it."""
        if self._may("" if path.strip() and passphrase else tr("Say which file, and type its passphrase.")):
            self._work.begin(self._open(path, passphrase))

    def restore_backup(self) -> None:
        """Put what the opened backup holds in the place of what is here."""
        if self._opened is None or self._store.state.upkeep.backup.busy:
            return
        opened, self._opened = self._opened, None
        self._store.dispatch(BackupTold(Backup(busy=True)))
        self._work.begin(self._restore(opened))

    def forget_backup(self) -> None:
        """Close an opened backup."""
        self._opened = None
        self._store.dispatch(BackupTold(Backup()))

    async def _restore(self, opened: Opened) -> None:
        try:
            chats = await self._chats() if self._chats is not None else None
            await asyncio.to_thread(backup.restore, self._memory, opened, chats)
        except (RememberError, ChatFileError) as error:
            self._fail(str(error))
            return
        said = tr("It is back; close the app and open it again, and it is as it was then.")
        self._store.dispatch(BackupTold(Backup(said=said)))

    async def _save(self, path: str, passphrase: str, with_chats: bool) -> None:
        try:
            files, talks = backup.collect(self._memory), list[bytes]()
            if with_chats and self._chats is not None:
                talks = await asyncio.to_thread(backup.conversations, await self._chats())
            content = await asyncio.to_thread(backup.seal, files, passphrase, talks)
            file = await asyncio.to_thread(backup.write, path, content)
        except (BackupError, RememberError, ChatFileError) as error:
            self._fail(str(error))
            return
        said = tr("The backup is {path}. Nobody can open it without the passphrase; keep that elsewhere.", path=file)
        self._store.dispatch(BackupTold(Backup(said=said)))

    async def _open(self, path: str, passphrase: str) -> None:
        try:
            content = await asyncio.to_thread(backup.read, path)
            opened = await asyncio.to_thread(backup.unseal, content, passphrase)
            lines = opened.lines(self._memory)
        except (BackupError, RememberError) as error:
            self._fail(str(error))
            return
        self._opened = opened
        self._store.dispatch(BackupTold(Backup(path=path, holds=lines)))

    def _may(self, problem: str) -> bool:
        if self._store.state.upkeep.backup.busy:
            return False
        self._opened = None
        if problem:
            self._fail(problem)
        else:
            self._store.dispatch(BackupTold(Backup(busy=True)))
        return not problem

    def _fail(self, sentence: str) -> None:
        self._store.dispatch(BackupTold(Backup(said=sentence, failed=True)))

    # The app's own version

    def follow_updates(self, place: str, root: str) -> None:
        """Take newer versions of this app from there. root: a file of the repository's root metadata."""
        try:
            self._memory.prepare()
            self_update.follow_repository(self._memory.folder, place.strip(), Path(root.strip()).expanduser())
        except (EdgeError, RememberError, RuntimeError) as error:
            self._tell_version(said=_sentence(error), failed=True)
            return
        self.look_for_update()

    def look_for_update(self) -> None:
        """Ask the repository what is newest; nothing is fetched."""
        if not self._store.state.upkeep.version.busy:
            self._tell_version(busy=True, said="", failed=False)
            self._work.begin(self._look())

    def fetch_update(self) -> None:
        """Fetch the newest version and verify it; installing it is up to a person."""
        if not self._store.state.upkeep.version.busy:
            self._tell_version(busy=True, said="", failed=False)
            self._work.begin(self._fetch())

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(UPDATE_DEADLINE):
                found = await self_update.find(self._memory.folder)
        except (EdgeError, TimeoutError, OSError) as error:
            self._tell_version(busy=False, said=_sentence(error), failed=True)
            return
        if found is None:
            self._tell_version(busy=False, said=tr("The repository has no version for this machine."))
        elif found.newer:
            said = tr("Version {version} is there.", version=found.version)
            self._tell_version(busy=False, newest=found.version, size=found.target.length, said=said)
        else:
            self._tell_version(busy=False, newest=found.version, said=tr("This is the newest version."))

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_DEADLINE):
                file = await self_update.fetch(self._memory.folder)
        except (EdgeError, TimeoutError, OSError) as error:
            self._tell_version(busy=False, said=_sentence(error), failed=True)
            return
        said = tr("It is here, and it is what was signed: {path}. Install it from there.", path=file)
        self._tell_version(busy=False, file=str(file), said=said)

    def _tell_version(self, **changes: object) -> None:
        try:
            place = self_update.followed(self._memory.folder)
        except EdgeError as error:
            place, changes = "", {**changes, "said": sentence_of(error), "failed": True}
        now = replace(self._store.state.upkeep.version, own=self_update.own_version(), place=place)
        self._store.dispatch(VersionTold(replace(now, **changes)))  # type: ignore[arg-type]


def version_now(folder: Path) -> Version:
    """This app's version, before anybody asked for a newer one."""
    try:
        return Version(self_update.own_version(), self_update.followed(folder))
    except EdgeError as error:
        return Version(self_update.own_version(), said=sentence_of(error), failed=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return tr("The repository of updates did not answer in time; is this machine on the network?")
    return sentence_of(error) if isinstance(error, EdgeError | OSError) else str(error)
