"""Task `chat`: a conversation, perhaps with tools, and the reply to its last message, or calls of the tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.language.template import parse_tool_calls, render_tool_calls
from edge_runtime.tasks.dialogue import FIGURES, OPTIONS, TextTask, Writer, alike, conversation, only, read_tools
from edge_runtime.tasks.written_confidence import read_doubt

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
        "tools": {"type": "array", "items": {"type": "object"}},
        **OPTIONS,
    },
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["reply", *FIGURES],
    "properties": {
        "reply": {"type": "string"},
        "tool_calls": {"type": "array", "items": {"type": "object", "required": ["name", "arguments"]}},
        "chance": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
        },  # that a call is wanted; below a threshold it is asked
        **FIGURES,
    },
}


def messages(request: Json) -> list[Json]:
    """The conversation itself; {"text"} is short for one message."""
    if "text" in request and "messages" not in request:
        only(request, "text")
        return conversation([{"role": "user", "content": request["text"]}])
    only(request, "messages", "tools")
    read_tools(request.get("tools", []))
    return conversation(request.get("messages"))


def reply(request: Json, output: Json) -> str:
    """See `TextTask`."""
    return str(output["reply"]) + render_tool_calls(output.get("tool_calls"))


def answer(request: Json, text: str) -> Json:
    """See `TextTask`."""
    if not request.get("tools"):
        said = text.strip()
        return {"reply": said, "unsure": not said}
    found = parse_tool_calls(text)
    calls = list(found.tool_calls)
    return {"reply": found.content, "tool_calls": calls, "unsure": bool(found.broken) or not (found.content or calls)}


def load(manifest: Manifest, folder: Path, engine: LanguageEngine) -> Writer:
    """A specialist over a language engine; raises `BundleError`."""
    from edge_runtime.language.specialist import load_language

    task = cast(TextTask, sys.modules[__name__])
    return Writer(load_language(manifest, folder, engine), task, read_doubt(manifest, NAME))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the calls are the same and the replies alike."""
    same = expected.get("tool_calls") == got.get("tool_calls")
    return same and alike(expected.get("reply"), got.get("reply"))
