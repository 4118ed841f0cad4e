"""The lessons of this host, one at a time: those that wait, the one that runs, and how the others ended.

A lesson runs in a thread of its own, whose event loop is `give`'s. It goes on without any client, and what ends the
server leaves it open: its own file and the cache of replies are all that is needed to go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from edge_runtime.errors import EdgeError, NotFound, Overloaded
from trainer_host.errors import TeacherStopped, TrainerError
from trainer_host.server.errors import Conflict, missing_package
from trainer_host.server.standing import Meter, Standing, read_standing, write_standing
from trainer_host.teacher.generate import Tally
from trainer_host.teacher.lesson import BUILT_IN, Lesson, recall, remember
from trainer_host.teacher.opening import Opened, opened
from trainer_host.teacher.teach import Cancelled, Interrupted, LessonResult, give
from trainer_host.workspace import Workspace

MAX_WAITING = 8
MAX_KNOWN = 100  # of the newest lessons; the files of older ones stay
REFRESH_SECONDS = 2.0  # so often a running lesson is told and kept even when nothing happens: its rate sinks
STOP_SECONDS = 10.0  # a cancelled lesson closes its connections and ends its processes

_log = logging.getLogger(__name__)


class Timetable:
    """See the module. Every method belongs to the event loop's thread."""

    def __init__(self, workspace: Workspace, on_change: Callable[[str], None]) -> None:
        """on_change: hears the id of a lesson whenever it stands otherwise."""
        self._workspace = workspace
        self._folder = workspace.home / "server" / "lessons"
        self._on_change = on_change
        self._standings: dict[str, Standing] = {}
        self._waiting: deque[str] = deque()
        self._never_ran: set[str] = set()
        self._running: str | None = None
        self._cancel = threading.Event()
        self._stopping = False
        self._news = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        found = [standing for path in self._folder.glob("*.json") if (standing := read_standing(path)) is not None]
        for standing in sorted(found, key=lambda one: one.lesson.begun)[-MAX_KNOWN:]:
            self._standings[standing.lesson.name] = standing

    def start(self) -> None:
        """Begin to work on what waits."""
        self._work = asyncio.create_task(self._work_through())

    async def close(self) -> None:
        """End the lesson that runs, and keep it open."""
        self._stopping = True
        self._cancel.set()
        self._news.set()
        if self._work is not None:
            await asyncio.wait([self._work], timeout=STOP_SECONDS)
            self._work.cancel()

    def ids(self) -> list[str]:
        """All lessons, the newest first."""
        return list(reversed(self._standings))

    def standing(self, id_: str) -> Standing:
        """How a lesson stands; raises `NotFound`."""
        if (found := self._standings.get(id_)) is None:
            raise NotFound("There is no such lesson.")
        return found

    def taken(self, name: str) -> bool:
        """Whether a lesson of that name was ever begun here, by whom ever."""
        return name in self._standings or any(self._workspace.lessons.glob(f"{name}.*.json"))

    def begin(self, lesson: Lesson) -> Standing:
        """Put a lesson, checked before, at the end of the queue; raises `Conflict` or `Overloaded`."""
        if self.taken(lesson.name):
            raise Conflict(f"There is a lesson '{lesson.name}' already; resume it, or choose another name.")
        self._must_have_room()
        remember(self._workspace, lesson)
        self._never_ran.add(lesson.name)
        return self._wait(Standing(lesson))

    def resume(self, id_: str, budget: str | None) -> Standing:
        """Go on with a lesson that ended early; nothing that was answered is asked again. Raises as `begin`."""
        standing = self.standing(id_)
        if id_ == self._running or id_ in self._waiting:
            return standing
        if standing.state == "done":
            raise Conflict("This lesson is done; begin another one.")
        self._must_have_room()
        lesson = recall(self._workspace, id_)
        if budget is not None:
            lesson = replace(lesson, budget=budget)
        return self._wait(replace(standing, lesson=lesson))

    def cancel(self, id_: str) -> Standing:
        """End a lesson, running or waiting; raises `Conflict` where it is neither."""
        standing = self.standing(id_)
        if id_ == self._running:
            self._cancel.set()
            return standing
        if id_ not in self._waiting:
            raise Conflict("This lesson doesn't run.")
        self._waiting.remove(id_)
        return self._set(replace(standing, state="cancelled", message="The lesson was cancelled while it waited."))

    def _must_have_room(self) -> None:
        if self._stopping:
            raise Overloaded("The host is stopping.", 10.0)
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} lessons are waiting already; cancel one, or wait until one is done.", 60.0)

    def _wait(self, standing: Standing) -> Standing:
        self._waiting.append(standing.lesson.name)
        self._news.set()
        alone = self._running is None and len(self._waiting) == 1
        message = None if alone else "It begins when the lessons before it have ended."
        return self._set(replace(standing, state="open", message=message))

    async def _work_through(self) -> None:
        while not self._stopping:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            self._running = self._waiting.popleft()
            self._cancel = threading.Event()
            standing = replace(self._standings[self._running], state="running", message=None)
            if self._running in self._never_ran:
                # What is spent from now on counts against its budget; what others spent while it waited doesn't.
                self._never_ran.remove(self._running)
                standing = replace(standing, lesson=_begun_now(standing.lesson))
            try:
                await self._run(self._set(standing))
            finally:
                self._running = None

    async def _run(self, standing: Standing) -> None:
        ended: asyncio.Future[Standing] = asyncio.get_running_loop().create_future()
        running = _Running(self._workspace, standing, self._cancel, self._told, ended)
        threading.Thread(target=running.run, name=f"lesson {standing.lesson.name}", daemon=True).start()
        while not ended.done():
            await asyncio.wait([ended], timeout=REFRESH_SECONDS)
            if not ended.done():
                self._set(self._standings[standing.lesson.name])
        last = ended.result()
        if last.state == "cancelled" and self._stopping:
            last = replace(last, state="open", message=None)
        self._set(last)

    def _told(self, standing: Standing) -> None:
        """New figures of the lesson that runs; they are kept with the next refresh."""
        if standing.lesson.name == self._running and self._standings[self._running].state == "running":
            self._standings[self._running] = standing
            self._on_change(self._running)

    def _set(self, standing: Standing) -> Standing:
        id_ = standing.lesson.name
        self._standings[id_] = standing
        while len(self._standings) > MAX_KNOWN:
            oldest = next(name for name in self._standings if name != self._running and name not in self._waiting)
            del self._standings[oldest]
        try:
            write_standing(self._folder / f"{id_}.json", standing)
        except TrainerError as error:  # the lesson itself must not end for want of its figures
            _log.warning("how lesson %s stands isn't kept: %s", id_, error)
        self._on_change(id_)
        return standing


