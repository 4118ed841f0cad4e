"""The files of this app: devices and the host with their tokens, and what other services keep (mode 0600); and settings."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from companion_app.i18n import N_, tr
from companion_app.state.preferences import Preferences, read_preferences

FORMAT = 1
DEVICES, HOST, SETTINGS = "devices.json", "host.json", "settings.json"
PAIR_DEVICES, PAIR_HOST = N_("pair your devices again"), N_("pair your host again")
_FORMER = {"host": "releaser", "companion": "operator"}  # roles of versions before there were scopes


class RememberError(Exception):
    """The config folder cannot be used; the message is one sentence for the person."""


@dataclass(frozen=True)
class Remembered:
    """A paired device. `token` is a secret; an empty one is a device on this machine that asks for none.

    role: the token's scope, or "open" without one. certificate: how the one it must show is known; empty where it
    does not encrypt. since: the day of the pairing (ISO 8601), empty where an earlier version made it.
    """

    address: str
    name: str
    role: str
    token: str
    certificate: str = ""
    since: str = ""

    def __repr__(self) -> str:
        return f"Remembered({self.address!r}, {self.name!r}, {self.role!r}, token hidden)"


@dataclass(frozen=True)
class RememberedHost:
    """The paired host. `token` is a secret. certificate, since: as a device's. scope: the token's."""

    address: str
    name: str
    token: str
    certificate: str = ""
    scope: str = ""
    since: str = ""

    def __repr__(self) -> str:
        return f"RememberedHost({self.address!r}, {self.name!r}, token hidden)"


@dataclass(frozen=True)
class Settings:
    """What a person chose; `inventory` is a path, None is the sample home."""

    preferences: Preferences = field(default_factory=Preferences)
    inventory: str | None = None
    selected: str | None = None


class Memory:
    """Reads and writes the config folder; every write replaces a file whole, or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder, for this user alone. Raises RememberError."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot("use", self.folder, error) from None

    def devices(self) -> tuple[Remembered, ...]:
        """The paired devices. Raises RememberError if the file is damaged (it is then kept aside)."""
        document = self.read(DEVICES, PAIR_DEVICES)
        if document is None:
            return ()
        items = document.get("devices")
        devices = []
        for item in items if isinstance(items, list) else [None]:
            texts = _texts(item, Remembered)
            if texts is None:
                raise self.set_aside(DEVICES, PAIR_DEVICES)
            devices.append(Remembered(**texts | {"role": _FORMER.get(texts["role"], texts["role"])}))
        return tuple(devices)

    def keep_devices(self, devices: tuple[Remembered, ...]) -> None:
        """Remember these devices and no others. Raises RememberError."""
        self.write(DEVICES, {"devices": [asdict(device) for device in devices]})

    def host(self) -> RememberedHost | None:
        """The paired host. Raises RememberError if the file is damaged (it is then kept aside)."""
        document = self.read(HOST, PAIR_HOST)
        if document is None or document.get("host", "") is None:
            return None
        texts = _texts(document.get("host"), RememberedHost)
        if texts is None:
            raise self.set_aside(HOST, PAIR_HOST)
        return RememberedHost(**texts)

    def keep_host(self, host: RememberedHost | None) -> None:
        """Remember this host, or none. Raises RememberError."""
        self.write(HOST, {"host": None if host is None else asdict(host)})

    def settings(self) -> Settings:
        """What was chosen; a damaged or foreign file counts as nothing chosen."""
        try:
            document = self.read(SETTINGS, "") or {}
        except RememberError:
            return Settings()
        inventory = document.get("inventory")
        selected = document.get("selected")
        return Settings(
            preferences=read_preferences(document),
            inventory=inventory if isinstance(inventory, str) else None,
            selected=selected if isinstance(selected, str) else None,
        )

    def keep_settings(self, settings: Settings) -> None:
        """Remember what was chosen. Raises RememberError."""
        chosen = {"inventory": settings.inventory, "selected": settings.selected}
        self.write(SETTINGS, asdict(settings.preferences) | chosen)

    def read(self, name: str, what_now: str) -> dict[str, object] | None:
        """A file of the folder, None where there is none. Raises RememberError; a damaged one is kept aside.

        what_now: for that case, what a person has to do or has lost.
        """
        path = self.folder / name
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot("read", path, error) from None
        except (ValueError, RecursionError):
            raise self.set_aside(name, what_now) from None
        if not isinstance(document, dict):
            raise self.set_aside(name, what_now)
        return document

    def set_aside(self, name: str, what_now: str) -> RememberError:
        """Keep a damaged file under another name; what to raise then."""
        path = self.folder / name
        aside = path.with_suffix(".damaged")
        try:
            path.replace(aside)
        except OSError as error:
            return _cannot("read", path, error)
        return RememberError(
            tr(
                "{file} was damaged and is kept as {aside}; {what_now}.",
                file=path.name,
                aside=aside.name,
                what_now=tr(what_now),
            )
        )

    def write(self, name: str, document: dict[str, object]) -> None:
        """Put a file in the place of the one of this name, for this user alone. Raises RememberError."""
        self.prepare()
        path = self.folder / name
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            # Made with mode 0600 from the start: a token is never readable by others, not even briefly.
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump({"format": FORMAT, **document}, file, indent=1, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise _cannot("write", path, error) from None


def _texts(item: object, kind: type[Remembered] | type[RememberedHost]) -> dict[str, str] | None:
    """The fields of one entry, None where one is missing or no text."""
    if not isinstance(item, dict):
        return None
    # What later versions added has a default; files of earlier ones lack it.
    found = {each.name: item.get(each.name, each.default) for each in fields(kind)}
    return found if all(isinstance(value, str) for value in found.values()) else None


def _cannot(verb: str, path: Path, error: OSError) -> RememberError:
    why = (error.strerror or str(error)).lower()
    if verb == "use":
        said = tr("Cannot use {path} ({why}); choose another folder with --config.", path=path, why=why)
    elif verb == "read":
        said = tr("Cannot read {path} ({why}); choose another folder with --config.", path=path, why=why)
    else:
        said = tr("Cannot write {path} ({why}); choose another folder with --config.", path=path, why=why)
    return RememberError(said)
