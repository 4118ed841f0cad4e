"""Task `math`: a question in words; the model writes the calculation, the device computes it.

A small model learns which numbers to take and what to do with them; it doesn't learn to carry digits, and needn't:
"12 * 8 - 17 | {} seats" is computed here, exactly, with its steps (as in program-aided language models, arXiv 2211.10435).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.arithmetic.expressions import Unreadable
from edge_runtime.arithmetic.solve import solve
from edge_runtime.tasks.dialogue import FIGURES, OPTIONS, TextTask, Writer, only, text_of

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines.language import LanguageEngine

NAME = "math"
MAX_TOKENS = 120
MAX_QUESTION = 600
_SLOT = "{}"  # where the computed number stands in the answer
_MAX_FORM = 60
# A number as it stands in an answer: 12, -3, 3/4, 2 1/2, 1,250.5
_NUMBER = re.compile(r"[-−]?(?:\d+ \d+/\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?: ?/ ?\d+)?|\.\d+)")
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["question"],
    "properties": {"question": {"type": "string", "minLength": 1, "maxLength": MAX_QUESTION}, **OPTIONS},
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["answer", "expression", "steps", *FIGURES],
    "properties": {
        "answer": {"type": ["string", "null"]},
        "expression": {"type": ["string", "null"]},
        "steps": {"type": "array", "items": {"type": "string"}},
        **FIGURES,
    },
}


def messages(request: Json) -> list[Json]:
    """The question as one message; "text" is another name for it."""
    name = "question" if "question" in request or "text" not in request else "text"
    only(request, name)
    return [{"role": "user", "content": text_of(request, name, MAX_QUESTION)}]


def reply(output: Json) -> str:
    """The expression, and the answer with a slot for its number."""
    form = _NUMBER.sub(_SLOT, str(output["answer"]), count=1)
    return f"{output['expression']} | {form if _SLOT in form else _SLOT}"


def answer(text: str) -> Json:
    """Compute what the model wrote; what can't be computed has no answer and is unsure."""
    expression, _, form = (part.strip() for part in text.partition("|"))
    form = form if _SLOT in form and len(form) <= _MAX_FORM else _SLOT
    try:
        found = solve(expression)
    except Unreadable:
        return {"answer": None, "expression": None, "steps": [], "unsure": True}
    number = found.text
    if number.startswith("-") and not form.startswith(_SLOT):  # -$5, not $-5
        before, _, after = form.partition(_SLOT)
        said = f"{before}{number}{after}" if "=" in before else f"-{before}{number[1:]}{after}"
    else:
        said = form.replace(_SLOT, number, 1)
    return {"answer": said, "expression": expression, "steps": list(found.steps), "unsure": False}


def load(manifest: Manifest, folder: Path, engine: LanguageEngine) -> Writer:
    """A specialist over a language engine; raises `BundleError`."""
    from edge_runtime.language.specialist import load_language

    task = cast(TextTask, sys.modules[__name__])
    return Writer(load_language(manifest, folder, engine), task, manifest.thresholds.get("unsure", 0.0))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the answers are the same."""
    return expected.get("answer") == got.get("answer")
