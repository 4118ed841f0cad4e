"""Asks a provider what costs nothing: whether it takes a key, and which models it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer_host.errors import TeacherStopped
from trainer_host.teacher.connection import Answered, Connection, Deadlines, Trouble
from trainer_host.teacher.protocol import Json, Key, Secret
from trainer_host.teacher.providers import Endpoint
from trainer_host.teacher.scrub import scrubbed
from trainer_host.teacher.vault.checks import checked_headers, checked_key, checked_url
from trainer_host.teacher.wires import wire_of
from trainer_host.teacher.wires.common import Hidden, member, without_trailing
from trainer_host.teacher.wires.refusals import Verdict, looks_like_page, read_body, read_refusal, status_within

DEADLINES = Deadlines(connect=10.0, answer=20.0)
MAX_BYTES = 8 * 2**20  # OpenRouter's list of models has about one megabyte
_MAX_MODELS = 5000


@dataclass(frozen=True)
class KeyCheck:
    """What a provider says to a key. state: "unknown" where it has no such question. said: one sentence.
    models: what it has, where it tells."""

    state: Literal["works", "refused", "unknown"]
    said: str
    models: tuple[str, ...] = ()


async def check_key(endpoint: Endpoint, key: Key | None, deadlines: Deadlines = DEADLINES) -> KeyCheck:
    """Whether the provider takes this key; nothing is billed.

    Raises `TeacherStopped` where nothing that speaks the wire answers, and `KeysError` where key or address can't
    be one.
    """
    base = without_trailing(endpoint.base_url)
    url = base + endpoint.key_path if endpoint.key_path else wire_of(endpoint).models_url(endpoint)
    answered = await _get(endpoint, key, url, deadlines)
    named = f"the key '{key.name}'" if key is not None else "a request without a key"
    payload = read_body(answered.body)
    if answered.status == 200 and payload and status_within(payload) is None:
        models = _models(payload)
        known = not models or endpoint.model in models
        hint = "" if known else f", but doesn't list the model {endpoint.model[:80]}"
        return KeyCheck("works", f"{endpoint.provider} takes {named}{hint}.", models)
    refusal = read_refusal(answered.status, answered.headers, answered.body)
    words = f"{refusal.status} {scrubbed(refusal.message, _secrets(endpoint, key))}".strip()
    if refusal.verdict is Verdict.KEY_REFUSED:
        return KeyCheck("refused", f"{endpoint.provider} refuses {named} ({words}).")
    if refusal.verdict is Verdict.THROTTLED:  # it knows whom it throttles
        return KeyCheck("works", f"{endpoint.provider} takes {named}, and throttles it now ({words}).")
    return KeyCheck("unknown", f"{endpoint.provider} doesn't tell whether it takes {named} ({words}).")


async def list_models(endpoint: Endpoint, key: Key | None, deadlines: Deadlines = DEADLINES) -> tuple[str, ...]:
    """The names of a provider's models, sorted; none where it has no list. Raises as `check_key`, and
    `TeacherStopped` where it refuses the key."""
    answered = await _get(endpoint, key, wire_of(endpoint).models_url(endpoint), deadlines)
    if answered.status == 200:
        return _models(read_body(answered.body))
    refusal = read_refusal(answered.status, answered.headers, answered.body)
    if refusal.verdict is Verdict.NOT_HERE:
        return ()
    words = scrubbed(refusal.message, _secrets(endpoint, key))
    raise TeacherStopped(f"{endpoint.provider} didn't list its models ({refusal.status} {words}); check the key.")


async def _get(endpoint: Endpoint, key: Key | None, url: str, deadlines: Deadlines) -> Answered:
    checked_url(endpoint.base_url)
    checked_headers((name, Secret(value)) for name, value in endpoint.headers)
    if key is not None:
        checked_key(key.secret, f"The key '{key.name}'")
    headers = wire_of(endpoint).headers(None if key is None else key.secret)
    connection = Connection(deadlines, MAX_BYTES)
    try:
        answered = await connection.get(url, headers | {name: Hidden(value) for name, value in endpoint.headers})
    finally:
        await connection.close()
    where = f"{endpoint.provider} ({endpoint.base_url})"
    if isinstance(answered, Trouble):
        raise TeacherStopped(f"{where} {answered.kind.value} ({answered.detail}); is the address right?")
    if 300 <= answered.status < 400 or looks_like_page(answered.headers, answered.body):
        raise TeacherStopped(f"{where} answered with a web page, not JSON; is --base-url right?")
    return answered


def _secrets(endpoint: Endpoint, key: Key | None) -> list[Secret]:
    return [*([] if key is None else [key.secret]), *(Secret(value) for _, value in endpoint.headers)]


def _models(payload: Json) -> tuple[str, ...]:
    found = payload.get("data")
    names = [member(item, "id") for item in (found if isinstance(found, list) else [])[:_MAX_MODELS]]
    # Gemini's list has "models/" before each.
    return tuple(sorted(name.removeprefix("models/") for name in names if isinstance(name, str)))
