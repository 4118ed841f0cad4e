"""`enigma fleet`: the devices that this host knows, what happened, and whom to tell of it."""

from __future__ import annotations

import argparse
import json
from collections import deque
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands import fleet_presence
from trainer_host.commands.audit import add_log_options, plain_check, tell_check
from trainer_host.commands.options import Commands, command, group, workspace_of
from trainer_host.commands.rollout import add_database, words
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from trainer_host.fleet.audit import Line
    from trainer_host.fleet.records import Device
    from trainer_host.fleet.store import Store
    from trainer_host.workspace import Workspace

Json = dict[str, object]
_MAX_SECRET = 200  # characters; 64 bytes in base64 have 88


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma fleet` and its actions."""
    actions = group(
        commands,
        "fleet",
        "See the devices of rollouts, tag and forget them; the log and webhooks.",
        "Shows the devices that told how they are, what happened, and whom to tell of it.",
    )
    made = command(actions, "list", show_all, "List devices: tags, whether they are there, what they run.")
    made.add_argument("--where", default="", metavar="TAG,...", help="only devices that have all these tags")
    made.add_argument("--no-look", action="store_true", help="don't ask the paired devices first")
    made.add_argument("--json", action="store_true", help="print JSON")
    add_database(made)
    made = command(actions, "show", show_one, "Show all that a device told.")
    made.add_argument("device", metavar="DEVICE", help="its name or id")
    made.add_argument("--json", action="store_true", help="print JSON")
    add_database(made)
    made = command(actions, "tag", tag, "Tag a device from here, beside the tags in its own configuration.")
    made.add_argument("device", metavar="DEVICE", help="its name or id")
    made.add_argument("add", nargs="*", metavar="TAG", help="to give it")
    made.add_argument("--remove", action="append", default=[], metavar="TAG", help="to take from it; repeat it")
    add_database(made)
    made = command(actions, "forget", forget, "Forget a device; it is known again once it tells how it is.")
    made.add_argument("device", metavar="DEVICE", help="its name or id")
    add_database(made)
    fleet_presence.add(actions)
    made = command(actions, "audit", audit, "List what happened, and verify that the log wasn't changed.")
    add_log_options(made, "events")
    made.add_argument("--rollout", metavar="ID", help="only what is about this rollout")
    add_database(made)
    hooks = group(actions, "webhooks", "Tell other programs what happens, signed.", "Webhooks, see docs/rollouts.md.")
    made = command(hooks, "add", webhooks_add, "Tell an address of what happens from now on; prints the secret once.")
    made.add_argument("url", metavar="URL", help="https, or http on this machine and private networks")
    made.add_argument(
        "--events", default="", metavar="KIND,...", help="only these, as rollout. or device.failed (default: all)"
    )
    made.add_argument(
        "--secret-file", type=Path, metavar="FILE", help="a secret of your own, whsec_... (default: a new one)"
    )
    add_database(made)
    made = command(hooks, "list", webhooks_list, "List webhooks, and how their deliveries went.")
    made = command(hooks, "remove", webhooks_remove, "Forget a webhook.")
    made.add_argument("id", metavar="ID", help="as listed")


def show_all(args: argparse.Namespace) -> None:
    """The devices."""
    from edge_runtime.update.desired import Where
    from trainer_host.fleet import lan
    from trainer_host.release.devices import known_devices

    workspace, show = workspace_of(args), presenter_for()
    with _opened(args, workspace) as store:
        paired = [] if args.no_look else known_devices(workspace)
        if paired:
            for answer in lan.refresh(workspace, paired, store):
                if answer.report is None and not args.json:
                    show.warn(f"{answer.device.name}: {answer.why}")
        with store.reading() as session:
            found = session.devices(Where(all=words(args.where)))
            runs = {device.id: session.told(device.id) for device in found}
        if args.json:
            plain = [{**asdict(device), "specialists": [asdict(told) for told in runs[device.id]]} for device in found]
            show.say(json.dumps(plain, indent=1, ensure_ascii=False))
        elif not found:
            show.say(
                "No known device has these tags."
                if args.where
                else "No device has told how it is; pair one with 'enigma devices pair URL CODE', and list again."
            )
        else:
            rows = [
                [
                    device.name,
                    device.id,
                    _tags(device),
                    _there(device),
                    "\n".join(
                        f"{told.about} {told.version or '-'} ({told.state.replace('_', ' ')})"
                        for told in runs[device.id]
                    ),
                    "\n".join(
                        [device.cause] * bool(device.cause)
                        + [f"{told.about}: {told.cause}" for told in runs[device.id] if told.cause]
                    ),
                ]
                for device in found
            ]
            show.table(["name", "id", "tags", "there", "runs", "cause"], rows)


def show_one(args: argparse.Namespace) -> None:
    """One device."""
    workspace, show = workspace_of(args), presenter_for()
    with _opened(args, workspace) as store, store.reading() as session:
        device = session.device(args.device)
        told = session.told(device.id)
    if args.json:
        show.say(
            json.dumps({**asdict(device), "specialists": [asdict(one) for one in told]}, indent=1, ensure_ascii=False)
        )
        return
    memory = "" if device.memory_mb is None else f", {device.memory_mb:.0f} MB"
    show.say(f"{device.name} ({device.id}), Enigma {device.runtime or 'of an unknown version'}{memory}")
    show.say(
        f"{_there(device)}, told by {device.via}; its updater: {device.agent}{': ' + device.cause if device.cause else ''}"
    )
    show.say(f"Tags: {_tags(device) or 'none'}")
    if told:
        rows = [
            [
                one.about,
                one.version,
                one.state.replace("_", " "),
                "" if one.golden is None else f"{one.golden:.1%}",
                "" if one.p95_ms is None else f"{one.p95_ms:.1f}",
                "" if one.memory_mb is None else f"{one.memory_mb:.1f}",
                _time(one.since),
                one.cause,
            ]
            for one in told
        ]
        show.table(["specialist", "version", "state", "golden", "p95 ms", "memory MB", "since", "cause"], rows)


def tag(args: argparse.Namespace) -> None:
    """Give tags, or take them."""
    from trainer_host.fleet.tags import give

    if not args.add and not args.remove:
        raise TrainerError("Say which tags to give, or to take with --remove.")
    workspace, show = workspace_of(args), presenter_for()
    with _opened(args, workspace) as store:
        device = give(store, args.device, args.add, args.remove)
        _settled(workspace, store)
        show.say(f"{device.name}: {', '.join(dict.fromkeys((*device.tags, *device.given))) or 'no tags'}.")


def forget(args: argparse.Namespace) -> None:
    """Forget."""
    import time

    workspace, show = workspace_of(args), presenter_for()
    with _opened(args, workspace) as store:
        with store.changing() as session:
            device = session.device(args.device)
            session.forget(device.id, time.time())
        _settled(workspace, store)
        show.say(f"{device.name} is forgotten; where it is paired, 'enigma devices forget' ends that.")


def audit(args: argparse.Namespace) -> None:
    """List and verify the log; raises `LogChanged`."""
    from trainer_host.fleet.audit import audit_path, follow, lines
    from trainer_host.teacher.audit_check import verify

    workspace, show = workspace_of(args), presenter_for()
    with _opened(args, workspace) as store:
        follow(workspace, store)
    path = audit_path(workspace)
    last: deque[Line] = deque(maxlen=args.last)
    last.extend(line for line in lines(path) if args.rollout in (None, line.event.detail.get("rollout")))
    checked = verify(path, args.known) if args.verify or args.known else None
    if args.json:
        found: Json = {"events": [{"line": line.number, "time": line.time, **asdict(line.event)} for line in last]}
        show.say(json.dumps(found | (plain_check(checked) if checked else {}), indent=1, ensure_ascii=False))
    elif last:
        rows = [
            [str(line.number), line.time[:19].replace("T", " "), line.event.kind, line.event.by, _detail(line)]
            for line in last
        ]
        show.table(["#", "time (UTC)", "what", "by", "about"], rows)
    else:
        show.say("Nothing is logged" + (" about it." if args.rollout else " yet."))
    if checked is not None:
        tell_check(checked, None if args.json else show, "events")


def webhooks_add(args: argparse.Namespace) -> None:
    """Add a receiver."""
    from trainer_host.fleet import webhooks
    from trainer_host.fleet.database import folder_of

    secret = ""
    if args.secret_file is not None:
        with args.secret_file.open("rb") as opened:
            secret = opened.read(_MAX_SECRET).decode("ascii", "replace").strip()
    workspace, show = workspace_of(args), presenter_for()
    with _opened(args, workspace) as store:
        made = webhooks.add(folder_of(workspace), store, args.url, words(args.events), secret)
    show.say(f"{made.id} tells {made.url}; 'enigma rollout watch' and 'enigma serve' deliver.")
    if not secret:
        show.say(f"Its secret, for the receiver (Standard Webhooks): {made.secret}")


def webhooks_list(args: argparse.Namespace) -> None:
    """The receivers."""
    from trainer_host.fleet import webhooks
    from trainer_host.fleet.database import folder_of

    show = presenter_for()
    found = webhooks.known(folder_of(workspace_of(args)))
    if not found:
        show.say("There is no webhook; 'enigma fleet webhooks add URL' makes one.")
        return
    rows = [
        [
            hook.id,
            hook.url,
            ", ".join(hook.kinds) or "all",
            str(hook.lost),
            "off: it wants no more" if hook.off else f"{hook.cause}; try {hook.tries + 1} is due" if hook.cause else "",
        ]
        for hook in found
    ]
    show.table(["id", "address", "events", "lost", "trouble"], rows)


def webhooks_remove(args: argparse.Namespace) -> None:
    """Forget a receiver."""
    from trainer_host.fleet import webhooks
    from trainer_host.fleet.database import folder_of

    gone = webhooks.remove(folder_of(workspace_of(args)), args.id)
    presenter_for().say(f"{gone.url} is told nothing more.")


def _opened(args: argparse.Namespace, workspace: Workspace) -> Store:
    from trainer_host.fleet.database import open_store

    return open_store(workspace, args.database)


def _settled(workspace: Workspace, store: Store) -> None:
    from trainer_host.fleet.tags import settle
    from trainer_host.release.repository import Repository

    settle(workspace, store, lambda: Repository.of(workspace))


def _tags(device: Device) -> str:
    return ", ".join((*device.tags, *(f"{tag} (given)" for tag in device.given if tag not in device.tags)))


def _there(device: Device) -> str:
    return f"there, {_time(device.seen)}" if device.present else f"away since {_time(device.seen)}"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M}" if at else ""


def _detail(line: Line) -> str:
    shown = {key: value for key, value in line.event.detail.items() if value not in (None, "", [])}
    text = ", ".join(
        f"{key} {' '.join(map(str, value)) if isinstance(value, list) else value}" for key, value in shown.items()
    )
    return "".join(char if char.isprintable() else " " for char in text)[:200]
