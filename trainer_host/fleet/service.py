"""Carries rollouts out: reads what devices told, decides by the rules, and writes what they shall run, signed.

What was decided is in the database before the repository says it, and what the repository says is always derived from the
database: a host that is killed between the two writes the same again at its next step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edge_runtime.errors import BadRequest
from edge_runtime.update.conditions import HELD, check_condition
from edge_runtime.update.desired import MOST_CONDITIONS, MOST_DEVICES, MOST_TAGS, TAG, WHOLE, Rollout, Where
from trainer_host.errors import NotThere, TrainerError
from trainer_host.fleet import rollouts
from trainer_host.fleet.records import Standing
from trainer_host.fleet.rollouts import (
    ABORTED,
    DONE,
    OPEN,
    PAUSED,
    REPLACED,
    RUNNING,
    Course,
    Member,
    Plan,
    Release,
    Tally,
)
from trainer_host.fleet.store import Session, Store
from trainer_host.release.repository import Repository


@dataclass(frozen=True)
class Look:
    """A rollout as it stands. tally: of its stage; told: what devices told of it; members: all devices, by id."""

    course: Course
    tally: Tally
    told: Sequence[Standing]
    members: Sequence[Member]


@dataclass(frozen=True)
class Shown:
    """A device in a rollout. version: that it runs now. state: "waiting" (for it to look), "away", or as it told."""

    device: str
    name: str
    version: str
    state: str
    cause: str
    golden: float | None
    p95_ms: float | None
    memory_mb: float | None
    since: float


class Fleet:
    """Rollouts of one database and one repository. Blocks: call it in a thread where an event loop runs."""

    def __init__(
        self, store: Store, repository: Repository, by: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        """by: who acts, for the events; the user of this process where it is empty."""
        self._store = store
        self._repository = repository
        self._by = by
        self._clock = clock

    def start(self, specialist: str, version: str, where: Where, plan: Plan, when: tuple[str, ...] = ()) -> Course:
        """Begin to roll out a published version; an open rollout of the specialist to the same devices is replaced.

        Raises `TrainerError` where it isn't published, is on its way already, or no known device is meant.
        """
        check_where(where, when)
        release = self._release(specialist, version)
        now = self._clock()
        with self._store.changing() as session:
            self._refuse_unknown(session, self._repository.desired())
            courses = session.courses()
            mine = [one for one in courses if one.release.specialist == specialist and one.where == where]
            if mine and mine[-1].release == release and mine[-1].state in (*OPEN, DONE):
                raise TrainerError(
                    f"{specialist} {version} is what {mine[-1].id} rolls out there ({mine[-1].state}); "
                    f"'enigma rollout status {mine[-1].id}' tells more."
                )
            number = session.next_number()
            id_ = f"r-{number:04d}"
            before = self._before(session, courses, release, where)
            draft = Course(id_, release, before, where, when, plan, now)
            course = rollouts.begun(id_, release, before, where, when, plan, session.members(draft), now)
            for one in mine:
                if one.state in OPEN:
                    session.save(replace(one, state=REPLACED, cause=f"{id_} was started"))
                    self._event(session, "rollout.replaced", one, now, cause=f"{id_} was started")
            session.add(number, course)
            self._event(session, "rollout.started", course, now, stage=str(plan.stages[0]), named=list(course.named))
        self.publish()
        return course

    def pause(self, id_: str, cause: str = "") -> Course:
        """Let no further device switch; those that run the version keep it."""
        now = self._clock()
        with self._store.changing() as session:
            course = session.course(id_)
            if course.state != RUNNING:
                raise TrainerError(f"{id_} is {course.state}; only a rollout that runs can be paused.")
            paused = replace(course, state=PAUSED, met=None, cause=cause or "paused by hand")
            session.save(paused)
            self._event(session, "rollout.paused", paused, now, cause=paused.cause)
        self.publish()
        return paused

    def resume(self, id_: str) -> Course:
        """Go on; the failures until now don't count any more."""
        now = self._clock()
        with self._store.changing() as session:
            course = session.course(id_)
            if course.state != PAUSED:
                raise TrainerError(f"{id_} is {course.state}; only a rollout that is paused can be resumed.")
            members = session.members(course)
            seen = rollouts.tally(course, rollouts.desired_of(session.courses()), members)
            going = rollouts.resumed(course, seen, members, now)
            session.save(going)
            self._event(session, "rollout.resumed", going, now, excused=going.excused)
        self.publish()
        return going

    def abort(self, id_: str) -> Course:
        """Take a rollout back: its devices return to the version before, where there is one; see `returns_to`."""
        now = self._clock()
        with self._store.changing() as session:
            course = session.course(id_)
            if course.state == ABORTED:
                raise TrainerError(f"{id_} is aborted already.")
            aborted = replace(course, state=ABORTED, since=now, met=None, cause=course.cause or "aborted by hand")
            session.save(aborted)
            back = aborted.before.version if aborted.before else None
            self._event(session, "rollout.aborted", aborted, now, back_to=back)
        self.publish()
        return aborted

    def step(self) -> list[Course]:
        """Look at all rollouts that run, and let each go on or pause; returns those that changed."""
        now = self._clock()
        with self._store.reading() as session:
            changes = self._due(session, now)
        if changes:
            with self._store.changing() as session:  # again, since another process may have changed something since
                changes = self._due(session, now)
                for before, after in changes:
                    session.save(after)
                    if after.state == PAUSED:
                        self._event(session, "rollout.paused", after, now, cause=after.cause)
                    elif after.state == DONE:
                        self._event(session, "rollout.done", after, now)
                    elif after.stage != before.stage:
                        stage = str(after.plan.stages[after.stage])
                        self._event(session, "rollout.stage", after, now, stage=stage, named=list(after.named))
        self.publish()
        return [after for _, after in changes]

    def publish(self) -> bool:
        """Bring the repository to what the database says; whether it said something else before."""
        with self._store.reading() as session:
            read = self._repository.desired()
            self._refuse_unknown(session, read)
            if read == _wanted(session):
                return False
        with self._store.changing() as session:  # nobody decides anything else until it is written
            return self._repository.set_desired(_wanted(session)).changed

    def look(self, id_: str) -> Look:
        """How a rollout stands."""
        with self._store.reading() as session:
            course = session.course(id_)
            members = session.members(course)
            seen = rollouts.tally(course, rollouts.desired_of(session.courses()), members)
            return Look(course, seen, session.outcomes(course.id), members)

    def stages(self, look: Look) -> list[Tally]:
        """Each stage of a rollout in figures; the later ones as they would be now."""
        with self._store.reading() as session:
            read = rollouts.desired_of(session.courses())
        course, made = look.course, []
        for i, stage in enumerate(course.plan.stages):
            named = rollouts.canaries(replace(course, named=()), stage.devices, look.members)
            at = replace(course, stage=i, named=course.named if i <= course.stage else (*course.named, *named))
            if i < course.stage and stage.devices:
                at = replace(at, named=course.named[: stage.devices])
            made.append(rollouts.tally(at, read, look.members))
        return made

    def devices(self, look: Look) -> list[Shown]:
        """The devices that a rollout chooses now, or that told of it, by name."""
        with self._store.reading() as session:
            runs = session.running(look.course.release.specialist)
        told = {one.device: one for one in look.told}
        own = look.course.rollout()
        shown = []
        for member in look.members:
            said, now = told.get(member.device), runs.get(member.device)
            if said is None and not (look.course.state in OPEN and own.chooses(member.device, member.tags)):
                continue
            state = said.state if said else "waiting" if member.present else "away"
            best = said or now
            shown.append(
                Shown(
                    member.device,
                    member.name,
                    now.version if now else "",
                    state,
                    said.cause if said else "",
                    best.golden if best else None,
                    best.p95_ms if best else None,
                    best.memory_mb if best else None,
                    said.since if said else 0.0,
                )
            )
        return sorted(shown, key=lambda one: (one.state != "rolled_back", one.name, one.device))

    def adopt(self) -> list[Course]:
        """Take over rollouts that the repository holds and this database doesn't know, as when it was lost."""
        now = self._clock()
        with self._store.changing() as session:
            read = self._repository.desired()
            unknown = _unknown(session, read)
            made = [adopted(rollout, now) for rollout in read if rollout.id in unknown]
            for course in made:
                number = max(
                    session.next_number(), int(course.id.removeprefix("r-")) if course.id[2:].isdecimal() else 0
                )
                session.add(number, course)
                self._event(session, "rollout.adopted", course, now)
        return made

    def _due(self, session: Session, now: float) -> list[tuple[Course, Course]]:
        courses = session.courses()
        read = rollouts.desired_of(courses)
        counts = {rollout.id for rollout in read}
        looked = [
            (course, rollouts.stepped(course, read, session.members(course), now)[0])
            for course in courses
            if course.state in (RUNNING, DONE) and course.id in counts
        ]
        return [(before, after) for before, after in looked if after != before]

    def _refuse_unknown(self, session: Session, read: Sequence[Rollout]) -> None:
        if unknown := _unknown(session, read):
            raise TrainerError(
                f"The update repository holds rollouts that this database doesn't know ({', '.join(unknown[:3])}); give "
                "the database that they were started with (--database), or run 'enigma rollout adopt'."
            )

    def _published(self, specialist: str) -> list[tuple[str, Release]]:
        """(hash of the payload, release) of all versions."""
        return [
            (
                str(target.custom.get("bundle")),
                Release(specialist, str(target.custom.get("version")), name, target.hashes["sha256"]),
            )
            for name, target in self._repository.targets().items()
            if target.custom.get("kind") == "bundle" and target.custom.get("specialist") == specialist
        ]

    def _release(self, specialist: str, version: str) -> Release:
        have = {release.version: release for _, release in self._published(specialist)}
        if version in have:
            return have[version]
        advice = f"there are {', '.join(sorted(have)[-5:])}" if have else "publish it with 'enigma release publish'"
        raise NotThere(f"{specialist[:64]} {version[:40]} isn't published; {advice}.")

    def _before(self, session: Session, courses: Sequence[Course], release: Release, where: Where) -> Release | None:
        """What devices go back to: what a rollout gave them all, else what most devices tell that they run."""
        published = self._published(release.specialist)
        for rollout in reversed(rollouts.desired_of(courses)):
            same = rollout.specialist == release.specialist and rollout.sha256 != release.sha256
            if same and rollout.share == WHOLE and rollouts.covers(rollout.where, where):
                return next((one for _, one in published if one.sha256 == rollout.sha256), None)
        by_bundle = dict(published)
        for bundle, _ in session.versions(release.specialist):
            found = by_bundle.get(bundle)
            if found is not None and found != release:
                return found
        return None

    def _event(self, session: Session, kind: str, course: Course, now: float, **detail: object) -> None:
        told = {"rollout": course.id, "specialist": course.release.specialist, "version": course.release.version}
        session.event(kind, now, self._by, **told, **detail)


