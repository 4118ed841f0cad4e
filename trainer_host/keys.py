"""The API keys of this computer: `store_api_key("openai", "sk-...", "My key")`, `get_api_key("openai")`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import cast

from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Key, Secret
from trainer_host.teacher.providers import PROVIDERS, Endpoint, Wire
from trainer_host.teacher.vault import contents as stored
from trainer_host.teacher.vault.checks import checked_key, checked_name, checked_url
from trainer_host.teacher.vault.contents import Contents, StoredKey
from trainer_host.teacher.vault.storage import Vault
from trainer_host.workspace import Workspace, default_home

DEFAULT_NAME = "default"
# Where the providers' own libraries look for another address, as of a gateway.
BASE_URLS = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
SHOWN_CHARS = 4
SHOWN_FROM_CHARS = 20  # a shorter key isn't shown at all: four characters would be much of it


@dataclass(frozen=True)
class Listed:
    """A key as it may be shown. source: "vault", or the variable of the environment that holds it."""

    provider: str
    name: str
    tail: str
    in_use: bool
    added: str
    source: str


def store_api_key(
    provider: str, key: str, name: str = DEFAULT_NAME, *, replace: bool = False, home: Path | None = None
) -> None:
    """Keep a provider's key, sealed, under a name; the first one of a provider is in use.

    Raises `KeysError` for a provider that isn't known, a key that can't be one, and a name that is taken unless
    `replace`; nothing is stored then.
    """
    secret, key = Secret(key), ""  # no traceback of what follows holds the key
    add_key(vault_of(_workspace(home)), provider, name, secret, replacing=replace)


def store_endpoint(
    provider: str,
    base_url: str,
    *,
    wire: str = "openai",
    model: str,
    headers: Mapping[str, str] | None = None,
    needs_key: bool = True,
    replace: bool = True,
    home: Path | None = None,
) -> None:
    """Keep a custom endpoint: anything that speaks one of the two wires, under a name of one's own.

    headers: extra ones, kept as secret as keys. Raises `KeysError` for the name of a built-in provider, an address
    that would send a key readable over the internet, and where other settings are stored unless `replace`.
    """
    hidden = [(name, Secret(value)) for name, value in (headers or {}).items()]
    endpoint = stored.custom_endpoint(provider, cast(Wire, wire), base_url, model, hidden, needs_key)
    vault_of(_workspace(home)).change(lambda contents: stored.with_endpoint(contents, endpoint, replace))


def get_api_key(provider: str, name: str | None = None, *, home: Path | None = None) -> str:
    """A provider's key: that of its environment variable, else the stored one in use; or the stored one of a name.

    Raises `KeysError` where there is none, or the provider needs none.
    """
    found = keys_for(provider, _workspace(home), None if name is None else (name,))
    if not found:
        raise KeysError(f"'{provider}' needs no key.")
    return found[0].secret.reveal()


def keys_for(provider: str, workspace: Workspace, names: tuple[str, ...] | None = None) -> tuple[Key, ...]:
    """The keys to ask a provider with, the best first; none for an endpoint that needs none.

    The key of the provider's environment variable, alone; else the stored key in use and then the others, as spares
    for when it is refused; or the stored ones that are named, in that order. Raises `KeysError` where there is none.
    """
    endpoint = endpoint_for(provider, workspace)
    if not endpoint.needs_key:
        return ()
    if names is None and (found := _from_environment(endpoint)) is not None:
        return (found,)
    contents = vault_of(workspace).read()
    chosen = contents.of(provider) if names is None else [stored.find_key(contents, provider, name) for name in names]
    if not chosen:
        raise KeysError(_no_key(endpoint))
    return tuple(Key(key.name, key.secret) for key in chosen)


def endpoint_for(provider: str, workspace: Workspace) -> Endpoint:
    """Where and how a provider is asked; raises `KeysError` with the known ones. Built-in ones don't open the vault.

    A variable of `BASE_URLS` wins over the address of a built-in one.
    """
    found = PROVIDERS.get(provider) or stored.known_endpoint(vault_of(workspace).read(), provider)
    elsewhere = os.environ.get(BASE_URLS.get(provider, ""))
    return found if not elsewhere else changed(found, base_url=checked_url(elsewhere))


def listed(workspace: Workspace, vault: Vault | None = None) -> tuple[Listed, ...]:
    """All keys, masked: those of the environment, which win, and the stored ones."""
    contents = (vault or vault_of(workspace)).read()
    lines: list[Listed] = []
    for endpoint in (*PROVIDERS.values(), *contents.endpoints):
        found = _from_environment(endpoint) if endpoint.needs_key else None
        if found is not None:
            lines.append(Listed(endpoint.provider, found.name, masked(found.secret), True, "", found.name))
        for key in contents.of(endpoint.provider):
            in_use = key.in_use and found is None
            lines.append(Listed(key.provider, key.name, masked(key.secret), in_use, key.added, "vault"))
    return tuple(lines)


def add_key(
    vault: Vault, provider: str, name: str, secret: Secret, *, replacing: bool = False, endpoint: Endpoint | None = None
) -> Contents:
    """Store a key, and with it the custom endpoint that it is for; both or nothing. See `store_api_key`."""
    key = StoredKey(provider, checked_name(name), checked_key(secret), date.today().isoformat())

    def edit(contents: Contents) -> Contents:
        known = contents if endpoint is None else stored.with_endpoint(contents, endpoint, replacing)
        return stored.with_key(known, key, replacing)

    return vault.change(edit)


@lru_cache(maxsize=8)
def vault_of(workspace: Workspace) -> Vault:
    """The workspace's vault; the same one each time, so that it is opened once."""
    return Vault(workspace)


def masked(secret: Secret) -> str:
    """The end of a key, enough to tell it from others."""
    text = secret.reveal()
    return "…" + (text[-SHOWN_CHARS:] if len(text) >= SHOWN_FROM_CHARS else "")


def _from_environment(endpoint: Endpoint) -> Key | None:
    value = os.environ.get(endpoint.environment, "") if endpoint.environment else ""
    if not value:
        return None
    return Key(endpoint.environment, checked_key(Secret(value), f"The key in {endpoint.environment}"))


def _no_key(endpoint: Endpoint) -> str:
    ways = f"run 'enigma keys add {endpoint.provider}'"
    if endpoint.environment:
        ways += f", or 'export {endpoint.environment}=...'"
    return f"There is no key for {endpoint.provider}: {ways}."


def _workspace(home: Path | None) -> Workspace:
    return Workspace((home if home is not None else default_home()).absolute())
