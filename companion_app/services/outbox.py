"""Answers that a host hasn't confirmed, in a file of the config folder: neither a crash nor a night without it loses one."""

from __future__ import annotations

from companion_app.i18n import N_
from companion_app.services.remember import Memory
from companion_app.state.questions import Question, Reply

FILE = "answers.json"
WHAT_NOW = N_("answers that were not sent are lost")


def read_outbox(memory: Memory, address: str) -> tuple[Reply, ...]:
    """What wasn't sent to the host of this address; raises `RememberError` where the file is damaged."""
    document = memory.read(FILE, WHAT_NOW)
    if document is None or document.get("host") != address:
        return ()
    items = document.get("replies")
    found = [_reply(item) for item in items] if isinstance(items, list) else [None]
    if None in found:
        raise memory.set_aside(FILE, WHAT_NOW)
    return tuple(one for one in found if one is not None)


def keep_outbox(memory: Memory, address: str, replies: tuple[Reply, ...]) -> None:
    """Remember what isn't sent yet; raises `RememberError`."""
    plain = [
        {
            "dataset": one.dataset,
            "text": one.question.text,
            "guesses": [list(guess) for guess in one.question.guesses],
            "why": one.question.why,
            "label": one.label,
            "reason": one.reason,
            "undo": one.undo,
        }
        for one in replies
    ]
    memory.write(FILE, {"host": address, "replies": plain})


def _reply(item: object) -> Reply | None:
    if not isinstance(item, dict):
        return None
    texts = [item.get(name) for name in ("dataset", "text", "why", "reason")]
    label, guesses, undo = item.get("label"), item.get("guesses"), item.get("undo")
    if not (all(isinstance(text, str) for text in texts) and isinstance(label, str | None) and isinstance(undo, bool)):
        return None
    if not isinstance(guesses, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in guesses):
        return None
    dataset, text, why, reason = (str(text) for text in texts)
    question = Question(text, tuple((str(name), float(score)) for name, score in guesses), why)
    return Reply(dataset, question, label, reason, undo)
