from __future__ import annotations

import argparse
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from trainer_host.commands import audit
from trainer_host.teacher.audit import AuditLog, Call, audit_path
from trainer_host.teacher.protocol import Usage
from trainer_host.workspace import Workspace


def run(workspace: Workspace, *options: str) -> None:
    parser = argparse.ArgumentParser()
    audit.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["audit", "--home", str(workspace.home), *options])
    args.command(args)


@pytest.fixture
def logged(workspace: Workspace) -> Workspace:
    """Thirty calls: two providers, two keys, two tasks; one refused, one at an unknown price."""
    log = AuditLog(audit_path(workspace))
    for number in range(28):
        provider, task = ("openai", "router") if number % 2 else ("anthropic", "chat")
        log.record(
            Call(provider, "m-1", "answered", "work", task, Usage(300, 150), Decimal("0.25"), "ab", 200, seconds=0.5)
        )
    log.record(Call("openai", "m-1", "rate limited", "spare", "router", status=429))
    log.record(Call("custom", "m-2", "answered", None, "router", Usage(5, 5), None, "cd", 200))
    return workspace


def test_the_last_calls_and_the_totals_are_shown(logged: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run(logged, "--last", "3")
    said = capsys.readouterr().out
    listed, totals = said.split("Totals")
    assert "rate limited (429)" in listed and "unknown" in listed
    assert [line.split()[0] for line in listed.splitlines() if line[:1].isdigit()] == ["28", "29", "30"]
    assert "300 + 150" in listed and "$0.25" in listed
    openai = next(line for line in totals.splitlines() if line.startswith("openai") and "work" in line)
    assert openai.split() == ["openai", "work", "router", "14", "14", "4200", "+", "2100", "$3.50"]
    assert "1 at an unknown price" in totals


def test_calls_of_one_provider_or_task_are_summed_alone(logged: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run(logged, "--provider", "anthropic", "--json")
    found = json.loads(capsys.readouterr().out)
    assert {call["provider"] for call in found["calls"]} == {"anthropic"}
    assert [(total["calls"], total["cost"]) for total in found["totals"]] == [(14, "3.50")]
    run(logged, "--task", "robot")
    assert capsys.readouterr().out == "No call to a provider is logged that matches.\n"


def test_verifying_prints_what_proves_the_log_later(logged: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run(logged, "--verify")
    said = capsys.readouterr().out
    assert "The log is whole: 30 calls." in said
    known = said.strip().rsplit(" ", 1)[-1]
    AuditLog(audit_path(logged)).record(Call("openai", "m-1", "answered"))
    run(logged, "--known", known)
    with pytest.raises(audit.LogChanged):
        run(logged, "--known", known[:-1] + ("0" if known[-1] != "0" else "1"))


def test_a_changed_log_is_one_sentence_with_status_1(logged: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    path = audit_path(logged)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"cost":"0.25"', b'"cost":"0.15"')
    path.write_bytes(b"".join(lines))
    run(logged)
    with pytest.raises(audit.LogChanged, match=r"line 7 in audit\.jsonl was edited\.$") as refused:
        run(logged, "--verify")
    assert refused.value.exit_code == 1
    capsys.readouterr()
    with pytest.raises(audit.LogChanged):
        run(logged, "--verify", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["verified"]["problems"] == [{"number": 7, "file": "audit.jsonl", "text": "was edited"}]


def test_nothing_logged_is_said(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run(workspace, "--verify")
    assert "No call to a provider is logged." in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--last", "-1"], ["--last", "many"], ["--known", "5"], ["--known", "5:xyz"]])
def test_a_mistake_in_an_option_is_refused(
    workspace: Workspace, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(workspace, *options)
    assert ended.value.code == 2


def test_the_command_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import argparse, sys; from trainer_host.commands import audit\n"
        "audit.add(argparse.ArgumentParser().add_subparsers())\n"
        "heavy = {'genai_prices', 'asyncio', 'rich', 'aiohttp', 'sqlite3'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_line_of_a_device_that_tells_of_no_day_is_shown_without_one() -> None:
    for at in (1e13, 1e300, -1e300, float("nan"), 10**400, "x", None):
        assert audit._journal_row({"n": 0, "at": at, "what": "note"})[:3] == ["1", "", "note"]
    assert audit._journal_row({"n": 0, "at": 0, "what": "note"})[1] == "1970-01-01 00:00:00"
