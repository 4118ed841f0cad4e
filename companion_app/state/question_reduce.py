"""`reduce_questions(action, state)`: the part of the state that is about questions to a person."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from companion_app.state import question_actions as qact
from companion_app.state.model import AppState
from companion_app.state.questions import Asking, Queue, Reply, Topic


def reduce_questions(action: qact.QuestionAction, state: AppState) -> AppState:
    """The state after `action`; the same object if nothing changed."""
    asking = _reduce(action, state.asking)
    return state if asking == state.asking else replace(state, asking=asking)


@singledispatch
def _reduce(action: object, asking: Asking) -> Asking:
    raise TypeError(f"{type(action).__name__} is not an action about questions")


@_reduce.register
def _(action: qact.OutboxFound, asking: Asking) -> Asking:
    return replace(asking, outbox=action.replies)


@_reduce.register
def _(action: qact.TopicsTold, asking: Asking) -> Asking:
    names = [topic.dataset for topic in action.topics]
    asking = replace(asking, known=True, topics=action.topics, problem=None)
    if asking.opened in names:
        return asking
    # The one with the most questions is where an hour of answering helps most.
    best = max(action.topics, key=lambda topic: topic.waiting, default=Topic("", 0, 0))
    return _opened(asking, best.dataset)


@_reduce.register
def _(action: qact.TopicPicked, asking: Asking) -> Asking:
    return asking if action.dataset == asking.opened else _opened(asking, action.dataset)


@_reduce.register
def _(action: qact.QueueTold, asking: Asking) -> Asking:
    return _with_queue(replace(asking, problem=None), action.queue)


@_reduce.register
def _(action: qact.Skipped, asking: Asking) -> Asking:
    return replace(asking, skipped=(*(text for text in asking.skipped if text != action.text), action.text))


@_reduce.register
def _(action: qact.Replied, asking: Asking) -> Asking:
    said, text = action.reply, action.reply.question.text
    return replace(
        asking,
        outbox=(*asking.outbox, said),
        history=(*asking.history, said),
        skipped=tuple(one for one in asking.skipped if one != text),
        taken=None,
    )


@_reduce.register
def _(action: qact.Undone, asking: Asking) -> Asking:
    history = tuple(one for one in asking.history if one is not action.reply)
    if action.withdrawn:
        return replace(asking, history=history, outbox=tuple(one for one in asking.outbox if one is not action.reply))
    return replace(asking, history=history, outbox=(*asking.outbox, replace(action.reply, undo=True)))


@_reduce.register
def _(action: qact.ReplySent, asking: Asking) -> Asking:
    left = _without(asking.outbox, action.reply)
    return _with_queue(replace(asking, outbox=left, problem=None), action.queue)


@_reduce.register
def _(action: qact.ReplyRefused, asking: Asking) -> Asking:
    # Somebody else's answer stands, or the question is gone: this one was never given. Taking it back would take back theirs.
    refused, text = action.reply, action.reply.question.text
    left, queue = _without(asking.outbox, refused), asking.queue
    if not refused.undo:
        left = tuple(
            one for one in left if not (one.undo and one.dataset == refused.dataset and one.question.text == text)
        )
        if queue is not None and queue.dataset == refused.dataset:
            kept = tuple(one for one in queue.questions if one.text != text)
            queue = replace(queue, questions=kept, waiting=queue.waiting - (len(queue.questions) - len(kept)))
    return replace(asking, outbox=left, queue=queue, history=_without(asking.history, refused))


@_reduce.register
def _(action: qact.TakeStarted, asking: Asking) -> Asking:
    return replace(asking, taking=True, taken=None, problem=None)


@_reduce.register
def _(action: qact.Taken, asking: Asking) -> Asking:
    # What is in a dataset isn't taken back.
    return _with_queue(replace(asking, taking=False, taken=action.sentence, history=()), action.queue)


@_reduce.register
def _(action: qact.QuestionsFailed, asking: Asking) -> Asking:
    return replace(asking, taking=False, problem=action.sentence)


def _opened(asking: Asking, dataset: str) -> Asking:
    return replace(asking, opened=dataset, queue=None, history=(), skipped=(), taken=None)


def _with_queue(asking: Asking, queue: Queue) -> Asking:
    topics = tuple(
        Topic(queue.dataset, queue.waiting, queue.answered) if topic.dataset == queue.dataset else topic
        for topic in asking.topics
    )
    return replace(asking, topics=topics, queue=queue if queue.dataset == asking.opened else asking.queue)


def _without(replies: tuple[Reply, ...], gone: Reply) -> tuple[Reply, ...]:
    return tuple(one for one in replies if one is not gone)
