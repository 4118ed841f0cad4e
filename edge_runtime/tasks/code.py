"""Task `code`: a description and a function's first line give the function."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.tasks.dialogue import FIGURES, OPTIONS, TextTask, Writer, alike, only, text_of

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines.language import LanguageEngine

NAME = "code"
PLAIN = True
MAX_TOKENS = 400
MAX_PROMPT, MAX_SIGNATURE = 2000, 300
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT},
        "signature": {"type": "string", "maxLength": MAX_SIGNATURE},
        **OPTIONS,
    },
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["code", *FIGURES],
    "properties": {"code": {"type": "string"}, **FIGURES},
}


def messages(request: Json) -> list[Json]:
    """One message: the description, and below it the first line where there is one; "text" is short for "prompt"."""
    described = "prompt" if "prompt" in request or "text" not in request else "text"
    only(request, described, "signature")
    said = text_of(request, described, MAX_PROMPT)
    if request.get("signature") is not None:
        said = f"{said}\n{text_of(request, 'signature', MAX_SIGNATURE)}"
    return [{"role": "user", "content": said}]


def reply(request: Json, output: Json) -> str:
    """See `TextTask`."""
    return str(output["code"])


def answer(request: Json, text: str) -> Json:
    """See `TextTask`; code that Python can't parse is marked as unsure. It is parsed, never run."""
    try:
        compile(text, "answer", "exec", flags=0x400, dont_inherit=True)  # PyCF_ONLY_AST
        readable = bool(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        readable = False
    return {"code": text, "unsure": not readable}


def load(manifest: Manifest, folder: Path, engine: LanguageEngine) -> Writer:
    """A specialist over a language engine; raises `BundleError`."""
    from edge_runtime.language.specialist import load_language

    task = cast(TextTask, sys.modules[__name__])
    return Writer(load_language(manifest, folder, engine), task, manifest.thresholds.get("unsure", 0.0))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the programs are alike."""
    return alike(expected.get("code"), got.get("code"))
