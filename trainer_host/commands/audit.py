"""`enigma audit`: what was asked of providers, when, with which key, and what it cost."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
from collections import deque
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from trainer_host.presentation import Presenter
    from trainer_host.teacher.audit import Entry
    from trainer_host.teacher.audit_check import Verification
    from trainer_host.teacher.calls import Call
    from trainer_host.workspace import Workspace

Json = dict[str, object]


class LogChanged(TrainerError):
    """A log isn't as it was written."""

    exit_code = 1


@dataclass
class Total:
    """Sums of the calls of one provider, key and task. unpriced: calls with tokens and without a known price."""

    calls: int = 0
    answered: int = 0
    input: int = 0
    output: int = 0
    cost: Decimal = field(default_factory=Decimal)
    unpriced: int = 0

    def add(self, call: Call) -> None:
        """Count one more."""
        self.calls += 1
        self.answered += call.outcome in ("answered", "batch answered")
        if call.usage is not None:
            self.input += call.usage.input
            self.output += call.usage.output
            self.unpriced += call.cost is None
        self.cost += call.cost or 0


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma audit`."""
    made = command(commands, "audit", audit, "List the calls to providers, with totals; verify that none was changed.")
    add_log_options(made, "calls")
    made.add_argument("--provider", metavar="P", help="only calls to this provider")
    made.add_argument("--task", metavar="T", help="only calls for this task")
    made.add_argument(
        "--prompts",
        action="store_true",
        help="show what was asked and answered, where 'teach --record-prompts' kept it",
    )
    made.add_argument(
        "--device",
        metavar="NAME",
        help="check a paired device's journal of updates instead: its chain, its signature, and that it goes on from where it "
        "ended when this host last asked; status 1 where it doesn't",
    )


def add_log_options(parser: argparse.ArgumentParser, what: str) -> None:
    """The options of a log whose lines are bound to each other."""
    parser.add_argument("--last", type=_count, default=20, metavar="N", help=f"list the last N {what} (default: 20)")
    parser.add_argument("--verify", action="store_true", help="check every line; status 1 where one was changed")
    parser.add_argument(
        "--known",
        type=_known,
        metavar="COUNT:HASH",
        help="what --verify printed earlier and you kept elsewhere: the log must still hold it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def audit(args: argparse.Namespace) -> None:
    """List, sum up and verify; raises `LogChanged`."""
    if args.device is not None:
        _audit_device(args)
        return
    from trainer_host.teacher.audit import audit_path, entries
    from trainer_host.teacher.audit_check import verify

    workspace, show = workspace_of(args), presenter_for()
    path = audit_path(workspace)
    _recover(workspace, show)
    last: deque[Entry] = deque(maxlen=args.last)
    totals: dict[tuple[str, str, str], Total] = {}
    for entry in entries(path):
        call = entry.call
        if args.provider in (None, call.provider) and args.task in (None, call.task):
            last.append(entry)
            totals.setdefault((call.provider, call.key or "", call.task), Total()).add(call)
    checked = verify(path, args.known) if args.verify or args.known else None
    if args.json:
        found: Json = {"calls": [_plain(entry) for entry in last], "totals": _plain_totals(totals)}
        if checked is not None:
            found |= plain_check(checked)
        show.say(json.dumps(found, indent=1, ensure_ascii=False))
    elif not totals:
        show.say("No call to a provider is logged" + (" that matches." if args.provider or args.task else "."))
    else:
        if last:
            show.table(["#", "time (UTC)", "provider", "key", "task", "tokens", "cost", "outcome"], _rows(last))
        if args.prompts:
            _show_prompts(last, show)
        show.stage("Totals")
        show.table(["provider", "key", "task", "calls", "answered", "tokens", "cost"], _sums(totals))
    if checked is not None:
        tell_check(checked, None if args.json else show, "calls")


def _audit_device(args: argparse.Namespace) -> None:
    """Check a device's journal; raises `LogChanged`."""
    from dataclasses import replace

    from trainer_host.release.device_journal import check_device
    from trainer_host.release.devices import device_named

    if args.provider or args.task or args.prompts:
        raise TrainerError("--provider, --task and --prompts are of calls to providers; leave them out with --device.")
    workspace, show = workspace_of(args), presenter_for()
    checked = check_device(workspace, device_named(workspace, args.device), args.known)
    head = checked.head
    if args.json:
        told = replace(checked, lines=checked.lines[: args.last])
        show.say(json.dumps(asdict(told), indent=1, ensure_ascii=False))
    elif checked.lines:
        rows = [_journal_row(line) for line in reversed(checked.lines[: args.last])]
        show.table(["#", "time (UTC)", "what", "specialist", "state", "cause"], rows)
    if checked.problem:
        raise LogChanged(checked.problem)
    if args.json:
        return
    since = "" if checked.known is None else f", and goes on from line {checked.known.count}, where it ended before"
    if checked.gap:
        since = ""
        show.warn(
            f"The device doesn't keep the {checked.gap} lines after those that this host knew any more, so it can't be shown "
            "that these go on from there; ask it more often."
        )
    show.say(
        f"The journal of {args.device} is whole: {len(checked.lines)} of its {head.count} lines were looked at{since}."
    )
    show.say(f"Keep this elsewhere, for --known: {head.count}:{head.hash}")


def _journal_row(line: Json) -> list[str]:
    from datetime import UTC, datetime

    from edge_runtime.update.machine import MOST_CAUSE

    at, number, unit = line.get("at"), line.get("n"), line.get("unit")
    when = ""
    if isinstance(at, int | float):
        with contextlib.suppress(OverflowError, ValueError, OSError):  # the device may say any
            when = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
    which = " ".join(str(line.get(key, "")) for key in ("specialist", "version")).strip()
    state, why = (str(unit.get(key, "")) for key in ("state", "cause")) if isinstance(unit, dict) else ("", "")
    why = why or str(line.get("cause", ""))
    shown = [str(number + 1) if isinstance(number, int) else "", when, str(line.get("what", "")), which, state, why]
    return [_plain_text(text)[:MOST_CAUSE] for text in shown]


def plain_check(checked: Verification) -> Json:
    """What a check found, for JSON."""
    problems: list[object] = [asdict(problem) for problem in checked.problems]
    return {
        "verified": {"ok": checked.ok, "lines": checked.lines, "torn": checked.torn, "problems": problems},
        "head": None if checked.head is None else {"count": checked.head.count, "hash": checked.head.hash},
    }


def tell_check(checked: Verification, show: Presenter | None, what: str) -> None:
    """Say what a check found; raises `LogChanged`."""
    if not checked.ok:
        raise LogChanged(checked.sentence(what))
    if show is not None:
        show.say(checked.sentence(what))
        if checked.head is not None:
            show.say(f"Keep this elsewhere, for --known: {checked.head.count}:{checked.head.hash}")


def _recover(workspace: Workspace, show: Presenter) -> None:
    """Log what processes left behind that were killed, as a lesson does when it begins."""
    from trainer_host.teacher.audit import AuditLog, audit_path
    from trainer_host.teacher.cache import ReplyCache, replies_path
    from trainer_host.teacher.recover import recover

    path = replies_path(workspace)
    if not path.exists():
        return
    try:
        with ReplyCache(path) as cache:
            recover(cache, AuditLog(audit_path(workspace)))
    except TrainerError as cause:  # what is logged can be shown all the same
        show.warn(str(cause))


def _show_prompts(last: deque[Entry], show: Presenter) -> None:
    shown = [entry for entry in last if entry.call.prompt is not None]
    if not shown:
        show.say("No text of these calls was kept; 'enigma teach --record-prompts' keeps it.")
    for entry in shown:
        show.stage(f"Call {entry.number}: {entry.call.task}")
        show.say(_plain_text(entry.call.prompt or ""))
        show.say("[answer] " + (_plain_text(entry.call.answer) if entry.call.answer is not None else "(none)"))


def _plain_text(text: str) -> str:
    """A stranger's text without what could steer a terminal."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def _rows(last: deque[Entry]) -> list[list[str]]:
    return [
        [
            str(entry.number),
            entry.time[:19].replace("T", " "),
            f"{entry.call.provider}\n{entry.call.model}",
            entry.call.key or "",
            entry.call.task,
            "" if entry.call.usage is None else f"{entry.call.usage.input} + {entry.call.usage.output}",
            _cost(entry.call),
            _outcome(entry.call),
        ]
        for entry in last
    ]


def _outcome(call: Call) -> str:
    said = call.outcome if call.status in (None, 200) else f"{call.outcome} ({call.status})"
    return f"{said}, logged later" if call.recovered and call.outcome != "lost" else said


def _cost(call: Call) -> str:
    from trainer_host.teacher.prices import money

    if call.cost is None:
        return "" if call.usage is None else "unknown"
    return money(call.cost)


def _sums(totals: dict[tuple[str, str, str], Total]) -> list[list[str]]:
    from trainer_host.teacher.prices import money

    rows = []
    for (provider, key, task), total in sorted(totals.items()):
        cost = money(total.cost)
        if total.unpriced:
            cost = f"{cost} and {total.unpriced} at an unknown price"
        tokens = f"{total.input} + {total.output}"
        rows.append([provider, key, task, str(total.calls), str(total.answered), tokens, cost])
    return rows


def _plain(entry: Entry) -> Json:
    made = {name: value for name, value in asdict(entry.call).items() if name not in ("prompt", "answer") or value}
    made["cost"] = None if entry.call.cost is None else str(entry.call.cost)
    return {"number": entry.number, **made}


def _plain_totals(totals: dict[tuple[str, str, str], Total]) -> list[Json]:
    return [
        {"provider": provider, "key": key, "task": task, **asdict(total), "cost": str(total.cost)}
        for (provider, key, task), total in sorted(totals.items())
    ]


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"'{text[:20]}' isn't a number of calls")
    return int(text)


def _known(text: str) -> tuple[int, str]:
    count, _, digest = text.partition(":")
    if not count.isdecimal() or len(count) > 15 or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError("write COUNT:HASH as --verify printed it")
    return int(count), digest
