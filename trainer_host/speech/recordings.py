"""What people said into a microphone, from a folder: the phrase by those who will use it, and what else is heard there."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_runtime.audio.files import MAX_BYTES, MAX_SECONDS, RATE, SILENT, read_sound, write_sound
from edge_runtime.errors import BadRequest
from trainer_host.data.dataset import Json, Row
from trainer_host.data.left_out import LeftOut
from trainer_host.errors import DataError
from trainer_host.speech.kinds import PHRASE, TALK
from trainer_host.speech.listed import Named, listed
from trainer_host.speech.voices import HELD_OUT, TRAIN

FILES = "files"  # the dataset's folder of sounds
LEAST_PHRASES = 5  # recordings of the phrase: fewer can't be examined by others
_HELD_SHARE = 0.25
_FRAME = RATE // 50  # samples of 20 ms, by whose loudness speech is found
_ABOVE_NOISE, _BELOW_PEAK = 3.0, 0.06  # times what the quietest tenth has, and of the loudest: more is speech
_SHORTEST, _LONGEST = 0.2, 1.8  # seconds of a phrase; the network remembers 1.9
_PAUSE = 0.35  # seconds between two words of one phrase
_TOO_LONG = f"longer than {MAX_SECONDS / 60:g} minutes"
_MARGIN = 0.04  # seconds before and behind what was found


@dataclass(frozen=True)
class Recording:
    """One sound. samples: float32 [n] at 16 kHz, its peak at 0.5; of a phrase, the phrase alone.

    kind: PHRASE or TALK. span: seconds of the file that it is.
    """

    file: str
    kind: str
    speaker: str
    samples: np.ndarray
    span: tuple[float, float]

    @property
    def name(self) -> str:
        """Its file in a dataset, by its content."""
        return f"{FILES}/{hashlib.sha256(self.content).hexdigest()[:20]}.wav"

    @property
    def content(self) -> bytes:
        """A WAV of 16 bits."""
        return write_sound(self.samples)


@dataclass(frozen=True)
class Recordings:
    """What was read, and how many files weren't taken, by reason; `first`: one of each reason.

    labels: of all files that were listed. torn: files that are the same sound, once as the phrase and once as another; none of them is kept.
    """

    kept: tuple[Recording, ...]
    refused: dict[str, int]
    first: dict[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    torn: tuple[tuple[str, str], ...] = ()

    @property
    def speakers(self) -> list[str]:
        """Those who said the phrase, as far as folders or the table name them."""
        return sorted({one.speaker for one in self.kept if one.kind == PHRASE and one.speaker})


def read_recordings(place: Path, phrase: str, columns: Mapping[str, str] | None = None) -> Recordings:
    """The WAVs below FOLDER/LABEL/ or FOLDER/LABEL/SPEAKER/, or those that a table lists, see `listed`.

    A label that spells the phrase ("hey-robot") holds the phrase, once in each file; all others don't hold it. Raises
    `DataError` where the folder can't be used, or has too few recordings of the phrase.
    """
    folder, named = listed(place, columns)
    refused: LeftOut[str] = LeftOut()
    kept: dict[str, Recording] = {}
    raw: dict[str, Recording] = {}
    torn: list[tuple[str, str]] = []
    for one in named:
        kind = PHRASE if spells(one.label, phrase) else TALK
        file = one.path.relative_to(folder).as_posix()
        try:
            content = _content(one.path)
            made = _recording(content, one, file, kind)
        except _Unusable as cause:
            refused.add(str(cause), file)
            continue
        key = f"{hashlib.sha256(content).hexdigest()} {one.span}"
        before = raw.setdefault(key, made)
        if before.kind != kind:
            torn.append((before.file, file))
            kept.pop(before.name, None)
        elif made.name in kept or (before is not made and any(first == before.file for first, _ in torn)):
            refused.add("the same sound again", file)
        else:
            kept[made.name] = made
    count = sum(one.kind == PHRASE for one in kept.values())
    if count < LEAST_PHRASES:
        left_out = refused.listed(", as ")
        raise DataError(
            f"{place} has {count} usable recordings of '{phrase}'; put {LEAST_PHRASES} or more into "
            f"{folder.name}/{'-'.join(_words(phrase))}/" + (f" (left out: {left_out})." if left_out else ".")
        )
    labels = tuple(sorted({one.label for one in named}))
    return Recordings(tuple(kept.values()), refused.by_reason, refused.first, labels, tuple(torn))


def spells(label: str, phrase: str) -> bool:
    """Whether a label is the phrase, however it is written ("Hey_Robot")."""
    return _words(label) == _words(phrase)


def rows_of(recordings: Recordings) -> dict[str, list[Row]]:
    """Rows of a dataset by side: of three people or more, some are held out whole; of fewer, some of their files."""
    people = recordings.speakers
    held_people = set(people[: max(1, round(len(people) * _HELD_SHARE))]) if len(people) >= 3 else set()
    made: dict[str, list[Row]] = {TRAIN: [], HELD_OUT: []}
    for kind in (PHRASE, TALK):
        some = sorted((one for one in recordings.kept if one.kind == kind), key=lambda one: one.name)
        for place, one in enumerate(some):
            if kind == PHRASE and held_people:
                held = one.speaker in held_people
            else:
                held = place % round(1 / _HELD_SHARE) == 1
            side = HELD_OUT if held else TRAIN
            told: Json = {"file": one.name}
            made[side].append(
                Row(
                    told,
                    {"wake": kind == PHRASE},
                    {"kind": kind, "side": side, "speaker": one.speaker, "said_by": "people"},
                )
            )
    return made


def is_recorded(row: Row) -> bool:
    """Whether a row's sound is a file."""
    return "file" in row.input