class _Running:
    """One lesson in its thread."""

    def __init__(
        self,
        workspace: Workspace,
        standing: Standing,
        cancel: threading.Event,
        on_figures: Callable[[Standing], None],
        ended: asyncio.Future[Standing],
    ) -> None:
        self._workspace = workspace
        self._lesson = standing.lesson
        self._cancel = cancel
        self._on_figures = on_figures
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._standing = standing
        self._meter = Meter(standing, _nothing)

    def run(self) -> None:
        """The lesson from its beginning to whatever end; says it to `ended`."""
        lesson = self._lesson
        try:
            if lesson.provider == BUILT_IN:
                result = give(self._workspace, lesson, None, on_task=self._on_task, cancel=self._cancel)
            else:
                with opened(self._workspace, lesson) as found:
                    self._meter = Meter(self._standing, _spent_by(found))
                    result = give(self._workspace, lesson, found, on_task=self._on_task, cancel=self._cancel)
        except Cancelled as error:
            last = replace(self._meter.standing(), state="cancelled", message=str(error))
        except (Interrupted, TeacherStopped) as error:
            last = replace(self._meter.standing(), state="stopped", message=str(error))
        except (TrainerError, EdgeError) as error:
            last = replace(self._meter.standing(), state="failed", message=str(error))
        except ModuleNotFoundError as error:
            last = replace(self._meter.standing(), state="failed", message=missing_package(error))
        except OSError as error:
            message = f"{error.filename or 'A file'} can't be used: {error.strerror or error}."
            last = replace(self._meter.standing(), state="failed", message=message)
        except Exception:  # whatever a lesson meets, the server and the lessons behind it go on
            _log.exception("lesson %s failed", lesson.name)
            message = "The lesson met a mistake of Enigma's own; the host's log has it."
            last = replace(self._meter.standing(), state="failed", message=message)
        else:
            datasets = {task: lesson.dataset(task) for task in lesson.tasks}
            last = replace(
                self._meter.standing(), state="done", message=_too_few(result), progress=1.0, datasets=datasets
            )
        self._to_loop(self._end, replace(last, window=None))

    def _end(self, last: Standing) -> None:
        if not self._ended.done():
            self._ended.set_result(last)

    def _on_task(self, task: str, tally: Tally) -> None:
        if (standing := self._meter.heard(task, tally)) is not None:
            self._to_loop(self._on_figures, standing)

    def _to_loop(self, tell: Callable[[Standing], None], standing: Standing) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server ended without waiting any longer
            self._loop.call_soon_threadsafe(tell, standing)


def _too_few(result: LessonResult) -> str | None:
    wanted = result.lesson.examples
    few = [f"{item.task} {item.tally.accepted}" for item in result.taught if item.tally.accepted < wanted]
    return f"Of {wanted} examples each: {', '.join(few)}; a better model gives more." if few else None


def _nothing() -> Decimal:
    return Decimal(0)


def _spent_by(found: Opened) -> Callable[[], Decimal | None]:
    before = found.budget.spent
    return lambda: found.budget.spent - before if found.price.known else None


def _begun_now(lesson: Lesson) -> Lesson:
    return replace(lesson, begun=Lesson(lesson.name, lesson.tasks, lesson.examples, lesson.provider).begun)
