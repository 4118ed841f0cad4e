from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from tests.edge_runtime import tiny
from trainer_host import cli
from trainer_host.release.keys import signing_key
from trainer_host.workspace import Workspace

_parser = functools.cache(cli.build_parser)  # all commands' takes longer than some of them

pytestmark = pytest.mark.skipif(not tiny.RUNTIME, reason="no runtime for models here")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    made = Workspace(tmp_path / "home")
    monkeypatch.setenv("ENIGMA_HOME", str(made.home))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "build_parser", _parser)
    return made


def release(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors of `enigma release`."""
    status = cli.main(["release", *arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_what_is_published_is_listed_with_all_that_devices_are_told(
    home: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    home.bundles.mkdir(parents=True)
    for version in ("1.0.0", "1.1.0"):
        path = home.bundles / f"tiny-{version}.enigma"
        tiny.make_bundle(path, tiny.usable_manifest(version), seed=int(version[2]), key=signing_key(home).seed)
    assert release(capsys, "init", "--no-passphrase")[0] == 0
    status, said, _ = release(capsys, "publish", *map(str, home.bundles.glob("*.enigma")))
    assert status == 0 and "Next: enigma rollout start tiny --release" in said
    assert "All of it was published already." in release(capsys, "publish", "tiny")[1]
    listed = json.loads(release(capsys, "list", "--json")[1])
    assert [each["version"] for each in listed["targets"]] == ["1.0.0", "1.1.0"]
    assert listed["targets"][1]["sources"] and set(listed["expires"]) >= {"root", "timestamp", "models/router"}
    rows = release(capsys, "keys", "show")[1].splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["root", "snapshot", "targets", "timestamp", "fleet", "models"]
    assert all(row.endswith("here") for row in rows)


def test_every_mistake_is_one_sentence(home: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'enigma release init'" in release(capsys, "list")[2]
    assert release(capsys, "keys", "new", "phone.key", "--no-passphrase")[0] == 0
    public = release(capsys, "keys", "show", "phone.key")[1].strip()
    mistakes = [
        ("init", "--cosigner", "abc"),
        ("init", "--cosigner", public, "--root-threshold", "3"),
        ("init", "--root-threshold", "0"),
        ("init",),  # no passphrase, and nobody to ask
    ]
    for mistake in mistakes:
        status, _, said = release(capsys, *mistake)
        assert status == 2 and said.startswith("enigma: ") and said.count("\n") == 1, mistake
    assert release(capsys, "init", "--cosigner", public, "--no-passphrase")[0] == 0
    waits = release(capsys, "list")
    assert waits[0] == 2 and "'enigma release pending' says whose" in waits[2]
    for mistake in (("cosign", "--key", "phone.key"), ("cosign", "--take"), ("cosign", "--key", "none.key", "--yes")):
        status, _, said = release(capsys, *mistake)
        assert status == 2 and said.startswith("enigma: ") and said.count("\n") == 1, mistake
    assert "devices see it from now on" in release(capsys, "cosign", "--key", "phone.key", "--yes")[1]
    more = [
        ("init", "--no-passphrase"),
        ("publish", "nothing"),
        ("withdraw", "models/router/none-1.0.0.enigma"),
        ("rotate", "cosigner"),
        ("rotate", "fleet", "--old", "00" * 32),
        ("rotate", "models", "--new", public),
        ("export", str(tmp_path / "stick"), "--days", "0"),
        ("export", str(tmp_path)),
        ("serve", "--listen", "nonsense"),
        ("verify", str(tmp_path / "nowhere")),
        ("cosign", "--take", "phone.key"),
    ]
    for mistake in more:
        status, _, said = release(capsys, *mistake)
        assert status == 2 and said.startswith("enigma: ") and said.count("\n") == 1, (mistake, said)
