from __future__ import annotations

from dataclasses import replace

import pytest

from edge_runtime.errors import NotEquipped
from edge_runtime.media import speech
from edge_runtime.media.speech import VOICES, Utterance, speak
from trainer_host.media.hearing import listen

PLAIN = Utterance("The kettle is ready and the garden is quiet.", "man")
spoken = pytest.mark.skipif(not speech.available(), reason="espeak-ng isn't installed")


@spoken
def test_the_two_voices_are_an_octave_apart() -> None:
    man, woman = (listen(speak(replace(PLAIN, voice=voice))) for voice in VOICES)
    assert woman.hertz / man.hertz == pytest.approx(2, abs=0.3)


@spoken
def test_rate_pitch_and_loudness_change_what_they_say_and_little_else() -> None:
    plain = listen(speak(PLAIN))
    fast, high, loud = (
        listen(speak(replace(PLAIN, rate=220))),
        listen(speak(replace(PLAIN, pitch=85))),
        listen(speak(replace(PLAIN, loudness=115))),
    )
    assert fast.seconds < 0.85 * plain.seconds and fast.hertz == pytest.approx(plain.hertz, rel=0.05)
    assert high.hertz > 1.2 * plain.hertz and high.seconds == pytest.approx(plain.seconds, rel=0.05)
    assert loud.level > plain.level + 4 and loud.hertz == pytest.approx(plain.hertz, rel=0.05)


@spoken
def test_the_same_words_sound_the_same_twice_and_a_dash_is_no_option() -> None:
    assert (speak(PLAIN) == speak(PLAIN)).all()
    assert len(speak(replace(PLAIN, text="--help me please"))) > 10_000


def test_without_espeak_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not speech.available()
    with pytest.raises(NotEquipped, match=r"apt-get install espeak-ng\), or ask for music only\.$"):
        speak(PLAIN)


def test_an_espeak_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    for script, sentence in (("exit 3", "espeak-ng failed"), ("echo hello", "version 1.50 or newer")):
        fake = folder / "espeak-ng"
        fake.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        with pytest.raises(NotEquipped, match=sentence):
            speak(PLAIN)
