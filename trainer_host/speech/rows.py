"""Rows of a wake word's dataset: who says what, and whether it is the phrase. The sound is made of them when needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from trainer_host.data.dataset import Dataset, Json, Row, open_dataset, seal, write_rows
from trainer_host.errors import DataError
from trainer_host.speech.kinds import MORE, NEAR, PHRASE, TALK
from trainer_host.speech.phrases import altered, check_sounds, checked_phrase, holds, near_text, near_words
from trainer_host.speech.recordings import FILES, Recordings, rows_of
from trainer_host.speech.texts import WORDS, foreign, jumbled, paragraph, read_aloud
from trainer_host.speech.voices import (
    CHECK,
    ESPEAK,
    HELD_OUT,
    TRAIN,
    Speaker,
    draw_speaker,
    phonemes_of,
    require_speech,
    versions,
)
from trainer_host.workspace import Workspace, checked_name, making

TASK = "wake_word"
TEACHER, WITH_PEOPLE = "synthetic speakers", "synthetic speakers and people"
_TALK_SECONDS = 13.0  # what a row of talk lasts, about
_SENTENCES = 5
_ALL_PROGRAMS = 0.2  # the share of more talk that may be by any of them
_MOST_ROWS = 200_000


@dataclass(frozen=True)
class Amount:
    """How often the phrase is said, how often something like it, and how many hours of other talk.

    more: hours of talk besides, of which only the hardest is learnt from.
    """

    phrases: int
    near: int
    hours: float
    more: float = 0.0


# By side. What decides the threshold needs hours: an alarm in two of them is the rate that is allowed.
AMOUNTS = {TRAIN: Amount(2_400, 1_600, 12.0, 48.0), CHECK: Amount(250, 250, 2.0), HELD_OUT: Amount(400, 400, 1.0)}


def make_dataset(
    workspace: Workspace,
    name: str,
    phrase: str,
    *,
    seed: int,
    scale: float = 1.0,
    held_out_hours: float | None = None,
    recordings: Recordings | None = None,
) -> Dataset:
    """Write the dataset of a phrase; replaces one of that name. Raises `DataError` or `TrainerError`.

    scale: times the usual amounts, in all sides. held_out_hours: of talk by speakers that aren't trained with.
    recordings: what people said, besides.
    """
    checked_name(name)
    phrase = checked_phrase(phrase)
    programs = require_speech()
    amounts = {side: _scaled(amount, scale) for side, amount in AMOUNTS.items()}
    if held_out_hours is not None:
        held = amounts[HELD_OUT]
        amounts[HELD_OUT] = Amount(held.phrases, held.near, held_out_hours)
    if any((amount.hours + amount.more) * 3600 / _TALK_SECONDS > _MOST_ROWS for amount in amounts.values()):
        raise DataError("So many hours of talk are too many; take 500 or fewer.")
    first, *words = phonemes_of([phrase, *phrase.split(), *WORDS])
    check_sounds(phrase, first)
    near = near_words(phrase, words)
    made: dict[str, list[Row]] = {}
    for number, (side, amount) in enumerate(amounts.items()):
        rng = np.random.default_rng([seed, number])
        made[side] = list(_rows(rng, phrase, first, near, side, amount, programs))
        made[side] += _more_rows(np.random.default_rng([seed, number, 7]), phrase, side, amount.more, programs)
    params: Json = {"phrase": phrase, "phonemes": first, "speech": versions()}
    if recordings is not None:
        for side, rows in rows_of(recordings).items():
            made[side] += rows
        said = [one for one in recordings.kept if one.kind == PHRASE]
        others, speakers = len(recordings.kept) - len(said), len(recordings.speakers)
        params["people"] = {"phrases": len(said), "others": others, "speakers": speakers}
    with making(workspace.data / name) as folder:
        write_rows(folder / "train.jsonl", [*made[TRAIN], *made[CHECK]])
        write_rows(folder / "heldout.jsonl", made[HELD_OUT])
        if recordings is not None:
            (folder / FILES).mkdir()
            for one in recordings.kept:
                (folder / one.name).write_bytes(one.content)
        seal(
            folder,
            name=name,
            task=TASK,
            teacher=TEACHER if recordings is None else WITH_PEOPLE,
            seed=seed,
            params=params,
            figures={side: asdict(amount) for side, amount in amounts.items()},
        )
    return open_dataset(workspace.data / name)


def speaker_of(row: Row) -> Speaker:
    """Who says a row; raises `DataError`."""
    try:
        return Speaker(**row.input["voice"])  # type: ignore[arg-type]
    except (KeyError, TypeError):
        raise DataError("A row of a wake word's dataset names no speaker; make the dataset again.") from None


def phrase_of(dataset: Dataset) -> str:
    """The phrase that a dataset teaches; raises `DataError`."""
    found = dataset.params.get("phrase")
    if not isinstance(found, str):
        raise DataError(f"The dataset '{dataset.name}' has no phrase; make it with 'enigma wakeword data'.")
    return found


def _rows(
    rng: np.random.Generator,
    phrase: str,
    phonemes: str,
    near: dict[str, list[str]],
    side: str,
    amount: Amount,
    programs: list[str],
) -> Iterator[Row]:
    for _ in range(amount.phrases):
        yield _row(draw_speaker(rng, side, programs), phrase, PHRASE, side)
    for place in range(amount.near):
        sounds = place % 2 == 0
        text = altered(rng, phonemes) if sounds else near_text(rng, phrase, near)
        yield _row(draw_speaker(rng, side, programs, phonemes=sounds), text, NEAR, side)
    for _ in range(max(1, round(amount.hours * 3600 / _TALK_SECONDS)) if amount.hours else 0):
        kind = float(rng.random())
        if kind < 0.2:
            yield _row(draw_speaker(rng, side, programs, phonemes=True), foreign(rng, 24), TALK, side)
            continue
        if kind < 0.5:
            text = paragraph(rng, _SENTENCES)
        else:
            text = read_aloud(rng, 3) if kind < 0.85 else ", ".join(rng.choice(WORDS, 22))
        if holds(text, phrase):
            continue  # chance said it
        yield _row(draw_speaker(rng, side, programs), text, TALK, side)


def _more_rows(rng: np.random.Generator, phrase: str, side: str, hours: float, programs: list[str]) -> Iterator[Row]:
    """Mostly by espeak-ng, which takes a seventh of flite's time."""
    for _ in range(round(hours * 3600 / _TALK_SECONDS)):
        kind = float(rng.random())
        who = programs if rng.random() < _ALL_PROGRAMS else [ESPEAK]
        if kind < 0.2:
            yield _row(draw_speaker(rng, side, who, phonemes=True), foreign(rng, 24), MORE, side)
            continue
        if kind < 0.45:
            text = paragraph(rng, _SENTENCES)
        else:
            text = read_aloud(rng, 3) if kind < 0.65 else jumbled(rng, 3)
        if not holds(text, phrase):
            yield _row(draw_speaker(rng, side, who), text, MORE, side)


def _row(speaker: Speaker, text: str, kind: str, side: str) -> Row:
    told: Json = {"text": text, "voice": asdict(speaker)}
    return Row(told, {"wake": kind == PHRASE}, {"kind": kind, "side": side})


def _scaled(amount: Amount, scale: float) -> Amount:
    if not 0 < scale <= 20:
        raise DataError("The amount of speech must be from above 0 to 20 times the usual.")
    return Amount(
        max(8, round(amount.phrases * scale)),
        max(8, round(amount.near * scale)),
        amount.hours * scale,
        amount.more * scale,
    )
