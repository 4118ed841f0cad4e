"""The process that holds the model: llama.cpp's server by xllamacpp, and our gateway before it.

`python -m trainer_host.teacher.local.native`; reads one line of JSON with the settings, writes one with the port it
listens on, or that it can't listen, and ends when its standard input does. Where it ends without a line, what it logged
says why. Native code can crash or be killed for its memory, so it never runs in the host.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import threading
from typing import NoReturn, TextIO, TypedDict

from trainer_host.teacher.local.gateway import Upstream, serve_on
from trainer_host.teacher.protocol import Secret

READ_SECONDS = 60  # for the gateway to send the next bytes of a request; says nothing of how long an answer takes
ERRORS_AND_WARNINGS = 2  # of llama.cpp's levels; the next one writes lines for every request


class Settings(TypedDict):
    """What the process is told. context: tokens of one request. token: the bearer token to ask for, "" for none."""

    path: str
    model: str
    host: str
    port: int
    context: int
    parallel: int
    threads: int
    token: str


def main() -> None:
    """Serve until standard input ends, as it does when the process that started this one is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Native code writes to standard output too; the answer to the parent has that pipe for itself. It stays open until
    # the process is gone, as its end tells the parent.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8", closefd=False)
    os.dup2(2, 1)
    settings: Settings = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        # Bound before the model is loaded, listening only behind that: until then a client is refused at once.
        listener = _bound(settings["host"], settings["port"])
    except OSError as cause:
        _fail(answer, {"failed": "address", "errno": cause.errno})
    upstream = _native_server(settings)
    token = Secret(settings["token"]) if settings["token"] else None
    said = {"port": listener.getsockname()[1]}
    asyncio.run(serve_on(listener, upstream, token, lambda: _say(answer, said)))


def _native_server(settings: Settings) -> Upstream:
    """Load the model. The server listens on loopback too, with a key of its own that nobody else has."""
    import xllamacpp

    key = secrets.token_urlsafe(32)
    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["model"]}
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [key]
    params.n_parallel = settings["parallel"]
    params.n_ctx = settings["context"] * settings["parallel"]
    params.fit_params = False  # what was asked for, or an error; not silently less
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.cache_ram_mib = 0  # its default keeps up to 8 GB of old prompts; each slot still remembers its last one
    params.timeout_read = params.timeout_write = READ_SECONDS
    params.verbosity = ERRORS_AND_WARNINGS
    params.offline = True
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        # Why is in llama.cpp's log, which a thread of its own writes. An ordinary end waits for that thread, and only
        # then does the parent see that there is no answer.
        raise SystemExit(1) from None
    _kept.append(server)
    return Upstream(server.listening_address, Secret(key), settings["parallel"])


# The server's destructor can wait forever for its own threads (xllamacpp 2026.10: 1 of 12 ends right after a start).
# There is nothing to save, so it is never let go, and the process ends without it.
_kept: list[object] = []


def _end_with_input() -> NoReturn:
    while os.read(0, 1024):
        pass
    os._exit(0)


def _bound(host: str, port: int) -> socket.socket:
    [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    return listener


def _say(answer: TextIO, said: dict[str, object] | dict[str, int]) -> None:
    answer.write(json.dumps(said) + "\n")
    answer.flush()


def _fail(answer: TextIO, said: dict[str, object]) -> NoReturn:
    _say(answer, said)
    os._exit(1)


if __name__ == "__main__":
    main()
