"""What the examples of pictures, films, bodies and sounds share: a prompt, a program, and what it must show."""

from __future__ import annotations

from edge_runtime.media.reading import fields, strict_object, text
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json


def example_schema(name: str, program: Json, max_prompt: int, max_facts: int) -> Json:
    """JSON Schema of examples {"prompt"} -> {name: program, "shows": facts}; a person may leave out "shows"."""
    shows: Json = {"type": "array", "maxItems": max_facts, "items": {"type": "object"}}
    output: Json = {"type": "object", "properties": {name: program, "shows": shows}, "required": [name]}
    return strict_object(
        input=strict_object(prompt={"type": "string", "maxLength": max_prompt}),
        output={**output, "additionalProperties": False},
    )


def prompt_of(example: Example, max_prompt: int) -> str:
    """The prompt of an example whose input is {"prompt"}; raises `Rejected`."""
    return text(fields(example.input, "input", ("prompt",))["prompt"], "prompt", max_prompt)


def needs(module: str, what: str, extra: str = "tasks") -> None:
    """Import a package of an extra; raises `DataError` with the sentence that says how to get it."""
    import importlib

    try:
        importlib.import_module(module)
    except ImportError as cause:
        package = {"PIL": "pillow"}.get(module, module)
        raise DataError(f"{what} need the package '{package}'; install Enigma with the extra '{extra}'.") from cause
