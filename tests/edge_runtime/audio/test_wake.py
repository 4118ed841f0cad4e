from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.audio.files import RATE
from edge_runtime.audio.wake import KEPT, LOGIT, MEMORY, Decision, WakeSession
from edge_runtime.errors import EngineError
from tests.edge_runtime.audio.loud import Loud, bursts, model


def session(engine: Loud, threshold: float = 0.5) -> WakeSession:
    return WakeSession(model(engine, threshold))


@pytest.mark.parametrize("piece", [160, 1_600, 96_000])
def test_each_burst_is_heard_once_at_its_time_however_the_sound_comes(piece: int) -> None:
    listening, sound = session(Loud()), bursts(1.0, 4.0)
    found = [one for start in range(0, len(sound), piece) for one in listening.feed(sound[start : start + piece])]
    assert [round(one.seconds) for one in found] == [1, 4]
    assert listening.seconds == pytest.approx(6.0, abs=0.05)
    assert listening.peak > 0.5


def test_one_loud_step_alone_wakes_nobody() -> None:
    assert session(Loud()).feed(bursts(1.0, length=0.03)) == []


def test_a_phrase_that_never_ends_is_heard_once() -> None:
    rng = np.random.default_rng(2)
    sound = (rng.normal(0, 1, 4 * RATE) * np.linspace(0.001, 0.6, 4 * RATE) ** 2).astype(np.float32)
    engine = Loud()
    engine.run = lambda inputs: {LOGIT: np.full((1, 1), 9, np.float32), KEPT: inputs[MEMORY]}  # type: ignore[method-assign]
    assert len(session(engine).feed(sound)) == 1


def test_calibration_decides_what_a_mean_is_worth() -> None:
    assert Decision(0.5, 0.1, scale=2.0, shift=-1.0).confidence(0.5) == pytest.approx(0.5)
    assert session(Loud(), threshold=0.999_999).feed(bursts(1.0)) == []


def test_a_session_goes_on_with_a_newer_model() -> None:
    listening = session(Loud())
    assert len(listening.feed(bursts(1.0, seconds=2.0))) == 1
    listening.use(model())
    assert len(listening.feed(bursts(1.0, seconds=2.0))) == 1
    assert listening.seconds == pytest.approx(4.0, abs=0.05)


def test_a_model_that_gives_no_number_is_an_error_and_no_silence() -> None:
    engine = Loud()
    engine.broken = True
    with pytest.raises(EngineError, match="build the bundle again"):
        session(engine).feed(bursts(1.0))
