"""The system's own dialog for files, by the program that shows it: zenity or kdialog, osascript, PowerShell.

plyer has such dialogs too; its last release needs Python's former distutils, waits in its caller, and wants pywin32.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from companion_app.state.files import ANY, SAVE, Wanted

MAX_ANSWER = 64 * 1024
_CANCELLED = 1  # zenity, kdialog, osascript and our script end with this where nothing was chosen
_MAC = """on run {title, folder, name}
if name is "" then
return POSIX path of (choose file with prompt title default location (POSIX file folder))
else
return POSIX path of (choose file name with prompt title default location (POSIX file folder) default name name)
end if
end run"""
# What a person typed goes by the environment: nothing of it is code.
_WINDOWS = """Add-Type -AssemblyName System.Windows.Forms
[Console]::OutputEncoding = [Text.Encoding]::UTF8
$d = if ($env:ENIGMA_NAME) { New-Object Windows.Forms.SaveFileDialog } else { New-Object Windows.Forms.OpenFileDialog }
$d.Title = $env:ENIGMA_TITLE; $d.InitialDirectory = $env:ENIGMA_FOLDER; $d.Filter = $env:ENIGMA_FILTER
$d.FileName = $env:ENIGMA_NAME
if ($d.ShowDialog() -eq 'OK') { $d.FileName } else { exit 1 }"""


class NoDialogError(Exception):
    """The system has none, or it doesn't come up."""


@dataclass(frozen=True)
class Call:
    """A program with its arguments and what it gets in the environment."""

    words: tuple[str, ...]
    extra: Mapping[str, str] = field(default_factory=dict)


def call_for(wanted: Wanted, folder: Path, name: str, environment: Mapping[str, str] = os.environ) -> Call | None:
    """What shows the system's dialog; None where there is none. name: a new file's, for `SAVE`."""
    if wanted.way == ANY:
        return None  # none of them takes a file or a folder alike
    saves, patterns = wanted.way == SAVE, " ".join(f"*{suffix}" for suffix in wanted.suffixes)
    start = str(folder / name) if saves else f"{folder}{os.sep}"
    if sys.platform == "darwin":
        return Call(("osascript", "-e", _MAC, wanted.title, str(folder), name if saves else ""))
    if sys.platform == "win32":
        shown = f"{patterns}|{patterns.replace(' ', ';')}" if patterns else "*.*|*.*"
        extra = {"TITLE": wanted.title, "FOLDER": str(folder), "FILTER": shown, "NAME": name if saves else ""}
        words = ("powershell", "-NoProfile", "-STA", "-Command", _WINDOWS)
        return Call(words, {f"ENIGMA_{key}": value for key, value in extra.items()})
    if hasattr(sys, "getandroidapilevel") or not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return None
    path = environment.get("PATH")
    if found := shutil.which("zenity", path=path):
        saving = ("--save",) if saves else ()
        only = (f"--file-filter={patterns} | {patterns}",) if patterns else ()
        return Call((found, "--file-selection", f"--title={wanted.title}", f"--filename={start}", *saving, *only))
    if found := shutil.which("kdialog", path=path):
        way = "--getsavefilename" if saves else "--getopenfilename"
        return Call((found, "--title", wanted.title, way, start, f"{patterns}|{patterns}" if patterns else "*"))
    return None


async def ask(call: Call) -> str | None:
    """The path that a person chose, None where they chose none. Raises `NoDialogError`."""
    try:
        process = await asyncio.create_subprocess_exec(
            *call.words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **call.extra},
        )
    except OSError as error:
        raise NoDialogError(str(error)) from None
    assert process.stdout is not None
    try:
        said = await process.stdout.read(MAX_ANSWER)
        code = await process.wait()
    except asyncio.CancelledError:  # the app ends: its dialog goes too
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        raise
    path = said.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    if code == 0 and path:
        return path
    if code in (0, _CANCELLED):
        return None
    raise NoDialogError(f"{call.words[0]} ended with {code}")
