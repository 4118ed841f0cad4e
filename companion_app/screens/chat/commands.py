"""What can be done in a chat, for the table of commands."""

from __future__ import annotations

from typing import Protocol

from companion_app.i18n import N_, tr
from companion_app.registry import Choices, Command, CommandError
from companion_app.services.chat_commands import ChatCommands
from companion_app.state.chat import TIE, ReplyPhase, Turn
from companion_app.state.chat_models import available
from companion_app.state.model import AppState, Screen

TEXT = {"type": "string"}
CONVERSATION = {"id": {**TEXT, "title": N_("Conversation")}}
ANSWER = {**TEXT, "title": N_("Answer")}
KNOBS = {
    "temperature": N_("Temperature"),
    "top_p": N_("Likely words only"),
    "max_tokens": N_("Length"),
    "repetition": N_("Against repetition"),
}
SHOWN = 60  # letters of a message or an answer in a list
KINDS = (("md", "Markdown"), ("pdf", "PDF"), ("json", "JSON"))


class Talking(Protocol):
    """What the commands act on: the app, or the services alone."""

    @property
    def chats(self) -> ChatCommands: ...

    def open(self, screen: Screen | str) -> None:
        """Go to a screen."""


def commands(app: Talking) -> tuple[Command, ...]:
    """All of them."""
    chats = app.chats

    def show() -> None:
        app.open(Screen.CHAT)

    def begin() -> None:
        show()
        chats.begin()

    def send(text: str, picture: str = "", as_message: bool = True) -> bool:
        show()
        return chats.send(text, picture, as_message=as_message)

    def change(message: str, text: str) -> None:
        show()
        chats.edit(int(message), text)

    def retry(answer: str) -> None:
        show()
        chats.retry(*_place(answer))

    def judge(answer: str, good: bool) -> None:
        show()
        chats.like(*_place(answer), good)

    def vote(better: str) -> None:
        show()
        chats.vote(*_place(better))

    def set_knob(knob: str, value: float) -> None:
        show()
        chats.set_knob(knob, value)

    def say(phrase: str) -> None:
        show()
        chats.say(phrase)

    def go_on(id: str) -> None:
        show()
        chats.open(id)

    return (
        Command("chat.show", N_("Chat"), show, icon="chat"),
        Command("chat.new", N_("New conversation"), begin, icon="plus"),
        Command(
            "chat.send", N_("Write to a model"), send, icon="chat", when=lambda state: bool(available(state)), told=_answered,
            arguments={
                "text": {**TEXT, "title": N_("Message")},
                "picture": {**TEXT, "title": N_("A picture, or nothing"), "default": ""},
                "as_message": {"type": "boolean", "title": N_("Send it also where it only says how to answer"), "default": True},
            },
            lacks=N_("No language model is there; push one to a device, or train one on the host."),
        ),
        Command(
            "chat.change", N_("Send a message otherwise than it was"), change, when=_has_turns, choices={"message": _messages}, icon="pencil",
            arguments={"message": {**TEXT, "title": N_("Message")}, "text": {**TEXT, "title": N_("What it says now")}},
            lacks=N_("Nothing was written yet."),
        ),
        Command(
            "chat.retry", N_("Ask again for the last answer"), retry, when=_has_turns, choices={"answer": _last_answers}, icon="retry",
            arguments={"answer": ANSWER}, lacks=N_("There is no answer yet."),
        ),
        Command(
            "chat.judge", N_("Say whether an answer is good"), judge, when=_likable, choices={"answer": _answers}, icon="like",
            arguments={"answer": ANSWER, "good": {"type": "boolean", "title": N_("Good answer"), "default": True}},
            lacks=N_("There is no answer yet."),
        ),
        Command(
            "chat.vote", N_("Say which of two answers is better"), vote, when=lambda state: bool(_votes(state)), choices={"better": _votes},
            arguments={"better": {**TEXT, "title": N_("The better one")}}, lacks=N_("There are no two answers yet."), icon="check",
        ),
        Command(
            "chat.knob", N_("Set one knob of how it answers"), set_knob, choices={"knob": lambda state: [(name, tr(title)) for name, title in KNOBS.items()]}, icon="knobs",
            arguments={"knob": {**TEXT, "title": N_("Knob")}, "value": {"type": "number", "title": N_("Value")}},
        ),
        Command("chat.stop", N_("Stop the answer"), chats.stop, when=_running, lacks=N_("No answer is being written."), icon="stop"),
        Command("chat.like", N_("Good answer"), lambda: chats.like_last(True), when=_likable, lacks=N_("There is no answer yet."), icon="like"),
        Command("chat.dislike", N_("Bad answer"), lambda: chats.like_last(False), when=_likable, lacks=N_("There is no answer yet."), icon="dislike"),
        Command("chat.adjust", N_("Say how it should answer"), say, arguments={"phrase": {**TEXT, "title": N_("For example: more creative")}}, icon="knobs"),
        Command("chat.undo_adjusting", N_("Undo the last change of how it answers"), chats.undo_knobs, when=lambda state: bool(state.chat.undo), lacks=N_("Nothing was adjusted."), icon="undo"),
        Command(
            "chat.export", N_("Export the conversation"), chats.export, icon="export", when=_has_turns,
            lacks=N_("There is nothing to export yet."),
            arguments={"kind": {**TEXT, "title": N_("Kind")}, "path": {**TEXT, "title": N_("File or folder"), "default": ""}},
            choices={"kind": lambda state: list(KINDS)},
        ),
        Command("chat.import", N_("Import a conversation"), chats.import_, arguments={"path": {**TEXT, "title": N_("JSON file")}}, icon="list"),
        Command("chat.open", N_("Go on with a conversation"), go_on, arguments=CONVERSATION, choices={"id": _known}, when=_some, lacks=N_("There are no conversations yet."), icon="list"),
        Command(
            "chat.rename", N_("Give a conversation another title"), chats.rename, choices={"id": _known}, when=_any,
            arguments={**CONVERSATION, "title": {**TEXT, "title": N_("Title")}}, lacks=N_("There are no conversations yet."),
        ),
        Command(
            "chat.blind", N_("Hide the models' names until the vote, or not"), chats.set_blind,
            arguments={"blind": {"type": "boolean", "title": N_("Hide the names")}},
        ),
        Command("chat.delete", N_("Delete a conversation"), chats.delete, dangerous=True, arguments=CONVERSATION, choices={"id": _known}, when=_some, lacks=N_("There are no conversations yet."), icon="trash"),
    )  # fmt: skip


