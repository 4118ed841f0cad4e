"""A conversation as text for other programs: Markdown that no answer can break out of, and the names of who speaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from companion_app.i18n import tr
from companion_app.i18n.figures import day_and_clock
from companion_app.state.chat import TIE, Conversation, Turn


@dataclass(frozen=True)
class Line:
    """What one said: the name, the text, and a note under it."""

    who: str
    text: str
    note: str = ""
    mine: bool = False


def lines(one: Conversation) -> Iterator[Line]:
    """Everything that was said, in order; names that were hidden are told, as the file is for keeping."""
    for turn in one.turns:
        note = ""
        if turn.picture is not None:
            seen = turn.picture.seen or turn.picture.problem
            note = tr("Picture {name}: {seen}", name=turn.picture.name, seen=seen)
        yield Line(tr("You"), turn.text, note, mine=True)
        for at, reply in enumerate(turn.replies):
            yield Line(one.models[at].label, reply.text, " ".join(_notes(turn, at, reply.problem)))


def to_markdown(one: Conversation) -> str:
    """The conversation as CommonMark. What is said stands in quotations, so that no heading, list or open fence of it
    reaches what is around it."""
    parts = [f"# {_line(one.title or tr('Conversation'))}", _line(about(one))]
    for line in lines(one):
        parts.append(f"**{_line(line.who)}**")
        if line.text:
            parts.append("\n".join(f"> {each}".rstrip() for each in line.text.splitlines()))
        if line.note:
            parts.append(f"*{_line(line.note)}*")
    return "\n\n".join(parts) + "\n"


def about(one: Conversation) -> str:
    """With whom and when."""
    begun = day_and_clock(datetime.fromtimestamp(one.created, UTC).astimezone())
    names = ", ".join(model.label for model in one.models)
    return tr("With {names}, begun {begun}", names=names, begun=begun) if names else begun


def _notes(turn: Turn, at: int, problem: str) -> Iterator[str]:
    if problem:
        yield problem
    if (liked := turn.replies[at].liked) is not None:
        yield tr("You found this answer good.") if liked else tr("You found this answer bad.")
    if turn.vote == at:
        yield tr("You preferred this answer.")
    elif turn.vote == TIE:
        yield tr("You preferred neither.")


def _line(text: str) -> str:
    """A text within a line of Markdown, as it stands."""
    line = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|~" else letter for letter in line)
