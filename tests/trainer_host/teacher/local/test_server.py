"""The server's process: how it starts, refuses, dies and ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.local.conftest import Asking
from tests.trainer_host.teacher.local.files import SMOLLM2, gguf, needs_smollm2, needs_xllamacpp
from trainer_host.errors import TeacherStopped
from trainer_host.teacher.local import LocalTeacherError, memory, server
from trainer_host.teacher.local.models import installed, weights_for
from trainer_host.teacher.local.server import Serving, reachable_teacher, running_teacher, serve, served_model
from trainer_host.teacher.protocol import Secret
from trainer_host.workspace import Workspace

pytestmark = [needs_xllamacpp, needs_smollm2]
SMALL = 256  # tokens of context: what a start costs is mostly the memory for them
TOKEN = "a-token-that-nobody-guesses"


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def waited(condition: object, seconds: float = 60.0) -> bool:
    assert callable(condition)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def small(workspace: Workspace, token: str | None = None, log: Path | None = None) -> Iterator[server.Server]:
    serving = Serving(port=0, context=SMALL, parallel=1, threads=1, token=Secret(token) if token else None)
    with serve(weights_for(workspace), serving, log) as running:
        yield running


def test_the_process_is_gone_behind_the_block_also_after_an_error(workspace: Workspace) -> None:
    with small(workspace) as running:
        pid = running.process.pid
        assert running.context == SMALL
        assert not gone(pid)
    assert gone(pid)
    with pytest.raises(ZeroDivisionError), small(workspace) as running:
        pid = running.process.pid
        raise ZeroDivisionError
    assert gone(pid)


def test_the_process_ends_with_the_host_also_when_that_is_killed(workspace: Workspace) -> None:
    script = (
        "import time; from pathlib import Path; from trainer_host.workspace import Workspace; "
        "from trainer_host.teacher.local.server import *; "
        f"started = serve(weights_for(Workspace(Path({str(workspace.home)!r}))), Serving(port=0, context=256, threads=1)); "
        "print(started.__enter__().process.pid, flush=True); time.sleep(100)"
    )
    host = subprocess.Popen([sys.executable, "-c", script], cwd=REPO, stdout=subprocess.PIPE, text=True)
    try:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        assert not gone(pid)
    finally:
        host.kill()
        host.wait()
    assert waited(lambda: gone(pid))


def test_a_crash_in_native_code_leaves_the_host_with_a_sentence(workspace: Workspace) -> None:
    with small(workspace) as running:
        os.kill(running.process.pid, signal.SIGSEGV)
        with pytest.raises(TeacherStopped, match="process ended by SIGSEGV"):
            running.wait()


async def test_only_who_has_the_token_is_answered_and_nobody_can_look_it_up(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-provider")
    with small(workspace, TOKEN) as running:
        asking = Asking(running.endpoint)
        body = asking.body("Hello!", max_tokens=2)
        for wrong in (None, "", TOKEN[:-1], "another-token-of-length"):
            status, answer = await asking.post(body, wrong)
            assert status == 401, answer
        assert (await asking.post(body, TOKEN))[0] == 200
        proc = Path(f"/proc/{running.process.pid}")
        for file in ("cmdline", "environ"):
            assert TOKEN.encode() not in (proc / file).read_bytes()
        assert b"sk-of-a-provider" not in (proc / "environ").read_bytes()  # nor is a key of others lent to native code
        assert TOKEN not in repr(running) + " ".join(running.tail)


def test_an_address_that_others_reach_needs_a_token(workspace: Workspace) -> None:
    weights = weights_for(workspace)
    for host in ("0.0.0.0", "::", "192.0.2.1", "somewhere.example"):
        with pytest.raises(LocalTeacherError, match="a token is needed"), serve(weights, Serving(host=host)):
            pass
    with (
        pytest.raises(LocalTeacherError, match="isn't an address of this machine"),
        serve(weights, Serving(host="192.0.2.1", token=Secret(TOKEN))),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"context": 8193}, "trained on texts of at most 8192 tokens"),
        ({"context": 10}, "--context must be from 256"),
        ({"parallel": 0}, "--parallel must be from 1 to 64"),
        ({"threads": 0}, "--threads must be from 1 to 512"),
    ],
)
def test_figures_that_cannot_be_are_one_sentence(options: dict[str, int], sentence: str, workspace: Workspace) -> None:
    with pytest.raises(LocalTeacherError, match=sentence), serve(weights_for(workspace), Serving(port=0, **options)):
        pass


def test_weights_that_are_cut_off_or_unknown_are_one_sentence(workspace: Workspace, tmp_path: Path) -> None:
    whole = installed(workspace, SMOLLM2)
    assert whole is not None
    with whole.open("rb") as source:
        (tmp_path / "cut.gguf").write_bytes(source.read(5_000_000))
    with (
        pytest.raises(LocalTeacherError, match=r"cut\.gguf is incomplete"),
        running_teacher(workspace, tmp_path / "cut.gguf"),
    ):
        pass
    (tmp_path / "tiny.gguf").write_bytes(gguf())
    with (
        pytest.raises(LocalTeacherError, match=r"llama\.cpp can't load .*tiny\.gguf: "),
        running_teacher(workspace, tmp_path / "tiny.gguf", context=256),
    ):
        pass


def test_a_port_in_use_is_one_sentence(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(LocalTeacherError, match=f"Port {port} of 127.0.0.1 is in use"),
            running_teacher(workspace, port=port),
        ):
            pass


def test_too_little_memory_is_noticed_before_the_start_and_after(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "bytes_available", lambda: 200_000_000)
    with pytest.raises(LocalTeacherError, match="GB are free; choose a smaller --context"), running_teacher(workspace):
        pass
    # A machine that doesn't tell: the allocation itself fails, here of 180 GB.
    monkeypatch.setattr(memory, "bytes_available", lambda: None)
    weights = weights_for(workspace)
    with (
        pytest.raises(LocalTeacherError, match="isn't enough memory"),
        limited_memory(),
        serve(weights, Serving(port=0, context=8192, parallel=64, threads=1)),
    ):
        pass


@contextmanager
def limited_memory() -> Iterator[None]:
    """Processes that are started meanwhile can have 4 GB of addresses; this one has what it has."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (own + 4_000_000_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_start_that_takes_too_long_is_one_sentence(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_SECONDS", 0.0)
    monkeypatch.setattr(server, "START_SECONDS_PER_GIGABYTE", 0.0)
    monkeypatch.setattr(server, "STOP_SECONDS", 0.5)
    with pytest.raises(LocalTeacherError, match="wasn't loaded within 0 seconds"), small(workspace):
        pass


