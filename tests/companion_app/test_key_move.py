"""Row S023: all keys to another computer as one sealed file, by touches and typing, between two real hosts."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion_app.services.key_files import (
    MAX_BYTES,
    KeyFileError,
    new_key_file,
    read_key_file,
    write_key_file,
)
from companion_app.services.remember import Memory, RememberedHost
from companion_app.state import host_actions as hact
from companion_app.state.checks import move_problems
from companion_app.state.host import KeyMove, KeyWay
from companion_app.state.model import AppState, Screen
from companion_app.state.reduce import reduce
from companion_app.state.teaching import exported_line, imported_line, skipped_line

from . import window
from .fake_host import TOKEN, FakeHost

if TYPE_CHECKING:
    from companion_app.app import Options

PHONE, ENTER, ESCAPE = (360, 640), 13, 27
KEY, SPARE = "sk-proj-Zq9-first-0123456789abcdef", "sk-proj-Zq9-spare-9876543210fedcba"
THIRD = "sk-proj-Zq9-third-5555555555aaaa"
PASSPHRASE, WRONG = "correct horse Zq9 battery", "wrong horse Zq9 battery"
PATIENCE = 120.0  # sealing takes a second on purpose, and more on a busy machine
SEALED = b"age-encryption.org/v1\n-> scrypt"


# --- the whole way ---


async def test_keys_go_from_one_host_to_a_fresh_one_and_nothing_shows_them(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("nacl", "pyrage", "keyring"):
        pytest.importorskip(package, reason=f"a host and its files of keys need {package}")
    from tests.trainer_host.server.conftest import nothing_of_this_person, serving
    from tests.trainer_host.teacher.vault_traces import traces
    from trainer_host.keys import store_api_key, vault_of
    from trainer_host.workspace import Workspace

    nothing_of_this_person.__wrapped__(monkeypatch)  # the fixture's own function
    first, second = Workspace(tmp_path / "first"), Workspace(tmp_path / "second")
    store_api_key("openai", KEY, "work", home=first.home)
    store_api_key("openai", SPARE, "spare", home=first.home)
    file = tmp_path / "keys.age"
    async with serving(first) as here, serving(second) as there:
        Memory(options.config).keep_host(RememberedHost(here.url, "here", here.token or ""))
        async with window.opened(options, PHONE) as driver:
            card = await opened_card(driver, "Export to a file")
            await driver.touch(card.go)
            assert "where to write" in card.path.problem and "at least 8" in card.passphrase.problem
            await driver.write(card.path.entry, str(file))
            await driver.write(card.passphrase.entry, PASSPHRASE)
            await driver.write(card.again.entry, PASSPHRASE + "x")
            await driver.touch(card.go)
            assert "differ" in card.again.problem and not file.exists()
            assert driver.anywhere(PASSPHRASE), "what is typed is in its field, or this test could not fail"
            await driver.write(card.again.entry, PASSPHRASE)
            await driver.press(ENTER)
            await driver.until(lambda: move_of(driver).done or move_of(driver).refused, "the file", PATIENCE)
            assert move_of(driver).done == exported_line(2, 0, str(file))
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert driver.anywhere("Zq9") == []

        Memory(options.config).keep_host(RememberedHost(there.url, "there", there.token or ""))
        store_api_key("openai", THIRD, "spare", home=second.home)
        async with window.opened(options, PHONE) as driver:
            await online(driver)
            await driver.drop(file)
            assert driver.app.store.state.screen is Screen.KEYS
            card = driver.find("MoveCard").ids
            assert card.path.text == str(file)
            before = vault_of(second).read()
            await driver.write(card.passphrase.entry, WRONG)
            await driver.press(ENTER)
            await driver.until(lambda: move_of(driver).refused, "the refusal", PATIENCE)
            refused = driver.find("MoveCard").refused
            assert "passphrase is wrong" in refused and refused.count(".") == 1
            assert vault_of(second).read() == before

            await driver.write(card.passphrase.entry, PASSPHRASE)
            await driver.touch(card.go)
            await driver.until(lambda: move_of(driver).done, "the keys", PATIENCE)
            shown = driver.find("MoveCard")
            assert shown.done == "Added openai/work." and "openai/spare" in shown.skipped
            assert {key.name: key.secret.reveal() for key in vault_of(second).read().keys} == {
                "spare": THIRD, "work": KEY,
            }  # fmt: skip
            await driver.until(lambda: driver.find_all("StoredRow", title="openai: work"), "the list", PATIENCE)

            await driver.touch(card.replace)
            await driver.write(card.passphrase.entry, PASSPHRASE)
            await driver.press(ENTER)
            await driver.until(lambda: "Replaced" in (move_of(driver).done or ""), "the other key", PATIENCE)
            assert {(key.name, key.secret.reveal()) for key in vault_of(second).read().keys} == {
                (key.name, key.secret.reveal()) for key in vault_of(first).read().keys
            }
            assert card.path.text == "" and not card.replace.on
            assert driver.anywhere("Zq9") == []
    assert traces(tmp_path, KEY, SPARE, THIRD, PASSPHRASE, WRONG) == []


async def opened_card(driver: window.Driver, way: str) -> object:
    """The card's widgets, with the form for that way open."""
    await online(driver)
    driver.app.open(Screen.KEYS)
    await driver.settle()
    await driver.touch(driver.find("Choice", text=way))
    return driver.find("MoveCard").ids


