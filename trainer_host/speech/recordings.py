"""What people said into a microphone, from a folder: the phrase by those who will use it, and what else is heard there."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.audio.files import MAX_BYTES, RATE, read_sound, write_sound
from edge_runtime.errors import BadRequest
from trainer_host.data.dataset import Json, Row
from trainer_host.errors import DataError
from trainer_host.speech.kinds import PHRASE, TALK
from trainer_host.speech.voices import HELD_OUT, TRAIN

TABLE = "recordings.csv"  # file, label and, where it is known, speaker
FILES = "files"  # the dataset's folder of sounds
MAX_FILES = 20_000
LEAST_PHRASES = 5  # recordings of the phrase: fewer can't be examined by others
_HELD_SHARE = 0.25
_FRAME = RATE // 50  # samples of 20 ms, by whose loudness speech is found
_ABOVE_NOISE, _BELOW_PEAK = 3.0, 0.06  # times what the quietest tenth has, and of the loudest: more is speech
_SHORTEST, _LONGEST = 0.2, 1.8  # seconds of a phrase; the network remembers 1.9
_PAUSE = 0.35  # seconds between two words of one phrase
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
    """What was read, and how many files weren't taken, by reason."""

    kept: tuple[Recording, ...]
    refused: dict[str, int]

    @property
    def speakers(self) -> list[str]:
        """Those who said the phrase, as far as folders or the table name them."""
        return sorted({one.speaker for one in self.kept if one.kind == PHRASE and one.speaker})


def read_recordings(folder: Path, phrase: str) -> Recordings:
    """The WAVs below FOLDER/LABEL/ or FOLDER/LABEL/SPEAKER/, or those that FOLDER/recordings.csv lists.

    A label that spells the phrase ("hey-robot") holds the phrase, once in each file; all others don't hold it. Raises
    `DataError` where the folder can't be used, or has too few recordings of the phrase.
    """
    refused: Counter[str] = Counter()
    kept: dict[str, Recording] = {}
    for number, (path, label, speaker) in enumerate(_listed(folder)):
        if number >= MAX_FILES:
            raise DataError(f"{folder} lists more than {MAX_FILES:,} files; give a part of them.")
        made = _recording(folder, path, PHRASE if _words(label) == _words(phrase) else TALK, speaker, refused)
        if made is None:
            continue
        if made.name in kept:
            refused["the same sound again"] += 1
        kept.setdefault(made.name, made)
    count = sum(one.kind == PHRASE for one in kept.values())
    if count < LEAST_PHRASES:
        left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(refused.items()))
        name = "-".join(_words(phrase))
        raise DataError(
            f"{folder} has {count} usable recordings of '{phrase}'; put {LEAST_PHRASES} or more into {folder.name}/{name}/"
            + (f" (left out: {left_out})." if left_out else ".")
        )
    return Recordings(tuple(kept.values()), dict(sorted(refused.items())))


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


def contact_sheet(folder: Path, recordings: Recordings, most: int = 40) -> bytes:
    """A PNG with the spectrograms of some recordings, the phrase framed where it was found."""
    from PIL import Image, ImageDraw

    from trainer_host.media.spectrogram import HEIGHT, WIDTH, spectrogram

    some = sorted(recordings.kept, key=lambda one: (one.kind != PHRASE, one.speaker, one.file))[:most]
    columns, line = 3, HEIGHT + 18
    rows = -(-len(some) // columns)
    sheet = Image.new("RGB", (columns * (WIDTH + 8) + 8, rows * line + 22), "white")
    pen = ImageDraw.Draw(sheet)
    for place, one in enumerate(some):
        left, top = 8 + place % columns * (WIDTH + 8), 4 + place // columns * line
        whole = read_sound((folder / one.file).read_bytes()).samples
        sheet.paste(Image.open(io.BytesIO(spectrogram(whole, RATE))), (left, top + 13))
        what = "phrase" if one.kind == PHRASE else "other"
        pen.text((left, top), f"{what}  {one.file[-60:]}", fill="black")
        if one.kind == PHRASE:
            first, last = (left + round(at * RATE / max(1, len(whole)) * WIDTH) for at in one.span)
            pen.rectangle((first, top + 13, last, top + 12 + HEIGHT), outline="white", width=2)
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


def _listed(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """(path, label, speaker) of each file, in the order of their names."""
    table = folder / TABLE
    try:
        if table.is_file():
            yield from _tabled(folder, table)
            return
        labels = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as cause:
        raise DataError(f"{cause.filename or folder} can't be read: {cause.strerror}.") from None
    for label in labels:
        for path in sorted(label.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                below = path.relative_to(label).parts
                yield path, label.name, below[0] if len(below) > 1 else ""


def _tabled(folder: Path, table: Path) -> Iterator[tuple[Path, str, str]]:
    if table.stat().st_size > MAX_BYTES:
        raise DataError(f"{table} is too large for a list of files.")
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as cause:
        raise DataError(f"{table} isn't a table of UTF-8 ({cause}); save it as CSV.") from None
    for number, row in enumerate(rows, 2):
        file, label = (row.get("file") or "").strip(), (row.get("label") or "").strip()
        if not file or not label:
            raise DataError(f"{table}, line {number}: needs the columns file and label, as in said/1.wav,hey-robot.")
        path = folder / file
        if not path.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{table}, line {number}: {file[:80]} lies outside {folder}.")
        yield path, label, (row.get("speaker") or "").strip()


def _recording(folder: Path, path: Path, kind: str, speaker: str, refused: Counter[str]) -> Recording | None:
    if path.suffix.lower() != ".wav":
        refused["no .wav"] += 1
        return None
    try:
        with path.open("rb") as source:
            content = source.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            refused["too long"] += 1
            return None
        sound = read_sound(content)
    except OSError:
        refused["file can't be opened"] += 1
        return None
    except BadRequest:
        refused["damaged, or of a kind that isn't read"] += 1
        return None
    if sound.problem is not None and (sound.problem == "silent" or kind == PHRASE):
        refused[sound.problem] += 1
        return None
    part = spoken_part(sound.samples) if kind == PHRASE else (0, len(sound.samples))
    if part is None or part[1] - part[0] < _SHORTEST * RATE:
        refused["no speech found"] += 1
        return None
    if kind == PHRASE and part[1] - part[0] > _LONGEST * RATE:
        refused[f"more than {_LONGEST:g} seconds of speech"] += 1
        return None
    samples = sound.samples[part[0] : part[1]]
    scaled = samples * np.float32(0.5 / max(float(np.abs(samples).max()), 1e-6))
    span = part[0] / RATE, part[1] / RATE
    return Recording(path.relative_to(folder).as_posix(), kind, speaker, scaled, span)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower().replace("_", " "))
