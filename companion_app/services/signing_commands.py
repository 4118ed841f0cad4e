"""What a person can do with updates that wait for a signature: look, and after a deliberate yes sign the very thing shown."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from companion_app.i18n import N_, tr
from companion_app.i18n.figures import day
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.link import sentence_of
from companion_app.services.remember import Memory, RememberError
from companion_app.services.signing_key import keep_signed, make_seed, read_seed, signed_before
from companion_app.services.wire import MAX_ITEMS, as_number, as_text
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import signing_actions as sact
from companion_app.state.model import AppState, Screen
from companion_app.state.phase import Phase
from companion_app.state.signing import Ask, Bundle
from companion_app.state.signing_words import signed_line
from companion_app.state.store import Store
from edge_runtime.client import EdgeError
from edge_runtime.update.cosign import Offered, look, signature, signer

CHANGED = N_("It changed since it was shown here; look at it again.")
GONE = N_("It doesn't wait any more; somebody may have signed or withdrawn it.")
MISSING = 404


class SigningCommands:
    """Owns the calls about signatures, and what was shown: only that is signed."""

    def __init__(
        self,
        store: Store,
        memory: Memory,
        client: Callable[[], HostClient],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """client: the paired host's; raises `HostError` without one."""
        self._store = store
        self._memory = memory
        self._client = client
        self._clock = clock
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._turn = asyncio.Lock()
        self._shown: dict[str, bytes] = {}
        self._seen = False
        self._stop_listening = store.listen(self._watch)

    def start(self) -> None:
        """Find this machine's key; needs a running event loop."""
        try:
            seed = read_seed(self._memory)
        except RememberError as error:
            self._store.dispatch(act.Noticed(str(error)))
            return
        if seed is not None:
            self._store.dispatch(sact.KeyFound(signer(seed)[0]))

    async def close(self) -> None:
        """End every call."""
        self._stop_listening()
        await self._work.close()

    def make_key(self) -> None:
        """Make this machine's key, where it has none."""
        try:
            seed = make_seed(self._memory)
        except RememberError as error:
            self._store.dispatch(act.Noticed(str(error)))
            return
        self._store.dispatch(sact.KeyFound(signer(seed)[0]))
        self.look()

    def look(self) -> None:
        """Ask the host what waits."""
        self._work.begin(self._look())

    def sign(self, role: str) -> None:
        """Sign what is shown of a role; the screen has asked for a deliberate yes."""
        if not self._store.state.signing.busy:
            self._store.dispatch(sact.SigningStarted(role))
            self._work.begin(self._sign(role))

    def _watch(self, state: AppState) -> None:
        online = state.host is not None and state.host.phase is Phase.ONLINE
        seen = online and state.screen is Screen.SIGN
        if seen and not self._seen:
            self.look()
        self._seen = seen

    async def _look(self) -> None:
        try:
            async with self._turn:
                self._store.dispatch(sact.SignaturesTold(self._asks(await self._waiting())))
        except (HostError, RememberError) as error:
            self._store.dispatch(sact.SignaturesFailed(str(error)))

    async def _sign(self, role: str) -> None:
        try:
            async with self._turn:
                await self._sign_shown(role)
        except (HostError, RememberError, EdgeError) as error:
            self._store.dispatch(
                sact.SigningRefused(role, sentence_of(error) if isinstance(error, EdgeError) else str(error))
            )
            self.look()

    async def _sign_shown(self, role: str) -> None:
        shown = self._shown.get(role)
        items = await self._waiting()
        found = next((item for item in items if item.get("role") == role), None)
        if found is None or shown is None:
            raise HostError(tr(GONE))
        raw = _metadata(found)
        if not _same(raw, shown):
            raise HostError(tr(CHANGED))
        ask = self._ask(found, signed_before(self._memory, self._host()))
        if ask.obstacle:
            raise HostError(ask.obstacle)
        seed, before = read_seed(self._memory), signed_before(self._memory, self._host()).get(role)
        if seed is None:
            raise HostError(tr("This machine has no key; make one first."))
        keyid, signed = await asyncio.to_thread(signature, role, raw, seed, before)
        # Before it leaves: whatever becomes of it, nothing else of this version is signed here.
        keep_signed(self._memory, self._host(), role, raw)
        answer = await self._client().sign(role, ask.version, keyid, signed)
        self._store.dispatch(sact.SignedUpdate(signed_line(ask), self._asks(_items(answer))))

    async def _waiting(self) -> list[Mapping[str, object]]:
        try:
            return _items(await self._client().signatures())
        except HostError as error:
            if error.status == MISSING:
                raise HostError(tr("This host asks for no signatures; update Enigma there.")) from None
            raise

    def _asks(self, items: list[Mapping[str, object]]) -> tuple[Ask, ...]:
        before = signed_before(self._memory, self._host())
        asks = tuple(self._ask(item, before) for item in items)
        self._shown = {str(item.get("role")): _metadata(item) for item in items}
        return asks

    def _ask(self, item: Mapping[str, object], before: Mapping[str, bytes]) -> Ask:
        """What one is about, from the bytes that would be signed; of the host's words only counts are taken."""
        role, raw = as_text(item.get("role")), _metadata(item)
        have, need = int(as_number(item.get("have"))), int(as_number(item.get("need")))
        try:
            said = look(role, raw, before.get(role))
        except EdgeError as error:
            return Ask(role, int(as_number(item.get("version"))), have=have, need=need, obstacle=sentence_of(error))
        scores = item.get("scores")
        bundles = tuple(_bundle(one, scores if isinstance(scores, dict) else {}) for one in said.bundles)
        return Ask(
            role, said.version, said.expires, said.changes, bundles, have, need, role not in before,
            self._obstacle(item, said.expires),
        )  # fmt: skip

    def _obstacle(self, item: Mapping[str, object], expires: datetime) -> str:
        if expires <= self._clock():
            return tr(
                "This counted until {date}, by this machine's clock; the host has to make it anew.",
                date=day(expires),
            )
        public, lacking = self._store.state.signing.public, item.get("lacking")
        seed = read_seed(self._memory) if public else None
        if seed is not None and (not isinstance(lacking, list) or signer(seed)[1] not in lacking):
            return tr("It doesn't wait for this machine's key: that has signed it, or the host knows another one.")
        return ""

    def _host(self) -> str:
        """What a host is known by; a new address of the same certificate is the same host."""
        client = self._client()
        return client.certificate or client.base_url


def _items(answer: Mapping[str, object]) -> list[Mapping[str, object]]:
    found = answer.get("waiting")
    items: list[Mapping[str, object]] = (
        [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    )
    return items[:MAX_ITEMS]


def _metadata(item: Mapping[str, object]) -> bytes:
    try:
        return base64.b64decode(str(item.get("metadata")), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _same(raw: bytes, shown: bytes) -> bool:
    """Whether both say the same, whoever else has signed them meanwhile; `look` judges the rest."""
    try:
        return bool(json.loads(raw)["signed"] == json.loads(shown)["signed"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _bundle(one: Offered, scores: Mapping[str, object]) -> Bundle:
    said = scores.get(one.target)
    shares = tuple(
        (as_text(runtime), as_number(share)) for runtime, share in (said.items() if isinstance(said, dict) else ())
    )
    return Bundle(one.specialist, one.version, one.task, one.size, one.sha256, shares[:MAX_ITEMS])
