"""Fixtures of the device's tests: signed bundles and real daemons in processes of their own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.engines import available_runtimes
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.trust import TrustStore

from . import tiny

ROOT = Path(__file__).resolve().parents[2]
# A busy machine may take so long; a daemon that ended is told at once.
START_SECONDS = END_SECONDS = 120.0
# A process more for each push; that it is tried in one first, update/test_trial.py and test_agent.py show.
UNTRIED = "[update]\ntrial = false\n"


def edge_environment(**extra: str) -> dict[str, str]:
    """The environment in which a test starts `enigma-edge`."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **extra}


def edge(*arguments: str | Path, timeout: float = END_SECONDS, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run one `enigma-edge` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "edge_runtime.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=edge_environment(**extra),
        timeout=timeout,
        check=False,
    )


@dataclass
class Reply:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return self.json["error"]["message"]


class RunningDevice:
    """A daemon in its own process; `stop` ends it as systemd would, `kill` as a power cut would."""

    def __init__(self, state: Path, listen: str = "127.0.0.1:0", **extra: str) -> None:
        self.state = state
        port_file = state.parent / f"{state.name}.port"
        port_file.unlink(missing_ok=True)
        self.log_path = state.parent / f"{state.name}.log"
        command = [sys.executable, "-m", "edge_runtime.cli", "run", "--state", str(state)]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--listen", listen, "--port-file", str(port_file)],
                stderr=log,
                env=edge_environment(**extra),
            )
        ends = time.monotonic() + START_SECONDS
        while not port_file.exists():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < ends, self.log
            time.sleep(0.01)
        self.port = int(port_file.read_text())
        self.encrypts = json.loads((state / "daemon.json").read_text())["certificate"] != ""
        while self.get("/readyz").body.find(b"starting") >= 0:
            assert time.monotonic() < ends, self.log
            time.sleep(0.01)

    @property
    def url(self) -> str:
        return f"{'https' if self.encrypts else 'http'}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def token(self) -> str:
        """The token of the state folder's owner."""
        return json.loads((self.state / "daemon.json").read_text())["token"]

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        host: str = "127.0.0.1",
    ) -> Reply:
        """One request on a fresh connection; a dict goes as JSON."""
        sent = dict(headers or {})
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(host, self.port, timeout=END_SECONDS)
        if self.encrypts:
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(host, self.port, timeout=END_SECONDS, context=context)
        try:
            connection.request(method, path, body, sent)  # type: ignore[arg-type]
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers=headers)

    def run(self, text: str, name: str = "tiny") -> Reply:
        return self.request("POST", f"/v1/run/{name}", {"text": text})

    def push(self, bundle: bytes | Path, token: str | None = None) -> Reply:
        """Upload a bundle with a host's token, by default the owner's."""
        content = bundle if isinstance(bundle, bytes) else bundle.read_bytes()
        headers = {
            "Authorization": f"Bearer {token or self.token}",
            "Content-Type": "application/octet-stream",
        }
        return self.request("POST", "/v1/bundles", content, headers)

    def version(self, name: str = "tiny") -> str | None:
        """The version that serves, None where nothing does."""
        models = self.get("/v1/models").json["models"]
        return next((model["version"] for model in models if model["name"] == name), None)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(END_SECONDS)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_SECONDS)


def trust(state: Path, key: bytes = tiny.KEY) -> None:
    """Let the device of this state folder trust the test's signer."""
    TrustStore(IdentityFolder(state)).add(public_key_of(key), "test")


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Signed bundles by name: v1, v2 and v3 differ in version and weights."""
    pytest.importorskip("onnx" if "onnxruntime" in available_runtimes() else "ai_edge_litert")
    folder = tmp_path_factory.mktemp("bundles")
    made: dict[str, Path] = {}
    for number in (1, 2, 3):
        path = folder / f"tiny-{number}.enigma"
        tiny.make_bundle(path, tiny.usable_manifest(f"{number}.0.0"), seed=number)
        made[f"v{number}"] = path
    made["foreign"] = folder / "foreign.enigma"
    tiny.make_bundle(made["foreign"], tiny.usable_manifest("9.0.0"), seed=9, key=tiny.OTHER_KEY)
    return made


@pytest.fixture(scope="session")
def kept_versions(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path]) -> Path:
    """A state folder with two versions, installed once; `two_versions` gives each test its own copy."""
    folder = tmp_path_factory.mktemp("versions") / "device"
    trust(folder)
    (folder / "config.toml").write_text(UNTRIED)
    for name in ("v1", "v2"):
        assert edge("install", bundles[name], "--state", folder).returncode == 0
    return folder


@pytest.fixture
def two_versions(state: Path, kept_versions: Path) -> Path:
    """The test's state folder, with versions 1 and 2 of `tiny`, of which the second serves."""
    shutil.copytree(kept_versions, state, dirs_exist_ok=True)
    return state


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of a device that trusts the test's signer."""
    folder = tmp_path / "device"
    trust(folder)
    (folder / "config.toml").write_text(UNTRIED)
    return folder


StartDevice = Callable[..., RunningDevice]


@pytest.fixture
def start_device(state: Path) -> Iterator[StartDevice]:
    """Start daemons on the test's state folder; what still runs at the end is stopped."""
    running: list[RunningDevice] = []

    def start(**options: str) -> RunningDevice:
        running.append(RunningDevice(state, **options))
        return running[-1]

    yield start
    for device in running:
        if device.process.poll() is None:
            device.stop()


@pytest.fixture(scope="module")
def shared_device(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path]) -> Iterator[RunningDevice]:
    """One daemon for a module's tests that don't change what it serves: version 1 of `tiny`."""
    folder = tmp_path_factory.mktemp("shared") / "device"
    trust(folder)
    (folder / "config.toml").write_text(UNTRIED)
    device = RunningDevice(folder)
    pushed = device.push(bundles["v1"])
    assert pushed.status == 200, pushed.body
    yield device
    assert device.stop() == 0
