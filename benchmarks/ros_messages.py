"""LaserScans of ROS 2 between two processes on loopback: round trips, and processor time a message, beside the pure binding.

    python benchmarks/ros_messages.py [--count 1000] [--over cyclone zenoh pure]

"pure" is CycloneDDS' own Python class of the type with its own coding, and a WaitSet in the main thread. Ours has the coding
of rosbags, checks, a thread that waits and an event loop. A scan has 360 ranges, 1500 bytes. First come round trips, then a
stream of 1000 scans a second in groups of ten; processor time is user and system of a process, over the scans.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from firmware_bridge.errors import NoAnswer
from firmware_bridge.ros2 import dds
from firmware_bridge.ros2.cyclone import settings
from firmware_bridge.ros2.graph import RosGraph
from firmware_bridge.ros2.names import Qos
from firmware_bridge.ros2.types import Types

SCAN = "sensor_msgs/msg/LaserScan"
RANGES = np.linspace(0.1, 10, 360, dtype=np.float32)
SECONDS, WARM, GROUP, KEPT = 30.0, 50, 10, 200
END = np.zeros(1, np.float32)  # a scan of one range ends a stream


class Ours:
    """A node of ours; its methods are called in its event loop."""

    def __init__(self, graph: RosGraph, there: str, back: str) -> None:
        self._reader, self._writer = graph.subscribe(back, SCAN, Qos(KEPT)), graph.advertise(there, SCAN, Qos(KEPT))
        self._scan = graph.types.make(SCAN, angle_increment=0.0174)

    async def send(self, ranges: np.ndarray) -> None:
        self._scan.ranges = ranges
        self._writer.publish(self._scan)

    async def take(self, seconds: float) -> np.ndarray | None:
        with contextlib.suppress(NoAnswer):
            return np.asarray((await self._reader.next(seconds)).ranges)
        return None


class Pure:
    """The binding by itself; its methods never give way to an event loop."""

    def __init__(self, domain: int, there: str, back: str) -> None:
        types = Types()
        self._kind: Any = dds.make_idl_struct("Scan", "sensor_msgs::msg::dds_::LaserScan_", dds._fields(types, SCAN))
        self._sample = self._kind(_header(types), 0.0, 0.0, 0.0174, *[0.0] * 4, [], [])
        self._domain = dds.Domain(domain, settings(None))
        participant = dds.DomainParticipant(domain)
        qos = dds.Qos(dds.Policy.Reliability.Reliable(100_000_000), dds.Policy.History.KeepLast(KEPT))
        self._writer = dds.DataWriter(participant, dds.Topic(participant, there[1:], self._kind), qos=qos)
        self._reader = dds.DataReader(participant, dds.Topic(participant, back[1:], self._kind), qos=qos)
        self._waits = dds.WaitSet(participant)
        every = dds.SampleState.Any | dds.ViewState.Any | dds.InstanceState.Any
        self._waits.attach(dds.ReadCondition(self._reader, every))

    async def send(self, ranges: np.ndarray) -> None:
        self._sample.ranges = ranges.tolist()
        self._writer.write(self._sample)

    async def take(self, seconds: float) -> np.ndarray | None:
        until = time.monotonic() + seconds
        while True:
            for sample in self._reader.take(1):
                if sample.sample_info.valid_data:
                    return np.asarray(sample.ranges, np.float32)
            if time.monotonic() > until:
                return None
            self._waits.wait(int(seconds * 1e9))


async def echo(end: Ours | Pure) -> None:
    """Sends back what comes, then counts a stream, and says what the stream cost."""
    while (ranges := await end.take(SECONDS)) is not None and len(ranges) > 1:
        await end.send(ranges)
    begun, count = cpu(), 0
    while (ranges := await end.take(SECONDS)) is not None and len(ranges) > 1:
        count += 1
    print(json.dumps({"count": count, "us": (cpu() - begun) / max(count, 1) * 1e6}))


async def ask(end: Ours | Pure, count: int) -> tuple[list[float], float, float]:
    """Round trips in milliseconds, and processor microseconds: of one of them, and of a scan of the stream."""
    taken: list[float] = []
    begun = 0.0
    for turn in range(-WARM, count):
        if turn == 0:
            taken, begun = [], cpu()
        started = time.perf_counter()
        await end.send(RANGES)
        while await end.take(1.0 if turn < 0 else SECONDS) is None:
            await end.send(RANGES)  # they hadn't found each other yet
        taken.append((time.perf_counter() - started) * 1e3)
    trip = (cpu() - begun) / count * 1e6
    await end.send(END)
    await asyncio.sleep(0.2)
    begun = cpu()
    for _ in range(count // GROUP):
        for _ in range(GROUP):
            await end.send(RANGES)
        await asyncio.sleep(GROUP / 1000)
    stream = (cpu() - begun) / count * 1e6
    await end.send(END)
    return taken, trip, stream


async def run(over: str, domain: int, interface: str | None, echoes: bool, work: Callable[[Ours | Pure], Any]) -> Any:
    """Opens one side and does its work."""
    there, back = ("/scan_back", "/scan") if echoes else ("/scan", "/scan_back")
    if over == "pure":
        return await work(Pure(domain, there, back))
    async with await RosGraph.open(f"{there[1:]}", over=over, number=domain, interface=interface) as graph:
        return await work(Ours(graph, there, back))


def cpu() -> float:
    """Seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(over: str, count: int) -> str:
    """A row of the table."""
    domain = 2 + os.getpid() % 98
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp/127.0.0.1:{free.getsockname()[1]}"
    own, others = (endpoint, f"listen {endpoint}") if over == "zenoh" else (None, "")
    command = [sys.executable, __file__, "--echo", over, "--domain", str(domain), "--interface", others]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        taken, trip, stream = asyncio.run(run(over, domain, own, False, lambda end: ask(end, count)))
        told = json.loads(child.communicate(timeout=SECONDS * 2)[0])
    ordered = sorted(taken)
    return (
        f"| {over} | {statistics.median(taken):.2f} | {ordered[int(count * 0.99)]:.2f} | {trip:.0f} | {stream:.0f} "
        f"| {told['us']:.0f} | {count - told['count']} |"
    )


