"""What a fleet shall run: queries over tags that each device answers for itself, so one small file serves any number.

The file is the target `fleet/desired.json` of the role `fleet`. A rollout chooses devices by what they are tagged with
and by a share of them; a device's place within that share is a hash, so it needs no list of devices, and a device that
joins later counts as those before it. Rules without I/O: who signed the file is for the TUF client to say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError

FORMAT = 1
TARGET = "fleet/desired.json"
WHOLE = 10_000  # a share is counted in 1/10,000
MOST_BYTES = 256 * 1024  # what a device reads of such a file: some 500 rollouts
MOST_ROLLOUTS = 1000
MOST_TAGS = 32  # in one list of a query
MOST_DEVICES = 1000  # that one query names
MOST_CONDITIONS = 8
TAG = re.compile(r"[a-z0-9][a-z0-9_.:=-]{0,63}")
DEVICE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:-]{0,63}")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
# A word, or hours as in 22:00-06:00; what it means, and whether it is known here, is for `conditions` to say.
_CONDITION = re.compile(r"[a-z][a-z0-9_-]{0,31}|[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}")
_HASH = re.compile(r"[0-9a-f]{64}")
_SPECIALIST = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")  # this and the next two as in a bundle's manifest
_TASK = r"[a-z0-9][a-z0-9_]{0,31}"
_VERSION = r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){2}(?:-[0-9A-Za-z.-]{1,64})?"


class DesiredError(EdgeError):
    """What the fleet shall run can't be read; the device keeps what it has."""

    status = 422
    code = "desired"


@dataclass(frozen=True)
class Where:
    """A query: all of these tags, at least one of those (where any are named), none of the last; or named devices."""

    all: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    def matches(self, tags: Collection[str]) -> bool:
        """Whether a device with these tags is meant, whatever its place in the share."""
        return (
            all(tag in tags for tag in self.all)
            and (not self.any or any(tag in tags for tag in self.any))
            and not any(tag in tags for tag in self.none)
        )


@dataclass(frozen=True)
class Rollout:
    """One version for the devices that a query chooses.

    target: the bundle's name in the repository. sha256: of that file, in hex; the role `models/<task>` must give the same.
    share: how many of 10,000 devices that the query matches; those in `where.devices` besides, whatever their tags.
    when: conditions for switching to it, see `edge_runtime.update.conditions`. settled: it is done, and was found good.
    """

    id: str
    specialist: str
    target: str
    sha256: str
    where: Where = field(default_factory=Where)
    share: int = WHOLE
    when: tuple[str, ...] = ()
    settled: bool = False

    @property
    def task(self) -> str:
        """The task that the target's name states."""
        return self.target.split("/")[1]

    @property
    def version(self) -> str:
        """The version that the target's name states."""
        return self.target.split("/")[2][len(self.specialist) + 1 : -len(".enigma")]

    def chooses(self, device: str, tags: Collection[str]) -> bool:
        """Whether this device shall run it; once chosen, a larger share still chooses it."""
        return device in self.where.devices or (self.where.matches(tags) and place(self.id, device) < self.share)


def place(rollout: str, device: str) -> int:
    """Where a device stands in a rollout's order, 0 to 9,999: another order in each rollout, the same at any time."""
    digest = hashlib.sha256(f"{rollout}:{device}".encode()).digest()
    return int.from_bytes(digest[:4], "big") * WHOLE >> 32


def chosen(rollouts: Sequence[Rollout], device: str, tags: Collection[str]) -> dict[str, Rollout]:
    """specialist -> the rollout that counts for a device: the last one of those that choose it.

    A specialist that no rollout chooses it for is missing: the device keeps what it has.
    """
    return {rollout.specialist: rollout for rollout in rollouts if rollout.chooses(device, tags)}


def target_name(task: str, specialist: str, version: str) -> str:
    """The name of a bundle in the repository."""
    return f"models/{task}/{specialist}-{version}.enigma"


def write_desired(rollouts: Iterable[Rollout]) -> bytes:
    """The file, in one canonical form; raises `DesiredError` for what `parse_desired` would refuse."""
    content = strict_json.dumps({"format": FORMAT, "rollouts": [asdict(rollout) for rollout in rollouts]})
    parse_desired(content)
    return content


