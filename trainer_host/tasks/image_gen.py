"""Task `image_gen`: a request in words gives a scene that, drawn, shows what was asked."""

from __future__ import annotations

import random

from edge_runtime.media import reading
from edge_runtime.media.colours import COLOURS
from edge_runtime.media.scene import MAX_SHAPES, MAX_SIDE, MIN_SIDE, Scene, read_scene, scene_schema, write_scene
from trainer_host.errors import DataError
from trainer_host.media import examples, picture_phrases
from trainer_host.media.picture_facts import (
    MAX_FACTS,
    Fact,
    facts_of,
    read_facts,
    unmet,
    write_fact,
)
from trainer_host.media.picture_sampler import FREE, LEVELS, Sample, sample
from trainer_host.media.picture_words import request, spoken
from trainer_host.media.seeing import Seen, refuse_hidden, see
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, file_name, image_captions
from trainer_host.tasks.image_captions import PICTURE, ImageCaptions
from trainer_host.tasks.vision_pictures import folder_of

MAX_PROMPT = 600

SYSTEM = f"""You draw pictures by writing a scene as JSON.
width, height: pixels, {MIN_SIDE} to {MAX_SIDE}. background and colour: {", ".join(COLOURS)}, or #rrggbb.
shapes: 1 to {MAX_SHAPES}. x, y: the shape's centre, 0 to 1 across the canvas from its top left corner. width, height: \
shares of the canvas's shorter side. rotation: degrees clockwise. layer: higher ones are drawn over lower ones.
kinds: circle (an oval where width and height differ), rectangle (a square where they are equal), triangle, star, line \
(width is its length, height its thickness), polygon (points: x, y from 0 to 1 in its own box; 5 make a pentagon, 6 a \
hexagon), text (letters within width x height).
All that is asked must be seen: on the canvas, not covered, not of the colour beneath it. Counts are exact, and shapes \
don't touch. "Inside" means drawn over and within. A small shape covers at most 4 % of the picture, a large one at \
least 12 %. A wide picture is at least 1.25 times as wide as high.
Example, a red square left of a white star: {{"scene":{{"width":256,"height":192,"background":"blue","shapes":[\
{{"kind":"rectangle","x":0.3,"y":0.5,"width":0.35,"height":0.35,"colour":"red","rotation":0,"layer":0}},\
{{"kind":"star","x":0.7,"y":0.5,"width":0.3,"height":0.3,"colour":"white","rotation":0,"layer":0}}]}}}}"""


def spec(options: Json) -> TaskSpec:
    """Option: `images`, a folder of PNG and JPEG pictures that a teacher writes captions for; without it, scenes are asked for.

    Raises `DataError`, also where Pillow is missing.
    """
    if extra := options.keys() - {"images"}:
        raise DataError(f"The task image_gen has no option '{min(extra)}'; it has images.")
    examples.needs("PIL", "Pictures")
    folder = folder_of("image_gen", options)
    return ImageGen() if folder is None else ImageCaptions(folder)


class ImageGen(TaskSpec):
    """input: {"prompt"}. output: {"scene", "shows"}: the scene, and what of it was asked for; or {"picture", "group"} of one with a caption."""

    name = "image_gen"
    prompt_version = "2"
    metric = "share of what was asked that the picture shows"
    answer_schema = reading.strict_object(scene=scene_schema(film=False))
    example_schema = examples.example_schema("scene", scene_schema(film=False), MAX_PROMPT, MAX_FACTS)
    max_tokens = 1600

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: what the picture must show, and the words that ask for it."""
        return _drawn(sample(rng), rng)

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`."""
        return Prompt(SYSTEM, str(drawn["request"]))

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: the scene is drawn, and each fact is looked for in the picture."""
        scene = read_scene(reading.fields(answers[0], "the answer", ("scene",))["scene"], film=False)
        facts = read_facts(drawn["facts"])
        _shown(scene, facts)
        return _example(str(drawn["request"]), scene, facts)

    def check(self, example: Example) -> None:
        """See `TaskSpec`. Without "shows", the prompt's own words say what must be there, as far as they are known."""
        prompt = examples.prompt_of(example, MAX_PROMPT)
        if PICTURE in example.output:
            image_captions.check(example)
            return
        output = reading.fields(example.output, "output", ("scene",), optional=("shows",))
        scene = read_scene(output["scene"], film=False)
        facts = read_facts(output.get("shows", []))
        spoken(prompt, facts, _shown(scene, facts))

    def key(self, example: Example) -> str:
        """See `TaskSpec`: the prompt's words."""
        if PICTURE in example.output:
            return image_captions.key(example)
        return " ".join(str(example.input["prompt"]).lower().split())

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`: the share of the facts in `wanted` that hold in a render of `got`, 0 where it has none."""
        try:
            seen = see(read_scene(got.get("scene"), film=False))
        except Rejected:
            return 0.0
        facts = read_facts(wanted.get("shows", [])) or facts_of(see(read_scene(wanted["scene"], film=False)))
        return 1 - len(unmet(facts, seen)) / len(facts) if facts else 1.0

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: the scene that the facts were read off."""
        made = sample(rng)
        return _example(str(_drawn(made, rng)["request"]), made.scene, made.facts)

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: more facts are harder."""
        shows = example.output.get("shows")
        return min(1.0, len(shows) / 10) if isinstance(shows, list) else 0.5

    def render(self, example: Example) -> dict[str, bytes]:
        """See `TaskSpec`: the picture as PNG."""
        from edge_runtime.media.draw import draw
        from edge_runtime.media.pictures import png

        if PICTURE in example.output:
            return dict(example.files)
        content = png(draw(read_scene(example.output["scene"], film=False)))
        return {file_name(content, ".png"): content}


def _drawn(made: Sample, rng: random.Random) -> Json:
    return {
        "level": made.level,
        "style": made.style,
        "wording": made.wording,
        "difficulty": LEVELS.index(made.level) / (len(LEVELS) - 1),
        "things": sum(shape.kind != "text" for shape in made.scene.shapes),
        "facts": [write_fact(fact) for fact in made.facts],
        "request": (picture_phrases.request(made.facts, rng) if made.wording == FREE else None)
        or request(made.facts, rng),
    }


def _example(prompt: str, scene: Scene, facts: tuple[Fact, ...]) -> Example:
    return Example({"prompt": prompt}, {"scene": write_scene(scene), "shows": [write_fact(fact) for fact in facts]})


def _shown(scene: Scene, facts: tuple[Fact, ...]) -> Seen:
    seen = see(scene)
    refuse_hidden(seen)
    reading.refuse(unmet(facts, seen))
    return seen
