"""Reads the QR code of a pairing from a picture or a camera (extra `scan`: zxing-cpp; a camera needs `camera` too)."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion_app.i18n import tr
from edge_runtime.client import is_invitation

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
# Where pictures and screenshots go on desktops and on phones.
PLACES = ("Pictures", "Pictures/Screenshots", "Downloads", "Desktop", "DCIM/Camera")
MOST_NEWEST = 5
MAX_LOOKED = 2000  # of a folder
MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000  # of the largest phones' cameras
SCAN_SECONDS = 60.0
FRAME_SECONDS = 0.1  # ten looks a second find a code that is held still, and leave the processor to others
PREVIEW_WIDTH = 320


class CodeError(Exception):
    """There is no code to read; the message is one sentence for the person."""


def read_picture(path: Path) -> str:
    """The pairing's text in a picture. Raises `CodeError`."""
    try:
        import zxingcpp
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise _lacks() from None
    unreadable = tr("{name} can't be read as a picture; take it again, or type in the code.", name=path.name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CodeError(tr("{name} is too large for a picture of a code.", name=path.name))
        with Image.open(path) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise CodeError(tr("{name} is too large for a picture of a code.", name=path.name))
            grey = opened.convert("L")
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError, EOFError):
        raise CodeError(unreadable) from None
    except OSError as error:  # a file that is cut short is one, too
        if error.errno is None:
            raise CodeError(unreadable) from None
        why = (error.strerror or str(error)).lower()
        raise CodeError(tr("{name} can't be opened: {why}.", name=path.name, why=why)) from None
    return _chosen(zxingcpp, grey, path.name)


def newest_pictures(home: Path) -> tuple[str, ...]:
    """The paths of the newest pictures where systems put them, the newest first; folders that can't be read have none."""
    found: list[tuple[float, str]] = []
    for name in PLACES:
        with contextlib.suppress(OSError):
            for path in islice((home / name).iterdir(), MAX_LOOKED):
                with contextlib.suppress(OSError):
                    if path.suffix.lower() in PICTURES and path.is_file():
                        found.append((path.stat().st_mtime, str(path)))
    return tuple(path for _, path in sorted(found, reverse=True)[:MOST_NEWEST])


def read_camera(
    stop: threading.Event,
    preview: Callable[[int, int, bytes], None],
    source: int | str = 0,
    seconds: float = SCAN_SECONDS,
) -> str:
    """The pairing's text that somebody holds before the camera, empty where `stop` came first. Raises `CodeError`.

    Runs in a thread. preview: gets each picture's width, height and RGB bytes, the top row first. source: the camera's
    number, or a film.
    """
    try:
        import cv2
        import zxingcpp
    except ImportError:
        raise CodeError(
            tr(
                "For a camera, install enigma[scan,camera]; a picture of the code does as well, and so do its six digits."
            )
        ) from None
    camera = cv2.VideoCapture(source)
    try:
        if not camera.isOpened():
            raise CodeError(tr("There is no camera that could be used; drop a picture of the code, or type it in."))
        ends = time.monotonic() + seconds
        while not stop.is_set() and time.monotonic() < ends:
            good, frame = camera.read()
            if not good:
                raise CodeError(tr("The camera stopped; drop a picture of the code, or type it in."))
            for found in zxingcpp.read_barcodes(frame):
                if is_invitation(found.text):
                    return str(found.text)
            height, width = frame.shape[:2]
            small = cv2.resize(frame, (PREVIEW_WIDTH, max(1, height * PREVIEW_WIDTH // max(1, width))))
            preview(small.shape[1], small.shape[0], cv2.cvtColor(small, cv2.COLOR_BGR2RGB).tobytes())
            stop.wait(FRAME_SECONDS)
    finally:
        camera.release()
    if stop.is_set():
        return ""
    raise CodeError(tr("No code was seen; hold it closer and in the light, or type in its six digits."))


def _chosen(zxingcpp: Any, grey: Image, name: str) -> str:
    """The invitation among all codes of a picture."""
    texts = [str(found.text) for found in zxingcpp.read_barcodes(grey)]
    text = next((text for text in texts if is_invitation(text)), None)
    if text is not None:
        return text
    if texts:
        raise CodeError(tr("The code in {name} is for something else; take one of enigma-edge pair --qr.", name=name))
    raise CodeError(tr("There is no code in {name}; take the picture closer, or type in the six digits.", name=name))


def _lacks() -> CodeError:
    return CodeError(
        tr("To read codes from pictures, install enigma[scan]; or type in the address and the six digits.")
    )
