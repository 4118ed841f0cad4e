"""Conversations in files that a person keeps: written anew, never over another one; and one read back."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from companion_app.i18n import tr
from companion_app.services.chat_export import to_markdown
from companion_app.services.chat_json import MAX_BYTES, ChatFileError, dumps, loads
from companion_app.services.private_files import PlaceError, cannot, new_place, write_new
from companion_app.state.chat import Conversation

KINDS = ("md", "json", "pdf")
MAX_NAME = 60


def write_conversation(one: Conversation, kind: str, path: str = "") -> str:
    """Write it as "md", "json" or "pdf"; the sentence for the person. Blocks; raises `ChatFileError`.

    path: of a new file, or of a folder; by default the folder for downloads, else the home folder.
    """
    said = ""
    if kind == "md":
        content = to_markdown(one).encode("utf-8", "replace")
    elif kind == "json":
        content = dumps(one)
    elif kind == "pdf":
        from companion_app.services.chat_pdf import to_pdf

        content, lacking = to_pdf(one)
        if lacking:
            said = tr(
                " No font on this machine has {letters}; they stand there as their codes.",
                letters=" ".join(lacking[:8]),
            )
    else:
        raise ChatFileError(tr("Export as one of {kinds}.", kinds=", ".join(KINDS)))
    file = _place(one, kind, path)
    _write(file, content)
    return tr("Saved as {file}.", file=file) + said


def read_conversation(path: str) -> Conversation:
    """A conversation that was exported as JSON. Blocks; raises `ChatFileError`."""
    file = Path(path.strip()).expanduser()
    try:
        if not path.strip() or not file.is_file():
            raise ChatFileError(tr("There is no file {file}; check the path.", file=path.strip() or "?"))
        if file.stat().st_size > MAX_BYTES:
            raise ChatFileError(tr("{file} is too large for a conversation.", file=file.name))
        with file.open("rb") as source:
            return loads(source.read(MAX_BYTES + 1))
    except OSError as error:
        raise _cannot(file, error) from None


def file_name(title: str) -> str:
    """A title as a file's name, on any system."""
    kept = "".join(
        letter if letter.isalnum() or letter in " -_" else " " for letter in unicodedata.normalize("NFC", title)
    )
    return re.sub(r"\s+", " ", kept).strip()[:MAX_NAME].strip() or "chat"


def _place(one: Conversation, kind: str, path: str) -> Path:
    try:
        return new_place(path, file_name(one.title), kind)
    except PlaceError as error:
        raise ChatFileError(str(error)) from None


def _write(file: Path, content: bytes) -> None:
    try:
        write_new(file, content)
    except OSError as error:
        raise _cannot(file, error) from None


def _cannot(file: Path, error: OSError) -> ChatFileError:
    return ChatFileError(cannot(file, error))
