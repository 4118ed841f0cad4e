"""A small network learns a teacher's voice: better than each sound's mean, and it spells words; the device says what is asked."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edge_runtime.errors import BadRequest
from edge_runtime.media import Media
from edge_runtime.tasks import voice
from tests.trainer_host.conftest import nothing
from tests.trainer_host.speech.needs import needs_flite
from trainer_host.compress.gate import draft_manifest, limits_of
from trainer_host.data.dataset import Dataset
from trainer_host.errors import DataError
from trainer_host.evaluation.answers import _voiced
from trainer_host.evaluation.show import Examined, show
from trainer_host.speech import voice_rows
from trainer_host.speech.voice_rows import make_voice
from trainer_host.students import student_of, voice_net
from trainer_host.students import voice as voice_student
from trainer_host.students.voice import _size
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

from .torch_engine import TorchEngine

pytestmark = needs_flite
WORDS = [
    "lamp",
    "kitchen",
    "seven",
    "open",
    "morning",
    "window",
    "three",
    "garden",
    "table",
    "yellow",
    "river",
    "stone",
]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dataset, Run]]:
    folder = tmp_path_factory.mktemp("voice")
    workspace = Workspace(folder / "home")
    own = folder / "own.txt"
    own.write_text("Enigma opens the zorblat in 3 minutes.\n\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voice_rows, "_words", lambda own: [*WORDS, "enigma", "opens", "the", "zorblat", "in", "minutes"])
        patch.setattr(
            voice_rows, "_sentence", lambda rng, words: f"{' '.join(rng.choice(words, 3))} the {rng.choice(words)}."
        )
        patch.setattr(voice_student, "MAX_STEPS", 200)
        patch.setattr(voice_rows, "HELD_OUT", 4)
        patch.setattr(voice_rows, "_MADE_WORDS", 300)
        made = make_voice(workspace, "said", "kal16", seed=1, sentences=40, texts=own, common=0)
        patch.setitem(voice_net.SIZES, "nano", (32, 48, 64, 24))
        run, _ = train_run(workspace, made, "said", seed=1, seconds=8, on_progress=nothing, settings={"size": "nano"})
        yield made, run


@pytest.fixture(scope="module")
def speaking(taught: tuple[Dataset, Run]) -> voice.Voice:
    _, run = taught
    return voice.load(draft_manifest(run, student_of(run)), run.folder, TorchEngine(run))  # type: ignore[arg-type]


def test_it_says_more_than_each_sounds_mean(taught: tuple[Dataset, Run], speaking: voice.Voice) -> None:
    dataset, run = taught
    figures = student_of(run).evaluate(run.folder, dataset.folder, speaking, None)
    assert (run.task, run.kind, figures["rows"]) == ("audio_gen", "voice", 4)
    assert figures["accuracy"] > figures["by_sound"] > 0
    assert figures["lengths"] < 1 and figures["pitch"] < 4
    assert (limits_of(student_of(run)).bytes or 0) <= 16_000_000


def test_a_text_is_said_word_for_word_and_as_it_is_asked(speaking: voice.Voice) -> None:
    plain = speaking.run({"prompt": "Open the window, table seven."})
    slow = speaking.run({"prompt": "Open the window, table seven.", "speed": 0.5, "pitch": 12, "level": -20})
    sound = cast(Media, plain["sound"])
    with wave.open(io.BytesIO(sound.content)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
    assert abs(len(samples) / 16_000 - float(str(plain["seconds"]))) < 0.01 and np.abs(samples).max() > 500
    assert str(plain["sounds"]).startswith("pau ow p ax n dh ax w ih n d ow pau t ey b ax l")
    assert plain["guessed"] == [] and plain["unsure"] is False
    assert float(str(slow["seconds"])) > 1.6 * float(str(plain["seconds"]))
    loud, soft = (np.max(cast("list[float]", answer["levels"])) for answer in (plain, slow))
    assert 12 < loud - soft < 28
    assert voice.agrees(plain, plain) and not voice.agrees(plain, slow)


def test_the_is_said_otherwise_before_a_vowel(speaking: voice.Voice) -> None:
    answer = speaking.run({"prompt": "The open window. The garden."})
    assert str(answer["sounds"]).startswith("pau dh iy ow p ax n") and "pau dh ax g aa r" in str(answer["sounds"])


def test_a_word_of_no_lexicon_is_spelt_by_the_network(speaking: voice.Voice) -> None:
    answer = speaking.run({"prompt": "blampen"})
    assert answer["guessed"] == ["blampen"] and len(str(answer["sounds"]).split()) > 4 and answer["unsure"] is False


def test_a_text_of_another_language_is_said_and_unsure(speaking: voice.Voice) -> None:
    answer = speaking.run({"prompt": "Zeichne einen roten Kreis."})
    assert (
        answer["unsure"] is True and "another language" in str(answer["problem"]) and isinstance(answer["sound"], Media)
    )


def test_other_scripts_are_left_out_and_unsure(speaking: voice.Voice) -> None:
    answer = speaking.run({"prompt": "Open Привет window"})
    assert answer["unsure"] is True and "'Привет'" in str(answer["problem"])


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, "needs a"),
        ({"prompt": "  "}, "needs a"),
        ({"prompt": 5}, "needs a"),
        ({"prompt": "你好"}, "nothing that this voice reads"),
        ({"prompt": "a" * 100_000}, "100,000 characters"),
        ({"prompt": "hi", "speed": 9}, '"speed"'),
        ({"prompt": "hi", "pitch": "high"}, '"pitch"'),
        ({"prompt": "hi", "level": True}, '"level"'),
        ({"prompt": "hi", "tone": 1}, '"tone"'),
    ],
)
def test_what_cannot_be_said_is_one_sentence(speaking: voice.Voice, request_: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        speaking.run(request_)
    assert said in str(caught.value)


def test_a_long_text_is_parts_that_are_said_alone(speaking: voice.Voice) -> None:
    text = "Open the window. " * 500
    parts, unsure = speaking.parts({"prompt": text, "speed": 2.0})
    assert len(parts) == 500 and not unsure and parts[1]["speed"] == 2.0
    assert speaking.parts({"prompt": "Open. 你好. Window."})[1] is True
    with pytest.raises(BadRequest):
        speaking.parts({"prompt": text * 3})
    long = speaking.run({"prompt": "window" * 90})  # one word of 540 letters
    assert float(str(long["seconds"])) > 1


def test_a_page_shows_and_plays_teacher_and_student(taught: tuple[Dataset, Run], speaking: voice.Voice) -> None:
    dataset, run = taught
    answered = _voiced(run, dataset, list(dataset.rows("heldout"))[:2], speaking, lambda share, what: None)
    page = show(run, Examined("model.int8.onnx", "onnxruntime", 1000, answered))
    assert page.count("<audio") >= 4 and page.count("its spectrogram") >= 4
    assert all(0 < item.score < 1 for item in answered)


def test_many_sentences_teach_a_large_network_and_few_a_small_one() -> None:
    assert _size({}, 1466) == "tiny" and _size({}, 493) == "micro" and _size({"size": "nano"}, 1466) == "nano"
    with pytest.raises(DataError, match="it has nano, micro, tiny"):
        _size({"size": "huge"}, 493)


def test_a_teachers_dataset_tells_what_is_wrong(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(DataError, match="choose slt"):
        make_voice(workspace, "said", "nobody", seed=1, sentences=40)
    with pytest.raises(DataError, match="from 40"):
        make_voice(workspace, "said", "slt", seed=1, sentences=3)
    texts = tmp_path / "texts.txt"
    texts.write_text("你好\n", "utf-8")
    with pytest.raises(DataError, match="no line"):
        make_voice(workspace, "said", "slt", seed=1, sentences=40, texts=texts)
    texts.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        make_voice(workspace, "said", "slt", seed=1, sentences=40, texts=texts)
