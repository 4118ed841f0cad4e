"""Model files that were exported of runs, over the API: which lie here, and the files themselves, whole or from some byte on."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from edge_runtime.api.wire import reply
from edge_runtime.errors import NotFound
from trainer_host.errors import TrainerError
from trainer_host.server.fields import Json
from trainer_host.training.run import read_card
from trainer_host.workspace import Workspace

MAX_SHOWN = 200  # of the newest; the others are on the host
CARD = "export.json"  # as `trainer_host.compress.files` writes it, which loads what a server doesn't need
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Exported:
    """A model file. made: seconds since 1970; current: whether the run still has the weights that it was made of."""

    path: Path
    run: str
    task: str
    precision: str
    bytes: int
    sha256: str
    made: float
    current: bool

    def plain(self) -> Json:
        """As it is told."""
        return {
            "run": self.run,
            "file": self.path.name,
            "task": self.task,
            "precision": self.precision,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "made": round(self.made, 3),
            "current": self.current,
        }


class ExportRoutes:
    """/v1/exports."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def all(self, request: web.Request) -> web.Response:
        """All of them, the newest first."""
        found = await asyncio.to_thread(self._all)
        return reply({"exports": [one.plain() for one in found[:MAX_SHOWN]]})

    async def one(self, request: web.Request) -> web.StreamResponse:
        """The file with this SHA-256, as its export wrote it down; `Range` is understood, so that a download can go on."""
        sha256 = request.match_info["sha256"]
        found = await asyncio.to_thread(self._all) if _HASH.fullmatch(sha256) else []
        one = next((one for one in found if one.sha256 == sha256), None)
        if one is None:
            raise NotFound("There is no model file with this hash; GET /v1/exports lists those that there are.")
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{one.run}.{one.path.name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return web.FileResponse(one.path, headers=headers)

    def _all(self) -> list[Exported]:
        """Blocks."""
        runs = self._workspace.runs
        found = [one for name in self._workspace.names(runs) for one in _of(runs / name)]
        return sorted(found, key=lambda one: one.made, reverse=True)


def _of(folder: Path) -> list[Exported]:
    """Those of one run; what is damaged or gone isn't listed."""
    try:
        card = json.loads((folder / CARD).read_bytes())
        run = read_card(folder)
        return [
            Exported(
                path, folder.name, run.task, str(item["precision"]), about.st_size, str(item["sha256"]), about.st_mtime,
                card["weights"] == run.weights,
            )
            for item in card["models"]
            if (path := folder / Path(str(item["file"])).name).is_file()
            and (about := path.stat()).st_size == item["bytes"]
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, TrainerError):
        return []
