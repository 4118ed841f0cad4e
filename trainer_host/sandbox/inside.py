"""Runs inside the sandbox, with the standard library alone: snippets, each in a process with limits and a filter.

Reads a job from standard input and writes what became of each snippet to standard output, both JSON; see `run.py`.
Started without a sandbox around it, it runs nothing and says so.
"""

# `pathlib` costs milliseconds of every run
# ruff: noqa: PTH120
from __future__ import annotations

import _socket
import ctypes
import errno
import fcntl
import gc
import json
import os
import resource
import select
import sys
import time

TYPE_CHECKING = False  # as in `typing`, whose import costs 8 ms of every run
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn, TypedDict

    class Job(TypedDict):
        """What `run.py` sends. filter: seccomp's program in hexadecimal. Times in seconds, sizes in bytes.

        environment: the only variables that may be set. hidden: paths of the host that must not be here.
        """

        sources: list[str]
        filter: str
        cpu_seconds: int
        wall_seconds: float
        total_seconds: float
        memory_bytes: int
        output_bytes: int
        environment: list[str]
        hidden: list[str]

    class Ended(TypedDict):
        """How one snippet ended; the fields of `run.Outcome`."""

        status: str
        error: str
        line: int
        output: str
        seconds: float


NAME = "<snippet>"
REPORT_BYTES = 4096
SHOWN = 4096  # characters of a snippet's output that are handed back
_REPORT_FD = 3
_FIRST_FREE_FD = 16
_SIGKILL, _SIGXCPU = 9, 24  # `signal` costs another 5 ms
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2  # linux/prctl.h, linux/seccomp.h


_libc = ctypes.CDLL(None)


