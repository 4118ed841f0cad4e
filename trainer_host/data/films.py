"""Pictures out of films: a person's own, or a camera's, one for each half second. Needs OpenCV (extra `camera`)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")
EVERY_SECONDS = 0.5
MOST_PICTURES = 600  # of one film: five minutes
_MOST_PIXELS = 8192 * 8192


def can_read_films() -> bool:
    """Whether OpenCV is installed."""
    return importlib.util.find_spec("cv2") is not None


def pictures_of(film: Path, every: float = EVERY_SECONDS, most: int = MOST_PICTURES) -> Iterator[bytes]:
    """PNGs, at most `most`, each `every` seconds of the film, all where that is 0; what can't be read ends it.

    A film that is cut off gives what comes before the cut; none at all where it is no film.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.utils.logging.setLogLevel(0)
    capture = cv2.VideoCapture(str(film), cv2.CAP_FFMPEG)
    given, due = 0, 0.0
    try:
        while given < most and capture.isOpened() and capture.grab():
            if every and capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 < due - 1e-3:
                continue
            due += every
            found, picture = capture.retrieve()
            if not found or picture.size == 0 or picture.shape[0] * picture.shape[1] > _MOST_PIXELS:
                return
            written, data = cv2.imencode(".png", picture)
            if not written:
                return
            given += 1
            yield data.tobytes()
    except cv2.error:
        return
    finally:
        capture.release()
