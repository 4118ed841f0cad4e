"""`enigma-edge inventory`: the inventory of a Home Assistant, once or again each time that it changes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from pathlib import Path

from edge_runtime.errors import BadRequest, EdgeError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's."""
    parser.add_argument("url", metavar="URL", help="the Home Assistant, as in http://192.168.1.5:8123")
    parser.add_argument("--token-file", type=Path, required=True, metavar="FILE", help="a long-lived token; chmod 600")
    parser.add_argument(
        "--entities", action="append", metavar="PATTERN", help="as in light.*; may be repeated (default: all)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write it here, whole or not at all (default: print it)"
    )
    parser.add_argument("--follow", action="store_true", help="go on, and tell each change, until Ctrl-C")


def run(args: argparse.Namespace) -> None:
    """Raises `EdgeError`."""
    from edge_runtime.home.live import HomeAssistantLive
    from edge_runtime.pipelines.items import SinkError
    from edge_runtime.pipelines.webhook import read_secret

    try:
        token = read_secret(args.token_file).decode("utf-8", "replace")
    except SinkError as cause:
        raise BadRequest(str(cause)) from None
    home = HomeAssistantLive(args.url, token, args.entities or ("*",))

    async def follow() -> None:
        async with contextlib.aclosing(home.follow()) as told:
            async for made in told:
                _tell(made, args.out)

    if args.follow:
        asyncio.run(follow())
    else:
        _tell(asyncio.run(home.inventory()), args.out)


def _tell(made: dict[str, object], out: Path | None) -> None:
    text = json.dumps(made, ensure_ascii=False, separators=(",", ":")) if out is None else json.dumps(made, indent=1)
    if out is None:
        print(text, flush=True)
        return
    from edge_runtime.update.disk import write_atomic

    try:
        write_atomic(out, text.encode("utf-8") + b"\n")
    except OSError as cause:
        raise EdgeError(f"{out} can't be written: {cause.strerror or cause}.") from None
