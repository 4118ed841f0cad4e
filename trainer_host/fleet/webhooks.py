"""Tells other programs of the fleet's events over HTTP, signed, as Standard Webhooks 1.0 says (www.standardwebhooks.com).

A request holds `webhook-id`, the same at every try, `webhook-timestamp`, the second in which it was sent, and
`webhook-signature`: HMAC-SHA256 of "id.timestamp.body" by a secret that the receiver has too. A receiver that refuses what
is older than some minutes, and ids that it has seen, can't be deceived by what was sent before.

The events in the database are the queue. A webhook holds the number of the last one that was taken, so what ends the
process repeats an event at most; what was more than `MOST_WAITING` events behind is left out, and counted.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.update.slots import lock
from trainer_host.errors import NotThere, TrainerError
from trainer_host.teacher.audit import locked
from trainer_host.teacher.connection import Answered, Connection, Deadlines
from trainer_host.teacher.vault.checks import checked_url
from trainer_host.workspace import storage_errors, write_atomic

if TYPE_CHECKING:
    from trainer_host.fleet.records import Event
    from trainer_host.fleet.store import Store

FILE = "webhooks.json"
MOST_WEBHOOKS = 16
MOST_WAITING = 1000  # events
MOST_TRIES = 12  # of one event: for a day and a half, see `pause_after`
AT_ONCE = 50  # events of one webhook in one go
SECRET_BYTES = 32
_PREFIX = "whsec_"
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 6 * 3600.0
_DEADLINES = Deadlines(connect=5.0, answer=10.0)
_MAX_ANSWER = 64 * 1024
_GONE = 410  # the receiver wants no more (Standard Webhooks, "Deliverability and reliability")


@dataclass(frozen=True)
class Webhook:
    """A receiver. kinds: which events, by how their names begin ("rollout."), all where it is empty.

    fleet, sent: the database whose events it gets, and the last one that was delivered or given up. tries, next_at, cause:
    of the one that is due. lost: events that were given up. off: it answered that it wants no more.
    """

    id: str
    url: str
    secret: str = field(repr=False)
    kinds: tuple[str, ...] = ()
    fleet: str = ""
    sent: int = 0
    tries: int = 0
    next_at: float = 0.0
    cause: str = ""
    lost: int = 0
    off: bool = False

    def wants(self, event: Event) -> bool:
        """Whether an event is one of its kinds."""
        return not self.kinds or event.kind.startswith(self.kinds)


def known(folder: Path) -> list[Webhook]:
    """All webhooks; raises `TrainerError` where the file is damaged or can be read by others."""
    path = folder / FILE
    try:
        with path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o077:
                raise TrainerError(
                    f"{path} can be read by others; run 'chmod 600 {path}', and renew the secrets in it."
                )
            raw = json.loads(opened.read(2**20))
        return [Webhook(**{**item, "kinds": tuple(item["kinds"])}) for item in raw["webhooks"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainerError(f"{path} is damaged; delete it and add the webhooks again.") from None


def add(folder: Path, store: Store, url: str, kinds: Sequence[str], secret: str = "") -> Webhook:
    """Tell a receiver of what happens from now on; with its secret, a new one where none is given.

    Raises `TrainerError` for an address that isn't https (plain http is for this machine and private networks), a secret
    that is too short, and where there are as many webhooks as may be.
    """
    secret = secret or _PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()
    _key(secret)
    with store.reading() as session:
        fleet, last = session.fleet(), session.last_event()
    url = checked_url(url)
    with _changing(folder) as have:
        if len(have) >= MOST_WEBHOOKS:
            raise TrainerError(
                f"There are {MOST_WEBHOOKS} webhooks already; 'enigma fleet webhooks remove' makes room."
            )
        number = 1 + max((int(one.id.removeprefix("w")) for one in have), default=0)
        have.append(Webhook(f"w{number}", url, secret, tuple(kinds), fleet, last))
        return have[-1]


def remove(folder: Path, id_: str) -> Webhook:
    """Forget a webhook; raises `NotThere`."""
    with _changing(folder) as have:
        gone = next((one for one in have if one.id == id_), None)
        if gone is None:
            raise NotThere(f"There is no webhook '{id_[:40]}'; 'enigma fleet webhooks list' shows them.")
        have.remove(gone)
        return gone


async def deliver(folder: Path, store: Store, clock: Callable[[], float] = time.time) -> int:
    """Send what is due to all webhooks at the same time; how many events were taken.

    Whatever a receiver does, it takes no longer than a request's deadline, and nothing else waits for it.
    """
    if not known(folder):
        return 0
    with storage_errors(folder):
        handle = lock(folder / "sending")
    if handle is None:  # another process sends
        return 0
    connection = Connection(_DEADLINES, _MAX_ANSWER)
    try:
        due = [one for one in known(folder) if not one.off and one.next_at <= clock()]
        after = await asyncio.gather(*(_deliver(one, store, connection, clock) for one in due))
        changed = {one.id: one for one, _ in after}
        if [*changed.values()] != due:
            with _changing(folder) as have:
                have[:] = [changed.get(one.id, one) for one in have]
        return sum(count for _, count in after)
    finally:
        os.close(handle)
        await connection.close()


def headers(secret: str, id_: str, at: int, body: bytes) -> dict[str, str]:
    """What a request holds besides its body. at: seconds since 1970."""
    mac = hmac.digest(_key(secret), f"{id_}.{at}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def pause_after(tries: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the next try: 5, 20, 80 ... up to 6 hours, each by up to a quarter longer, so that many spread out."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 4.0 ** min(tries - 1, 10)) * (1 + chance() / 4)


async def _deliver(
    hook: Webhook, store: Store, connection: Connection, clock: Callable[[], float]
) -> tuple[Webhook, int]:
    with store.reading() as session:
        fleet, last = session.fleet(), session.last_event()
        if hook.fleet != fleet:  # another database: its events have other numbers
            return replace(hook, fleet=fleet, sent=last, tries=0, next_at=0.0), 0
        events = session.events(after=hook.sent)
    wanted = [event for event in events if hook.wants(event)]
    if len(wanted) > MOST_WAITING:
        hook = replace(hook, lost=hook.lost + len(wanted) - MOST_WAITING, tries=0)
        wanted = wanted[-MOST_WAITING:]
    taken = 0
    for event in wanted[:AT_ONCE]:
        said = await _send(hook, event, connection, clock)
        if said is None:
            hook = replace(hook, sent=event.number, tries=0, next_at=0.0, cause="")
            taken += 1
            continue
        hook = replace(hook, tries=hook.tries + 1, cause=said, off=said == str(_GONE))
        if hook.tries >= MOST_TRIES:
            hook = replace(hook, sent=event.number, tries=0, lost=hook.lost + 1)
        return replace(hook, next_at=clock() + pause_after(max(1, hook.tries))), taken
    if taken == len(wanted) and events:
        hook = replace(hook, sent=events[-1].number)
    return hook, taken


async def _send(hook: Webhook, event: Event, connection: Connection, clock: Callable[[], float]) -> str | None:
    """None where the receiver took it, else what it answered."""
    content = {
        "type": event.kind,
        "timestamp": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds"),
        "data": {**event.detail, "event": event.number, "by": event.by},
    }
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    answer = await connection.post(
        hook.url, headers(hook.secret, f"evt_{hook.fleet}_{event.number}", int(clock()), body), body
    )
    if not isinstance(answer, Answered):
        return f"it {answer.kind.value} ({answer.detail})"
    return None if 200 <= answer.status < 300 else str(answer.status)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if not 24 <= len(key) <= 64:  # Standard Webhooks, "Signature scheme"
        raise TrainerError(
            "A webhook's secret is 'whsec_' and 24 to 64 bytes in base64; leave it out to get a new one."
        )
    return key


@contextlib.contextmanager
def _changing(folder: Path) -> Iterator[list[Webhook]]:
    """The webhooks, to be changed; kept where the block ends well."""
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(folder / FILE):
            have = known(folder)
            yield have
            content = {"webhooks": [asdict(one) for one in have]}
            write_atomic(folder / FILE, json.dumps(content, indent=1).encode() + b"\n", 0o600)
