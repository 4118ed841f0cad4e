"""What a host tells of trainings and rows, as the app's own data; a host may be newer, so no shape is taken for granted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeGuard

from companion_app.services.wire import MAX_TIME, as_text
from companion_app.state.rollout_plan import Known, Member, Plan, words_of
from companion_app.state.rows import Change, DataRow, WholeRow
from companion_app.state.training import (
    Curve,
    DatasetCard,
    Exam,
    Examined,
    Heat,
    Job,
    JobState,
    Rating,
    Rollout,
    Run,
    RunDetails,
    Stage,
    TrainForm,
)
from edge_runtime.strict_json import is_number
from edge_runtime.update.desired import Where

MAX_ITEMS = 500
MAX_FIGURES = 64
MAX_MEMBERS = 1000
MAX_HEAT = 160  # names of a map; a host sends at most 128
MAX_CONFIG = 200
MAX_ROW = 400
MAX_WHOLE = 60_000  # characters of a row that is edited, as much as a host takes

Json = dict[str, object]
Answer = Mapping[str, object]


def job_from(item: Answer) -> Job:
    """A training or a release, as the host lists it and tells of it."""
    state = as_text(item.get("state"))
    return Job(
        id=as_text(item.get("id")),
        kind=kind if (kind := as_text(item.get("kind"))) in ("release", "tune") else "train",
        run=as_text(item.get("run")),
        task=as_text(item.get("task")),
        data=as_text(item.get("data")),
        # What this app doesn't know yet is not under way, as far as it can tell.
        state=JobState(state) if state in set(JobState) else JobState.STOPPED,
        asked=as_text(item.get("asked")),
        message=_text(item.get("message"), 500),
        commands=tuple(_text(one, 1000) for one in _list(item.get("commands"))[:8]),
        progress=min(1.0, max(0.0, _number(item.get("progress")))),
        note=as_text(item.get("note")),
        step=_whole(item.get("step")),
        figures=_figures(item.get("figures")),
        rate=max(0.0, _number(item.get("steps_per_s"))),
        eta=None if item.get("eta_s") is None else max(0.0, _number(item.get("eta_s"))),
        pausable=item.get("pausable") is True,
        history=tuple(_whole(one) for one in _list(item.get("history"))[:MAX_ITEMS]),
    )


def jobs_from(*answers: object) -> tuple[Job, ...]:
    """The jobs of several lists, the newest first."""
    found = [job_from(item) for answer in answers for item in _objects(answer)]
    numbered = [(int(tail), job) for job in found if (tail := job.id.rpartition("-")[2]).isdecimal()]
    return tuple(job for _, job in sorted(numbered, key=lambda pair: pair[0], reverse=True))


def datasets_from(items: object) -> tuple[DatasetCard, ...]:
    """The host's datasets."""
    return tuple(
        DatasetCard(
            name=as_text(item.get("name")),
            task=as_text(item.get("task")),
            teacher=as_text(item.get("teacher")),
            train=_whole(item.get("train")),
            heldout=_whole(item.get("heldout")),
            content=as_text(item.get("content")),
            labels=tuple(as_text(one) for one in _list(item.get("labels"))[:200]),
            edits=len(_list(item.get("edits"))),
            problem=as_text(item.get("problem")),
        )
        for item in _objects(items)
        if item.get("name")
    )


def train_body(form: TrainForm) -> Json:
    """A form as the host takes it, which says what is wrong with a number."""
    options: Json = {}
    for name in ("size", "init"):
        if value := getattr(form, name).strip():
            options[name] = value
    for name in ("epochs", "seconds"):
        if value := getattr(form, name).strip().replace(",", "."):
            options[name] = _typed(value, float)
    if value := form.seed.strip():
        options["seed"] = _typed(value, int)
    body: Json = {"data": form.dataset, "options": options}
    if form.name.strip():
        body["name"] = form.name.strip()
    return body


def run_from(item: Answer) -> Run:
    """One training of the history."""
    return Run(
        id=_whole(item.get("id")),
        name=as_text(item.get("name")),
        task=as_text(item.get("task")),
        state=as_text(item.get("state")),
        message=_text(item.get("message"), 500),
        begun=min(max(0.0, _number(item.get("begun"))), MAX_TIME),
        seconds=None if item.get("seconds") is None else _number(item.get("seconds")),
        data=as_text(item.get("data")),
        revision=as_text(item.get("revision")),
        figures=_figures(item.get("figures")),
    )


def runs_from(answer: Answer) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """The history, and the runs that lie in the host's home folder."""
    there = tuple(as_text(one) for one in _list(answer.get("there"))[:MAX_ITEMS])
    return tuple(run_from(item) for item in _objects(answer.get("runs"))), there


