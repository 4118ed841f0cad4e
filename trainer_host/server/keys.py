"""Providers and their keys over the API: added, chosen, removed; shown by their last characters alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TypeVar, cast

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import NotFound, Overloaded
from trainer_host.keys import add_key, endpoint_for, listed, vault_of
from trainer_host.server import fields
from trainer_host.server.errors import Conflict, Unprocessable
from trainer_host.server.fields import Json
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.providers import PROVIDERS, Endpoint, Wire
from trainer_host.teacher.vault import contents as stored
from trainer_host.teacher.vault.checks import MAX_KEY_CHARS, MAX_NAME_CHARS, MAX_URL_CHARS
from trainer_host.teacher.vault.contents import Contents
from trainer_host.workspace import Workspace

T = TypeVar("T")
BODY_BYTES = 16 * 1024
MAX_PROVIDER_CHARS = 64
MAX_MODEL_CHARS = 200
VAULT_SECONDS = 20.0  # opening takes milliseconds; another command may hold it, or a passphrase be asked for


class VaultThread:
    """Work on the key vault, one piece after the other, outside the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "vault")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns; raises `Overloaded` where the vault stays closed."""
        try:
            async with asyncio.timeout(VAULT_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError:
            raise Overloaded(
                "The key vault can't be opened now; look at the terminal where 'enigma serve' runs.", 5.0
            ) from None

    def close(self) -> None:
        """Give the thread back."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class KeyRoutes:
    """/v1/providers and /v1/keys."""

    def __init__(self, workspace: Workspace, thread: VaultThread) -> None:
        self._workspace = workspace
        self._thread = thread

    async def providers(self, request: web.Request) -> web.Response:
        """All who can be asked: built in, or added."""
        return reply({"providers": await self._thread.run(self._providers)})

    async def add_provider(self, request: web.Request) -> web.Response:
        """A server of one's own that needs no key."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "name", "base_url", "wire", "model")
        endpoint = _endpoint(body, "name", needs_key=False)
        await self._thread.run(lambda: self._add_provider(endpoint))
        return reply(_provider(endpoint), 201)

    async def remove_provider(self, request: web.Request) -> web.Response:
        """A custom provider goes, with its keys."""
        name = request.match_info["provider"]
        gone = await self._thread.run(lambda: self._remove_provider(name))
        return reply(_provider(gone))

    async def keys(self, request: web.Request) -> web.Response:
        """All keys, masked."""
        return reply({"keys": await self._thread.run(self._listed)})

    async def add(self, request: web.Request) -> web.Response:
        """Store a key, and the custom provider that it is for where its address comes along."""
        body = await read_json(request, BODY_BYTES)
        secret = Secret(fields.text(body, "key", MAX_KEY_CHARS))
        del body["key"]  # from here on nothing that could be shown holds it
        fields.only(body, "provider", "name", "base_url", "wire", "model", "replace")
        if any(secret.reveal() in value for value in body.values() if isinstance(value, str)):
            raise Unprocessable("The key stands in another field too; there it would be shown.")
        provider = fields.text(body, "provider", MAX_PROVIDER_CHARS)
        name = fields.text(body, "name", MAX_NAME_CHARS)
        replacing = fields.flag(body, "replace")
        endpoint = None
        if {"base_url", "wire", "model"} & body.keys():
            endpoint = _endpoint(body, "provider", needs_key=True)
        made = await self._thread.run(lambda: self._add(provider, name, secret, replacing, endpoint))
        return reply(made, 201)

    async def use(self, request: web.Request) -> web.Response:
        """Another key is tried first."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "provider", "name")
        provider = fields.text(body, "provider", MAX_PROVIDER_CHARS)
        name = fields.text(body, "name", MAX_NAME_CHARS)
        return reply(await self._thread.run(lambda: self._use(provider, name)))

    async def remove(self, request: web.Request) -> web.Response:
        """A key goes; the answer is how it was listed."""
        provider, name = request.match_info["provider"], request.match_info["name"]
        return reply(await self._thread.run(lambda: self._remove(provider, name)))

    # In the vault's thread.

    def _providers(self) -> list[Json]:
        built_in = [endpoint_for(name, self._workspace) for name in PROVIDERS]
        return [_provider(endpoint) for endpoint in (*built_in, *vault_of(self._workspace).read().endpoints)]

    def _listed(self) -> list[Json]:
        return [asdict(line) for line in listed(self._workspace)]

    def _add_provider(self, endpoint: Endpoint) -> None:
        have = vault_of(self._workspace).read().endpoint(endpoint.provider)
        if have is not None and have != endpoint:
            raise Conflict(f"There is a provider '{endpoint.provider}' with other settings; choose another name.")
        vault_of(self._workspace).change(lambda contents: stored.with_endpoint(contents, endpoint))

    def _remove_provider(self, name: str) -> Endpoint:
        vault = vault_of(self._workspace)
        if name in PROVIDERS:
            raise Conflict(f"'{name}' is built in and stays; its keys can be removed.")
        found = vault.read().endpoint(name)
        if found is None:
            raise NotFound("There is no such provider.")
        vault.change(lambda contents: stored.without_provider(contents, name))
        return found

    def _add(self, provider: str, name: str, secret: Secret, replacing: bool, endpoint: Endpoint | None) -> Json:
        vault = vault_of(self._workspace)
        contents = vault.read()
        if contents.endpoint(provider) is None and endpoint is None:
            raise NotFound(
                f"There is no such provider; for a new one send its base_url, wire and model too: {_known()}."
            )
        if not replacing and _has(contents, provider, name):
            raise Conflict(
                f"'{provider}' has a key named '{name}'; choose another name, or replace it with \"replace\": true."
            )
        if endpoint is not None:
            _refuse_to_lead_keys_away(contents, endpoint, name, replacing)
        add_key(vault, provider, name, secret, replacing=replacing, endpoint=endpoint)
        return self._entry(provider, name)

    def _use(self, provider: str, name: str) -> Json:
        vault = vault_of(self._workspace)
        self._must_have(vault.read(), provider, name)
        vault.change(lambda contents: stored.using(contents, provider, name))
        return self._entry(provider, name)

    def _remove(self, provider: str, name: str) -> Json:
        vault = vault_of(self._workspace)
        self._must_have(vault.read(), provider, name)
        entry = self._entry(provider, name)
        vault.change(lambda contents: stored.without_key(contents, provider, name))
        return entry

    def _entry(self, provider: str, name: str) -> Json:
        return next(line for line in self._listed() if (line["provider"], line["name"]) == (provider, name))

    def _must_have(self, contents: Contents, provider: str, name: str) -> None:
        if _has(contents, provider, name):
            return
        for line in listed(self._workspace):
            if (line.provider, line.name) == (provider, name):
                raise Conflict(f"This key comes from the variable {name} of the host's environment; change it there.")
        raise NotFound("There is no such key.")