def _unknown(session: Session, read: Sequence[Rollout]) -> list[str]:
    known = {course.id for course in session.courses()}
    return [one.id for one in read if not {one.id, one.id.removesuffix("-back")} & known]


def _wanted(session: Session) -> tuple[Rollout, ...]:
    """What devices shall read. A tag that a device was given here it doesn't know itself: such a device is named."""
    made = rollouts.desired_of(session.courses())
    given = session.given()
    if not given:
        return made
    own = {device.id: device.tags for device in session.devices() if device.id in given}
    return tuple(replace(one, where=replace(one.where, devices=_named(one, own, given))) for one in made)


def _named(
    rollout: Rollout, own: Mapping[str, tuple[str, ...]], given: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    named = [*rollout.where.devices]
    for device, tags in sorted(own.items()):
        meant = rollout.chooses(device, (*tags, *given[device]))
        if meant and not rollout.chooses(device, tags) and len(named) < MOST_DEVICES:
            named.append(device)
    return tuple(named)


def adopted(rollout: Rollout, now: float) -> Course:
    """A course for what devices read already: done where all are chosen, else paused at its share."""
    whole = rollout.share == WHOLE
    stages = (
        (rollouts.Stage(share=WHOLE),)
        if whole
        else (
            rollouts.Stage(share=rollout.share)
            if rollout.share
            else rollouts.Stage(devices=max(1, len(rollout.where.devices))),
            rollouts.Stage(share=WHOLE),
        )
    )
    return Course(
        id=rollout.id,
        release=Release(rollout.specialist, rollout.version, rollout.target, rollout.sha256),
        before=None,
        where=replace(rollout.where, devices=()),
        when=tuple(word for word in rollout.when if word != HELD),
        plan=Plan(stages),
        started=now,
        state=DONE if rollout.settled else PAUSED,
        named=rollout.where.devices,
        since=now,
        cause="" if rollout.settled else "taken over from the repository",
    )


def check_where(where: Where, when: tuple[str, ...]) -> None:
    """Refuse tags and conditions that no device could have or read: `TrainerError`."""
    most_tags, conditions = max(len(where.all), len(where.any), len(where.none)), MOST_CONDITIONS - 1
    if most_tags > MOST_TAGS or len(when) > conditions:  # while it is paused there is one condition more
        raise TrainerError(f"A rollout takes at most {MOST_TAGS} tags of each kind and {conditions} conditions.")
    for tag in (*where.all, *where.any, *where.none):
        if not TAG.fullmatch(tag):
            raise TrainerError(
                f"'{tag[:40]}' can't be a tag; use lower-case letters, digits and . : = _ -, at most 64."
            )
    for word in when:
        try:
            check_condition(word)
        except BadRequest as wrong:
            raise TrainerError(str(wrong)) from None
