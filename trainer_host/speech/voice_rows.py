"""The dataset of a voice: sentences that a teacher says, with their sounds and when each ends, and how it says words."""

from __future__ import annotations

import pydoc_data.topics
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import trainer_host
from edge_runtime.audio.files import read_sound
from edge_runtime.errors import BundleError
from edge_runtime.media import spoken
from edge_runtime.media.script import ALPHABET, LINKED, LONGEST, PAUSE, SOUNDS, Script, is_vowel
from edge_runtime.media.vocoder import RATE
from edge_runtime.tasks.voice import NAME, read_lexicon
from trainer_host.data.dataset import Dataset, Json, Row, open_dataset, seal, write_rows
from trainer_host.errors import DataError
from trainer_host.speech.common_words import common_words, has_common_words
from trainer_host.speech.recordings import FILES
from trainer_host.speech.texts import sentence
from trainer_host.speech.told import VOICES, Told, most_said, owners, sounds_of, tell_all
from trainer_host.speech.voices import versions
from trainer_host.tasks import file_name
from trainer_host.workspace import Workspace, checked_name, making, storage_errors

WORDS, MADE = "words.txt", "made.txt"  # how words are said, and how words that nobody has
HELD_OUT = 40  # sentences
COMMON, MOST_COMMON = 20_000, 60_000  # words of English that are known besides
_MADE_WORDS = 4000
_MOST_LINES, _MOST_BYTES = 20_000, 8_000_000
_ASKING = frozenset(("why", "could", "what", "is", "how", "did", "does", "are", "can", "will"))
_LINKING = frozenset(("the",))  # words that are said otherwise before a vowel
_MIXED = 0.4  # of the sentences are words without order: all sounds beside all


@dataclass(frozen=True)
class Said:
    """A sentence as the teacher said it. samples: float32 at `RATE`. steps: of 10 ms, by sound."""

    script: Script
    steps: np.ndarray
    lengths: np.ndarray  # of the sounds in steps, as told: float64
    samples: np.ndarray


def make_voice(
    workspace: Workspace,
    name: str,
    voice: str,
    *,
    seed: int,
    sentences: int,
    texts: Path | None = None,
    common: int | None = None,
) -> Dataset:
    """Let a teacher's voice say sentences and words; replaces a dataset of that name. Raises `DataError`, `TrainerError`.

    texts: a file of lines that are said besides, and whose words are learnt. common: so many of the commonest words are learnt besides;
    without it `COMMON` where pocketsphinx is installed, which tells them, and none elsewhere.
    """
    checked_name(name)
    if voice not in VOICES:
        raise DataError(f"There is no voice '{voice[:20]}' to learn from; choose {', '.join(VOICES)}.")
    if not 40 <= sentences <= 20_000:
        raise DataError("A voice is learnt from 40 to 20,000 sentences.")
    if common is None:
        common = COMMON if has_common_words() else 0
    if not 0 <= common <= MOST_COMMON:
        raise DataError(f"A voice knows 0 to {MOST_COMMON:,} of the commonest words.")
    own = _lines(texts) if texts is not None else []
    rng = np.random.default_rng(seed)
    said = sounds_of(usual_words(own, common))
    made = sounds_of(made_up_words(rng, sorted(said), _MADE_WORDS))
    names = sorted(said)
    asked = dict.fromkeys(_sentence(rng, names) for _ in range(sentences + HELD_OUT))
    said |= sounds_of(sorted({word for text in asked for word in words_of(text)} - said.keys()))
    held = list(asked)[:HELD_OUT]
    train = list(dict.fromkeys([*list(asked)[HELD_OUT:], *own]))
    with making(workspace.data / name) as folder:
        (folder / FILES).mkdir()
        rows: dict[str, list[Row]] = {}
        heard: list[tuple[str, tuple[str, ...]]] = []
        for side, some in (("train", train), ("heldout", held)):
            rows[side] = list(_rows(folder, voice, some, said, heard if side == "train" else []))
            write_rows(folder / f"{side}.jsonl", rows[side])
        # As it is said among others, where that was heard: "a" alone is a letter.
        said |= most_said(
            (word, own) for word, own in heard if abs(len(own) - len(said[word.removesuffix(LINKED)])) <= 1
        )
        write_words(folder / WORDS, said)
        write_words(folder / MADE, {word: sounds for word, sounds in made.items() if word not in said})
        params: Json = {"voice": voice, "speech": versions(), "common": common}
        figures: Json = {"words": len(said)}
        seal(folder, name=name, task=NAME, teacher=f"flite {voice}", seed=seed, params=params, figures=figures)
    return open_dataset(workspace.data / name)


