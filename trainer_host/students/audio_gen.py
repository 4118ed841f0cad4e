"""The student of the task audio_gen: a language model, see `trainer_host.students.language`, examined on its sounds."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from edge_runtime.media import Rejected
from edge_runtime.media.notes import Note
from edge_runtime.media.sound import Program, read_program
from edge_runtime.media.speech import Utterance
from trainer_host.data.dataset import Row
from trainer_host.media.hearing import Heard
from trainer_host.media.music_facts import Contour, EndsOn, InKey, Tune
from trainer_host.media.sound_facts import Fact, Sound, read_facts, unmet
from trainer_host.students import Json
from trainer_host.students.programs import ProgramStudent

GOLDEN_TOKENS = 120  # all but the longest sounds have fewer
CENTS, SECONDS = 20.0, 0.020  # how far a note may be from what was asked


def shares(rows: Sequence[Row], answers: Sequence[Json]) -> dict[str, float]:
    """Of all rows: `readable`, a program; `as_asked`, all facts are heard. `music`, `speech`: as_asked of that kind.

    `notes`: of the rows whose prompt settles all notes, how many have each of them within `CENTS` and `SECONDS`.
    """
    from trainer_host.media.sound import heard

    readable = 0
    right: dict[str, list[bool]] = {"music": [], "speech": []}
    settled: list[bool] = []
    for row, answer in zip(rows, answers, strict=True):
        wanted = read_program(row.output["program"])
        facts = read_facts(row.output.get("shows", []))
        sound: Sound | None = None
        if answer["program"] is not None:
            readable += 1
            with contextlib.suppress(Rejected):  # it has another sound than its notes say, so none of what was asked
                sound = heard(read_program(answer["program"]))
        right["speech" if isinstance(wanted, Utterance) else "music"].append(
            sound is not None and not unmet(facts, sound)
        )
        if settles(wanted, facts):
            settled.append(sound is not None and as_written(wanted, sound))
    every = [met for kind in right.values() for met in kind]
    made = {"readable": readable / len(rows), "as_asked": sum(every) / len(rows)}
    made |= {kind: sum(met) / len(met) for kind, met in right.items() if met}
    return made | ({"notes": sum(settled) / len(settled)} if settled else {})


def settles(wanted: Program, facts: Sequence[Fact]) -> bool:
    """All but a melody, which may go any way between its ends, or in its key; the device's defaults settle the rest."""
    told = {type(fact) for fact in facts}
    melody = EndsOn in told or (InKey in told and not told & {Contour, Tune})
    return not isinstance(wanted, Utterance) and not melody


def as_written(wanted: Program, sound: Sound) -> bool:
    """Whether these notes are heard and no others, each in tune and in time."""
    if isinstance(wanted, Utterance) or not isinstance(sound, tuple) or len(wanted) != len(sound):
        return False
    pairs: list[tuple[Note, Heard]] = list(zip(wanted, sound, strict=True))
    return all(
        abs(heard.midi - note.midi) * 100 <= CENTS and abs(heard.onset - note.start) <= SECONDS for note, heard in pairs
    )


STUDENT = ProgramStudent("audio_gen", shares, GOLDEN_TOKENS)
