"""`reduce_chat(action, state)`: the part of the state that is about conversations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import singledispatch

from companion_app.state import chat_actions as cact
from companion_app.state.chat import Chat, Conversation, Listed, Reply, ReplyPhase, Turn, title_of, with_turn
from companion_app.state.model import AppState

MAX_UNDO = 20


def reduce_chat(action: cact.ChatAction, state: AppState) -> AppState:
    """The state after `action`; the same object if nothing changed."""
    chat = _reduce(action, state.chat)
    return state if chat is state.chat else replace(state, chat=chat)


@singledispatch
def _reduce(action: object, chat: Chat) -> Chat:
    raise TypeError(f"{type(action).__name__} is not an action about conversations")


@_reduce.register
def _(action: cact.ChatsListed, chat: Chat) -> Chat:
    return replace(chat, known=action.known)


@_reduce.register
def _(action: cact.ChatsSearched, chat: Chat) -> Chat:
    return replace(chat, query=action.query, found=action.found)


@_reduce.register
def _(action: cact.ChatListShown, chat: Chat) -> Chat:
    return chat if chat.listing is action.shown else replace(chat, listing=action.shown, deleting=None)


@_reduce.register
def _(action: cact.ChatOpened, chat: Chat) -> Chat:
    # What is still being answered stays, wherever a person looks meanwhile.
    running = tuple(one for one in chat.loaded if one.running)
    fresh = replace(chat, loaded=running, listing=False, editing=None, renaming=False, deleting=None, said="")
    fresh = replace(fresh, undo=(), turned=None, phrase="", wrong=False)
    if action.conversation is None:
        return replace(fresh, open=None)
    id = action.conversation.id
    if not any(one.id == id for one in running):
        fresh = replace(fresh, loaded=(*running, action.conversation))
    return replace(fresh, open=id)


@_reduce.register
def _(action: cact.ChatModelsPicked, chat: Chat) -> Chat:
    return replace(chat, picked=action.models[:2])


@_reduce.register
def _(action: cact.ChatBlindSet, chat: Chat) -> Chat:
    return replace(chat, blind=action.blind)


@_reduce.register
def _(action: cact.ChatWritersTold, chat: Chat) -> Chat:
    return replace(chat, writers=action.models)


@_reduce.register
def _(action: cact.ChatDrafted, chat: Chat) -> Chat:
    return _with(chat, chat.open, lambda one: replace(one, draft=action.text))


@_reduce.register
def _(action: cact.ChatSaid, chat: Chat) -> Chat:
    def said(one: Conversation) -> Conversation:
        fresh = one.turn(action.turn.number) is None
        title = one.title or title_of(action.turn.text or (action.turn.picture.name if action.turn.picture else ""))
        return replace(with_turn(one, action.turn), title=title, updated=action.at, draft="" if fresh else one.draft)

    return _listed(replace(_with(chat, action.id, said), editing=None, said="", wrong=False), action.id)


@_reduce.register
def _(action: cact.ReplyGrew, chat: Chat) -> Chat:
    return _with_reply(chat, action, lambda reply: replace(reply, text=reply.text + action.text))


@_reduce.register
def _(action: cact.ReplyEnded, chat: Chat) -> Chat:
    return _with_reply(chat, action, lambda reply: replace(reply, phase=action.phase, problem=action.problem))


@_reduce.register
def _(action: cact.PictureSeen, chat: Chat) -> Chat:
    def seen(turn: Turn) -> Turn:
        if turn.picture is None or not turn.picture.pending:
            return turn
        picture = replace(turn.picture, specialist=action.specialist, seen=action.seen, problem=action.problem)
        return replace(turn, picture=picture)

    return _with_turn(chat, action.id, action.number, seen)


@_reduce.register
def _(action: cact.ChatVoted, chat: Chat) -> Chat:
    return _with_turn(
        chat, action.id, action.number, lambda turn: replace(turn, vote=action.vote) if turn.votable else turn
    )


@_reduce.register
def _(action: cact.ReplyLiked, chat: Chat) -> Chat:
    def changed(turn: Turn) -> Turn:
        replies = tuple(
            replace(reply, liked=action.liked) if at == action.model and reply.likable else reply
            for at, reply in enumerate(turn.replies)
        )
        return replace(turn, replies=replies)

    return _with_turn(chat, action.id, action.number, changed)


@_reduce.register
def _(action: cact.VotesWaiting, chat: Chat) -> Chat:
    return chat if chat.waiting_votes == action.number else replace(chat, waiting_votes=action.number)


@_reduce.register
def _(action: cact.KnobsTurned, chat: Chat) -> Chat:
    one = chat.conversation
    if one is None:
        return chat
    told = replace(chat, turned=action.turned, phrase=action.phrase)
    if not action.turned.changes:
        return told
    told = replace(told, undo=(*chat.undo, one.knobs)[-MAX_UNDO:])
    return _with(told, one.id, lambda one: replace(one, knobs=action.turned.knobs))


@_reduce.register
def _(action: cact.KnobsSet, chat: Chat) -> Chat:
    one = chat.conversation
    if one is None or one.knobs == action.knobs:
        return chat
    told = replace(chat, undo=(*chat.undo, one.knobs)[-MAX_UNDO:], turned=None, phrase="")
    return _with(told, one.id, lambda one: replace(one, knobs=action.knobs.bounded()))


@_reduce.register
def _(action: cact.KnobsUndone, chat: Chat) -> Chat:
    if not chat.undo or chat.open is None:
        return chat
    before = chat.undo[-1]
    told = replace(chat, undo=chat.undo[:-1], turned=None, phrase="")
    return _with(told, chat.open, lambda one: replace(one, knobs=before))


@_reduce.register
def _(action: cact.KnobsSeen, chat: Chat) -> Chat:
    return chat if chat.turned is None else replace(chat, turned=None, phrase="")


@_reduce.register
def _(action: cact.ChatEditBegun, chat: Chat) -> Chat:
    return chat if chat.editing == action.number else replace(chat, editing=action.number)


@_reduce.register
def _(action: cact.ChatRenaming, chat: Chat) -> Chat:
    return chat if chat.renaming is action.on else replace(chat, renaming=action.on)


@_reduce.register
def _(action: cact.ChatRenamed, chat: Chat) -> Chat:
    renamed = tuple(replace(one, title=action.title) if one.id == action.id else one for one in chat.known)
    told = replace(chat, renaming=False, known=renamed)
    return _with(told, action.id, lambda one: replace(one, title=action.title))


@_reduce.register
def _(action: cact.ChatDeleteAsked, chat: Chat) -> Chat:
    return chat if chat.deleting == action.id else replace(chat, deleting=action.id)


@_reduce.register
def _(action: cact.ChatDeleted, chat: Chat) -> Chat:
    return replace(
        chat,
        known=tuple(one for one in chat.known if one.id != action.id),
        found=tuple(one for one in chat.found if one.id != action.id),
        loaded=tuple(one for one in chat.loaded if one.id != action.id),
        open=None if chat.open == action.id else chat.open,
        deleting=None,
    )


@_reduce.register
def _(action: cact.ChatNoted, chat: Chat) -> Chat:
    return replace(chat, said=action.sentence, wrong=action.wrong)


def _with(chat: Chat, id: str | None, change: Callable[[Conversation], Conversation]) -> Chat:
    one = chat.one(id)
    if one is None:
        return chat
    changed = change(one)
    if changed == one:
        return chat
    return replace(chat, loaded=tuple(changed if other.id == id else other for other in chat.loaded))


def _with_turn(chat: Chat, id: str, number: int, change: Callable[[Turn], Turn]) -> Chat:
    def changed(one: Conversation) -> Conversation:
        turn = one.turn(number)
        return one if turn is None else with_turn(one, change(turn))

    return _with(chat, id, changed)


def _with_reply(chat: Chat, action: cact.ReplyGrew | cact.ReplyEnded, change: Callable[[Reply], Reply]) -> Chat:
    def changed(turn: Turn) -> Turn:
        replies = tuple(
            change(reply) if at == action.model and reply.phase is ReplyPhase.RUNNING else reply
            for at, reply in enumerate(turn.replies)
        )
        return replace(turn, replies=replies)

    return _with_turn(chat, action.id, action.number, changed)


def _listed(chat: Chat, id: str) -> Chat:
    """A conversation that something was said in comes first in the list."""
    one = chat.one(id)
    if one is None:
        return chat
    others = tuple(other for other in chat.known if other.id != id)
    return replace(chat, known=(Listed(one.id, one.title, one.updated), *others))
