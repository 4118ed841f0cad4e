"""The dataset of a person's voice: recordings of theirs, aligned with what is said in them."""

from __future__ import annotations

import importlib.metadata
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.audio.files import RATE, write_sound
from edge_runtime.tasks.voice import NAME
from trainer_host.data.dataset import Dataset, Json, Row, open_dataset, seal, write_rows
from trainer_host.errors import DataError
from trainer_host.speech.aligner import Way, require_pocketsphinx, ways_of
from trainer_host.speech.clips import Clip, Clips, Left, Piece, Unusable, read_clips, readable
from trainer_host.speech.recordings import FILES
from trainer_host.speech.told import has_flite, most_said, sounds_of
from trainer_host.speech.transcripts import Listed, transcripts
from trainer_host.speech.voice_rows import (
    COMMON,
    HELD_OUT,
    MADE,
    MOST_COMMON,
    WORDS,
    made_up_words,
    usual_words,
    words_heard,
    write_words,
)
from trainer_host.speech.voices import versions
from trainer_host.tasks import file_name
from trainer_host.workspace import Workspace, checked_name, making

LEAST_MINUTES = 5.0
_LEAST_ROWS = 44  # pieces: 40 to learn from, and some that examine
_HELD_SHARE = 0.08
_MADE_WORDS = 4000
_OFTEN = 3  # times that a word is said otherwise than usually, until that is how this speaker says it
_SHOWN = 24  # clips on the sheet


@dataclass(frozen=True)
class OwnVoice:
    """What was made. unknown: words that are said and that nobody can spell, so that their recordings were left out."""

    dataset: Dataset
    clips: Clips
    unknown: tuple[str, ...]
    sheet: bytes


def import_voice(
    workspace: Workspace,
    name: str,
    table: Path,
    *,
    seed: int,
    columns: Mapping[str, str] | None = None,
    speaker: str | None = None,
    common: int | None = None,
    told: Callable[[int, int], object] = lambda done, all: None,
) -> OwnVoice:
    """Make a voice's dataset of the recordings that a table lists; replaces one of that name. Raises `DataError`.

    common: so many of the commonest words are known besides. told: is called with how many recordings are read, of how many.
    """
    checked_name(name)
    require_pocketsphinx()
    common = COMMON if common is None else common
    if not 0 <= common <= MOST_COMMON:
        raise DataError(f"A voice knows 0 to {MOST_COMMON:,} of the commonest words.")
    listed = transcripts(table, columns, speaker)
    asked = {word for one in listed for word in _words(one)}
    ways = ways_of(asked)
    clips = read_clips(listed, table.parent, ways, lambda done: told(done, len(listed)))
    pieces = sum(len(clip.pieces) for clip in clips.kept)
    if clips.minutes < LEAST_MINUTES or pieces < _LEAST_ROWS:
        raise DataError(_too_little(table, clips, pieces))
    said, made = _lexicon(usual_words([clip.text for clip in clips.kept], common), ways, seed)
    held = _held_out(clips.kept, seed)
    with making(workspace.data / name) as folder:
        (folder / FILES).mkdir()
        heard: list[tuple[str, Way]] = []
        for side in ("train", "heldout"):
            some = [clip for clip in clips.kept if (clip.text in held) == (side == "heldout")]
            write_rows(folder / f"{side}.jsonl", [_row(folder, clip, piece) for clip in some for piece in clip.pieces])
            if side == "train":
                heard = [
                    word
                    for clip in some
                    for piece in clip.pieces
                    for word in words_heard(piece.sounds, piece.owners, piece.words)
                ]
        counts = Counter(heard)
        said |= most_said(word for word in heard if counts[word] >= _OFTEN)
        write_words(folder / WORDS, said)
        write_words(folder / MADE, {word: own for word, own in made.items() if word not in said})
        tools = {**versions(), "pocketsphinx": importlib.metadata.version("pocketsphinx")}
        params: Json = {"voice": speaker or name, "speech": tools, "common": common, "speaker_agrees": True}
        figures: Json = {
            "words": len(said),
            "minutes": round(clips.minutes, 1),
            "pitch": [round(hertz) for hertz in clips.pitch],
            "left_out": clips.reasons,
        }
        seal(folder, name=name, task=NAME, teacher="recordings", seed=seed, params=params, figures=figures)
    unknown = sorted(asked - ways.keys())
    return OwnVoice(open_dataset(workspace.data / name), clips, tuple(unknown), sheet(clips))


