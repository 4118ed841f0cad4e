"""`enigma data prefer` over a provider on loopback."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.trainer_host.samples import write_jsonl
from tests.trainer_host.teacher.fake_api import Asked, FakeApi
from trainer_host.cli import build_parser, main
from trainer_host.data.transfer import import_rows
from trainer_host.students.language.preferences_data import read_preferences
from trainer_host.teacher.audit import audit_path, entries
from trainer_host.workspace import Workspace

QUESTIONS = ("Where is the garden hose kept?", "When does the little shop open?", "Who waters the plants on Monday?")


def teacher(asked: Asked) -> dict[str, object] | str:
    """Shouts at first; its critiques are right, its revisions quiet."""
    if asked.schema is not None:
        shouted = asked.text.split("Answer: ")[1].isupper()
        return {"why": "It shouts." if shouted else "Fine.", "broken": ["quiet"] if shouted else []}
    return "In the shed, I think." if "Write the answer again" in asked.text else "IN THE SHED!"


def enigma(words: list[str]) -> None:
    """A command outside the main thread, which alone may listen to signals."""
    args = build_parser().parse_args(words)
    args.command(args)


async def test_a_file_of_preferences_is_made_by_rules_and_every_call_is_logged_under_its_task(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"messages": [{"role": "user", "content": text}], "reply": f"Somebody knows about that, surely, number {at}."}
        for at, text in enumerate(QUESTIONS * 16)
    ]
    rows = [
        {**row, "messages": [{"role": "user", "content": f"{row['messages'][0]['content']} {at}"}]}
        for at, row in enumerate(rows)
    ]  # type: ignore[index]
    import_rows(workspace, write_jsonl(tmp_path / "talk.jsonl", rows), task="chat", name="talk", seed=1, held_out=0.3)
    (tmp_path / "rules.txt").write_text("# mine\nquiet: Never shout.\n")
    out = tmp_path / "pairs.jsonl"
    async with FakeApi(answer=teacher) as api:
        home = ["--home", str(workspace.home)]
        added = ["keys", "add", "gw", "--base-url", f"{api.url}/v1", "--model", "fake-small", "--no-key"]
        await asyncio.to_thread(enigma, [*home, *added])
        words = [
            "data",
            "prefer",
            "talk",
            str(out),
            "--provider",
            "gw",
            "--rules",
            str(tmp_path / "rules.txt"),
            "--count",
            "3",
        ]
        await asyncio.to_thread(enigma, [*home, *words])
        assert "Wrote 3 preferences of 3 questions" in capsys.readouterr().out
        sent = len(api.asked)
        await asyncio.to_thread(enigma, [*home, *words])  # the cache knows all of it
        assert len(api.asked) == sent
    made = list(read_preferences(out))
    assert {(row.chosen, row.rejected) for row in made} == {("In the shed, I think.", "IN THE SHED!")}
    assert {entry.call.task for entry in entries(audit_path(workspace))} == {"chat"}
    assert json.loads(out.read_text().splitlines()[0])["source"]["broken"] == ["quiet"]


@pytest.mark.parametrize(
    ("rules", "words", "sentence"),
    [
        (None, (), "--rules FILE or --debate, one of the two"),
        ("quiet: Never shout.", ("--debate",), "one of the two"),
        ("Never shout", (), "Line 1 of rules.txt isn't as in"),
        ("", (), "rules.txt has 0 rules"),
        ("quiet: Never shout.", ("--count", "0"), "--count must be 1 or more"),
    ],
)
def test_rules_that_cant_be_read_cost_nothing(
    workspace: Workspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rules: str | None,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    rows = [{"text": f"rain tomorrow in town {at}", "label": ("a", "b")[at % 2]} for at in range(60)]
    import_rows(workspace, write_jsonl(tmp_path / "r.jsonl", rows), task="router", name="rows", seed=1, held_out=0.3)
    if rules is not None:
        (tmp_path / "rules.txt").write_text(rules)
        words = ("--rules", str(tmp_path / "rules.txt"), *words)
    asked = ["data", "prefer", "rows", "out.jsonl", "--provider", "openai", *words]
    assert main(["--home", str(workspace.home), *asked]) != 0
    assert sentence in capsys.readouterr().err
