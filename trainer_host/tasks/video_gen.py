"""Task `video_gen`: a request in words gives a scene with motion that, drawn frame by frame, moves as was asked."""

from __future__ import annotations

import random

from edge_runtime.media import reading
from edge_runtime.media.colours import COLOURS
from edge_runtime.media.film_words import FILM_READING
from edge_runtime.media.scene import (
    MAX_FILM_SHAPES,
    MAX_FILM_SIDE,
    MAX_FPS,
    MAX_FRAMES,
    MIN_SIDE,
    Scene,
    read_scene,
    scene_schema,
    write_scene,
)
from trainer_host.media import examples, film_facts, film_phrases, picture_words
from trainer_host.media.film import Watched, film_file, refuse_unreadable, refuse_unseen, watch
from trainer_host.media.film_facts import MAX_FACTS, Fact, read_facts, unmet, write_fact
from trainer_host.media.film_sampler import FREE, LEVELS, Sample, request, sample
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, file_name, next_frames, no_options

MAX_PROMPT = 600

SYSTEM = f"""You make short films by writing a scene with motion as JSON.
width, height: pixels, {MIN_SIDE} to {MAX_FILM_SIDE}. fps: 2 to {MAX_FPS}. seconds: 0.5 to 10; at most {MAX_FRAMES} \
frames. background and colour: {", ".join(COLOURS)}, or #rrggbb.
shapes: 1 to {MAX_FILM_SHAPES}. x, y: the shape's centre, 0 to 1 across the canvas from its top left corner. width, \
height: shares of the canvas's shorter side. rotation: degrees clockwise. layer: higher ones are drawn over lower ones.
kinds: circle (an oval where width and height differ), rectangle (a square where they are equal), triangle, star, line, \
polygon (points: x, y from 0 to 1 in its own box; 5 make a pentagon, 6 a hexagon), text.
motion: a list, empty for what stays. property: x, y, scale (times width and height) or rotation, each at most once. \
ease: linear or ease. keys: t in seconds, rising, and the value then; before the first and after the last it rests.
Every shape stays on the canvas, uncovered and apart from others in all frames. A move goes at least 30 % of the canvas, \
straight. A bounce comes down and up again; a sway goes sideways and back; each swing is at least 12 % of the canvas. \
A turn is at most 25 degrees per frame.
Example, a red ball that moves from left to right: {{"scene":{{"width":160,"height":120,"background":"white","fps":10,\
"seconds":2,"shapes":[{{"kind":"circle","x":0.2,"y":0.5,"width":0.25,"height":0.25,"colour":"red","rotation":0,\
"layer":0,"motion":[{{"property":"x","ease":"linear","keys":[{{"t":0,"value":0.2}},{{"t":2,"value":0.8}}]}}]}}]}}}}"""


def spec(options: Json) -> TaskSpec:
    """Option: `frames`, see `next_frames.spec`; raises `DataError` for any other, and where Pillow is missing."""
    if "frames" in options:
        return next_frames.spec(options)
    no_options("video_gen", options)
    examples.needs("PIL", "Films")
    return VideoGen()


class VideoGen(TaskSpec):
    """input: {"prompt"}. output: {"scene", "shows"}: the scene with its motion, and what of it was asked for."""

    name = "video_gen"
    prompt_version = "2"
    metric = "share of what was asked that the film shows"
    answer_schema = reading.strict_object(scene=scene_schema(film=True))
    example_schema = examples.example_schema("scene", scene_schema(film=True), MAX_PROMPT, MAX_FACTS)
    max_tokens = 2000

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: what must move how, and the words that ask for it."""
        return _drawn(sample(rng), rng)

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`."""
        return Prompt(SYSTEM, str(drawn["request"]))

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: every frame is drawn and each shape's path measured; the file is read back by a parser."""
        scene = read_scene(reading.fields(answers[0], "the answer", ("scene",))["scene"], film=True)
        facts = read_facts(drawn["facts"])
        _shown(scene, facts)
        return _example(str(drawn["request"]), scene, facts)

    def check(self, example: Example) -> None:
        """See `TaskSpec`. Without "shows", the prompt's own words say what must be there, as far as they are known."""
        prompt = examples.prompt_of(example, MAX_PROMPT)
        output = reading.fields(example.output, "output", ("scene",), optional=("shows",))
        scene = read_scene(output["scene"], film=True)
        facts = read_facts(output.get("shows", []))
        watched = _shown(scene, facts)
        picture_words.spoken(prompt, film_facts.in_picture(facts), watched.middle, FILM_READING)
        film_facts.spoken(prompt, facts, watched)

    def key(self, example: Example) -> str:
        """See `TaskSpec`: the prompt's words."""
        return " ".join(str(example.input["prompt"]).lower().split())

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`: the share of the facts in `wanted` that hold in the frames of `got`, 0 where it has none."""
        if next_frames.FRAME in wanted:
            return next_frames.score(wanted, got)
        try:
            watched = watch(read_scene(got.get("scene"), film=True))
        except Rejected:
            return 0.0
        facts: tuple[Fact, ...] = read_facts(wanted.get("shows", []))
        if not facts:
            facts = film_facts.motions_of(watch(read_scene(wanted["scene"], film=True)))
        return 1 - len(unmet(facts, watched)) / len(facts) if facts else 1.0

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: the scene that the facts were made true in."""
        made = sample(rng)
        return _example(str(_drawn(made, rng)["request"]), made.scene, made.facts)

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: more facts are harder."""
        shows = example.output.get("shows")
        return min(1.0, len(shows) / 11) if isinstance(shows, list) else 0.5

    def render(self, example: Example) -> dict[str, bytes]:
        """See `TaskSpec`: the film as animated PNG."""
        content = film_file(read_scene(example.output["scene"], film=True))
        return {file_name(content, ".png"): content}


def practice(rng: random.Random) -> Example:
    """An example for a student that practises: as of the built-in teacher, but no frame of it was looked at."""
    made = sample(rng, looked_at=False)
    return _example(str(_drawn(made, rng)["request"]), made.scene, made.facts)


def _drawn(made: Sample, rng: random.Random) -> Json:
    return {
        "level": made.level,
        "style": made.style,
        "difficulty": LEVELS.index(made.level) / (len(LEVELS) - 1),
        "things": len(made.scene.shapes),
        "facts": [write_fact(fact) for fact in made.facts],
        "request": (film_phrases.request(made.facts, rng) if made.style == FREE else None) or request(made.facts, rng),
    }


def _example(prompt: str, scene: Scene, facts: tuple[Fact, ...]) -> Example:
    return Example({"prompt": prompt}, {"scene": write_scene(scene), "shows": [write_fact(fact) for fact in facts]})


def _shown(scene: Scene, facts: tuple[Fact, ...]) -> Watched:
    watched = watch(scene)
    refuse_unseen(watched)
    reading.refuse(unmet(facts, watched))
    refuse_unreadable(scene, film_file(scene))
    return watched
