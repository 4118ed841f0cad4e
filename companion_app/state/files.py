"""A person looks for a file: which field wants it, which folder is open, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from companion_app.state.drafts import Drafted, reduce_drafts

OPEN, SAVE, ANY = "open", "save", "any"  # a file that is there; a new one; a file or a folder


@dataclass(frozen=True)
class Item:
    """Something in a folder. size: bytes; changed: seconds since 1970."""

    name: str
    folder: bool
    size: int = 0
    changed: float = 0.0


@dataclass(frozen=True)
class Wanted:
    """What is looked for. draft: of the field that gets the path; suffixes: of files that count, all where it is empty."""

    draft: str
    way: str = OPEN
    title: str = ""
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Browsing:
    """The open dialog. name: what a new file may be called; more: how many of the folder aren't shown;

    places: (name, path) to begin at.
    """

    wanted: Wanted
    folder: str = ""
    name: str = ""
    items: tuple[Item, ...] = ()
    more: int = 0
    places: tuple[tuple[str, str], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class FolderSeen:
    """A folder is open in the dialog."""

    browsing: Browsing


@dataclass(frozen=True)
class BrowseFailed:
    """It can't be shown or taken, in one sentence; the dialog stays as it is."""

    sentence: str


@dataclass(frozen=True)
class FilePicked:
    """A person chose; the field of that draft holds the path."""

    draft: str
    path: str


@dataclass(frozen=True)
class BrowseEnded:
    """A person chose nothing."""


FilesAction = FolderSeen | BrowseFailed | FilePicked | BrowseEnded


def reduce_files(
    action: FilesAction, browsing: Browsing | None, drafts: Mapping[str, str]
) -> tuple[Browsing | None, Mapping[str, str]]:
    """The dialog and what is typed after an action."""
    if isinstance(action, FolderSeen):
        return action.browsing, drafts
    if isinstance(action, BrowseFailed):
        return (replace(browsing, problem=action.sentence) if browsing is not None else None), drafts
    if isinstance(action, FilePicked):
        return None, reduce_drafts(Drafted(action.draft, action.path), drafts)
    return None, drafts
