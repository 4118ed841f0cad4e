"""Task `base`: how a text goes on. A base model learnt plain texts; what it is taught further makes it useful."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.tasks.dialogue import FIGURES, MAX_CHARACTERS, OPTIONS, alike, collected, only, text_of, wishes

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines.language import LanguageEngine
    from edge_runtime.language.specialist import LanguageSpecialist

NAME = "base"
MAX_TOKENS = 64
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS}, **OPTIONS},
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["text", *FIGURES],
    "properties": {"text": {"type": "string"}, **FIGURES},
}


class Base:
    """A loaded base model. `language` is the model below, which can stream; no chat can be held with it."""

    plain: frozenset[str] = frozenset()

    def __init__(self, language: LanguageSpecialist, unsure: float) -> None:
        self.language = language
        self._unsure = unsure

    def run(self, request: Json) -> Json:
        """What follows "text", at most "max_tokens" of it; a text needs no end, so being cut short is no doubt."""
        own = {key: value for key, value in request.items() if key not in OPTIONS}
        only(own, "text")
        begun = text_of(own, "text", MAX_CHARACTERS)
        sampling, most = wishes(request, MAX_TOKENS)
        text, _, figures = collected(self.language.complete(begun, sampling=sampling, max_tokens=most, logprobs=True))
        unsure = not text.strip() or figures.confidence < self._unsure
        return {"text": text, **figures.to_json(), "unsure": unsure}


def load(manifest: Manifest, folder: Path, engine: LanguageEngine) -> Base:
    """A specialist over a language engine; raises `BundleError`."""
    from edge_runtime.language.specialist import load_language

    return Base(load_language(manifest, folder, engine), manifest.thresholds.get("unsure", 0.0))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the texts are alike."""
    return alike(expected.get("text"), got.get("text"))
