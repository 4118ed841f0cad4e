"""The device as a container: what its file says, and, where `make test-container` built one, what it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO

FILE = REPO / "scripts" / "packaging" / "Containerfile"
USER = 65532
MOST_MB = 200
HEALTHY_SECONDS = 30.0

built = pytest.mark.skipif("ENIGMA_CONTAINER" not in os.environ, reason="make test-container builds one")


def instructions() -> list[tuple[str, str]]:
    """(NAME, rest) of each instruction, comments and continued lines joined."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def test_the_file_runs_nothing_as_root_and_keeps_what_it_copies_from() -> None:
    found = instructions()
    last = [name for name, _ in found].index("FROM", 3)
    final = dict(found[last:])
    assert final["USER"] == f"{USER}:{USER}" and "RUN" not in final
    # Lists are started without a shell, which the image doesn't have.
    for name in ("ENTRYPOINT", "CMD"):
        assert isinstance(json.loads(final[name]), list)
    health = final["HEALTHCHECK"]
    assert "--start-period=30s" in health and isinstance(json.loads(health.split("CMD", 1)[1]), list)
    state = json.loads(final["CMD"])[2]
    assert final["VOLUME"] == state and state in health
    for name, rest in found[:last]:
        if name == "COPY":
            for source in rest.split()[:-1]:
                assert (REPO / source).exists(), source
    assert not any(word in FILE.read_text(encoding="utf-8") for word in ("torch", "kivy", "ADD ", "--privileged"))


def inside(*command: str) -> list[str]:
    """A command line that runs in the container, as its user, with its network being this machine's."""
    buildah = shlex.split(os.environ["ENIGMA_BUILDAH"])
    return [*buildah, "run", "--user", str(USER), os.environ["ENIGMA_CONTAINER"], "--", *command]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """As the image starts it, on loopback; and what it writes."""
    entry = ["/usr/bin/python3", "-m", "edge_runtime.cli", "run", "--state", "/var/lib/enigma"]
    log = tmp_path_factory.mktemp("container") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(inside(*entry, "--listen", "127.0.0.1:0"), stdout=out, stderr=out)
    yield process, log
    process.terminate()
    process.wait(60)


@built
def test_it_is_small_has_no_shell_and_nothing_that_teaches() -> None:
    root = Path(os.environ["ENIGMA_CONTAINER_ROOT"])
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < MOST_MB * 1e6, f"{size / 1e6:.1f} MB"
    for absent in ("bin/sh", "bin/bash", "enigma/lib/torch", "enigma/lib/trainer_host", "enigma/lib/kivy"):
        assert not (root / absent).exists(), absent


@built
def test_it_is_healthy_in_time_as_a_user_without_rights(daemon: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, log = daemon
    health = inside("/usr/bin/python3", "-m", "edge_runtime.cli", "status", "--state", "/var/lib/enigma")
    ends = time.monotonic() + HEALTHY_SECONDS
    while (asked := subprocess.run(health, capture_output=True, text=True)).returncode != 0:
        assert process.poll() is None and time.monotonic() < ends, asked.stderr + log.read_text()
        time.sleep(0.5)
    who = "import os; print(os.getuid(), os.access('/enigma/lib', os.W_OK), os.access('/var/lib/enigma', os.W_OK))"
    told = subprocess.run(inside("/usr/bin/python3", "-c", who), capture_output=True, text=True)
    assert told.stdout.split() == [str(USER), "False", "True"], told.stderr
