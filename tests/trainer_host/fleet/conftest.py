"""Both databases: a SQLite file, and a PostgreSQL server of our own on a UNIX socket, which only this session knows."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer_host.fleet.database import postgresql_engine, sqlite_engine
from trainer_host.fleet.store import Store

USER = "enigma"


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).parent if elsewhere else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Path]:
    """The folder of the socket of a server that runs, as a user without rights."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL isn't installed: apt-get install postgresql")
    root = os.getuid() == 0
    nobody = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="enigma-pg-"))  # short: a socket's path has at most 107 bytes
    if root:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(binaries / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=300,
            cwd="/",
            user=nobody.pw_uid if root else None,
            group=nobody.pw_gid if root else None,
            extra_groups=[] if root else None,
        )

    data = str(folder / "data")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c shared_buffers=16MB"
    try:
        run("initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: the path of a file that isn't there yet, or an address."""
    if request.param == "sqlite":
        return str(tmp_path / "fleet.db")
    from sqlalchemy import text

    address = f"postgresql://{USER}@/postgres?host={request.getfixturevalue('postgresql')}"
    engine = postgresql_engine(address)
    with engine.begin() as connection:  # quicker than a database for each
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return address


def opened(database: str) -> Store:
    """A store of a database, which may be open elsewhere too."""
    engine = postgresql_engine(database) if "://" in database else sqlite_engine(Path(database))
    return Store(engine, "the database")


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """An empty store."""
    with opened(database) as made:
        yield made
