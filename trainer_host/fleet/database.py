"""Where the fleet's database is: a SQLite file in the home folder, or a PostgreSQL server by its address."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from edge_runtime.addresses import is_near
from edge_runtime.database import write_ahead
from trainer_host.errors import TrainerError
from trainer_host.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from trainer_host.fleet.store import Store

VARIABLE = "ENIGMA_FLEET_DATABASE"
FORM = "postgresql://USER:PASSWORD@HOST/NAME"
_BUSY_SECONDS = 30.0  # another process holds the file for milliseconds; what is longer is a process that hangs
_NETWORK_SECONDS = 30.0
_QUERY = ("host", "sslmode", "sslrootcert")  # libpq's own names (PostgreSQL 15 manual, section 34.1.2)


def folder_of(workspace: Workspace) -> Path:
    """Where the fleet's database, its log and its webhooks lie."""
    return workspace.home / "fleet"


def open_store(workspace: Workspace, url: str | None = None) -> Store:
    """The fleet's database, brought to this version's form; close it.

    url: a PostgreSQL server; else what ENIGMA_FLEET_DATABASE holds; else a file in the home folder. Raises `TrainerError`.
    """
    try:
        from trainer_host.fleet.store import Store
    except ModuleNotFoundError as cause:
        if cause.name not in ("sqlalchemy", "pg8000"):
            raise
        raise TrainerError(
            "The database of the fleet needs SQLAlchemy: run \"pip install 'enigma[fleet]'\" and try again."
        ) from None
    url = url or os.environ.get(VARIABLE)
    folder = folder_of(workspace)
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if url is None:
        return Store(sqlite_engine(folder / "fleet.db"), str(folder / "fleet.db"))
    return Store(postgresql_engine(url), "The database of the fleet")


def sqlite_engine(path: Path) -> Engine:
    """A file; several processes may use it at the same time. Its owner alone can read it."""
    from sqlalchemy import URL, create_engine, event

    with storage_errors(path.parent):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def connected(connection: object, record: object) -> None:
        import sqlite3

        assert isinstance(connection, sqlite3.Connection)
        connection.isolation_level = None  # `begin` below says when a transaction begins, not the module
        write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")  # what a rollout decided survives a power cut

    return engine


def postgresql_engine(url: str) -> Engine:
    """A server, by a driver under a permissive licence (pg8000, BSD).

    What isn't on this machine or its private network must show a certificate that is valid for its name, unless the
    address says `?sslmode=disable`. Raises `TrainerError`, whose text never holds the password.
    """
    from sqlalchemy import URL, create_engine

    wrong = TrainerError(f"That isn't the address of a database; it looks like {FORM}.")
    try:
        parts = urlsplit(url)
        port, query = parts.port or 5432, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise wrong from None
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in ("postgresql", "postgres") or not name or "/" in name or not parts.username:
        raise wrong
    if stray := sorted(query.keys() - set(_QUERY)):
        raise TrainerError(f"'{stray[0][:40]}' in the database's address isn't known; {', '.join(_QUERY)} are.")
    host = query.get("host") or parts.hostname or "localhost"
    options: dict[str, object] = {"timeout": _NETWORK_SECONDS, "ssl_context": False}
    if host.startswith("/"):
        options["unix_sock"] = f"{host}/.s.PGSQL.{port}"
    else:
        options["ssl_context"] = _tls(query, is_near(host))
    address = URL.create(
        "postgresql+pg8000",
        unquote(parts.username),
        unquote(parts.password) if parts.password is not None else None,
        None if host.startswith("/") else host,
        None if host.startswith("/") else port,
        name,
    )
    return create_engine(address, connect_args=options, pool_pre_ping=True)


def _tls(query: dict[str, str], near: bool) -> ssl.SSLContext | bool:
    mode = query.get("sslmode", "disable" if near and "sslrootcert" not in query else "verify-full")
    if mode not in ("disable", "verify-full"):
        raise TrainerError("'sslmode' in the database's address must be verify-full, or disable.")
    if mode == "disable":
        return False
    try:
        return ssl.create_default_context(cafile=query.get("sslrootcert"))
    except OSError:
        raise TrainerError(f"{query.get('sslrootcert')} isn't a file of certificates.") from None
