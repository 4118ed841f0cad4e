"""`enigma-edge tuf-client`: the device's TUF client by itself, for the official conformance suite (its CLIENT-CLI.md)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeError

if TYPE_CHECKING:
    from edge_runtime.update.tuf.client import UpdateClient

MOST_TARGET_BYTES = 64 * 2**20  # is held in memory; a device fetches its bundles in chunks instead


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the suite passes."""
    parser.add_argument("--metadata-dir", type=Path, required=True, metavar="DIR", help="where trusted metadata lie")
    parser.add_argument("--metadata-url", metavar="URL", help="where the repository's metadata are")
    parser.add_argument("--target-name", action="append", default=[], metavar="NAME", help="a target; may be repeated")
    parser.add_argument("--target-base-url", metavar="URL", help="where the repository's targets are")
    parser.add_argument("--target-dir", type=Path, metavar="DIR", help="where targets are put")
    parser.add_argument(
        "action", choices=("init", "refresh", "download"), help="init: trust ROOT, without asking anyone"
    )
    parser.add_argument("root", type=Path, nargs="?", metavar="ROOT", help="init: a root metadata file")


def run(args: argparse.Namespace) -> None:
    """One command; raises `EdgeError` for whatever a client must refuse."""
    from edge_runtime.update import disk

    if args.action == "init":
        if args.root is None or not args.root.is_file():
            raise EdgeError("'tuf-client init' needs a root metadata file.")
        with disk.storage_errors(args.metadata_dir):
            args.metadata_dir.mkdir(parents=True, exist_ok=True)
            disk.write_atomic(args.metadata_dir / "root.json", args.root.read_bytes())
        return
    if args.root is not None or not args.metadata_url:
        raise EdgeError(f"'tuf-client {args.action}' needs --metadata-url, and no ROOT.")
    if args.action == "download" and not (args.target_name and args.target_base_url and args.target_dir):
        raise EdgeError("'tuf-client download' needs --target-name, --target-base-url and --target-dir.")
    import asyncio

    asyncio.run(_ask(args))


async def _ask(args: argparse.Namespace) -> None:
    import aiohttp

    from edge_runtime.update.tuf.client import UpdateClient
    from edge_runtime.update.tuf.transport import HttpTransport
    from edge_runtime.update.tuf.verifiers import all_verifiers

    async with aiohttp.ClientSession() as session:
        places = HttpTransport.apart(session, args.metadata_url, args.target_base_url or "")
        client = UpdateClient(args.metadata_dir, places, verifiers=all_verifiers())
        await client.refresh()
        for name in args.target_name if args.action == "download" else ():
            await _download(client, name, args.target_dir)


async def _download(client: UpdateClient, name: str, folder: Path) -> None:
    from urllib.parse import quote

    from edge_runtime.update import disk
    from edge_runtime.update.tuf.metadata import MetadataError, check_bytes

    found = await client.target(name)
    if found is None:
        raise EdgeError(f"The repository has no target '{name}'.")
    target, _ = found
    path = folder / quote(name, safe="")
    with disk.storage_errors(folder):
        if path.is_file():
            try:
                check_bytes(path.read_bytes(), target.length, target.hashes, "The file that is there")
            except MetadataError:
                pass
            else:
                return
        raw = await client.read(target, MOST_TARGET_BYTES)
        folder.mkdir(parents=True, exist_ok=True)
        disk.write_atomic(path, raw)
