"""avrdude writes our image through the real Optiboot, which runs in simavr; what can't be written is said in a sentence."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.cli import main
from firmware_bridge.errors import FlashError
from firmware_bridge.flash import flash
from firmware_bridge.simulator import Simulated, build

OPTIBOOT = Path("/usr/share/arduino/hardware/arduino/avr/bootloaders/optiboot/optiboot.c")


def test_a_new_firmware_is_written_through_the_bootloader_and_answers(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("avrdude") is None or not OPTIBOOT.exists():
        pytest.skip("apt-get install avrdude arduino-core-avr")
    loader = tmp_path / "optiboot"
    flags = "-mmcu=atmega328p -DF_CPU=16000000L -DBAUD_RATE=115200 -DLED_START_FLASHES=0 -Os -w -mrelax -nostartfiles"
    at = ["-fno-inline-small-functions", "-fno-split-wide-types", "-Wl,--section-start=.text=0x7c00", "-Wl,--relax"]
    subprocess.run(["avr-gcc", *flags.split(), *at, str(OPTIBOOT), "-o", str(loader)], check=True)
    subprocess.run(["avr-objcopy", "-O", "ihex", "-j", ".text", loader, f"{loader}.hex"], check=True)
    newer = build(tmp_path / "newer", "avr", "DEFINES=-DFIRMWARE=0.2.0") / "board.hex"
    port = ["--port", str(tmp_path / "tty"), "--json"]
    with Simulated(built, tmp_path / "tty", bootloader=Path(f"{loader}.hex")) as simulated:
        assert main(["info", *port]) == 0
        assert '"firmware": "0.1.0"' in capsys.readouterr().out
        simulated.ask("reset")
        monkeypatch.setenv("LD_PRELOAD", str(built / "modem.so"))
        assert main(["flash", "--image", str(newer), *port]) == 0, capsys.readouterr().err
        monkeypatch.delenv("LD_PRELOAD")
        assert "was written to the board" in capsys.readouterr().out
        assert main(["info", *port]) == 0
        said = capsys.readouterr().out
        assert '"firmware": "0.2.0"' in said and '"board": 4294967295' not in said  # it has a number of its own now


def test_a_uf2_file_is_copied_to_the_drive_of_a_board_in_its_bootloader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, drive = tmp_path / "board.uf2", tmp_path / "media" / "someone" / "RPI-RP2"
    image.write_bytes(b"UF2\nWQ]\x9e" + bytes(504))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FlashError, match="Hold BOOTSEL"):
        flash(image, None, mounts=[tmp_path / "media"])
    drive.mkdir(parents=True)
    (drive / "INFO_UF2.TXT").write_text("Model: Raspberry Pi RP2\n")
    assert str(drive) in flash(image, None, mounts=[tmp_path / "media"])
    assert (drive / "board.uf2").read_bytes() == image.read_bytes()


def test_what_cant_be_written_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "board.hex"
    with pytest.raises(FlashError, match="can't be read: No such file"):
        flash(image, "/dev/nowhere")
    image.write_bytes(b"\x7fELF")
    with pytest.raises(FlashError, match="neither an Intel HEX file nor a UF2 file"):
        flash(image, "/dev/nowhere")
    image.write_text(":00000001FF\n")
    with pytest.raises(FlashError, match="Name the port"):
        flash(image, None)
    if shutil.which("avrdude") is not None:
        with pytest.raises(FlashError, match=r"avrdude failed .* plug it in again"):
            flash(image, str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FlashError, match="apt-get install avrdude"):
        flash(image, "/dev/nowhere")
