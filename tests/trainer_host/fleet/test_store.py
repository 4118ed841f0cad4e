"""The fleet's database, each property on SQLite and on PostgreSQL."""

from __future__ import annotations

import ssl
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import Connection, text

from edge_runtime.addresses import is_near
from edge_runtime.update.desired import Where
from edge_runtime.update.machine import State
from edge_runtime.update.report import Report, Told
from tests.trainer_host.fleet.conftest import opened
from trainer_host.errors import NotThere, TrainerError
from trainer_host.fleet import schema
from trainer_host.fleet.database import _tls, open_store, postgresql_engine, sqlite_engine
from trainer_host.fleet.rollouts import Course, Plan, Release, Stage
from trainer_host.fleet.store import Store
from trainer_host.workspace import Workspace

RELEASE = Release("home-en", "1.4.0", "models/router/home-en-1.4.0.enigma", "b" * 64)
COURSE = Course(
    id="r-0001",
    release=RELEASE,
    before=replace(RELEASE, version="1.3.0"),
    where=Where(all=("kitchen",), devices=()),
    when=("idle",),
    plan=Plan((Stage(devices=2), Stage(share=1250), Stage(share=10_000)), 60.0, 300, 8000),
    started=5.0,
    named=("d1", "d2"),
    since=5.5,
    met=6.25,
    excused=1,
    cause="2 of 9 devices failed: „langsam“",
)


def report(device: str, state: State = State.COMMITTED, rollout: str = "r-0001", **more: object) -> Report:
    told = Told("1.4.0", "c" * 64, state.value, rollout=rollout, golden=1.0, p95_ms=4.5, memory_mb=21.0, since=9.0)
    told = replace(told, **more)  # type: ignore[arg-type]
    return Report(
        device, f"the {device}", ("kitchen",), 9.0, "idle", {"home-en": told}, memory_mb=60.0, runtime="0.1.0"
    )


def test_a_rollout_is_read_as_it_was_written_and_changed_as_it_was_saved(store: Store, database: str) -> None:
    with store.changing() as session:
        session.add(session.next_number(), COURSE)
    changed = replace(COURSE, state="paused", met=None, before=None, stage=1)
    with opened(database) as other:
        with other.reading() as session:
            assert session.courses() == [COURSE] and session.next_number() == 2
        with other.changing() as session:
            session.save(changed)
    with store.reading() as session:
        assert session.course("r-0001") == changed
        with pytest.raises(NotThere, match=r"the newest are r-0001\."):
            session.course("r-0002")


def test_what_a_device_tells_takes_the_place_of_what_it_told_before(store: Store) -> None:
    with store.changing() as session:
        session.take(report("d1", State.PROBATION), 10.0)
        session.take(report("d1"), 11.0, "mqtt")
        session.take(replace(report("d2"), tags=("hall",)), 12.0)
    with store.reading() as session:
        assert [device.id for device in session.devices()] == ["d1", "d2"] and session.count() == 2
        assert [device.id for device in session.devices(Where(all=("hall",)))] == ["d2"]
        device = session.device("the d1")
        assert (device.seen, device.via, device.present, device.runtime) == (11.0, "mqtt", True, "0.1.0")
        (told,) = session.told("d1")
        assert (told.about, told.state, told.version, told.golden, told.p95_ms) == (
            "home-en",
            "committed",
            "1.4.0",
            1,
            4.5,
        )
        assert [one.device for one in session.outcomes("r-0001")] == ["d1", "d2"]
        assert session.versions("home-en") == [("c" * 64, 2)]
        with pytest.raises(NotThere, match="enigma fleet list"):
            session.device("the")


def test_members_hold_what_each_device_told_of_that_rollout_alone(store: Store) -> None:
    with store.changing() as session:
        session.take(report("d1"), 10.0)
        session.take(report("d2", State.ROLLED_BACK, cause="slow"), 10.0)
        session.take(report("d3", rollout="r-0002"), 10.0)
        session.away("d3", 11.0)
    with store.reading() as session:
        members = session.members(COURSE)
    assert [(one.device, one.outcome, one.cause) for one in members] == [
        ("d1", "done", ""),
        ("d2", "failed", "slow"),
        ("d3", "", ""),
    ]
    assert [one.present for one in members] == [True, True, False]


def test_who_joins_and_who_goes_back_are_events_once_and_numbers_have_no_gaps(store: Store) -> None:
    with store.changing() as session:
        for _ in range(3):
            session.take(report("d1", State.ROLLED_BACK, cause="slow"), 10.0)
    with pytest.raises(ZeroDivisionError), store.changing() as session:
        session.event("rollout.lost", 11.0)
        raise ZeroDivisionError
    with store.changing() as session:
        session.event("rollout.paused", 12.0, "watch", rollout="r-0001")
        session.forget("d1", 13.0)
    with store.reading() as session:
        events = session.events()
        assert [event.number for event in events] == [1, 2, 3, 4] and session.last_event() == 4
        assert [event.kind for event in events] == [
            "device.joined",
            "device.failed",
            "rollout.paused",
            "device.forgotten",
        ]
        assert events[1].detail == {"device": "d1", "name": "the d1", "rollout": "r-0001", "cause": "slow"}
        assert [event.number for event in session.events(after=2, most=1)] == [3]
        assert [event.number for event in session.events(rollout="r-0001")] == [2, 3]
        assert session.devices() == [] and session.members(COURSE) == []


