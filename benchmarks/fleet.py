"""A fleet in one process: thousands of devices' own rules against a real repository server over bad connections.

    python benchmarks/fleet.py [--devices 10000] [--poll 3600] [--soak 3600] [--seed 1] [--plot FILE.png] [--json FILE]

What is real: the update repository and its web server, every request and byte over HTTP on this machine, the TUF rules by
which each device trusts metadata (`edge_runtime.update.tuf.trusted`), the queries (`desired`), each device's table of states
(`machine`), the host's database, stages and thresholds (`trainer_host.fleet`). What is simulated: the time, the models (random
bytes, whose probation ends as the scenario says), power cuts, and devices that are off. Between devices and server sits a
relay that drops connections, cuts answers short, answers 503 or waits.

Three releases: a good one goes from one device to all, also to those that were off for days and those that joined later; one
that fails everywhere; and one that fails on three of 16 machines. Times are of the simulated clock.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

ROOT_FOLDER = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT_FOLDER))

from benchmarks.fleet_host import Course, Outcome, simulate  # noqa: E402
from benchmarks.fleet_world import BAD, GOOD, PARTLY, Setting  # noqa: E402


def told_of(course: Course) -> str:
    """One release as a person reads it; it may be read as soon as it is over."""
    what = {GOOD: "good", BAD: "fails everywhere", PARTLY: "fails on 3 of 16"}[course.version]
    return "\n".join(
        [
            f"{course.version} ({what}): {course.state} after {course.ended:.1f} h"
            + f"; {course.cause}" * bool(course.cause),
            f"  fetched by {course.given:,} devices, run by {course.ran:,}"
            + "".join(f"; {share} after {at:.1f} h" for share, at in course.hours.items()),
            "  stages: " + ", ".join(f"{name} at {at:.1f} h" for name, at in course.stages.items()),
            f"  {course.requests:,} requests, {course.megabytes:,.1f} MB",
        ]
    )


def told(outcome: Outcome) -> str:
    """What the whole run came to."""
    setting = outcome.setting
    return "\n".join(
        [
            f"{setting.devices:,} devices and {setting.late:,} that join later; a poll each {setting.poll / 60:.0f} min, soak "
            f"{setting.soak / 60:.0f} min, models of {setting.size / 1024:.0f} KiB; {setting.faulty:.1%} of requests fail, "
            f"{setting.away:.0%} of devices are off for up to {setting.away_days:g} days.",
            f"{outcome.polls:,} polls ({outcome.failed:,} came to nothing), {outcome.cuts:,} power cuts, "
            f"{outcome.requests:,} requests, {outcome.megabytes:,.1f} MB; faults: "
            + ", ".join(f"{count:,} {name}" for name, count in outcome.faults.items()),
            f"At the end {outcome.wrong:,} devices run something else than {GOOD}.",
            f"{outcome.wall:.0f} s ({outcome.cpu:.0f} s CPU), {outcome.memory:.0f} MB.",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run it; 1 where a device was left behind, or a bad release got beyond its stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--poll", type=float, default=3600.0, help="seconds between two polls of a device")
    parser.add_argument("--soak", type=float, default=3600.0, help="seconds that each stage is watched")
    parser.add_argument("--size", type=int, default=64 * 1024, help="bytes of a model")
    parser.add_argument("--away-days", type=float, default=2.0, help="the longest that a device is off")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="a PNG of how the releases spread")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    setting = Setting(
        args.devices,
        max(1, args.devices * 3 // 100),
        args.poll,
        args.soak,
        size=args.size,
        away_days=args.away_days,
        seed=args.seed,
    )
    gc.set_threshold(100_000, 50, 100)  # what devices trust stays: looking for garbage in it again and again costs much
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(simulate(setting, Path(folder), lambda course: print(told_of(course), flush=True)))
    print(told(outcome))
    if args.json:
        args.json.write_text(json.dumps(asdict(outcome), indent=1) + "\n")
    if args.plot:
        from benchmarks.fleet_plot import plot

        plot(outcome, args.plot)
    return 0 if outcome.wrong == 0 and outcome.courses[1].ran <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