def _header(types: Types) -> Any:
    stamp = dds._field(types, (2, "builtin_interfaces/msg/Time"))(0, 0)
    return dds._field(types, (2, "std_msgs/msg/Header"))(stamp, "")


def coding(count: int) -> str:
    """Coding alone, in microseconds of processor time a message."""
    types = Types()
    message = types.make(SCAN, ranges=RANGES)
    data = types.encode(message, SCAN)
    kind: Any = dds.make_idl_struct("Coded", "Coded", dds._fields(types, SCAN))
    sample = kind(_header(types), *[0.0] * 7, RANGES.tolist(), [])
    assert sample.serialize() == data
    rows = []
    for name, work in {
        "ours, coding": lambda: types.encode(message, SCAN),
        "decoding": lambda: types.decode(data, SCAN),
        "pure, coding": sample.serialize,
        "decoding ": lambda: kind.deserialize(data),
    }.items():
        begun = cpu()
        for _ in range(count):
            work()
        rows.append(f"{name} {(cpu() - begun) / count * 1e6:.1f} us")
    return "; ".join(rows)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--over", nargs="+", default=["cyclone", "zenoh", "pure"], choices=["cyclone", "zenoh", "pure"])
    parser.add_argument("--echo", help=argparse.SUPPRESS)
    parser.add_argument("--domain", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--interface", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.echo:
        asyncio.run(run(args.echo, args.domain, args.interface or None, True, echo))
        return
    print(coding(10 * args.count), end="\n\n")
    print(
        "| over | round trip p50 ms | p99 ms | CPU us of one | CPU us a scan sent | taken | lost |\n|---|---|---|---|---|---|---|"
    )
    for over in args.over:
        print(measure(over, args.count), flush=True)


if __name__ == "__main__":
    main()
