"""`enigma-edge updates`: follow a repository, see how far it came, look now, take a stick, or follow nothing any more."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edge_runtime.config import config_of
from edge_runtime.errors import EdgeError
from edge_runtime.running import ask_daemon

if TYPE_CHECKING:
    from edge_runtime.update.agent import UpdateAgent
    from edge_runtime.update.journal import Journal

T = TypeVar("T")
Json = dict[str, Any]
APPLY_SECONDS = 1800.0  # for all that a stick brings; what isn't done by then goes on with the next one
_LOOK_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its actions and options."""
    parser.add_argument(
        "action",
        choices=("status", "follow", "check", "history", "apply", "forget"),
        nargs="?",
        default="status",
        help="follow: take what a repository signs; check: ask it now; apply: take a stick, also without a daemon; "
        "history: what happened to releases (default: %(default)s)",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="apply: a folder that 'enigma release export' wrote"
    )
    parser.add_argument(
        "--root", type=Path, metavar="FILE", help="follow: the repository's root metadata, as N.root.json"
    )
    parser.add_argument(
        "--from",
        dest="places",
        action="append",
        default=[],
        metavar="URL|DIR",
        help="follow: where it is; may be repeated",
    )
    parser.add_argument(
        "--no-direct-push", action="store_true", help="follow: take bundles from there alone, not from paired hosts"
    )
    parser.add_argument("--most", type=int, default=20, metavar="N", help="history: lines (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="status, history: as JSON")


def run(args: argparse.Namespace) -> int | None:
    """One action."""
    if (args.folder is not None) != (args.action == "apply"):
        raise EdgeError("'updates apply' needs a folder, and the other actions none.")
    if args.action != "follow" and (args.root or args.places or args.no_direct_push):
        raise EdgeError("--root, --from and --no-direct-push go with 'updates follow'.")
    actions = {
        "status": _status,
        "follow": _follow,
        "check": _check,
        "history": _history,
        "apply": _apply,
        "forget": _forget,
    }
    result: int | None = actions[args.action](args)
    return result


def _follow(args: argparse.Namespace) -> None:
    if args.root is None or not args.places:
        raise EdgeError(
            "Say what to trust and where it is, as in: updates follow --root 1.root.json --from https://..."
        )
    from edge_runtime.update.source import MOST_ROOT_BYTES

    try:
        with args.root.open("rb") as source:
            root = source.read(MOST_ROOT_BYTES + 1)
    except OSError as cause:
        raise EdgeError(f"{args.root} can't be read: {cause.strerror}.") from None
    places = [place if "://" in place else str(Path(place).absolute()) for place in args.places]
    direct = not args.no_direct_push
    if ask_daemon(args.state, lambda client: client.follow_updates(root, places, direct)) is None:
        _alone(args, lambda agent: agent.follow(root, places, direct))
    only = "" if direct else "; bundles are taken from there alone"
    print(f"This device follows {', '.join(places)} from now on{only}.")


def _status(args: argparse.Namespace) -> int:
    report = ask_daemon(args.state, lambda client: client.updates())
    if report is None:
        report = _written_down(args)
    if args.json:
        _print_json(report)
    else:
        _show(report)
    return 1 if report["cause"] else 0


def _check(args: argparse.Namespace) -> int:
    report = ask_daemon(args.state, lambda client: client.check_updates())
    if report is None:
        raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")
    _show(report)
    return 1 if report["cause"] else 0


def _history(args: argparse.Namespace) -> None:
    from edge_runtime.update.journal import MOST_SHOWN
    from edge_runtime.update.source import updates_folder

    if not 1 <= args.most <= MOST_SHOWN:
        raise EdgeError(f"--most must be from 1 to {MOST_SHOWN}.")
    told = ask_daemon(args.state, lambda client: client.update_journal(args.most))
    lines = told["journal"] if told is not None else []
    if told is None and updates_folder(args.state).is_dir():
        lines = _journal(args.state).entries(args.most)
    if args.json:
        _print_json({"journal": lines})
        return
    for line in reversed(lines):
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line["at"]))
        unit = line.get("unit") or {}
        why = unit.get("cause") or line.get("cause")
        cause = f": {why}" if why else ""
        which = " ".join([line.get("specialist", ""), line.get("version", ""), *line.get("places", [])])
        print(f"{at}  {line['hash'][:8]}  {line['what']:9} {which.strip()} {unit.get('state', '')}{cause}".rstrip())


