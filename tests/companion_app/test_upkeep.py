"""What keeps the app in order: backups, accounts, files for the host, and its own newer versions."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from companion_app.services import backup, dropped, self_update
from companion_app.services.account_commands import AccountCommands
from companion_app.services.chat_store import ChatStore
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.remember import Memory, Remembered, RememberedHost
from companion_app.services.signing_key import make_seed, read_seed
from companion_app.services.upkeep_commands import UpkeepCommands
from companion_app.state.chat import Conversation, Turn
from companion_app.state.inventory import Inventory
from companion_app.state.model import AppState, Screen
from companion_app.state.store import Store
from companion_app.state.upkeep import DropStage
from tests.trainer_host.release.updates import Clock, made
from trainer_host.errors import TrainerError
from trainer_host.release.app import publish_app, target_of

from . import samples

WORDS = "correct horse battery"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes guessing slow would make tests slow."""
    monkeypatch.setattr(backup, "OPS", 1)
    monkeypatch.setattr(backup, "MEMORY", 8192)
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def no_host() -> HostClient:
    raise HostError("Pair with a host first.")


async def wait_for(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a state has no event to wait for
            await asyncio.sleep(0.01)


# --- backups ---


async def test_a_backup_brings_all_back_on_another_machine(home: Inventory, tmp_path: Path) -> None:
    here, there = Memory(tmp_path / "here"), Memory(tmp_path / "there")
    here.keep_devices((Remembered(samples.KITCHEN, "Kitchen Pi", "owner", "secret-token", since="2026-11-01"),))
    here.keep_host(RememberedHost("http://10.0.0.2:8770", "studio", "host-token", scope="owner"))
    seed = make_seed(here)
    store = Store(AppState(inventory=home))
    upkeep = UpkeepCommands(store, here, no_host)
    file = tmp_path / "all.backup"
    upkeep.save_backup(str(file), WORDS, WORDS)
    await wait_for(lambda: file.exists() and not store.state.upkeep.backup.busy)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not {b"secret-token", b"host-token", seed.hex().encode()} & {word for word in file.read_bytes().split(b'"')}
    upkeep.save_backup(str(file), WORDS, WORDS)
    await wait_for(lambda: store.state.upkeep.backup.failed)
    assert "already" in store.state.upkeep.backup.said, "nothing is written over"

    other = UpkeepCommands(store, there, no_host)
    other.restore_backup()
    assert not there.folder.exists(), "nothing was opened yet"
    other.open_backup(str(file), WORDS)
    await wait_for(lambda: store.state.upkeep.backup.holds)
    assert any("1 paired device" in line for line in store.state.upkeep.backup.holds)
    assert not list(there.folder.glob("*.json")), "looking changes nothing"
    other.restore_backup()
    await wait_for(lambda: not store.state.upkeep.backup.busy)
    assert there.devices() == here.devices()
    assert there.host() == here.host()
    assert read_seed(there) == seed
    assert not {WORDS, "secret-token"} & set(repr(store.state).split("'"))


async def test_conversations_go_along_where_a_person_says_so(home: Inventory, tmp_path: Path) -> None:
    talk = Conversation("0123456789abcdef", (), title="Plans", turns=(Turn(0, "what about a hidden word", ()),))
    stores = {}
    for name in ("here", "there"):
        stores[name] = ChatStore(tmp_path / name)
        stores[name].keep(replace(talk, id="f" * 16, title=name))
    stores["here"].keep(talk)

    async def chats(name: str) -> ChatStore:
        return stores[name]

    store = Store(AppState(inventory=home))
    saving = UpkeepCommands(store, Memory(tmp_path / "here"), no_host, lambda: chats("here"))
    bringing = UpkeepCommands(store, Memory(tmp_path / "there"), no_host, lambda: chats("there"))
    for file, with_chats in (("without", False), ("with", True)):
        saving.save_backup(str(tmp_path / file), WORDS, WORDS, with_chats=with_chats)
        await wait_for(lambda: not store.state.upkeep.backup.busy)
    assert b"hidden word" not in (tmp_path / "with").read_bytes()
    bringing.open_backup(str(tmp_path / "without"), WORDS)
    await wait_for(lambda: store.state.upkeep.backup.holds)
    assert not any("conversation" in line for line in store.state.upkeep.backup.holds)
    bringing.open_backup(str(tmp_path / "with"), WORDS)
    await wait_for(lambda: any("2 conversations" in line for line in store.state.upkeep.backup.holds))
    bringing.restore_backup()
    await wait_for(lambda: store.state.upkeep.backup.said)
    assert stores["there"].read(talk.id) == talk
    assert {one.title for one in stores["there"].listed()} == {"here", "Plans"}, "one of the same id is replaced"
    assert stores["there"].search("hidden"), "it is found again"


async def test_a_wrong_passphrase_or_a_changed_file_changes_nothing(tmp_path: Path, home: Inventory) -> None:
    memory = Memory(tmp_path / "config")
    memory.keep_host(RememberedHost("http://10.0.0.2:8770", "studio", "host-token"))
    content = backup.seal(backup.collect(memory), WORDS)
    for wrong, words in (
        (content, "another one"),
        (content[:-1] + bytes([content[-1] ^ 1]), WORDS),
        (content[:40], WORDS),
        (b"not a backup", WORDS),
        (backup.MAGIC + b"\xff" * 200, WORDS),
        (backup.seal({"../evil.json": {}}, WORDS), WORDS),
        (backup.seal({}, WORDS, [b'{"format": "another"}']), WORDS),
    ):
        with pytest.raises(backup.BackupError) as caught:
            backup.unseal(wrong, words)
        assert WORDS not in str(caught.value)
    store = Store(AppState(inventory=home))
    upkeep = UpkeepCommands(store, memory, no_host)
    for path, first, second in (("", WORDS, WORDS), ("x", "short", "short"), ("x", WORDS, "other words")):
        upkeep.save_backup(path, first, second)
        assert store.state.upkeep.backup.failed
    assert memory.host() is not None


# --- accounts ---


async def test_an_owner_sees_who_is_paired_and_ends_a_pairing(
    start_device: Callable, home: Inventory, tmp_path: Path
) -> None:
    from edge_runtime.client import DeviceClient

    device, memory = start_device(), Memory(tmp_path / "config")
    url = f"http://127.0.0.1:{device.port}"
    async with DeviceClient(url) as client:
        token = await client.pair(samples.one_time_code(device.state, "owner"), "phone")
    async with DeviceClient(url) as client:
        other = await client.pair(samples.one_time_code(device.state, "operator"), "old phone")
    memory.keep_devices((Remembered(url, "Pi", "owner", token), Remembered(url + "9", "Far", "operator", other)))
    store = Store(AppState(inventory=home, screen=Screen.SETTINGS))
    accounts = AccountCommands(store, memory)
    try:
        accounts.look()
        await wait_for(lambda: len(store.state.upkeep.accounts) == 2 and store.state.upkeep.accounts[1].problem)
        mine, far = store.state.upkeep.accounts
        assert mine.others is not None
        assert {one.name for one in mine.others} == {"phone", "old phone"}
        assert datetime.fromisoformat(mine.others[0].since).date() <= datetime.now(UTC).date()
        assert far.others is None and "operator" in far.problem
        accounts.end(url, next(one.id for one in mine.others if one.name == "old phone"))
        await wait_for(lambda: len(store.state.upkeep.accounts[0].others or ()) == 1)
        assert token not in repr(store.state)
    finally:
        await accounts.close()
    async with DeviceClient(url, other) as client:
        with pytest.raises(Exception, match="token"):
            await client.models()


# --- files for the host ---


@pytest.fixture
async def small_host() -> AsyncIterator[tuple[HostClient, list[bytes]]]:
    """A host that takes files and tells how many bytes came."""
    came: list[bytes] = []

    async def send(request: web.Request) -> web.Response:
        came.append(await request.read())
        if request.query["name"].startswith("bad"):
            return web.json_response(
                {"error": "invalid", "message": "bad.csv has no rows; nothing was taken."}, status=422
            )
        file = {"name": request.query["name"], "kind": "rows", "count": 3, "sample": ["text,label"]}
        return web.json_response({"id": "5f", "files": [file], "refused": [], "rows": 3, "texts": 0})

    async def add(request: web.Request) -> web.Response:
        return web.json_response({**await request.json(), "new": 3, "train": 2, "heldout": 1}, status=201)

    app = web.Application(client_max_size=2**30)
    app.router.add_post("/v1/imports", send)
    app.router.add_post("/v1/imports/{id}", add)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with HostClient(f"http://127.0.0.1:{port}", "token") as client:
        yield client, came
    await runner.cleanup()


async def test_a_dropped_folder_is_sent_seen_and_added(
    small_host: tuple[HostClient, list[bytes]], home: Inventory, tmp_path: Path
) -> None:
    client, came = small_host
    folder = tmp_path / "mails"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a.csv").write_text("text,label\nhello,greeting\n")
    (folder / "b.exe").write_bytes(b"MZ")
    (folder / ".hidden.txt").write_text("secret")
    (folder / "link.txt").symlink_to("/etc/passwd")
    store = Store(AppState(inventory=home))
    upkeep = UpkeepCommands(store, Memory(tmp_path / "config"), lambda: client)
    try:
        assert dropped.takes(str(folder))
        upkeep.drop(str(folder))
        assert store.state.screen is Screen.IMPORTS
        await wait_for(lambda: store.state.upkeep.dropped and store.state.upkeep.dropped.stage is DropStage.SEEN)
        assert b"in/a.csv" in came[0]
        assert not any(name in came[0] for name in (b"b.exe", b"hidden", b"passwd", b"link"))
        upkeep.add_dropped("", kind="rows", task="router")
        assert store.state.upkeep.dropped is not None and "name" in store.state.upkeep.dropped.said
        upkeep.add_dropped("mails", kind="rows", task="router")
        await wait_for(lambda: store.state.upkeep.dropped and store.state.upkeep.dropped.stage is DropStage.DONE)
        assert "3 new examples" in store.state.upkeep.dropped.said
    finally:
        await upkeep.close()


async def test_what_cannot_be_imported_says_so_and_sends_nothing(
    small_host: tuple[HostClient, list[bytes]], home: Inventory, tmp_path: Path
) -> None:
    client, came = small_host
    huge, empty, nothing = tmp_path / "huge.csv", tmp_path / "empty.txt", tmp_path / "folder"
    with huge.open("wb") as file:
        file.truncate(2**30)  # sparse: a gigabyte that takes no room
    empty.touch()
    nothing.mkdir()
    (tmp_path / "bad.csv").write_text("x")
    store = Store(AppState(inventory=home))
    for path, says, get in (
        (huge, "128 MB", lambda: client),
        (empty, "is empty", lambda: client),
        (nothing, "has no .txt", lambda: client),
        (tmp_path / "gone.csv", "can't be read", lambda: client),
        (tmp_path / "bad.csv", "has no rows", lambda: client),
        (huge, "Pair with a host first", no_host),
    ):
        upkeep = UpkeepCommands(store, Memory(tmp_path / "config"), get)
        upkeep.drop(str(path))
        await wait_for(lambda: store.state.upkeep.dropped and store.state.upkeep.dropped.stage is DropStage.FAILED)
        assert store.state.upkeep.dropped is not None
        assert says in store.state.upkeep.dropped.said, path
        await upkeep.close()
    assert came == [b"x"]


# --- the app's own version ---


async def test_a_newer_version_is_found_fetched_and_verified_but_never_run(home: Inventory, tmp_path: Path) -> None:
    repository = made(tmp_path / "host", Clock())
    package = tmp_path / "enigma-companion-9.0.0.tar.gz"
    package.write_bytes(b"a package of the app" * 500)
    name = self_update.platform_name()
    config = tmp_path / "config"
    store = Store(AppState(inventory=home))
    upkeep = UpkeepCommands(store, Memory(config), no_host)

    async def told(says: str) -> None:
        await wait_for(lambda: not store.state.upkeep.version.busy)
        assert says in store.state.upkeep.version.said, store.state.upkeep.version

    try:
        upkeep.follow_updates("relative/folder", str(package))
        await told("can't be followed")
        upkeep.follow_updates(str(repository.public), str(package))
        await told("isn't the root metadata")
        root = next(repository.public.rglob("1.root.json"))
        upkeep.follow_updates(str(repository.public), str(root))
        await told("no version for this machine")
        publish_app(repository, package, platform=name, version="0.0.1")
        upkeep.look_for_update()
        await told("the newest version")
        with pytest.raises(TrainerError, match="must be newer"):
            publish_app(repository, package, platform=name, version="0.0.1")
        package.write_bytes(b"the newer package" * 500)
        publish_app(repository, package, platform=name, version="9.0.0")
        upkeep.look_for_update()
        await told("Version 9.0.0 is there")
        assert not (config / "updates" / "app").exists(), "looking fetches nothing"
        upkeep.fetch_update()
        await told("It is here")
        fetched = Path(store.state.upkeep.version.file)
        assert fetched.read_bytes() == package.read_bytes() and fetched.name == package.name
        assert stat.S_IMODE(fetched.stat().st_mode) == 0o600, "nothing is made executable"

        for stored in repository.public.rglob(f"*.companion-{name}"):
            stored.write_bytes(b"x" * stored.stat().st_size)
        fetched.unlink()
        upkeep.fetch_update()
        await wait_for(lambda: store.state.upkeep.version.failed)
        assert not list((config / "updates" / "app").glob("*")), "what wasn't signed isn't kept"
    finally:
        await upkeep.close()
    assert json.loads((config / "updates" / "source.json").read_text())["from"] == [str(repository.public)]
    assert target_of(name) == f"{self_update.ROLE}/companion-{name}"