def parse_desired(raw: bytes) -> tuple[Rollout, ...]:
    """Read the file; `parse_desired(write_desired(r)) == r`. Raises `DesiredError` with a sentence that names the place."""
    if len(raw) > MOST_BYTES:
        raise DesiredError(f"The list of rollouts has {len(raw):,} bytes; at most {MOST_BYTES:,} are read.")
    top = strict_json.loads_object(raw, "The list of rollouts", DesiredError)
    if top.get("format") != FORMAT or isinstance(top.get("format"), bool):
        raise DesiredError(f"The format of the list of rollouts isn't {FORMAT}; update Enigma on the device.")
    _only(top, {"format", "rollouts"}, "The list of rollouts")
    items = top.get("rollouts")
    if not isinstance(items, list) or len(items) > MOST_ROLLOUTS:
        raise DesiredError(f"'rollouts' must be a list of at most {MOST_ROLLOUTS}.")
    made = tuple(_rollout(item, f"rollouts[{i}]") for i, item in enumerate(items))
    if len({rollout.id for rollout in made}) != len(made):
        raise DesiredError("Two rollouts have the same id; each needs its own.")
    return made


def _rollout(raw: object, at: str) -> Rollout:
    fields = _object(raw, {"id", "specialist", "target", "sha256", "where", "share", "when", "settled"}, at)
    specialist = _text(fields, "specialist", _SPECIALIST, at)
    target = re.compile(rf"models/{_TASK}/{specialist}-{_VERSION}\.enigma")
    share, settled = fields["share"], fields["settled"]
    if isinstance(share, bool) or not isinstance(share, int) or not 0 <= share <= WHOLE:
        raise DesiredError(f"{at}: 'share' must be a whole number from 0 to {WHOLE}.")
    if not isinstance(settled, bool):
        raise DesiredError(f"{at}: 'settled' must be true or false.")
    where = _object(fields["where"], {"all", "any", "none", "devices"}, f"{at}.where")
    return Rollout(
        id=_text(fields, "id", _ID, at),
        specialist=specialist,
        target=_text(fields, "target", target, at),
        sha256=_text(fields, "sha256", _HASH, at),
        where=Where(
            all=_texts(where, "all", TAG, MOST_TAGS, f"{at}.where"),
            any=_texts(where, "any", TAG, MOST_TAGS, f"{at}.where"),
            none=_texts(where, "none", TAG, MOST_TAGS, f"{at}.where"),
            devices=_texts(where, "devices", DEVICE, MOST_DEVICES, f"{at}.where"),
        ),
        share=share,
        when=_texts(fields, "when", _CONDITION, MOST_CONDITIONS, at),
        settled=settled,
    )


def _object(raw: object, keys: set[str], at: str) -> dict[str, object]:
    if not isinstance(raw, dict):
        raise DesiredError(f"{at} must be an object.")
    _only(raw, keys, at)
    if missing := sorted(keys - raw.keys()):
        raise DesiredError(f"{at} lacks '{missing[0]}'.")
    return raw


def _only(raw: dict[str, object], keys: set[str], at: str) -> None:
    # What this version doesn't know might be a restriction, so nothing unknown is passed over.
    if extra := sorted(raw.keys() - keys):
        raise DesiredError(f"{at} has '{extra[0][:40]}', which this version doesn't know; update Enigma on the device.")


def _text(fields: dict[str, object], key: str, pattern: re.Pattern[str], at: str) -> str:
    value = fields[key]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise DesiredError(f"{at}: '{key}' isn't one that a device can use.")
    return value


def _texts(fields: dict[str, object], key: str, pattern: re.Pattern[str], most: int, at: str) -> tuple[str, ...]:
    values = fields[key]
    if not isinstance(values, list) or len(values) > most or len(set(map(str, values))) != len(values):
        raise DesiredError(f"{at}: '{key}' must be a list of at most {most} different texts.")
    for value in values:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise DesiredError(f"{at}: '{key}' holds a text that a device can't use.")
    return tuple(values)
