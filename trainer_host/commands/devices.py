"""`enigma push`, `enigma ask`, `enigma devices`: what concerns paired devices."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, finite, group, workspace_of
from trainer_host.errors import NotThere, TrainerError
from trainer_host.presentation import Presenter, presenter_for

if TYPE_CHECKING:
    from trainer_host.release.devices import Device

AUTO = "auto"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma push`, `ask` and `devices`."""
    made = command(commands, "push", push, "Deliver a bundle to a paired device.")
    made.add_argument("bundle", metavar="BUNDLE", help="a .enigma file, or a specialist's name for its newest one")
    made.add_argument("--device", metavar="NAME", help="default: the only one that is paired")
    made = command(commands, "ask", ask, "Ask a specialist on a device; without a text, a prompt.")
    made.add_argument(
        "specialist", metavar="SPECIALIST", help="its name on the device; 'auto' lets its router pick one"
    )
    made.add_argument("text", nargs="*", metavar="TEXT", help="what to ask")
    made.add_argument("--device", metavar="NAME", help="default: the only one that is paired")
    made.add_argument("--task", metavar="TASK", help="of a specialist with several tasks, the one that is meant")
    made.add_argument("--area", metavar="ID", help="robot: the room that the speaker is in")
    made.add_argument("--inventory", type=Path, metavar="FILE", help="robot: the home (default: the sample home)")
    made.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="vision, or next frames of video_gen: the picture that is asked about; of those an animated PNG or a folder, too",
    )
    made.add_argument(
        "--out", type=Path, metavar="FILE", help="where the answer's file goes (default: SPECIALIST-1...)"
    )
    made.add_argument("--steps", action="store_true", help="math: say how the answer came about")
    made.add_argument("--json", action="store_true", help="print the device's whole answer")
    actions = group(commands, "devices", "List, pair and forget devices.", "Paired devices.")
    command(actions, "list", devices_list, "List the paired devices.")
    made = command(actions, "find", devices_find, "Look for devices on this network, paired or not.")
    made.add_argument("--seconds", type=finite, default=3.0, metavar="N", help="how long (default: %(default)s)")
    made = command(actions, "pair", devices_pair, "Pair with a device, which then takes this host's bundles.")
    made.add_argument(
        "url", metavar="URL", help="as printed by 'enigma-edge run', or all that 'enigma-edge pair --qr' printed"
    )
    made.add_argument(
        "code", nargs="?", default="", metavar="CODE", help="as printed by 'enigma-edge pair' on the device"
    )
    made.add_argument("--name", metavar="NAME", help="what to call it here (default: device- and its id)")
    made = command(actions, "follow", devices_follow, "Let a device follow an update repository, which it then trusts.")
    made.add_argument("name", nargs="?", metavar="NAME", help="what it is called here (default: the only one)")
    made.add_argument(
        "--updates", action="append", required=True, metavar="URL", help="where the repository is; may be repeated"
    )
    made.add_argument("--root", type=Path, metavar="FILE", help="its root metadata (default: this host's repository's)")
    made.add_argument(
        "--no-direct-push", action="store_true", help="from then on the device takes bundles from there alone"
    )
    made = command(actions, "forget", devices_forget, "Remove a device from this host.")
    made.add_argument("name", metavar="NAME", help="what it is called here")
    command(actions, "key", devices_key, "Show the public half of the key that signs this host's bundles.")


def push(args: argparse.Namespace) -> None:
    """Deliver a bundle."""
    from trainer_host.release import devices
    from trainer_host.release.bundle import find_bundle

    workspace, show = workspace_of(args), presenter_for()
    path = find_bundle(workspace, args.bundle)
    device = devices.device_named(workspace, args.device)
    with show.working("delivering") as step:
        answer = devices.push(device, path, lambda sent, total: step(sent / max(1, total), f"{sent / 1e6:.1f} MB"))
    what = "serves now" if answer.get("changed") else "served already"
    show.say(
        f"{answer.get('specialist')} {answer.get('version')} {what} on '{device.name}' in {answer.get('runtime')}."
    )
    show.say(f'Next: enigma ask {answer.get("specialist")} "..."')


def ask(args: argparse.Namespace) -> None:
    """One answer, or a prompt."""
    from trainer_host import asking
    from trainer_host.data.labelled import read_inventory
    from trainer_host.quickstart import converse
    from trainer_host.release import devices

    workspace, show = workspace_of(args), presenter_for()
    device = devices.device_named(workspace, args.device)
    served = {str(model.get("name")): str(model.get("task")) for model in devices.models(device)}
    if args.specialist == AUTO and AUTO not in served:
        _ask_any(args, device, show)
        return
    if args.specialist not in served:
        raise NotThere(f"'{device.name}' has no specialist '{args.specialist}'; it has {', '.join(served) or 'none'}.")
    task = served[args.specialist]
    if not args.text and args.file is None:
        if not sys.stdin.isatty():
            raise TrainerError(f'Say what to ask, as in: enigma ask {args.specialist} "...".')
        converse(workspace, args.specialist, task, show, device.name)
        return
    inventory = read_inventory(args.inventory) if args.inventory else None
    request = asking.make_request(task, " ".join(args.text), args.area, inventory, args.task, args.file)
    if args.steps:
        request["steps"] = True
    [answer] = devices.ask(device, args.specialist, [request])
    said = asking.describe(task, answer)
    files = asking.save_files(answer, args.specialist, args.out)
    if args.json:
        show.say(json.dumps(answer, indent=1, ensure_ascii=False))
        return
    show.say("\n".join([said, *(f"  wrote {path}" for path in files), f"  {asking.sureness(answer)}"]))


