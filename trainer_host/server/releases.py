"""From a run to devices over the API: export, gate, bundle and publish as a job, and rollouts in stages."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from trainer_host.errors import NotThere
from trainer_host.server import fields
from trainer_host.server.access import Guard
from trainer_host.server.errors import Unprocessable
from trainer_host.server.fields import Json
from trainer_host.server.job_queue import JobQueue
from trainer_host.workspace import Workspace, checked_name

if TYPE_CHECKING:
    from trainer_host.fleet.records import Device
    from trainer_host.fleet.service import Fleet, Look
    from trainer_host.fleet.store import Store
    from trainer_host.release.repository import Repository

BODY_BYTES = 16 * 1024
MAX_NAME_CHARS = 64
MAX_WORDS = 32  # tags of devices, or conditions
MAX_DEVICES = 200  # of a rollout in an answer
MAX_GROUPS = 200  # of devices with the same tags; the largest
MAX_MEMBERS = 1000  # devices whose tags are told one by one
RELEASE = "release"
STEPS = ("export", "gate", "bundle", "publish")
FORMATS = ("gguf", "tflite")  # of language models, besides the usual files
_VERSION = re.compile(r"[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}")
_LICENCE = re.compile(r"[A-Za-z0-9.+-]{1,64}")
_PLAN = {"stages": "1,5%,25%,100%", "soak": "1h", "most_failures": "2%", "least_done": "90%"}  # as `enigma rollout`

T = TypeVar("T")


class ReleaseRoutes:
    """/v1/releases."""

    def __init__(self, workspace: Workspace, queue: JobQueue) -> None:
        self._workspace = workspace
        self._queue = queue

    async def all(self, request: web.Request) -> web.Response:
        """The jobs, the newest first, and what is published."""
        published = await asyncio.to_thread(_published, self._workspace)
        jobs = [{"type": RELEASE, **job.plain()} for job in self._queue.jobs(RELEASE)]
        return reply({"releases": jobs, "published": published})

    async def begin(self, request: web.Request) -> web.Response:
        """Put the steps of a release into the queue; they run one after another until one fails."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "run", "steps", "name", "version", "licence", "format")
        run = self._workspace.run(fields.text(body, "run", MAX_NAME_CHARS)).name
        steps = body.get("steps", list(STEPS))
        if not isinstance(steps, list) or not steps or [step for step in STEPS if step in steps] != steps:
            raise Unprocessable(f'"steps" must be some of {", ".join(STEPS)}, in this order.')
        name = checked_name(fields.text(body, "name", MAX_NAME_CHARS, run))
        form = fields.text(body, "format", MAX_NAME_CHARS, None)
        if form is not None and (steps != ["export"] or form not in FORMATS):
            raise Unprocessable(f'"format" is {" or ".join(FORMATS)}, where "export" is the only step.')
        made: list[tuple[str, ...]] = []
        for step in steps:
            if step == "bundle":
                made.append(("bundle", run, f"--name={name}", *_bundle_words(body)))
            elif step == "publish":
                made.append(("release", "publish", name))
            else:
                made.append((step, run, *([f"--format={form}"] if form is not None else [])))
        return reply(self._queue.add(RELEASE, run, tuple(made)).plain(), 202)

    async def one(self, request: web.Request) -> web.Response:
        """One of the jobs."""
        return reply(self._queue.job(request.match_info["release"], RELEASE).plain())

    async def cancel(self, request: web.Request) -> web.Response:
        """End it; what its steps wrote stays."""
        job = self._queue.job(request.match_info["release"], RELEASE)
        return reply(self._queue.stop(job.id, pause=False).plain(), 202)

    async def resume(self, request: web.Request) -> web.Response:
        """Do its steps again."""
        job = self._queue.job(request.match_info["release"], RELEASE)
        return reply(self._queue.resume(job.id).plain(), 202)