class _Filter(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def main() -> None:
    """One job."""
    job: Job = json.load(sys.stdin)
    if reason := not_isolated(job):
        answer: object = {"refused": reason}
    else:
        gc.freeze()  # children share these pages for longer
        end = time.monotonic() + job["total_seconds"]
        answer = {"ended": [_run(source, job, end) for source in job["sources"]]}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()


def not_isolated(job: Job) -> str | None:
    """What of the isolation is missing, None where all is there."""
    if os.getpid() > 8:
        return "it has no process numbers of its own"
    if [name for _, name in _socket.if_nameindex()] not in ([], ["lo"]):
        return "it has a network"
    if extra := sorted(set(os.environ) - set(job["environment"])):
        return f"its environment holds {extra[0]}"
    if seen := [path for path in job["hidden"] if os.path.lexists(path)]:
        return f"it sees {seen[0]}"
    for folder in ("/", os.path.dirname(os.__file__)):
        try:
            os.close(os.open(f"{folder}/.probe", os.O_CREAT | os.O_WRONLY))
        except OSError as cause:
            if cause.errno != errno.EROFS:
                return f"{folder} isn't read-only"
        else:
            return f"{folder} can be written"
    return None


def _run(source: str, job: Job, end: float) -> Ended:
    began = time.monotonic()
    wall = min(began + job["wall_seconds"], end)
    if wall <= began:
        return _ended("timeout", "the time of the whole batch was up", 0, b"", began)
    report_read, report_write = os.pipe()
    output_read, output_write = os.pipe()
    token = os.urandom(16).hex()
    child = os.fork()
    if child == 0:
        _child(source, job, token, report_write, output_write)
    os.close(report_write)
    os.close(output_write)
    try:
        report, output, why = _collect(report_read, output_read, wall, job["output_bytes"])
    finally:
        os.kill(child, _SIGKILL)  # harmless where it has ended: nobody has waited for it yet
        _, code, usage = os.wait4(child, 0)
        os.close(report_read)
        os.close(output_read)
    status, error, line = why, "", 0
    if not status:
        spent = usage.ru_utime + usage.ru_stime
        status, error, line = _verdict(report, token, code, spent >= job["cpu_seconds"])
    return _ended(status, error, line, output, began)


def _ended(status: str, error: str, line: int, output: bytes, began: float) -> Ended:
    text = output.decode("utf-8", "replace")[:SHOWN]
    return {"status": status, "error": error, "line": line, "output": text, "seconds": time.monotonic() - began}


def _collect(report_fd: int, output_fd: int, wall: float, most: int) -> tuple[bytes, bytes, str]:
    """(report, output, why it was stopped or ""). Reads until both pipes end; the child holds the other ends alone."""
    held: dict[int, bytes] = {report_fd: b"", output_fd: b""}
    bounds = {report_fd: 2 * REPORT_BYTES, output_fd: most}
    waiting = [report_fd, output_fd]
    why = ""
    while waiting and not why:
        ready, _, _ = select.select(waiting, [], [], max(0.0, wall - time.monotonic()))
        if not ready:
            why = "timeout"
        for pipe in ready:
            piece = os.read(pipe, 65536)
            held[pipe] += piece
            if not piece:
                waiting.remove(pipe)
            elif len(held[pipe]) > bounds[pipe]:
                why = "output"
    return held[report_fd], held[output_fd], why


def _verdict(report: bytes, token: str, code: int, cpu_gone: bool) -> tuple[str, str, int]:
    lines = report.decode("utf-8", "replace").split("\n", 1)
    if lines[0] == token and len(lines) == 2:
        try:
            status, error, line = json.loads(lines[1])
        except ValueError:
            return "killed", "its report was cut off", 0
        return str(status), str(error), int(line)
    if os.WIFSIGNALED(code):
        number = os.WTERMSIG(code)
        if number == _SIGXCPU or (number == _SIGKILL and cpu_gone):
            return "timeout", "", 0
        return "killed", f"it ended by signal {number}", 0
    return "killed", f"it left with code {os.waitstatus_to_exitcode(code)} before its last line", 0


def _child(source: str, job: Job, token: str, report_fd: int, output_fd: int) -> NoReturn:
    status, error, line = "ok", "", 0
    try:
        _take_pipes(report_fd, output_fd)
        _limit(job)
        try:
            exec(compile(source, NAME, "exec", dont_inherit=True), {"__name__": "__main__"})
        finally:
            sys.stdout.flush()
    except MemoryError:
        status = "memory"
    except BaseException as cause:  # whatever the snippet raises is its result, SystemExit too
        status, error, line = "error", *_described(cause)
    try:
        os.write(_REPORT_FD, f"{token}\n{json.dumps([status, error, line])}".encode())
    finally:
        os._exit(0)


def _take_pipes(report_fd: int, output_fd: int) -> None:
    read, write = os.pipe()
    os.close(write)
    # Above the numbers that they become, so that none closes another.
    report_fd, output_fd, read = (_above(fd) for fd in (report_fd, output_fd, read))
    os.dup2(read, 0)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    os.dup2(report_fd, _REPORT_FD)
    os.closerange(_REPORT_FD + 1, 256)  # a fresh process of few files: none is higher


def _above(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD, _FIRST_FREE_FD)


def _limit(job: Job) -> None:
    for what, most in (
        (resource.RLIMIT_AS, job["memory_bytes"]),
        (resource.RLIMIT_NPROC, 0),  # doesn't hold for root's user; the filter does, as clone and fork aren't in it
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(what, (most, most))
    # A snippet may ignore SIGXCPU at the soft limit; the hard one kills.
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_seconds"], job["cpu_seconds"] + 1))
    filter_bytes = bytes.fromhex(job["filter"])
    wanted = _Filter(len(filter_bytes) // 8, filter_bytes)
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.prctl(
        _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(wanted), 0, 0
    ):
        os._exit(70)  # EX_SOFTWARE: nothing runs without the filter


def _described(cause: BaseException) -> tuple[str, int]:
    """One line about an exception, and the line of the snippet where it arose (0: not in it)."""
    try:
        text = f"{type(cause).__name__}: {cause}"
    except BaseException:  # an exception of the snippet's own may fail again when it is asked for its text
        text = type(cause).__name__
    line = cause.lineno or 0 if isinstance(cause, SyntaxError) else 0
    step: TracebackType | None = cause.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == NAME:
            line = step.tb_lineno
        step = step.tb_next
    return text.encode("utf-8", "replace").decode().replace("\n", " ")[:500], line


if __name__ == "__main__":
    main()
