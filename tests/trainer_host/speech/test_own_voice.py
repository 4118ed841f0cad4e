"""A person's recordings become a voice's dataset: aligned as flite, who says them here, tells; what is unlike its text is left out."""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.audio.files import RATE, read_sound, write_sound
from edge_runtime.media.script import SOUNDS
from tests.trainer_host.speech.needs import needs_flite
from trainer_host.cli import main
from trainer_host.errors import DataError
from trainer_host.speech import aligner as aligning
from trainer_host.speech import own_voice
from trainer_host.speech.aligner import FRAME, plain, ways_of
from trainer_host.speech.own_voice import OwnVoice, import_voice
from trainer_host.speech.told import PAUSE, Told, tell
from trainer_host.speech.voice_rows import lexicon_of, said_of
from trainer_host.workspace import Workspace

pytest.importorskip("pocketsphinx", reason="pip install 'enigma[speech]'")
pytestmark = needs_flite

TEXTS = [
    "the window is open, and the garden is green.",
    "please bring me seven yellow lamps.",
    "my brother works at the river in the morning.",
    "is there some water on the kitchen table?",
    "a zorblat walked along the road.",
    "every evening they listen to old music.",
    "nobody knows when the train will leave.",
    "she wrote a long letter to her friend.",
]
LONG = (
    "the first of them came home late, the second one stayed by the river, a third had never been there before that day, "
    "and nobody saw the others until they had gone."
)


@dataclass(frozen=True)
class _Said:
    told: dict[str, Told]
    made: OwnVoice
    folder: Path


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Said]:
    folder = tmp_path_factory.mktemp("own")
    told = {f"{number}.wav": tell("rms", text) for number, text in enumerate([*TEXTS, LONG])}
    lines = [f"{number}|{text}" for number, text in enumerate([*TEXTS, LONG])]
    for name, one in told.items():
        (folder / name).write_bytes(one.wav)
    right = read_sound(told["1.wav"].wav).samples
    rng = np.random.default_rng(0)
    spoilt = {
        "noisy": right + rng.normal(0, 0.02, len(right)).astype(np.float32),
        "clipped": np.clip(right * 40, -1, 1),
        "silent": np.zeros(RATE * 2, np.float32),
        "offset": np.full(RATE * 2, 0.3, np.float32),
        "short": right[: RATE // 2],
        "other": read_sound(told["2.wav"].wav).samples,
        "swapped": read_sound(told["3.wav"].wav).samples,
        "foreign": right,
        "more": np.concatenate([right, read_sound(told["5.wav"].wav).samples]),
    }
    for name, samples in spoilt.items():
        (folder / f"{name}.wav").write_bytes(write_sound(samples))
    texts = {"swapped": TEXTS[3].replace("kitchen", "elephant"), "foreign": "Добрый день."}
    lines += [f"{name}|{texts.get(name, TEXTS[1])}" for name in [*spoilt, "lost"]]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_voice, "LEAST_MINUTES", 0.3)
        patch.setattr(own_voice, "_LEAST_ROWS", 9)
        patch.setattr(own_voice, "_MADE_WORDS", 20)
        patch.setattr(own_voice, "usual_words", lambda texts, common: ["lamp", "the", "a"])
        made = import_voice(Workspace(folder / "home"), "anna", folder / "metadata.csv", seed=1)
    yield _Said(told, made, folder)


def test_sounds_end_where_the_speaker_ended_them(said: _Said) -> None:
    off = []
    for clip in said.made.clips.kept:
        told = said.told[clip.file]
        wanted = [
            (plain([sound])[0], end - begin)
            for sound, begin, end in zip(told.sounds, (0.0, *told.ends), told.ends, strict=False)
            if sound != PAUSE
        ]
        found = [
            (plain([sound])[0], end - begin)
            for piece in clip.pieces
            for sound, begin, end in zip(piece.sounds, (0.0, *piece.ends), piece.ends, strict=False)
            if sound != PAUSE
        ]
        match = difflib.SequenceMatcher(None, [s for s, _ in wanted], [s for s, _ in found], autojunk=False)
        blocks = match.get_matching_blocks()
        assert sum(size for _, _, size in blocks) > 0.9 * len(wanted)
        off += [abs(wanted[a + n][1] - found[b + n][1]) for a, b, size in blocks for n in range(size)]
    assert np.median(off) < 0.02 and np.mean(np.array(off) < 0.05) > 0.85


