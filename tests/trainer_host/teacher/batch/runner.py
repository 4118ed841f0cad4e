"""A process that fetches by batches, for tests that kill it: python -m ... URL WIRE FOLDER COUNT; it prints a report."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.trainer_host.teacher.batch.bench import bench, endpoint_of, requests_of
from trainer_host.teacher.providers import Wire


async def run(url: str, wire: Wire, folder: Path, count: int) -> None:
    """Fetch, and say what came of it."""
    async with bench(folder, endpoint_of(url, wire)) as at:
        print("ready", flush=True)  # noqa: T201  # the parent process reads it
        report = await at.batches.fetch(requests_of(count))
        again = dict(report.again)
        found = {"answered": report.answered, "resumed": report.resumed, "sent": report.sent, "again": again}
        print(json.dumps({**found, "cached": at.cache.count()}), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))  # type: ignore[arg-type]
