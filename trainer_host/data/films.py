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


def pictures_of(film: Path) -> Iterator[bytes]:
    """PNGs, at most `MOST_PICTURES`, each `EVERY_SECONDS` of the film; what can't be read ends it.

    A film that is cut off gives what comes before the cut; none at all where it is no film.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.utils.logging.setLogLevel(0)
    capture = cv2.VideoCapture(str(film), cv2.CAP_FFMPEG)
    given, due = 0, 0.0
    try:
        while given < MOST_PICTURES and capture.isOpened() and capture.grab():
            if capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 < due - 1e-3:
                continue
            due += EVERY_SECONDS
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
