"""What the vault holds: keys under their owner's names, and custom endpoints; with the edits that can be made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Json, Secret
from trainer_host.teacher.providers import PROVIDERS, Endpoint, Wire
from trainer_host.teacher.vault.checks import (
    checked_headers,
    checked_key,
    checked_model,
    checked_name,
    checked_provider,
    checked_url,
)

VERSION = 1
MAX_KEYS = 1000  # and as many endpoints: far more than a person has, a bound for what an import may bring


@dataclass(frozen=True)
class StoredKey:
    """One key. added: the day, as 2026-11-25. in_use: the one that is tried first; one per provider."""

    provider: str
    name: str
    secret: Secret
    added: str
    in_use: bool = False


@dataclass(frozen=True)
class Contents:
    """All of a vault; keys in the order in which they were added."""

    keys: tuple[StoredKey, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()

    def of(self, provider: str) -> tuple[StoredKey, ...]:
        """The provider's keys, the one in use first."""
        return tuple(sorted((key for key in self.keys if key.provider == provider), key=lambda key: not key.in_use))

    def endpoint(self, provider: str) -> Endpoint | None:
        """A built-in provider or a custom endpoint."""
        return PROVIDERS.get(provider) or next((have for have in self.endpoints if have.provider == provider), None)


@dataclass(frozen=True)
class Merged:
    """What an import did with the keys and endpoints of the file, as "provider/name" or "provider"."""

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    same: tuple[str, ...]
    skipped: tuple[str, ...]  # another one has that name here


def custom_endpoint(
    provider: str,
    wire: Wire,
    base_url: str,
    model: str,
    headers: Iterable[tuple[str, Secret]] = (),
    needs_key: bool = True,
) -> Endpoint:
    """An endpoint of one's own, checked; raises `KeysError`. Its key may also come from NAME_API_KEY."""
    if checked_provider(provider) in PROVIDERS:
        raise KeysError(
            f"'{provider}' is built in, with an address of its own; "
            f"choose another name for this one, as in 'enigma keys add my-{provider} --base-url ...'."
        )
    if wire not in ("openai", "anthropic"):
        raise KeysError("An endpoint speaks the wire openai or anthropic.")
    return Endpoint(
        provider,
        wire,
        checked_url(base_url),
        checked_model(model),
        checked_headers(headers),
        needs_key,
        "".join(sign if sign.isalnum() else "_" for sign in provider.upper()) + "_API_KEY",
    )


def known_endpoint(contents: Contents, provider: str) -> Endpoint:
    """The endpoint of a provider; raises `KeysError` that lists the known ones and says how to add one."""
    if found := contents.endpoint(provider):
        return found
    known = ", ".join([*PROVIDERS, *(have.provider for have in contents.endpoints)])
    raise KeysError(
        f"There is no provider '{provider[:64]}'; there are {known}. Add another one by its address: "
        "enigma keys add NAME --base-url https://... --wire openai --model MODEL."
    )


def with_key(contents: Contents, key: StoredKey, replacing: bool = False) -> Contents:
    """With this key; the first one of a provider is in use. Raises `KeysError` where the name is taken."""
    if not known_endpoint(contents, key.provider).needs_key:
        raise KeysError(f"'{key.provider}' needs no key; add a server that does by its address, under another name.")
    theirs = contents.of(key.provider)
    taken = any(have.name == key.name for have in theirs)
    if taken and not replacing:
        raise KeysError(
            f"'{key.provider}' has a key named '{key.name}'; "
            "choose another name (--name), or replace that one (--replace, in Python replace=True)."
        )
    if not taken and len(contents.keys) >= MAX_KEYS:
        raise KeysError(f"The vault holds {MAX_KEYS} keys, which is the most; remove some.")
    if taken:
        return replace(
            contents,
            keys=tuple(
                replace(key, in_use=have.in_use) if (have.provider, have.name) == (key.provider, key.name) else have
                for have in contents.keys
            ),
        )
    return replace(contents, keys=(*contents.keys, replace(key, in_use=not theirs)))


def without_key(contents: Contents, provider: str, name: str) -> Contents:
    """Without this key; where it was in use, the provider's next one is. Raises `KeysError` where there is none."""
    gone = find_key(contents, provider, name)
    left = replace(contents, keys=tuple(key for key in contents.keys if key is not gone))
    if gone.in_use and (others := left.of(provider)):
        return using(left, provider, others[0].name)
    return left


def using(contents: Contents, provider: str, name: str) -> Contents:
    """With this key in use; raises `KeysError` where there is none."""
    find_key(contents, provider, name)
    return replace(
        contents,
        keys=tuple(replace(key, in_use=key.name == name) if key.provider == provider else key for key in contents.keys),
    )


def with_endpoint(contents: Contents, endpoint: Endpoint, replacing: bool = False) -> Contents:
    """With this endpoint; raises `KeysError` where the provider has another one."""
    have = contents.endpoint(endpoint.provider)
    if have is not None and have != endpoint and not replacing:
        raise KeysError(
            f"'{endpoint.provider}' is at {have.base_url} with other settings; "
            "choose another name, or replace them with --replace."
        )
    if len(contents.endpoints) >= MAX_KEYS:
        raise KeysError(f"The vault holds {MAX_KEYS} endpoints, which is the most; remove some.")
    others = tuple(other for other in contents.endpoints if other.provider != endpoint.provider)
    return replace(contents, endpoints=(*others, endpoint))