def _known(state: AppState) -> Choices:
    return [(one.id, one.title) for one in state.chat.known]


def _some(state: AppState) -> bool:
    return bool(state.chat.known)


def _any(state: AppState) -> bool:
    return _some(state) or state.chat.conversation is not None


def _running(state: AppState) -> bool:
    return state.chat.conversation is not None and state.chat.conversation.running


def _likable(state: AppState) -> bool:
    return bool(_answers(state))


def _place(value: str) -> tuple[int, int]:
    """(number of the turn, which answer) as the lists below write it."""
    turn, _, answer = value.partition(".")
    return int(turn), int(answer)


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _turns(state: AppState) -> tuple[Turn, ...]:
    """The latest first."""
    return state.chat.conversation.turns[::-1] if state.chat.conversation is not None else ()


def _messages(state: AppState) -> Choices:
    return [(str(turn.number), _brief(turn.text)) for turn in _turns(state) if turn.text]


def _answers(state: AppState) -> Choices:
    return [
        (f"{turn.number}.{at}", _brief(reply.text))
        for turn in _turns(state)
        for at, reply in enumerate(turn.replies)
        if reply.likable
    ]


def _last_answers(state: AppState) -> Choices:
    return [
        (f"{turn.number}.{at}", _brief(reply.text) or tr("Answer"))
        for turn in _turns(state)[:1]
        for at, reply in enumerate(turn.replies)
    ]


def _votes(state: AppState) -> Choices:
    found: Choices = []
    for turn in _turns(state):
        if turn.votable:
            found += [(f"{turn.number}.{at}", _brief(reply.text)) for at, reply in enumerate(turn.replies)]
            found.append((f"{turn.number}.{TIE}", tr("Neither is better")))
    return found


def _has_turns(state: AppState) -> bool:
    return state.chat.conversation is not None and bool(state.chat.conversation.turns)


def _answered(state: AppState) -> str | None:
    """The answer, once it is whole. Raises `CommandError` where there is none."""
    one = state.chat.conversation
    if state.chat.wrong:
        raise CommandError(state.chat.said)
    if one is None or not one.turns or one.running:
        return None
    (reply, *_) = one.turns[-1].replies
    if reply.phase is ReplyPhase.BROKEN:
        raise CommandError(reply.problem)
    return reply.text
