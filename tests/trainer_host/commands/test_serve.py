"""`enigma serve` as a process: what it prints, how it ends, and what is left after kill -9."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from edge_runtime.errors import EdgeError
from tests.trainer_host.samples import REPO
from tests.trainer_host.server import conftest
from tests.trainer_host.server.answers import passing
from tests.trainer_host.server.conftest import KEY, Client, add_fake, nothing_of_this_person  # noqa: F401  # a fixture
from tests.trainer_host.server.test_lessons import assert_none_sent_again, begin, calls, order
from tests.trainer_host.teacher import faults
from tests.trainer_host.teacher.fake_api import FakeApi
from tests.trainer_host.teacher.vault_traces import LOW, clean_environment, traces
from trainer_host.commands import serve
from trainer_host.errors import NotThere, TrainerError
from trainer_host.keys import store_api_key
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault.sealing import Protection
from trainer_host.teacher.vault.storage import Vault
from trainer_host.workspace import Workspace

MARK = "TEST_OF_ENIGMA_SERVE"  # in the environment of a server and of the processes that it starts
START_SECONDS = 120.0  # a machine that does other work meanwhile is slow


class Server:
    """`enigma serve` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""

    async def line(self, pattern: str) -> str:
        """What the first group of the pattern matched, once a line with it was printed."""
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while not (found := re.search(pattern, self.said)):
                line = await self.process.stdout.readline()
                assert line, self.said
                self.said += line.decode()
        return found[1]

    async def url(self) -> str:
        return await self.line(r"API is at (https?://\S+)")

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Its exit status; all that it printed is then in `said`."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            self.said += (await self.process.stdout.read()).decode()
            return await self.process.wait()


@contextlib.asynccontextmanager
async def server(home: Path, *options: str, **environment: str) -> AsyncIterator[Server]:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "trainer_host.cli", "--home", str(home), "serve", *options],
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=REPO,
        env=clean_environment(**{MARK: str(home), "PYTHONUNBUFFERED": "1"}, **environment),
    )
    made = Server(process)
    try:
        yield made
    finally:
        if process.returncode is None:
            await made.end(signal.SIGKILL)


def enigma(home: Path, *options: str) -> None:
    """The command in this process."""
    parser = argparse.ArgumentParser()
    serve.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["serve", *options, "--home", str(home)])
    args.command(args)


async def paired(session: aiohttp.ClientSession, url: str, code: str) -> Client:
    client = Client(url, None, session)
    client.token = str((await conftest.paired(client, code, "phone"))["token"])
    return client


async def test_a_kill_leaves_the_lesson_open_and_nothing_is_asked_again(workspace: Workspace) -> None:
    async with FakeApi(answer=passing, latency=0.1, concurrency=6) as provider, aiohttp.ClientSession() as session:
        async with server(workspace.home, "--listen", "127.0.0.1:0") as first:
            client = await paired(session, await first.url(), await first.line(r"Pairing code.*: (\d{6})"))
            await client.call("POST", "/v1/keys", {"provider": "openai", "name": "work", "key": KEY})
            await add_fake(client, provider)
            provider.script = lambda asked: faults.hang() if asked.number > 55 else None  # so that it isn't done before
            id_ = await begin(client, order(["router"], 60))
            await client.until(id_, lambda lesson: float(str(lesson["progress"])) >= 0.3)
            assert await first.end(signal.SIGKILL) == -signal.SIGKILL
        provider.script = None
        await asyncio.sleep(0.3)  # until the provider has read what was on its way
        before = calls(workspace)
        unlogged = len(provider.asked) - len(before)
        assert 0 <= unlogged <= 64 and await gone(workspace)
        async with server(workspace.home, "--listen", "127.0.0.1:0") as second:
            client.url = await second.url()
            standing = await client.lesson(id_)  # the token still works
            assert standing["state"] == "open"
            assert (await client.call("POST", f"/v1/lessons/{id_}/resume")).status == 202
            standing = await client.ended(id_)
            assert standing["state"] == "done" and standing["accepted"] == 60
            assert await second.end() == 0
            assert "Pairing code" not in second.said  # somebody is paired
        assert_none_sent_again(workspace, provider, before, unlogged)
    assert KEY not in first.said + second.said + "".join(client.heard)
    assert traces(workspace.home, KEY) == []


