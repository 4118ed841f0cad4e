"""The log-probabilities in a reply of OpenAI's wire: `choices[].logprobs.content[]` (openai-openapi).

They are a stranger's, and optional: what isn't whole, or isn't of the reply's own text, is left out, and the reply counts
all the same.
"""

from __future__ import annotations

import math

from trainer_host.teacher.protocol import Piece
from trainer_host.teacher.wires.common import member, text_at

MOST_PIECES = 100_000  # of a reply; no task's answer has a tenth of them
MOST_OTHERS = 20  # that the wire gives for a piece
SLACK = 1e-3  # by which rounding makes a probability larger than 1


def read_pieces(content: object, text: str) -> tuple[Piece, ...] | None:
    """The pieces of a reply's text; None where there are none, one is malformed, or together they aren't the text."""
    if not isinstance(content, list) or not content or len(content) > MOST_PIECES:
        return None
    made: list[Piece] = []
    for entry in content:
        chosen, others = _chance(entry), member(entry, "top_logprobs")
        if chosen is None:
            return None
        found = [_chance(other) for other in others[:MOST_OTHERS]] if isinstance(others, list) else []
        made.append(Piece(*chosen, tuple(other for other in found if other is not None)))
    try:
        whole = text.encode("utf-8")
    except UnicodeEncodeError:
        return None
    return tuple(made) if b"".join(piece.data for piece in made) == whole else None


def _chance(entry: object) -> tuple[bytes, float] | None:
    logprob = member(entry, "logprob")
    if isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    if math.isnan(logprob) or logprob > SLACK:
        return None
    data = member(entry, "bytes")  # a token may end inside a character, which its text can't show
    if isinstance(data, list):
        if not all(isinstance(byte, int) and not isinstance(byte, bool) and 0 <= byte < 256 for byte in data):
            return None
        return bytes(data), min(0.0, float(logprob))
    try:
        return text_at(entry, "token").encode("utf-8"), min(0.0, float(logprob))
    except UnicodeEncodeError:
        return None