def test_the_log_keeps_warnings_within_its_bound(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LOG_BYTES", 2000)
    code = "import sys; [print(f'line {i} ' + 'x' * 5000, file=sys.stderr) for i in range(100)]"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    tail: server.deque[str] = server.deque(maxlen=50)
    server._drain(process, tail, tmp_path / "logs" / "teacher.log")
    process.wait()
    assert max(map(len, tail)) <= 1000 and len(tail) == 50
    assert sum(path.stat().st_size for path in (tmp_path / "logs").iterdir()) <= 2 * 2000


async def test_a_teacher_that_is_found_is_used_and_else_one_is_started(
    workspace: Workspace, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PORT", int(asking.endpoint.base_url.rpartition(":")[2].split("/")[0]))
    with reachable_teacher(workspace) as found, reachable_teacher(workspace, "smollm2") as same:
        assert found.base_url == same.base_url == asking.endpoint.base_url
    assert await asking.text("Hello!", max_tokens=2)  # it is another's, so it goes on
    port = free_port()
    monkeypatch.setattr(server, "PORT", port)
    with reachable_teacher(workspace) as started:
        assert started.base_url == f"http://127.0.0.1:{port}/v1"
        assert served_model("127.0.0.1", port) == started.model
    assert served_model("127.0.0.1", port) is None


def test_another_model_is_not_mistaken_for_the_wanted_one(
    workspace: Workspace, asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PORT", int(asking.endpoint.base_url.rpartition(":")[2].split("/")[0]))
    (tmp_path / "mine.gguf").write_bytes(gguf())
    with (
        pytest.raises(LocalTeacherError, match="serves smollm2-135m-instruct, not"),
        reachable_teacher(workspace, str(tmp_path / "mine.gguf")),
    ):
        pass


class Answers(BaseHTTPRequestHandler):
    """Another program at our address."""

    body, status = b"<html>hello</html>", 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"<html>hello</html>", "Something else than a teacher"),
        (200, b'{"data": []}', "Something else than a teacher"),
        (401, b"{}", "wants a token"),
    ],
)
def test_another_program_at_the_address_is_one_sentence(status: int, body: bytes, sentence: str) -> None:
    handler = type("Handler", (Answers,), {"status": status, "body": body})
    with HTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        try:
            with pytest.raises(LocalTeacherError, match=sentence):
                served_model("127.0.0.1", other.server_address[1])
        finally:
            other.shutdown()


def test_a_missing_package_names_the_extra(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = weights_for(workspace)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LocalTeacherError, match="the extra 'local-teacher'"), serve(weights, Serving()):
        pass
