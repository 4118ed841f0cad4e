"""What the app knows of keys and lessons, without a window: forms, estimates, lessons that only go forward."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion_app.state import actions as act
from companion_app.state import checks, teaching
from companion_app.state import host_actions as hact
from companion_app.state.checks import NewKey, key_problem, key_problems
from companion_app.state.host import (
    CUSTOM,
    Estimate,
    Host,
    Lesson,
    LessonState,
    Offer,
    Order,
    Provider,
    StoredKey,
    Task,
    TeachForm,
)
from companion_app.state.host_reduce import MAX_LESSONS
from companion_app.state.model import AppState, Screen
from companion_app.state.phase import Phase
from companion_app.state.reduce import reduce

from . import samples
from .fake_host import PRESETS, TASKS

OFFER = Offer(
    tasks=tuple(Task(name, name.capitalize()) for name in ("chat", "code", "robot", "math")),
    presets=(("all", ("chat", "code", "robot", "math")), ("basic", ("math", "chat")), ("none", ())),
    providers=(Provider("openai", model="gpt-5-mini"), Provider("ollama", needs_key=False)),
    keys=(StoredKey("openai", "default", "…1234", in_use=True),),
)
HOST = Host("http://192.168.1.9:8770", "studio", Phase.ONLINE, offer=OFFER)


def lesson(id: str = "a", **more: object) -> Lesson:
    made = Lesson(id, id, ("chat",), 100, "openai", LessonState.RUNNING)
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def run(state: AppState, *actions: act.Action) -> AppState:
    for action in actions:
        state = reduce(state, action)
    return state


@pytest.fixture
def state() -> AppState:
    """Paired with a host that is online; the form as it is then."""
    return run(AppState(inventory=samples.home(), host=HOST), hact.HostUpdated(OFFER, ()))


# --- pairing ---


def test_a_paired_host_shows_what_it_teaches_and_back_does_not_lead_into_the_form(state: AppState) -> None:
    other = Host("http://10.0.0.1:8770", "attic")
    state = run(state, act.Opened(Screen.PAIR_HOST), hact.HostPairingStarted(), hact.HostPaired(other))
    assert (state.host, state.screen, state.teach) == (other, Screen.TEACH, TeachForm())
    assert run(state, act.WentBack()).screen is Screen.DEVICES
    assert run(state, hact.HostForgotten()).host is None


def test_a_refused_pairing_with_a_host_says_why_until_the_form_is_opened_again(state: AppState) -> None:
    state = run(state, act.Opened(Screen.PAIR_HOST), hact.HostPairingFailed("Wrong code."))
    assert state.host_pairing.error == "Wrong code."
    assert state.pairing.error is None
    assert run(state, act.WentBack(), act.Opened(Screen.PAIR_HOST)).host_pairing.error is None


def test_news_of_a_forgotten_host_change_nothing() -> None:
    state = AppState(inventory=samples.home())
    for action in (hact.HostLost("x", 1.0), hact.LessonTold(lesson()), hact.PresetPicked("all"), hact.HostConnecting()):
        assert run(state, action) == state


def test_a_lost_host_keeps_what_it_last_said(state: AppState) -> None:
    state = run(state, hact.LessonTold(lesson(progress=0.5)), hact.HostLost("Gone.", 2.0))
    assert state.host is not None
    assert (state.host.phase, state.host.offer, len(state.host.lessons)) == (Phase.WAITING, OFFER, 1)
    assert teaching.host_problem(state.host) == "Gone."
    assert teaching.why_not(state) == "Gone."


# --- the form ---


def test_presets_are_the_host_s_and_ticks_keep_its_order(state: AppState) -> None:
    assert run(state, hact.PresetPicked("basic")).teach.selected == ("chat", "math")
    assert run(state, hact.PresetPicked("all")).teach.selected == ("chat", "code", "robot", "math")
    assert run(state, hact.PresetPicked("all"), hact.PresetPicked("none")).teach.selected == ()
    assert run(state, hact.PresetPicked("all"), hact.PresetPicked("unheard of")).teach.selected != ()
    ticked = run(state, hact.TaskToggled("math"), hact.TaskToggled("robot"), hact.TaskToggled("chat"))
    assert ticked.teach.selected == ("chat", "robot", "math")
    assert teaching.preset_of(ticked) is None
    assert teaching.preset_of(run(ticked, hact.TaskToggled("robot"))) == "basic"
    assert run(state, hact.TaskToggled("unheard of")).teach.selected == ()


@pytest.mark.parametrize("typed", ["9", "501", "", "0", "-10", "1e2", "10.0", "٣٠", "99999999999"])
def test_too_few_and_too_many_examples_are_refused(state: AppState, typed: str) -> None:
    state = run(state, hact.PresetPicked("all"), hact.ExamplesTyped(typed))
    assert teaching.order_of(state) is None
    assert teaching.why_not(state) == "From 10 to 500 examples per task."


@pytest.mark.parametrize("typed", ["10", "500", " 100 "])
def test_ten_to_five_hundred_examples_are_taken(state: AppState, typed: str) -> None:
    order = teaching.order_of(run(state, hact.PresetPicked("basic"), hact.ExamplesTyped(typed)))
    assert order == Order(("chat", "math"), int(typed), "openai")


@pytest.mark.parametrize("typed", ["0", "-1", "two", "1,50", "nan", "inf", "1e9", "0.0", "100000"])
def test_a_budget_that_cannot_be_is_refused(state: AppState, typed: str) -> None:
    state = ready(run(state, hact.PresetPicked("basic")))
    assert teaching.why_not(state) == ""
    assert "dollars" in teaching.why_not(run(state, hact.BudgetTyped(typed)))
    assert teaching.why_not(run(state, hact.BudgetTyped("2.50"))) == ""


def ready(state: AppState) -> AppState:
    """With the estimate of what would be asked for now."""
    order = teaching.order_of(state)
    assert order is not None
    return run(state, hact.Estimated(Estimate(order, 0.5, 0.4, 0.7)))


def test_a_lesson_can_begin_only_when_its_own_cost_is_shown(state: AppState) -> None:
    state = run(state, hact.PresetPicked("basic"))
    assert "cost" in teaching.why_not(state)
    state = ready(state)
    assert teaching.why_not(state) == ""
    for change in (
        hact.ExamplesTyped("101"),
        hact.TaskToggled("code"),
        hact.TeacherPicked("ollama"),
        hact.ModelTyped("x"),
    ):
        changed = run(state, change)
        assert teaching.estimate_of(changed) is None, change
        assert "cost" in teaching.why_not(changed), change
    assert teaching.estimate_of(run(state, hact.ExamplesTyped("101"), hact.ExamplesTyped("100"))) is not None
    order = teaching.order_of(state)
    assert order is not None
    assert teaching.why_not(run(state, hact.Estimated(Estimate(order, error="No price.")))) == "No price."


def test_nothing_selected_no_teacher_and_a_missing_key_are_said(state: AppState) -> None:
    assert teaching.why_not(state) == "Choose at least one task."
    keyless = dataclasses.replace(OFFER, keys=())
    state = run(state, hact.PresetPicked("all"), hact.HostUpdated(keyless, ()))
    assert teaching.why_not(state) == "Choose who teaches."
    state = run(state, hact.TeacherPicked("openai"))
    assert teaching.lacks_key(state)
    assert teaching.order_of(state) is None
    assert "no key for openai" in teaching.why_not(state)
    assert not teaching.lacks_key(run(state, hact.TeacherPicked("ollama")))
    assert not teaching.lacks_key(run(state, hact.HostUpdated(OFFER, ())))


def test_the_teacher_is_one_that_is_set_up_until_another_is_picked(state: AppState) -> None:
    nas = Provider("nas", needs_key=False, custom=True)
    none = Offer(tasks=OFFER.tasks, providers=OFFER.providers)
    own = dataclasses.replace(none, providers=(*OFFER.providers, nas))
    both = dataclasses.replace(own, keys=OFFER.keys)
    for offer, teacher in ((none, ""), (own, "nas"), (both, "openai"), (none, "")):
        state = run(state, hact.HostUpdated(offer, ()))
        assert state.teach.provider == teacher
    state = run(state, hact.TeacherPicked("ollama"), hact.ModelTyped("big"), hact.HostUpdated(both, ()))
    assert (state.teach.provider, state.teach.model) == ("ollama", "big")
    gone = dataclasses.replace(both, providers=OFFER.providers[:1], tasks=OFFER.tasks[:1])
    state = run(state, hact.TaskToggled("chat"), hact.TaskToggled("code"), hact.HostUpdated(gone, ()))
    assert (state.teach.provider, state.teach.model, state.teach.selected) == ("openai", "", ("chat",))


def test_a_lesson_that_began_leaves_nothing_to_start_twice(state: AppState) -> None:
    order = Order(("chat",), 100, "openai")
    state = run(ready(run(state, hact.TaskToggled("chat"))), hact.LessonStarting(order))
    assert state.teach.starting
    began = run(state, hact.LessonStarted())
    assert (began.teach.selected, began.teach.starting) == ((), False)
    refused = run(state, hact.LessonRefused("Busy."))
    assert (refused.teach.selected, refused.teach.starting, refused.teach.refused) == (("chat",), False, "Busy.")
    assert run(refused, hact.ExamplesTyped("50")).teach.refused is None


# --- the key form ---


def test_the_key_form_holds_problems_and_never_a_key(state: AppState) -> None:
    names = {field.name for field in dataclasses.fields(state.key_form)}
    assert names == {"provider", "busy", "problems", "refused", "taken", "saved"}
    state = run(state, hact.KeyProviderPicked("openai"), hact.KeyQuestioned((("name", "Give it one."),)))
    assert state.key_form.problems
    state = run(state, hact.KeySaving())
    assert (state.key_form.busy, state.key_form.problems, state.key_form.provider) == (True, (), "openai")
    state = run(state, hact.KeyRefused("Taken.", taken=True))
    assert (state.key_form.busy, state.key_form.taken, state.key_form.provider) == (False, True, "openai")
    assert run(state, hact.KeySaved("There.")).key_form == dataclasses.replace(type(state.key_form)(), saved="There.")


NAS = NewKey(CUSTOM, "", endpoint="nas", base_url="http://192.168.1.5:11434/v1", model="llama3.2")


def test_an_empty_name_or_key_is_a_problem_of_that_field() -> None:
    assert dict(key_problems(NewKey("openai", "work"), None)).keys() == {"key"}
    assert dict(key_problems(NewKey("openai", "  "), "")).keys() == {"name"}
    assert dict(key_problems(NewKey("", ""), None)).keys() == {"provider", "name", "key"}
    assert key_problems(NewKey("openai", "work"), "") == ()


def test_a_custom_provider_needs_an_address_and_a_model_but_no_key() -> None:
    assert key_problems(NAS, None) == ()
    assert dict(key_problems(NAS, "")).keys() == {"name"}, "a key that is there wants a name"
    assert dict(key_problems(NewKey(CUSTOM, ""), None)).keys() == {"endpoint", "base_url", "model"}


@pytest.mark.parametrize(
    "url",
    [
        "https://gateway.example/v1",
        "http://127.0.0.1:8080/v1",
        "http://localhost:1234/v1",
        "http://192.168.1.5:11434/v1",
        "http://10.1.2.3/v1",
        "http://172.31.0.1:8000",
        "http://nas.local:11434/v1",
        "http://[::1]:8080/v1",
        "http://[fe80::1]:99/v1",
        "HTTPS://Gateway.Example",
    ],
)
def test_an_address_that_keeps_a_key_private_is_taken(url: str) -> None:
    assert checks.base_url_problem(url) == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://gateway.example/v1", "https"),
        ("http://8.8.8.8/v1", "https"),
        ("http://172.32.0.1/v1", "https"),
        ("http://192.168.1.5.evil.example/v1", "https"),
        ("http://localhost.evil.example/", "https"),
        ("ftp://192.168.1.5/v1", "no address"),
        ("192.168.1.5:11434", "no address"),
        ("https://", "no address"),
        ("https://a b/v1", "no address"),
        ("https://a\n.example/v1", "no address"),
        ("https://x:99999/v1", "no address"),
        ("https://user:pass@gateway.example/v1", "user name"),
        ("https://gateway.example/v1?key=1", "user name"),
        ("", "such as"),
    ],
)
def test_an_address_that_would_give_a_key_away_is_refused(url: str, why: str) -> None:
    assert why in checks.base_url_problem(url)


@given(st.text(max_size=60))
def test_no_sentence_about_a_key_holds_any_of_it(text: str) -> None:
    key = f"sk-{text}-Zq9"
    assert "Zq9" not in key_problem(key)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "tab\there", "ключ", "sk-\x00", "x" * 4097])
def test_what_is_no_key_is_refused(key: str) -> None:
    assert key_problem(key)


# --- lessons ---


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 100)), min_size=1, max_size=30))
def test_progress_never_goes_back_while_a_lesson_runs(told: list[tuple[float, int]]) -> None:
    state = AppState(inventory=samples.home(), host=HOST)
    seen: list[tuple[float, int]] = []
    for progress, accepted in told:
        state = run(state, hact.LessonTold(lesson(progress=progress, accepted=accepted)))
        assert state.host is not None
        seen.append((state.host.lessons[0].progress, state.host.lessons[0].accepted))
    assert [one for one, _ in seen] == sorted(one for one, _ in seen)
    assert [one for _, one in seen] == sorted(one for _, one in seen)


def test_the_end_of_a_lesson_is_shown_as_the_host_tells_it(state: AppState) -> None:
    state = run(state, hact.LessonTold(lesson(progress=0.9)), hact.LessonCancelling("a"))
    assert state.host is not None
    assert state.host.lessons[0].cancelling
    cancelled = run(state, hact.LessonTold(lesson(progress=0.9, state=LessonState.CANCELLED)))
    assert cancelled.host is not None
    assert (cancelled.host.lessons[0].cancelling, cancelled.host.lessons[0].resumable) == (False, True)
    assert teaching.running_lesson(cancelled) is None
    kept = run(state, hact.LessonKept("a"))
    assert kept.host is not None
    assert not kept.host.lessons[0].cancelling


def test_an_answer_that_is_older_than_an_event_does_not_undo_it(state: AppState) -> None:
    done = lesson(state=LessonState.DONE, progress=1.0)
    state = run(state, hact.LessonTold(done), hact.HostUpdated(OFFER, (lesson(progress=0.4),), frozenset({"a"})))
    assert state.host is not None
    assert state.host.lessons == (done,)
    state = run(state, hact.LessonTold(lesson("b")), hact.HostUpdated(OFFER, (done,), frozenset({"b"})))
    assert state.host is not None
    assert [one.id for one in state.host.lessons] == ["b", "a"], "one that began since is not forgotten"
    state = run(state, hact.HostUpdated(OFFER, (done,)))
    assert state.host is not None
    assert [one.id for one in state.host.lessons] == ["a"], "one that the host forgot is"


def test_what_runs_comes_first_and_lists_stay_bounded(state: AppState) -> None:
    old = tuple(lesson(str(number), state=LessonState.DONE) for number in range(60))
    state = run(state, hact.HostUpdated(OFFER, (*old, lesson("now"))))
    assert state.host is not None
    assert state.host.lessons[0].id == "now"
    assert len(state.host.lessons) == MAX_LESSONS


def test_one_that_waits_can_be_told_from_one_that_was_cut_short() -> None:
    cut = lesson(state=LessonState.OPEN)
    waits = lesson(state=LessonState.OPEN, message="It begins when the lessons before it have ended.")
    assert (teaching.lesson_pill(cut)[0], teaching.lesson_pill(waits)[0]) == ("Not finished", "Waiting")
    assert cut.resumable


# --- words ---


def test_a_lesson_in_words() -> None:
    running = lesson(accepted=12, rejected=(("refusal", 2), ("wrong sum", 30)), rate=61.4, eta=250.0, cost=0.0123)
    facts = dict(teaching.lesson_facts(running))
    assert facts["Accepted"] == "12 of 100"
    assert facts["Rejected"] == "32"
    assert facts["Rate"] == "61 a minute"
    assert facts["Time left"] == "4 min"
    assert facts["Cost so far"] == "$0.012"
    assert teaching.reasons_line(running) == "Rejected: wrong sum 30, refusal 2"
    assert dict(teaching.lesson_facts(lesson(cost=None)))["Cost so far"] == "not known"
    assert teaching.strip_line(HOST, dataclasses.replace(running, progress=0.999)).startswith("Teaching Chat  ·  99 %")


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        (("chat",), "Chat"),
        (("chat", "math"), "Chat and Math"),
        (("chat", "code", "math"), "Chat, Code and Math"),
        (("chat", "code", "robot", "math"), "Chat, Code and 2 more"),
        (("new_one",), "new_one"),
        ((), "nothing"),
    ],
)
def test_tasks_in_words(tasks: tuple[str, ...], said: str) -> None:
    assert teaching.titles(HOST, tasks) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "$0.00"),
        (0.8, "$0.80"),
        (12.345, "$12.35"),
        (1234.5, "$1,234.50"),
        (0.00375, "$0.0037"),
        (1e-6, "under $0.0001"),
    ],
)
def test_money_in_words(amount: float, said: str) -> None:
    assert teaching.money(amount) == said


def test_a_cost_in_words() -> None:
    order = Order(("chat",), 100, "openai")
    assert teaching.cost_line(Estimate(order, 0.5, 0.25, 1.0)) == "About $0.50 ($0.25 to $1.00)"
    assert teaching.cost_line(Estimate(order, 0.0, 0.0, 0.0)) == "Costs nothing"
    assert teaching.cost_line(Estimate(order)) == "The cost is not known"
    said = Estimate(order, sentences=("400 requests.", "Half of it with --batch.", "From 20 prompts."))
    assert teaching.cost_details(said) == "400 requests.\nFrom 20 prompts."


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "under 1 s"), (30, "30 s"), (240, "4 min"), (7260, "2 h 01 min"), (400_000, "5 days")]
)
def test_durations_in_words(seconds: float, said: str) -> None:
    assert teaching.duration(seconds) == said


def test_a_way_that_others_could_read_is_known() -> None:
    assert teaching.readable_on_its_way(HOST)
    for address in ("http://127.0.0.1:8770", "http://[::1]:8770", "https://studio.example:443", "http://localhost:1"):
        assert not teaching.readable_on_its_way(dataclasses.replace(HOST, address=address))


def test_the_sets_of_tasks_are_those_of_the_docs() -> None:
    """A test through the window compares the same table with what one tap chooses, on a real host too."""
    docs = Path(__file__).resolve().parents[2] / "docs" / "companion.md"
    found = dict(
        re.findall(r"^ +\| (All|Basic|Creative|None) \| (.*) ?\|$", docs.read_text(encoding="utf-8"), re.MULTILINE)
    )
    titles = {name: title[0].lower() + title[1:] if title != "3D models" else title for name, title in TASKS.items()}
    said = {name.lower(): [word for word in text.strip().split(", ") if word] for name, text in found.items()}
    assert said == {name: [titles[task] for task in tasks] for name, tasks in PRESETS.items()}


def test_who_wants_a_key_can_be_given_one_and_anybody_else_is_custom() -> None:
    assert [value for value, _, _ in teaching.key_choices(HOST)] == ["openai", CUSTOM]
    nas = Provider("nas", needs_key=False, custom=True)
    host = dataclasses.replace(HOST, offer=dataclasses.replace(OFFER, providers=(*OFFER.providers, nas)))
    assert teaching.keyless(host) == (nas,)
