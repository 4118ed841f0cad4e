"""What a person can make the app do; each command returns at once and reports through the store."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from companion_app.i18n import tr
from companion_app.services.choosing import settings_of
from companion_app.services.device_code import PICTURES, CodeError, read_picture
from companion_app.services.link import Link, sentence_of
from companion_app.services.remember import Memory, Remembered, RememberError
from companion_app.services.sending import Sending
from companion_app.services.wire import answer_from, request_for
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state.describe import where_to_ask
from companion_app.state.host import KeyWay
from companion_app.state.host_actions import KeyMovePicked
from companion_app.state.inventory import InventoryError, read_inventory
from companion_app.state.model import Device, PushPhase, Screen
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient, EdgeError, is_invitation, read_invitation, with_scheme

# Above the client's own deadlines: nothing may leave a spinner on the screen for ever.
PAIR_DEADLINE = 20.0
ASK_DEADLINE = 20.0
PUSH_DEADLINE = 300.0
MAX_SENTENCE = 500
DEFAULT_PORT = 8765


class Commands:
    """Owns the links and every task that is under way; `close` ends them all."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory
        # A link closes its client to reconnect; what a person asked for goes over another one, untouched.
        self._clients: dict[str, DeviceClient] = {}
        self._links: dict[str, tuple[Link, asyncio.Task[None]]] = {}
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._sending = Sending(store, self.client, self.poke)
        self._remembered: dict[str, Remembered] = {}
        self._number = 0
        self._watched: str | None = None

    def start(self, devices: tuple[Remembered, ...]) -> None:
        """Connect to the remembered devices; needs a running event loop."""
        for device in devices:
            self._remembered[device.address] = device
            self._connect(device)

    async def close(self) -> None:
        """End every connection and everything under way."""
        await self._work.close()
        for client in [link.client for link, _ in self._links.values()] + list(self._clients.values()):
            await client.close()
        self._links.clear()
        self._clients.clear()

    def pair(self, address: str, code: str) -> None:
        """Pair with a device by its one-time code; without a code, only try whether it is open to us.

        address: the device's, or all that its QR code holds, which has the code and the certificate too.
        """
        if self._store.state.pairing.busy:
            return
        certificate = None
        try:
            if is_invitation(address):
                invited = read_invitation(address)
                address, code, certificate = invited.url, invited.code, invited.certificate
            base = clean_address(address)
        except (ValueError, EdgeError) as error:
            sentence = sentence_of(error) if isinstance(error, EdgeError) else str(error)
            self._store.dispatch(act.PairingFailed(sentence))
            return
        self._store.dispatch(act.PairingStarted())
        self._work.begin(self._pair(base, code.strip(), certificate))

    def read_code(self, path: str) -> None:
        """Pair by the picture of a QR code."""
        if self._store.state.pairing.busy:
            return
        if not path.strip():
            self._store.dispatch(
                act.PairingFailed(tr("Give the path of a picture of the code, or drop one on this window."))
            )
            return
        self._store.dispatch(act.PairingStarted())
        self._work.begin(self._read_code(Path(path.strip()).expanduser()))

    def forget(self, address: str) -> None:
        """Drop a device and its token from this machine."""
        self._work.begin(self._disconnect(address))
        self._remembered.pop(address, None)
        self._store.dispatch(act.DeviceForgotten(address))
        self._keep(devices=True)

    def select(self, address: str) -> None:
        """Make a device the current one."""
        self._store.dispatch(act.DeviceSelected(address))
        self._keep()

    def ask(self, sentence: str) -> None:
        """Send a sentence to the chosen specialist."""
        state = self._store.state
        sentence = " ".join(sentence.split())
        if not sentence:
            return
        if len(sentence) > MAX_SENTENCE:
            self._store.dispatch(act.Noticed(tr("Keep a sentence under {most} characters.", most=MAX_SENTENCE)))
            return
        chosen, device = state.chosen, state.device
        if device is None or chosen is None:
            self._store.dispatch(act.Noticed(where_to_ask(state)))
            return
        self._number += 1
        self._store.dispatch(act.Asked(self._number, chosen.name, sentence))
        self._work.begin(self._ask(self._number, device.address, chosen.name, chosen.task, sentence))

    def push(self, path: str) -> None:
        """Carry a bundle file to the current device."""
        state = self._store.state
        if state.push.phase in (PushPhase.SENDING, PushPhase.CHECKING):
            return
        file = Path(path.strip()).expanduser()
        device = state.device
        try:
            if device is None:
                raise ValueError(tr("Pair with a device first; then bundles can be pushed to it."))
            if not path.strip():
                raise ValueError(tr("Give the path of a .enigma file, or drop one on this window."))
            if not file.is_file():
                raise ValueError(tr("There is no file {file}; check the path.", file=file))
            size = file.stat().st_size
        except (ValueError, OSError) as error:
            sentence = sentence_of(error) if isinstance(error, OSError) else str(error)
            self._store.dispatch(act.PushPathSet(path))
            self._store.dispatch(act.PushFailed(sentence))
            return
        self._store.dispatch(act.PushStarted(str(file), size))
        self._work.begin(self._push(device.address, file))

    def drop(self, path: str) -> None:
        """A file fell on the window: a home is loaded, keys are imported, a code pairs; the rest is taken for a bundle."""
        if path.lower().endswith(PICTURES) and self._store.state.screen in (Screen.PAIR, Screen.DEVICES):
            self._store.dispatch(act.Opened(Screen.PAIR))
            self.read_code(path)
            return
        if path.lower().endswith(".age"):
            self._store.dispatch(KeyMovePicked(KeyWay.IMPORT, path))
            self._store.dispatch(act.Opened(Screen.KEYS))
            return
        if path.lower().endswith(".json"):
            self.load_home(path)
            return
        self._store.dispatch(act.PushPathSet(path))
        self._store.dispatch(act.Opened(Screen.PUSH))

    def load_home(self, path: str) -> bool:
        """Use the home in a JSON file; says what is wrong with it otherwise."""
        try:
            inventory = read_inventory(Path(path.strip()).expanduser())
        except InventoryError as error:
            self._store.dispatch(act.Noticed(str(error)))
            return False
        self._store.dispatch(act.InventoryLoaded(inventory))
        self._keep()
        return True

    async def _read_code(self, path: Path) -> None:
        try:
            text = await asyncio.to_thread(read_picture, path)
        except CodeError as error:
            self._store.dispatch(act.PairingFailed(str(error)))
            return
        self._store.dispatch(act.PairingFailed(""))  # that was read; what follows is the pairing itself
        self.pair(text, "")

    async def _pair(self, base: str, code: str, certificate: str | None) -> None:
        try:
            async with asyncio.timeout(PAIR_DEADLINE), DeviceClient(base, certificate=certificate) as client:
                if code:
                    name = f"Companion on {socket.gethostname()}"[:64]
                    token = await client.pair(code, name)
                    about = client.device | {"role": role_of(await client.status(), name)}
                else:
                    # A device on this machine answers without a token; elsewhere this is refused.
                    await client.models()
                    token, health = "", await client.health()
                    about = _mapping(health.get("device")) | {"role": "open"}
        except (EdgeError, TimeoutError, OSError) as error:
            self._store.dispatch(act.PairingFailed(sentence_of(error)))
            return
        found = Remembered(
            address=base,
            name=str(about.get("name") or urlsplit(base).hostname or base)[:80],
            role=str(about.get("role") or "operator")[:20],
            token=token,
            certificate=client.certificate or "",
            since=datetime.now(UTC).date().isoformat(),
        )
        await self._disconnect(base)
        self._remembered[base] = found
        self._store.dispatch(act.Paired(Device(found.address, found.name, found.role)))
        self._keep(devices=True)
        self._connect(found)

    async def _ask(self, number: int, address: str, specialist: str, task: str, sentence: str) -> None:
        state = self._store.state
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(ASK_DEADLINE):
                raw = await self.client(address).run(
                    specialist, request_for(task, sentence, state.inventory, state.area)
                )
        except (EdgeError, TimeoutError, OSError) as error:
            self._store.dispatch(act.AskFailed(number, sentence_of(error)))
            return
        answer = answer_from(raw, state.inventory, (time.perf_counter() - begun) * 1000)
        self._store.dispatch(act.Answered(number, answer))

    async def _push(self, address: str, file: Path) -> None:
        def progress(sent: int, total: int) -> None:
            self._store.dispatch(act.PushProgressed(sent))

        try:
            async with asyncio.timeout(PUSH_DEADLINE):
                result = await self._sending.once(
                    address,
                    lambda client, key: client.push(file, progress, key=key),
                    repeatable=True,
                    seconds=PUSH_DEADLINE,
                )
        except (EdgeError, TimeoutError, OSError) as error:
            self._store.dispatch(act.PushFailed(sentence_of(error)))
            return
        name = f"{result.get('specialist', file.stem)} {result.get('version', '')}".strip()
        if not result.get("changed", True):
            sentence = tr("{name} was already there.", name=name)
        elif runtime := result.get("runtime"):
            sentence = tr("{name} now answers in {runtime}.", name=name, runtime=runtime)
        else:
            sentence = tr("{name} now answers.", name=name)
        self._store.dispatch(act.PushDone(sentence))

    def client(self, address: str) -> DeviceClient:
        """For what a person asks of a device, and not for its link. Raises OSError where it was forgotten."""
        client = self._clients.get(address)
        if client is None:
            raise OSError(tr("this device was just forgotten"))
        return client

    def poke(self, address: str) -> None:
        """Have the link to a device look at once, where there is one."""
        if address in self._links:
            self._links[address][0].poke()

    def watch(self, address: str | None) -> None:
        """A person looks at this device, so that its figures are to be live; None at none."""
        self._watched = address
        for known, (link, _) in self._links.items():
            link.watch(known == address)

    def _connect(self, device: Remembered) -> None:
        def client() -> DeviceClient:
            return DeviceClient(
                device.address,
                device.token or None,
                certificate=device.certificate,
                on_renewed=lambda certificate: self._renewed(device.address, certificate),
            )

        link = Link(client(), device.address, self._store.dispatch)
        link.watch(device.address == self._watched)
        self._clients[device.address] = client()
        self._links[device.address] = (link, self._work.begin(link.run()))

    def _renewed(self, address: str, certificate: str) -> None:
        """Keep how a device is known from now on."""
        if (known := self._remembered.get(address)) is not None:
            self._remembered[address] = replace(known, certificate=certificate)
            self._keep(devices=True)

    async def _disconnect(self, address: str) -> None:
        link = self._links.pop(address, None)
        client = self._clients.pop(address, None)
        if link is not None:
            link[1].cancel()
            await asyncio.gather(link[1], return_exceptions=True)
            await link[0].client.close()
        if client is not None:
            await client.close()

    def _keep(self, *, devices: bool = False) -> None:
        try:
            if devices:
                self._memory.keep_devices(tuple(self._remembered.values()))
            self._memory.keep_settings(settings_of(self._store.state))
        except RememberError as error:
            self._store.dispatch(act.Noticed(str(error)))


