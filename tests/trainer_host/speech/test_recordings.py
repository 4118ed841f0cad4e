"""What people recorded: the phrase found in it, people on one side only, and the good sounds among bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_runtime.audio.files import RATE, read_sound, write_sound
from tests.trainer_host.speech.needs import needs_speech
from trainer_host.errors import DataError
from trainer_host.speech.kinds import PHRASE, TALK
from trainer_host.speech.recordings import contact_sheet, read_recordings, recorded_sound, rows_of, spoken_part
from trainer_host.speech.rows import WITH_PEOPLE, make_dataset
from trainer_host.speech.voices import HELD_OUT, TRAIN
from trainer_host.students.wake_word import _balanced
from trainer_host.workspace import Workspace


def said(seed: int, words: float = 0.7, noise: float = 0.002, total: float = 2.0) -> np.ndarray:
    """Something like speech for `words` seconds in the middle of noise, float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, noise, int(total * RATE))
    at = np.arange(int(words * RATE)) / RATE
    start = (len(sound) - len(at)) // 2
    sound[start : start + len(at)] += 0.3 * np.sin(2 * np.pi * rng.uniform(100, 300) * at) * (1.2 + np.sin(20 * at))
    return sound.astype(np.float32)


def write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_sound(np.clip(samples, -1, 1)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four people who say "hey robot" three times each, six other sounds, and what can't be used."""
    made = tmp_path / "rec"
    for person in range(4):
        for take in range(3):
            write(made / "hey_robot" / f"p{person}" / f"{take}.wav", said(10 * person + take))
    for place in range(6):
        write(made / "kitchen" / f"{place}.wav", np.random.default_rng(place).normal(0, 0.05, 3 * RATE))
    (made / "hey_robot" / "p0" / "again.wav").write_bytes((made / "hey_robot" / "p0" / "0.wav").read_bytes())
    write(made / "hey_robot" / "p1" / "quiet.wav", np.zeros(RATE))
    write(made / "hey_robot" / "p1" / "long.wav", said(99, words=2.5, total=4.0))
    (made / "hey_robot" / "p1" / "torn.wav").write_bytes(b"RIFF")
    (made / "hey_robot" / "note.txt").write_text("hello")
    return made


def test_people_are_on_one_side_only_and_bad_files_are_counted(folder: Path) -> None:
    found = read_recordings(folder, "hey robot")
    assert found.speakers == ["p0", "p1", "p2", "p3"]
    assert found.refused == {
        "the same sound again": 1,
        "silent": 1,
        "more than 1.8 seconds of speech": 1,
        "damaged, or of a kind that isn't read": 1,
        "no .wav": 1,
    }
    sides = rows_of(found)
    phrases = {side: [row for row in rows if row.meta["kind"] == PHRASE] for side, rows in sides.items()}
    others = {side: [row for row in rows if row.meta["kind"] == TALK] for side, rows in sides.items()}
    people = {side: {row.meta["speaker"] for row in rows} for side, rows in phrases.items()}
    assert people == {TRAIN: {"p1", "p2", "p3"}, HELD_OUT: {"p0"}}
    assert len(phrases[TRAIN]) == 9 and len(phrases[HELD_OUT]) == 3
    assert len(others[HELD_OUT]) >= 1 and len(others[TRAIN]) + len(others[HELD_OUT]) == 6
    assert contact_sheet(folder, found).startswith(b"\x89PNG")


def test_the_phrase_is_cut_out_of_what_was_recorded() -> None:
    for noise in (0.0005, 0.01, 0.03):
        part = spoken_part(said(1, noise=noise))
        assert part is not None
        assert abs(part[0] / RATE - 0.65) < 0.1 and abs(part[1] / RATE - 1.35) < 0.1, noise
    knocked = said(1)
    knocked[1000:1400] += 0.2  # a knock long before
    part = spoken_part(knocked)
    assert part is not None and abs(part[0] / RATE - 0.65) < 0.1
    assert spoken_part(np.zeros(RATE, np.float32)) is None and spoken_part(np.zeros(3, np.float32)) is None


def test_a_sound_that_is_and_isnt_the_phrase_is_never_kept(folder: Path) -> None:
    whole = read_recordings(folder, "hey robot")
    for other in ("kitchen/z.wav", "hey_robot/p9/z.wav"):  # the second one comes last, and says again that it is
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_bytes((folder / "hey_robot" / "p0" / "1.wav").read_bytes())
    lines = [f"{path},{label}" for path, label in (("hey_robot/p0/1.wav", "hey robot"), ("kitchen/z.wav", "other"))]
    lines += [f"hey_robot/p{who}/{take}.wav,hey robot" for who in (1, 2) for take in range(3)]
    (folder / "recordings.csv").write_text("\n".join(["file,label", *lines, "hey_robot/p9/z.wav,hey robot"]))
    found = read_recordings(folder, "hey robot")
    assert found.torn == (("hey_robot/p0/1.wav", "kitchen/z.wav"),) and len(found.kept) == 6 < len(whole.kept)
    assert found.refused == {"the same sound again": 1}


def test_a_table_names_labels_and_speakers_and_nothing_outside(folder: Path) -> None:
    lines = [f"hey_robot/p{person}/{take}.wav,Hey Robot,{person}" for person in range(2) for take in range(3)]
    (folder / "recordings.csv").write_text("file,label,speaker\n" + "\n".join([*lines, "kitchen/1.wav,other,"]))
    found = read_recordings(folder, "hey robot")
    assert len(found.kept) == 7 and found.speakers == ["0", "1"] and not found.refused
    for text, why in (
        ("file,label\n../x.wav,hey robot\n", "lies outside"),
        ("file,label\n,hey robot\n", "line 2"),
        ("name\nx\n", "has no column"),
        ("file,label\nhey_robot/p0/0.wav,hey robot\n", "put 5 or more"),
    ):
        (folder / "recordings.csv").write_text(text)
        with pytest.raises(DataError, match=why):
            read_recordings(folder, "hey robot")
    with pytest.raises(DataError, match="can't be read"):
        read_recordings(folder / "none", "hey robot")


@needs_speech
def test_a_dataset_keeps_the_recordings_and_they_weigh_among_the_synthetic(folder: Path, tmp_path: Path) -> None:
    found = read_recordings(folder, "hey robot")
    made = make_dataset(Workspace(tmp_path / "home"), "hey-robot", "hey robot", seed=1, scale=0.02, recordings=found)
    assert made.teacher == WITH_PEOPLE and made.params["people"] == {"phrases": 12, "others": 6, "speakers": 4}
    rows = [row for row in made.rows("train") if row.meta["side"] == TRAIN]
    recorded = [row for row in rows if "file" in row.input]
    sound = recorded_sound(recorded[0], made.folder)
    assert 0.5 < len(sound) / RATE < 1.0 and 0.4 < float(np.abs(sound).max()) < 0.6
    assert read_sound((made.folder / str(recorded[0].input["file"])).read_bytes()).seconds == len(sound) / RATE
    balanced = [row for row in _balanced(rows) if row.meta["kind"] == PHRASE]
    share = sum("file" in row.input for row in balanced) / len(balanced)
    assert 0.15 < share < 0.35, "nine of people's among many synthetic ones would be forgotten"