def _has(contents: Contents, provider: str, name: str) -> bool:
    return any(key.name == name for key in contents.of(provider))


def _endpoint(body: Json, named: str, *, needs_key: bool) -> Endpoint:
    wire = fields.text(body, "wire", 16, "openai")
    return stored.custom_endpoint(
        fields.text(body, named, MAX_PROVIDER_CHARS),
        cast(Wire, wire),  # `custom_endpoint` refuses others
        fields.text(body, "base_url", MAX_URL_CHARS),
        fields.text(body, "model", MAX_MODEL_CHARS),
        needs_key=needs_key,
    )


def _refuse_to_lead_keys_away(contents: Contents, endpoint: Endpoint, name: str, replacing: bool) -> None:
    """No key that the host has may be sent to an address that a client brings: it would leave the host that way."""
    have = contents.endpoint(endpoint.provider)
    if have is not None and have != endpoint:
        if not replacing:
            raise Conflict(f"There is a provider '{endpoint.provider}' with other settings; choose another name.")
        moved = (have.base_url, have.wire) != (endpoint.base_url, endpoint.wire)
        if moved and any(key.name != name for key in contents.of(endpoint.provider)):
            raise Conflict(
                f"Keys of '{endpoint.provider}' belong to {have.base_url}; remove them, or choose another name."
            )
    if os.environ.get(endpoint.environment):
        raise Conflict(
            f"The host's environment has {endpoint.environment}, which would be sent there; choose another name."
        )


def _known() -> str:
    return f"built in are {', '.join(PROVIDERS)}"


def _provider(endpoint: Endpoint) -> Json:
    return {
        "name": endpoint.provider,
        "wire": endpoint.wire,
        "base_url": endpoint.base_url,
        "model": endpoint.model,
        "needs_key": endpoint.needs_key,
        "custom": endpoint.provider not in PROVIDERS,
    }
