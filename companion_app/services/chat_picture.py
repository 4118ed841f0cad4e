"""A picture for a vision specialist: read within bounds, and the answer as one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from companion_app.i18n import tr
from companion_app.i18n.figures import number
from companion_app.services.wire import as_number, as_text

MAX_BYTES = 8 * 1024 * 1024  # what a device takes unless it is told otherwise (`max_file_kb`)
MAX_NAMED = 8
# How the files begin that a device reads.
_TYPES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


class PictureError(Exception):
    """The file can't be sent; the message is one sentence for the person."""


def read_picture(path: Path) -> tuple[str, bytes]:
    """(content type, content) of a file; blocks. Raises `PictureError`, for a large file without reading it."""
    try:
        if not path.is_file():
            raise PictureError(tr("There is no file {file}; check the path.", file=path))
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PictureError(
                tr(
                    "{file} has {size} MB; a picture may have {most} MB: make it smaller.",
                    file=path.name,
                    size=number(size / 1_048_576, ",.0f"),
                    most=MAX_BYTES // 1_048_576,
                )
            )
        with path.open("rb") as source:
            content = source.read(MAX_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise PictureError(tr("{file} can't be read ({why}).", file=path.name, why=why)) from None
    kind = next((kind for begins, kind in _TYPES if content.startswith(begins)), None)
    if kind is None or len(content) > MAX_BYTES:
        raise PictureError(tr("{file} is no PNG or JPEG picture; choose one that is.", file=path.name))
    return kind, content


def seen_words(answer: Mapping[str, object]) -> str:
    """What a vision specialist answered, as a line: the answer to a question, a label for all, or what stands where."""
    found = answer.get("objects")
    objects = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    label = as_text(answer.get("answer")) or as_text(answer.get("label"))
    parts = [_sure(label, answer)] if label else []
    parts += [_sure(as_text(item.get("label")), item) for item in objects[:MAX_NAMED]]
    if len(objects) > MAX_NAMED:
        parts.append(tr("{number} more", number=len(objects) - MAX_NAMED))
    said = ", ".join(part for part in parts if part) or tr("nothing that it knows")
    return tr("{seen}, but it isn't sure", seen=said) if answer.get("unsure") is True else said


def _sure(label: str, item: Mapping[str, object]) -> str:
    return tr("{label} ({share} %)", label=label, share=number(as_number(item.get("confidence")) * 100, ".0f"))
