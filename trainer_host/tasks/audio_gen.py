"""Task `audio_gen`: a request in words gives notes, or words and how they are said, that sound as was asked."""

from __future__ import annotations

import difflib
import functools
import logging
import random

from edge_runtime.media import reading, speech
from edge_runtime.media.notes import HIGHEST, LOWEST, MAX_AT_ONCE, MAX_NOTES, MAX_SECONDS, MIN_LENGTH, pitch_name
from edge_runtime.media.sound import MUSIC, SPEECH, Program, program_schema, read_program, wav_of, write_program
from edge_runtime.media.speech import LOUDNESSES, MAX_TEXT, PITCHES, RATES, Utterance
from trainer_host.errors import DataError
from trainer_host.media import examples, music_sampler, sound_phrases, speech_sampler
from trainer_host.media.sound import heard
from trainer_host.media.sound_facts import MAX_FACTS, Fact, facts_of, read_facts, said, unmet, write_fact
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, file_name

logger = logging.getLogger(__name__)

MAX_PROMPT = 600
SOUNDS = "sounds"  # in the output of a row that a voice is learnt from
FREE = 0.6  # of the built-in requests: the share in free words

SYSTEM = f"""You make sounds by writing a program as JSON, of kind "music" or "speech", as the request wants.
music: notes, 1 to {MAX_NOTES}. pitch: "C4" is the middle C, then sharps "F#3" and flats "Bb5", from \
{pitch_name(LOWEST)} to {pitch_name(HIGHEST)}. start and length: seconds; a length is {MIN_LENGTH:g} or more, and all \
ends within {MAX_SECONDS:g} s. loudness: 0.05 to 1. wave: sine, triangle, square or sawtooth. At most {MAX_AT_ONCE} \
notes sound at once, and a pitch ends before it begins again. At 120 beats a minute the beats are 0.5 s apart, the \
first at 0. A crescendo begins at a quarter of the last loudness or less. A chord has its notes start together.
speech: text, English, at most {MAX_TEXT} characters. voice: man or woman. rate: words a minute, {RATES[0]} to \
{RATES[1]}, plain is {speech.NORMAL_RATE}. pitch: {PITCHES[0]} to {PITCHES[1]}, plain is {speech.NORMAL_PITCH}. \
loudness: {LOUDNESSES[0]} to {LOUDNESSES[1]}, plain is {speech.NORMAL_LOUDNESS}. Clearly more or less means rate \
115 or 215, pitch 20 or 80, loudness 32 or 108. Happy: faster and higher, as loud. Sad: slower, lower and softer. \
Angry: faster, higher and louder. Afraid: faster, higher and softer. Neutral: all plain. What isn't asked for stays plain.
Example: {{"program":{{"kind":"music","notes":[{{"pitch":"C4","start":0,"length":0.4,"loudness":0.6,"wave":"sine"}}]}}}}"""


def spec(options: Json) -> TaskSpec:
    """Option `kinds`: a list of "music" and "speech"; without it, both, or music alone where espeak-ng is missing.

    Raises `DataError` for other options, and for speech where espeak-ng is missing.
    """
    if extra := options.keys() - {"kinds"}:
        raise DataError(f"The task audio_gen has no option '{min(extra)}'; it has kinds.")
    kinds = options.get("kinds")
    if kinds is None:
        if speech.available():
            return AudioGen((MUSIC, SPEECH))
        _warn_once()
        return AudioGen((MUSIC,))
    if not isinstance(kinds, list) or not kinds or any(kind not in (MUSIC, SPEECH) for kind in kinds):
        raise DataError('The option kinds of audio_gen is a list of "music" and "speech".')
    if SPEECH in kinds and not speech.available():
        raise DataError(speech.MISSING)
    return AudioGen(tuple(dict.fromkeys(map(str, kinds))))


@functools.cache  # a spec is made for every call to a worker
def _warn_once() -> None:
    logger.warning("Speech is left out: espeak-ng isn't installed (on Debian: apt-get install espeak-ng).")


