"""What flite tells of words: the sounds that the voices themselves make of them."""

from __future__ import annotations

from tests.trainer_host.speech.needs import needs_flite
from trainer_host.speech.told import PAUSE, sounds_of, tell

pytestmark = needs_flite


def test_words_have_the_sounds_that_the_voice_says() -> None:
    words = ["much", "studies", "couple", "father", "zorblat"]
    alone = sounds_of(words)
    assert alone["much"] == ("m", "ah", "ch") and alone["father"][1] == "aa"
    said = tell("slt", " ".join(words))
    assert [sound for sound in said.sounds if sound != PAUSE] == [sound for word in words for sound in alone[word]]
