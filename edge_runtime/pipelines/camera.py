"""Pictures of a camera: V4L2, a file, or a stream as RTSP, by OpenCV (the extra 'camera')."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from edge_runtime import local_only
from edge_runtime.errors import NotEquipped
from edge_runtime.media import Media, optional
from edge_runtime.pipelines.declare import Camera
from edge_runtime.pipelines.items import Captured, Frame, Item, SourceError

OPEN_MS = READ_MS = 5000  # a stream that says nothing for so long is gone
JPEG_QUALITY = 92
# For a person who looks over a slow network: some 40 kB.
PREVIEW_SIDE, PREVIEW_QUALITY = 640, 70
_MOST_PIXELS = 8192 * 8192
_CREDENTIAL_BYTES = 512


def frames(declared: Camera, stopped: threading.Event) -> Iterator[Item]:
    """Each picture as it was grabbed; raises `SourceError`, and `NotEquipped` without OpenCV. Blocks.

    Of a file, pictures come when they are due, captured when they would have been at the time of recording.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # it would write addresses, with passwords, to standard error
    cv2 = optional("cv2", "Cameras")
    cv2.utils.logging.setLogLevel(0)  # what is wrong is said in a sentence of ours
    began, number, slot, played = Captured.now(), 0, 0, 0.0
    while True:
        capture, last = _open(cv2, declared), 0.0
        ever = False
        try:
            while not stopped.is_set() and _grab(cv2, capture):
                now = Captured.now()
                ever = True
                if declared.file is not None:
                    last = max(last, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                    now = began.later(played + last)
                    due = now.monotonic - time.monotonic()
                    if not declared.fast and due > 0 and stopped.wait(due):
                        return
                position = now.monotonic - began.monotonic
                # Of more pictures than are wanted, most aren't even decoded.
                if declared.fps:
                    if position < slot / declared.fps - 1e-3:
                        continue
                    slot = int(position * declared.fps + 1e-3) + 1
                number += 1
                yield Item(_frame(cv2, capture, declared), now, position, number)
            if not ever:
                raise SourceError(f"{_called(declared)} gave no picture; check that it works and nobody else uses it.")
            played += last + 1 / (capture.get(cv2.CAP_PROP_FPS) or 25.0)
        finally:
            capture.release()
        if not declared.loop:
            return


def _open(cv2: Any, declared: Camera) -> Any:
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS]
    try:
        if declared.file is not None:
            if not declared.file.is_file():
                raise SourceError(f"There is no file {declared.file}.")
            capture = cv2.VideoCapture(str(declared.file), cv2.CAP_FFMPEG, limits)
        elif declared.url:
            # FFmpeg opens its sockets itself, where the audit hook of local-only mode doesn't see them.
            host = urlsplit(declared.url).hostname or ""
            if refused := local_only.refuse_far(host, f"the camera at {host}"):
                raise SourceError(refused)
            capture = cv2.VideoCapture(_with_credentials(declared), cv2.CAP_FFMPEG, limits)
        else:
            device: int | str = int(declared.device) if declared.device.isdigit() else declared.device
            capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    except cv2.error as cause:
        raise SourceError(f"{_called(declared)} can't be opened ({str(cause).splitlines()[0][:120]}).") from None
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"{_called(declared)} can't be opened; check that it is there and may be read.")
    if declared.width and declared.file is None and not declared.url:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, declared.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, declared.height)
    return capture


def _grab(cv2: Any, capture: Any) -> bool:
    try:
        return bool(capture.grab())
    except cv2.error:
        return False


def _frame(cv2: Any, capture: Any, declared: Camera) -> Frame:
    try:
        found, picture = capture.retrieve()
    except cv2.error as cause:
        raise SourceError(f"{_called(declared)} gave no picture ({str(cause).splitlines()[0][:120]}).") from None
    if not found or picture.size == 0 or picture.shape[0] * picture.shape[1] > _MOST_PIXELS:
        raise SourceError(f"{_called(declared)} gave a picture that can't be used.")
    if declared.width and picture.shape[:2] != (declared.height, declared.width):
        picture = cv2.resize(picture, (declared.width, declared.height), interpolation=cv2.INTER_AREA)

    def jpeg(pixels: Any, quality: int) -> Media:
        done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise SourceError(f"A picture of {_called(declared)} can't be written as JPEG.")
        return Media("image/jpeg", data.tobytes())

    def preview() -> Media:
        height, width = picture.shape[:2]
        share = min(1.0, PREVIEW_SIDE / max(height, width))
        size = max(1, round(width * share)), max(1, round(height * share))
        small = picture if share == 1 else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return jpeg(small, PREVIEW_QUALITY)

    return Frame(picture.shape[1], picture.shape[0], lambda: jpeg(picture, JPEG_QUALITY), preview)


def _called(declared: Camera) -> str:
    if declared.file is not None:
        return str(declared.file)
    return f"The camera at {declared.url or declared.device}"


def _with_credentials(declared: Camera) -> str:
    """The address with user and password in it, which nothing else ever shows."""
    path: Path | None = declared.credentials_file
    if path is None:
        return declared.url
    try:
        text = path.read_bytes()[: _CREDENTIAL_BYTES + 1].decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise NotEquipped(f"{path} can't be read; it must hold user:password for the camera.") from None
    user, colon, password = text.partition(":")
    if not colon or not user or len(text) > _CREDENTIAL_BYTES or not text.isprintable():
        raise NotEquipped(f"{path} must hold user:password on one line, for the camera.")
    parts = urlsplit(declared.url)
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"))
