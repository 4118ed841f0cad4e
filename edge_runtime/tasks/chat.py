"""Task `chat`: a conversation, and the reply to its last message."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.tasks.dialogue import FIGURES, OPTIONS, TextTask, Writer, alike, conversation, only

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines.language import LanguageEngine

NAME = "chat"
PLAIN = True
MAX_TOKENS = 256
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["messages"],
    "properties": {
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {
                    "role": {"type": "string", "enum": ["system", "user", "assistant", "tool"]},
                    "content": {"type": "string"},
                },
            },
        },
        **OPTIONS,
    },
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["reply", *FIGURES],
    "properties": {"reply": {"type": "string"}, **FIGURES},
}


def messages(request: Json) -> list[Json]:
    """The conversation itself; {"text"} is short for one message."""
    if "text" in request and "messages" not in request:
        only(request, "text")
        return conversation([{"role": "user", "content": request["text"]}])
    only(request, "messages")
    return conversation(request.get("messages"))


def reply(request: Json, output: Json) -> str:
    """See `TextTask`."""
    return str(output["reply"])


def answer(request: Json, text: str) -> Json:
    """See `TextTask`."""
    said = text.strip()
    return {"reply": said, "unsure": not said}


def load(manifest: Manifest, folder: Path, engine: LanguageEngine) -> Writer:
    """A specialist over a language engine; raises `BundleError`."""
    from edge_runtime.language.specialist import load_language

    task = cast(TextTask, sys.modules[__name__])
    return Writer(load_language(manifest, folder, engine), task, manifest.thresholds.get("unsure", 0.0))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the replies are alike."""
    return alike(expected.get("reply"), got.get("reply"))