class RolloutRoutes:
    """/v1/rollouts."""

    def __init__(self, workspace: Workspace, guard: Guard) -> None:
        self._workspace = workspace
        self._guard = guard
        self._turn = asyncio.Lock()

    async def all(self, request: web.Request) -> web.Response:
        """How all rollouts stand, the newest first."""

        def look(fleet: Fleet, store: Store) -> list[Json]:
            with store.reading() as session:
                courses = session.courses()
            return [_course(fleet.look(course.id)) for course in reversed(courses)]

        try:
            found = await self._with_fleet(request, look)
        except NotThere as nothing:  # no repository is no mistake here; it is one where a rollout is begun
            return reply({"rollouts": [], "message": str(nothing)})
        return reply({"rollouts": found, "message": None})

    async def fleet(self, request: web.Request) -> web.Response:
        """How many devices are known, and how many have the same tags: whom a rollout could mean."""

        def counted() -> Json:
            from trainer_host.fleet.database import open_store

            with open_store(self._workspace, None) as store, store.reading() as session:
                known = session.devices()
            tags = Counter(tuple(sorted(device.all_tags)) for device in known)
            groups = [{"tags": list(one), "devices": count} for one, count in tags.most_common(MAX_GROUPS)]
            return {"devices": tags.total(), "groups": groups, "members": [_member(one) for one in known[:MAX_MEMBERS]]}

        async with self._turn:
            return reply(await asyncio.to_thread(counted))

    async def tag(self, request: web.Request) -> web.Response:
        """Give a device tags from here, and take such from it."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "device", "add", "remove")
        device, add, remove = fields.text(body, "device", 200), _words(body, "add"), _words(body, "remove")
        if not add and not remove:
            raise Unprocessable('Say in "add" or "remove" which tags to give or to take.')

        def tagged() -> Json:
            from trainer_host.fleet.database import open_store
            from trainer_host.fleet.tags import give, settle

            with open_store(self._workspace, None) as store:
                made = give(store, device, add, remove)
                settle(self._workspace, store, lambda: repository_of(self._workspace))
                return _member(made)

        async with self._turn:
            return reply(await asyncio.to_thread(tagged))

    async def one(self, request: web.Request) -> web.Response:
        """One of them with its stages and devices."""
        id_ = request.match_info["rollout"]
        return reply(await self._with_fleet(request, lambda fleet, store: _whole(fleet, id_)))

    async def begin(self, request: web.Request) -> web.Response:
        """Begin to give a published version to devices."""
        from edge_runtime.update.desired import Where
        from trainer_host.fleet import rollouts

        body = await read_json(request, BODY_BYTES)
        fields.only(body, "specialist", "version", "all", "any", "none", "when", *_PLAN)
        given = {name: fields.text(body, name, 100, default) for name, default in _PLAN.items()}
        plan = rollouts.Plan(
            rollouts.parse_stages(given["stages"]),
            rollouts.parse_time(given["soak"]),
            rollouts.parse_share(given["most_failures"]),
            rollouts.parse_share(given["least_done"]),
        )
        where = Where(all=_words(body, "all"), any=_words(body, "any"), none=_words(body, "none"))
        specialist = checked_name(fields.text(body, "specialist", MAX_NAME_CHARS))
        version, when = fields.text(body, "version", 32), _words(body, "when")

        def start(fleet: Fleet, store: Store) -> Json:
            return _told(self._workspace, store, fleet, fleet.start(specialist, version, where, plan, when).id)

        return reply(await self._with_fleet(request, start), 202)

    async def pause(self, request: web.Request) -> web.Response:
        """Let no further device switch."""
        id_ = request.match_info["rollout"]
        return await self._move(request, lambda fleet: fleet.pause(id_, "paused in the companion").id)

    async def resume(self, request: web.Request) -> web.Response:
        """Go on."""
        id_ = request.match_info["rollout"]
        return await self._move(request, lambda fleet: fleet.resume(id_).id)

    async def abort(self, request: web.Request) -> web.Response:
        """Take it back."""
        id_ = request.match_info["rollout"]
        return await self._move(request, lambda fleet: fleet.abort(id_).id)

    async def _move(self, request: web.Request, move: Callable[[Fleet], str]) -> web.Response:
        def moved(fleet: Fleet, store: Store) -> Json:
            return _told(self._workspace, store, fleet, move(fleet))

        return reply(await self._with_fleet(request, moved), 202)

    async def _with_fleet(self, request: web.Request, work: Callable[[Fleet, Store], T]) -> T:
        """Do some work on the database and the repository, in a thread: both block."""
        by = self._guard.paired(request).name

        def opened() -> T:
            from trainer_host.fleet.database import open_store
            from trainer_host.fleet.service import Fleet

            repository = repository_of(self._workspace)
            with open_store(self._workspace, None) as store:  # the home folder's, or ENIGMA_FLEET_DATABASE
                return work(Fleet(store, repository, by), store)

        async with self._turn:
            return await asyncio.to_thread(opened)


def _member(device: Device) -> Json:
    return {
        "id": device.id,
        "name": device.name,
        "tags": list(device.tags),
        "given": list(device.given),
        "there": device.present,
    }


def _bundle_words(body: Json) -> list[str]:
    made = []
    for name, form in (("version", _VERSION), ("licence", _LICENCE)):
        value = fields.text(body, name, MAX_NAME_CHARS, None)
        if value is not None:
            if not form.fullmatch(value):
                raise Unprocessable(
                    f'"{name}" must be as 1.2.3.' if name == "version" else f'"{name}" must be an SPDX id.'
                )
            made.append(f"--{name}={value}")
    return made


def _words(body: Json, name: str) -> tuple[str, ...]:
    value = body.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_WORDS or not all(isinstance(word, str) for word in value):
        raise Unprocessable(f'"{name}" must be a list of at most {MAX_WORDS} words.')
    return tuple(dict.fromkeys(value))


def _published(workspace: Workspace) -> list[Json] | None:
    """What devices can fetch; None where there is no repository."""
    try:
        repository = repository_of(workspace)
    except NotThere:
        return None
    return [
        {"target": name, "bytes": target.length, "sha256": target.hashes["sha256"]}
        for name, target in repository.targets().items()
        if target.custom.get("kind") == "bundle"
    ]


def repository_of(workspace: Workspace) -> Repository:
    """The update repository; raises `NotThere` where there is none."""
    from trainer_host.release.repository import Repository
    from trainer_host.release.roles import RoleKeys

    # Nobody sits at the terminal to be asked for a passphrase; what is signed here needs none.
    return Repository.of(workspace, RoleKeys.of(workspace, ask=lambda prompt: None))


def _course(look: Look) -> Json:
    from trainer_host.fleet.rollouts import percent

    course = look.course
    return {
        "id": course.id,
        "specialist": course.release.specialist,
        "version": course.release.version,
        "before": course.before.version if course.before else None,
        "where": asdict(course.where),
        "state": course.state,
        "cause": course.cause,
        "stage": course.stage,
        "soaking": course.met is not None and course.state == "running",
        "soak_s": course.plan.soak,
        "when": list(course.when),
        "most_failures": percent(course.plan.most_failures),
        "least_done": percent(course.plan.least_done),
        "devices": look.tally.expected,
        "done": look.tally.done,
        "failed": look.tally.failed,
        "waiting": list(look.tally.waiting),
    }


def _whole(fleet: Fleet, id_: str) -> Json:
    look = fleet.look(id_)
    stages = [
        {"stage": str(stage), "devices": seen.expected, "done": seen.done, "failed": seen.failed}
        for stage, seen in zip(look.course.plan.stages, fleet.stages(look), strict=True)
    ]
    return {**_course(look), "stages": stages, "members": [asdict(one) for one in fleet.devices(look)[:MAX_DEVICES]]}


def _told(workspace: Workspace, store: Store, fleet: Fleet, id_: str) -> Json:
    from trainer_host.fleet.watching import tell

    tell(workspace, store)
    return _whole(fleet, id_)
