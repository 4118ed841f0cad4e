"""A daemon that follows a real repository over HTTP: a good release takes over, and whatever is wrong leaves the old one."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_runtime.cli import main
from edge_runtime.update.journal import Journal
from edge_runtime.update.source import updates_folder
from trainer_host.cli import main as host
from trainer_host.release import devices

from .. import tiny
from ..conftest import RunningDevice
from .following import NAME, Server, Site, faulty, serving, wrong_golden

PROBATION_SECONDS = 2.0
WAIT_SECONDS = 120.0
CONFIG = f"""\
[update]
poll_seconds = 3600
probation_seconds = {PROBATION_SECONDS}
probation_requests = 2
"""


class Followed:
    """A daemon, the repository that it follows, and the server between them."""

    def __init__(self, site: Site, server: Server, device: RunningDevice) -> None:
        self.site, self.server, self.device = site, server, device

    def owner(self, method: str, path: str, body: dict | None = None) -> dict:
        reply = self.device.request(method, path, body, {"Authorization": f"Bearer {self.device.token}"})
        assert reply.status == 200, reply.body
        return reply.json

    def check(self) -> dict:
        return self.owner("POST", "/v1/updates/check")

    def told(self) -> dict:
        return self.owner("GET", "/v1/updates")["specialists"].get(NAME, {})

    def until(self, reached: Callable[[dict], bool]) -> dict:
        """The specialist's report, once it is as wanted."""
        ends = time.monotonic() + WAIT_SECONDS
        while not reached(told := self.told()):
            assert time.monotonic() < ends, (told, self.device.log[-3000:])
            time.sleep(0.05)
        return told

    def comes_to(self, rollout: str, state: str) -> dict:
        return self.until(lambda told: (told.get("rollout"), told.get("state")) == (rollout, state))

    def answers_as(self, version: str) -> None:
        assert self.device.version() == version
        assert self.device.run("turn on the light").status == 200

    def take(self, version: str) -> None:
        """Bring a good version there, to its end."""
        rollout = self.site.want(self.site.publish(version))
        self.check()
        self.until(lambda told: told.get("state") == "probation" and told.get("rollout") == rollout)
        for _ in range(2):
            assert self.device.run("play some jazz").status == 200
        self.comes_to(rollout, "committed")
        self.answers_as(version)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """One daemon for these tests, in which each release has a higher version than those before it; it trusts no signer."""
    folder = tmp_path_factory.mktemp("followed")
    site, state = Site(folder / "home"), folder / "device"
    state.mkdir()
    (state / "config.toml").write_text(CONFIG)
    with serving(site.public) as server:
        device = RunningDevice(state)
        made = Followed(site, server, device)
        devices.remember(site.home, devices.Device("robo", device.url, device.token, "id"))
        devices.follow(devices.device_named(site.home, "robo"), site.root, [server.url], True)
        made.take("1.0.0")
        yield made
        assert device.process.poll() is not None or device.stop() == 0


@pytest.fixture(autouse=True)
def _honest_again(followed: Followed) -> Iterator[None]:
    yield
    followed.server.root, followed.server.cut = followed.site.public, None


def test_a_good_release_takes_over_and_its_way_is_written_down(followed: Followed) -> None:
    followed.take("2.0.0")
    told = followed.told()
    assert (told["version"], told["golden"], told["cause"]) == ("2.0.0", 1.0, "")
    assert told["p95_ms"] > 0 and told["memory_mb"] >= 0
    history = followed.owner("GET", "/v1/updates/journal")
    whats = [line["what"] for line in history["journal"] if line["specialist"] == NAME][:6]
    assert whats == ["passed", "switched", "trying", "staged", "fetched", "want"]
    assert history["head"] == history["journal"][0]["hash"]
    metrics = followed.device.get("/metrics").body.decode()
    assert 'enigma_updates_total{result="committed"} 2' in metrics
    asked = len(followed.server.asked)
    followed.check()
    # A look that brings nothing new asks whether there is a newer root, for the timestamp, and for nothing else.
    assert [path.rpartition("/")[2] for path in followed.server.asked[asked:]] == ["2.root.json", "timestamp.json"]


def test_what_was_tampered_with_is_told_and_the_old_version_answers(followed: Followed, tmp_path: Path) -> None:
    before = followed.device.version()
    old = followed.site.copy(tmp_path / "old")
    target = followed.site.publish("3.0.0")
    followed.site.want(target)

    def offered(root: Path) -> str:
        followed.server.root = root
        return followed.check()["cause"]

    bad = followed.site.copy(tmp_path / "signature")
    path = bad / "metadata" / "timestamp.json"
    raw = json.loads(path.read_bytes())
    raw["signed"]["version"] += 1
    path.write_text(json.dumps(raw))
    assert "signatures that it needs" in offered(bad)

    mixed = followed.site.copy(tmp_path / "mixed") / "metadata"
    last = max(int(path.name.partition(".")[0]) for path in mixed.glob("*.models%2Frouter.json"))
    for name in ("models%2Frouter.json", "models/router.json"):  # the new name, with what was signed before
        (mixed / f"{last}.{name}").write_bytes((mixed / f"{last - 1}.{name}").read_bytes())
    assert offered(mixed.parent) == ""
    assert "signed" in followed.told()["cause"]

    swapped = followed.site.copy(tmp_path / "swapped")
    [file] = swapped.glob("targets/models/router/*.tiny-3.0.0.enigma")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    for delta in swapped.glob("targets/models/router/*tiny-3.0.0.enigma.*"):
        delta.unlink()
    assert offered(swapped) == ""
    told = followed.until(lambda told: told["state"] == "rolled_back")
    assert "signed" in told["cause"]

    assert "was seen before" in offered(old)  # a rollback to what was there
    followed.answers_as(str(before))


