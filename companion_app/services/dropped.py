"""Files and folders that a person drops for the host: checked here, so that nothing is sent that the host can't take."""

from __future__ import annotations

import asyncio
import os
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

from companion_app.i18n import tr
from companion_app.i18n.figures import number

SUFFIXES = (".txt", ".md", ".pdf", ".jsonl", ".csv")
MAX_BYTES = 128 * 2**20  # what a host takes at once
MAX_FILES = 2000
BLOCK = 2**18


class DropError(Exception):
    """It can't be imported; the message is one sentence for the person."""


def takes(path: str) -> bool:
    """Whether something that was dropped is for the host's datasets: a file of rows or texts, a .zip, a folder."""
    return path.lower().endswith((*SUFFIXES, ".zip")) or Path(path).is_dir()


def opened(path: Path) -> tuple[str, IO[bytes], int]:
    """The name to send, an open file, and its bytes; a folder is packed. May take a while. Raises `DropError`."""
    try:
        if path.is_dir():
            return _packed(path)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _too_large(path, size)
        if not size:
            raise DropError(tr("{name} is empty; choose another file.", name=path.name))
        return path.name, path.open("rb"), size
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DropError(tr("{name} can't be read ({why}); choose another file.", name=path.name, why=why)) from None


async def blocks(file: IO[bytes], size: int, on_share: Callable[[float], None]) -> AsyncIterator[bytes]:
    """The file in pieces, read beside the frames."""
    sent = 0
    while block := await asyncio.to_thread(file.read, BLOCK):
        yield block
        sent += len(block)
        on_share(min(1.0, sent / size))


def _packed(folder: Path) -> tuple[str, IO[bytes], int]:
    files: list[Path] = []
    total = 0
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if name.startswith(".") or not name.lower().endswith(SUFFIXES) or path.is_symlink() or not path.is_file():
                continue
            total += path.stat().st_size
            files.append(path)
            if total > MAX_BYTES:
                raise _too_large(folder, total)
            if len(files) > MAX_FILES:
                raise DropError(
                    tr(
                        "{name} has more than {number} files; drop a folder inside it.",
                        name=folder.name,
                        number=MAX_FILES,
                    )
                )
    if not files:
        raise DropError(
            tr("{name} has no .txt, .md, .pdf, .jsonl or .csv files; drop another folder.", name=folder.name)
        )
    made: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder).as_posix())
    size = made.tell()
    made.seek(0)
    if size > MAX_BYTES:
        made.close()
        raise _too_large(folder, size)
    return f"{folder.name}.zip", made, size


def _too_large(path: Path, size: int) -> DropError:
    return DropError(
        tr(
            "{name} has {size} MB; at most {most} MB are taken at once, so split it.",
            name=path.name,
            size=number(size / 2**20, ",.0f"),
            most=MAX_BYTES // 2**20,
        )
    )
