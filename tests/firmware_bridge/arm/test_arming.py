"""A real arm moves only for a while that a person named, and not where it isn't the one that was armed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from firmware_bridge.arm import arming
from firmware_bridge.arm.arming import LEAVE, LOG, LONGEST, ArmArming
from firmware_bridge.arm.urdf import ArmError
from firmware_bridge.cli import main
from tests.firmware_bridge.arm.scenes import EXAMPLE, example

NAMES = [joint.name for joint in example().chain.joints]


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    for name in ("arm.toml", "arm.urdf"):
        shutil.copyfile(EXAMPLE.with_name(name), tmp_path / name)
    return tmp_path / "arm.toml"


def test_it_ends_by_itself_by_hand_by_a_restart_and_by_another_arm_and_all_is_written_down(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, made = 1000.0, ArmArming(toml)
    monkeypatch.setattr(arming, "_since_start", lambda: now)
    assert made.left() == 0
    with pytest.raises(ArmError, match="isn't armed, and stands"):
        made.must()
    made.arm(2.0, ["finger", *NAMES])
    assert (toml.parent / LEAVE).stat().st_mode & 0o777 == 0o600
    now = 1090.0
    assert ArmArming(toml).left() == 30.0
    made.must()
    now = 1120.0
    assert made.left() == 0
    made.arm(1.0, NAMES)
    now = 10.0  # a clock that went back gives nothing
    made.arm(1.0, NAMES)
    monkeypatch.setattr(arming, "_start", lambda: "another")
    assert made.left() == 0
    made.arm(1.0, NAMES)
    made.disarm("by hand")
    made.disarm("by hand")
    assert made.left() == 0
    made.arm(1.0, NAMES)
    urdf = toml.with_name("arm.urdf")
    urdf.write_text(urdf.read_text() + "\n")
    assert made.left() == 0
    made.arm(1.0, NAMES)
    (toml.parent / LEAVE).write_text('{"until": true}')
    assert made.left() == 0
    ends = [line.partition(" ")[2] for line in (toml.parent / LOG).read_text().splitlines() if "not armed" in line]
    assert [end.removeprefix("not armed any more: ") for end in ends] == [
        "its time is over",
        "the machine was started again",
        "by hand",
        "arm.toml or its URDF was changed",
        f"{LEAVE} can't be read",
    ]


def test_what_cannot_be_armed_is_a_sentence_and_unarmed_it_only_plans(
    toml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = ArmArming(toml)
    for minutes in (0, -1, LONGEST + 1, float("nan")):
        with pytest.raises(ArmError, match="up to 480 minutes"):
            made.arm(minutes, NAMES)
    with pytest.raises(ArmError, match=f"doesn't tell of {NAMES[0]}"):
        made.arm(1.0, NAMES[1:])
    assert main(["arm", "home", "--arm", str(toml), "--live"]) == 1
    assert "isn't armed, and stands: enigma-bridge arm arm" in capsys.readouterr().err
    assert main(["arm", "home", "--arm", str(toml)]) == 0
    assert main(["arm", "disarm", "--arm", str(toml)]) == 0
    toml.write_text("[arm]")
    with pytest.raises(ArmError):
        made.arm(1.0, NAMES)
    assert not (toml.parent / LEAVE).exists() and not (toml.parent / LOG).exists()
