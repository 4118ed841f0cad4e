"""How a rollout goes through its stages: rules without I/O, also for a simulation of many devices.

A rollout's course lies in the database; what devices read (`edge_runtime.update.desired`) is derived from all courses by
`desired_of`, always anew, so the two can't drift apart: whatever ends the host between the two writes, the next step
writes the same again.

A stage is a query, so nothing is counted out in advance: a device that joins late belongs to the stage that is on. What a
stage may do harm to is bounded: more failures than its share of *all devices that the stage chooses* pause the rollout,
whichever devices happen to answer first.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from edge_runtime.update.conditions import HELD
from edge_runtime.update.desired import MOST_DEVICES, WHOLE, Rollout, Where, place
from trainer_host.errors import TrainerError

RUNNING, PAUSED, DONE, ABORTED, REPLACED = "running", "paused", "done", "aborted", "replaced"
OPEN = (RUNNING, PAUSED)
MOST_STAGES = 16
MOST_SOAK = 30 * 86_400.0
SHOWN_DEVICES = 3  # of those that a stage waits for
_STAGE = re.compile(r"([0-9]{1,7})|([0-9]{1,3}(?:\.[0-9]{1,2})?)%")
_TIME = re.compile(r"([0-9]{1,7})(s|m|h|d|)")
_SECONDS = {"s": 1, "": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Stage:
    """How far a stage goes: to so many devices, or to a share of all in 1/10,000."""

    devices: int = 0
    share: int = 0

    def __str__(self) -> str:
        if self.devices:
            return f"{self.devices} device" + ("s" if self.devices > 1 else "")
        return percent(self.share)


@dataclass(frozen=True)
class Plan:
    """When a rollout goes on, and when it stops.

    soak: seconds that a stage stays as it is once enough devices run the version. most_failures: of 10,000 of the devices
    that a stage chooses; more pause the rollout. least_done: of 10,000 of them; so many must run it before the soak begins,
    since some devices are always away.
    """

    stages: tuple[Stage, ...] = (Stage(devices=1), Stage(share=500), Stage(share=2500), Stage(share=WHOLE))
    soak: float = 3600.0
    most_failures: int = 200
    least_done: int = 9000

    def __post_init__(self) -> None:
        sizes = [(1, stage.share) if stage.share else (0, stage.devices) for stage in self.stages]
        if (
            not self.stages
            or self.stages[-1] != Stage(share=WHOLE)
            or len(sizes) > MOST_STAGES
            or min(map(max, sizes)) < 1
        ):
            raise TrainerError(f"The stages must be 1 to {MOST_STAGES} and end with 100%, as in 1,5%,25%,100%.")
        if any(later <= earlier for earlier, later in itertools.pairwise(sizes)):
            raise TrainerError("Each stage must be larger than the one before: first numbers of devices, then shares.")
        if not 0 <= self.soak <= MOST_SOAK:
            raise TrainerError(f"The soak must be 0 to {MOST_SOAK / 86_400:.0f} days.")
        if self.most_failures < 0 or self.least_done <= 0 or self.most_failures + self.least_done > WHOLE:
            raise TrainerError(
                "The shares of devices that may fail and that must succeed can't be more than 100% together, "
                "or the rollout could never go on."
            )


@dataclass(frozen=True)
class Release:
    """A published version of a specialist. target, sha256: as the repository names its file."""

    specialist: str
    version: str
    target: str
    sha256: str


@dataclass(frozen=True)
class Course:
    """A rollout as the host knows it.

    before: the version to go back to, where there is one. stage: which of the plan's, from 0. named: the devices of the
    stages that count devices. since: when the stage began; met: when enough of its devices ran the version, None before
    (both seconds since 1970). excused: failures that somebody saw and resumed all the same. cause: why it is paused,
    aborted or replaced.
    """

    id: str
    release: Release
    before: Release | None
    where: Where
    when: tuple[str, ...]
    plan: Plan
    started: float
    state: str = RUNNING
    stage: int = 0
    named: tuple[str, ...] = ()
    since: float = 0.0
    met: float | None = None
    excused: int = 0
    cause: str = ""

    @property
    def share(self) -> int:
        """Of 10,000 devices that the query matches."""
        return self.plan.stages[self.stage].share

    def rollout(self) -> Rollout:
        """What devices read of it."""
        return Rollout(
            id=self.id,
            specialist=self.release.specialist,
            target=self.release.target,
            sha256=self.release.sha256,
            where=replace(self.where, devices=self.named),
            share=self.share,
            # Those that run the version keep it, and no other switches to it.
            when=self.when if self.state in (RUNNING, DONE) else (*self.when, HELD),
            settled=self.state == DONE,
        )


@dataclass(frozen=True)
class Member:
    """A device that the host knows, and what it last told of one rollout.

    outcome: "done" (it runs the version), "failed" (it went back, or can't take it), or "" (nothing yet).
    """

    device: str
    name: str = ""
    tags: Collection[str] = ()
    present: bool = True
    outcome: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Tally:
    """A stage in figures. expected: devices that it chooses; new: of those, not chosen by the stage before; done and failed:
    of those; causes: of the failures, the most frequent first; waiting: names of some that are neither."""

    expected: int = 0
    new: int = 0
    done: int = 0
    failed: int = 0
    causes: tuple[tuple[str, int], ...] = ()
    waiting: tuple[str, ...] = ()


def desired_of(courses: Sequence[Course]) -> tuple[Rollout, ...]:
    """What devices shall read, from all courses, the oldest first.

    A course that a later one has taken the place of on all of its devices is left out. Where an aborted one leaves devices
    that no other chooses, they are told to go back to the version before it.
    """
    made: list[Rollout] = []
    for specialist in dict.fromkeys(course.release.specialist for course in courses):
        own = [course for course in courses if course.release.specialist == specialist]
        live: list[Rollout] = []
        for i, course in enumerate(own):
            if course.state != ABORTED and not any(
                later.state == DONE and covers(later.where, course.where) for later in own[i + 1 :]
            ):
                live.append(course.rollout())
        for i in range(len(own) - 1, -1, -1):
            course = own[i]
            where = replace(course.where, devices=course.named)
            if (
                course.state == ABORTED
                and course.before
                and not any(one.share == WHOLE and covers(one.where, where) for one in live)
            ):
                before = course.before
                back = Rollout(f"{course.id}-back", specialist, before.target, before.sha256, where, settled=True)
                live.insert(0, back)  # whatever else chooses a device comes before it
        made.extend(live)
    return tuple(made)


def tally(course: Course, rollouts: Sequence[Rollout], members: Iterable[Member]) -> Tally:
    """Count a stage. rollouts: what all devices read; one that another rollout chooses by now isn't this one's any more."""
    later = [rollout for rollout in rollouts if rollout.specialist == course.release.specialist]
    ids = [rollout.id for rollout in later]
    own = course.rollout()
    later = later[ids.index(course.id) + 1 :] if course.id in ids else []
    before = course.plan.stages[course.stage - 1] if course.stage else Stage()
    smaller = replace(own, share=before.share, where=replace(own.where, devices=course.named[: before.devices or None]))
    expected = new = done = failed = 0
    causes: Counter[str] = Counter()
    waiting: list[str] = []
    for member in members:
        if not own.chooses(member.device, member.tags) or any(one.chooses(member.device, member.tags) for one in later):
            continue
        expected += 1
        new += course.stage == 0 or not smaller.chooses(member.device, member.tags)
        done += member.outcome == "done"
        if member.outcome == "failed":
            failed += 1
            causes[member.cause or "no cause was told"] += 1
        elif not member.outcome and len(waiting) < SHOWN_DEVICES:
            waiting.append(member.name or member.device)
    return Tally(expected, new, done, failed, tuple(causes.most_common()), tuple(waiting))


def begun(
    id_: str,
    release: Release,
    before: Release | None,
    where: Where,
    when: tuple[str, ...],
    plan: Plan,
    members: Sequence[Member],
    now: float,
) -> Course:
    """A rollout in its first stage; raises `TrainerError` where nobody is known who could try the version."""
    course = Course(id_, release, before, where, when, plan, now, since=now)
    if not any(where.matches(one.tags) for one in members):
        raise TrainerError(
            "No known device has these tags, so nobody could try the version; 'enigma fleet list' shows who is known."
        )
    return replace(course, named=canaries(course, plan.stages[0].devices, members))


def stepped(course: Course, rollouts: Sequence[Rollout], members: Sequence[Member], now: float) -> tuple[Course, Tally]:
    """A look at a rollout: where it stands from now on, and what was seen. It goes on by one stage at most."""
    seen = tally(course, rollouts, members)
    course = judged(course, seen, now)
    return (advanced(course, members, now) if ready(course, seen, now) else course), seen


def judged(course: Course, seen: Tally, now: float) -> Course:
    """The course after a look at its stage: the same, paused with the cause, or in its soak; `ready` says when that ends.

    One that is done is still paused where too many of those fail that come late.
    """
    if course.state not in (RUNNING, DONE):
        return course
    fresh = max(0, seen.failed - course.excused)
    if fresh > seen.expected * course.plan.most_failures // WHOLE:
        return replace(course, state=PAUSED, met=None, cause=_failures(course, seen))
    if course.state == DONE:
        return course
    if not _enough(course, seen):
        return course if course.met is None else replace(course, met=None)
    if (
        course.met is None or course.met > now
    ):  # a clock that went back must not shorten a soak, or stretch it for years
        return replace(course, met=now)
    return course


def ready(course: Course, seen: Tally, now: float) -> bool:
    """Whether the stage is over: enough devices run the version, for as long as the plan wants.

    A stage that chooses nobody but those of the stage before (5 % of three devices) shows nothing new: it isn't waited for.
    """
    if course.state != RUNNING or course.met is None or not _enough(course, seen):
        return False
    return not seen.new or now - course.met >= course.plan.soak


def advanced(course: Course, members: Sequence[Member], now: float) -> Course:
    """The course in its next stage, or done after the last."""
    if course.stage == len(course.plan.stages) - 1:
        return replace(course, state=DONE, since=now, cause="")
    stage = course.stage + 1
    return replace(
        course, stage=stage, since=now, met=None, named=canaries(course, course.plan.stages[stage].devices, members)
    )


def resumed(course: Course, seen: Tally, members: Sequence[Member], now: float) -> Course:
    """The course after somebody looked at its failures and lets it go on: they don't count again.

    A stage that counts devices gets others in place of those that failed.
    """
    devices = course.plan.stages[course.stage].devices
    named = canaries(course, devices + seen.failed, members) if devices else course.named
    return replace(course, state=RUNNING, since=now, met=None, excused=seen.failed, named=named, cause="")


def canaries(course: Course, count: int, members: Iterable[Member]) -> tuple[str, ...]:
    """The devices of a stage that counts devices: those named already, then such as are there, in the rollout's order.

    By the same order shares choose, so the first ones are among those of any share.
    """
    named = [*course.named]
    if count > len(named):
        matching = [one for one in members if course.where.matches(one.tags) and one.device not in named and one.device]
        matching.sort(key=lambda one: (not one.present, place(course.id, one.device), one.device))
        named += [one.device for one in matching[: min(count, MOST_DEVICES) - len(named)]]
    return tuple(named)


def parse_stages(text: str) -> tuple[Stage, ...]:
    """`1,5%,25%,100%`; raises `TrainerError`."""
    return tuple(_stages(text))


def parse_share(text: str) -> int:
    """`2%` or `0.5%` in 1/10,000; raises `TrainerError`."""
    found = _STAGE.fullmatch(text.strip())
    if found is None or found[2] is None or float(found[2]) > 100:
        raise TrainerError(f"'{text[:20]}' isn't a share; write it as in 2% or 0.5%.")
    return round(float(found[2]) * 100)


def parse_time(text: str) -> float:
    """`90s`, `30m`, `1h` or `2d` in seconds; raises `TrainerError`."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise TrainerError(f"'{text[:20]}' isn't a time; write it as in 90s, 30m, 1h or 2d.")
    return float(int(found[1]) * _SECONDS[found[2]])


def percent(share: int) -> str:
    """A share in 1/10,000 for a person."""
    return f"{share / 100:g}%"


def _stages(text: str) -> Iterator[Stage]:
    for part in text.split(",")[: MOST_STAGES + 1]:
        found = _STAGE.fullmatch(part.strip())
        if found is None:
            raise TrainerError(
                f"'{part[:20]}' isn't a stage; write numbers of devices, then shares, as in 1,5%,25%,100%."
            )
        if found[1] is not None:
            if int(found[1]) > MOST_DEVICES:
                raise TrainerError(f"A stage can name at most {MOST_DEVICES} devices; give a share instead.")
            yield Stage(devices=int(found[1]))
        else:
            yield Stage(share=parse_share(part))


def covers(whole: Where, part: Where) -> bool:
    """Whether a query chooses, at 100 %, all that another chooses, as far as one can tell without knowing the devices."""
    bare = replace(whole, devices=())
    return bare in (Where(), replace(part, devices=()))


def _enough(course: Course, seen: Tally) -> bool:
    wanted = seen.expected - course.excused
    return seen.done >= max(1, math.ceil(wanted * course.plan.least_done / WHOLE))  # nothing goes on without evidence


def _failures(course: Course, seen: Tally) -> str:
    what = ", ".join(f"{count} x {cause}" if count > 1 else cause for cause, count in seen.causes[:SHOWN_DEVICES])
    return f"{seen.failed} of {seen.expected} devices failed: {what}"