def test_what_is_unlike_its_text_or_spoilt_is_left_out_with_the_reason(said: _Said) -> None:
    why = {one.file: one.why for one in said.made.clips.left}
    assert why == {
        "noisy.wav": "too noisy",
        "clipped.wav": "clipped",
        "silent.wav": "silent",
        "offset.wav": "silent",
        "short.wav": "less than 1 second of speech",
        "other.wav": "its text isn't heard in it",
        "swapped.wav": "a word of its text isn't heard in it",
        "foreign.wav": "its text holds what isn't read",
        "lost": "no such file",
        "more.wav": "something is said that its text lacks",
    }
    assert "elephant" in next(one.detail for one in said.made.clips.left if one.file == "swapped.wav")


def test_rows_are_what_a_voice_learns_from(said: _Said) -> None:
    dataset = said.made.dataset
    assert dataset.kind == "voice" and dataset.params["speaker_agrees"] is True
    rows = [*dataset.rows("train"), *dataset.rows("heldout")]
    held = {row.input["prompt"] for row in dataset.rows("heldout")}
    assert len(rows) >= 9 and held.isdisjoint(row.input["prompt"] for row in dataset.rows("train"))
    for row in rows:
        one = said_of(dataset.folder, row)
        script = one.script
        assert len(script.sounds) <= SOUNDS and script.sounds[0] == script.sounds[-1] == PAUSE
        assert script.sounds.count(PAUSE) - 1 == len(script.marks)
        assert one.steps[0] > 2 and one.steps[-1] > 2 and (one.steps[1:-1] > 0).all()
        assert abs(one.steps.sum() * FRAME - len(one.samples) / RATE) <= FRAME
    words = lexicon_of(dataset.folder)
    assert words["zorblat"] and words["lamp"] == ("l", "ae", "m", "p") and lexicon_of(dataset.folder, "made.txt")
    low, middle, high = said.made.clips.pitch
    assert 60 < low < middle < high < 200  # a man


def test_a_long_clip_is_parted_at_its_pauses(said: _Said) -> None:
    long = next(clip for clip in said.made.clips.kept if clip.text == LONG)
    assert len(long.pieces) == 2
    assert " ".join(word for piece in long.pieces for word in piece.words) == LONG.replace(",", "").rstrip(".")
    assert long.pieces[0].text.endswith(",") and long.pieces[1].text.endswith("gone.")


def test_the_sheet_is_a_picture(said: _Said) -> None:
    with Image.open(io.BytesIO(said.made.sheet)) as sheet:
        assert sheet.width > 1000 and sheet.height > 9 * 100


def test_too_little_is_said_with_what_was_left_out(said: _Said) -> None:
    (said.folder / "few.csv").write_text("file,text\n" + f'0.wav,"{TEXTS[0]}"\nnoisy.wav,{TEXTS[1]}\n', "utf-8")
    with pytest.raises(
        DataError, match=r"0\.\d minutes of usable speech.*at least 5 minutes.*1 too noisy, as noisy.wav"
    ):
        import_voice(Workspace(said.folder / "home"), "anna", said.folder / "few.csv", seed=1)


def test_without_flite_words_that_the_dictionary_lacks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligning, "has_flite", lambda: False)
    ways = ways_of(["window", "the", "zorblat", "double_you"])
    assert sorted(ways) == ["double_you", "the", "window"]
    assert next(iter(ways["window"].values())) == ("w", "ih", "n", "d", "ow") and len(ways["the"]) == 2


def test_the_speaker_must_agree(said: _Said, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(said.folder / "other")]
    for words in (["data", "import", str(said.folder)], ["voice", "data", "anna", "--recordings", str(said.folder)]):
        assert main([*home, *words]) == 2
        assert "--speaker-agrees" in capsys.readouterr().err
