"""The product's own quick reference, word for word, against a provider on a real socket; and the same as commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainer_host.scripted import answers
from tests.trainer_host.teacher.fake_api import FakeApi
from tests.trainer_host.teacher.faults import page
from tests.trainer_host.teacher.served import Served
from trainer_host import get_trainer_ai
from trainer_host.cli import main
from trainer_host.data.dataset import open_dataset
from trainer_host.workspace import Workspace

TASKS = ("chat", "code", "avatar")
KEY = "sk-test-0123456789abcdefghijklmnop"
QUICK_REFERENCE = """
from trainer_host import get_trainer_ai
from trainer_host.keys import store_api_key, get_api_key

trainer = get_trainer_ai()
trainer.configure_api("openai", "sk-...")      # first time: stored encrypted
trainer.configure_api("openai")                # next time: loaded from the vault
result = trainer.generate_api_training_data(tasks=["chat", "code", "avatar"], examples_per_task=100)
config = trainer.train_from_api_data(tasks=["chat", "avatar"], examples_per_task=100, model_name="my_assistant")
store_api_key("openai", "sk-...", "My key"); key = get_api_key("openai")
"""


@pytest.fixture(scope="module")
def known() -> object:
    return answers(TASKS, 140)


@pytest.fixture
def provider(known: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    api = FakeApi(answer=known)  # type: ignore[arg-type]
    running = Served(api)
    monkeypatch.setenv("ENIGMA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_BASE_URL", f"{api.url}/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("ENIGMA_PASSPHRASE", raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    try:
        yield api
    finally:
        running.stop()


def test_the_quick_reference_runs_as_written_and_ends_with_a_file_that_answers(
    provider: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("trainer_host.students.language.plan.epochs_for", lambda tokens: 8.0)  # not 20: it has to end
    names: dict[str, object] = {}
    exec(compile(QUICK_REFERENCE, "quick reference", "exec"), names)
    assert names["key"] == "sk-..."
    result, config = names["result"], names["config"]
    assert result.examples == {"chat": 100, "code": 100, "avatar": 100}  # type: ignore[attr-defined]
    assert set(provider.by_key) == {"sk-..."}
    [row, *_] = result.rows("code")  # type: ignore[attr-defined]
    assert {"prompt", "signature"} <= row["input"].keys() and "code" in row["output"]

    chat = config.specialists["chat"]  # type: ignore[attr-defined]
    assert chat.run == "my-assistant-chat" and (chat.bundle is not None or "perplexity" in chat.refused)
    avatar = config.specialists["avatar"]  # type: ignore[attr-defined]
    assert avatar.run == "my-assistant-avatar"
    assert avatar.bundle is not None, avatar.refused
    assert _answer(avatar.bundle, tmp_path)["gesture"] in ("wave", "none")
    home = tmp_path / "home"
    written = [path for path in home.rglob("*") if path.is_file() and b"sk-..." in path.read_bytes()]
    assert written == []
    assert "sk-..." not in repr(names["trainer"]) + capsys.readouterr().out


def _answer(bundle: Path, folder: Path) -> dict[str, object]:
    """Of the signed file, pushed to a device in a process of its own."""
    from trainer_host.release import devices
    from trainer_host.release.edge_process import edge_running, pairing_code
    from trainer_host.release.keys import signing_key

    home, state = Workspace(folder / "home"), folder / "device"
    state.mkdir()
    with edge_running(state, folder / "device.log") as url:
        devices.pair(home, url, pairing_code(state), "test", signing_key(home))
        trainer = get_trainer_ai(home.home)
        trainer.push(str(bundle), "test")
        return trainer.ask("my-assistant-avatar", {"text": "look at me and wave"}, "test")


def test_the_same_as_commands_with_an_estimate_and_a_budget(
    provider: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(KEY + "\n"))
    assert main(["keys", "add", "openai", "--name", "work"]) == 0
    order = ["teach", "--task", "chat", "--task", "avatar", "--examples", "30", "--provider", "openai"]
    assert main([*order, "--estimate", "--sample", "4", "--json", str(tmp_path / "estimate.json")]) == 0
    asked = len(provider.asked)
    assert 8 <= asked <= 24  # four of each task, the judge's questions for chat among them
    estimate = json.loads((tmp_path / "estimate.json").read_text())
    assert set(estimate["tasks"]) == {"chat", "avatar"} and estimate["total"]["cost_usd"]["likely"] > "0"

    assert main([*order, "--budget", "2.00", "--json", str(tmp_path / "taught.json")]) == 0
    said = capsys.readouterr()
    assert "openai-chat" in said.out and "openai-avatar" in said.out and KEY not in said.out + said.err
    spent = len(provider.asked)
    home = Workspace(tmp_path / "home")
    assert sum(open_dataset(home.dataset("openai-chat")).counts.values()) == 30
    assert main([*order, "--budget", "2.00"]) == 0  # the same again: nothing is sent
    assert len(provider.asked) == spent
    assert main(["audit", "--verify"]) == 0
    assert "work" in capsys.readouterr().out


def test_a_budget_that_is_reached_keeps_what_was_answered_and_resumes(
    provider: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    order = ["teach", "--task", "avatar", "--examples", "40", "--provider", "openai"]
    assert main([*order, "--budget", "0.006", "--price", "1,4", "--concurrency", "4"]) == 1
    said = capsys.readouterr().err
    assert "enigma teach --resume" in said and len(said.strip().splitlines()) == 1
    before = len(provider.asked)
    assert 0 < before < 40
    assert main(["teach", "--resume", "--budget", "1", "--price", "1,4"]) == 0
    bodies = [asked.digest for asked in provider.asked]
    assert len(bodies) == len(set(bodies)) and len(bodies) > before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--task", "poetry"], "There is no task 'poetry'"),
        (["--examples", "0"], "--examples must be from 1"),
        (["--budget", "-1"], "--budget must be more than 0"),
        (["--budget", "nan"], "--budget must be more than 0"),
        (["--price", "cheap"], "isn't a price"),
        (["--provider", "nobody"], "There is no provider 'nobody'"),
        (["--batch", "--provider", "mistral"], "mistral has no batches"),
        (["--labels", "none.csv"], "--labels is for the task router"),
        (["--resume", "--name", "none"], "There is no lesson 'none'"),
        (["--concurrency", "0"], "--concurrency must be from 1"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_spent(
    provider: FakeApi,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    base = ["teach", "--task", "avatar", "--provider", "openai", "--examples", "5"]
    assert main([*base, *arguments]) == 2
    said = capsys.readouterr()
    assert sentence in said.err and "Traceback" not in said.err + said.out
    assert len(said.err.strip().splitlines()) == 1
    assert provider.asked == []


def test_no_key_names_both_ways_to_give_one(provider: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["teach", "--task", "avatar", "--provider", "openai", "--examples", "5"]) == 2
    said = capsys.readouterr().err
    assert "enigma keys add openai" in said and "OPENAI_API_KEY" in said


def test_a_provider_that_answers_with_a_web_page_is_one_sentence(
    provider: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    provider.script = lambda asked: page()
    assert main(["teach", "--task", "avatar", "--provider", "openai", "--examples", "5"]) == 1
    said = capsys.readouterr().err
    assert "web page, not JSON" in said and "Traceback" not in said and len(said.strip().splitlines()) == 1
