"""Pictures and sounds of a real device's camera and microphone become folders to teach with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.audio.files import RATE, read_sound, write_sound
from edge_runtime.pipelines.service import FOLDER
from tests.edge_runtime.conftest import RunningDevice, trust
from tests.edge_runtime.pipelines.test_sources import write_video
from trainer_host.cli import main
from trainer_host.release.devices import Device, remember
from trainer_host.workspace import Workspace

_TOPIC = '[[sinks]]\nkind = "topic"\ntopic = "x"\n'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A host's home that is paired with a device, whose eye may be looked through and whose ear may be listened to."""
    pytest.importorskip("cv2")
    place = tmp_path_factory.mktemp("record")
    state = place / "device"
    trust(state)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    (place / "a.wav").write_bytes(write_sound(tone.astype(np.float32)))
    (place / "quiet.wav").write_bytes(write_sound(np.zeros(RATE, np.float32)))
    write_video(place / "a.avi")
    (state / FOLDER).mkdir(parents=True)
    for name, source in {
        "eye": f'kind = "camera"\nfile = "{place / "a.avi"}"\nloop = true\nshown = true',
        "ear": f'kind = "microphone"\nfile = "{place / "a.wav"}"\nloop = true\nheard = true',
        "deaf": f'kind = "microphone"\nfile = "{place / "quiet.wav"}"\nloop = true\nheard = true',
        "shut": f'kind = "microphone"\nfile = "{place / "a.wav"}"\nloop = true',
    }.items():
        (state / FOLDER / f"{name}.toml").write_text(f"[source]\n{source}\n{_TOPIC}")
    device = RunningDevice(state)
    remember(Workspace(place / "home"), Device("kitchen", device.url, device.token, "", ""))
    yield place / "home"
    assert device.stop() == 0


def _record(home: Path, *arguments: object) -> int:
    return main(["data", "record", *map(str, arguments), "--home", str(home)])


def test_pictures_and_sounds_lie_below_their_label(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = tmp_path / "said"
    assert _record(home, said, "--label", "cup", "--pipeline", "eye", "--count", 3, "--every", 0) == 0
    pictures = sorted((said / "cup").iterdir())
    assert len(pictures) == 3 and all(path.read_bytes().startswith(b"\xff\xd8\xff") for path in pictures)
    assert len({path.read_bytes() for path in pictures}) > 1, "each is of another moment"
    sounds = ["--pipeline", "ear", "--count", 2, "--seconds", 0.5, "--every", 0]
    assert _record(home, said, "--label", "hey-robot", *sounds, "--by", "Anna") == 0
    assert _record(home, said, "--label", "hey-robot", *sounds, "--by", "Anna") == 0, "more of the same, later"
    heard = sorted((said / "hey-robot" / "Anna").iterdir())
    assert len(heard) == 4 and all(read_sound(path.read_bytes()).seconds == 0.5 for path in heard)
    told = capsys.readouterr().out
    assert "Wrote 3 pictures" in told and 'enigma wakeword teach "hey robot" --recordings' in told


def test_what_can_not_be_recorded_is_said_in_a_sentence(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ["--label", "cup", "--count", 1]
    for arguments, why in (
        (one, "there are deaf, ear, eye"),
        ([*one, "--pipeline", "none"], "no pipeline 'none'"),
        ([*one, "--pipeline", "shut"], "heard = true"),
        (["--label", "../cup", "--pipeline", "eye"], "can't name a folder"),
        ([*one, "--pipeline", "ear", "--by", "a/b"], "can't name a folder"),
        (["--label", "cup", "--pipeline", "eye", "--count", 0], "--count"),
        ([*one, "--pipeline", "ear", "--seconds", 100], "--seconds"),
        ([*one, "--device", "none"], "no paired device 'none'"),
    ):
        assert _record(home, tmp_path / "out", *arguments) > 0
        shown = capsys.readouterr()
        assert why in shown.err and "Traceback" not in shown.err, arguments
    assert not (tmp_path / "out").exists()
    quiet = ["--pipeline", "deaf", "--count", 9, "--seconds", 0.5, "--every", 0]
    assert _record(home, tmp_path / "out", "--label", "x", *quiet) > 0
    shown = capsys.readouterr()
    assert "hears nothing" in shown.err and "Wrote" in shown.out
