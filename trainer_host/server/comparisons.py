"""Two specialists on the same input, blind: the host shuffles them, a person votes, and only then hears who is who.

A vote between answers that a language model wrote is a preference pair too, for `enigma tune --pairs`.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import NotFound
from trainer_host.asking import WRITTEN
from trainer_host.server import fields
from trainer_host.server.access import Guard
from trainer_host.server.errors import Unprocessable
from trainer_host.server.fields import Json
from trainer_host.server.workbench import Workbench
from trainer_host.teacher.audit import locked
from trainer_host.workspace import Workspace, checked_name, storage_errors

BODY_BYTES = 32 * 1024
MAX_TEXT_CHARS = 8000
MAX_NAME_CHARS = 64
ASK_SECONDS = 110.0  # both are loaded, and write token by token on a small machine
HEAT_SECONDS = 110.0
MAX_PENDING = 64  # comparisons without a vote
HEAT_ROWS = 400  # as `enigma show` asks
WINNERS = ("first", "second", "tie")


@dataclass(frozen=True)
class Pending:
    """A comparison that has no vote yet; runs and answers in the order in which they are shown."""

    text: str
    runs: tuple[str, str]
    answers: tuple[Json, Json]


class ComparisonRoutes:
    """/v1/comparisons, and the maps of /v1/runs."""

    def __init__(self, workspace: Workspace, workbench: Workbench, guard: Guard) -> None:
        self._workspace = workspace
        self._workbench = workbench
        self._guard = guard
        self._pending: OrderedDict[str, Pending] = OrderedDict()

    async def ask(self, request: web.Request) -> web.Response:
        """Both answers, in an order that nobody knows."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "runs", "text", "task")
        given = body.get("runs")
        if not isinstance(given, list) or len(given) != 2 or len(set(map(str, given))) < 2:
            raise Unprocessable('"runs" must name two different runs.')
        runs = [checked_name(str(name)) for name in given]
        text, task = fields.text(body, "text", MAX_TEXT_CHARS), fields.text(body, "task", MAX_NAME_CHARS, None)
        if secrets.randbelow(2):
            runs.reverse()
        orders: list[Json] = [{"do": "ask", "run": name, "text": text, "task": task} for name in runs]
        first, second = await self._workbench.ask(orders, ASK_SECONDS)
        if first["task"] != second["task"]:
            raise Unprocessable("Only specialists of one task can be compared.")
        id_ = secrets.token_hex(8)
        self._pending[id_] = Pending(text, (runs[0], runs[1]), (first, second))
        while len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)
        # Neither names nor times are told: both would say who is who.
        return reply({"id": id_, "text": text, "answers": [str(one["text"]) for one in (first, second)]})

    async def vote(self, request: web.Request) -> web.Response:
        """Keep which answer is better; says who is who."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "winner")
        winner = body.get("winner")
        if winner not in WINNERS:
            raise Unprocessable(f'"winner" must be {", ".join(WINNERS)}.')
        found = self._pending.get(request.match_info["comparison"])
        if found is None:
            raise NotFound("There is no such comparison, or it has its vote; ask both again.")
        who = self._guard.paired(request).name
        kept = await asyncio.to_thread(keep_vote, self._workspace, found, str(winner), who)
        self._pending.pop(request.match_info["comparison"], None)
        shown = [{"run": run, "ms": one["ms"]} for run, one in zip(found.runs, found.answers, strict=True)]
        listed = await asyncio.to_thread(ratings, self._workspace)
        return reply({"answers": shown, "preference": kept, "ratings": listed})

    async def ratings(self, request: web.Request) -> web.Response:
        """All that were compared, the best first."""
        return reply({"ratings": await asyncio.to_thread(ratings, self._workspace)})

    async def attention(self, request: web.Request) -> web.Response:
        """Where a run's language model looks."""
        text = request.query.get("text", "")
        if not 0 < len(text) <= MAX_TEXT_CHARS:
            raise Unprocessable(f'Send "text", from 1 to {MAX_TEXT_CHARS:,} characters.')
        try:
            layer, head = (
                None if (given := request.query.get(key)) is None else max(0, int(given)) for key in ("layer", "head")
            )
        except ValueError:
            raise Unprocessable('"layer" and "head" must be whole numbers.') from None
        order: Json = {"do": "attention", "run": request.match_info["run"], "text": text, "layer": layer, "head": head}
        return reply((await self._workbench.ask([order], HEAT_SECONDS))[0])

    async def confusion(self, request: web.Request) -> web.Response:
        """What a run takes for what, of its held-out rows."""
        order: Json = {"do": "confusion", "run": request.match_info["run"], "rows": HEAT_ROWS}
        return reply((await self._workbench.ask([order], HEAT_SECONDS))[0])