def without_provider(contents: Contents, provider: str) -> Contents:
    """Without a custom endpoint and its keys; raises `KeysError` where it isn't one."""
    if provider in PROVIDERS:
        names = ", ".join(key.name for key in contents.of(provider)) or "none"
        raise KeysError(f"Say which key of '{provider}' to remove; there are {names}.")
    known_endpoint(contents, provider)
    return Contents(
        tuple(key for key in contents.keys if key.provider != provider),
        tuple(have for have in contents.endpoints if have.provider != provider),
    )


def find_key(contents: Contents, provider: str, name: str) -> StoredKey:
    """One key; raises `KeysError` with the names that exist."""
    known_endpoint(contents, provider)
    theirs = contents.of(provider)
    for key in theirs:
        if key.name == name:
            return key
    have = (
        f"there are {', '.join(key.name for key in theirs)}" if theirs else f"add it with 'enigma keys add {provider}'"
    )
    raise KeysError(f"'{provider}' has no key named '{name[:64]}'; {have}.")


def merged(contents: Contents, other: Contents, replacing: bool = False) -> tuple[Contents, Merged]:
    """With what another vault holds; where a name is taken by something else, ours stays unless `replacing`."""
    added: list[str] = []
    replaced: list[str] = []
    same: list[str] = []
    skipped: list[str] = []
    kept_providers: set[str] = set()
    for endpoint in other.endpoints:
        have = contents.endpoint(endpoint.provider)
        if have == endpoint:
            same.append(endpoint.provider)
        elif have is not None and not replacing:
            # Its keys belong to the other address, and must not be sent to this one.
            skipped.append(endpoint.provider)
            kept_providers.add(endpoint.provider)
        else:
            (added if have is None else replaced).append(endpoint.provider)
            contents = with_endpoint(contents, endpoint, replacing=True)
    fresh = {key.provider for key in other.keys} - {key.provider for key in contents.keys}
    for key in other.keys:
        label = f"{key.provider}/{key.name}"
        mine = next((have for have in contents.of(key.provider) if have.name == key.name), None)
        if key.provider in kept_providers or (mine is not None and mine.secret != key.secret and not replacing):
            skipped.append(label)
        elif mine is not None and mine.secret == key.secret:
            same.append(label)
        else:
            (added if mine is None else replaced).append(label)
            contents = with_key(contents, key, replacing=True)
    for key in other.keys:
        if key.in_use and key.provider in fresh and key.provider not in kept_providers:
            contents = using(contents, key.provider, key.name)
    return contents, Merged(tuple(added), tuple(replaced), tuple(same), tuple(skipped))


def to_text(contents: Contents) -> Secret:
    """All of it as JSON, only ever to be sealed."""
    return Secret(
        json.dumps(
            {
                "version": VERSION,
                "keys": [
                    {
                        "provider": key.provider,
                        "name": key.name,
                        "key": key.secret.reveal(),
                        "added": key.added,
                        "in_use": key.in_use,
                    }
                    for key in contents.keys
                ],
                "endpoints": [
                    {
                        "provider": endpoint.provider,
                        "wire": endpoint.wire,
                        "base_url": endpoint.base_url,
                        "model": endpoint.model,
                        "headers": [{"name": name, "value": value} for name, value in endpoint.headers],
                        "needs_key": endpoint.needs_key,
                    }
                    for endpoint in contents.endpoints
                ],
            }
        )
    )


def from_text(plain: Secret) -> Contents:
    """Read what `to_text` made, each part checked as if a person had typed it; raises `KeysError`."""
    contents = Contents()
    try:
        found = json.loads(plain.reveal(), object_pairs_hook=_hiding)
        if found["version"] != VERSION:
            raise KeysError("These keys were stored by another version of Enigma; update this one.")
        for item in _items(found["endpoints"]):
            contents = with_endpoint(contents, _endpoint(item))
        items = _items(found["keys"])
        for item in items:
            contents = with_key(contents, _key(item))
        for item in items:
            if item["in_use"] is True:
                contents = using(contents, _string(item["provider"]), _string(item["name"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeysError("What was opened isn't a list of keys; restore it from a copy.") from None
    return contents


def _hiding(pairs: list[tuple[str, object]]) -> Json:
    """An object of the JSON text; what may be secret is hidden as soon as it is read."""
    return {
        name: Secret(value) if name in ("key", "value") and isinstance(value, str) else value for name, value in pairs
    }


def _endpoint(item: Json) -> Endpoint:
    wire = item["wire"]
    if wire != "openai" and wire != "anthropic":
        raise ValueError
    return custom_endpoint(
        _string(item["provider"]),
        cast(Wire, wire),
        _string(item["base_url"]),
        _string(item["model"]),
        [(_string(header["name"]), _secret(header["value"])) for header in _items(item["headers"])],
        item["needs_key"] is True,
    )


def _key(item: Json) -> StoredKey:
    added = date.fromisoformat(_string(item["added"])).isoformat()
    name, secret = checked_name(_string(item["name"])), checked_key(_secret(item["key"]))
    return StoredKey(_string(item["provider"]), name, secret, added)


def _items(found: object) -> list[Json]:
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError
    return found


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _secret(value: object) -> Secret:
    if not isinstance(value, Secret):
        raise ValueError
    return value
