"""The serial line against pyserial and lines of JSON: round trips, frames a second, wrong values taken, and the clock.

    python benchmarks/serial_line.py [--count 1000] [--json FILE]

Both run on the same simulated ATmega328P (simavr, in real time, 250000 baud) behind a pseudo terminal. Ours goes through
`Board` in an event loop, with CRC, deadline and back-pressure; the peer writes a line and reads a line, as most scripts do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import serial

from firmware_bridge.bench import bench, percentiles
from firmware_bridge.board import Board
from firmware_bridge.frames import Decoder, Frame, encode
from firmware_bridge.messages import Drive, pack
from firmware_bridge.ports import BAUD
from firmware_bridge.simulator import Simulated, build, missing

PPM, CLOCK_SECONDS = 300.0, 60.0  # how wrong the board's crystal is made, and how long it is watched at a ping a second
DAMAGED = 100_000


def main() -> None:
    """A table, and the same as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="round trips (default: 1000)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    if why := missing():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory() as folder:
        built = build(Path(folder) / "ours", "avr", "sim")
        peer = Path(folder) / "peer"
        peer.mkdir()
        source = Path(__file__).with_name("serial_json.c")
        flags = ["-mmcu=atmega328p", "-DF_CPU=16000000UL", "-Os", "-std=gnu99"]
        subprocess.run(["avr-gcc", *flags, str(source), "-o", str(peer / "board.elf")], check=True)
        shutil.copy(built / "simulate", peer)
        made = {**asyncio.run(ours(built, args.count)), **theirs(peer, args.count)}
    made["frames/s over JSON's, several on the way"] = made["ours, frames/s"] / made["JSON, frames/s"]
    made |= damage()
    for name, value in made.items():
        print(f"{name:48s} {value:12.3f}")
    if args.json is not None:
        args.json.write_text(json.dumps(made, indent=1) + "\n")


async def ours(built: Path, count: int) -> dict[str, float]:
    """Through `Board`."""
    link = built / "tty"
    with Simulated(built, link, PPM):
        async with Board(lambda: [str(link)]) as board:
            begin = time.process_time()
            made = await bench(board, count)
            cpu = time.process_time() - begin
            await asyncio.sleep(CLOCK_SECONDS)
            return {
                "ours, round trip p50 ms": made.p50_ms,
                "ours, round trip p99 ms": made.p99_ms,
                "ours, frames/s": made.frames_s,
                "ours, bad or unanswered": made.bad + made.unanswered,
                "ours, bytes a round trip": 11 + 15,
                "ours, CPU us a round trip": cpu / (2 * count) * 1e6,
                "clock: drift found, ppm (truth 300)": board.clock.drift,
                "clock: uncertainty, ms": board.clock.uncertainty * 1e3,
            }


def theirs(built: Path, count: int) -> dict[str, float]:
    """pyserial's write and readline, json's dumps and loads."""
    link = built / "tty"
    with Simulated(built, link), serial.Serial(str(link), BAUD, timeout=2) as port:
        time.sleep(0.2)
        times, size = [], 0
        began = time.process_time()
        for mark in range(count):
            begin = time.perf_counter()
            line = json.dumps({"mark": mark}).replace(" ", "").encode() + b"\n"
            port.write(line)
            answer = port.readline()
            times.append(time.perf_counter() - begin)
            if json.loads(answer)["mark"] != mark:
                raise SystemExit("the peer answered something else")
            size = len(line) + len(answer)
        cpu = time.process_time() - began
        begin = time.perf_counter()
        sent, ahead = 0, 5  # as many lines as the peer's ring holds
        for mark in range(count):
            while sent < count and sent - mark < ahead:
                port.write(json.dumps({"mark": sent}).replace(" ", "").encode() + b"\n")
                sent += 1
            if json.loads(port.readline())["mark"] != mark:
                raise SystemExit("the peer answered something else")
        seconds = time.perf_counter() - begin
    p50, p99 = percentiles(times)
    return {
        "JSON, round trip p50 ms": p50,
        "JSON, round trip p99 ms": p99,
        "JSON, frames/s": 2 * count / seconds,
        "JSON, bytes a round trip": size,
        "JSON, CPU us a round trip": cpu / count * 1e6,
    }


def damage() -> dict[str, float]:
    """Of drive commands with one byte changed on the way, how many are taken for another command."""
    rng, wrong = random.Random(1), [0, 0]
    for _ in range(DAMAGED):
        left, right = rng.randint(-1000, 1000) / 1000, rng.randint(-1000, 1000) / 1000
        frame = Frame(rng.randrange(256), Drive.ID, pack(Drive(left, right, 0)))
        taken = Decoder().feed(_changed(rng, encode(frame)) + b"\0")
        wrong[0] += any(each != frame for each in taken)
        line = json.dumps({"left": left, "right": right}).encode()
        try:
            values = json.loads(_changed(rng, line))
            wrong[1] += (float(values["left"]), float(values["right"])) != (left, right)
        except (ValueError, KeyError, TypeError):
            pass
    return {
        f"ours, wrong values taken of {DAMAGED}": wrong[0],
        f"JSON, wrong values taken of {DAMAGED}": wrong[1],
    }


def _changed(rng: random.Random, data: bytes) -> bytes:
    made = bytearray(data)
    made[rng.randrange(len(made))] ^= rng.randrange(1, 256)
    return bytes(made)


if __name__ == "__main__":
    main()
