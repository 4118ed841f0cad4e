"""The fleet's database: devices and what they last told, rollouts, and all that happened, in numbered events.

Everything happens in a session, which is one transaction: what a session changed is there whole, or not at all, whatever
ends the process. Sessions that change something follow one another, also those of several processes and hosts.
"""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Row, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from edge_runtime.update.desired import Where
from edge_runtime.update.machine import State
from trainer_host.errors import NotThere, TrainerError
from trainer_host.fleet import schema
from trainer_host.fleet.records import Device, Event, Standing, course_of, device_of, facts_of, row_of, standing_of
from trainer_host.fleet.rollouts import Course, Member

if TYPE_CHECKING:
    from edge_runtime.update.report import Report

Json = dict[str, object]
MOST_DEVICES = 1_000_000  # so that nobody who may report fills the disk
MOST_EVENTS = 10_000  # of one reading
_FAILED = State.ROLLED_BACK.value
_MIGRATING = 0x656E69676D61  # any number of our own: whose turn it is to migrate (PostgreSQL's advisory locks)


class Store:
    """An open database; `what` names it in errors. Threads may share it."""

    def __init__(self, engine: Engine, what: str, steps: Sequence[schema.Step] = schema.STEPS) -> None:
        self._engine = engine
        self._what = what
        with self._transaction(True) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            schema.migrate(connection, steps)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that changes nothing; raises `TrainerError` where the database can't be used."""
        with self._transaction(False) as connection:
            yield Session(connection)

    @contextlib.contextmanager
    def changing(self) -> Iterator[Session]:
        """A session alone; what it changed counts once the block ends well."""
        with self._transaction(True) as connection:
            connection.execute(select(schema.about.c.format).with_for_update())
            yield Session(connection)

    @contextlib.contextmanager
    def _transaction(self, writes: bool) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                if connection.dialect.name == "sqlite":
                    # Who reads first and writes then must have the lock from the beginning, or both of two would fail.
                    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
                yield connection
                connection.commit()
        except SQLAlchemyError as cause:
            # The driver's own sentence, without SQL and its values; it never holds the password.
            why = str(getattr(cause, "orig", None) or type(cause).__name__).strip().splitlines()[0][:200]
            raise TrainerError(f"{self._what} can't be used ({why}); check it, and the address you gave.") from None


