"""`enigma rollout`: give a published version to more and more devices, and stop by itself where it fails."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, group, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from edge_runtime.update.desired import Where
    from trainer_host.fleet.rollouts import Course
    from trainer_host.fleet.service import Fleet, Look
    from trainer_host.fleet.store import Store
    from trainer_host.presentation import Presenter
    from trainer_host.workspace import Workspace

Json = dict[str, object]
MOST_SHOWN = 50  # devices in a table; --json has all


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma rollout` and its actions."""
    actions = group(
        commands,
        "rollout",
        "Give a published version to devices, stage by stage.",
        "Gives a published version to more and more devices, and pauses by itself where too many fail.",
    )
    made = command(
        actions, "start", start, "Begin a rollout; 'enigma rollout watch' or 'enigma serve' takes it further."
    )
    made.add_argument("specialist", metavar="SPECIALIST", help="as published with 'enigma release publish'")
    made.add_argument("--release", required=True, metavar="VERSION", help="the version to give")
    made.add_argument("--where", default="", metavar="TAG,...", help="devices that have all these tags (default: all)")
    made.add_argument("--any", default="", metavar="TAG,...", help="and at least one of these")
    made.add_argument("--not", default="", metavar="TAG,...", dest="without", help="and none of these")
    made.add_argument(
        "--stages",
        default="1,5%,25%,100%",
        metavar="S,...",
        help="numbers of devices, then shares (default: 1,5%%,25%%,100%%)",
    )
    made.add_argument("--soak", default="1h", metavar="TIME", help="how long each stage is watched (default: 1h)")
    made.add_argument(
        "--most-failures", default="2%", metavar="SHARE", help="more of a stage's devices pause it (default: 2%%)"
    )
    made.add_argument(
        "--least-done",
        default="90%",
        metavar="SHARE",
        help="so many must run it before the soak begins (default: 90%%)",
    )
    made.add_argument(
        "--when", default="", metavar="COND,...", help="when a device may switch: idle, docked, charging, 22:00-06:00"
    )
    add_database(made)
    made = command(actions, "status", status, "Show how rollouts stand, or one of them by stages and devices.")
    made.add_argument("rollout", nargs="?", metavar="ID", help="as listed (default: list all)")
    made.add_argument("--json", action="store_true", help="print JSON, with all devices")
    add_database(made)
    made = command(actions, "pause", pause, "Let no further device switch; those that did keep the version.")
    made.add_argument("rollout", metavar="ID", help="as listed by 'enigma rollout status'")
    made.add_argument("--cause", default="", metavar="TEXT", help="why, for those who look later")
    add_database(made)
    made = command(actions, "resume", resume, "Go on with a paused rollout; its failures until now don't count again.")
    made.add_argument("rollout", metavar="ID", help="as listed")
    add_database(made)
    made = command(actions, "abort", abort, "Take a rollout back: its devices return to the version before.")
    made.add_argument("rollout", metavar="ID", help="as listed")
    add_database(made)
    made = command(actions, "watch", watch, "Ask devices and take rollouts further until all are done or paused.")
    made.add_argument("rollout", nargs="?", metavar="ID", help="end once this one is (default: all)")
    made.add_argument("--every", default="10s", metavar="TIME", help="how often to look (default: 10s)")
    made.add_argument("--forever", action="store_true", help="until Ctrl-C")
    add_database(made)
    made = command(actions, "adopt", adopt, "Take over rollouts that the repository holds and the database lost.")
    add_database(made)


def add_database(parser: argparse.ArgumentParser) -> None:
    """`--database`."""
    parser.add_argument(
        "--database",
        metavar="URL",
        help="a PostgreSQL server, postgresql://USER:PASSWORD@HOST/NAME (default: ENIGMA_FLEET_DATABASE, else a file in "
        "the home folder)",
    )


