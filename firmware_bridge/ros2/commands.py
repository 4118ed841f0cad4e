"""The commands `enigma-bridge ros ...`: look at a graph, read, publish, call, record, replay, and serve a device in it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firmware_bridge.errors import NoAnswer, RosError
from firmware_bridge.ros2.options import ways

if TYPE_CHECKING:
    from firmware_bridge.ros2.graph import RosGraph
    from firmware_bridge.ros2.names import Qos

Say = Callable[[str], None]
_QUALITIES = ("default", "sensors", "latched")
_KNOWN = 0.2  # seconds until readers of sensors' quality, to whom nothing is sent again, know of us as well
_RELEASES = ("humble", "iron", "jazzy", "kilted", "lyrical")


def add_commands(parser: argparse.ArgumentParser, say: Say) -> None:
    """Adds the commands of `ros`; `say` prints a line."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, text: str, work: Callable[..., Coroutine[Any, Any, None]]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=lambda args: _run(work(args, say)))
        ways(made)
        made.add_argument(
            "--distro", choices=_RELEASES, default="jazzy", help="the release that the others run (default: jazzy)"
        )
        made.add_argument(
            "--packages", type=Path, action="append", default=[], metavar="DIR", help="packages of types of your own"
        )
        made.add_argument(
            "--node", default="enigma_bridge", metavar="NAME", help="our node's name (default: enigma_bridge)"
        )
        return made

    def waits(made: argparse.ArgumentParser) -> None:
        made.add_argument("--wait", type=float, default=2.0, metavar="S", help="seconds to look around (default: 2)")

    def quality(made: argparse.ArgumentParser, default: str) -> None:
        made.add_argument(
            "--qos", choices=_QUALITIES, default=default, help=f"the quality of service (default: {default})"
        )

    waits(command("nodes", "List the nodes.", _nodes))
    waits(command("topics", "List topics and services with their types.", _topics))
    echo = command("echo", "Show a topic's messages, one JSON object a line.", _echo)
    echo.add_argument("topic", metavar="TOPIC")
    echo.add_argument("type", nargs="?", metavar="TYPE", help="its type (default: what others publish on it)")
    echo.add_argument("--count", type=int, metavar="N", help="end after so many (default: at Ctrl-C)")
    echo.add_argument("--every", type=float, default=0.0, metavar="S", help="seconds between two (default: all)")
    quality(echo, "sensors")
    waits(echo)
    pub = command("pub", "Publish messages.", _pub)
    pub.add_argument("topic", metavar="TOPIC")
    pub.add_argument("type", metavar="TYPE")
    pub.add_argument("message", metavar="JSON", help='as {"linear": {"x": 0.2}}; what isn\'t given is zero')
    pub.add_argument("--count", type=int, default=1, metavar="N", help="so many (default: 1)")
    pub.add_argument("--rate", type=float, default=10.0, metavar="HZ", help="so many a second (default: 10)")
    quality(pub, "default")
    waits(pub)
    call = command("call", "Ask a service.", _call)
    call.add_argument("service", metavar="SERVICE")
    call.add_argument("type", metavar="TYPE")
    call.add_argument("request", metavar="JSON", nargs="?", default="{}")
    call.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="until it must have answered (default: 10)"
    )
    record = command("record", "Record topics to a folder with an MCAP file.", _record)
    record.add_argument("folder", type=Path, metavar="FOLDER")
    record.add_argument("topics", nargs="*", metavar="TOPIC", help="TOPIC or TOPIC:TYPE (default: all that are there)")
    record.add_argument(
        "--seconds", type=float, default=86400.0, metavar="S", help="so long (default: a day, or Ctrl-C)"
    )
    record.add_argument("--most-mb", type=float, default=4000.0, metavar="MB", help="at most (default: 4000)")
    quality(record, "sensors")
    waits(record)
    replay = command("replay", "Publish a recording again.", _replay)
    replay.add_argument("recording", type=Path, metavar="PATH", help="a folder or an .mcap file")
    replay.add_argument("--topic", action="append", default=[], metavar="TOPIC", help="only this one; may be repeated")
    replay.add_argument(
        "--rate", type=float, default=1.0, metavar="X", help="so many times as fast; 0: without pauses (default: 1)"
    )
    serve = command(
        "serve", "Be a node: a device's specialists as services and actions, topics for its pipelines.", _serve
    )
    serve.set_defaults(node="enigma")
    serve.add_argument("--device", default="http://127.0.0.1:8765", metavar="URL", help="the device on this machine")
    serve.add_argument(
        "--feed",
        action="append",
        default=[],
        metavar="TOPIC:TYPE",
        help="give a topic to the pipelines as ros/TOPIC; may be repeated",
    )
    serve.add_argument(
        "--see",
        action="append",
        default=[],
        metavar="TOPIC:SPECIALIST",
        help="show a topic's pictures to a specialist; may be repeated",
    )
    serve.add_argument(
        "--every", type=float, default=0.1, metavar="S", help="seconds between two of a feed (default: 0.1)"
    )
    serve.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="a viewer's token: then what pipelines find is published on NODE/events",
    )


def _run(work: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        task = asyncio.current_task()
        with contextlib.suppress(NotImplementedError):  # Windows has no handlers of signals in the loop
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: task is not None and task.cancel())
        await work

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(main())


async def _open(args: argparse.Namespace) -> RosGraph:
    from firmware_bridge.ros2.graph import RosGraph
    from firmware_bridge.ros2.names import Distro

    return await RosGraph.open(
        args.node,
        over=args.over,
        number=args.domain,
        interface=args.interface,
        distro=Distro(args.distro),
        folders=args.packages,
    )


async def _nodes(args: argparse.Namespace, say: Say) -> None:
    async with await _open(args) as graph:
        await asyncio.sleep(args.wait)
        for name in graph.nodes():
            say(name)


