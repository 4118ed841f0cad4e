"""Runs the local teacher in a process of its own, waits until it answers, and ends it.

Its lines on standard error are kept to the last few, and in a log file of bounded size where one is named.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import importlib.util
import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, TYPE_CHECKING

from edge_runtime.addresses import is_loopback
from trainer_host.errors import TeacherStopped
from trainer_host.teacher.local import LocalTeacherError
from trainer_host.teacher.local.memory import check_memory
from trainer_host.teacher.local.models import DEFAULT_MODEL, Weights, weights_for
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.providers import PROVIDERS, Endpoint
from trainer_host.workspace import Workspace

if TYPE_CHECKING:  # that module is for the other process, and imports what it needs
    from trainer_host.teacher.local.native import Settings

HOST, PORT = "127.0.0.1", 8766
CONTEXT = 4096  # tokens of one request: the longest prompts of our tasks have about 1,500, answers up to 1,024
PARALLEL = 4  # on two cores four requests at a time give a third more tokens than one; eight give no more
MAX_PARALLEL = 64
MAX_THREADS = 8  # decoding waits for memory, not for cores
START_SECONDS = 120.0  # 0.5 s on an idle machine; tens where others use its cores
START_SECONDS_PER_GIGABYTE = 60.0  # read from a slow disk
STOP_SECONDS = 5.0
ASK_SECONDS = 3.0  # whoever listens at our address says its model at once
MAX_ANSWER = 64 * 1024  # of a list of models
LOG_BYTES = 1_000_000
_TAIL_LINES, _LINE_BYTES = 50, 1000
# Of the environment: where things are, the language, and what drivers of accelerators read.
_KEPT = frozenset({"PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "LANG", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV"})
_KEPT_FAMILIES = ("PYTHON", "LC_", "LD_", "DYLD_", "OMP_", "GOMP_", "GGML_", "CUDA_", "HIP_", "ROCR_", "VK_")


@dataclass(frozen=True)
class Serving:
    """How a model is served.

    port: 0 for any free one. context: tokens of one request, its answer included; None for `CONTEXT`, or less
    where the model was trained on less. parallel: requests at a time; more wait. threads: None for one per core.
    token: a bearer token that every request must carry; None on loopback alone.
    """

    host: str = HOST
    port: int = PORT
    context: int | None = None
    parallel: int = PARALLEL
    threads: int | None = None
    token: Secret | None = None


@dataclass(frozen=True)
class Server:
    """A server that answers. context: tokens of one request. tail: the last lines that its process wrote."""

    endpoint: Endpoint
    context: int
    process: subprocess.Popen[bytes]
    tail: deque[str]

    def wait(self) -> None:
        """Return never: raises `TeacherStopped` when the process ends by itself."""
        code = self.process.wait()
        raise TeacherStopped(f"The local teacher's process ended {_ending(code)}: {_last(self.tail)}")


@contextmanager
def running_teacher(
    workspace: Workspace,
    model: str | Path = DEFAULT_MODEL,
    *,
    threads: int | None = None,
    parallel: int = PARALLEL,
    context: int | None = None,
    port: int = 0,
) -> Iterator[Endpoint]:
    """A local teacher on loopback for the length of the block; its process and memory are gone behind it.

    Blocks while the model is loaded, so in a running event loop enter it in a thread. Raises `NotThere` where
    weights have to be got first, `LocalTeacherError` where it can't be started.
    """
    serving = Serving(port=port, threads=threads, parallel=parallel, context=context)
    with serve(weights_for(workspace, model), serving) as server:
        yield server.endpoint


@contextmanager
def reachable_teacher(workspace: Workspace, model: str | None = None) -> Iterator[Endpoint]:
    """The teacher that listens at 127.0.0.1:8766, else one that is started there for the length of the block.

    The address is always the same, since replies are remembered by it. model: as `running_teacher` takes it;
    None takes whichever is served. Raises what `running_teacher` raises, and `LocalTeacherError` where another
    model, or another program, is found there.
    """
    found = served_model(HOST, PORT)
    if found is None:
        with running_teacher(workspace, model or DEFAULT_MODEL, port=PORT) as endpoint:
            yield endpoint
        return
    if model is not None and weights_for(workspace, model).model != found:
        raise LocalTeacherError(
            f"The teacher at {HOST}:{PORT} serves {found}, not {model}; stop it, or leave out the model."
        )
    yield _endpoint(HOST, PORT, found)


def served_model(host: str, port: int) -> str | None:
    """What the server there calls its model, None where nobody listens; raises `LocalTeacherError` for others."""
    connection = http.client.HTTPConnection(host, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/v1/models")
        answer = connection.getresponse()
        body = answer.read(MAX_ANSWER)
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException):
        raise _not_a_teacher(host, port) from None
    finally:
        connection.close()
    if answer.status == 401:
        raise LocalTeacherError(
            f"The teacher at {host}:{port} wants a token; add it with 'enigma keys add NAME --base-url "
            f"http://{host}:{port}/v1', and teach with '--provider NAME'."
        )
    try:
        return str(json.loads(body)["data"][0]["id"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise _not_a_teacher(host, port) from None


@contextmanager
def serve(weights: Weights, serving: Serving, log: Path | None = None) -> Iterator[Server]:
    """A server of these weights for the length of the block.

    log: a file for its warnings, kept to two times 1 MB. Raises `LocalTeacherError` where it can't be started.
    """
    context = min(serving.context or CONTEXT, weights.head.context)
    _check(weights, serving, context)
    settings: Settings = {
        "path": str(weights.path),
        "model": weights.model,
        "host": serving.host,
        "port": serving.port,
        "context": context,
        "parallel": serving.parallel,
        "threads": serving.threads or min(usable_cores(), MAX_THREADS),
        "token": "",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer_host.teacher.local.native"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,  # Ctrl-C is for this process, which then ends that one
    )
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    reader = threading.Thread(target=_drain, args=(process, tail, log), daemon=True)
    reader.start()
    try:
        port = _started(process, settings, serving.token, weights, tail, reader)
        yield Server(_endpoint(serving.host, port, weights.model), context, process, tail)
    finally:
        _stop(process)
        reader.join(STOP_SECONDS)


def usable_cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check(weights: Weights, serving: Serving, context: int) -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        raise LocalTeacherError("The package xllamacpp is missing; install Enigma with the extra 'local-teacher'.")
    if not is_loopback(serving.host) and serving.token is None:
        raise LocalTeacherError(
            f"{serving.host} can be reached by others, so a token is needed; add --token-file FILE, or listen on "
            f"{HOST}:{PORT}."
        )
    for option, value, low, high in (
        ("--parallel", serving.parallel, 1, MAX_PARALLEL),
        ("--threads", serving.threads, 1, 512),
        ("--context", serving.context, 256, 1_000_000),
    ):
        if value is not None and not low <= value <= high:
            raise LocalTeacherError(f"{option} must be from {low} to {high}, not {value}.")
    if serving.context is not None and serving.context > context:
        raise LocalTeacherError(
            f"{weights.title} was trained on texts of at most {weights.head.context} tokens; "
            f"give --context {weights.head.context} or less."
        )
    check_memory(weights, context * serving.parallel)
    _check_address(serving.host, serving.port)


def _check_address(host: str, port: int) -> None:
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise LocalTeacherError(f"'{host}' isn't an address of this machine; listen on {HOST}:{PORT}.") from None
    except OSError as cause:
        raise _cannot_listen(host, port, cause.errno) from None


def _cannot_listen(host: str, port: int, code: int | None) -> LocalTeacherError:
    if code == errno.EADDRINUSE:
        return LocalTeacherError(
            f"Port {port} of {host} is in use, perhaps by another teacher; stop it, or choose another one with --listen."
        )
    if code == errno.EACCES:
        return LocalTeacherError(f"Only the administrator may listen on port {port}; choose one from 1024 on.")
    return LocalTeacherError(f"{host} isn't an address of this machine; listen on {HOST}:{PORT}.")


def _started(
    process: subprocess.Popen[bytes],
    settings: Settings,
    token: Secret | None,
    weights: Weights,
    tail: deque[str],
    reader: threading.Thread,
) -> int:
    """Wait for the process to say where it listens; returns the port."""
    assert process.stdin is not None and process.stdout is not None
    answers: queue.Queue[bytes] = queue.Queue(1)
    threading.Thread(target=_first_line, args=(process.stdout, answers), daemon=True).start()
    deadline = START_SECONDS + START_SECONDS_PER_GIGABYTE * weights.head.size / 1e9
    try:
        # By this pipe the token is seen by nobody else, as it would be among the arguments or in the environment.
        told: Settings = {**settings, "token": token.reveal() if token else ""}
        process.stdin.write(json.dumps(told).encode() + b"\n")
        process.stdin.flush()
        line = answers.get(timeout=deadline)
    except BrokenPipeError:
        line = b""
    except queue.Empty:
        raise LocalTeacherError(
            f"{weights.path.name} wasn't loaded within {deadline:.0f} seconds; the machine is busy, or the model is "
            "too big for it."
        ) from None
    if line:
        said = json.loads(line)
        if "port" in said:
            return int(said["port"])
        if said.get("failed") == "address":
            raise _cannot_listen(settings["host"], settings["port"], said["errno"])
    _stop(process)
    reader.join(STOP_SECONDS)  # what it wrote last says why
    raise _not_started(process.returncode, weights, tail)


def _not_started(code: int, weights: Weights, tail: deque[str]) -> LocalTeacherError:
    lines = "\n".join(tail)
    if "insufficient memory" in lines or "failed to allocate" in lines or code == -signal.SIGKILL:
        return LocalTeacherError(
            f"There isn't enough memory for {weights.path.name}; choose a smaller --context or --parallel, or a "
            "smaller model."
        )
    if "corrupted or incomplete" in lines or "failed to read" in lines:
        return LocalTeacherError(f"{weights.path} is incomplete; get it again.")
    if "error loading model" in lines:
        reason = next(line for line in tail if "error loading model" in line).rpartition("error loading model:")[2]
        return LocalTeacherError(f"llama.cpp can't load {weights.path}: {reason.strip()}.")
    return LocalTeacherError(f"The local teacher's process ended {_ending(code)} while it started: {_last(tail)}")


def _first_line(stream: IO[bytes], answers: queue.Queue[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError):  # the process was ended, and its pipe with it
        answers.put(stream.readline(MAX_ANSWER))


def _drain(process: subprocess.Popen[bytes], tail: deque[str], log: Path | None) -> None:
    """Read what the process writes, so that it never waits for a reader."""
    assert process.stderr is not None
    handler: logging.Handler | None = None
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(log, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    with contextlib.suppress(ValueError):  # the pipe is closed once the process is gone
        while line := process.stderr.readline(_LINE_BYTES):
            text = line.decode(errors="replace").rstrip()
            if text:
                tail.append(text)
                if handler is not None:
                    handler.handle(logging.makeLogRecord({"msg": text}))
    if handler is not None:
        handler.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process: it ends when its standard input does, else it is killed."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:  # still loading, or stuck in native code
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _environment() -> dict[str, str]:
    """What the process needs of ours: not the API keys and passphrases that may be there too."""
    # The process must find our package when the host runs from a source tree.
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_FAMILIES)}
    return {
        # Threads wait for each other hundreds of times per token. By default they spin for long meanwhile, and so take
        # the core from the one that is waited for: on two cores with two other programs 0.4 to 18 tokens per second
        # instead of 18 to 32. Not spinning at all costs two thirds of the speed of an idle machine.
        "GOMP_SPINCOUNT": "1000",
        **kept,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
    }


def _endpoint(host: str, port: int, model: str) -> Endpoint:
    reach = HOST if host in ("0.0.0.0", "localhost") else "::1" if host == "::" else host
    shown = f"[{reach}]" if ":" in reach else reach
    return replace(PROVIDERS["local"], base_url=f"http://{shown}:{port}/v1", model=model)


def _not_a_teacher(host: str, port: int) -> LocalTeacherError:
    return LocalTeacherError(
        f"Something else than a teacher listens at {host}:{port}; stop it, or serve on another port with "
        "'enigma teacher serve --listen', and add that with 'enigma keys add NAME --base-url URL --no-key'."
    )


def _ending(code: int) -> str:
    if code < 0:
        try:
            return f"by {signal.Signals(-code).name}"
        except ValueError:
            return f"by signal {-code}"
    return f"with code {code}"


def _last(tail: deque[str]) -> str:
    return tail[-1][-300:] if tail else "it left no message."