def details_from(answer: Answer) -> RunDetails:
    """All about one training."""
    now = answer.get("now")
    return RunDetails(
        run=run_from(answer),
        command=_text(answer.get("command"), 2000),
        config=tuple(sorted(_flat("", answer.get("config"))))[:MAX_CONFIG],
        curves=tuple(as_text(one) for one in _list(answer.get("curves"))[:MAX_FIGURES]),
        checkpoints=tuple(
            (_whole(one.get("step")), None if one.get("loss") is None else _number(one.get("loss")))
            for one in _objects(answer.get("checkpoints"))
        ),
        now=_whole(now) if isinstance(now, int) else None,
        said=tuple(_text(one, 300) for one in _list(answer.get("said"))[:8]),
    )


def curve_from(of: str, answer: Answer) -> Curve:
    """A curve; what is no number is left out."""
    pairs = zip(_list(answer.get("steps")), _list(answer.get("values")), strict=False)
    kept = [(step, float(value)) for step, value in pairs if _is_step(step) and is_number(value)]
    return Curve(
        of,
        as_text(answer.get("figure")),
        tuple(step for step, _ in kept),
        tuple(value for _, value in kept),
        tuple(as_text(one) for one in _list(answer.get("figures"))[:MAX_FIGURES]),
    )


def differences_from(answer: Answer) -> tuple[tuple[str, str, str], ...]:
    """What isn't the same in two trainings."""
    return tuple(
        (as_text(row.get("what")), _text(row.get("one"), 200), _text(row.get("other"), 200))
        for row in _objects(answer.get("differences"))
    )


def heat_from(run: str, what: str, answer: Answer) -> Heat | None:
    """A map; None for one that isn't square."""
    names = tuple(_text(one, 60) for one in _list(answer.get("names")))
    rows = tuple(tuple(_number(value) for value in _list(row)) for row in _list(answer.get("rows")))
    counts = tuple(tuple(_whole(value) for value in _list(row)) for row in _list(answer.get("counts")))
    if not 0 < len(names) <= MAX_HEAT or len(rows) != len(names) or any(len(row) != len(names) for row in rows):
        return None
    return Heat(run, what, names, rows, counts, _whole(answer.get("layers")), _whole(answer.get("heads")))


def ratings_from(items: object) -> tuple[Rating, ...]:
    """How runs fare."""
    return tuple(
        Rating(as_text(one.get("task")), as_text(one.get("run")), _whole(one.get("votes")), _number(one.get("rating")))
        for one in _objects(items)
    )


def exam_from(runs: tuple[str, ...], answer: Answer) -> Exam:
    """How far an exam is, or what it found. A host of a version before it told how far answered with what it found."""
    models = tuple(
        Examined(
            run=as_text(one.get("run")),
            bytes=max(0, _whole(one.get("bytes"))),
            runtime=as_text(one.get("runtime")),
            accuracy=min(1.0, max(0.0, _number(one.get("accuracy")))),
            margin=min(1.0, max(0.0, _number(one.get("margin")))),
            rows=max(0, _whole(one.get("rows"))),
            p50_ms=max(0.0, _number(one.get("p50_ms"))),
            tokens=None if one.get("tokens_per_second") is None else max(0.0, _number(one.get("tokens_per_second"))),
        )
        for one in _objects(answer.get("models"))
    )
    worse = tuple(as_text(one) for one in _list(answer.get("worse"))[:MAX_ITEMS])
    state = as_text(answer.get("state"))
    return Exam(
        runs,
        busy=state == "running",
        id=as_text(answer.get("id")),
        progress=min(1.0, max(0.0, _number(answer.get("progress")))),
        answering=as_text(answer.get("note")),
        models=models,
        best=as_text(answer.get("best")),
        worse=worse,
        problem=as_text(answer.get("message")) if state == "failed" else "",
    )


def preferences_from(answer: Answer, name: str = "preferences") -> tuple[tuple[str, int], ...]:
    """How many preferences or opinions of people there are of each task."""
    told = answer.get(name)
    return tuple((str(task)[:64], _whole(count)) for task, count in told.items()) if isinstance(told, dict) else ()


def rollout_from(item: Answer) -> Rollout:
    """One rollout; its stages where the host sent them."""
    return Rollout(
        id=as_text(item.get("id")),
        specialist=as_text(item.get("specialist")),
        version=as_text(item.get("version")),
        before=as_text(item.get("before")),
        state=as_text(item.get("state")),
        cause=as_text(item.get("cause")),
        stage=_whole(item.get("stage")),
        soaking=item.get("soaking") is True,
        devices=_whole(item.get("devices")),
        done=_whole(item.get("done")),
        failed=_whole(item.get("failed")),
        waiting=tuple(as_text(one) for one in _list(item.get("waiting"))[:64]),
        stages=tuple(
            Stage(
                as_text(one.get("stage")),
                _whole(one.get("devices")),
                _whole(one.get("done")),
                _whole(one.get("failed")),
            )
            for one in _objects(item.get("stages"))
        ),
        where=_where(item.get("where")),
        when=_words(item.get("when")),
        most_failures=_text(item.get("most_failures"), 10),
        least_done=_text(item.get("least_done"), 10),
    )


