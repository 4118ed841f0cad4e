"""What a person can make the host do; each command returns at once and reports through the store."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from companion_app.i18n import tr
from companion_app.i18n.figures import typed
from companion_app.services.commands import clean_address
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.host_link import HostLink
from companion_app.services.host_wire import (
    estimate_from,
    export_from,
    import_from,
    key_body,
    order_body,
    provider_body,
)
from companion_app.services.key_files import KeyFileError, new_key_file, read_key_file, write_key_file
from companion_app.services.remember import Memory, RememberedHost, RememberError
from companion_app.services.wire import as_text
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import host_actions as hact
from companion_app.state.checks import NewKey, key_problem, key_problems, move_problems
from companion_app.state.host import Estimate, Host, KeyWay, Order
from companion_app.state.model import AppState
from companion_app.state.phase import Phase
from companion_app.state.store import Store
from companion_app.state.teaching import exported_line, imported_line, order_of, why_not
from edge_runtime.addresses import is_near

HOST_PORT = 8770
# What a person still types or ticks is not asked about: the host would work for nothing.
PAUSE = 0.4
# A host makes one estimate at a time, also for a person who has changed their mind since.
BUSY_PAUSE, BUSY_TRIES = 1.0, 60
BUSY, TAKEN = 503, 409


class HostCommands:
    """Owns the link to the host and every call that is under way; `close` ends them all."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._remembered: RememberedHost | None = None
        self._client: HostClient | None = None
        self._link: HostLink | None = None
        self._linked: asyncio.Task[None] | None = None
        self._order: Order | None = None
        self._estimating: asyncio.Task[None] | None = None
        self._stop_listening = store.listen(self._watch)

    def start(self, host: RememberedHost | None) -> None:
        """Connect to the remembered host; needs a running event loop."""
        if host is not None:
            self._connect(host)

    async def close(self) -> None:
        """End the connection and everything under way; the host's lessons go on."""
        self._stop_listening()
        await self._work.close()
        await self._disconnect()

    def pair(self, address: str, code: str) -> None:
        """Pair with a host by its one-time code."""
        if self._store.state.host_pairing.busy:
            return
        try:
            base = host_address(address)
            if not code.strip():
                raise ValueError(tr("Give the one-time code that the host shows."))
        except ValueError as error:
            self._store.dispatch(hact.HostPairingFailed(str(error)))
            return
        self._store.dispatch(hact.HostPairingStarted())
        self._work.begin(self._pair(base, code.strip()))

    def forget(self) -> None:
        """Drop the host and its token from this machine; its lessons go on."""
        self._work.begin(self._disconnect())
        self._remembered = None
        self._store.dispatch(hact.HostForgotten())
        self._keep()

    def save_key(self, new: NewKey, key: str, *, replacing: bool = False) -> None:
        """Send a new key, or a custom provider without one, to the host; what cannot be is said and not sent.

        key: goes to the host and nowhere else. Empty where none was typed.
        """
        if self._store.state.key_form.busy:
            return
        key = key.strip()  # what is copied often brings a space along
        problems = key_problems(new, key_problem(key) if key else None)
        if problems:
            self._store.dispatch(hact.KeyQuestioned(problems))
            return
        self._store.dispatch(hact.KeySaving())
        self._work.begin(self._save_key(new, key, replacing))

    def use_key(self, provider: str, name: str) -> None:
        """Let the host try this key first."""
        self._work.begin(self._tell(lambda client: client.use_key(provider, name)))

    def delete(self, provider: str, name: str = "") -> None:
        """Remove a key from the host for good, or without a name a custom provider; the screen has asked before."""
        if name:
            self._work.begin(self._tell(lambda client: client.delete_key(provider, name)))
        else:
            self._work.begin(self._tell(lambda client: client.delete_provider(provider)))

    def export_keys(self, path: str, passphrase: str, again: str) -> None:
        """Write all keys of the host into a new file, sealed by the passphrase; what cannot be is said and not asked."""
        if self._may_move(KeyWay.EXPORT, path, passphrase, again):
            self._work.begin(self._export(path, passphrase))

    def import_keys(self, path: str, passphrase: str, *, replacing: bool = False) -> None:
        """Bring the keys of such a file to the host; replacing: also where it has another one of that name."""
        if self._may_move(KeyWay.IMPORT, path, passphrase):
            self._work.begin(self._import(path, passphrase, replacing))

    def generate(self) -> None:
        """Begin the lesson that the form describes, once its cost is shown."""
        state = self._store.state
        order = order_of(state)
        if order is None or why_not(state) or state.teach.starting:
            return
        self._store.dispatch(hact.LessonStarting(order))
        self._work.begin(self._generate(order, state.teach.budget))

    def cancel(self, id: str) -> None:
        """Stop a lesson; what it made is kept."""
        self._store.dispatch(hact.LessonCancelling(id))
        self._work.begin(self._cancel(id))

    def resume(self, id: str, budget: str = "") -> None:
        """Go on with a lesson, with another budget where one was typed (checked before)."""
        self._work.begin(self._tell(lambda client: client.resume(id, typed(budget))))

    async def _pair(self, base: str, code: str) -> None:
        try:
            async with HostClient(base) as client:
                name = f"Companion on {socket.gethostname()}"[:64]
                token = await client.pair(code, name)
                about, certificate = await client.health(), client.certificate or ""
        except HostError as error:
            self._store.dispatch(hact.HostPairingFailed(str(error)))
            return
        called = as_text(about.get("name"))[:80] or urlsplit(base).hostname or base
        await self._disconnect()
        self._store.dispatch(hact.HostPaired(Host(base, called, scope=client.scope)))
        today = datetime.now(UTC).date().isoformat()
        self._connect(RememberedHost(base, called, token, certificate, client.scope, today))
        self._keep()

    async def _save_key(self, new: NewKey, key: str, replacing: bool) -> None:
        who = new.endpoint if new.custom else new.provider
        try:
            if key:
                await self.client().add_key(key_body(new, key, replacing))
                sentence = tr("The key '{name}' of {provider} is on the host.", name=new.name.strip(), provider=who)
            else:
                await self.client().add_provider(provider_body(new))
                sentence = tr("{provider} is on the host; it needs no key.", provider=who)
        except HostError as error:
            # Whatever a host may answer, no sentence of this app holds a key.
            said = str(error).replace(key, "…") if key else str(error)
            self._store.dispatch(hact.KeyRefused(said, taken=error.status == TAKEN and self._has(who, new.name)))
            return
        self._store.dispatch(hact.KeySaved(sentence))
        self._look_again()

    def _may_move(self, way: KeyWay, path: str, passphrase: str, again: str = "") -> bool:
        if self._store.state.key_move.busy:
            return False
        if problems := move_problems(way, path, passphrase, again):
            self._store.dispatch(hact.KeyMoveQuestioned(problems))
            return False
        self._store.dispatch(hact.KeysMoving())
        return True

    async def _export(self, path: str, passphrase: str) -> None:
        try:
            file = await asyncio.to_thread(new_key_file, path)
            keys, providers, content = export_from(await self.client().export_keys(passphrase))
            await asyncio.to_thread(write_key_file, file, content)
        except (HostError, KeyFileError) as error:
            self._refuse_move(error, passphrase)
            return
        self._store.dispatch(hact.KeysMoved(exported_line(keys, providers, str(file))))

    async def _import(self, path: str, passphrase: str, replacing: bool) -> None:
        try:
            content = await asyncio.to_thread(read_key_file, path)
            answer = await self.client().import_keys(content, passphrase, replacing)
        except (HostError, KeyFileError) as error:
            self._refuse_move(error, passphrase)
            return
        added, replaced, same, skipped = import_from(answer)
        self._store.dispatch(hact.KeysMoved(imported_line(added, replaced, same), skipped))
        self._look_again()

    def _refuse_move(self, error: Exception, passphrase: str) -> None:
        # Whatever a host may answer, no sentence of this app holds a passphrase.
        self._store.dispatch(hact.KeyMoveRefused(str(error).replace(passphrase, "…")))

    async def _generate(self, order: Order, budget: str) -> None:
        try:
            await self.client().start(order_body(order, budget))
        except HostError as error:
            self._store.dispatch(hact.LessonRefused(str(error)))
            return
        self._store.dispatch(hact.LessonStarted())
        self._look_again()

    async def _cancel(self, id: str) -> None:
        try:
            await self.client().cancel(id)
        except HostError as error:
            self._store.dispatch(hact.LessonKept(id))
            self._store.dispatch(act.Noticed(str(error)))
        self._look_again()

    async def _tell(self, call: Callable[[HostClient], Awaitable[None]]) -> None:
        try:
            await call(self.client())
        except HostError as error:
            self._store.dispatch(act.Noticed(str(error)))
        self._look_again()

    def _watch(self, state: AppState) -> None:
        """Have the cost worked out whenever what would be asked for has changed."""
        online = state.host is not None and state.host.phase is Phase.ONLINE
        order = order_of(state) if online else None
        asked_for = state.teach.estimate is None or state.teach.estimate.order != order
        if order == self._order and not (asked_for and self._idle()):
            return
        self._order = order
        if self._estimating is not None:
            self._estimating.cancel()
            self._estimating = None
        if order is not None and asked_for:
            self._estimating = self._work.begin(self._estimate(order))

    def _idle(self) -> bool:
        return self._estimating is None or self._estimating.done()

    async def _estimate(self, order: Order) -> None:
        await asyncio.sleep(PAUSE)
        for _ in range(BUSY_TRIES):
            try:
                estimate = estimate_from(order, await self.client().estimate(order_body(order)))
                break
            except HostError as error:
                estimate = Estimate(order, error=str(error))
                if error.status != BUSY:
                    break
            await asyncio.sleep(BUSY_PAUSE)
        self._estimating = None  # before the store tells: an answer for another order asks anew
        self._store.dispatch(hact.Estimated(estimate))

    def _has(self, provider: str, name: str) -> bool:
        """Whether the host listed a key of that name; other conflicts cannot be replaced away."""
        keys = self._store.state.host.offer.keys if self._store.state.host else ()
        return any((key.provider, key.name) == (provider, name.strip()) for key in keys)

    def client(self) -> HostClient:
        """The host's, for calls of other commands; raises `HostError` where there is none."""
        if self._client is None:
            raise HostError(tr("Pair with a host first."))
        return self._client

    def _look_again(self) -> None:
        if self._link is not None:
            self._link.look_again()

    def _connect(self, host: RememberedHost) -> None:
        self._remembered = host
        # The link closes its client to reconnect; what a person asked for goes over another one, untouched.
        self._client = HostClient(host.address, host.token, host.certificate, self._renewed)
        again = HostClient(host.address, host.token, host.certificate, self._renewed)
        self._link = HostLink(again, self._store.dispatch)
        self._linked = self._work.begin(self._link.run())

    def _renewed(self, certificate: str) -> None:
        """The host shows another certificate, and signed it: the former one is never taken again."""
        if self._remembered is not None:
            self._remembered = replace(self._remembered, certificate=certificate)
            self._keep()

    async def _disconnect(self) -> None:
        link, linked, client = self._link, self._linked, self._client
        self._link = self._linked = self._client = None
        if linked is not None:
            linked.cancel()
            await asyncio.gather(linked, return_exceptions=True)
        if link is not None:
            await link.client.close()
        if client is not None:
            await client.close()

    def _keep(self) -> None:
        try:
            self._memory.keep_host(self._remembered)
        except RememberError as error:
            self._store.dispatch(act.Noticed(str(error)))


def host_address(address: str) -> str:
    """A host's address as `https://host:port`; raises ValueError with a sentence.

    Keys go there, so http is for this machine and private networks only.
    """
    base = clean_address(address, HOST_PORT)
    parts = urlsplit(base)
    if parts.scheme == "http" and not is_near(parts.hostname or ""):
        raise ValueError(
            tr("{base} is not on a private network: keys could be read on their way there. Use https.", base=base)
        )
    return base
