from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from edge_runtime.update.tuf.client import UpdateClient
from edge_runtime.update.tuf.transport import HttpTransport
from tests.trainer_host.release.updates import NAME, Clock, Reference, give, made
from trainer_host.errors import TrainerError
from trainer_host.release.export_updates import check, export
from trainer_host.release.repository import Repository
from trainer_host.release.serve_updates import listening

MODEL = NAME.format("1.0.0")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repository(tmp_path: Path, clock: Clock) -> Repository:
    repository = made(tmp_path, clock)
    give(repository, tmp_path, "1.0.0")
    return repository


@pytest.fixture
async def url(repository: Repository) -> AsyncIterator[str]:
    async with listening(repository, "127.0.0.1", 0, renew=False) as found:
        yield found


def root_of(folder: Path) -> Path:
    return folder / "metadata" / "1.root.json"


async def test_a_device_and_the_reference_client_fetch_over_http(
    repository: Repository, url: str, tmp_path: Path
) -> None:
    from tuf.ngclient import Updater

    content = (tmp_path / "easy-1.0.0.enigma").read_bytes()
    (tmp_path / "trust").mkdir()
    shutil.copyfile(root_of(repository.public), tmp_path / "trust" / "root.json")
    async with aiohttp.ClientSession() as session:
        client = UpdateClient(tmp_path / "trust", HttpTransport(session, url))
        assert await client.refresh()
        found = await client.target(MODEL)
        assert found is not None and found[1] == "models/router"
        assert await client.read(found[0], 2**20) == content

    def reference() -> bytes:
        folder = tmp_path / "reference"
        folder.mkdir()
        first = root_of(repository.public).read_bytes()
        updater = Updater(str(folder), f"{url}/metadata/", str(folder), f"{url}/targets/", bootstrap=first)
        info = updater.get_targetinfo(MODEL)
        assert info is not None
        return Path(updater.download_target(info)).read_bytes()

    assert await asyncio.to_thread(reference) == content


async def test_a_device_that_has_the_newest_is_sent_no_byte_of_it_and_goes_on_in_the_middle_of_a_file(
    repository: Repository, url: str
) -> None:
    target = repository.targets()[MODEL]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/metadata/timestamp.json") as first:
            tag = first.headers["ETag"]
            assert first.headers["Cache-Control"] == "no-cache"
        async with session.get(f"{url}/metadata/timestamp.json", headers={"If-None-Match": tag}) as again:
            assert again.status == 304 and await again.read() == b""
        async with session.get(f"{url}/targets/{target.path()}", headers={"Range": "bytes=100-"}) as rest:
            assert rest.status == 206
            assert await rest.read() == repository.files.file(target).read_bytes()[100:]
            assert "immutable" in rest.headers["Cache-Control"]


ELSEWHERE = (
    "",
    "metadata",
    "metadata/",
    "pending/root.json",
    "metadata/../../../keys/release/lock",
    "metadata/%2e%2e/%2e%2e/%2e%2e/keys/release/lock",
    "metadata/..%2f..%2f..%2fkeys%2frelease%2flock",
    "metadata/.timestamp.json.part",
    "metadata/1.root.json%00",
    "targets/" + "a/" * 300,
)


async def test_nothing_but_the_repository_is_served(repository: Repository, url: str) -> None:
    (repository.public / "metadata" / ".timestamp.json.part").write_bytes(b"not whole")
    host, port = url.removeprefix("http://").split(":")
    for path in ELSEWHERE:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        assert answer.split()[1] in (b"404", b"400"), path


async def test_what_stops_counting_is_signed_again_while_it_is_served(repository: Repository, clock: Clock) -> None:
    before = repository.expiries()["timestamp"]
    clock.wait(days=2)
    async with asyncio.timeout(60), listening(repository, "127.0.0.1", 0) as _:
        for _ in range(500):
            if repository.expiries()["timestamp"] > before:
                return
            await asyncio.sleep(0.02)
    raise AssertionError("the timestamp wasn't renewed")


async def test_an_address_that_is_taken_is_told_of(repository: Repository, url: str) -> None:
    port = int(url.rsplit(":", 1)[1])
    with pytest.raises(TrainerError, match=r"Can't listen on .* choose another --listen\.$"):
        async with listening(repository, "127.0.0.1", port):
            pass


def test_a_copy_passes_the_same_checks_and_a_newer_one_takes_its_place(repository: Repository, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    made = export(repository, stick)
    assert check(stick, root_of(repository.public)) == made and made.files == 2
    reference = Reference(stick, tmp_path / "client")
    assert reference.targets(MODEL)[MODEL]
    give(repository, tmp_path, "1.1.0")
    export(repository, stick)
    assert all(reference.targets(MODEL, NAME.format("1.1.0")).values())


def test_a_copy_may_count_for_longer_and_devices_go_on_online_afterwards(
    repository: Repository, clock: Clock, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    assert export(repository, stick, timedelta(days=90)).until == clock() + timedelta(days=90)
    client = Reference(stick, tmp_path / "client")
    client.targets(MODEL)
    assert repository.expiries()["timestamp"] == clock() + timedelta(days=7)
    client.public = repository.public
    assert client.targets(MODEL)[MODEL]


def test_a_killed_export_leaves_a_copy_that_counts(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "stick"
    export(repository, stick)
    client = Reference(stick, tmp_path / "client")
    client.targets(MODEL)
    give(repository, tmp_path, "1.1.0")
    states: list[Path] = []
    replace = Path.replace

    def step(self: Path, target: Path) -> Path:
        done = replace(self, target)
        states.append(tmp_path / f"stick-{len(states)}")
        shutil.copytree(stick, states[-1])
        return done

    monkeypatch.setattr(Path, "replace", step)
    export(repository, stick)
    monkeypatch.undo()
    assert len(states) >= 4
    for state in states:
        assert client.forked(state, tmp_path / os.urandom(4).hex()).targets(MODEL)[MODEL]


@pytest.mark.parametrize("what", ["target", "metadata", "root", "missing", "foreign"])
def test_a_copy_that_a_device_would_refuse_is_told_of(repository: Repository, tmp_path: Path, what: str) -> None:
    stick = tmp_path / "stick"
    export(repository, stick)
    root = root_of(repository.public)
    if what == "target":
        [path] = (stick / "targets").rglob("*.enigma")
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    elif what == "metadata":
        path = stick / "metadata" / "timestamp.json"
        path.write_bytes(path.read_bytes().replace(b'"version":2', b'"version":9'))
    elif what == "root":
        root = tmp_path / "nothing.json"
    elif what == "missing":
        [path] = (stick / "targets").rglob("*.enigma")
        path.unlink()
    else:
        other = made(tmp_path / "other", Clock())
        root = root_of(other.public)
    with pytest.raises(TrainerError, match=r"A device would refuse|is no update repository"):
        check(stick, root)


def test_a_folder_with_something_else_in_it_is_left_alone(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(TrainerError, match="holds something else"):
        export(repository, tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]
