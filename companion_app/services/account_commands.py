"""Who is paired with our devices and our host, asked of them; and the end of a pairing, told to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from companion_app.i18n import tr
from companion_app.i18n.figures import day_of
from companion_app.registry import covers
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.link import sentence_of
from companion_app.services.remember import Memory, RememberError
from companion_app.services.wire import MAX_ITEMS, MAX_TIME, as_list, as_number, as_text
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state.accounts import Account, AccountsTold, Other
from companion_app.state.model import AppState, Screen
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient, EdgeError

Json = dict[str, object]


class AccountCommands:
    """Asks over connections of its own, which end with each call."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._seen = False
        self._stop_listening = store.listen(self._watch)

    async def close(self) -> None:
        """End every call."""
        self._stop_listening()
        await self._work.close()

    def look(self) -> None:
        """List our pairings, and ask those that may tell who else has one."""
        self._work.begin(self._look())

    def end(self, address: str, id: str) -> None:
        """End a pairing of a device or the host; the screen has asked before. It needs the scope owner there."""
        self._work.begin(self._end(address, id))

    def _watch(self, state: AppState) -> None:
        seen = state.screen is Screen.SETTINGS
        if seen and not self._seen:
            self._seen = True  # before the listing tells: that comes here, too
            self.look()
        self._seen = seen

    async def _look(self) -> None:
        try:
            accounts = self._ours()
        except RememberError as error:
            self._store.dispatch(act.Noticed(str(error)))
            return
        self._store.dispatch(AccountsTold(accounts))
        for at, account in enumerate(accounts):
            if not covers(account.scope, "owner") or account.scope == "open":
                problem = tr("Only an owner sees who else is paired; this pairing is {scope}.", scope=account.scope)
                told = replace(account, problem=problem)
            else:
                told = await self._asked(account)
            accounts = (*accounts[:at], told, *accounts[at + 1 :])
            self._store.dispatch(AccountsTold(accounts))

    def _ours(self) -> tuple[Account, ...]:
        host = self._memory.host()
        hosts = () if host is None else (Account(host.address, host.name, host.scope, host.since, host=True),)
        devices = (Account(one.address, one.name, one.role, one.since) for one in self._memory.devices())
        return (*devices, *hosts)

    async def _asked(self, account: Account) -> Account:
        try:
            answer = await self._call(account, lambda device: device.tokens(), lambda host: host.tokens())
        except (EdgeError, HostError, TimeoutError, OSError) as error:
            return replace(account, problem=sentence_of(error))
        items = [item for item in as_list(answer.get("tokens"))[:MAX_ITEMS] if isinstance(item, dict)]
        return replace(account, others=tuple(_other(item) for item in items), problem="")

    async def _end(self, address: str, id: str) -> None:
        account = next((one for one in self._store.state.upkeep.accounts if one.address == address), None)
        if account is None:
            return
        try:
            gone = await self._call(account, lambda device: device.remove_token(id), lambda host: host.remove_token(id))
        except (EdgeError, HostError, TimeoutError, OSError) as error:
            self._store.dispatch(act.Noticed(sentence_of(error)))
            return
        said = tr("“{name}” is no longer paired with {where}.", name=as_text(gone.get("name")), where=account.name)
        self._store.dispatch(act.Noticed(said))
        await self._look()

    async def _call(
        self,
        account: Account,
        of_device: Callable[[DeviceClient], Awaitable[Json]],
        of_host: Callable[[HostClient], Awaitable[Json]],
    ) -> Json:
        """Raises what the clients do, and OSError where we aren't paired any more."""
        if account.host:
            known = self._memory.host()
            if known is None:
                raise OSError(tr("this host was just forgotten"))
            async with HostClient(known.address, known.token, known.certificate) as host:
                return await of_host(host)
        found = next((one for one in self._memory.devices() if one.address == account.address), None)
        if found is None:
            raise OSError(tr("this device was just forgotten"))
        async with DeviceClient(found.address, found.token or None, certificate=found.certificate) as device:
            return await of_device(device)


def _other(item: Mapping[str, object]) -> Other:
    limits = []
    if only := as_list(item.get("only")):
        limits.append(tr("only {names}", names=as_text(only)))
    if item.get("per_minute"):
        limits.append(tr("{number} requests a minute", number=as_text(item.get("per_minute"))))
    if item.get("until"):
        limits.append(tr("until {day}", day=day_of(_day(item.get("until")))))
    return Other(
        as_text(item.get("id")), as_text(item.get("name")), as_text(item.get("scope")), _day(item.get("created")),
        ", ".join(limits),
    )  # fmt: skip


def _day(seconds: object) -> str:
    at = as_number(seconds)
    return datetime.fromtimestamp(at, UTC).date().isoformat() if 0 < at < MAX_TIME else ""