def start(args: argparse.Namespace) -> None:
    """Begin."""
    from edge_runtime.update.desired import Where
    from trainer_host.fleet import rollouts

    plan = rollouts.Plan(
        rollouts.parse_stages(args.stages),
        rollouts.parse_time(args.soak),
        rollouts.parse_share(args.most_failures),
        rollouts.parse_share(args.least_done),
    )
    where = Where(all=words(args.where), any=words(args.any), none=words(args.without))
    with _opened(args) as (fleet, store, workspace, show):
        course = fleet.start(args.specialist, args.release, where, plan, words(args.when))
        look = fleet.look(course.id)
        _told(workspace, store)
        show.say(f"{course.id}: {args.specialist} {args.release} to {describe(where)}, {_reach(course)} first.")
        show.say(
            f"It goes back to {course.before.version} where it is aborted."
            if course.before
            else "No device is known to run another version that is published, so there is none to go back to."
        )
        if look.tally.waiting:
            show.say(f"Waiting for {', '.join(look.tally.waiting)}; 'enigma rollout watch' takes it further.")


def status(args: argparse.Namespace) -> None:
    """All rollouts, or one."""
    with _opened(args) as (fleet, store, _, show):
        if args.rollout is not None:
            look = fleet.look(args.rollout)
            show.say(json.dumps(_plain(fleet, look), indent=1, ensure_ascii=False)) if args.json else _show(
                fleet, look, show
            )
            return
        with store.reading() as session:
            courses = session.courses()
        looks = [fleet.look(course.id) for course in courses]
        if args.json:
            show.say(json.dumps([_plain(fleet, look) for look in looks], indent=1, ensure_ascii=False))
        elif not looks:
            show.say("No rollout was ever started; 'enigma rollout start' begins one.")
        else:
            show.table(
                ["id", "specialist", "version", "devices", "state", "stage", "done", "failed", "cause"], map_rows(looks)
            )


def pause(args: argparse.Namespace) -> None:
    """Pause."""
    with _opened(args) as (fleet, store, workspace, show):
        course = fleet.pause(args.rollout, args.cause[:300])
        _told(workspace, store)
        show.say(f"{course.id} is paused; 'enigma rollout resume {course.id}' goes on, 'abort' takes it back.")


def resume(args: argparse.Namespace) -> None:
    """Resume."""
    with _opened(args) as (fleet, store, workspace, show):
        course = fleet.resume(args.rollout)
        _told(workspace, store)
        count = course.excused
        excused = f"; {count} failure{' is' if count == 1 else 's are'} excused" if count else ""
        show.say(f"{course.id} goes on with {_reach(course)}{excused}.")


def abort(args: argparse.Namespace) -> None:
    """Abort."""
    with _opened(args) as (fleet, store, workspace, show):
        course = fleet.abort(args.rollout)
        _told(workspace, store)
        show.say(
            f"{course.id} is aborted; its devices go back to {course.release.specialist} {course.before.version}."
            if course.before
            else f"{course.id} is aborted; no version before it is known, so devices that run it keep it."
        )


def watch(args: argparse.Namespace) -> None:
    """Ask, decide, write, until nothing runs any more."""
    import asyncio

    from trainer_host.fleet import rollouts, watching
    from trainer_host.release.repository import Repository

    every = rollouts.parse_time(args.every)
    if not 1 <= every <= 3600:
        raise TrainerError("--every must be from 1s to 1h.")
    with _opened(args) as (fleet, store, workspace, show):

        def running() -> list[Course]:
            with store.reading() as session:
                mine = [session.course(args.rollout)] if args.rollout else session.courses()
            return [course for course in mine if course.state == rollouts.RUNNING]

        def told(course: Course) -> None:
            if course.met is not None and course.state == rollouts.RUNNING:
                show.say(
                    f"{course.id}: enough of {_reach(course)} run it; watched for {course.plan.soak:.0f} s from now."
                )
            elif course.state == rollouts.RUNNING:
                show.say(f"{course.id}: on to {_reach(course)}.")
            else:
                show.say(
                    f"{course.id} is {course.state}."
                    if not course.cause
                    else f"{course.id} is {course.state}: {course.cause.rstrip('.')}."
                )

        def over() -> bool:
            return not args.forever and not running()

        before = {course.id for course in running()}
        asyncio.run(
            watching.watch(workspace, store, fleet, Repository.of(workspace), every, told, over, warn=show.warn)
        )
        if not before:
            show.say("No rollout runs; 'enigma rollout status' shows how they ended.")


def adopt(args: argparse.Namespace) -> None:
    """Take over."""
    with _opened(args) as (fleet, store, workspace, show):
        made = fleet.adopt()
        _told(workspace, store)
        show.say(
            f"Taken over: {', '.join(course.id for course in made)}." if made else "There is nothing to take over."
        )


