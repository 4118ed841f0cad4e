"""Looks for a file with a person: in the system's dialog where there is one, else in the app's own."""

from __future__ import annotations

import asyncio
import os
import string
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import platformdirs

from companion_app.i18n import tr
from companion_app.services import system_dialog
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state.files import (
    SAVE,
    BrowseEnded,
    BrowseFailed,
    Browsing,
    FilePicked,
    FolderSeen,
    Item,
    Wanted,
)
from companion_app.state.store import Store

MAX_ITEMS = 2000  # more than a person scrolls through; a path can be typed


class FileCommands:
    """Owns the dialog. filled: hears which field has got a path."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._asking: asyncio.Task[None] | None = None
        self.filled: Callable[[str], None] = lambda draft: None

    async def close(self) -> None:
        """Take the system's dialog away too."""
        await self._work.close()

    def browse(self, wanted: Wanted, path: str = "") -> None:
        """Let a person choose, beginning where `path` is."""
        if self._asking is None or self._asking.done():
            self._asking = self._work.begin(self._browse(wanted, path))

    def enter(self, folder: str) -> None:
        """Show another folder; a name counts from the one that is shown."""
        browsing = self._store.state.browsing
        if browsing is not None:
            self._work.begin(self._show(browsing, _joined(browsing.folder, folder)))

    def up(self) -> None:
        """Show the folder around this one."""
        browsing = self._store.state.browsing
        if browsing is not None:
            self.enter(str(Path(browsing.folder).parent))

    def take(self, name: str) -> None:
        """Choose a file by its name or path, or open the folder that it is."""
        browsing = self._store.state.browsing
        if browsing is None:
            return
        path = _joined(browsing.folder, name)
        if not name.strip():
            self._store.dispatch(BrowseFailed(tr("Type a name, or choose a file.")))
        elif path.is_dir():
            self.enter(str(path))
        elif browsing.wanted.way == SAVE and not path.parent.is_dir():
            self._store.dispatch(BrowseFailed(tr("There is no folder {path}.", path=path.parent)))
        elif browsing.wanted.way != SAVE and not path.is_file():
            self._store.dispatch(BrowseFailed(tr("There is no file {file}; check the path.", file=path)))
        else:
            self._pick(browsing.wanted, str(path))

    def take_folder(self) -> None:
        """Choose the folder that is shown."""
        browsing = self._store.state.browsing
        if browsing is not None:
            self._pick(browsing.wanted, browsing.folder)

    def end(self) -> None:
        """Choose nothing."""
        if self._store.state.browsing is not None:
            self._store.dispatch(BrowseEnded())

    def _pick(self, wanted: Wanted, path: str) -> None:
        self._store.dispatch(FilePicked(wanted.draft, path))
        self.filled(wanted.draft)

    async def _browse(self, wanted: Wanted, path: str) -> None:
        folder, name = await asyncio.to_thread(_begin_at, wanted, path)
        call = system_dialog.call_for(wanted, folder, name)
        if call is not None:
            try:
                chosen = await system_dialog.ask(call)
            except system_dialog.NoDialogError:
                pass  # the app's own
            else:
                if chosen is not None:
                    self._pick(wanted, chosen)
                return
        await self._show(Browsing(wanted, name=name, places=await asyncio.to_thread(places)), folder)

    async def _show(self, browsing: Browsing, folder: Path) -> None:
        try:
            items, more = await asyncio.to_thread(listed, folder, browsing.wanted)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            sentence = tr("Cannot use {path} ({why}); choose another file.", path=folder, why=why)
            if self._store.state.browsing is not None:
                self._store.dispatch(BrowseFailed(sentence))
                return
            folder, items, more = Path.home(), (), 0
            browsing = replace(browsing, problem=sentence)
        else:
            browsing = replace(browsing, problem="")
        self._store.dispatch(FolderSeen(replace(browsing, folder=str(folder), items=items, more=more)))


def listed(folder: Path, wanted: Wanted) -> tuple[tuple[Item, ...], int]:
    """What a folder holds that counts, folders first, and how much more there is. Raises OSError."""
    found: list[Item] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                is_folder, about = entry.is_dir(), entry.stat()
            except OSError:
                continue  # it went, or may not be looked at
            if is_folder or not wanted.suffixes or entry.name.lower().endswith(wanted.suffixes):
                found.append(Item(entry.name, is_folder, about.st_size, about.st_mtime))
    found.sort(key=lambda item: (not item.folder, item.name.casefold()))
    return tuple(found[:MAX_ITEMS]), max(0, len(found) - MAX_ITEMS)


def places() -> tuple[tuple[str, str], ...]:
    """(name, path) of where files of people lie."""
    known = [
        (tr("Home folder"), Path.home()),
        (tr("Downloads"), Path(platformdirs.user_downloads_dir())),
        (tr("Documents"), Path(platformdirs.user_documents_dir())),
        (tr("Pictures"), Path(platformdirs.user_pictures_dir())),
    ]
    if sys.platform == "win32":
        known += [(f"{letter}:", Path(f"{letter}:\\")) for letter in string.ascii_uppercase]
    return tuple((name, str(path)) for name, path in known if path.is_dir())


def _begin_at(wanted: Wanted, path: str) -> tuple[Path, str]:
    """The folder to begin in, and the name of a new file."""
    given = _joined(str(Path.home()), path) if path.strip() else Path.home()
    name = given.name if wanted.way == SAVE and path.strip() and not given.is_dir() else ""
    if wanted.way == SAVE and not name:
        name = f"enigma{next(iter(wanted.suffixes), '')}"
    if not path.strip():
        given = Path(platformdirs.user_downloads_dir())
    return next((folder for folder in (given, given.parent) if folder.is_dir()), Path.home()), name


def _joined(folder: str, name: str) -> Path:
    try:
        return Path(folder) / Path(name.strip()).expanduser()
    except RuntimeError:  # there is no home folder of that name
        return Path(folder) / name.strip()