def test_sessions_that_change_follow_one_another(store: Store, database: str) -> None:
    """Each reads a number and writes the next: what two would do at once is lost in neither."""
    with opened(database) as other:

        def add(one: Store) -> None:
            for _ in range(8):
                with one.changing() as session:
                    number = session.next_number()
                    session.add(number, replace(COURSE, id=f"r-{number:04d}"))
                    session.event("rollout.started", 1.0)

        threads = [threading.Thread(target=add, args=(one,)) for one in (store, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        with store.reading() as session:
            assert [course.id for course in session.courses()] == [f"r-{n:04d}" for n in range(1, 17)]
            assert [event.number for event in session.events()] == list(range(1, 17))


def test_an_old_database_is_brought_to_the_new_form_whole_or_not_at_all(database: str) -> None:
    def opened_with(steps: tuple[schema.Step, ...]) -> Store:
        return Store(
            postgresql_engine(database) if "://" in database else sqlite_engine(Path(database)), "the database", steps
        )

    def second(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE fleet_devices ADD COLUMN room VARCHAR(64)"))

    def broken(connection: Connection) -> None:
        second(connection)
        connection.execute(text("ALTER TABLE fleet_nothing ADD COLUMN room VARCHAR(64)"))

    with opened_with(schema.STEPS) as store, store.changing() as session:
        session.event("rollout.started", 1.0)
    with pytest.raises(TrainerError, match="fleet_nothing"):
        opened_with((*schema.STEPS, broken))
    for _ in range(2):
        with opened_with((*schema.STEPS, second)) as store, store.reading() as session:
            assert session.last_event() == 1
            assert session._connection.execute(text("SELECT count(room) FROM fleet_devices")).scalar_one() == 0
    with pytest.raises(TrainerError, match="update Enigma on this host"):
        opened_with(schema.STEPS)


def test_an_older_database_gets_the_table_of_journals(database: str) -> None:
    with opened(database) as store, store.changing() as session:
        session.take(report("d1"), 1.0)
        session._connection.execute(text("DROP TABLE fleet_journals"))
        session._connection.execute(text("UPDATE fleet_about SET format = 1"))  # as before there was one
    with opened(database) as store, store.changing() as session:
        session.take(replace(report("d1"), journal=(3, "a" * 64)), 2.0)
        assert session.device("d1").seen == 2.0


def test_a_journal_that_became_shorter_or_another_one_is_an_event_once(store: Store) -> None:
    def told(lines: int, digest: str, at: float) -> list[tuple[object, object]]:
        with store.changing() as session:
            before = session.last_event()
            session.take(replace(report("d1"), at=at, journal=(lines, digest * 64)), at)
            found = session.events(after=before)
            assert {event.kind for event in found} <= {"device.cut", "device.joined"}
            return [(each.detail["before"], each.detail["lines"]) for each in found if each.kind == "device.cut"]

    assert told(5, "a", 10.0) == told(5, "a", 11.0) == told(9, "b", 12.0) == []
    assert told(5, "a", 11.0) == []  # what it said earlier, by another way
    assert told(9, "c", 13.0) == [(9, 9)]
    assert told(4, "d", 14.0) == [(9, 4)]
    assert told(4, "d", 15.0) == told(6, "e", 16.0) == []
    assert told(0, "", 17.0) == [(6, 0)]
    with store.changing() as session:
        session.take(report("d1"), 18.0)  # an older version of Enigma, which says nothing of it
        session.forget("d1", 19.0)
    assert told(2, "f", 20.0) == []


def test_the_default_lies_in_the_home_folder_for_its_owner_alone(workspace: Workspace) -> None:
    with open_store(workspace) as store, store.changing() as session:
        session.take(report("d1"), 1.0)
    files = list((workspace.home / "fleet").iterdir())
    assert [path.name for path in files if path.suffix == ".db"] == ["fleet.db"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (*files, workspace.home / "fleet"))


def test_a_file_that_is_no_database_and_a_server_that_is_not_there_are_told_in_a_sentence(workspace: Workspace) -> None:
    (workspace.home / "fleet").mkdir(parents=True)
    (workspace.home / "fleet" / "fleet.db").write_bytes(b"not a database, but longer than its header would be" * 9)
    with pytest.raises(TrainerError, match=r"fleet.db can't be used \(file is not a database\)"):
        open_store(workspace)
    with pytest.raises(TrainerError) as refused:
        open_store(workspace, "postgresql://u:s3cret@127.0.0.1:9/fleet")
    assert "s3cret" not in str(refused.value) and str(refused.value).endswith(".")


@pytest.mark.parametrize("url", ["mysql://u@h/x", "postgresql://h/x", "postgresql://u@h", "postgresql://u@h/a/b", "fleet.db",
                                 "postgresql://u:s3cret@h:99999/x", "postgresql://u:s3cret@h/x?junk"])  # fmt: skip
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(TrainerError) as refused:
        postgresql_engine(url)
    assert "postgresql://USER" in str(refused.value) and "s3cret" not in str(refused.value)


def test_a_server_beyond_the_private_network_must_show_its_certificate() -> None:
    for url, checked in [
        ("postgresql://u@db.example.com/x", True),
        ("postgresql://u@db.example.com/x?sslmode=disable", False),
        ("postgresql://u@10.0.0.7/x", False),
        ("postgresql://u@10.0.0.7/x?sslmode=verify-full", True),
    ]:
        context = _tls(dict(parse_qsl(urlsplit(url).query)), is_near(urlsplit(url).hostname or ""))
        assert isinstance(context, ssl.SSLContext) == checked
        assert not checked or (context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED)
    with pytest.raises(TrainerError, match="sslmode"):
        postgresql_engine("postgresql://u@db.example.com/x?sslmode=prefer")
    with pytest.raises(TrainerError, match="isn't a file of certificates"):
        postgresql_engine("postgresql://u@10.0.0.7/x?sslrootcert=/nowhere.pem")
    with pytest.raises(TrainerError, match="'options'"):
        postgresql_engine("postgresql://u@10.0.0.7/x?options=1")