class Session:
    """One transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Devices

    def take(self, report: Report, now: float, via: str = "lan") -> None:
        """Keep what a device tells; see `take_all`."""
        self.take_all([report], now, via)

    def take_all(self, reports: Sequence[Report], now: float, via: str = "lan") -> None:
        """Keep what devices tell; a device that is new, a version that one went back from, and a journal that was cut are events.

        Raises `TrainerError` where as many devices are known as may be; none of the reports is kept then.
        """
        latest = {report.device: report for report in reports}
        devices, outcomes = schema.devices.c, schema.outcomes.c
        known: set[str] = set()
        failed: set[tuple[str, str]] = set()
        for part in _parts(list(latest)):
            known.update(self._connection.scalars(select(devices.device).where(devices.device.in_(part))))
            rows = select(outcomes.device, outcomes.rollout).where(outcomes.device.in_(part), outcomes.state == _FAILED)
            failed.update((row.device, row.rollout) for row in self._connection.execute(rows))
        if len(latest) > len(known) and self.count() + len(latest) - len(known) > MOST_DEVICES:
            raise TrainerError(
                f"{MOST_DEVICES:,} devices are known, no more are taken; 'enigma fleet forget' makes room."
            )
        told = [(one.device, name, told) for one in latest.values() for name, told in one.specialists.items()]
        facts: list[Json] = [{**facts_of(told), "device": device, "at": now} for device, _, told in told]
        self._put(schema.devices, ("device",), [row_of(report, now, via) for report in latest.values()])
        rows_by_name = [
            {**fact, "specialist": name, "rollout": told.rollout}
            for fact, (_, name, told) in zip(facts, told, strict=True)
        ]
        self._put(schema.specialists, ("device", "specialist"), rows_by_name)
        by_rollout = {
            (device, told.rollout): {**fact, "rollout": told.rollout}
            for fact, (device, _, told) in zip(facts, told, strict=True)
            if told.rollout
        }
        self._put(schema.outcomes, ("device", "rollout"), list(by_rollout.values()))
        happened: list[tuple[str, Json]] = []
        for one in latest.values():
            who: Json = {"device": one.device, "name": one.name}
            if one.device not in known:
                happened.append(("device.joined", who))
            for each in one.specialists.values():
                if each.rollout and each.state == _FAILED and (one.device, each.rollout) not in failed:
                    happened.append(("device.failed", {**who, "rollout": each.rollout, "cause": each.cause}))
        self._events([*happened, *self._journals(latest.values())], now, via)

    def _journals(self, reports: Collection[Report]) -> list[tuple[str, Json]]:
        """Keep where journals end; those that are shorter than they were, or end otherwise, are events."""
        told = {one.device: (one, *one.journal) for one in reports if one.journal is not None}
        table, known = schema.journals, {}
        for part in _parts(list(told)):
            rows = self._connection.execute(select(table).where(table.c.device.in_(part)))
            known.update({row.device: row for row in rows})
        cut: list[tuple[str, Json]] = []
        kept: list[Json] = []
        for device, (one, lines, last) in told.items():
            before = known.get(device)
            if before is not None and one.at < before.at:  # it says what it said earlier, as over another way
                continue
            if before is not None and (lines < before.lines or (lines == before.lines and last != before.hash)):
                who: Json = {"device": device, "name": one.name}
                cut.append(("device.cut", {**who, "lines": lines, "before": int(before.lines)}))
            if lines or before is not None:
                kept.append({"device": device, "lines": lines, "hash": last, "at": one.at})
        self._put(table, ("device",), kept)
        return cut

    def away(self, device: str, now: float) -> None:
        """A device said that it goes, or its connection broke (a last will). One that isn't known is passed over."""
        self._connection.execute(
            update(schema.devices).where(schema.devices.c.device == device).values(present=False, seen=now)
        )

    def count(self) -> int:
        """How many devices are known."""
        return int(self._connection.execute(select(func.count()).select_from(schema.devices)).scalar_one())

    def devices(self, where: Where | None = None) -> list[Device]:
        """Those that a query matches, by name."""
        given = self.given()
        rows = self._connection.execute(select(schema.devices).order_by(schema.devices.c.name, schema.devices.c.device))
        found = (device_of(row, given.get(row.device, ())) for row in rows)
        return [device for device in found if where is None or where.matches(device.all_tags)]

    def device(self, name: str) -> Device:
        """The device of that id or name; raises `NotThere`, also where several have the name."""
        table = schema.devices
        found = self._connection.execute(
            select(table).where((table.c.device == name) | (table.c.name == name)).limit(3)
        ).all()
        exact = [row for row in found if row.device == name] or found
        if len(exact) == 1:
            return device_of(exact[0], self.given().get(exact[0].device, ()))
        why = f"Several devices are called '{name[:80]}'; give the id" if exact else f"No device '{name[:80]}' is known"
        raise NotThere(f"{why}; 'enigma fleet list' shows names and ids.")

    def given(self) -> dict[str, tuple[str, ...]]:
        """The tags that devices were given here, by device; those without any are missing."""
        return {row.device: tuple(row.tags) for row in self._connection.execute(select(schema.given))}

    def give(self, device: str, tags: Sequence[str], now: float) -> None:
        """Give a device these tags, instead of what it was given before."""
        self._connection.execute(delete(schema.given).where(schema.given.c.device == device))
        if tags:
            self._connection.execute(insert(schema.given).values(device=device, tags=list(tags)))
        self.event("device.tagged", now, device=device, tags=list(tags))

    def forget(self, device: str, now: float) -> None:
        """Drop all that is known of a device; it is new where it reports again."""
        for table in (schema.specialists, schema.outcomes, schema.given, schema.journals, schema.devices):
            self._connection.execute(delete(table).where(table.c.device == device))
        self.event("device.forgotten", now, device=device)

    def told(self, device: str) -> list[Standing]:
        """What a device told of its specialists, by name."""
        table = schema.specialists
        rows = self._connection.execute(select(table).where(table.c.device == device).order_by(table.c.specialist))
        return [standing_of(row, row.specialist) for row in rows]

    def running(self, specialist: str) -> dict[str, Standing]:
        """What devices told of a specialist, by device."""
        table = schema.specialists
        rows = self._connection.execute(select(table).where(table.c.specialist == specialist))
        return {row.device: standing_of(row, specialist) for row in rows}

    def versions(self, specialist: str) -> list[tuple[str, int]]:
        """The bundles of a specialist that devices run, as (hash, how many devices), the most frequent first."""
        table = schema.specialists
        counted = func.count().label("counted")
        rows = self._connection.execute(
            select(table.c.bundle, counted)
            .where(table.c.specialist == specialist, table.c.bundle != "")
            .group_by(table.c.bundle)
            .order_by(counted.desc(), table.c.bundle)
        )
        return [(str(row.bundle), int(row.counted)) for row in rows]

    # Rollouts

    def courses(self) -> list[Course]:
        """All rollouts, the oldest first."""
        rows = self._connection.execute(select(schema.rollouts).order_by(schema.rollouts.c.number))
        return [course_of(row.course) for row in rows]

    def course(self, id_: str) -> Course:
        """A rollout; raises `NotThere` with the newest ones."""
        row = self._one(schema.rollouts, id=id_)
        if row is not None:
            return course_of(row.course)
        have = ", ".join(course.id for course in self.courses()[-5:])
        raise NotThere(
            f"There is no rollout '{id_[:64]}'; "
            + (f"the newest are {have}." if have else "'enigma rollout start' begins one.")
        )

    def next_number(self) -> int:
        """The number of the next rollout, from 1 on."""
        highest = self._connection.execute(select(func.max(schema.rollouts.c.number))).scalar_one()
        return int(highest or 0) + 1

    def add(self, number: int, course: Course) -> None:
        """Keep a new rollout."""
        self._connection.execute(insert(schema.rollouts).values(number=number, id=course.id, course=asdict(course)))

    def save(self, course: Course) -> None:
        """Keep where a rollout stands now."""
        table = schema.rollouts
        self._connection.execute(update(table).where(table.c.id == course.id).values(course=asdict(course)))

    def members(self, course: Course) -> list[Member]:
        """All devices that may have a part in a rollout, with what each last told of it."""
        devices, outcomes = schema.devices, schema.outcomes
        joined = devices.outerjoin(
            outcomes, (outcomes.c.device == devices.c.device) & (outcomes.c.rollout == course.id)
        )
        rows = self._connection.execute(
            select(
                devices.c.device, devices.c.name, devices.c.tags, devices.c.present, outcomes.c.state, outcomes.c.cause
            )
            .select_from(joined)
            .order_by(devices.c.device)
        )
        given = self.given()
        return [
            Member(
                row.device,
                row.name,
                (*row.tags, *given.get(row.device, ())),
                row.present,
                _OUTCOMES.get(row.state, ""),
                row.cause or "",
            )
            for row in rows
        ]

    def outcomes(self, rollout: str) -> list[Standing]:
        """What devices told of a rollout, by device."""
        table = schema.outcomes
        rows = self._connection.execute(select(table).where(table.c.rollout == rollout).order_by(table.c.device))
        return [standing_of(row, row.rollout) for row in rows]

    # Events

    def event(self, kind: str, now: float, by: str = "", **detail: object) -> None:
        """Number and keep something that happened. by: who did it, the user of this process where nobody is named."""
        self._events([(kind, detail)], now, by)

    def _events(self, happened: Sequence[tuple[str, Json]], now: float, by: str) -> None:
        if not happened:
            return
        counter = schema.about.c.events
        numbered = update(schema.about).values(events=counter + len(happened)).returning(counter)
        first = int(self._connection.execute(numbered).scalar_one()) - len(happened) + 1
        made = [Event(first + i, now, kind, (by or _user())[:64], detail) for i, (kind, detail) in enumerate(happened)]
        self._connection.execute(insert(schema.events), [asdict(event) for event in made])

    def events(self, after: int = 0, most: int = MOST_EVENTS, rollout: str | None = None) -> list[Event]:
        """Those whose number is higher than `after`, in order. rollout: only those about it."""
        table = schema.events
        rows = self._connection.execute(
            select(table).where(table.c.number > after).order_by(table.c.number).limit(most)
        )
        found = [Event(row.number, row.at, row.kind, row.by, dict(row.detail)) for row in rows]
        return [event for event in found if rollout is None or event.detail.get("rollout") == rollout]

    def fleet(self) -> str:
        """This database's own id: another one's events have other numbers."""
        return str(self._connection.execute(select(schema.about.c.id)).scalar_one())

    def last_event(self) -> int:
        """The number of the last event, 0 before the first."""
        return int(self._connection.execute(select(schema.about.c.events)).scalar_one())

    def _one(self, table: Table, **key: object) -> Row[Any] | None:
        where = [table.c[name] == value for name, value in key.items()]
        return self._connection.execute(select(table).where(*where)).first()

    def _put(self, table: Table, key: Sequence[str], rows: Sequence[Json]) -> None:
        if not rows:
            return
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table)
        others = {name: statement.excluded[name] for name in rows[0] if name not in key}
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=others)
        if dialect is postgresql and len(rows) > 1:  # with what it returns, the driver sends many rows at a time
            statement = statement.returning(table.c[key[0]])
        self._connection.execute(statement, list(rows))


_OUTCOMES = {State.COMMITTED.value: "done", _FAILED: "failed"}


def _parts(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """In pieces that a statement may name (SQLite takes 32,766 values, PostgreSQL 65,535)."""
    for start in range(0, len(items), 5000):
        yield items[start : start + 5000]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in a container
        return "unknown"