class AudioGen(TaskSpec):
    """input: {"prompt"}. output: {"program", "shows"}: notes or an utterance, and what of it was asked for; or what a voice's teacher
    told, see `trainer_host.speech.voice_rows`.
    """

    name = "audio_gen"
    prompt_version = "2"
    metric = "share of what was asked that can be heard"
    answer_schema = reading.strict_object(program=program_schema())
    example_schema = examples.example_schema("program", {"type": "object", **program_schema()}, MAX_PROMPT, MAX_FACTS)
    max_tokens = 2000

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds = kinds

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: what must be heard, and the words that ask for it."""
        made = self._sample(rng)
        return {
            "kind": made.kind,
            "difficulty": made.difficulty,
            "facts": [write_fact(fact) for fact in made.facts],
            "request": made.request,
        }

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`."""
        return Prompt(SYSTEM, str(drawn["request"]))

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: the WAV is written, read back and listened to."""
        program = read_program(reading.fields(answers[0], "the answer", ("program",))["program"])
        facts = read_facts(drawn["facts"])
        reading.refuse(unmet(facts, heard(program)))
        return _example(str(drawn["request"]), program, facts)

    def check(self, example: Example) -> None:
        """See `TaskSpec`. A text in quotes in the prompt must be what is said, named pitches must be heard."""
        prompt = examples.prompt_of(example, MAX_PROMPT)
        if SOUNDS in example.output:
            _told(example)
            return
        output = reading.fields(example.output, "output", ("program",), optional=("shows",))
        program = read_program(output["program"])
        sound = heard(program)
        reading.refuse(unmet(read_facts(output.get("shows", [])), sound))
        said(prompt, sound)

    def key(self, example: Example) -> str:
        """See `TaskSpec`: the prompt's words."""
        return " ".join(str(example.input["prompt"]).lower().split())

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`: the share of the facts in `wanted` that are heard in `got`, 0 where it makes no sound.

        Without facts, those of the notes or words themselves (`facts_of`). Of a voice: the share of the teacher's sounds that it says.
        """
        if SOUNDS in wanted:
            return difflib.SequenceMatcher(
                None, str(wanted[SOUNDS]).split(), str(got.get(SOUNDS)).split(), False
            ).ratio()
        try:
            sound = heard(read_program(got.get("program")))
        except Rejected:
            return 0.0
        facts = read_facts(wanted.get("shows", [])) or facts_of(heard(read_program(wanted["program"])))
        return 1 - len(unmet(facts, sound)) / len(facts)

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: the notes or the utterance that the facts were made true in."""
        made = self._sample(rng)
        program: Program = made.utterance if isinstance(made, speech_sampler.Sample) else made.notes
        return _example(made.request, program, made.facts)

    def stratum(self, example: Example) -> str | None:
        """See `TaskSpec`: music or speech, or a voice's."""
        if SOUNDS in example.output:
            return SOUNDS
        return SPEECH if isinstance(read_program(example.output["program"]), Utterance) else MUSIC

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: more notes or words, and more facts, are harder."""
        if SOUNDS in example.output:
            return super().difficulty(example)
        program = read_program(example.output["program"])
        length = len(program.text.split()) if isinstance(program, Utterance) else len(program)
        shows = example.output.get("shows")
        return min(1.0, length / 30 + (len(shows) if isinstance(shows, list) else 3) / 12)

    def render(self, example: Example) -> dict[str, bytes]:
        """See `TaskSpec`: the WAV; raises `NotEquipped` for speech where espeak-ng is missing."""
        if SOUNDS in example.output:
            return dict(example.files)
        content = wav_of(read_program(example.output["program"]))
        return {file_name(content, ".wav"): content}

    def _sample(self, rng: random.Random) -> music_sampler.Sample | speech_sampler.Sample:
        free = rng.random() < FREE
        if rng.choice(self._kinds) == MUSIC:
            return sound_phrases.music(rng) if free else music_sampler.sample(rng)
        return sound_phrases.speech(rng) if free else speech_sampler.sample(rng)


def _told(example: Example) -> None:
    """Check a row of a voice's teacher; raises `Rejected`."""
    output = reading.fields(example.output, "output", ("sound", SOUNDS, "ends", "owners", "marks"))
    count = len(reading.text(output[SOUNDS], SOUNDS, 1000).split())
    if str(output["sound"]) not in example.files:
        raise Rejected("no sound", f"the sound '{str(output['sound'])[:60]}' isn't there")
    for name in ("ends", "owners"):
        value = output[name]
        if not isinstance(value, list) or len(value) != count or not all(isinstance(one, int | float) for one in value):
            raise Rejected("wrong form", f"{name} must be a list of as many numbers as there are sounds")


def _example(prompt: str, program: Program, facts: tuple[Fact, ...]) -> Example:
    return Example({"prompt": prompt}, {"program": write_program(program), "shows": [write_fact(f) for f in facts]})
