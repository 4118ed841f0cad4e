"""What systemd is told, by its datagrams (sd_notify(3)), and the unit file that asks for them.

Nothing happens where no supervisor asked: the environment says so (NOTIFY_SOCKET, WATCHDOG_USEC).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from edge_runtime.process_watchdog import START_SECONDS

_log = logging.getLogger(__name__)
WATCHDOG_SECONDS = 30
MARGIN_SECONDS = 60.0  # that systemd waits on top, so that a process says by itself why it ends
SEND_SECONDS = 1.0

UNIT = """\
[Unit]
Description=Enigma specialists
After=network.target

[Service]
Type=notify
NotifyAccess=main
TimeoutStartSec={start}
WatchdogSec={watchdog}
ExecStart={command} run --state {state}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
{who}NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={state}
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes

[Install]
WantedBy={wanted_by}
"""


class Supervisor:
    """The side that listens for READY and the watchdog's signs of life; `send` does nothing where there is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._period = _watchdog(environment)

    def send(self, *lines: str) -> None:
        """One datagram of VARIABLE=VALUE lines. A supervisor that can't be reached is logged, nothing else."""
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(SEND_SECONDS)
                sender.sendto("\n".join(lines).encode(), address)
        except OSError as cause:
            _log.warning("the supervisor at NOTIFY_SOCKET can't be told: %s", cause.strerror or cause)

    def starting(self, seconds: float) -> None:
        """The start goes on, and the next word comes within so long."""
        self.send(f"EXTEND_TIMEOUT_USEC={int((seconds + MARGIN_SECONDS) * 1e6)}")

    def ready(self, status: str) -> None:
        """The daemon serves."""
        self.send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The daemon ends, and the same process begins again: to systemd this isn't an end (sd_notify(3))."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The daemon ends on purpose."""
        self.send("STOPPING=1")

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Give signs of life while the body runs, as long as the event loop turns: a daemon that hangs is started anew."""
        if self._period is None:
            yield
            return
        task = asyncio.create_task(self._signs(self._period))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _signs(self, period: float) -> None:
        while True:
            self.send("WATCHDOG=1")
            await asyncio.sleep(period)


def unit_file(state: Path, user: str | None) -> str:
    """A unit for systemd that runs this installation's `enigma-edge`; for a user's own systemd where `user` is None."""
    command = Path(sys.argv[0]).absolute() if Path(sys.argv[0]).name.startswith("enigma-edge") else None
    started = str(command) if command is not None else f"{sys.executable} -m edge_runtime.cli"
    return UNIT.format(
        start=int(START_SECONDS + MARGIN_SECONDS),
        watchdog=WATCHDOG_SECONDS,
        command=started,
        state=state.absolute(),
        who=f"User={user}\n" if user else "",
        wanted_by="multi-user.target" if user else "default.target",
    )


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """Seconds between signs of life: half of what the supervisor allows, as sd_watchdog_enabled(3) advises."""
    microseconds, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or int(microseconds) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 2_000_000
