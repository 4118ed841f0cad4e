"""An update repository behind a web server that can be turned against a device, and bundles that are good or bad."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edge_runtime.bundle import Golden, public_key_of
from edge_runtime.update.desired import Rollout, Where
from trainer_host.release.publish import publish_bundles
from trainer_host.release.repository import Repository
from trainer_host.release.roles import RoleKeys
from trainer_host.release.settle import utc_now
from trainer_host.release.trust import Plan, create
from trainer_host.teacher.vault.sealing import Limits
from trainer_host.workspace import Workspace

from .. import tiny

NAME = "tiny"


class Site:
    """A home with a repository; `want` publishes a bundle and lets the whole fleet want it."""

    def __init__(self, home: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self.home = Workspace(home)
        keys = RoleKeys(home / "keys" / "release", lambda prompt: None, Limits(1, 8))
        self.repository = Repository(home / "updates", keys, clock)
        create(self.repository, Plan(), None)
        self.public = self.repository.public
        self._rollouts = 0

    @property
    def root(self) -> Path:
        """The metadata that a device is given."""
        return self.public / "metadata" / "1.root.json"

    def publish(self, version: str, make: Callable[[Path], object] | None = None, **options: Any) -> str:
        """Publish a version of `tiny`; its target's name. make: writes the bundle, by default a sound one."""
        path = self.home.home / f"{version}.enigma"
        if make is None:
            tiny.make_bundle(path, tiny.usable_manifest(version), seed=int(version.split(".")[0]), key=tiny.OTHER_KEY)
        else:
            make(path)
        _, (release,) = publish_bundles(self.home, self.repository, [path], public_key_of(tiny.OTHER_KEY), **options)
        return release.target

    def want(self, target: str, when: tuple[str, ...] = (), again: bool = False) -> str:
        """Let the whole fleet want a target; the rollout's id. again: that of before, changed."""
        self._rollouts += not again
        sha256 = self.repository.targets()[target].hashes["sha256"]
        rollout = Rollout(f"r-{self._rollouts:04}", NAME, target, sha256, Where(), 10_000, when, False)
        self.repository.set_desired([rollout])
        return rollout.id

    def copy(self, folder: Path) -> Path:
        """The repository as it is now, for whoever wants to play it back or change it."""
        return Path(shutil.copytree(self.public, folder))


def wrong_golden(version: str) -> Callable[[Path], object]:
    """A bundle whose golden vectors no device answers as it says."""

    def make(path: Path) -> object:
        answers = [{"request": {"text": text}, "response": {"label": "?"}} for text in tiny.SENTENCES]
        return tiny.make_bundle(
            path, tiny.usable_manifest(version), golden=json.dumps(answers).encode(), key=tiny.OTHER_KEY
        )

    return make


def faulty(version: str) -> Callable[[Path], object]:
    """A bundle whose model fails on most texts: it is told of more rows than its table has. Its one golden vector is fine."""

    def make(path: Path) -> object:
        sound = tiny.usable_manifest(version)
        features = {"length": tiny.FEATURES.length, "buckets": 1_000_000}
        manifest = dataclasses.replace(
            sound, golden=Golden("golden.json", 1), options={**sound.options, "features": features}
        )
        third = round(1 / len(tiny.LABELS), 4)
        answer = {
            "label": tiny.LABELS[0],
            "confidence": third,
            "unsure": True,
            "scores": dict.fromkeys(tiny.LABELS, third),
        }
        golden = json.dumps([{"request": {"text": "."}, "response": answer}]).encode()
        return tiny.make_bundle(path, manifest, seed=3, golden=golden, key=tiny.OTHER_KEY)

    return make


class Server(ThreadingHTTPServer):
    """Static files from `root`, which a test may change; `cut`: bytes after which targets break off; `asked`: paths."""

    root: Path
    cut: int | None = None
    asked: list[str]
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        """A device that was killed broke its connection."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(SimpleHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def translate_path(self, path: str) -> str:
        self.directory = str(self.server.root)
        return super().translate_path(path)

    def log_request(self, *args: Any) -> None:
        self.server.asked.append(self.path)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is written to the tests' output."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        if self.server.cut is None or not self.path.startswith("/targets/models"):
            super().copyfile(source, outputfile)
            return
        outputfile.write(source.read(self.server.cut))
        outputfile.flush()
        self.close_connection = True


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    """A server at work."""
    server = Server(("127.0.0.1", 0), _Handler)
    server.root, server.asked = root, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