async def online(driver: window.Driver) -> None:
    await driver.until(lambda: driver.app.store.state.host.offer.tasks, "the host", PATIENCE)


def move_of(driver: window.Driver) -> KeyMove:
    found: KeyMove = driver.app.store.state.key_move
    return found


# --- the card ---


@pytest.fixture
async def host(options: Options) -> AsyncIterator[FakeHost]:
    """A host that runs, and that the app is paired with."""
    async with FakeHost() as made:
        Memory(options.config).keep_host(RememberedHost(made.url, "studio", TOKEN))
        yield made


async def test_the_card_fits_a_small_phone_and_forgets_what_was_not_sent(options: Options, host: FakeHost) -> None:
    async with window.opened(options, (320, 568)) as driver:
        for way in ("Export to a file", "Import from a file"):
            card = await opened_card(driver, way)
            assert bool(card.again.parent) is (way == "Export to a file")
            assert bool(card.replace.parent) is (way == "Import from a file")
            driver.app.store.dispatch(
                hact.KeyMoveQuestioned((("path", "A problem of this field."), ("passphrase", "x " * 60)))
            )
            await driver.settle()
            assert driver.clipped() == []
            assert all(min(widget.size) >= 36 for widget in driver.find_all("Pressable"))
        await driver.write(card.passphrase.entry, PASSPHRASE)
        await driver.touch(driver.find("NavItem", text="Devices"))
        assert driver.anywhere(PASSPHRASE) == []
        card = await opened_card(driver, "Import from a file")  # a second touch closes it
        assert card.form.parent is None
        host.faults["/v1/keys/import"] = (422, f"A sentence with {PASSPHRASE} in it.")
        await driver.drop(options.config / "nothing.age")
        await driver.write(card.passphrase.entry, PASSPHRASE)
        await driver.press(ENTER)
        await driver.until(lambda: move_of(driver).refused, "the refusal")
        assert "no such file" in driver.find("MoveCard").refused
        assert host.sent("POST", "/v1/keys/import") == []
        (options.config / "some.age").write_bytes(SEALED)
        await driver.write(card.path.entry, str(options.config / "some.age"))
        await driver.touch(card.go)
        await driver.until(lambda: "sentence" in (move_of(driver).refused or ""), "the host's refusal")
        assert PASSPHRASE not in driver.find("MoveCard").refused


