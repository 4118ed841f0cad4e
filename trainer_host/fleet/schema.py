"""The tables of the fleet's database, the same on SQLite and PostgreSQL, and the steps that bring an old one to today's form."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
    select,
)

from trainer_host.errors import TrainerError

tables = MetaData()
# One row. id: of this fleet, at random. format: how many of STEPS were taken. events: the number of the last event, counted
# here so that no number is ever missing or later than a higher one: whoever follows the events can't pass one over.
about = Table(
    "fleet_about",
    tables,
    Column("id", String(16), nullable=False),
    Column("format", Integer, nullable=False),
    Column("events", Integer, nullable=False),
)
devices = Table(
    "fleet_devices",
    tables,
    Column("device", String(64), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("seen", Float, nullable=False),
    Column("told", Float, nullable=False),
    Column("present", Boolean, nullable=False),
    Column("via", String(32), nullable=False),
    Column("runtime", String(96), nullable=False),
    Column("agent", String(32), nullable=False),
    Column("cause", String(512), nullable=False),
    Column("memory_mb", Float),
)
# Tags that somebody gave a device here, beside those that it has itself.
given = Table(
    "fleet_given",
    tables,
    Column("device", String(64), primary_key=True),
    Column("tags", JSON, nullable=False),
)
# What each device last told of each of its specialists, and of each rollout.
_told = (
    ("version", String(128)),
    ("bundle", String(64)),
    ("state", String(32)),
    ("cause", String(512)),
)
_figures = ("golden", "p95_ms", "memory_mb", "since")


def _report(name: str, key: str) -> Table:
    return Table(
        name,
        tables,
        Column("device", String(64), primary_key=True),
        Column(key, String(80), primary_key=True),
        *(Column(field, kind, nullable=False) for field, kind in _told),
        *(Column(field, Float) for field in _figures),
        Column("at", Float, nullable=False),
    )


specialists = _report("fleet_specialists", "specialist")
specialists.append_column(Column("rollout", String(80), nullable=False))
outcomes = _report("fleet_outcomes", "rollout")
Index("fleet_outcomes_by_rollout", outcomes.c.rollout)
rollouts = Table(
    "fleet_rollouts",
    tables,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("course", JSON, nullable=False),
)
events = Table(
    "fleet_events",
    tables,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("by", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
)
# Where each device's journal of updates ended when it told so last: it only ever grows. at: by the device's clock.
journals = Table(
    "fleet_journals",
    tables,
    Column("device", String(64), primary_key=True),
    Column("lines", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("at", Float, nullable=False),
)


def _first(connection: Connection) -> None:
    tables.create_all(connection)


def _with_journals(connection: Connection) -> None:
    journals.create(connection, checkfirst=True)  # a new database has it already


Step = Callable[[Connection], None]
# Each step brings the form of its number to the next one. A step is never changed once it was released.
STEPS: tuple[Step, ...] = (_first, _with_journals)


def migrate(connection: Connection, steps: Sequence[Step] = STEPS) -> None:
    """Take the steps that a database lacks, all or none; raises `TrainerError` for one of a newer version."""
    have = 0
    if inspect(connection).has_table(about.name):
        have = connection.execute(select(about.c.format).with_for_update()).scalar_one()
    if have > len(steps):
        raise TrainerError(
            f"The database of the fleet has the form {have}, and this version knows {len(steps)}; update Enigma on this host."
        )
    for step in steps[have:]:
        step(connection)
    if not have:
        connection.execute(about.insert().values(id=secrets.token_hex(8), format=len(steps), events=0))
    elif have < len(steps):
        connection.execute(about.update().values(format=len(steps)))