def preferences_file(workspace: Workspace, task: str) -> Path:
    """Where votes of a task are kept as preference pairs, in the form that `enigma tune --pairs` reads."""
    return workspace.home / "preferences" / f"{checked_name(task)}.jsonl"


def keep_vote(workspace: Workspace, found: Pending, winner: str, who: str) -> str | None:
    """Add a vote, and the preference that it is; the preferences' file, None where it is none."""
    task = str(found.answers[0]["task"])
    texts = [str(one["text"]) for one in found.answers]
    vote: Json = {
        "at": round(time.time(), 3),
        "by": who,
        "task": task,
        "text": found.text,
        "runs": list(found.runs),
        "weights": [str(one["weights"]) for one in found.answers],
        "answers": texts,
        "winner": winner,
    }
    _append(_votes_file(workspace), vote)
    if task not in WRITTEN or winner == "tie" or texts[0] == texts[1]:
        return None
    better, worse = (0, 1) if winner == "first" else (1, 0)
    answers = {
        name: [{"role": "assistant", "content": texts[place]}]
        for name, place in (("chosen", better), ("rejected", worse))
    }
    source: Json = {"by": "vote", "who": who, "runs": {"chosen": found.runs[better], "rejected": found.runs[worse]}}
    file = preferences_file(workspace, task)
    _append(file, {"prompt": found.answers[0]["messages"], **answers, "source": source})
    return str(file)


def ratings(workspace: Workspace) -> list[Json]:
    """By task and run as it is now: votes, and the rating that follows from them all (openskill, Plackett and Luce).

    A run that was trained again is another one. rating: mean less three deviations, so few votes count little.
    """
    from openskill.models import PlackettLuce

    model = PlackettLuce()
    known: dict[tuple[str, str, str], object] = {}
    count: dict[tuple[str, str, str], int] = {}
    for vote in _votes(_votes_file(workspace)):
        keys = [(str(vote["task"]), str(run), str(w)) for run, w in zip(vote["runs"], vote["weights"], strict=True)]  # type: ignore[call-overload]
        ranks = {"first": [1, 2], "second": [2, 1]}.get(str(vote["winner"]), [1, 1])
        teams = [[known.get(key) or model.rating()] for key in keys]
        for key, (made,) in zip(keys, model.rate(teams, ranks=ranks), strict=True):  # type: ignore[arg-type]
            known[key], count[key] = made, count.get(key, 0) + 1
    rows = [
        {"task": task, "run": run, "votes": count[task, run, w], "rating": round(made.ordinal(), 2)}  # type: ignore[attr-defined]
        for (task, run, w), made in known.items()
    ]
    return sorted(rows, key=lambda row: (str(row["task"]), -float(str(row["rating"]))))


def _votes_file(workspace: Workspace) -> Path:
    return workspace.home / "preferences" / "comparisons.jsonl"


def _append(file: Path, row: Json) -> None:
    with storage_errors(file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(file), file.open("a+b") as out:
            # What the end of the machine cut off must not spoil the line behind it.
            cut = out.tell() > 0 and not _ends_with_newline(out)
            out.write(b"\n" * cut + json.dumps(row, ensure_ascii=False).encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())


def _ends_with_newline(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _votes(file: Path) -> list[Json]:
    made: list[Json] = []
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return made
    for line in lines:
        try:
            vote = json.loads(line)
            if len(vote["runs"]) == len(vote["weights"]) == 2 and vote["task"] and vote["winner"] in WINNERS:
                made.append(vote)
        except (ValueError, KeyError, TypeError):
            continue  # cut off by the end of the machine
    return made
