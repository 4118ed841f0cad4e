"""Hears sounds: the pitch, onset, level and waveform of each note, the pitch and pace of speech, all from samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.media.notes import WAVES, Note, cents, partials, pitch_name
from edge_runtime.media.wav import RATE
from trainer_host.tasks import Rejected

if TYPE_CHECKING:
    import numpy as np

PITCH_OFF = 30.0  # cents; most people hear 20 to 50 as out of tune
ONSET_OFF = 0.025  # seconds; the field's own measure allows 0.05 (Raffel et al. 2014, mir_eval)
FAINT = 3e-4  # of full scale, about -70 dB
DROWNED = 0.1  # of its strongest overtone; in all our waveforms the fundamental is the strongest
LONGEST = 2.0  # seconds of a note that are listened to
_SPECTRUM = 2**16  # points: a third of a hertz apart, and a parabola finds the place between them
_OVERTONES = 5  # partials by which a waveform is told


@dataclass(frozen=True)
class Heard:
    """A note as it can be heard. midi: with fractions. onset: seconds. level: decibels of full scale."""

    midi: float
    onset: float
    level: float
    wave: str

    @property
    def nearest(self) -> int:
        """The pitch's MIDI number."""
        return round(self.midi)


def hear(samples: np.ndarray, notes: tuple[Note, ...]) -> tuple[Heard, ...]:
    """Listen for each note where it should be; raises `Rejected` where another or none is heard."""
    return tuple(_heard(samples, note) for note in notes)


def _heard(samples: np.ndarray, note: Note) -> Heard:
    import numpy as np

    name = f"{pitch_name(note.midi)} at {note.start:g} s"
    first = round((note.start + 0.01) * RATE)
    last = round((min(note.end - 0.01, note.start + LONGEST)) * RATE)
    piece = samples[first:last]
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), _SPECTRUM)) / (len(piece) / 4)
    step = RATE / _SPECTRUM
    found = _peak(spectrum, note.hertz / step)
    if found is None:
        raise Rejected("unclear pitch", f"{name} can't be heard apart from the others; sound fewer low notes together")
    frequency = found * step
    off = cents(frequency, note.hertz)
    if abs(off) > PITCH_OFF:
        raise Rejected("unclear pitch", f"{name} sounds {off:+.0f} cents off; sound fewer low or near notes together")
    levels = [float(spectrum[round(min(number * found, len(spectrum) - 2))]) for number in range(1, _OVERTONES + 1)]
    if levels[0] < max(FAINT, DROWNED * max(levels)):
        raise Rejected("unclear pitch", f"{name} can't be heard beside what sounds with it; make it louder")
    onset = _onset(samples, note)
    if onset is None or abs(onset - note.start) > ONSET_OFF:
        raise Rejected(
            "unclear onset", f"{name} can't be heard to begin; make it louder, or sound fewer low notes with it"
        )
    return Heard(note.midi + off / 100, onset, 20 * np.log10(max(levels[0], 1e-6)), _wave(levels))


def _peak(spectrum: np.ndarray, wanted: float) -> float | None:
    """The local maximum nearest to a place, within a semitone and a half, refined by a parabola (in spectrum points)."""
    import numpy as np

    low, high = int(wanted / 2 ** (1.5 / 12)), int(wanted * 2 ** (1.5 / 12)) + 2
    part = spectrum[low:high]
    inner = (part[1:-1] >= part[:-2]) & (part[1:-1] > part[2:]) & (part[1:-1] > 0.25 * part.max())
    places = np.flatnonzero(inner) + 1 + low
    if not len(places):
        return None
    place = int(places[np.abs(places - wanted).argmin()])
    before, here, after = np.log(np.maximum(spectrum[place - 1 : place + 2], 1e-12))
    bend = before - 2 * here + after
    return place + (0.5 * (before - after) / bend if bend else 0.0)


def _onset(samples: np.ndarray, note: Note) -> float | None:
    """When the note's fundamental rises through the middle between what was before and what comes, in seconds."""
    import numpy as np

    width = round(max(0.02, 2 / note.hertz) * RATE)
    ahead, behind = round(0.1 * RATE), round(min(0.09, note.length) * RATE)
    start = round(note.start * RATE)
    padded = np.concatenate([np.zeros(ahead + width), samples, np.zeros(behind + width)])
    window = padded[start : start + ahead + behind + 2 * width]  # its middle part begins `ahead` before the note
    time = np.arange(len(window)) / RATE
    carried = window * np.exp(-2j * np.pi * note.hertz * time)
    weights = np.hanning(2 * width + 1)
    size = 1 << (len(carried) - 1).bit_length()  # a convolution by FFT: its wrapped part is before `2 * width`
    smooth = np.fft.ifft(np.fft.fft(carried, size) * np.fft.fft(weights / weights.sum(), size))
    amplitude = np.abs(smooth[2 * width : len(carried)])
    peak = ahead + int(amplitude[ahead:].argmax())
    floor = int(amplitude[:peak].argmin())
    low, high = float(amplitude[floor]), float(amplitude[peak])
    if high < 1.25 * low or high <= 0:
        return None
    rising = np.flatnonzero(amplitude[floor:peak] >= (low + high) / 2)
    return (floor + int(rising[0]) - ahead) / RATE + note.start if len(rising) else None


def _wave(levels: list[float]) -> str:
    """The waveform whose first partials are most like these."""
    import numpy as np

    shape = np.array(levels) / max(levels[0], 1e-9)
    known = {wave: np.array([*partials(wave), 0, 0, 0, 0][:_OVERTONES]) for wave in WAVES}
    return min(known, key=lambda wave: float(np.abs(np.minimum(shape, 2) - known[wave]).sum()))


@dataclass(frozen=True)
class Voice:
    """Speech as it can be heard. seconds: from its first to its last sound. hertz: median pitch. level: decibels."""

    seconds: float
    hertz: float
    level: float


def listen(samples: np.ndarray) -> Voice:
    """Measure speech; raises `Rejected` where no voice is heard."""
    import numpy as np

    loud = np.flatnonzero(np.abs(samples) > 0.01)
    pitches = _pitches(samples)
    if not len(loud) or len(pitches) < 5:
        raise Rejected("no voice", "no voice can be heard; write words that can be spoken")
    spoken = samples[loud[0] : loud[-1] + 1]
    level = 20 * np.log10(float(np.sqrt((spoken**2).mean())))
    return Voice(len(spoken) / RATE, float(np.median(pitches)), level)


def _pitches(samples: np.ndarray) -> list[float]:
    """Pitch of each voiced piece of 40 ms, by the highest autocorrelation between 60 and 450 Hz (Rabiner 1977)."""
    import numpy as np

    size = round(0.04 * RATE)
    shortest, longest = round(RATE / 450), round(RATE / 60)
    if len(samples) < size:
        return []
    pieces = np.lib.stride_tricks.sliding_window_view(samples, size)[:: size // 2]
    pieces = pieces - pieces.mean(axis=1, keepdims=True)
    pieces = pieces[(pieces**2).mean(axis=1) >= 1e-4]
    alike = np.fft.irfft(np.abs(np.fft.rfft(pieces, 2048)) ** 2)[:, :size]
    lags = shortest + alike[:, shortest:longest].argmax(axis=1)
    # Below 0.45 of the piece's power, it is a consonant or noise.
    voiced = alike[np.arange(len(lags)), lags] > 0.45 * alike[:, 0]
    return [RATE / lag for lag in lags[voiced].tolist()]
