"""Signed bundles over the API: those that were made and those that are published, as files that a download can go on with."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import aiohttp

from edge_runtime.bundle import write_bundle
from tests.edge_runtime import tiny
from tests.trainer_host.fleet.samples import published
from tests.trainer_host.server.conftest import Client, serving
from trainer_host.workspace import Workspace


def made(workspace: Workspace, version: str, at: float) -> Path:
    """A bundle in the home folder, made at this time."""
    workspace.bundles.mkdir(parents=True, exist_ok=True)
    path = workspace.bundles / f"tiny-{version}.enigma"
    write_bundle(path, tiny.manifest(version), {"model.onnx": b"a model " * 99, "golden.json": b"[]"}, tiny.KEY)
    os.utime(path, (at, at))
    return path


async def fetched(client: Client, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    headers |= {"Authorization": f"Bearer {client.token}"}
    async with client.session.get(client.url + path, headers=headers, timeout=aiohttp.ClientTimeout(60)) as response:
        return response.status, dict(response.headers), await response.read()


async def test_what_was_made_and_published_is_listed_and_sent_from_any_byte_on(tmp_path: Path) -> None:
    home = Workspace(tmp_path)
    published(tmp_path, "1.0.0")
    old, new = made(home, "1.1.0", 1e9), made(home, "1.2.0", 4e9)
    (home.bundles / "notes-1.0.0.enigma").write_bytes(b"no bundle at all")
    async with serving(home) as client:
        told = await client.get("/v1/bundles")
        names = [(one["specialist"], one["version"], one["published"]) for one in told["bundles"]]
        assert names == [("tiny", "1.2.0", False), ("easy", "1.0.0", True), ("tiny", "1.1.0", False)]  # fmt: skip
        [damaged] = told["damaged"]
        assert damaged.startswith("notes-1.0.0.enigma is no whole bundle: ")
        newest = told["bundles"][0]
        content = new.read_bytes()
        assert (newest["sha256"], newest["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
        address = f"/v1/bundles/{newest['sha256']}"
        assert (await fetched(client, address))[::2] == (200, content)
        status, headers, rest = await fetched(client, address, Range="bytes=100-")
        assert (status, rest) == (206, content[100:])
        assert headers["Content-Range"] == f"bytes 100-{len(content) - 1}/{len(content)}"
        assert (await fetched(client, f"/v1/bundles/{told['bundles'][1]['sha256']}"))[2] == b"bundle 1.0.0"
        # A file that became another one is no longer what its old hash stands for.
        new.write_bytes(old.read_bytes())
        for gone in (address, "/v1/bundles/none", "/v1/bundles/..%2F..%2Fkeys"):
            assert (await fetched(client, gone))[0] == 404
