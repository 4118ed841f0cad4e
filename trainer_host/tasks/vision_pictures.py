"""A folder of a person's pictures, as a teacher that sees gets them, and the names and looks of pictures in rows."""

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
_CLEARLY = 6  # of 255: more than noise, and what a JPEG changes, leave of a mean over many pixels
_TRIES = 50  # pictures of a folder that can't be read, one after the other


def folder_of(task: str, options: Json) -> str | None:
    """The option images of a task, None where it isn't given; raises `DataError` for what isn't a folder."""
    folder = options.get("images")
    if folder is None or (isinstance(folder, str) and Path(folder).is_dir()):
        return folder
    raise DataError(f"The option images of {task} must be a folder of pictures; '{str(folder)[:80]}' isn't one.")


def chosen(folder: Path, seed: int, number: int) -> Json:
    """Picture `number` of the folder in the seed's own order, by its name and hash; after the last comes the first again.

    In place of one that can't be read comes the next. Raises `DataError` where there is none.
    """
    paths = _listing(folder, folder.stat().st_mtime_ns)
    order = _order(len(paths), seed)
    for at in range(number, number + (_TRIES if paths else 0)):
        path = Path(paths[order[at % len(order)]])
        try:
            content = _content(path)
            read(content)
        except Rejected as cause:
            logger.warning("%s is left out: %s.", path, cause.detail)
            continue
        return {"picture": path.name, "sha256": hashlib.sha256(content).hexdigest()}
    raise DataError(f"The folder {folder} has no PNG or JPEG picture that can be read.")


def pictures_in(folder: Path) -> int:
    """How many pictures the folder has; raises `DataError` for too many."""
    return len(_listing(folder, folder.stat().st_mtime_ns))


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


def read(content: bytes, most_side: int = MAX_SIDE) -> Image.Image:
    """A picture, at most so many pixels a side; raises `Rejected`."""
    from edge_runtime.media.pictures import read_picture

    return read_picture(content, most_side)


def png(picture: Image.Image) -> bytes:
    """The picture as PNG, without any metadata."""
    from edge_runtime.media import pictures

    return pictures.png(picture)


def picture_name(content: bytes, suffix: str = ".png") -> str:
    """The name of a picture in a row: its hash in the letters a to p.

    In digits, one hash in sixty looks like a card's, a wallet's or a phone's number to what scrubs personal data.
    """
    return file_name(content, "").translate(_AS_LETTERS) + suffix


def looks(picture: Image.Image) -> list[str]:
    """Where the picture gets brighter and darker from left to right, and its colours, as words with their places.

    A difference hash (Krawetz 2013) of 16 x 16, with a word for four neighbours of which one or more differ clearly,
    and a word for the colour of each quarter.
    """
    import numpy as np
    from PIL import Image

    small = np.asarray(picture.convert("L").resize((17, 16), Image.Resampling.BOX), dtype=np.int16)
    change = small[:, 1:] - small[:, :-1]
    weights = np.array([8, 4, 2, 1])
    words = []
    for sign, name in ((1, "u"), (-1, "d")):
        groups = (sign * change > _CLEARLY).reshape(-1, 4) @ weights
        words += [name + _spelt(place, value) for place, value in enumerate(groups.tolist()) if value]
    coarse = np.asarray(picture.resize((2, 2), Image.Resampling.BOX)).reshape(-1, 3) // 64
    return words + ["c" + _spelt(place, *levels) for place, levels in enumerate(coarse.tolist())]


def _spelt(place: int, *values: int) -> str:
    """Letters only: words with digits are numbers, which no near-duplicate may differ in."""
    return "".join(chr(ord("a") + value) for value in (place // 16, place % 16, *values))


@functools.lru_cache(maxsize=8)
def _listing(folder: Path, changed: int) -> tuple[str, ...]:
    """The pictures of a folder, by name. changed: when it was, so that a new picture is seen."""
    found = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    if len(found) > MAX_PICTURES:
        raise DataError(f"The folder {folder} has {len(found)} pictures; at most {MAX_PICTURES} are taken.")
    return tuple(found)


@functools.lru_cache(maxsize=8)
def _order(count: int, seed: int) -> list[int]:
    order = list(range(count))
    random.Random(f"pictures {seed}").shuffle(order)
    return order


def _content(path: Path) -> bytes:
    from edge_runtime.media.pictures import MAX_FILE_BYTES, UNREADABLE

    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)  # `read_picture` refuses what is longer
    except OSError as cause:
        raise Rejected(UNREADABLE, f"the picture {path} can't be read ({cause.strerror})") from cause