def words(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def describe(where: Where) -> str:
    """A query for a person."""
    said = ["devices with " + " and ".join(where.all) if where.all else "all devices"]
    if where.any:
        said.append(("that have " if where.all else "with ") + " or ".join(where.any))
    if where.none:
        said.append("without " + " or ".join(where.none))
    return " ".join(said)


def map_rows(looks: list[Look]) -> list[list[str]]:
    """A line for each rollout."""
    return [
        [
            look.course.id,
            look.course.release.specialist,
            look.course.release.version,
            describe(look.course.where),
            look.course.state,
            _reach(look.course),
            f"{look.tally.done} of {look.tally.expected}",
            str(look.tally.failed),
            look.course.cause,
        ]
        for look in looks
    ]


def _show(fleet: Fleet, look: Look, show: Presenter) -> None:
    from trainer_host.fleet.rollouts import percent

    course, plan = look.course, look.course.plan
    back = f"; goes back to {course.before.version}" if course.before else ""
    show.say(f"{course.id}: {course.release.specialist} {course.release.version} to {describe(course.where)}{back}")
    show.say(
        f"{course.state.capitalize()}{': ' + course.cause.removesuffix('.') if course.cause else ''}. More than {percent(plan.most_failures)} "
        f"failures pause it; {percent(plan.least_done)} must run it, then {plan.soak:.0f} s of soak."
    )
    stages = fleet.stages(look)
    rows = []
    for i, (stage, seen) in enumerate(zip(plan.stages, stages, strict=True)):
        now = "ended" if i < course.stage or course.state == "done" else course.state if i == course.stage else ""
        now = "soaking" if now == "running" and course.met is not None else now
        rows.append([str(stage), str(seen.expected), str(seen.done), str(seen.failed), now])
    show.stage("Stages")
    show.table(["stage", "devices", "done", "failed", "state"], rows)
    devices = fleet.devices(look)
    show.stage("Devices")
    if not devices:
        show.say("No device that is known is chosen yet.")
        return
    versions = Counter(one.version or "none" for one in devices)
    show.say("Run now: " + ", ".join(f"{version} on {count}" for version, count in versions.most_common()))
    shown = [
        [
            one.name,
            one.version,
            one.state.replace("_", " "),
            *_figures(one.golden, one.p95_ms, one.memory_mb),
            one.cause,
        ]
        for one in devices
    ]
    show.table(["device", "version", "state", "golden", "p95 ms", "memory MB", "cause"], shown[:MOST_SHOWN])
    if len(shown) > MOST_SHOWN:
        show.say(f"... and {len(shown) - MOST_SHOWN} more; --json prints all.")
    if look.tally.waiting and course.state == "running":
        show.say(f"Waiting for {', '.join(look.tally.waiting)}{' and others' if len(look.tally.waiting) > 2 else ''}.")


def _figures(golden: float | None, p95_ms: float | None, memory_mb: float | None) -> list[str]:
    return [
        "" if golden is None else f"{golden:.1%}",
        "" if p95_ms is None else f"{p95_ms:.1f}",
        "" if memory_mb is None else f"{memory_mb:.1f}",
    ]


def _plain(fleet: Fleet, look: Look) -> Json:
    from dataclasses import asdict

    stages = [
        {"stage": str(stage), **asdict(seen)}
        for stage, seen in zip(look.course.plan.stages, fleet.stages(look), strict=True)
    ]
    return {**asdict(look.course), "stages": stages, "devices": [asdict(one) for one in fleet.devices(look)]}


def _reach(course: Course) -> str:
    return str(course.plan.stages[course.stage])


@contextlib.contextmanager
def _opened(args: argparse.Namespace) -> Iterator[tuple[Fleet, Store, Workspace, Presenter]]:
    from trainer_host.fleet.database import open_store
    from trainer_host.fleet.service import Fleet
    from trainer_host.release.repository import Repository

    workspace = workspace_of(args)
    repository = Repository.of(workspace)
    with open_store(workspace, args.database) as store:
        yield Fleet(store, repository), store, workspace, presenter_for()


def _told(workspace: Workspace, store: Store) -> None:
    from trainer_host.fleet.watching import tell

    tell(workspace, store)
