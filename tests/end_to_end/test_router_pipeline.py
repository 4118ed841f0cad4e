"""The guide "A router from a CSV", run as it stands: real commands, a real device process, a real socket."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO

GUIDE = REPO / "docs" / "router-from-a-csv.md"
PORT_IN_GUIDE = "127.0.0.1:8765"
WAIT = "for i in $(seq 300); do (: > /dev/tcp/{address}) 2> /dev/null && break; sleep 0.1; done"


@dataclass(frozen=True)
class Followed:
    """What a newcomer has after the guide: the folder, what was printed per block, the device's address."""

    folder: Path
    printed: list[str]
    environment: dict[str, str]
    address: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """One more command in the same place."""
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def write_commands(folder: Path) -> None:
    """`enigma` and `enigma-edge` of this source tree, whether or not it is installed."""
    folder.mkdir()
    for name, module in (("enigma", "trainer_host.cli"), ("enigma-edge", "edge_runtime.cli")):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("newcomer")
    write_commands(folder / "bin")
    (folder / "docs").symlink_to(REPO / "docs")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPO),
        "PWD": str(folder),
    }
    script = ["set -e", "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"]
    commands = [block for block in blocks("sh") if "kill %1" not in block]
    for number, block in enumerate(commands):
        script += [f"printf '\\n== {number}\\n'", block.replace(PORT_IN_GUIDE, address)]
        if block.rstrip().endswith("&"):
            script.append(WAIT.format(address=address.replace(":", "/")))
    # The device lives until the tests are done: the shell then reads the end of its input.
    script += ["printf '\\n== end\\n'", "cat > /dev/null", *[b for b in blocks("sh") if "kill %1" in b], "wait"]
    (folder / "guide.sh").write_text("\n".join(script) + "\n")
    with (folder / "log").open("w") as log:
        shell = subprocess.Popen(
            ["bash", "guide.sh"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert shell.stdin is not None and shell.stdout is not None
        try:
            printed = ""
            for line in shell.stdout:
                if line == "== end\n":
                    break
                printed += line
            else:
                pytest.fail(f"the guide stopped:\n{printed[-2000:]}\n{(folder / 'log').read_text()[-2000:]}")
            parts = re.split(r"^== \d+\n", printed, flags=re.MULTILINE)[1:]
            yield Followed(folder, parts, {**environment, "ENIGMA_HOME": str(folder / "desk")}, address)
        finally:
            shell.stdin.close()
            shell.wait(60)
            shell.stdout.close()


def test_the_guide_ends_with_the_answers_that_it_promises(followed: Followed) -> None:
    imported, trained, gated, _, paired, answers = (part.strip() for part in followed.printed)
    assert "220 rows to train, 55 held out" in imported
    assert "naive bayes baseline" in trained
    assert gated.count("passed") >= 2 and "32 golden vectors" in gated
    assert "Paired with 'desk'" in paired
    lines = answers.splitlines()
    assert lines[0].startswith("front-desk 1.0.0 serves now on 'desk'")
    assert "maintenance" in lines and any(line.startswith("unsure") for line in lines)
    own = json.loads(answers[answers.index("{") :])
    assert own["label"] == "transport" and own["unsure"] is False and set(own["scores"]) >= {"billing", "dining"}


def test_the_table_in_the_guide_is_the_shipped_one(followed: Followed) -> None:
    rows = (REPO / "docs" / "examples" / "front-desk.csv").read_text(encoding="utf-8").splitlines()
    [shown] = blocks("csv")
    assert set(shown.splitlines()) <= set(rows)


def test_the_same_bundle_again_changes_nothing(followed: Followed) -> None:
    done = followed.run("enigma", "push", "front-desk")
    assert done.returncode == 0 and "served already" in done.stdout


def test_a_changed_bundle_is_refused_and_the_old_model_goes_on(followed: Followed) -> None:
    [bundle] = (followed.folder / "desk" / "bundles").glob("*.enigma")
    content = bytearray(bundle.read_bytes())
    content[-2000] ^= 1
    changed = followed.folder / "front-desk-9.9.9.enigma"
    changed.write_bytes(content)
    done = followed.run("enigma", "push", str(changed))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "maintenance" in followed.run("enigma", "ask", "front-desk", "the shower is broken").stdout


def test_on_a_terminal_ask_stays_in_a_prompt_until_quit(followed: Followed) -> None:
    import pty

    host, terminal = pty.openpty()
    process = subprocess.Popen(
        ["enigma", "ask", "front-desk"],
        cwd=followed.folder,
        env=followed.environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    try:
        os.write(host, b"the shower is broken\n\n:help\n:quit\n")
        seen = b""
        with contextlib.suppress(OSError):  # how the end of a terminal's output reads on Linux
            while chunk := os.read(host, 4096):
                seen += chunk
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(host)
    assert b"maintenance" in seen and b":quit ends" in seen and b"Traceback" not in seen


def test_another_host_is_a_stranger_to_the_device(followed: Followed) -> None:
    home = str(followed.folder / "stranger")
    done = followed.run("enigma", "--home", home, "devices", "pair", f"http://{followed.address}", "000000")
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1
    assert followed.run("enigma", "--home", home, "push", "front-desk").returncode == 2


def test_what_a_device_does_not_have_is_named_beside_what_it_has(followed: Followed) -> None:
    done = followed.run("enigma", "ask", "home-en", "hello")
    assert done.returncode == 2 and "it has front-desk" in done.stderr
    done = followed.run("enigma", "ask", "front-desk", "hello", "--area", "kitchen")
    assert done.returncode == 2 and "has no home" in done.stderr
