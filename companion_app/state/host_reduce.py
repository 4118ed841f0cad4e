"""`reduce_host(action, state)`: the part of the state that is about the host that teaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import singledispatch

from companion_app.state import host_actions as hact
from companion_app.state.bundles import Bundles
from companion_app.state.drafts import Drafted, reduce_drafts
from companion_app.state.host import Host, KeyForm, KeyMove, Lesson, LessonState, Offer, TeachForm
from companion_app.state.model import AppState, Pairing, Screen
from companion_app.state.phase import Phase
from companion_app.state.questions import Asking
from companion_app.state.signing import Signing

# What stays on the screen; the host keeps them all.
MAX_LESSONS = 20


def reduce_host(action: hact.HostAction, state: AppState) -> AppState:
    """The state after `action`; the same object if nothing changed."""
    return _reduce(action, state)


@singledispatch
def _reduce(action: object, state: AppState) -> AppState:
    raise TypeError(f"{type(action).__name__} is not an action about the host")


@_reduce.register
def _(action: hact.HostPairingStarted, state: AppState) -> AppState:
    return replace(state, host_pairing=Pairing(busy=True))


@_reduce.register
def _(action: hact.HostPairingFailed, state: AppState) -> AppState:
    return replace(state, host_pairing=Pairing(error=action.sentence))


@_reduce.register
def _(action: hact.HostPaired, state: AppState) -> AppState:
    # The form has done its work: Escape from what follows must not lead back into it.
    behind = tuple(screen for screen in state.behind if screen is not Screen.PAIR_HOST)
    here = state.screen is Screen.PAIR_HOST
    return replace(
        state,
        host=action.host,
        host_pairing=Pairing(),
        key_form=KeyForm(),
        key_move=KeyMove(),
        teach=TeachForm(),
        asking=Asking(outbox=state.asking.outbox if _same(state.host, action.host) else ()),
        signing=Signing(public=state.signing.public),
        bundles=Bundles(),
        drafts=reduce_drafts(Drafted("pair_host.code", ""), state.drafts),
        screen=Screen.TEACH if here else state.screen,
        behind=(Screen.DEVICES,) if here else behind,
        notice=None,
    )


@_reduce.register
def _(action: hact.HostForgotten, state: AppState) -> AppState:
    return replace(
        state,
        host=None,
        key_form=KeyForm(),
        key_move=KeyMove(),
        teach=TeachForm(),
        asking=Asking(),
        signing=Signing(public=state.signing.public),
        bundles=Bundles(),
    )


@_reduce.register
def _(action: hact.HostConnecting, state: AppState) -> AppState:
    return _with_host(state, lambda host: replace(host, phase=Phase.CONNECTING))


@_reduce.register
def _(action: hact.HostLost, state: AppState) -> AppState:
    state = _with_host(
        state, lambda host: replace(host, phase=Phase.WAITING, error=action.sentence, retry_in=action.retry_in)
    )
    # What it would cost is asked again once the host is back.
    return replace(state, teach=replace(state.teach, estimate=None))


@_reduce.register
def _(action: hact.HostUpdated, state: AppState) -> AppState:
    def changed(host: Host) -> Host:
        known = {lesson.id: lesson for lesson in host.lessons}
        lessons = [
            known[lesson.id] if lesson.id in action.told and lesson.id in known else newer(known.get(lesson.id), lesson)
            for lesson in action.lessons
        ]
        # A lesson may have begun after the host had made its list.
        listed = {lesson.id for lesson in lessons}
        lessons = [known[id] for id in known if id in action.told - listed] + lessons
        return replace(
            host, phase=Phase.ONLINE, error=None, retry_in=0.0, offer=action.offer, lessons=in_order(lessons)
        )

    state = _with_host(state, changed)
    form = fitting(state.teach, action.offer)
    return state if form == state.teach else replace(state, teach=form)


@_reduce.register
def _(action: hact.LessonTold, state: AppState) -> AppState:
    def changed(host: Host) -> Host:
        known = {lesson.id: lesson for lesson in host.lessons}
        told = newer(known.get(action.lesson.id), action.lesson)
        # A new one comes first, a known one stays where it is.
        lessons = {told.id: told} | known if told.id not in known else known | {told.id: told}
        return replace(host, lessons=in_order(list(lessons.values())))

    return _with_host(state, changed)


@_reduce.register
def _(action: hact.KeyProviderPicked, state: AppState) -> AppState:
    return replace(state, key_form=KeyForm(provider=action.provider))


@_reduce.register
def _(action: hact.KeyQuestioned, state: AppState) -> AppState:
    return replace(state, key_form=KeyForm(provider=state.key_form.provider, problems=action.problems))


@_reduce.register
def _(action: hact.KeySaving, state: AppState) -> AppState:
    return replace(state, key_form=KeyForm(provider=state.key_form.provider, busy=True))


@_reduce.register
def _(action: hact.KeySaved, state: AppState) -> AppState:
    return replace(state, key_form=KeyForm(saved=action.sentence))


@_reduce.register
def _(action: hact.KeyRefused, state: AppState) -> AppState:
    form = KeyForm(provider=state.key_form.provider, refused=action.sentence, taken=action.taken)
    return replace(state, key_form=form)


@_reduce.register
def _(action: hact.KeyMovePicked, state: AppState) -> AppState:
    if state.key_move.busy:
        return state  # what came of it is shown where it was begun
    return replace(state, key_move=KeyMove(way=action.way, path=action.path))


@_reduce.register
def _(action: hact.KeyMoveQuestioned, state: AppState) -> AppState:
    return replace(state, key_move=KeyMove(way=state.key_move.way, problems=action.problems))


@_reduce.register
def _(action: hact.KeysMoving, state: AppState) -> AppState:
    return replace(state, key_move=KeyMove(way=state.key_move.way, busy=True))


@_reduce.register
def _(action: hact.KeysMoved, state: AppState) -> AppState:
    move = KeyMove(way=state.key_move.way, done=action.sentence, skipped=action.skipped)
    return replace(state, key_move=move)


@_reduce.register
def _(action: hact.KeyMoveRefused, state: AppState) -> AppState:
    return replace(state, key_move=KeyMove(way=state.key_move.way, refused=action.sentence))


@_reduce.register
def _(action: hact.TaskToggled, state: AppState) -> AppState:
    chosen = set(state.teach.selected) ^ {action.name}
    return _with_selected(state, chosen)


@_reduce.register
def _(action: hact.PresetPicked, state: AppState) -> AppState:
    presets = dict(state.host.offer.presets) if state.host else {}
    return _with_selected(state, set(presets[action.name])) if action.name in presets else state


@_reduce.register
def _(action: hact.ExamplesTyped, state: AppState) -> AppState:
    return _with_form(state, replace(state.teach, examples=action.text, refused=None))


@_reduce.register
def _(action: hact.TeacherPicked, state: AppState) -> AppState:
    return _with_form(state, replace(state.teach, provider=action.provider, picked=True, model="", refused=None))


@_reduce.register
def _(action: hact.ModelTyped, state: AppState) -> AppState:
    return _with_form(state, replace(state.teach, model=action.text, refused=None))


@_reduce.register
def _(action: hact.BudgetTyped, state: AppState) -> AppState:
    return _with_form(state, replace(state.teach, budget=action.text, refused=None))


@_reduce.register
def _(action: hact.Estimated, state: AppState) -> AppState:
    return _with_form(state, replace(state.teach, estimate=action.estimate))


@_reduce.register
def _(action: hact.EstimateWanted, state: AppState) -> AppState:
    return _with_form(state, replace(state.teach, estimate=None))


@_reduce.register
def _(action: hact.LessonStarting, state: AppState) -> AppState:
    return _with_form(state, replace(state.teach, starting=True, refused=None))


@_reduce.register
def _(action: hact.LessonStarted, state: AppState) -> AppState:
    return _with_form(state, replace(state.teach, starting=False, selected=(), estimate=None))


@_reduce.register
def _(action: hact.LessonRefused, state: AppState) -> AppState:
    return _with_form(state, replace(state.teach, starting=False, refused=action.sentence))


@_reduce.register
def _(action: hact.LessonCancelling, state: AppState) -> AppState:
    return _with_cancelling(state, action.id, True)


@_reduce.register
def _(action: hact.LessonKept, state: AppState) -> AppState:
    return _with_cancelling(state, action.id, False)


def newer(known: Lesson | None, told: Lesson) -> Lesson:
    """What is shown of a lesson once the host told of it: while it runs, it never goes back."""
    if known is None or not (known.running and told.running):
        return told
    return replace(
        told,
        progress=max(known.progress, told.progress),
        accepted=max(known.accepted, told.accepted),
        cancelling=known.cancelling,
    )


def in_order(lessons: list[Lesson]) -> tuple[Lesson, ...]:
    """What runs comes first; the rest as the host has it."""
    running = [lesson for lesson in lessons if lesson.state is LessonState.RUNNING]
    rest = [lesson for lesson in lessons if lesson.state is not LessonState.RUNNING]
    return tuple((running + rest)[:MAX_LESSONS])


def fitting(form: TeachForm, offer: Offer) -> TeachForm:
    """The form without what the host no longer offers, and with a teacher that is set up, if none was picked."""
    names = {provider.name for provider in offer.providers}
    picked = form.picked and form.provider in names
    provider = form.provider if picked else set_up(offer)
    tasks = {task.name for task in offer.tasks}
    return replace(
        form,
        selected=tuple(name for name in form.selected if name in tasks),
        provider=provider,
        picked=picked,
        model=form.model if provider == form.provider else "",
    )


def set_up(offer: Offer) -> str:
    """A teacher that a person has set up: one with a key, else a server of their own; "" where there is none."""
    names = {provider.name for provider in offer.providers}
    keyed = [key.provider for key in offer.keys if key.in_use and key.provider in names]
    own = [provider.name for provider in offer.providers if provider.custom and not provider.needs_key]
    return next(iter(keyed + own), "")


def _same(known: Host | None, paired: Host) -> bool:
    return known is not None and known.address == paired.address


def _with_host(state: AppState, change: Callable[[Host], Host]) -> AppState:
    if state.host is None:
        return state
    host = change(state.host)
    return state if host == state.host else replace(state, host=host)


def _with_form(state: AppState, form: TeachForm) -> AppState:
    return state if form == state.teach else replace(state, teach=form)


def _with_selected(state: AppState, chosen: set[str]) -> AppState:
    """Ticked tasks are kept in the host's order, so that the same set is the same order."""
    tasks = state.host.offer.tasks if state.host else ()
    selected = tuple(task.name for task in tasks if task.name in chosen)
    return _with_form(state, replace(state.teach, selected=selected, refused=None))


def _with_cancelling(state: AppState, id: str, cancelling: bool) -> AppState:
    def changed(host: Host) -> Host:
        return replace(
            host,
            lessons=tuple(
                replace(lesson, cancelling=cancelling and lesson.running) if lesson.id == id else lesson
                for lesson in host.lessons
            ),
        )

    return _with_host(state, changed)