async def test_it_ends_on_a_signal_while_a_lesson_runs_and_leaves_no_process(workspace: Workspace) -> None:
    async with FakeApi(answer=passing, latency=0.3) as provider, aiohttp.ClientSession() as session:
        for number in (signal.SIGTERM, signal.SIGINT):
            async with server(workspace.home, "--listen", "127.0.0.1:0", "--pair") as made:
                client = await paired(session, await made.url(), await made.line(r"Pairing code.*: (\d{6})"))
                await add_fake(client, provider)
                id_ = await begin(client, order(["router"], 100))
                await client.until(id_, lambda lesson: int(str(lesson["accepted"])) > 0)
                assert not await gone(workspace, 0.2)
                headers = {"Authorization": f"Bearer {client.token}"}
                async with client.session.ws_connect(f"{client.url}/v1/events", headers=headers) as socket:
                    assert await made.end(number) == 0
                    while (message := await socket.receive(timeout=60)).type is aiohttp.WSMsgType.TEXT:
                        pass
                    assert message.data == aiohttp.WSCloseCode.GOING_AWAY
                assert "Traceback" not in made.said and "has stopped" in made.said
                assert await gone(workspace)


async def test_codes_and_pairings_are_seen_to_beside_a_server_that_runs(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    home = workspace.home
    async with server(home, "--listen", "127.0.0.1:0") as made, aiohttp.ClientSession() as session:
        url = await made.url()
        enigma(home, "--pair")
        said = capsys.readouterr().out
        assert "API is at" not in said
        client = await paired(session, url, said.split()[-1])
        enigma(home, "--paired")
        said = capsys.readouterr().out
        id_ = next(line.split()[0] for line in said.splitlines() if "phone" in line)
        assert client.token is not None and client.token not in said
        assert (await client.call("GET", "/v1/tasks")).status == 200
        enigma(home, "--unpair", id_)
        assert "'phone' is unpaired" in capsys.readouterr().out
        assert (await client.call("GET", "/v1/tasks")).status == 401
        with pytest.raises(NotThere, match="no pairing of that id"):
            enigma(home, "--unpair", id_)
        enigma(home, "--paired")
        assert "Nobody is paired" in capsys.readouterr().out
        async with server(home, "--listen", "127.0.0.1:0") as second:
            await second.line("(Another 'enigma serve' has)")
            assert await second.end(signal.SIGCONT) == 2
            assert second.said.count("\n") == 1 and second.said.startswith("enigma: ")


@pytest.mark.parametrize(("listen", "word"), [("nowhere", "HOST:PORT"), ("192.0.2.1:0", "choose another --listen")])
def test_an_address_that_cannot_be_is_one_sentence(workspace: Workspace, listen: str, word: str) -> None:
    with pytest.raises(TrainerError, match=word) as refused:
        enigma(workspace.home, "--listen", listen)
    assert "\n" not in str(refused.value)


def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((TrainerError, EdgeError)) as refused:
        enigma(tmp_path / "file", "--listen", "127.0.0.1:0")
    assert "file" in str(refused.value) and "\n" not in str(refused.value)


async def test_listening_beyond_this_machine_is_encrypted_or_warned_of(workspace: Workspace) -> None:
    async with server(workspace.home, "--listen", "0.0.0.0:0") as made:
        assert (await made.url()).startswith("https://") and "unencrypted" not in made.said
    async with server(workspace.home, "--listen", "0.0.0.0:0", "--plain-http") as made:
        assert (await made.url()).startswith("http://")
        assert "unencrypted" in made.said


async def test_a_vault_behind_a_passphrase_is_opened_before_anything_listens(workspace: Workspace) -> None:

    vault = Vault(workspace, limits=LOW)
    store_api_key("openai", KEY, "work", home=workspace.home)
    vault.protect(Protection.PASSPHRASE, Secret("correct horse battery"))
    async with server(workspace.home, "--listen", "127.0.0.1:0") as closed:
        await closed.line("(set ENIGMA_PASSPHRASE)")
        assert await closed.end(signal.SIGCONT) == 2 and "API is at" not in closed.said
    async with (
        server(workspace.home, "--listen", "127.0.0.1:0", ENIGMA_PASSPHRASE="correct horse battery") as made,
        aiohttp.ClientSession() as session,
    ):
        client = await paired(session, await made.url(), await made.line(r"Pairing code.*: (\d{6})"))
        assert "5RkE" in (await client.call("GET", "/v1/keys")).text


async def gone(workspace: Workspace, seconds: float = 60.0) -> bool:
    """Whether no process of a server of this home is left, those that verify included."""
    mark = f"{MARK}={workspace.home}".encode()
    for _ in range(int(seconds / 0.2)):
        left = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                left += [entry] if mark in entry.read_bytes().split(b"\0") else []
        if not left:
            return True
        await asyncio.sleep(0.2)
    return False