# --- files ---


def test_a_file_is_new_for_its_owner_alone_and_never_over_another(tmp_path: Path) -> None:
    made = new_key_file(str(tmp_path))
    assert made == tmp_path / "enigma-keys.age"
    write_key_file(made, SEALED)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    for take in (lambda: new_key_file(str(tmp_path)), lambda: write_key_file(made, SEALED)):
        with pytest.raises(KeyFileError, match="already; choose another name"):
            take()
    assert made.read_bytes() == SEALED
    with pytest.raises(KeyFileError, match="no folder"):
        new_key_file(str(tmp_path / "none" / "keys.age"))
    with pytest.raises(KeyFileError, match="no home folder"):
        new_key_file("~nobody-has-this-name/keys.age")
    with pytest.raises(KeyFileError, match="not send a sealed file"):
        write_key_file(tmp_path / "plain", KEY.encode())
    assert not (tmp_path / "plain").exists()


def test_only_a_file_of_keys_leaves_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for content, word in (
        (b"", "not a file of keys"),
        (b"my diary", "not a file"),
        (b"x" * (MAX_BYTES + 1), "too large"),
    ):
        file.write_bytes(content)
        with pytest.raises(KeyFileError, match=word):
            read_key_file(str(file))
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(KeyFileError, match="Cannot read"):
            read_key_file(str(path))
    file.write_bytes(b"-----BEGIN AGE ENCRYPTED FILE-----\nabc\n")
    assert read_key_file(str(file)).startswith("-----BEGIN")
    file.write_bytes(SEALED + b"\xff")
    assert read_key_file(str(file)) == "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdP8="


# --- state ---


def test_a_form_says_what_is_wrong_and_the_state_never_holds_a_passphrase(app_state: AppState) -> None:
    def run(*actions: hact.HostAction) -> KeyMove:
        state = app_state
        for action in actions:
            state = reduce(state, action)
        return state.key_move

    opened = hact.KeyMovePicked(KeyWay.IMPORT, "/a.age")
    assert run(opened) == KeyMove(KeyWay.IMPORT, "/a.age")
    assert run(opened, hact.KeysMoving(), hact.KeyMovePicked(KeyWay.EXPORT)) == KeyMove(KeyWay.IMPORT, busy=True)
    assert run(opened, hact.KeyMoveRefused("No.")).refused == "No."
    assert run(opened, hact.KeysMoved("Done.", ("a/b",))).skipped == ("a/b",)
    assert run(opened, hact.HostForgotten()) == KeyMove()
    assert [field for field, _ in move_problems(KeyWay.EXPORT, " ", "short", "other")] == [
        "path",
        "passphrase",
        "again",
    ]
    assert [field for field, _ in move_problems(KeyWay.IMPORT, "", "")] == ["path", "passphrase"]
    assert move_problems(KeyWay.EXPORT, "/a", PASSPHRASE, PASSPHRASE) == ()
    assert move_problems(KeyWay.IMPORT, "/a", "short") == (), "an old one is only ever tried"


@given(st.text(min_size=12, max_size=40), st.text(max_size=40))
def test_no_sentence_about_a_passphrase_holds_it(passphrase: str, again: str) -> None:
    assert all(passphrase not in sentence for _, sentence in move_problems(KeyWay.EXPORT, "", passphrase, again))


def test_what_moved_is_told_in_words() -> None:
    assert exported_line(1, 2, "/a.age").startswith("In the file /a.age: 1 key and 2 providers of your own.")
    assert imported_line((), (), ()) == "Nothing was added."
    assert imported_line(("a/b",), ("c/d",), ("e",)) == "Added a/b. Replaced c/d. Already on the host: e."
    assert skipped_line(()) == "" and "Tick the box" in skipped_line(("a/b",))
    assert skipped_line(tuple(str(number) for number in range(20))).count(",") == 1 + 7