def recorded_sound(row: Row, dataset: Path) -> np.ndarray:
    """float32 [n] of a row that is a file; raises `DataError`."""
    name = str(row.input["file"])
    if not re.fullmatch(rf"{FILES}/[0-9a-f]{{20}}\.wav", name):
        raise DataError("A row of this dataset names a file that no dataset has; make it again.")
    try:
        return read_sound((dataset / name).read_bytes()).samples
    except (OSError, BadRequest) as cause:
        raise DataError(f"{name} of the dataset '{dataset.name}' can't be read ({cause}); make it again.") from None


def contact_sheet(folder: Path, recordings: Recordings, doubtful: Collection[str] = (), most: int = 40) -> bytes:
    """A PNG with the spectrograms of some recordings, the phrase framed where it was found; the files of `doubtful` first, in red."""
    from PIL import Image, ImageDraw

    from trainer_host.media.spectrogram import HEIGHT, WIDTH, spectrogram

    def place_of(one: Recording) -> tuple[bool, bool, str, str]:
        return one.file not in doubtful, one.kind != PHRASE, one.speaker, one.file

    some = sorted(recordings.kept, key=place_of)[:most]
    columns, line = 3, HEIGHT + 18
    rows = -(-len(some) // columns)
    sheet = Image.new("RGB", (columns * (WIDTH + 8) + 8, rows * line + 22), "white")
    pen = ImageDraw.Draw(sheet)
    for place, one in enumerate(some):
        left, top = 8 + place % columns * (WIDTH + 8), 4 + place // columns * line
        whole = read_sound((folder / one.file).read_bytes()).samples
        sheet.paste(Image.open(io.BytesIO(spectrogram(whole, RATE))), (left, top + 13))
        what, colour = "phrase" if one.kind == PHRASE else "other", "red" if one.file in doubtful else "black"
        pen.text((left, top), f"{what}  {one.file[-60:]}", fill=colour)
        if one.kind == PHRASE:
            first, last = (left + round(at * RATE / max(1, len(whole)) * WIDTH) for at in one.span)
            pen.rectangle((first, top + 13, last, top + 12 + HEIGHT), outline="white", width=2)
        if one.file in doubtful:
            pen.rectangle((left - 2, top + 11, left + WIDTH + 1, top + 14 + HEIGHT), outline="red", width=2)
    left_over = len(recordings.kept) - len(some)
    pen.text((8, rows * line + 6), f"and {left_over} more" if left_over else f"{len(some)} recordings", fill="grey")
    held = io.BytesIO()
    sheet.save(held, "PNG", optimize=True)
    return held.getvalue()


def spoken_part(samples: np.ndarray) -> tuple[int, int] | None:
    """Where speech is in float32 [n], first and last sample; None for none. A longer pause ends what came first.

    Of several parts, the one with the most energy: somebody speaks nearer to the microphone than others do.
    """
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if len(frames) < 5:
        return None
    loud = np.sqrt(np.square(frames, dtype=np.float64).mean(1))
    level = max(float(np.quantile(loud, 0.1)) * _ABOVE_NOISE, float(loud.max()) * _BELOW_PEAK, 1e-4)
    heard = np.flatnonzero(loud > level)
    if not len(heard):
        return None
    parts = np.split(heard, np.flatnonzero(np.diff(heard) * _FRAME > _PAUSE * RATE) + 1)
    best = max(parts, key=lambda part: float(np.square(loud[part]).sum()))
    first = max(0, int(best[0]) * _FRAME - int(_MARGIN * RATE))
    return first, min(len(samples), (int(best[-1]) + 1) * _FRAME + int(_MARGIN * RATE))


class _Unusable(Exception):
    """A file that isn't taken; its text is the reason."""


def _content(path: Path) -> bytes:
    if path.suffix.lower() != ".wav":
        raise _Unusable("no .wav")
    try:
        with path.open("rb") as source:
            content = source.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _Unusable("no such file") from None
    except OSError:
        raise _Unusable("file can't be opened") from None
    if len(content) > MAX_BYTES:
        raise _Unusable(_TOO_LONG)
    return content


def _recording(content: bytes, named: Named, file: str, kind: str) -> Recording:
    """Raises `_Unusable`."""
    try:
        sound = read_sound(content)
    except BadRequest as cause:
        raise _Unusable(_TOO_LONG if " lasts " in str(cause) else "damaged, or of a kind that isn't read") from None
    samples, begin = sound.samples, 0
    if named.span is not None:
        begin = round(min(named.span[0], MAX_SECONDS) * RATE)
        samples = samples[begin : round(min(named.span[1], MAX_SECONDS) * RATE)]
        if not len(samples):
            raise _Unusable("the file ends before its part begins")
    if sound.problem == "silent" or float(np.sqrt(np.square(samples, dtype=np.float64).mean())) < SILENT:
        raise _Unusable("silent")
    if sound.problem is not None and kind == PHRASE:
        raise _Unusable(sound.problem)
    part = spoken_part(samples) if kind == PHRASE else (0, len(samples))
    if part is None or part[1] - part[0] < _SHORTEST * RATE:
        raise _Unusable("no speech found")
    if kind == PHRASE and part[1] - part[0] > _LONGEST * RATE:
        raise _Unusable(f"more than {_LONGEST:g} seconds of speech")
    samples = samples[part[0] : part[1]]
    scaled = samples * np.float32(0.5 / max(float(np.abs(samples).max()), 1e-6))
    span = (begin + part[0]) / RATE, (begin + part[1]) / RATE
    return Recording(file, kind, named.speaker, scaled, span)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower().replace("_", " "))
