from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.trainer_host.speech.needs import needs_speech
from trainer_host.errors import TrainerError
from trainer_host.speech import made_voices
from trainer_host.speech.made_voices import MADE, is_made, made_name, variant
from trainer_host.speech.voices import CHECK, ESPEAK, HELD_OUT, TRAIN, Speaker, draw_speaker, say_all


def test_a_made_voice_follows_from_its_number_alone() -> None:
    assert variant(7) == variant(7) == variant(7 + MADE) != variant(8)
    assert len({variant(number) for number in range(MADE)}) == MADE
    names = [line.split()[0] for line in variant(3).splitlines()]
    assert names.count("formant") == 9 and {"pitch", "voicing", "consonants"} <= set(names)


def test_only_its_own_names_become_folders() -> None:
    assert is_made("en-us+made-12") and is_made(f"en-gb-x-rp+{made_name(MADE - 1)}")
    assert not any(is_made(name) for name in ("en-us+Alex", "en-us+made-../../x", "made-1", "en-us+made-1\n"))


def test_made_voices_are_learnt_from_and_never_examined() -> None:
    rng = np.random.default_rng(1)
    made = {
        side: np.mean([is_made(draw_speaker(rng, side, [ESPEAK]).voice) for _ in range(300)])
        for side in (TRAIN, CHECK, HELD_OUT)
    }
    assert 0.5 < made[TRAIN] < 0.7 and made[CHECK] == made[HELD_OUT] == 0


@needs_speech
def test_made_voices_speak_and_differ() -> None:
    who = [Speaker(ESPEAK, f"en+{made_name(number)}", 160, 50, 22_000) for number in (1, 2, 1)]
    one, other, again = say_all([(speaker, "hey robot") for speaker in who])
    assert np.array_equal(one, again)
    assert len(one) != len(other) or not np.allclose(one, other, atol=0.05)


def test_a_system_without_espeaks_data_says_what_to_install(tmp_path: Path) -> None:
    program = tmp_path / "espeak-ng"
    program.write_text(f"#!/bin/sh\necho 'eSpeak NG text-to-speech: 1.51  Data at: {tmp_path}'\n")
    program.chmod(0o755)
    with pytest.raises(TrainerError, match="install version"):
        made_voices._own_data(str(program))
