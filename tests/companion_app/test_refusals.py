"""What devices and hosts refuse, whole in the person's language where it is among the commonest sentences."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from companion_app import i18n
from companion_app.services.said import _patterns, refusal

ROOT = Path(__file__).parents[2]
SAYING = ("edge_runtime/identity", "edge_runtime/api", "edge_runtime/update", "edge_runtime/serving", "edge_runtime/bundle",
          "edge_runtime/device.py", "trainer_host/server", "trainer_host/compress/files.py")  # fmt: skip


def said_in(path: Path) -> list[tuple[re.Pattern[str], str]]:
    """For each sentence that a module can say a pattern, with anything in its fields, and an example."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
        plain = [text for text in texts if isinstance(text, str)]
        if sum(map(len, plain)) >= 4 and len(plain) + texts.count(None) == len(texts):
            pattern = re.compile("".join(".+" if text is None else re.escape(text) for text in texts))
            found.append((pattern, "".join(text or "x" for text in texts)))
    return found


def test_every_translated_sentence_is_one_that_is_said() -> None:
    places = [ROOT / place for place in SAYING]
    files = [file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])]
    said = [one for file in files for one in said_in(file) if len(one[1]) > 12]
    for known, sentence in _patterns():
        # Either side may have a field where the other has its words, and some say more behind a sentence.
        assert any(
            pattern.fullmatch(sentence)
            or known.fullmatch(example)
            or (len(example) > 40 and sentence.startswith(example))
            for pattern, example in said
        ), sentence


@pytest.mark.parametrize(
    ("code", "sentence", "german"),
    [
        (
            "not_found",
            "There is no specialist 'homes' on this device (it has home, eye).",
            "Auf diesem Gerät gibt es keinen Spezialisten „homes“ (es hat home, eye).",
        ),
        (
            "pairing",
            "The code is wrong, or somebody stands between you and the device; 4 more tries.",
            "Der Code ist falsch, oder jemand steht zwischen Ihnen und dem Gerät; noch 4 Versuche.",
        ),
        (
            "storage_full",
            "The device needs 12 MB more free space for this bundle, so nothing was changed; free some space and try again.",
            "Für dieses Paket braucht das Gerät 12 MB mehr freien Platz, also wurde nichts geändert; "
            "schaffen Sie Platz, und versuchen Sie es noch einmal.",
        ),
        (
            "engine",
            "Something rare.",
            "Das Modell läuft dort nicht. Im Wortlaut: Something rare.",
        ),
    ],
)  # fmt: skip
def test_a_refusal_is_told_in_german(code: str, sentence: str, german: str) -> None:
    assert refusal(code, sentence) == sentence
    i18n.use("de")
    assert refusal(code, sentence) == german
