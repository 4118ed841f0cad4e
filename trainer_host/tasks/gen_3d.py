"""Task `3d_gen`: a request in words gives a program of solids whose mesh is closed and has what was asked."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from edge_runtime.media import reading
from edge_runtime.media.body import build
from edge_runtime.media.solid import MAX_PARTS, Program, program_schema, read_program, write_program
from trainer_host.media import examples
from trainer_host.media.body import Body, measure, overlap
from trainer_host.media.solid_facts import MAX_FACTS, Colour, Fact, near, read_facts, unmet, write_fact
from trainer_host.media.solid_sampler import Sample, sample
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, file_name, no_options

MAX_PROMPT = 600

SYSTEM = f"""You model solid bodies by writing a program as JSON. Lengths are millimetres, angles degrees. x goes to the \
right, y to the back, z up.
parts: a list of 1 to {MAX_PARTS}; the last one is the body, and every other is used by a later one.
A shape: box, sphere, cylinder (upright) or cone (upright, its point up). size: its extent along x, y, z. It is turned \
about its middle (about x, then y, then z), then its middle is moved to "at".
A join: union, difference (the first without the others) or intersection of parts named before it, then scaled, turned \
and moved as a whole; 1 and zeros change nothing.
A part that cuts must reach beyond what it cuts, and parts that are joined must overlap, not only touch in an edge.
Example, a plate of 40 x 20 x 5 mm on z = 0 with a hole of 8 mm: {{"program":{{"parts":[\
{{"name":"plate","shape":"box","size":{{"x":40,"y":20,"z":5}},"at":{{"x":0,"y":0,"z":2.5}},"turn":{{"x":0,"y":0,"z":0}}}},\
{{"name":"drill","shape":"cylinder","size":{{"x":8,"y":8,"z":10}},"at":{{"x":0,"y":0,"z":2.5}},"turn":{{"x":0,"y":0,"z":0}}}},\
{{"name":"body","join":"difference","of":["plate","drill"],"scale":1,"at":{{"x":0,"y":0,"z":0}},"turn":{{"x":0,"y":0,"z":0}}}}\
]}}}}"""

_SIDES = re.compile(r"(\d+(?:\.\d+)?) ?x ?(\d+(?:\.\d+)?) ?x ?(\d+(?:\.\d+)?) ?mm")


def spec(options: Json) -> TaskSpec:
    """It has no options; raises `DataError` for any, and where trimesh or manifold3d is missing."""
    no_options("3d_gen", options)
    for module in ("trimesh", "manifold3d"):
        examples.needs(module, "Bodies")
    return Gen3d()


class Gen3d(TaskSpec):
    """input: {"prompt"}. output: {"program", "shows"}: the solids, and what was asked of the body, as measures."""

    name = "3d_gen"
    prompt_version = "2"
    metric = "volume shared with the body that was asked for (intersection over union)"
    answer_schema = reading.strict_object(program=program_schema())
    example_schema = examples.example_schema("program", program_schema(coloured=True), MAX_PROMPT, MAX_FACTS)
    max_tokens = 2000

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: a kind of thing, its measures, and the words that ask for it."""
        made = sample(rng)
        return {
            "family": made.family,
            "difficulty": made.difficulty,
            "facts": [write_fact(fact) for fact in made.facts],
            "request": made.request,
        }

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`."""
        return Prompt(SYSTEM, str(drawn["request"]))

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: the program is run, the mesh written as STL, read back and measured."""
        program = read_program(reading.fields(answers[0], "the answer", ("program",))["program"])
        facts = read_facts(drawn["facts"])
        program = replace(program, colour=next((fact.colour for fact in facts if isinstance(fact, Colour)), ""))
        _shown(program, facts)
        return _example(str(drawn["request"]), program, facts)

    def check(self, example: Example) -> None:
        """See `TaskSpec`. Where the prompt names three sides ("40 x 30 x 5 mm"), the body must have room for them."""
        prompt = examples.prompt_of(example, MAX_PROMPT)
        output = reading.fields(example.output, "output", ("program",), optional=("shows",))
        body = _shown(read_program(output["program"]), read_facts(output.get("shows", [])))
        said = _SIDES.search(prompt)
        if said and not output.get("shows"):
            wanted = sorted(map(float, said.groups()))
            if not all(map(near, sorted(body.size), wanted)):
                sides = " x ".join(f"{side:.4g}" for side in body.size)
                raise Rejected("not as asked", f"the prompt speaks of {said.group()}, but the body is {sides} mm")

    def key(self, example: Example) -> str:
        """See `TaskSpec`: the prompt's words."""
        return " ".join(str(example.input["prompt"]).lower().split())

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec` and `trainer_host.media.body.overlap`; 0 where `got` makes no body, or of another colour."""
        try:
            program = read_program(got.get("program"))
            body = build(program)
            measure(body)
        except Rejected:
            return 0.0
        asked = read_program(wanted["program"])
        return overlap(build(asked), body) if program.colour == asked.colour else 0.0

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: the program whose mesh the facts were measured on."""
        made: Sample = sample(rng)
        return _example(made.request, made.program, made.facts)

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: more parts are harder."""
        return min(1.0, (len(read_program(example.output["program"]).parts) - 1) / 7)

    def render(self, example: Example) -> dict[str, bytes]:
        """See `TaskSpec`: the mesh as STL and, where Pillow is there, a picture of it."""
        from edge_runtime.media.colours import rgb
        from edge_runtime.media.pictures import png
        from trainer_host.media.shade import PAINT, picture

        program = read_program(example.output["program"])
        body = measure(build(program))
        seen = png(picture(body.triangles, rgb(program.colour) if program.colour else PAINT))
        return {file_name(body.stl, ".stl"): body.stl, file_name(seen, ".png"): seen}


def _example(prompt: str, program: Program, facts: tuple[Fact, ...]) -> Example:
    return Example({"prompt": prompt}, {"program": write_program(program), "shows": [write_fact(f) for f in facts]})


def _shown(program: Program, facts: tuple[Fact, ...]) -> Body:
    body = measure(build(program))
    reading.refuse(unmet(facts, body, program.colour))
    return body
