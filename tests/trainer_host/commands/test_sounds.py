"""`enigma data import` of WAVs: a table or folders become a wake word's dataset, and each mistake is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_runtime.audio.files import RATE, write_sound
from tests.trainer_host.speech.needs import needs_speech
from trainer_host.cli import main
from trainer_host.data import open_dataset

OTHER_TABLE = "Sound,What\n1.wav,hey robot\n"


def chirp(seed: int, up: bool) -> np.ndarray:
    """0.7 seconds that glide up or down, in 2 of a little noise; float32."""
    rng = np.random.default_rng(seed)
    at = np.arange(int(0.7 * RATE)) / RATE
    glide = 300 + rng.uniform(-20, 20) + 3000 * (at if up else 0.7 - at)
    sound = rng.normal(0, 0.001, 2 * RATE)
    sound[RATE // 2 : RATE // 2 + len(at)] += 0.3 * np.sin(2 * np.pi * np.cumsum(glide) / RATE)
    return sound.astype(np.float32)


def write(path: Path, samples: np.ndarray, bits: int = 16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_sound(samples, bits))


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """Ten sounds that go up, one of them called otherwise, and ten that go down, one of them called up."""
    folder = tmp_path / "said"
    lines = ["file,label,speaker,end"]
    for number in range(20):
        up = number < 10
        write(folder / f"{number}.wav", chirp(number, up), 8 if number == 2 else 16)
        label = "other" if up == (number in (3, 12)) else "Hey Robot"
        lines.append(f"{number}.wav,{label},{'ann' if number % 2 else 'ben'},1.6")
    lines += ["gone.wav,other,,", "silent.wav,other,,", "1.wav,other,,1.6", "note.txt,other,,"]
    write(folder / "silent.wav", np.zeros(RATE, np.float32))
    (folder / "list.csv").write_text("\n".join(lines))
    return folder


def run(tmp_path: Path, *words: str) -> int:
    return main(["--home", str(tmp_path / "home"), "data", "import", *words])


@needs_speech
def test_a_table_of_sounds_becomes_a_dataset_and_wrong_labels_are_pointed_out(
    said: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    assert run(tmp_path, str(said), "--amount", "0.02", "--sheet", str(sheet)) == 0
    out = capsys.readouterr()
    told = " ".join((out.out + out.err).split())
    assert "9 recordings of 'hey robot' by 2 people, 10 of other sounds." in told
    assert "3.wav other sounds like the phrase" in told
    assert "12.wav phrase sounds unlike the other recordings of the phrase" in told
    assert "no such file (gone.wav)" in told and "silent (silent.wav)" in told and "no .wav (note.txt)" in told
    assert "Next: enigma train --data said" in told
    assert sheet.read_bytes().startswith(b"\x89PNG")
    made = open_dataset(tmp_path / "home" / "data" / "said")
    assert made.task == "wake_word" and made.params["phrase"] == "hey robot"
    assert sum("file" in row.input for split in ("train", "heldout") for row in made.rows(split)) >= 18


@pytest.mark.parametrize(
    ("table", "words", "sentence"),
    [
        ("file,label\n../out.wav,hey robot\n", (), "line 2: '../out.wav' lies outside"),
        ("file,label\n/etc/hosts.wav,hey robot\n", (), "lies outside"),
        (OTHER_TABLE, (), "has no column 'file'; it needs file and label"),
        (OTHER_TABLE, ("--column", "file=Sound", "--column", "label=What"), "has 1 usable recordings of 'hey robot'"),
        ("file,label\n1.wav,\n", ("--phrase", "hey robot"), "line 2: needs a file and a label"),
        ("file,label,start,end\n1.wav,hey robot,2,1\n", (), "start and end are seconds of the file"),
        ("file,label\n1.wav,dog\n2.wav,cat\n", (), "has the labels 'cat', 'dog'; say which is its phrase"),
        ("file,label\n1.wav,hey robot\n", ("--group", "x"), "take no --group"),
        ("file,label\n1.wav,hey robot\n", ("--task", "router", "--phrase", "x"), "router has no --phrase"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    table: str, words: tuple[str, ...], sentence: str, said: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (said / "list.csv").write_text(table)
    assert run(tmp_path, str(said), *words) == 2
    told = capsys.readouterr().err
    assert sentence in told and told.count("\n") == 1
    assert not (tmp_path / "home" / "data" / "said").exists()


def test_a_folder_of_loose_sounds_or_none_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "loose" / "1.wav", chirp(1, True))
    for words in (["loose"], ["none", "--task", "wake_word"], ["none", "--phrase", "hey robot"]):
        assert run(tmp_path, str(tmp_path / words[0]), *words[1:]) == 2
        told = capsys.readouterr().err
        assert ("no sounds in folders" in told) == (words[0] == "loose") and told.count("\n") == 1
