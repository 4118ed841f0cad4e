"""One worker process: takes calls from its standard input, one after the other, and writes what comes of them.

A frame is its length in 8 bytes, big-endian, and a pickle. Its parent is trusted, as it is the same program.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import threading
import traceback
from collections.abc import Callable
from typing import BinaryIO

from trainer_host.executor import CallFailed

MAX_FRAME_BYTES = 256 * 1024 * 1024  # hundreds of rendered pictures; more is a mistake that would fill the memory
LENGTH = struct.Struct(">Q")
READY = b"ready"

_MAX_NOTE_CHARS = 4000


def packed_call(function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
    """A call to send; raises `TypeError` for a function that another process can't import by its name."""
    name = getattr(function, "__qualname__", "the call")
    if getattr(function, "__module__", None) == "__main__":
        raise TypeError(f"{name} is in the main script, where no other process can import it")
    try:
        call = pickle.dumps((function, args, kwargs), pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as cause:
        raise TypeError(f"{name} and its arguments can't be sent to a worker: {cause}") from None
    return _bounded(call, "What is sent to a worker")


def packed_outcome(returned: bool, value: object) -> bytes:
    """What came of a call: (True, result) or (False, exception)."""
    return _bounded(pickle.dumps((returned, value), pickle.HIGHEST_PROTOCOL), "What a worker gives back")


def unpacked(outcome: bytes) -> object:
    """The result, or raise the exception."""
    returned, value = pickle.loads(outcome)
    if returned:
        return value
    raise value


def framed(content: bytes) -> bytes:
    """Behind its length."""
    return LENGTH.pack(len(content)) + content


def serve() -> None:
    """The process's life: until its parent closes the pipe, or is gone."""
    calls = os.fdopen(os.dup(0), "rb")
    outcomes = os.fdopen(os.dup(1), "wb")
    # What a function reads or prints must not touch the pipes: it reads nothing and prints to standard error.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()  # the parent sends one call at a time
    threading.Thread(target=_read, args=(calls, inbox), daemon=True).start()
    _write(outcomes, READY)
    while True:
        _write(outcomes, _outcome(inbox.get()))


def _read(calls: BinaryIO, inbox: queue.SimpleQueue[bytes]) -> None:
    """In a thread, so that the end of the parent is noticed in the middle of a call too."""
    while len(length := calls.read(LENGTH.size)) == LENGTH.size:
        content = calls.read(LENGTH.unpack(length)[0])
        inbox.put(content)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # with whatever the call started
    os._exit(0)


def _write(outcomes: BinaryIO, content: bytes) -> None:
    try:
        outcomes.write(framed(content))
        outcomes.flush()
    except BrokenPipeError:
        os._exit(0)


def _outcome(call: bytes) -> bytes:
    try:
        function, args, kwargs = pickle.loads(call)
        result = function(*args, **kwargs)
    except Exception as error:  # whatever the function raises is its caller's
        return packed_error(error)
    try:
        return packed_outcome(True, result)
    except CallFailed as error:
        return packed_error(error)
    except Exception as cause:  # the result's class is anyone's, and so is what its pickling raises
        return packed_error(CallFailed(f"What {function.__qualname__} returns can't be sent back: {cause}"))


def packed_error(error: Exception) -> bytes:
    """The exception, or where it can't travel a `CallFailed` that tells of it; with a note of where it came from."""
    note = "In a worker process:\n" + "".join(traceback.format_exception(error))[-_MAX_NOTE_CHARS:]
    try:
        error.add_note(note)
        error.__cause__ = error.__context__ = None
        packed = packed_outcome(False, error)
        unpickled = pickle.loads(packed)  # some exceptions can be written and not read
        if isinstance(unpickled[1], type(error)):
            return packed
    except Exception:  # its class is anyone's, and so is what its pickling raises
        pass
    told = CallFailed(f"{type(error).__name__}: {error}"[:1000])
    told.add_note(note)
    return packed_outcome(False, told)


def _bounded(content: bytes, what: str) -> bytes:
    if len(content) > MAX_FRAME_BYTES:
        raise CallFailed(
            f"{what} has {len(content) / 2**20:.0f} MiB and may have {MAX_FRAME_BYTES // 2**20}; send less."
        )
    return content