def said_of(dataset: Path, row: Row) -> Said:
    """A row's script, lengths and sound; raises `DataError`."""
    try:
        sounds, ends = str(row.output["sounds"]).split(), np.array(row.output["ends"], np.float64)
        samples = read_sound((dataset / FILES / str(row.output["sound"])).read_bytes()).samples
        script = Script(tuple(sounds), tuple(row.output["owners"]), tuple(row.output["marks"]))  # type: ignore[arg-type]
        if not len(sounds) == len(ends) == len(script.owners):
            raise ValueError
    except (OSError, KeyError, TypeError, ValueError):
        raise DataError("A row of a voice's dataset is damaged; make it again with 'enigma voice data'.") from None
    at = ends * 100
    places = np.minimum(np.round(at).astype(np.int64), len(samples) * 100 // RATE)
    return Said(script, np.diff(places, prepend=0), np.diff(at, prepend=0.0), samples)


def lexicon_of(dataset: Path, name: str = WORDS) -> dict[str, tuple[str, ...]]:
    """How the teacher says words; raises `DataError`."""
    try:
        return read_lexicon(dataset / name)
    except BundleError:
        raise DataError(f"The dataset lacks its {name}; make it again with 'enigma voice data'.") from None


def _rows(
    folder: Path,
    voice: str,
    texts: Sequence[str],
    said: dict[str, tuple[str, ...]],
    heard: list[tuple[str, tuple[str, ...]]],
) -> Iterator[Row]:
    for text, told in zip(texts, tell_all(voice, [_plain(text) for text in texts]), strict=True):
        phrases = [phrase for one in spoken.read(text).sentences for phrase in one]
        words = words_of(text)
        if len(told.sounds) > SOUNDS or len(told.sounds) < 3 or any(word not in said for word in words):
            continue
        of = owners(told.sounds, [said[word] for word in words])
        heard += words_heard(told.sounds, of, words)
        name = file_name(told.wav, ".wav")
        (folder / FILES / name).write_bytes(told.wav)
        output: Json = {
            "sound": name,
            "sounds": " ".join(told.sounds),
            "ends": list(told.ends),
            "owners": of,
            "marks": _marks(told, [phrase.mark for phrase in phrases]),
        }
        yield Row({"prompt": text}, output, {})


def words_heard(
    sounds: Sequence[str], of: Sequence[int], words: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each word with its sounds, `_LINKING` ones before a vowel with `LINKED` behind."""
    own = [tuple(sound for sound, owner in zip(sounds, of, strict=True) if owner == at) for at in range(len(words))]
    for at, word in enumerate(words):
        end = max((place for place, owner in enumerate(of) if owner == at), default=len(sounds) - 1)
        before = word in _LINKING and is_vowel(sounds[min(end + 1, len(sounds) - 1)])
        yield word + LINKED if before else word, own[at]


def _marks(told: Told, marks: Sequence[str]) -> list[str]:
    """Of each pause behind a sound; the teacher may pause where no mark is."""
    pauses = sum(sound == PAUSE for sound in told.sounds[1:])
    return list(marks) if pauses == len(marks) else [*([","] * (pauses - 1)), *marks[-1:]]


def _plain(text: str) -> str:
    """A text as its words and marks, so that the teacher reads what a device reads."""
    phrases = [phrase for one in spoken.read(text).sentences for phrase in one]
    return " ".join(" ".join(phrase.words) + phrase.mark for phrase in phrases)


def _sentence(rng: np.random.Generator, words: Sequence[str]) -> str:
    if rng.random() < _MIXED:
        chosen = [words[int(at)] for at in rng.integers(0, len(words), int(rng.integers(4, 9)))]
        if rng.random() < 0.5:
            chosen[int(rng.integers(1, len(chosen) - 1))] += ","
        return " ".join(chosen) + ("?" if rng.random() < 0.2 else ".")
    made = sentence(rng)
    return made + ("?" if made.split()[0].lower() in _ASKING else ".")


def usual_words(own: Sequence[str], common: int) -> list[str]:
    """What a voice knows: words that come with Enigma and Python, those of a person's own lines, and so many of the commonest."""
    return sorted({*_words(own), *_sayable(common_words(common) if common else [])})


def _words(own: Sequence[str]) -> list[str]:
    """English words that come with Enigma and with Python, those that numbers are read as, and a person's own."""
    texts = [path.read_text("utf-8") for path in sorted(Path(trainer_host.__file__).parent.rglob("*.txt"))]
    found = {word for text in (*texts, *pydoc_data.topics.topics.values()) for word in _found(text)}
    found |= {word for number in range(100) for word in spoken.number_words(number) + spoken.ordinal_words(number)}
    found |= {word for letter in spoken.LETTERS for word in spoken.spelt(letter)}
    found |= {word for value in spoken.expansions() for word in value.split()}
    found |= {word for text in own for word in words_of(text)}
    return _sayable(found)


def _sayable(words: Iterable[str]) -> list[str]:
    return sorted(word for word in words if len(word) <= LONGEST)


def words_of(text: str) -> list[str]:
    """The words that a text is read as."""
    return [word for one in spoken.read(text).sentences for phrase in one for word in phrase.words]


def _found(text: str) -> list[str]:
    made = re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())
    return [word for word in made if set(word) & set("aeiouy") and (len(word) > 1 or word in "aio")]


def made_up_words(rng: np.random.Generator, words: Sequence[str], count: int) -> list[str]:
    """Words that nobody has, spelt as these are: each letter after two others as theirs."""
    after: dict[str, list[str]] = {}
    for word in words:
        padded = f"  {word} "
        for at in range(2, len(padded)):
            after.setdefault(padded[at - 2 : at], []).append(padded[at])
    made: set[str] = set()
    known = set(words)
    for _ in range(4 * count):
        letters = "  "
        while len(letters) < LONGEST:
            options = after[letters[-2:]]
            letters += options[int(rng.integers(len(options)))]
            if letters[-1] == " ":
                break
        word = letters.strip()
        if 3 <= len(word) <= 12 and set(word) <= set(ALPHABET) - {"'"} and word not in known:
            made.add(word)
        if len(made) == count:
            break
    return sorted(made)


def _lines(path: Path) -> list[str]:
    with storage_errors(path):
        content = path.read_bytes()
    if len(content) > _MOST_BYTES:
        raise DataError(f"{path.name} has more than {_MOST_BYTES:,} bytes; give less.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path.name} isn't a text in UTF-8; save it as one.") from None
    made = [piece.strip() for line in text.splitlines() for piece in spoken.apart(line, 200)]
    if not made:
        raise DataError(f"{path.name} has no line that an English voice could say.")
    return made[:_MOST_LINES]


def write_words(path: Path, said: Mapping[str, Sequence[str]]) -> None:
    """A lexicon that `lexicon_of` reads."""
    path.write_text("".join(f"{word} {' '.join(said[word])}\n" for word in sorted(said)), "ascii", newline="\n")
