"""Row S141: the queue of questions in the app, by touches and by keys, and what becomes of answers when a host vanishes."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.services.outbox import keep_outbox, read_outbox
from companion_app.services.question_wire import queue_from, reply_body, topics_from
from companion_app.services.remember import Memory, RememberedHost, RememberError
from companion_app.state import host_actions as hact
from companion_app.state import question_actions as qact
from companion_app.state.host import Host
from companion_app.state.model import AppState, Screen
from companion_app.state.questions import (
    NO_LABEL,
    Asking,
    Question,
    Queue,
    Reply,
    Topic,
    card,
    matching,
    open_questions,
    progress,
    right_to_left,
    shown_labels,
)
from companion_app.state.reduce import reduce

from . import window
from .fake_host import TOKEN, FakeHost
from .fake_questions import question
from .hosts import served

if TYPE_CHECKING:
    from companion_app.app import Options

PHONE, SMALLEST, DESKTOP = (360, 640), (320, 568), (1100, 700)
ENTER, TAB = 13, 9
PATIENCE = 60.0  # of a machine that does other work meanwhile
LABELS = ["delivery", "invoice", "refund"]
LONG = "It came without its lid, and the box was open, so I would like to send it back and have my money, if that can be done."


def some(count: int) -> list[dict[str, object]]:
    return [question(f"question number {n}", ("refund", 0.48), ("delivery", 0.41)) for n in range(count)]


@pytest.fixture
async def host() -> AsyncIterator[FakeHost]:
    async with FakeHost() as made:
        yield made


@pytest.fixture
def paired(options: Options, host: FakeHost) -> Options:
    """As it is on the disk of someone who has paired before."""
    Memory(options.config).keep_host(RememberedHost(host.url, "studio", TOKEN))
    return options


async def asked(driver: window.Driver) -> object:
    """The screen, once a question is on it."""
    driver.app.open(Screen.QUESTIONS)
    await driver.until(lambda: driver.find("QuestionsScreen").text, "a question", PATIENCE)
    return driver.find("QuestionsScreen")


async def sent(driver: window.Driver) -> None:
    await driver.until(lambda: not driver.app.store.state.asking.outbox, "the host to have it all", PATIENCE)


# --- by touch and by key ---


async def test_questions_are_answered_one_by_one_by_touch(paired: Options, host: FakeHost) -> None:
    queue = host.questions.add("mails", LABELS, *some(4))
    async with window.opened(paired, PHONE) as driver:
        await driver.touch(driver.find("NavItem", text="More"))
        await driver.touch(driver.find("PlaceRow", name="Questions"))
        screen = await asked(driver)
        assert (screen.text, screen.progress) == ("question number 0", "0 of 4 answered")
        assert [(row.digit, row.name, row.guess) for row in driver.find_all("LabelRow")] == [
            ("1", "delivery", "guess 41 %"), ("2", "invoice", ""), ("3", "refund", "guess 48 %"),
        ]  # fmt: skip
        await driver.touch(driver.find("LabelRow", name="invoice"))
        assert (screen.text, screen.progress) == ("question number 1", "1 of 4 answered")
        await driver.touch(driver.find("Act", text="Skip"))
        assert (screen.text, screen.progress) == ("question number 2", "1 of 4 answered")
        await driver.touch(driver.find("Act", text="None of these"))
        await driver.touch(driver.find("Act", text="Delete"))
        assert (screen.text, screen.progress) == ("question number 1", "3 of 4 answered"), "what was skipped is last"
        await driver.touch(driver.find("Act", text="Undo: deleted"))
        assert (screen.text, screen.progress) == ("question number 3", "2 of 4 answered")
        for label in ("refund", "delivery"):
            await driver.touch(driver.find("LabelRow", name=label))
        assert screen.empty == "That was all. Thank you!" and not driver.find_all("LabelRow")
        await sent(driver)
        assert queue.said == {
            "question number 0": ("invoice", ""), "question number 2": (None, "none"),
            "question number 3": ("refund", ""), "question number 1": ("delivery", ""),
        }  # fmt: skip
        await driver.until(lambda: "3 answers wait" in screen.answered, "the count", PATIENCE)
        await driver.touch(driver.find("Act", text="Add them"))
        await driver.until(lambda: screen.taken, "the rows", PATIENCE)
        assert "3 rows are new in mails, which has 103" in screen.taken and not screen.answered
        assert not driver.find_all("Act", text="Undo: delivery"), "what is in the dataset isn't taken back"


async def test_keys_alone_answer_search_and_take_back(paired: Options, host: FakeHost) -> None:
    labels = [f"label {n:02d}" for n in range(40)]
    guessed = question("question number 0", ("label 35", 0.5), ("label 20", 0.4))
    queue = host.questions.add("mails", labels, guessed, *some(5)[1:])
    async with window.opened(paired, DESKTOP) as driver:
        screen = await asked(driver)
        first = [row.name for row in driver.find_all("LabelRow")]
        assert first == ["label 35", "label 20", *labels[:7]] and screen.more.startswith("31 more")
        await driver.press(ord("2"), "2")
        await driver.press(ord("0"), "0")
        await driver.press(ord("s"), "s")
        await driver.press(ord("u"), "u")
        assert screen.text == "question number 1"
        await driver.press(ord("/"), "/")
        await driver.until(lambda: screen.ids.search.entry.focus, "the focus")
        await driver.type("31")
        assert [row.name for row in driver.find_all("LabelRow")] == ["label 31"]
        await driver.press(ord("1"), "1")  # in a field, a digit is a digit
        assert screen.text == "question number 1"
        await driver.press(ENTER)
        assert screen.text == "question number 3" and screen.ids.search.entry.text == ""
        assert [row.name for row in driver.find_all("LabelRow")] == labels[:9]
        row = driver.find("LabelRow", name="label 04")
        row.focus = True
        await driver.press(ENTER)
        await driver.until(lambda: screen.text != "question number 3", "the answer", PATIENCE)
        assert row.focus, "the focus stays where the next answer is given"
        await sent(driver)
        assert queue.said == {
            "question number 0": ("label 20", ""), "question number 1": ("label 31", ""),
            "question number 3": ("label 04", ""),
        }  # fmt: skip


@pytest.mark.parametrize("size", [SMALLEST, DESKTOP])
async def test_nothing_is_clipped_and_every_target_fits_a_finger(
    paired: Options, host: FakeHost, size: tuple[int, int]
) -> None:
    host.questions.add("mails", [*LABELS, "a label whose name is far longer than a phone is wide"], question(LONG * 3))
    host.questions.add("lights-and-other-things", LABELS)
    async with window.opened(paired, size) as driver:
        driver.app.open(Screen.QUESTIONS)
        await driver.settle()
        for dataset in ("mails", "lights-and-other-things"):
            await driver.until(lambda: driver.find_all("Choice"), "the datasets", PATIENCE)
            await driver.touch(next(one for one in driver.find_all("Choice") if one.text.startswith(dataset)))
            await driver.until(lambda: driver.app.store.state.asking.queue is not None, "the queue", PATIENCE)
            assert driver.clipped() == [], dataset
            assert all(row.height >= 44 for row in driver.find_all("LabelRow"))
            assert all(act.height >= 44 for act in driver.find_all("Act"))
        assert driver.find("QuestionsScreen").empty == "No questions wait."
        assert any("enigma data unsure --device" in one.text for one in driver.find_all("Mono"))


async def test_a_double_tap_answers_one_question(paired: Options, host: FakeHost) -> None:
    from kivy.tests.common import UnitTestTouch

    host.questions.add("mails", LABELS, *some(3))
    async with window.opened(paired, DESKTOP) as driver:
        screen = await asked(driver)
        row = driver.find("LabelRow", name="refund")
        for second in (False, True):
            finger = UnitTestTouch(*row.to_window(*row.center))
            finger.is_double_tap = second
            finger.touch_down()
            await driver.settle()
            finger.touch_up()
            await driver.settle()
        assert (screen.text, screen.progress) == ("question number 1", "1 of 3 answered")


async def test_a_text_from_the_right_is_set_from_the_right(paired: Options, host: FakeHost) -> None:
    host.questions.add("mails", ["استرداد", "refund"], question("أين طلبي؟"))
    async with window.opened(paired, PHONE) as driver:
        screen = await asked(driver)
        assert screen.from_right and {row.name: row.from_right for row in driver.find_all("LabelRow")} == {
            "استرداد": True, "refund": False,
        }  # fmt: skip
    assert not right_to_left("42 refunds") and right_to_left("42 שלום") and not right_to_left("?!")


# --- a host that vanishes, and others who answer ---


async def test_answers_outlast_the_host_and_the_app_and_are_sent_again(options: Options, tmp_path: Path) -> None:
    host = FakeHost()
    queue = host.questions.add("mails", LABELS, *some(4))
    await host.start()
    port = host.port
    Memory(options.config).keep_host(RememberedHost(host.url, "studio", TOKEN))
    async with window.opened(options, PHONE) as driver:
        screen = await asked(driver)
        await host.stop()
        for label in ("refund", "invoice"):
            await driver.touch(driver.find("LabelRow", name=label))
        assert screen.text == "question number 2" and screen.progress == "2 of 4 answered"
        await driver.until(lambda: "2 answers are kept" in screen.kept, "the note", PATIENCE)
    kept = options.config / "answers.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [one["label"] for one in json.loads(kept.read_text())["replies"]] == ["refund", "invoice"]
    assert queue.said == {}
    async with window.opened(options, PHONE) as driver:
        await host.start(port)
        await sent(driver)
        assert [label for label, _ in queue.said.values()] == ["refund", "invoice"]
        screen = await asked(driver)
        assert (screen.text, screen.kept) == ("question number 2", "")
    assert json.loads(kept.read_text())["replies"] == []
    await host.stop()


async def test_where_somebody_else_was_first_their_answer_stands_and_that_is_said(
    paired: Options, host: FakeHost
) -> None:
    queue = host.questions.add("mails", LABELS, *some(3))
    async with window.opened(paired, PHONE) as driver:
        screen = await asked(driver)
        queue.said["question number 0"] = ("delivery", "")
        queue.waiting.pop(0)
        await driver.touch(driver.find("LabelRow", name="refund"))
        await driver.until(lambda: driver.app.frame.notice, "the notice", PATIENCE)
        assert driver.app.frame.notice == (
            "Your answer doesn't count. 'question number 0' has the label 'delivery' already, and that stands."
        )
        await sent(driver)
        assert (screen.text, screen.progress) == ("question number 1", "0 of 2 answered")
        host.faults["/v1/questions/mails"] = (403, "This needs the scope operator.")
        await driver.touch(driver.find("LabelRow", name="invoice"))
        await driver.until(lambda: screen.problem == "This needs the scope operator.", "the refusal", PATIENCE)
        assert screen.text == "question number 2", "what was chosen is kept"
        host.faults.clear()
        await sent(driver)
        assert queue.said["question number 1"] == ("invoice", "") and screen.problem == ""


async def test_a_host_without_questions_says_so(paired: Options, host: FakeHost) -> None:
    host.faults["/v1/questions"] = (404, "There is nothing at this address.")
    async with window.opened(paired, PHONE) as driver:
        driver.app.open(Screen.QUESTIONS)
        await driver.until(
            lambda: driver.find("QuestionsScreen").empty.startswith("This host asks no questions"), "it", PATIENCE
        )
        host.faults.clear()
        host.questions.add("mails", LABELS, *some(1))
        await driver.touch(driver.find("Act", text="Look again"))
        await asked(driver)
        assert driver.find("QuestionsScreen").text == "question number 0"


async def test_a_real_host_asks_and_its_dataset_grows(options: Options, tmp_path: Path) -> None:
    pytest.importorskip("nacl", reason="a host needs PyNaCl")
    from tests.trainer_host.samples import easy_dataset
    from trainer_host.data.dataset import open_dataset
    from trainer_host.data.questions import Question as Asked
    from trainer_host.data.questions import ask_about
    from trainer_host.workspace import Workspace

    workspace = Workspace(tmp_path / "enigma")
    before = easy_dataset(workspace, tmp_path).counts["train"]
    scores = {"weather": 0.5, "travel": 0.45}
    texts = ["is there hail outside", "the ferry to the island", "a chord for guitars"]
    ask_about(workspace, "easy", [Asked.of(text, 0.5, scores, "kitchen") for text in texts], 10)
    async with served(workspace.home) as (url, code), window.opened(options, PHONE) as driver:
        driver.app.hosting.pair(url, code)
        screen = await asked(driver)
        assert screen.why == "kitchen hesitated between 'weather' (50 %) and 'travel' (45 %)."
        first = screen.text
        await driver.touch(driver.find("LabelRow", name="weather"))
        await driver.touch(driver.find("Act", text="Undo: weather"))
        assert screen.text == first
        for label in ("weather", "travel"):
            await driver.touch(driver.find("LabelRow", name=label))
        await driver.touch(driver.find("Act", text="None of these"))
        await sent(driver)
        await driver.touch(driver.find("Act", text="Add them"))
        await driver.until(lambda: screen.taken, "the rows", PATIENCE)
    rows = list(open_dataset(workspace.dataset("easy")).rows("train"))
    assert len(rows) == before + 2
    assert [(row.output["label"], row.meta) for row in rows[-2:]] == [
        (label, {"teacher": "person", "by": f"Companion on {socket.gethostname()}"[:64]})
        for label in ("weather", "travel")
    ]


# --- state, wire and files ---


def run(state: AppState, *actions: object) -> AppState:
    for action in actions:
        state = reduce(state, action)  # type: ignore[arg-type]
    return state


ONE, TWO = Question("one", (("a", 0.6),), "why"), Question("two")
TOLD = (qact.TopicsTold((Topic("mails", 2, 0),)), qact.QueueTold(Queue("mails", ("a", "b"), 2, 0, (ONE, TWO))))


def test_what_was_said_counts_at_once_and_what_was_taken_back_comes_first(app_state: AppState) -> None:
    first = Reply("mails", ONE, "a")
    asking = run(app_state, *TOLD, qact.Replied(first)).asking
    assert (card(asking), progress(asking), asking.outbox) == (TWO, (1, 2), (first,))
    back = run(app_state, *TOLD, qact.Replied(first), qact.Undone(first, withdrawn=True)).asking
    assert (card(back), progress(back), back.outbox) == (ONE, (0, 2), ())
    after = Queue("mails", ("a", "b"), 1, 1, (TWO,))
    state = run(app_state, *TOLD, qact.Replied(first), qact.ReplySent(first, after), qact.Undone(first, False))
    assert (open_questions(state.asking), progress(state.asking)) == ((ONE, TWO), (0, 2))
    assert state.asking.topics == (Topic("mails", 1, 1),) and state.asking.outbox[0].undo
    refused = run(app_state, *TOLD, qact.Replied(first), qact.Undone(first, False), qact.ReplyRefused(first)).asking
    assert refused.outbox == (), "somebody else's answer isn't taken back for it"


def test_another_host_gets_no_answers_of_this_one(app_state: AppState) -> None:
    here, there = Host("http://127.0.0.1:1", "here"), Host("http://127.0.0.1:2", "there")
    said = run(app_state, hact.HostPaired(here), *TOLD, qact.Replied(Reply("mails", ONE, "a")))
    assert len(run(said, hact.HostPaired(here)).asking.outbox) == 1, "a new token for the same host changes nothing"
    assert run(said, hact.HostPaired(there)).asking == run(said, hact.HostForgotten()).asking == Asking()


def test_strange_answers_of_a_host_are_no_questions() -> None:
    assert topics_from({"questions": [1, {"dataset": "a", "waiting": -3, "answered": "x"}, {}]}) == (Topic("a", 0, 0),)
    assert topics_from({"questions": 7}) == ()
    strange = {"dataset": "a", "labels": ["x", 1], "waiting": 1e300, "questions": [{"text": ""}, {"text": "t" * 4001}]}
    assert queue_from(strange) == Queue("a", ("x",))
    text = {"text": "t" * 4000, "guesses": [{"label": "x", "score": "high"}, 3]}
    assert queue_from({"questions": [text]}).questions == (Question("t" * 4000, (("x", 0.0),)),)
    assert reply_body(Reply("a", ONE, None, NO_LABEL)) == {"text": "one", "label": None, "reason": "none"}
    assert reply_body(Reply("a", ONE, "x", undo=True)) == {"text": "one"}


def test_the_search_finds_beginnings_first() -> None:
    assert matching(("a refund", "Refund", "late"), " REF") == ("Refund", "a refund")
    assert matching(("b", "a"), " ") == ("b", "a")
    assert shown_labels(("a", "b"), ONE, "") == (("a", "b"), 0)
    many = tuple(f"{n:02d}" for n in range(13))
    guessed = Question("one", (("11", 0.5), ("x", 0.3)))
    assert shown_labels(many, guessed, "") == (("11", *many[:8]), 4) and shown_labels(many, guessed, "1")[0][0] == "10"


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"host": "h", "replies": [1]}', '{"host": "h", "replies": [{"dataset": "a"}]}']
)
def test_a_damaged_file_of_answers_is_kept_aside(tmp_path: Path, content: str) -> None:
    memory = Memory(tmp_path)
    said = (Reply("mails", ONE, "a"), Reply("mails", TWO, None, NO_LABEL, undo=True))
    keep_outbox(memory, "h", said)
    assert read_outbox(memory, "h") == said and read_outbox(memory, "other") == ()
    (tmp_path / "answers.json").write_text(content)
    with pytest.raises(RememberError, match=r"answers\.damaged"):
        read_outbox(memory, "h")