def _ask_any(args: argparse.Namespace, device: Device, show: Presenter) -> None:
    """One answer of whom the device's router picks."""
    from trainer_host import asking
    from trainer_host.data.labelled import read_inventory
    from trainer_host.evaluation import sample_home
    from trainer_host.release import devices

    if not args.text:
        raise TrainerError('Say what to ask, as in: enigma ask auto "...".')
    inventory = read_inventory(args.inventory) if args.inventory else sample_home()
    request: dict[str, object] = {"text": " ".join(args.text), "inventory": inventory}
    if args.area is not None:
        request["context"] = {"area": args.area}
    if args.file is not None:
        request["image"] = asking.read_picture(args.file)
    found = devices.ask_any(device, request)
    answer = found.get("answer")
    if not isinstance(answer, dict):
        show.say(f"This sounds like {found.get('task')}, and nobody here answers that for sure.")
        return
    said = asking.describe(str(found.get("task")), answer)
    files = asking.save_files(answer, str(found.get("specialist")), args.out)
    if args.json:
        show.say(json.dumps(found, indent=1, ensure_ascii=False))
        return
    who = f"  {found.get('specialist')} ({found.get('task')}), {asking.sureness({**answer, 'ms': found.get('ms')})}"
    show.say("\n".join([said, *(f"  wrote {path}" for path in files), who]))


def devices_list(args: argparse.Namespace) -> None:
    """The paired devices."""
    from trainer_host.release import devices

    workspace, show = workspace_of(args), presenter_for()
    found = devices.known_devices(workspace)
    if not found:
        show.say("No device is paired; run 'enigma-edge pair' on one, then 'enigma devices pair URL CODE'.")
        return
    show.table(["name", "address", "id"], [[device.name, device.url, device.id] for device in found])


def devices_find(args: argparse.Namespace) -> None:
    """Devices that announce themselves."""
    import asyncio

    from edge_runtime.discovery import find
    from trainer_host.release import devices

    if not 0 < args.seconds <= 60:
        raise TrainerError("--seconds must be above 0 and at most 60.")
    workspace, show = workspace_of(args), presenter_for()
    with show.working("looking") as _:
        found = asyncio.run(find(args.seconds))
    if not found:
        show.say(
            "No device answered; a device announces itself where it listens to the network and has enigma[discovery]. "
            "You can pair by its address too."
        )
        return
    names = {device.id: device.name for device in devices.known_devices(workspace)}
    rows = [[one.name, one.url, one.id, one.version, names.get(one.id, "")] for one in found]
    show.table(["name", "address", "id", "version", "paired as"], rows)


def devices_pair(args: argparse.Namespace) -> None:
    """Pair with a device."""
    from trainer_host.release import devices
    from trainer_host.release.keys import signing_key

    workspace = workspace_of(args)
    made = devices.pair(workspace, args.url, args.code, args.name, signing_key(workspace))
    presenter_for().say(f"Paired with '{made.name}' ({made.id}); it takes this host's bundles from now on.")


def devices_follow(args: argparse.Namespace) -> None:
    """Hand root metadata and addresses to a device."""
    from trainer_host.release import devices
    from trainer_host.release.repository import Repository

    workspace = workspace_of(args)
    device = devices.device_named(workspace, args.name)
    if args.root is None:
        repository = Repository.of(workspace)
        root = repository.public / "metadata" / f"{repository.state().root.content.version}.root.json"
    else:
        root = args.root
    devices.follow(device, root, args.updates, not args.no_direct_push)
    alone = ", and takes bundles from there alone" if args.no_direct_push else ""
    presenter_for().say(f"'{device.name}' follows {', '.join(args.updates)} from now on{alone}.")


def devices_forget(args: argparse.Namespace) -> None:
    """Forget a device."""
    from trainer_host.release import devices

    gone = devices.forget(workspace_of(args), args.name)
    presenter_for().say(
        f"'{gone.name}' is forgotten here; to end its trust, run 'enigma-edge paired' and 'enigma-edge trust' on it."
    )


def devices_key(args: argparse.Namespace) -> None:
    """The public key."""
    from trainer_host.release.keys import signing_key

    presenter_for().say(signing_key(workspace_of(args)).public.hex())
