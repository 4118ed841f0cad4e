"""A folder of a person's pictures, as a teacher of the task `vision` gets them, and the names of pictures in rows."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import DataError
from trainer_host.tasks import Json, Rejected, file_name

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

MAX_SIDE = 768  # pixels of a picture that is sent: teachers charge by its size
MAX_PICTURES = 100_000
_SUFFIXES = (".png", ".jpg", ".jpeg")
_AS_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_TRIES = 50  # pictures of a folder that can't be read, one after the other


def chosen(folder: Path, rng: random.Random) -> Json:
    """A picture of the folder that can be read, by its name and hash; raises `DataError` where there is none."""
    paths = _listing(folder, folder.stat().st_mtime_ns)
    for _ in range(_TRIES if paths else 0):
        path = Path(rng.choice(paths))
        try:
            content = _content(path)
            read(content)
        except Rejected as cause:
            logger.warning("%s is left out: %s.", path, cause.detail)
            continue
        return {"picture": path.name, "sha256": hashlib.sha256(content).hexdigest()}
    raise DataError(f"The folder {folder} has no PNG or JPEG picture that can be read.")


def content_of(folder: Path, drawn: Json) -> bytes:
    """The file that `chosen` chose; raises `Rejected` where it has changed since."""
    path = folder / str(drawn["picture"])
    content = _content(path)
    if hashlib.sha256(content).hexdigest() != drawn["sha256"]:
        raise Rejected("picture changed", f"the picture {path} has changed since it was drawn")
    return content


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Tell a person to leave the folder as it is, where a picture was `Rejected`; raises `DataError`."""
    try:
        yield
    except Rejected as cause:
        raise DataError(
            f"{cause.detail[0].upper()}{cause.detail[1:]}; leave the folder as it is while teaching."
        ) from cause


def read(content: bytes) -> Image.Image:
    """A picture, at most `MAX_SIDE` pixels a side; raises `Rejected`."""
    from edge_runtime.media.pictures import read_picture

    return read_picture(content, MAX_SIDE)


def png(picture: Image.Image) -> bytes:
    """The picture as PNG, without any metadata."""
    from edge_runtime.media import pictures

    return pictures.png(picture)


def picture_name(content: bytes, suffix: str = ".png") -> str:
    """The name of a picture in a row: its hash in the letters a to p.

    In digits, one hash in sixty looks like a card's, a wallet's or a phone's number to what scrubs personal data.
    """
    return file_name(content, "").translate(_AS_LETTERS) + suffix


@functools.lru_cache(maxsize=8)
def _listing(folder: Path, changed: int) -> tuple[str, ...]:
    """The pictures of a folder, by name. changed: when it was, so that a new picture is seen."""
    found = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    if len(found) > MAX_PICTURES:
        raise DataError(f"The folder {folder} has {len(found)} pictures; at most {MAX_PICTURES} are taken.")
    return tuple(found)


def _content(path: Path) -> bytes:
    from edge_runtime.media.pictures import MAX_FILE_BYTES, UNREADABLE

    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)  # `read_picture` refuses what is longer
    except OSError as cause:
        raise Rejected(UNREADABLE, f"the picture {path} can't be read ({cause.strerror})") from cause
