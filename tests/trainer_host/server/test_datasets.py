"""Datasets over the API: pages of rows, and changes that make a new version and leave the old one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_host.samples import write_jsonl
from tests.trainer_host.server.conftest import Client, paired
from trainer_host.data.browse import Browser, Wanted
from trainer_host.data.dataset import Row, open_dataset, seal, write_rows
from trainer_host.data.edit import next_version
from trainer_host.data.transfer import import_rows
from trainer_host.server.run import pairing_code
from trainer_host.workspace import Workspace


@pytest.fixture
def mails(workspace: Workspace, tmp_path: Path) -> Workspace:
    rows = [
        {"text": f"{words} {thing} number {number}", "label": label}
        for label, words in (("refund", "give me the money back for"), ("delivery", "where is the parcel with my"))
        for thing in ("Cup", "Hat", "box", "car")
        for number in range(6)
    ]
    import_rows(
        workspace, write_jsonl(tmp_path / "mails.jsonl", rows), task="router", name="mails", seed=1, held_out=0.2
    )
    return workspace


async def test_rows_come_by_pages_and_by_what_is_looked_for(client: Client, mails: Workspace) -> None:
    listed = await client.get("/v1/datasets")
    assert [(one["name"], one["train"], one["heldout"], one["labels"]) for one in listed["datasets"]] == [
        ("mails", 38, 10, ["delivery", "refund"])
    ]
    dataset = open_dataset(mails.dataset("mails"))
    train = list(dataset.rows("train"))
    page = await client.get("/v1/datasets/mails/rows?start=30&count=20")
    assert page["total"] == 38 and [row["number"] for row in page["rows"]] == list(range(30, 38))
    assert page["rows"][0]["text"] == train[30].input["text"] and page["rows"][0]["quality"] == 1.0
    assert "input" not in page["rows"][0]
    found = await client.get("/v1/datasets/mails/rows?text=hAt&label=refund&split=train")
    wanted = [n for n, row in enumerate(train) if "Hat" in str(row.input) and row.output["label"] == "refund"]
    assert [row["number"] for row in found["rows"]] == wanted and found["total"] == len(wanted) > 0
    one = (await client.get("/v1/datasets/mails/rows?start=3&count=1"))["rows"][0]
    assert (one["input"], one["output"], one["meta"]) == (train[3].input, train[3].output, train[3].meta)
    for query in ("start=-1", "count=0", "count=201", "count=x", "least=2"):
        assert (await client.call("GET", f"/v1/datasets/mails/rows?{query}")).status == 400
    assert (await client.call("GET", "/v1/datasets/mails/rows?split=other")).status == 422
    assert (await client.call("GET", "/v1/datasets/none/rows")).status == 404
    client.token = str((await paired(client, pairing_code(mails, "viewer")))["token"])
    assert (await client.call("GET", "/v1/datasets/mails/rows")).status == 403  # what people wrote
    assert (await client.call("GET", "/v1/datasets")).status == 200


async def test_changes_make_a_new_version_that_says_what_was_changed(client: Client, mails: Workspace) -> None:
    before = open_dataset(mails.dataset("mails"))
    train, held = list(before.rows("train")), list(before.rows("heldout"))
    changed = {"text": "I want my money back"}
    changes: list[object] = [
        {"split": "train", "number": 1, "delete": True},
        {"split": "train", "number": 2, "input": changed, "output": {"label": "refund"}},
    ]
    body = {"content": before.content, "changes": changes}
    made = await client.call("POST", "/v1/datasets/mails/edits", body)
    assert made.status == 201 and made.json["name"] == "mails-v2" and made.json["train"] == 37
    after = open_dataset(mails.dataset("mails-v2"))
    rows = list(after.rows("train"))
    assert rows[0] == train[0] and rows[1].input == changed and rows[2:] == train[3:]
    assert rows[1].meta["edited"]["by"] == "test"
    note = {"from": "mails", "content": before.content, "by": "test", "changed": 1, "deleted": 1, "held_out": 0}
    assert after.params["edits"] == [note] and after.params["made_of"] == [{"name": "mails", "content": before.content}]
    assert list(after.rows("heldout")) == held and open_dataset(mails.dataset("mails")).content == before.content
    assert next_version(mails, "mails-v2") == "mails-v3"
    # Held-out rows only where that is meant, and said in the note.
    body = {"content": after.content, "changes": [{"split": "heldout", "number": 0, "delete": True}]}
    refused = await client.call("POST", "/v1/datasets/mails-v2/edits", body)
    assert refused.status == 422 and "examined" in refused.message
    meant = await client.call("POST", "/v1/datasets/mails-v2/edits", {**body, "held_out": True})
    assert meant.json["heldout"] == 9 and meant.json["edits"][-1]["held_out"] == 1
    assert (await client.call("POST", "/v1/datasets/mails-v3/edits", body)).status == 409  # other rows by now


async def test_changes_that_would_spoil_it_are_refused(client: Client, mails: Workspace) -> None:
    dataset = open_dataset(mails.dataset("mails"))
    held = next(iter(dataset.rows("heldout")))
    row = {"split": "train", "number": 0, "input": {"text": "a text"}, "output": {"label": "refund"}}
    for changes, words in (
        ([], "1 to 1000"),
        ([{"split": "train"}], '"number"'),
        ([{"split": "other", "number": 0, "delete": True}], "no row 1 in other"),
        ([{"split": "train", "number": 38, "delete": True}], "no row 39"),
        ([{"split": "train", "number": 0, "delete": True}, row], "changed twice"),
        ([{**row, "output": {"label": "none"}}], "Row 1 of train wouldn't pass its task's verifier: unknown label"),
        ([{**row, "input": {"words": 1}}], "wouldn't pass"),
        ([{**row, "output": {}}], '"input" and "output"'),
        ([{**row, "input": held.input}], "asks what the held-out row 1 asks"),
    ):
        body = {"content": dataset.content, "changes": changes}
        answer = await client.call("POST", "/v1/datasets/mails/edits", body)
        assert answer.status == 422 and words in answer.message, answer.message
    assert mails.names(mails.data) == ["mails"]


def test_a_hundred_thousand_rows_are_looked_through_by_their_places(workspace: Workspace) -> None:
    folder = workspace.data / "many"
    folder.mkdir(parents=True)
    count = 100_000
    lines = (f'{{"input": {{"text": "row {n} ä"}}, "meta": {{}}, "output": {{"label": "a"}}}}\n' for n in range(count))
    (folder / "train.jsonl").write_text("".join(lines), encoding="utf-8")
    write_rows(folder / "heldout.jsonl", [Row({"text": "x"}, {"label": "a"})])
    seal(folder, name="many", task="code", teacher="t", seed=1, params={}, figures={})
    browser = Browser()
    dataset = browser.open(folder)
    total, shown = browser.page(dataset, "train", 99_990, 100, Wanted())
    assert total == count and [one.number for one in shown] == list(range(99_990, count))
    assert shown[-1].row.input == {"text": "row 99999 ä"} and shown[0].quality is None  # code would have to be executed
    total, shown = browser.page(dataset, "train", 1, 2, Wanted(text="ROW 9999"))
    assert [one.number for one in shown] == [99990, 99991] and total == 11