def rollout_body(plan: Plan) -> Json:
    """A plan as the host takes it; what isn't said is for the host to choose."""
    body: Json = {"specialist": plan.specialist.strip(), "version": plan.version.strip()}
    for name in ("stages", "soak", "most_failures", "least_done"):
        if value := "".join(getattr(plan, name).split()):
            body[name] = value
    for name in ("all", "any", "none", "when"):
        if several := words_of(getattr(plan, name)):
            body[name] = list(several)
    return body


def known_from(answer: Answer) -> Known:
    """Whom a rollout could mean."""
    groups = tuple((_words(one.get("tags")), _whole(one.get("devices"))) for one in _objects(answer.get("groups")))
    members = _objects(answer.get("members"), MAX_MEMBERS)
    listed = tuple(member_from(one) for one in members if as_text(one.get("id")))
    return Known(_whole(answer.get("devices")), groups, listed)


def member_from(item: Answer) -> Member:
    """A device of the fleet."""
    name = as_text(item.get("name")) or as_text(item.get("id"))
    return Member(as_text(item.get("id")), name, _words(item.get("tags")), _words(item.get("given")))


def published_from(items: object) -> tuple[str, ...] | None:
    """Targets of the repository; None where there is none."""
    return None if items is None else tuple(as_text(one.get("target")) for one in _objects(items))


def rows_from(items: object) -> tuple[DataRow, ...]:
    """A page of rows."""
    return tuple(
        DataRow(
            number=_whole(item.get("number")),
            text=_text(item.get("text"), MAX_ROW),
            answer=_text(item.get("answer"), MAX_ROW),
            source=as_text(item.get("source")),
            quality=None if item.get("quality") is None else _number(item.get("quality")),
            why=as_text(item.get("why")),
            edited=item.get("edited") is True,
        )
        for item in _objects(items)
    )


def whole_row_from(split: str, items: object) -> WholeRow | None:
    """A row with all of it; None where it is too large to be edited here."""
    found = next(iter(_objects(items)), None)
    if found is None:
        return None
    put, out, meta = (json.dumps(found.get(name), ensure_ascii=False, indent=1) for name in ("input", "output", "meta"))
    return WholeRow(split, _whole(found.get("number")), put, out, meta) if len(put) + len(out) <= MAX_WHOLE else None


def edit_body(content: str, changes: tuple[Change, ...], held_out: bool) -> Json:
    """Changes as the host takes them; raises ValueError for a text that isn't a JSON object."""
    made: list[Json] = []
    for one in changes:
        place: Json = {"split": one.split, "number": one.number}
        put: Json = {"delete": True} if one.deletes else {"input": _object(one.input), "output": _object(one.output)}
        made.append({**place, **put})
    return {"content": content, "changes": made, "held_out": held_out}


def is_object(text: str) -> bool:
    """Whether a text is a JSON object that isn't empty."""
    try:
        return bool(_object(text))
    except (ValueError, RecursionError):
        return False


def _object(text: str) -> Json:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _typed(value: str, kind: type[float] | type[int]) -> object:
    try:
        return kind(value)
    except ValueError:
        return value  # the host says what is wrong with it


def _figures(value: object) -> tuple[tuple[str, float], ...]:
    items = value.items() if isinstance(value, dict) else ()
    return tuple((as_text(name), float(number)) for name, number in items if is_number(number))[:MAX_FIGURES]


def _flat(prefix: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [
            pair for key, inner in value.items() for pair in _flat(f"{prefix}.{key}" if prefix else as_text(key), inner)
        ]
    return [(prefix, _text(value if isinstance(value, str) else json.dumps(value), 200))]


def _where(value: object) -> Where:
    told = value if isinstance(value, dict) else {}
    return Where(_words(told.get("all")), _words(told.get("any")), _words(told.get("none")))


def _words(value: object) -> tuple[str, ...]:
    return tuple(as_text(one) for one in _list(value)[:32])


def _objects(value: object, most: int = MAX_ITEMS) -> list[dict[str, object]]:
    return [item for item in _list(value) if isinstance(item, dict)][:most]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object, most: int) -> str:
    return value[:most] if isinstance(value, str) else ""


def _is_step(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12


def _number(value: object) -> float:
    return float(value) if is_number(value) else 0.0


def _whole(value: object) -> int:
    return int(value) if is_number(value) and 0 <= value < 10**12 else 0
