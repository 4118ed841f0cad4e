"""How long after "stop" a robot's motors get nothing: the real firmware in simavr, driving, asked through its socket.

    python benchmarks/stop_latency.py [--count 40] [--json FILE]

Two stops: `{"op": "stop"}`, the emergency stop, and `{"calls": [{"name": "stop"}]}`, an order of a pipeline or a model, which brakes
by the ramp. Told are milliseconds from the line's first byte until the firmware's motor duties are zero (`stop`), or until the
first smaller duty is on its way to the board (`order`), and the processor's milliseconds of this process for it, which a busy
machine doesn't change. simavr runs by the machine's clock, so times of a busy one are upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from firmware_bridge.robot.modes import Event, Mode
from firmware_bridge.robot.serve import ask
from firmware_bridge.simulator import Simulated, build
from tests.firmware_bridge.robot.test_serve import Served, served, until

GOAL_MS = 100.0


async def drive(robot: Served) -> None:
    """Until it goes as fast as it is told, and at least for so long that the ramp is over."""
    token = robot.tokens.add("sticks", ["drive"])
    for _ in range(400):
        robot.driver.estimate and robot.driver.locate(0.6, 1.5, 0.0)
        await ask(robot.path, {"token": token, "op": "drive", "v": 0.15, "w": 0.0}, 20)
        if robot.driver.envelope.v > 0.1:
            return
        await asyncio.sleep(0.02)
    raise SystemExit("The robot doesn't drive.")


async def measure(robot: Served, count: int) -> dict[str, list[tuple[float, float]]]:
    made: dict[str, list[tuple[float, float]]] = {"stop": [], "order": []}
    for number in range(2 * count):
        if robot.driver.modes.mode is not Mode.MANUAL:
            robot.driver.on(Event.TAKE)
        await drive(robot)
        which, began, cpu = ("stop", "order")[number % 2], time.perf_counter(), time.process_time()
        if which == "stop":
            asked = asyncio.create_task(ask(robot.path, {"op": "stop"}, 20))
            while await asyncio.to_thread(robot.simulated.motors) != (0, 0):
                pass
        else:
            before = robot.driver.envelope.v
            asked = asyncio.create_task(ask(robot.path, {"calls": [{"name": "stop"}]}, 20))
            while not robot.driver.envelope.v < before:  # noqa: ASYNC110  # the envelope has no event
                await asyncio.sleep(0.001)  # the envelope has no event
        made[which].append(((time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000))
        await asked
        if which == "stop":
            await robot.driver.release()
            await until(lambda: not robot.driver.envelope.stopped)
            robot.driver.clear()
        await until(lambda: robot.driver.envelope.v == 0)
    return made


async def run(count: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        built = build(folder, "avr", "sim")
        simulated = stack.enter_context(Simulated(built, folder / "tty"))
        async with served(simulated, folder, at=(0.6, 1.5, 0.0)) as robot:
            made = await measure(robot, count)
    told: dict[str, object] = {}
    for which, values in made.items():
        wall, cpu = (sorted(each) for each in zip(*values, strict=True))
        told[which] = {
            "count": len(wall), "least_ms": round(wall[0], 1), "p50_ms": round(statistics.median(wall), 1),
            "p95_ms": round(wall[math.ceil(0.95 * len(wall)) - 1], 1), "most_ms": round(wall[-1], 1),
            "within_goal": sum(each <= GOAL_MS for each in wall), "cpu_p50_ms": round(statistics.median(cpu), 2),
        }  # fmt: skip
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    told = asyncio.run(run(args.count))
    print(json.dumps(told, indent=1))
    if args.json:
        args.json.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