async def _topics(args: argparse.Namespace, say: Say) -> None:
    async with await _open(args) as graph:
        await asyncio.sleep(args.wait)
        for each in graph.seen():
            who = ("served by", "used by") if each.kind == "service" else ("published by", "read by")
            counts = ("?" if count is None else count for count in (each.publishers, each.subscribers))
            told = ", ".join(f"{does} {count}" for does, count in zip(who, counts, strict=True))
            say(f"{each.kind:8s} {each.name}  {each.type}  {told}")


async def _echo(args: argparse.Namespace, say: Say) -> None:
    async with await _open(args) as graph:
        type_ = args.type or await _type_of(graph, args.topic, args.wait)
        reader, shown = graph.subscribe(args.topic, type_, replace(_qos(args), every=args.every)), 0
        while args.count is None or shown < args.count:
            with contextlib.suppress(NoAnswer):
                say(json.dumps(graph.types.plain(await reader.next(3600))))
                shown += 1


async def _pub(args: argparse.Namespace, say: Say) -> None:
    async with await _open(args) as graph:
        message = graph.types.make(graph.types.check(args.type), _json(args.message))
        outlet = graph.advertise(args.topic, args.type, _qos(args))
        if await outlet.matched(args.wait):
            await asyncio.sleep(_KNOWN)
        else:
            say(f"Nobody reads {outlet.topic.name} yet; it is published all the same.")
        for number in range(args.count):
            if number:
                await asyncio.sleep(1 / max(args.rate, 1e-3))
            outlet.publish(message)
        if not await outlet.arrived():
            say(f"Not everybody who reads {outlet.topic.name} has confirmed it.")


async def _call(args: argparse.Namespace, say: Say) -> None:
    async with await _open(args) as graph:
        client = graph.client(args.service, args.type)
        say(json.dumps(graph.types.plain(await client.call(_json(args.request), seconds=args.seconds))))


async def _record(args: argparse.Namespace, say: Say) -> None:
    from firmware_bridge.ros2.recording import record

    async with await _open(args) as graph:
        chosen = [_pair(each) for each in args.topics]
        if not chosen or not all(type_ for _, type_ in chosen):
            await asyncio.sleep(args.wait)
        there = {each.name: each.type for each in graph.seen() if each.kind == "topic" and each.publishers != 0}
        if not chosen:
            known = {name: type_ for name, type_ in there.items() if type_ in graph.types.store.fielddefs}
            for name in there.keys() - known.keys():
                say(f"{name} is left out: {there[name]} isn't known here (--packages).")
            chosen = list(known.items())
        topics = [(topic, type_ or there.get(topic, "")) for topic, type_ in chosen]
        if missing := [topic for topic, type_ in topics if not type_]:
            raise RosError(f"Nobody publishes {', '.join(missing)}: write TOPIC:TYPE to record it all the same.")
        if not topics:
            raise RosError("Nobody publishes anything that could be recorded.")
        say(f"Recording {', '.join(topic for topic, _ in topics)} to {args.folder}; Ctrl-C ends it.")
        done = await record(graph, args.folder, topics, _qos(args), args.seconds, int(args.most_mb * 1e6))
        lost = f"; {done.dropped} came too fast and were left out" if done.dropped else ""
        say(f"{done.messages} messages, {done.bytes / 1e6:.1f} MB{lost}.")


async def _replay(args: argparse.Namespace, say: Say) -> None:
    from firmware_bridge.ros2.recording import contents, replay

    for each in contents(args.recording):
        say(f"{each.topic}  {each.type}  {each.messages} messages")
    async with await _open(args) as graph:
        say(f"{await replay(graph, args.recording, args.rate, args.topic)} messages were published.")


async def _serve(args: argparse.Namespace, say: Say) -> None:
    from firmware_bridge.ros2.device import LocalDevice
    from firmware_bridge.ros2.names import check_name
    from firmware_bridge.ros2.node import PICTURE, Feed, Node

    feeds = [Feed(check_name(topic), type_, every=args.every) for topic, type_ in map(_pair, args.feed)]
    feeds += [Feed(check_name(topic), PICTURE, to, args.every) for topic, to in map(_pair, args.see)]
    if any(not each.type or each.specialist == "" for each in feeds):
        raise RosError("Write a feed as /scan:sensor_msgs/msg/LaserScan, and a picture's as /camera:vision.")
    async with await _open(args) as graph, LocalDevice(args.device, args.token_file) as device:
        node = Node(graph, device, args.node, feeds, events=args.token_file is not None)
        say(f"{check_name(args.node)} is in the graph over {graph.transport.kind}; Ctrl-C ends it.")
        await node.run()


async def _type_of(graph: RosGraph, topic: str, seconds: float) -> str:
    from firmware_bridge.ros2.names import check_name
    from firmware_bridge.ros2.transport import until

    name = check_name(topic)

    def types() -> set[str]:
        return {
            each.type for each in graph.seen() if each.name == name and each.kind == "topic" and each.publishers != 0
        }

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(seconds, 0.05)):
            await until(lambda: bool(types()))
    found = types()
    if len(found) != 1:
        raise RosError(f"{name} has {len(found) or 'no'} types here: write its type behind it.")
    return found.pop()


def _pair(text: str) -> tuple[str, str]:
    first, _, second = text.partition(":")
    return first, second


def _qos(args: argparse.Namespace) -> Qos:
    from firmware_bridge.ros2.names import QUALITIES

    return QUALITIES[args.qos]


def _json(text: str) -> dict[str, object]:
    try:
        made = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RosError(f"That isn't JSON: {error}") from error
    if not isinstance(made, dict):
        raise RosError('A message is an object, as {"data": "hello"}.')
    return made