def clean_address(address: str, port: int = DEFAULT_PORT) -> str:
    """An IP address, `host:port` or a URL as `https://host:port`. Raises ValueError with a sentence.

    port: where none is given. Without a scheme it is https, but for this machine itself. The sentence says how an
    address looks.
    """
    text = address.strip()
    example = f"192.168.1.20:{port}"
    strange = tr('"{address}" is not an address; write it like {example}.', address=address, example=example)
    if not text:
        raise ValueError(tr("Give the address; write it like {example}.", example=example))
    try:
        if "://" not in text and text.count(":") > 1 and "[" not in text:
            text = f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        pass
    try:
        parts = urlsplit(with_scheme(text) if "://" not in text else text)
        given = parts.port
        host = parts.hostname or ""
        host.encode("idna" if not host.isascii() else "ascii")
    except (ValueError, UnicodeError):
        raise ValueError(strange) from None
    good = parts.scheme in ("http", "https") and host and not parts.path.strip("/") and " " not in text
    if not good or parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError(strange)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{given or (443 if text.lower().startswith('https://') else port)}"


def role_of(status: dict[str, object], name: str) -> str:
    """The scope of the newest pairing of this name in a device's status: ours, if it was made just now."""
    paired = status.get("paired")
    ours = [item for item in paired if _mapping(item).get("name") == name] if isinstance(paired, list) else []
    newest: dict[str, object] = max(ours, key=lambda item: str(item.get("created", "")), default={})
    return str(newest.get("scope") or "operator")


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
