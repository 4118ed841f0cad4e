"""Dropped files over the API: looked at before anything is made of them, and never out of their folder."""

from __future__ import annotations

import io
import json
import random
import stat
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from trainer_host.data.dataset import open_dataset
from trainer_host.server import imports
from trainer_host.workspace import Workspace

from .conftest import Client

WORDS = ["refund the broken lamp", "where is my parcel now", "cancel the order please", "the lid was missing"]
ROWS = [{"text": f"{WORDS[at % 4]} {at}", "label": ("refund", "delivery")[at % 2]} for at in range(40)]


def jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


async def send(client: Client, name: str, content: bytes) -> tuple[int, Any]:
    url = f"{client.url}/v1/imports?name={quote(name)}"
    async with client.session.post(url, data=content, headers={"Authorization": f"Bearer {client.token}"}) as answer:
        return answer.status, await answer.json()


async def test_rows_are_shown_then_make_a_dataset_and_grow_it(client: Client, workspace: Workspace) -> None:
    status, seen = await send(client, "mails.jsonl", jsonl(ROWS))
    assert (status, seen["rows"], seen["texts"], seen["refused"]) == (200, 40, 0, [])
    assert seen["files"][0]["name"] == "mails.jsonl" and "refund" in seen["files"][0]["sample"][0]
    assert not workspace.data.exists() or not list(workspace.data.iterdir()), "nothing is made by looking"
    assert stat.S_IMODE((workspace.home / "imports" / seen["id"]).stat().st_mode) == 0o700
    asked = {"kind": "rows", "task": "router", "dataset": "mails"}
    answer = await client.call("POST", f"/v1/imports/{seen['id']}", asked)
    assert answer.status == 201 and answer.json["new"] == 40
    assert (await client.call("POST", f"/v1/imports/{seen['id']}", asked)).status == 404, "once"
    csv = "text,label\n" + "".join(f"and a new one {at},refund\n" for at in range(5)) + f"{ROWS[0]['text']},refund\n"
    _, more = await send(client, "more.zip", packed({"a/more.csv": csv.encode(), "bad.csv": b"\xff\xfe"}))
    grown = await client.call("POST", f"/v1/imports/{more['id']}", asked)
    dataset = open_dataset(workspace.dataset("mails"))
    assert grown.json["new"] == 5 and len(list(dataset.rows("train"))) + len(list(dataset.rows("heldout"))) == 45
    assert dataset.task == "router"
    assert list((workspace.home / "imports").iterdir()) == []


async def test_texts_make_a_dataset_of_their_own(client: Client, workspace: Workspace) -> None:
    chance = random.Random(5)
    words = ["".join(chance.choices("abdegilmnorstu", k=6)) for _ in range(3000)]
    book = "\n\n".join("\n".join(" ".join(chance.choices(words, k=8)) for _ in range(40)) for _ in range(16))
    status, seen = await send(client, "book.md", book.encode())
    assert (status, seen["rows"]) == (200, 0) and seen["files"][0]["kind"] == "texts"
    answer = await client.call("POST", f"/v1/imports/{seen['id']}", {"kind": "texts", "dataset": "book"})
    assert answer.status == 201 and answer.json["task"] == "base" and answer.json["train"] != 0
    _, short = await send(client, "note.txt", book[:900].encode())
    few = await client.call("POST", f"/v1/imports/{short['id']}", {"kind": "texts", "dataset": "note"})
    assert few.status == 422 and "pieces of text" in few.message
    _, again = await send(client, "book.md", book.encode())
    refused = await client.call("POST", f"/v1/imports/{again['id']}", {"kind": "texts", "dataset": "book"})
    assert refused.status == 422 and "another name" in refused.message
    assert (await client.call("DELETE", f"/v1/imports/{again['id']}")).status == 200


async def test_a_pdf_is_read(client: Client) -> None:
    fpdf = pytest.importorskip("fpdf")
    made = fpdf.FPDF()
    made.add_page()
    made.set_font("helvetica", size=12)
    made.cell(text="The pump is oiled every spring.")
    status, seen = await send(client, "manual.pdf", bytes(made.output()))
    assert status == 200 and "oiled every spring" in " ".join(seen["files"][0]["sample"])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("evil.zip", packed({"../../evil.txt": b"x"}), "outside of its folder"),
        ("evil.zip", packed({"ok.txt": b"x" * 300, "/etc/evil.txt": b"x"}), "outside of its folder"),
        ("evil.zip", packed({"a\\..\\..\\evil.txt": b"x"}), "outside of its folder"),
        ("broken.zip", b"PK\x03\x04 no more", "can't be unpacked"),
        ("rows.jsonl", b"{not json}\n", "line 1"),
        ("rows.csv", b"\xff\xfe\x00", "UTF-8"),
        ("scan.pdf", b"%PDF-1.7 and no more", "is damaged"),
        ("notes.txt", b"\x00\x01", "not text"),
        ("empty.txt", b"", "is empty"),
        ("virus.exe", b"MZ", "can't be imported"),
        ("nothing.zip", packed({".hidden.txt": b"x"}), "holds no files"),
        ("../up.exe", b"x", "can't be imported"),
    ],
)
async def test_what_cannot_be_used_is_said_in_one_sentence_and_leaves_nothing(
    client: Client, workspace: Workspace, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    status, answer = await send(client, name, content)
    assert status == 422 and says in answer["message"] and "\n" not in answer["message"], answer
    assert not list(tmp_path.rglob("*evil*"))
    assert not (workspace.home / "imports").exists() or not list((workspace.home / "imports").iterdir())


async def test_sizes_are_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_BYTES", 1000)
    status, answer = await send(client, "big.txt", b"x" * 5000)
    assert status == 413 and "too large" in answer["message"]
    monkeypatch.setattr(imports, "MAX_BYTES", 10**6)
    monkeypatch.setattr("trainer_host.data.dropped.MAX_UNPACKED", 10**6)
    status, answer = await send(client, "bomb.zip", packed({"a.txt": b"x" * 3 * 10**6}))
    assert status == 422 and "unpacks to more" in answer["message"]


async def test_whoever_only_looks_imports_nothing_and_sees_no_pairings() -> None:
    from trainer_host.server.access import scope_of

    assert scope_of("POST", "/v1/imports") == scope_of("DELETE", "/v1/imports/x") == "operator"
    assert scope_of("GET", "/v1/tokens") == scope_of("DELETE", "/v1/tokens/x") == "owner"


async def test_pairings_are_listed_and_ended(client: Client) -> None:
    listed: Any = (await client.call("GET", "/v1/tokens")).json["tokens"]
    assert listed and {"id", "name", "created", "scope"} <= listed[0].keys() and "hash" not in listed[0]
    assert (await client.call("DELETE", "/v1/tokens/none")).status == 404
    assert (await client.call("DELETE", f"/v1/tokens/{listed[0]['id']}")).status == 200
    assert (await client.call("GET", "/v1/keys")).status == 401, "it was our own"