def _apply(args: argparse.Namespace) -> int:
    from edge_runtime.update.machine import State
    from edge_runtime.update.source import source_of

    folder = str(args.folder.absolute())
    if not (args.folder / "metadata").is_dir():
        raise EdgeError(f"There is no repository of updates in {args.folder}; 'enigma release export' writes one.")
    report = ask_daemon(args.state, lambda client: client.apply_updates(folder))
    if report is not None:
        ends = time.monotonic() + APPLY_SECONDS
        while not report["cause"] and _under_way(report) and time.monotonic() < ends:
            time.sleep(_LOOK_SECONDS)
            report = ask_daemon(args.state, lambda client: client.updates())
            if report is None:
                raise EdgeError("The daemon stopped; what it had taken by then, it takes up when it starts again.")
    else:
        if source_of(args.state) is None:
            raise EdgeError("This device follows no repository of updates; see 'enigma-edge updates follow'.")
        cause, hindered = _alone(args, lambda agent: _once(agent, folder))
        report = {**_written_down(args), "cause": cause}
        report["source"]["checked"] = 0.0 if cause else time.time()
        for name, why in hindered.items():
            nothing = {"state": State.IDLE.value, "version": "", "rollout": "", "cause": ""}
            one = report["specialists"].setdefault(name, nothing)
            one["cause"] = one["cause"] or why
    _show(report)
    refused = (State.IDLE.value, State.ROLLED_BACK.value)
    bad = any(one["state"] in refused and one["cause"] for one in report["specialists"].values())
    return 1 if report["cause"] or bad else 0


async def _once(agent: UpdateAgent, folder: str) -> tuple[str, dict[str, str]]:
    """(why nothing new can be taken, specialist -> why it doesn't go on)."""
    await agent.before_start()
    await agent.check([folder])
    await agent.rest(APPLY_SECONDS)
    return agent.cause, dict(agent.hindered)


def _forget(args: argparse.Namespace) -> None:
    from edge_runtime.update.source import forget, updates_folder

    answer = ask_daemon(args.state, lambda client: client.forget_updates())
    gone = answer["forgotten"] if answer is not None else updates_folder(args.state).is_dir() and forget(args.state)
    print("This device follows nothing any more; what serves goes on." if gone else "This device followed nothing.")


def _alone(args: argparse.Namespace, work: Callable[[UpdateAgent], Awaitable[T]]) -> T:
    """Work with an updater over a state folder that no daemon uses, under its lock."""
    import asyncio

    from edge_runtime.identity.files import IdentityFolder
    from edge_runtime.identity.keys import device_key
    from edge_runtime.identity.trust import TrustStore
    from edge_runtime.update.agent import UpdateAgent
    from edge_runtime.update.ground import Alone
    from edge_runtime.update.install import Installer
    from edge_runtime.update.slots import Slots, lock

    handle = lock(args.state)
    if handle is None:
        raise EdgeError("The daemon starts or stops right now; try again in a moment.")
    try:
        config, identity = config_of(args.state, args.config), IdentityFolder(args.state)
        installer = Installer(Slots(args.state), TrustStore(identity), config)
        installer.slots.sweep()

        async def worked() -> T:
            agent = UpdateAgent(args.state, config, installer, Alone(installer), device_key(identity).id)
            try:
                return await work(agent)
            finally:
                await agent.close()

        return asyncio.run(worked())
    finally:
        os.close(handle)


def _written_down(args: argparse.Namespace) -> Json:
    """What the journal says of a device whose daemon doesn't run, as the daemon would report it."""
    from edge_runtime.update.source import source_of, updates_folder

    source = source_of(args.state)
    units = _journal(args.state).units if updates_folder(args.state).is_dir() else {}
    specialists = {
        name: {
            "state": unit.state.value,
            "version": "" if unit.release is None else unit.release.version,
            "rollout": "" if unit.release is None else unit.release.rollout,
            "cause": unit.cause,
        }
        for name, unit in units.items()
    }
    return {
        "specialists": specialists,
        "source": None if source is None else {**source.plain(), "checked": 0.0},
        "cause": "",
        "agent": "off",
    }


def _journal(state: Path) -> Journal:
    from edge_runtime.update.journal import Journal
    from edge_runtime.update.source import updates_folder

    return Journal(updates_folder(state))


def _under_way(report: Json) -> bool:
    """Whether something goes on that needs no condition first."""
    from edge_runtime.update.machine import UNDER_WAY

    return any(
        one["state"] in {state.value for state in UNDER_WAY} and not one["cause"]
        for one in report["specialists"].values()
    )


def _show(report: Json) -> None:
    source = report["source"]
    if source is None:
        print("This device follows no repository of updates; see 'enigma-edge updates follow'.")
    else:
        asked = "no daemon runs" if report["agent"] == "off" else "not asked yet"
        if source["checked"]:
            asked = time.strftime("asked: %Y-%m-%d %H:%M:%S", time.localtime(source["checked"]))
        print(f"follows {', '.join(source['from'])} ({asked})")
        if not source["direct_push"]:
            print("  takes bundles from there alone")
    if report["cause"]:
        print(f"  nothing new is taken: {report['cause']}")
    for name, one in sorted(report["specialists"].items()):
        rollout = f", {one['rollout']}" if one["rollout"] else ""
        cause = f": {one['cause']}" if one["cause"] else ""
        which = f"{name} {one['version']}".rstrip()
        print(f"  {which} ({one['state'].replace('_', ' ')}{rollout}){cause}")


def _print_json(value: Json) -> None:
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))
