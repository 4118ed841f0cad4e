"""Kill a real device -9 again and again while a companion tells it things; prints how soon the companion is back.

    python scripts/reconnect.py --cycles 50

Each cycle swaps the two versions of a specialist by one command, kills the daemon at a moment of chance within it, starts
it, and compares what serves with what the companion was told: a command that was done twice would show as one not done.
Then the companion is closed and opened as often.
Fails where that is so, or where a reconnection took longer than --most seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.companion_app import samples  # noqa: E402 - the path comes first
from tests.companion_app.reconnecting import Companion, cycles, reopened  # noqa: E402
from tests.edge_runtime import tiny  # noqa: E402
from tests.edge_runtime.conftest import RunningDevice, edge, trust  # noqa: E402


async def run(folder: Path, count: int, seed: int, most: float) -> int:
    """The cycles in a folder of their own; returns the exit status."""
    state = folder / "device"
    trust(state)
    for number in (1, 2):
        bundle = folder / f"tiny-{number}.enigma"
        tiny.make_bundle(bundle, tiny.usable_manifest(f"{number}.0.0"), seed=number)
        done = await asyncio.to_thread(edge, "install", bundle, "--state", state)
        assert done.returncode == 0, done.stderr
    device = await asyncio.to_thread(RunningDevice, state)
    companion = Companion(samples.home(), folder / "config")
    try:
        companion.commands.pair(device.url, await asyncio.to_thread(samples.one_time_code, state, "owner"))
        await companion.until(lambda: companion.online, "the pairing")
        told = await cycles(companion, device, count, seed)
    finally:
        await companion.close()
    opened = sorted(await reopened(samples.home(), folder / "config", count))
    assert companion.device is not None
    await asyncio.to_thread(companion.device.stop)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    times = sorted(told.seconds)
    print(
        f"{count} cycles (seed {seed}): back after {statistics.median(times):.2f} s in the middle, "
        f"{times[int(0.95 * (count - 1))]:.2f} s at the 95th percentile, {times[-1]:.2f} s at the most; "
        f"{told.interrupted} commands were interrupted and said so, {len(told.wrong)} done wrongly; "
        f"opened again {count} times itself, it was back after {statistics.median(opened):.2f} s in the middle, "
        f"{opened[-1]:.2f} s at the most; "
        f"{sum(one.ru_utime + one.ru_stime for one in used):.0f} s of processor time"
    )
    for sentence in told.wrong:
        print(sentence)
    return 1 if told.wrong or max(times[-1], opened[-1]) > most else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=float, default=3.0, help="seconds that a reconnection may take")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder), options.cycles, options.seed, options.most))


if __name__ == "__main__":
    sys.exit(main())
