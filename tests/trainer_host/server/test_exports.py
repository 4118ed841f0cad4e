"""Model files of runs over the API: listed by what their export wrote down, and sent from any byte on."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from tests.trainer_host.server.conftest import Client
from tests.trainer_host.server.test_bundles import fetched
from trainer_host.workspace import Workspace

MODEL = b"a model " * 200
CARD = {
    "format": 1, "name": "mails", "task": "router", "dataset": "mails", "content": "sha256:0", "teacher": "", "seed": 1,
    "seconds": None, "weights": "sha256:1",
}  # fmt: skip


def a_run(workspace: Workspace, name: str, at: float) -> Path:
    """A run with two model files, as its two cards say; no net is in them."""
    folder = workspace.runs / name
    folder.mkdir(parents=True)
    models = []
    for file, content in (("model.fp32.onnx", MODEL), ("model.int8.onnx", MODEL[:100] + name.encode())):
        (folder / file).write_bytes(content)
        os.utime(folder / file, (at, at))
        sha256 = hashlib.sha256(content).hexdigest()
        models.append({"file": file, "precision": file.split(".")[1], "bytes": len(content), "sha256": sha256})
        at -= 1
    (folder / "export.json").write_text(json.dumps({"models": models, "weights": "sha256:1"}))
    (folder / "run.json").write_text(json.dumps({**CARD, "name": name}))
    return folder


async def test_what_was_exported_is_listed_and_sent_from_any_byte_on(client: Client, workspace: Workspace) -> None:
    assert await client.get("/v1/exports") == {"exports": []}
    a_run(workspace, "old", 1e9)
    new = a_run(workspace, "new", 2e9)
    damaged = a_run(workspace, "damaged", 3e9)
    (damaged / "export.json").write_text("{")
    (a_run(workspace, "no-run", 3e9) / "run.json").unlink()
    told = (await client.get("/v1/exports"))["exports"]
    assert [(one["run"], one["file"]) for one in told] == [
        (run, f"model.{kind}.onnx") for run in ("new", "old") for kind in ("fp32", "int8")
    ]
    assert told[0] == {
        "run": "new", "file": "model.fp32.onnx", "task": "router", "precision": "fp32", "bytes": len(MODEL), "current": True,
        "sha256": hashlib.sha256(MODEL).hexdigest(), "made": 2e9,
    }  # fmt: skip
    address = f"/v1/exports/{told[0]['sha256']}"
    assert (await fetched(client, address))[::2] == (200, MODEL)
    status, headers, rest = await fetched(client, address, Range="bytes=100-")
    assert (status, rest, headers["Content-Range"]) == (206, MODEL[100:], f"bytes 100-{len(MODEL) - 1}/{len(MODEL)}")
    assert 'filename="new.model.fp32.onnx"' in headers["Content-Disposition"]
    for gone in ("/v1/exports/none", f"/v1/exports/{'0' * 64}", "/v1/exports/..%2F..%2Fkeys"):
        assert (await fetched(client, gone))[0] == 404
    # Trained on, its files are those of before; a file that changed isn't what was exported.
    (new / "run.json").write_text(json.dumps({**CARD, "weights": "sha256:2"}))
    (new / "model.int8.onnx").write_bytes(b"x")
    told = (await client.get("/v1/exports"))["exports"]
    assert [(one["run"], one["current"]) for one in told] == [("new", False), ("old", True), ("old", True)]


async def test_a_card_leads_to_no_file_outside_of_its_run(client: Client, workspace: Workspace) -> None:
    folder = a_run(workspace, "mails", 1e9)
    (workspace.home / "secret").write_bytes(MODEL)
    about = {"precision": "fp32", "bytes": len(MODEL), "sha256": hashlib.sha256(MODEL).hexdigest()}
    models = [{**about, "file": name} for name in ("../../secret", str(workspace.home / "secret"))]
    (folder / "export.json").write_text(json.dumps({"models": models, "weights": "sha256:1"}))
    assert await client.get("/v1/exports") == {"exports": []}