def test_half_a_download_changes_nothing_and_a_newer_release_does_not_wait_for_it(followed: Followed) -> None:
    before = str(followed.device.version())
    followed.server.cut = 500
    rollout = followed.site.want(followed.site.publish("4.0.0"))
    followed.check()
    followed.comes_to(rollout, "fetching")
    followed.answers_as(before)
    newer = followed.site.publish("4.1.0")
    followed.server.cut = None
    rollout = followed.site.want(newer)
    followed.check()
    assert followed.comes_to(rollout, "committed")["rollout"] == rollout
    followed.answers_as("4.1.0")


def test_a_model_that_fails_its_golden_vectors_never_serves(followed: Followed) -> None:
    before = str(followed.device.version())
    rollout = followed.site.want(followed.site.publish("5.0.0", wrong_golden("5.0.0")))
    followed.check()
    told = followed.comes_to(rollout, "rolled_back")
    assert "Golden vector 1 of 6" in told["cause"]
    followed.answers_as(before)
    asked = len(followed.server.asked)
    followed.check()  # and it isn't tried again
    assert followed.told()["state"] == "rolled_back"
    assert not [path for path in followed.server.asked[asked:] if "targets" in path]


@pytest.mark.skipif(tiny.RUNTIME != "onnxruntime", reason="the model is made to fail in onnxruntime")
def test_a_model_that_faults_on_probation_goes_back_within_one_window(followed: Followed) -> None:
    before = str(followed.device.version())
    rollout = followed.site.want(followed.site.publish("6.0.0", faulty("6.0.0")))
    followed.check()
    followed.comes_to(rollout, "probation")
    assert followed.device.version() == "6.0.0"
    assert followed.device.run("turn on the light").status == 500
    told = followed.comes_to(rollout, "rolled_back")
    followed.until(lambda told: told["version"] == before)
    assert "A live request failed" in told["cause"]  # the window's end would have let it stay
    followed.answers_as(before)
    assert 'enigma_updates_total{result="rolled_back"}' in followed.device.get("/metrics").body.decode()


def test_it_waits_for_its_condition_and_a_newer_one_takes_its_place(followed: Followed) -> None:
    before = str(followed.device.version())
    rollout = followed.site.want(followed.site.publish("8.0.0"), when=("docked",))
    followed.check()
    told = followed.until(lambda told: told["rollout"] == rollout and told["state"] == "staged" and told["cause"] != "")
    assert "docked" in told["cause"]
    followed.answers_as(before)
    followed.take("8.1.0")


def test_pushes_are_refused_where_the_repository_alone_counts(
    followed: Followed, bundles: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENIGMA_HOME", str(followed.site.home.home))
    assert host(["devices", "follow", "robo", "--updates", followed.server.url, "--no-direct-push"]) == 0
    assert "takes bundles from there alone" in capsys.readouterr().out
    before = str(followed.device.version())
    pushed = followed.device.push(bundles["v3"])
    assert pushed.status == 403 and "enigma release publish" in pushed.message
    followed.answers_as(before)
    for path in (f"/v1/rollback/{NAME}", f"/v1/remove/{NAME}", f"/v1/switch/{NAME}"):
        token = followed.owner("POST", "/v1/tokens", {"name": "a stolen host", "scope": "releaser"})["token"]
        refused = followed.device.request("POST", path, {"bundle": "x"}, {"Authorization": f"Bearer {token}"})
        assert refused.status == 403 and "only its owner may choose" in refused.message
    followed.answers_as(before)
    written = followed.owner("GET", "/v1/updates/journal?most=1")["journal"][0]
    assert written["what"] == "refused" and "enigma release publish" in written["cause"]
    assert main(["install", str(bundles["v3"]), "--state", str(followed.device.state)]) == 1
    assert "enigma release publish" in capsys.readouterr().err
    root = base64.b64encode(followed.site.root.read_bytes()).decode()
    source = {"root": root, "urls": [followed.server.url]}
    followed.owner("PUT", "/v1/updates/source", source)
    wrong = followed.device.request(
        "PUT", "/v1/updates/source", {**source, "root": "e30="}, {"Authorization": f"Bearer {followed.device.token}"}
    )
    assert wrong.status == 400 and "isn't the root metadata" in wrong.message
    assert followed.owner("GET", "/v1/updates")["source"]["from"] == [followed.server.url]


def test_a_restart_goes_on_where_it_was_and_the_commands_tell_of_it(
    followed: Followed, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> str:
        assert main(["updates", *arguments, "--state", str(state)]) == 0
        return capsys.readouterr().out

    state, device = followed.device.state, followed.device
    rollout = followed.site.want(followed.site.publish("8.2.0"))
    followed.check()
    followed.comes_to(rollout, "probation")
    device.kill()
    assert Journal(updates_folder(state)).units[NAME].state.value in ("probation", "committed")
    assert "tiny 8.2.0" in told("status")
    followed.device = RunningDevice(state)
    followed.comes_to(rollout, "committed")  # by its time alone: nobody asks
    followed.answers_as("8.2.0")
    assert f"follows {followed.server.url}" in told("check")
    history = told("history", "--most", "3")
    assert "passed" in history and "8.2.0" in history
    assert "follows nothing any more" in told("forget")
    assert followed.owner("GET", "/v1/updates")["source"] is None
    followed.answers_as("8.2.0")
    assert followed.device.stop() == 0