def sheet(clips: Clips, most: int = _SHOWN) -> bytes:
    """A PNG of the clips whose texts are least likely, and others: spectrograms with the sounds' borders."""
    from PIL import Image, ImageDraw

    from trainer_host.media.spectrogram import HEIGHT, spectrogram

    doubtful = {one.file for one in clips.doubts}
    worst = sorted(clips.kept, key=lambda clip: (clip.file not in doubtful, clip.worst))
    rest = worst[most // 2 :]
    step = max(1, len(rest) // max(1, most - most // 2))
    some = [*worst[: most // 2], *rest[::step]][:most]
    wide, line = 1440, HEIGHT + 34
    made = Image.new("RGB", (wide + 16, len(some) * line + 8), "white")
    pen = ImageDraw.Draw(made)
    for number, clip in enumerate(some):
        top, piece = 6 + number * line, clip.pieces[0]
        pen.text((8, top), f"{clip.file[-60:]}  {piece.text[:150]}", fill="red" if clip.file in doubtful else "black")
        picture = Image.open(io.BytesIO(spectrogram(piece.samples, RATE))).resize((wide, HEIGHT))
        made.paste(picture, (8, top + 13))
        begin = 0.0
        for sound, end in zip(piece.sounds, piece.ends, strict=True):
            left, right = (8 + at * RATE / max(1, len(piece.samples)) * wide for at in (begin, end))
            pen.line((right, top + 13, right, top + 14 + HEIGHT), fill="white")
            pen.text(((left + right) / 2 - 3 * len(sound), top + 15 + HEIGHT), sound, fill="grey")
            begin = end
    held = io.BytesIO()
    made.save(held, "PNG", optimize=True)
    return held.getvalue()


def _words(one: Listed) -> Sequence[str]:
    try:
        return readable(one.text).words
    except Unusable:
        return ()


def _lexicon(
    words: Sequence[str], ways: Mapping[str, Mapping[Way, Way]], seed: int
) -> tuple[dict[str, Way], dict[str, Way]]:
    """How words are said, and words that nobody has: as flite does, else by pocketsphinx's dictionary, which has no such words."""
    if not has_flite():
        known = ways_of(words)
        return {word: next(iter(own.values())) for word, own in {**known, **ways}.items()}, {}
    said = sounds_of(words)
    said |= {word: next(iter(own.values())) for word, own in ways.items() if word not in said}
    return said, sounds_of(made_up_words(np.random.default_rng(seed), sorted(said), _MADE_WORDS))


def _held_out(clips: Sequence[Clip], seed: int) -> set[str]:
    """Texts of those that examine."""
    texts = sorted({clip.text for clip in clips})
    count = min(HELD_OUT, max(4, round(_HELD_SHARE * len(texts))))
    chosen = np.random.default_rng(seed).permutation(len(texts))[:count]
    return {texts[int(at)] for at in chosen}


def _row(folder: Path, clip: Clip, piece: Piece) -> Row:
    content = write_sound(piece.samples)
    name = file_name(content, ".wav")
    (folder / FILES / name).write_bytes(content)
    output: Json = {
        "sound": name,
        "sounds": " ".join(piece.sounds),
        "ends": list(piece.ends),
        "owners": list(piece.owners),
        "marks": list(piece.marks),
    }
    return Row({"prompt": piece.text}, output, {"file": clip.file, "score": round(clip.score, 1)})


def _too_little(table: Path, clips: Clips, pieces: int) -> str:
    first: dict[str, Left] = {}
    for one in clips.left:
        first.setdefault(one.why, one)
    left = ", ".join(f"{count} {why}, as {first[why].file}" for why, count in clips.reasons.items())
    return (
        f"{table} has {clips.minutes:.1f} minutes of usable speech in {pieces} pieces; a voice needs at least "
        f"{LEAST_MINUTES:g} minutes and {_LEAST_ROWS} pieces" + (f" (left out: {left})." if left else ".")
    )
