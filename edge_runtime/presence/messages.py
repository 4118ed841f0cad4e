"""What devices and hosts say over MQTT: topics, messages that the device's own key signed, and the few commands.

    <prefix>/<device>/presence   retained, also the last will: {"device", "online", "at"}, signed
    <prefix>/<device>/report     retained: the device's report, signed
    <prefix>/<device>/do         "check" or "report", never retained, unsigned

A broker, and whoever else may publish on it, can so hold back or repeat what a device said, but not make it up. A command
only asks for what the device does by itself anyway, so it needs no signature: nothing that comes this way is installed.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError
from edge_runtime.identity.keys import DeviceKey
from edge_runtime.identity.statement import check, sign
from edge_runtime.update.report import MOST_BYTES, Report, plain_report, report_of

Json = dict[str, object]
MOST_COMMAND = 64  # bytes
MOST_MESSAGE = MOST_BYTES  # bytes; what signs a report fits in beside it
_TOPIC = re.compile(r"(?P<prefix>.+)/(?P<device>[0-9a-f]{16})/(?P<kind>presence|report)")
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,40}(?:/[A-Za-z0-9_.-]{1,40}){0,4}")
_FAR = 1e12  # seconds


class Kind(enum.StrEnum):
    """What a device says."""

    PRESENCE = "presence"
    REPORT = "report"


class Command(enum.StrEnum):
    """What a device may be asked for."""

    CHECK = "check"  # look for updates now
    REPORT = "report"  # tell how it is now


class MessageError(EdgeError):
    """A message isn't one of ours, or not by the device that it is about."""

    status = 422
    code = "message"


@dataclass(frozen=True)
class Presence:
    """Whether a device is there. at: when it connected, or went, in seconds since 1970 by its clock."""

    device: str
    online: bool
    at: float


def checked_prefix(prefix: str) -> str:
    """What topics begin with; raises `MessageError`."""
    if not _PREFIX.fullmatch(prefix):
        raise MessageError(
            "A prefix of topics has letters, digits, '_', '.', '-' and '/', as in enigma or home/enigma."
        )
    return prefix


def topic(prefix: str, device: str, last: str) -> str:
    """Where a device says something, or hears commands (`last` is then "do")."""
    return f"{prefix}/{device}/{last}"


def told_on(prefix: str, name: str) -> tuple[str, Kind]:
    """The device and what it says, by a topic; raises `MessageError`."""
    found = _TOPIC.fullmatch(name)
    if found is None or found["prefix"] != prefix:
        raise MessageError("The topic isn't one that a device tells on.")
    return found["device"], Kind(found["kind"])


def signed_report(report: Report, key: DeviceKey) -> bytes:
    """A report as a device publishes it."""
    return _signed(Kind.REPORT, plain_report(report), key)


def signed_presence(presence: Presence, key: DeviceKey) -> bytes:
    """A presence as a device publishes it, or leaves it with the broker as its last will."""
    return _signed(Kind.PRESENCE, {"device": presence.device, "online": presence.online, "at": presence.at}, key)


def read_report(raw: bytes, device: str, known: Mapping[str, str]) -> Report:
    """The report of a device; raises `EdgeError` where its key didn't sign it.

    known: public keys in hex by device id; of others only the id is known, which is the first 64 bits of the key.
    """
    report = report_of(_checked(Kind.REPORT, raw, device, known))
    if report.device != device:
        raise MessageError("The report is of another device.")
    return report


def read_presence(raw: bytes, device: str, known: Mapping[str, str]) -> Presence:
    """The presence of a device; raises `EdgeError` as `read_report` does."""
    fields = _checked(Kind.PRESENCE, raw, device, known)
    online, at = fields.get("online"), fields.get("at")
    if fields.get("device") != device or not isinstance(online, bool):
        raise MessageError("The presence can't be read, or is of another device.")
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at <= _FAR:
        raise MessageError("The presence says no time.")
    return Presence(device, online, float(at))


def read_command(raw: object) -> Command:
    """A command; raises `MessageError` for anything else."""
    if not isinstance(raw, bytes) or len(raw) > MOST_COMMAND:
        raise MessageError(f"A command has at most {MOST_COMMAND} bytes.")
    try:
        return Command(raw.decode("ascii").strip())
    except ValueError:  # of the decoder, too
        raise MessageError(f"The command isn't one of {', '.join(Command)}.") from None


def _signed(kind: Kind, content: Json, key: DeviceKey) -> bytes:
    return strict_json.dumps(sign(kind, content, key))


def _checked(kind: Kind, raw: bytes, device: str, known: Mapping[str, str]) -> Json:
    if len(raw) > MOST_MESSAGE:
        raise MessageError(f"The message has {len(raw):,} bytes; at most {MOST_MESSAGE:,} are read.")
    top = strict_json.loads_object(raw, "The message", MessageError)
    return check(kind, top, device, known.get(device, ""), "The message", MessageError)
