"""The fleet's log holds each event once, in order, and shows what was changed in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.trainer_host.fleet.conftest import opened
from trainer_host.fleet.audit import audit_path, follow, lines
from trainer_host.fleet.store import Store
from trainer_host.teacher.audit_check import verify
from trainer_host.workspace import Workspace


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return opened(str(tmp_path / "fleet.db"))


def happen(store: Store, count: int) -> None:
    with store.changing() as session:
        for _ in range(count):
            session.event("rollout.stage", 1e9 + 0.5, "tester", rollout="r-0001", stage="5%")


def test_each_event_is_logged_once_whatever_ended_the_process_before(store: Store, workspace: Workspace) -> None:
    happen(store, 3)
    assert follow(workspace, store) == 3 and follow(workspace, store) == 0
    path = audit_path(workspace)
    happen(store, 2)
    follow(workspace, store)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])  # a process ended within its last write, before it could say so in the head
    path.with_name("audit.jsonl.head").write_bytes(_head_before(whole))
    assert follow(workspace, store) == 1
    found = list(lines(path))
    assert [line.event.number for line in found] == [1, 2, 3, 4, 5] and [line.number for line in found] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert (found[0].event.kind, found[0].event.by, found[0].event.detail["stage"]) == ("rollout.stage", "tester", "5%")
    checked = verify(path)
    assert checked.ok and checked.sentence("events").startswith("The log is whole: 5 events; 1 unfinished")


def test_an_edited_deleted_or_moved_line_shows(store: Store, workspace: Workspace) -> None:
    happen(store, 4)
    follow(workspace, store)
    path = audit_path(workspace)
    whole = path.read_bytes().splitlines(keepends=True)
    for changed in (
        [*whole[:1], whole[1].replace(b"tester", b"nobody"), *whole[2:]],
        [*whole[:1], *whole[2:]],
        [whole[1], whole[0], *whole[2:]],
        whole[:-1],
    ):
        path.write_bytes(b"".join(changed))
        assert not verify(path).ok
    path.write_bytes(b"".join(whole))
    assert verify(path).ok


def test_another_database_is_logged_from_its_own_beginning(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    happen(store, 3)
    follow(workspace, store)
    other = opened(str(tmp_path / "other.db"))
    happen(other, 2)
    assert follow(workspace, other) == 2 and follow(workspace, store) == 0
    happen(store, 1)
    assert follow(workspace, store) == 1
    assert [line.event.number for line in lines(audit_path(workspace))] == [1, 2, 3, 1, 2, 4]


def _head_before(whole: bytes) -> bytes:
    rows = whole.splitlines(keepends=True)
    head = {"count": len(rows) - 1, "hash": json.loads(rows[-2])["hash"], "file": 0, "size": sum(map(len, rows[:-1]))}
    return json.dumps(head).encode().ljust(255) + b"\n"
