"""Updates that a phone signs, in the window: a real host's API and repository, touches, keys, and what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.services.remember import Memory, RememberedHost, RememberError
from companion_app.services.signing_commands import CHANGED, GONE
from companion_app.services.signing_key import keep_signed, make_seed, read_seed, signed_before
from companion_app.state import host_actions as hact
from companion_app.state import signing_actions as sact
from companion_app.state.host import Host
from companion_app.state.model import AppState, Screen
from companion_app.state.reduce import reduce
from companion_app.state.signing import Ask, Bundle
from companion_app.state.signing_words import grouped, other_changes, signed_line, title_of
from edge_runtime.update.cosign import signer

from . import window
from .fake_host import TOKEN, FakeHost
from .hosts import served

if TYPE_CHECKING:
    from companion_app.app import Options
    from trainer_host.release.repository import Repository

PHONE, SMALLEST, DESKTOP = (360, 640), (320, 568), (1100, 700)
RIGHT, LEFT = 275, 276
PATIENCE = 60.0  # of a machine that does other work meanwhile


async def slid(driver: window.Driver, slide: object, share: float = 1.0) -> None:
    """Draw the thumb so far, and let go."""
    from kivy.tests.common import UnitTestTouch

    await driver.reach(slide)
    x, y = slide.to_window(slide.x + slide.height / 2, slide.center_y)
    finger = UnitTestTouch(x, y)
    finger.touch_down()
    await driver.settle()
    await driver.until(lambda: slide.dragged, "the thumb", PATIENCE)
    finger.touch_move(x + slide.travel * share, y)
    await driver.settle()
    finger.touch_up()
    await driver.settle()


async def card_of(driver: window.Driver, title: str) -> object:
    """The card of an update, once it is there."""
    if driver.app.store.state.screen is not Screen.SIGN:
        driver.app.open(Screen.SIGN)
    await driver.until(lambda: driver.find_all("AskCard", title=title), f"the card '{title}'", PATIENCE)
    return driver.find("AskCard", title=title)


# --- a real host ---


@pytest.fixture
async def asking(tmp_path: Path, options: Options) -> AsyncIterator[tuple]:
    """A repository whose models need this machine's key, a function that publishes a version, and `enigma serve`'s pairing."""
    pytest.importorskip("nacl", reason="a host needs PyNaCl")
    from edge_runtime.bundle import public_key_of
    from tests.trainer_host.release.updates import Clock, give, made
    from trainer_host.release.trust import Plan

    home = tmp_path / "enigma"
    repository = made(home, Clock(), Plan(cosigners=(public_key_of(make_seed(Memory(options.config))),)))
    async with served(home) as pairing:
        yield repository, lambda version: give(repository, tmp_path, version), pairing


async def test_an_update_is_looked_at_compared_and_signed_by_a_slide(
    options: Options, asking: tuple[Repository, Callable, tuple[str, str]]
) -> None:
    repository, give, pairing = asking
    async with window.opened(options, PHONE) as driver:
        driver.app.hosting.pair(*pairing)
        for title, role in (("Whose keys count", "root"), ("Who may publish models", "targets")):
            card = await card_of(driver, title)
            assert "127.0.0.1 asks for it" in card.asks and "never signed this role before" in card.first
            await slid(driver, card.ids.slide)
            await driver.until(
                lambda role=role: role not in [ask.role for ask in driver.app.store.state.signing.asks], role, PATIENCE
            )
            assert driver.find("SignScreen").done.startswith(f"Signed: {title}")
        name = give("1.0.0")[0]
        await driver.touch(driver.find("Act", text="Look again"))
        card = await card_of(driver, "easy 1.0.0")
        sha256 = repository.files.pending(repository.state())["models/router"].content.targets[name].hashes["sha256"]
        part = driver.find("BundlePart")
        assert part.sha256.replace(" ", "").replace("\n", "") == sha256 and part.sha256.startswith(f"{sha256[:4]}  ")
        facts = {fact.name: fact.value for fact in driver.find_all("Fact")}
        assert facts["Task"] == "router" and facts["Signatures"] == "1 of 2" and facts["Role"] == "models/router"
        assert "Which devices get it" in card.covers
        await slid(driver, card.ids.slide, 0.8)
        assert card.ids.slide.value == 0 and not driver.app.store.state.signing.busy, "let go too early"
        await slid(driver, card.ids.slide)
        await driver.until(lambda: driver.find("SignScreen").done.startswith("Signed: easy 1.0.0"), "it", PATIENCE)
        assert "It is in force." in driver.find("SignScreen").done
        assert name in repository.targets()
    kept = options.config / "signed.json"
    assert kept.stat().st_mode & 0o777 == (options.config / "signing.json").stat().st_mode & 0o777 == 0o600


async def test_the_arrow_keys_sign_and_what_changed_meanwhile_is_not_signed(
    options: Options, asking: tuple[Repository, Callable, tuple[str, str]]
) -> None:
    repository, give, pairing = asking
    async with window.opened(options, DESKTOP) as driver:
        driver.app.hosting.pair(*pairing)
        for title in ("Whose keys count", "Who may publish models"):
            slide = (await card_of(driver, title)).ids.slide
            slide.focus = True
            for _ in range(4):
                await driver.press(RIGHT)
            assert slide.value == pytest.approx(0.8)
            await driver.press(LEFT)
            slide.focus = False
            assert slide.value == 0, "who looks elsewhere hasn't agreed"
            slide.focus = True
            for _ in range(5):
                await driver.press(RIGHT)
            await driver.until(lambda title=title: not driver.find_all("AskCard", title=title), title, PATIENCE)
        give("1.0.0")
        await driver.touch(driver.find("Act", text="Look again"))
        card = await card_of(driver, "easy 1.0.0")
        give("1.1.0")  # the same version of the role, another content
        await slid(driver, card.ids.slide)
        card = await card_of(driver, "2 models")
        await driver.until(lambda: card.refused == CHANGED, "the refusal", PATIENCE)
        assert not repository.targets(), "nothing was signed that nobody saw"
        await slid(driver, card.ids.slide)
        await driver.until(lambda: len(repository.targets()) == 2, "both", PATIENCE)


# --- what is refused ---


@pytest.fixture
async def host() -> AsyncIterator[FakeHost]:
    async with FakeHost() as made:
        yield made


def waiting(seed: bytes, version: int = 3, days: float = 30.0, **custom: object) -> dict[str, object]:
    """What a host sends that wants a signature of one bundle."""
    from edge_runtime.update.tuf.metadata import TargetFile, Targets, sign, to_bytes

    facts = {"kind": "bundle", "specialist": "home-en", "task": "robot", "version": f"1.{version}.0", **custom}
    name = f"models/robot/home-en-1.{version}.0.enigma"
    target = TargetFile(name, 1_234_567, {"sha256": "3f1c9a" + "0" * 58}, facts)
    expires = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    raw = to_bytes(sign(Targets(version, expires, {name: target}, {}, (), {}), [bytes([7]) * 32]))
    return {
        "role": "models/robot", "version": version, "have": 1, "need": 2, "lacking": [signer(seed)[1]],
        "changes": ["Adds something harmless."], "metadata": base64.b64encode(raw).decode(),
        "scores": {name: {"onnxruntime 1.32.0": 0.981}},
    }  # fmt: skip


@pytest.fixture
def paired(options: Options, host: FakeHost) -> Memory:
    """As it is on the disk of someone who has paired before."""
    memory = Memory(options.config)
    memory.keep_host(RememberedHost(host.url, "studio", TOKEN))
    return memory


async def test_a_machine_without_a_key_makes_one_and_says_what_the_host_has_to_do(
    options: Options, paired: Memory, host: FakeHost
) -> None:
    host.signatures.waiting.append(waiting(bytes(32)))
    async with window.opened(options, PHONE) as driver:
        card = await card_of(driver, "home-en 1.3.0")
        assert not driver.find_all("Slide"), "nothing can be signed yet"
        await driver.touch(driver.find("Act", text="Make the key"))
        await driver.until(lambda: card.obstacle, "that the key isn't the host's", PATIENCE)
        assert "doesn't wait for this machine's key" in card.obstacle and not driver.find_all("Slide")
        public, keyid = signer(read_seed(paired) or b"")
        shown = [one.text for one in driver.find_all("Mono")]
        assert f"enigma release init --cosigner {public} --root-key PAPER" in shown
        assert f"enigma release rotate cosigner --old OLD --new {public}" in shown
        seed = (read_seed(paired) or b"").hex()
        assert driver.anywhere(public) and not driver.anywhere(seed), "the key is in its file alone"
        host.signatures.waiting[0]["lacking"] = [keyid]
        driver.app.signing.look()
        await driver.until(lambda: driver.find_all("Slide"), "the slide", PATIENCE)
        await slid(driver, driver.find("Slide"))
        await driver.until(lambda: driver.find("SignScreen").done, "the signature", PATIENCE)
        assert seed not in json.dumps(host.asked)
        assert host.sent("POST", "/v1/signatures")[0]["keyid"] == keyid
        driver.app.signing.make_key()
        assert signer(read_seed(paired) or b"")[0] == public, "a key that is there isn't replaced"


async def test_what_is_expired_older_or_no_metadata_is_refused_with_the_reason(
    options: Options, paired: Memory, host: FakeHost
) -> None:
    seed = make_seed(paired)
    keep_signed(paired, host.url, "models/robot", base64.b64decode(str(waiting(seed, 3)["metadata"])))
    async with window.opened(options, PHONE) as driver:
        driver.app.open(Screen.SIGN)
        for item, words in (
            (waiting(seed, 4, days=-1), "counted until"),
            (waiting(seed, 2), "version 3 was signed here before"),
            (waiting(seed, 3, specialist="evil"), "version 3 was signed here before"),
            ({**waiting(seed, 4), "metadata": "bm9uZQ=="}, "metadata"),
            ({**waiting(seed, 4), "metadata": "?"}, "metadata"),
            ({**waiting(seed, 4), "role": "targets"}, "only another role may say"),
            ({**waiting(seed, 4), "role": "models/chat"}, "only another role may say"),
            ({**waiting(seed, 4), "lacking": None}, "doesn't wait for this machine's key"),
        ):
            host.signatures.waiting[:] = [item]
            driver.app.signing.look()
            await driver.until(
                lambda words=words: any(words in card.obstacle for card in driver.find_all("AskCard")), words, PATIENCE
            )
            assert not driver.find_all("Slide")
        host.signatures.waiting[:] = [waiting(seed, 4)]
        driver.app.signing.look()
        await driver.until(lambda: driver.find_all("Slide"), "the slide", PATIENCE)
        card = driver.find("AskCard")
        facts = {fact.name: fact.value for fact in driver.find_all("Fact")}
        assert (facts["Size"], facts["Its version"], card.first) == ("1.2 MB", "4", "")
        assert driver.find("BundlePart").scores.endswith("98.1 % right in onnxruntime 1.32.0.")
        host.signatures.waiting.clear()
        await slid(driver, card.ids.slide)
        await driver.until(lambda: driver.find("SignScreen").refused == GONE, "the refusal", PATIENCE)
        assert host.sent("POST", "/v1/signatures") == []


async def test_a_host_that_vanishes_while_it_is_signed_may_be_asked_again(
    options: Options, paired: Memory, host: FakeHost
) -> None:
    seed = make_seed(paired)
    host.signatures.waiting.append(waiting(seed))
    host.signatures.deaf = True
    async with window.opened(options, PHONE) as driver:
        card = await card_of(driver, "home-en 1.3.0")
        await slid(driver, card.ids.slide)
        await driver.until(lambda: "try again" in card.refused, "the refusal", PATIENCE)
        assert signed_before(paired, host.url), "it may have arrived, so nothing else of this version is signed"
        host.signatures.deaf = False
        await slid(driver, card.ids.slide)
        await driver.until(lambda: driver.find("SignScreen").done, "the signature", PATIENCE)
        assert host.signatures.waiting == []


async def test_nothing_is_clipped(options: Options, paired: Memory, host: FakeHost) -> None:
    seed = make_seed(paired)
    long = waiting(seed, specialist="a-specialist-whose-name-is-as-long-as-a-name-may-be-on-a-small-screen")
    host.signatures.waiting += [{**long, "have": 12, "need": 13}, {**waiting(seed, 1), "role": "models/router"}]
    host.signatures.waiting[1]["metadata"] = "?"
    async with window.opened(options, SMALLEST) as driver:
        driver.app.open(Screen.SIGN)
        await driver.until(lambda: len(driver.find_all("AskCard")) == 2, "the cards", PATIENCE)
        for size in (SMALLEST, DESKTOP):
            await driver.resize(*size)
            assert driver.clipped() == [], size
            assert all(one.height >= 44 for one in (*driver.find_all("Slide"), *driver.find_all("Act"))), size


# --- state and files ---


def test_what_a_signature_does_is_told_in_words(app_state: AppState) -> None:
    one = Bundle("home-en", "1.4.0", "robot", 980_000, "3f1c" * 16)
    ask = Ask("models/robot", 4, None, ("Adds home-en 1.4.0 (robot, 0.98 MB).", "Takes old out."), (one,), 1, 2)
    assert title_of(ask) == "home-en 1.4.0" and other_changes(ask) == ("Takes old out.",)
    assert title_of(Ask("models/robot", 1)) == "Models of the task robot"
    assert signed_line(ask) == "Signed: home-en 1.4.0 (version 4). It is in force."
    assert "still needs 1 more" in signed_line(Ask("root", 1, have=0, need=2))
    assert grouped("0123456789abcdef" * 4).split("\n") == ["0123  4567  89ab  cdef"] * 4
    state = reduce(app_state, sact.KeyFound("ab"))
    state = reduce(reduce(state, sact.SignaturesTold((ask,))), sact.SigningRefused("root", "No."))
    assert state.signing.refused == ("root", "No.") and state.signing.asks == (ask,)
    other = reduce(state, hact.HostPaired(Host("http://127.0.0.1:1", "other"))).signing
    assert (other.public, other.asks, other.refused) == ("ab", (), None)


@pytest.mark.parametrize("content", ["{", "[]", '{"seed": "ab"}', '{"seed": 7}'])
def test_a_damaged_key_is_kept_aside_and_said(tmp_path: Path, content: str) -> None:
    memory = Memory(tmp_path)
    assert read_seed(memory) is None
    (tmp_path / "signing.json").write_text(content)
    with pytest.raises(RememberError, match=r"signing\.damaged; make a new key"):
        read_seed(memory)
    assert (tmp_path / "signing.damaged").read_text() == content


@pytest.mark.parametrize("content", ['{"h": 7}', '{"h": {"root": 1}}', '{"h": {"root": "?"}}'])
def test_a_damaged_memory_of_what_was_signed_is_said(tmp_path: Path, content: str) -> None:
    memory = Memory(tmp_path)
    keep_signed(memory, "h", "root", b"one")
    keep_signed(memory, "h", "targets", b"two")
    keep_signed(memory, "g", "root", b"three")
    assert signed_before(memory, "h") == {"root": b"one", "targets": b"two"}
    (tmp_path / "signed.json").write_text(content)
    with pytest.raises(RememberError, match="look at each update as at the first"):
        signed_before(memory, "h")
