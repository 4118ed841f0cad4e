"""`enigma fleet refresh`, `check` and `listen`: hear how devices are, over the network directly or over an MQTT broker."""

from __future__ import annotations

import argparse
import signal
import time
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.commands.rollout import add_database
from trainer_host.errors import NotThere, TrainerError
from trainer_host.presentation import Presenter, presenter_for

if TYPE_CHECKING:
    from edge_runtime.presence.broker import Broker
    from trainer_host.fleet.lan import Answer
    from trainer_host.fleet.listen import Heard, Listener
    from trainer_host.fleet.store import Store
    from trainer_host.release.devices import Device
    from trainer_host.workspace import Workspace

_TOLD_SECONDS = 10.0  # between two lines about what was heard


def add(actions: Commands[argparse.ArgumentParser]) -> None:
    """The actions of `enigma fleet` that speak to devices."""
    made = command(actions, "refresh", refresh, "Ask paired devices over the network how they are.")
    made.add_argument("devices", nargs="*", metavar="DEVICE", help="what they are called here (default: all)")
    add_database(made)
    made = command(actions, "check", check, "Let devices look for updates now, as they do by themselves.")
    made.add_argument("devices", nargs="*", metavar="DEVICE", help="names or ids (default: all)")
    _add_broker(made, "ask over this broker, where devices aren't on this network")
    add_database(made)
    made = command(actions, "listen", listen, "Hear over an MQTT broker how devices are, until stopped.")
    _add_broker(made, "the broker that the devices are on", required=True)
    made.add_argument(
        "--strangers",
        action="store_true",
        help="take devices too that aren't known here: whoever may publish on the broker can then add some",
    )
    add_database(made)


def refresh(args: argparse.Namespace) -> None:
    """Ask, and keep what they tell."""
    workspace, show = workspace_of(args), presenter_for()
    with _opened(args, workspace) as store:
        _tell(show, _over_lan(workspace, store, args.devices, check=False), "told how they are")


def check(args: argparse.Namespace) -> None:
    """Let them look for updates."""
    import asyncio

    workspace, show = workspace_of(args), presenter_for()
    with _opened(args, workspace) as store:
        if args.mqtt is None:
            _tell(show, _over_lan(workspace, store, args.devices, check=True), "looked for updates")
            return
        from edge_runtime.presence.messages import Command
        from trainer_host.fleet.listen import ask
        from trainer_host.release.devices import known_devices

        paired = {device.name: device.id for device in known_devices(workspace)}
        with store.reading() as session:
            if args.devices:
                chosen = [paired.get(name) or session.device(name).id for name in args.devices]
            else:
                chosen = sorted({*paired.values(), *(device.id for device in session.devices())})
    if not chosen:
        raise NotThere("No device is known; pair one with 'enigma devices pair URL CODE', or name one by its id.")
    asyncio.run(ask(_broker(args), args.topic, chosen, Command.CHECK))
    show.say(f"Asked {len(chosen)} over the broker; those that are on it look for updates now.")


def listen(args: argparse.Namespace) -> None:
    """Listen until SIGINT or SIGTERM."""
    import asyncio

    from trainer_host.fleet.listen import Listener, keys_of
    from trainer_host.release.devices import known_devices

    workspace, show, broker = workspace_of(args), presenter_for(), _broker(args)
    said = time.monotonic()

    def told(heard: Heard) -> None:
        nonlocal said
        if time.monotonic() - said >= _TOLD_SECONDS:
            said = time.monotonic()
            show.say(_heard(heard))

    with _opened(args, workspace) as store:
        listener = Listener(store, args.topic, lambda: keys_of(known_devices(workspace)), args.strangers, told)
        asyncio.run(_listen(listener, broker, show))
    show.say(_heard(listener.heard))


async def _listen(listener: Listener, broker: Broker, show: Presenter) -> None:
    import asyncio

    async def greet() -> None:
        await listener.listening.wait()
        show.say(f"Listening on {broker}; Ctrl-C stops.")

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    hearing = asyncio.create_task(listener.run(broker, ""))
    others = [asyncio.create_task(greet()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait([hearing, others[1]], return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            hearing.result()  # raises why
    finally:
        for task in (hearing, *others):
            task.cancel()
        await asyncio.gather(hearing, *others, return_exceptions=True)


def _over_lan(workspace: Workspace, store: Store, names: list[str], check: bool) -> list[Answer]:
    from trainer_host.fleet import lan
    from trainer_host.release.devices import known_devices

    paired: dict[str, Device] = {device.name: device for device in known_devices(workspace)}
    if not paired:
        raise NotThere("No device is paired; pair one with 'enigma devices pair URL CODE'.")
    if unknown := [name for name in names if name not in paired]:
        raise NotThere(f"There is no paired device '{unknown[0][:80]}'; the paired ones: {', '.join(paired)}.")
    return lan.refresh(workspace, [paired[name] for name in names or paired], store, check)


def _tell(show: Presenter, answers: list[Answer], what: str) -> None:
    for answer in answers:
        if answer.report is None:
            show.warn(f"{answer.device.name}: {answer.why}")
    well = sum(answer.report is not None for answer in answers)
    show.say(f"{well} of {len(answers)} {what}; 'enigma fleet list --no-look' shows them.")
    if not well:
        raise TrainerError("None of them did; see above why.")


def _heard(heard: Heard) -> str:
    return f"{heard.reports} reports, {heard.gone} times a device went, {heard.refused} messages refused."


def _add_broker(made: argparse.ArgumentParser, text: str, required: bool = False) -> None:
    made.add_argument("--mqtt", metavar="URL", required=required, help=f"{text}, as in mqtts://broker.example:8883")
    made.add_argument("--user", default="", metavar="NAME", help="who this host is to the broker")
    made.add_argument("--password-file", default="", metavar="FILE", help="a file that holds the password alone")
    made.add_argument(
        "--ca", default="", metavar="FILE", help="what its certificate is checked by (default: the system's)"
    )
    made.add_argument("--topic", default="enigma", metavar="PREFIX", help="what topics begin with (default: enigma)")


def _broker(args: argparse.Namespace) -> Broker:
    from edge_runtime.presence import broker as brokers

    brokers.require()
    found = brokers.broker_of(args.mqtt, args.user, brokers.read_password(args.password_file), args.ca)
    brokers.context_of(found)  # read now, to be told of a mistake before anything else
    return found


def _opened(args: argparse.Namespace, workspace: Workspace) -> Store:
    from trainer_host.fleet.database import open_store

    return open_store(workspace, args.database)
