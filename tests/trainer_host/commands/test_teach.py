"""`enigma teach`: what it may record, and what a resumed lesson does with options that differ from the lesson's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trainer_host.server.answers import passing
from tests.trainer_host.teacher.fake_api import Asked, FakeApi
from tests.trainer_host.teacher.served import Served
from trainer_host.cli import main
from trainer_host.data.dataset import open_dataset
from trainer_host.teacher.audit import audit_path, entries
from trainer_host.teacher.audit_check import verify
from trainer_host.teacher.lesson import recall, taught_alone
from trainer_host.workspace import Workspace

KEY = "sk-test-0123456789abcdefghijklmnop"
MAIL = "jane.doe@example.com"
ORDER = ["teach", "--task", "avatar", "--examples", "6", "--provider", "openai", "--price", "1,4"]


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    api = FakeApi(answer=passing)
    served = Served(api)
    monkeypatch.setenv("ENIGMA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_BASE_URL", f"{api.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    try:
        yield api
    finally:
        served.stop()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


@pytest.fixture
def begun(provider: FakeApi, capsys: pytest.CaptureFixture[str]) -> FakeApi:
    """A provider with a lesson that its budget has ended."""
    assert main([*ORDER, "--budget", "0.006", "--concurrency", "1"]) == 1
    capsys.readouterr()
    return provider


def personal(asked: Asked) -> object:
    """The first answer holds an address and the key."""
    return {"text": f"I am {MAIL} with {KEY}"} if asked.number == 1 else passing(asked)


def test_prompts_and_answers_are_in_the_log_only_where_asked_for_and_without_keys_and_personal_data(
    provider: FakeApi, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.answer = personal  # type: ignore[assignment]
    assert main([*ORDER, "--record-prompts", "--concurrency", "1"]) == 0
    log = audit_path(workspace)
    content = log.read_bytes()
    assert KEY.encode() not in content and MAIL.encode() not in content
    calls = [entry.call for entry in entries(log)]
    assert len(calls) == len(provider.asked)
    for call, asked in zip(calls, provider.asked, strict=True):
        assert call.prompt is not None and asked.system.splitlines()[0] in call.prompt
    assert calls[0].answer is not None and "<EMAIL_1>" in calls[0].answer
    [repair] = [call.prompt for call in calls if "[assistant]" in (call.prompt or "")]
    assert repair is not None and "<EMAIL_1>" in repair
    assert verify(log).ok
    capsys.readouterr()
    assert main(["audit", "--prompts", "--last", "100", "--verify"]) == 0
    said = capsys.readouterr().out
    assert said.count("[answer]") == len(calls) and "<EMAIL_1>" in said and "The log is whole" in said

    assert main([*ORDER, "--name", "other", "--seed", "2"]) == 0
    assert all(entry.call.prompt is None for entry in list(entries(log))[len(calls) :])
    assert verify(log).ok
    capsys.readouterr()
    assert main(["audit", "--prompts", "--last", "2"]) == 0
    assert "enigma teach --record-prompts" in capsys.readouterr().out


REFUSED = (
    (["--provider", "anthropic"], "In the lesson 'openai' --provider is openai, not anthropic; leave it out"),
    (["--seed", "7"], "--seed is 1, not 7"),
    (["--no-judge"], "--no-judge can't be changed"),
    (["--keep-personal"], "--keep-personal can't be changed"),
    (["--task", "chat"], "no unfinished lesson about chat to resume; there is 'openai' about avatar"),
    (["--option", "robot.mode=free"], "--option robot.mode is None, not free"),
    (["--option", "avatar.mode=free"], "The task avatar has no option 'mode'"),
    (["--labels", "labels.csv"], "--labels is for the task router"),
    (["--examples", "0"], "--examples must be from 1"),
    (["--budget", "-1"], "--budget must be more than 0"),
    (["--budget", ""], "--budget must be more than 0"),
    (["--tokens-per-minute", "0"], "--tokens-per-minute must be from 1000"),
)


def test_what_a_resumed_lesson_cannot_change_is_one_sentence_and_nothing_is_sent(
    begun: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = len(begun.asked)
    for options, sentence in REFUSED:
        assert main(["teach", "--resume", "--price", "1,4", *options]) == 2, options
        said = capsys.readouterr().err
        assert sentence in said and len(said.strip().splitlines()) == 1
    assert len(begun.asked) == sent


def test_a_resumed_lesson_takes_more_examples_and_money_and_says_so(
    begun: FakeApi, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["--resume", "--examples", "9", "--budget", "1", "--seed", "1"]  # and all that it was begun with
    assert main([*ORDER, *again]) == 0
    said = capsys.readouterr().out
    assert "now with 9 examples instead of 6, a budget of 1 dollars." in said
    assert sum(open_dataset(workspace.dataset("openai-avatar")).counts.values()) == 9
    digests = [asked.digest for asked in begun.asked]
    assert len(set(digests)) == len(digests)


def test_two_processes_do_not_ask_and_pay_the_same_lesson(
    begun: FakeApi, workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer_host.workspace._ALONE_SECONDS", 0.0)
    asked = len(begun.asked)
    with taught_alone(workspace, recall(workspace, None)):
        assert main([*ORDER, "--resume", "--budget", "1"]) == 2
    assert "'openai' is being taught already" in capsys.readouterr().err and len(begun.asked) == asked
    assert main([*ORDER, "--resume", "--budget", "1"]) == 0


def test_another_model_is_asked_everything(begun: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(begun.asked)
    assert main(["teach", "--resume", "--budget", "1", "--price", "1,4", "--model", "other"]) == 0
    assert "now with model other, which is asked everything" in capsys.readouterr().out
    assert {asked.body["model"] for asked in begun.asked[before:]} == {"other"}


def test_what_progress_says_is_spent_and_left_makes_the_budget_also_where_replies_were_paid_before(
    provider: FakeApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*ORDER, "--estimate", "--sample", "3"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("trainer_host.presentation.PLAIN_EVERY_SECONDS", 0.0)
    assert main([*ORDER, "--budget", "1"]) == 0
    shown = re.findall(r"\$(\S+) spent, \$(\S+) left", capsys.readouterr().out)
    assert shown
    for spent, left in shown:
        assert abs(Decimal(spent) + Decimal(left) - 1) <= Decimal("0.01")  # what is set aside is neither
