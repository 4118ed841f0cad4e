"""Keys from one host to another over the API: all of them as one file, sealed by a passphrase that comes along."""

from __future__ import annotations

import base64
import binascii
import logging
import os

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from trainer_host.keys import vault_of
from trainer_host.server import fields
from trainer_host.server.access import Guard
from trainer_host.server.errors import Conflict, Unprocessable
from trainer_host.server.fields import Json
from trainer_host.server.keys import BODY_BYTES, VaultThread
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault import contents as stored
from trainer_host.teacher.vault.checks import MAX_KEY_CHARS, checked_passphrase
from trainer_host.teacher.vault.contents import Contents, Merged
from trainer_host.teacher.vault.transfer import from_age, to_age
from trainer_host.workspace import Workspace

# A thousand of the longest keys are 4 MB; armour adds a third, JSON's line breaks a little more.
FILE_BYTES = 8 * 1024 * 1024
_ARMOUR = "-----BEGIN AGE ENCRYPTED FILE-----"

_log = logging.getLogger(__name__)


class KeyFileRoutes:
    """/v1/keys/export and /v1/keys/import. Passphrases are in bodies alone, which nothing logs."""

    def __init__(self, workspace: Workspace, thread: VaultThread, guard: Guard) -> None:
        self._workspace = workspace
        self._thread = thread
        self._guard = guard

    async def export(self, request: web.Request) -> web.Response:
        """All keys and endpoints of the vault in age's format, as text; the host's log says who took them."""
        body = await read_json(request, BODY_BYTES)
        passphrase = _passphrase(body)
        fields.only(body, "passphrase")
        checked_passphrase(passphrase)
        answer = await self._thread.run(lambda: self._export(passphrase))
        # It is opened by whoever chose the passphrase: the host's owner should be able to see that it happened.
        _log.warning("All keys were exported, sealed, for the pairing %s.", self._guard.paired(request).id)
        return reply(answer)

    async def import_(self, request: web.Request) -> web.Response:
        """Take over the keys of such a file; where a name is taken, the one here stays unless `replace`."""
        body = await read_json(request, FILE_BYTES)
        passphrase = _passphrase(body)
        fields.only(body, "file", "passphrase", "replace")
        content = _content(fields.text(body, "file", FILE_BYTES))
        replacing = fields.flag(body, "replace")
        merged = await self._thread.run(lambda: self._import(content, passphrase, replacing))
        return reply(
            {
                "added": list(merged.added),
                "replaced": list(merged.replaced),
                "same": list(merged.same),
                "skipped": list(merged.skipped),
            }
        )

    # In the vault's thread.

    def _export(self, passphrase: Secret) -> Json:
        contents = vault_of(self._workspace).read()
        if not contents.keys and not contents.endpoints:
            raise Conflict("There are no keys to export.")
        file = to_age(contents, passphrase, armored=True).decode("ascii")
        return {"keys": len(contents.keys), "providers": len(contents.endpoints), "file": file}

    def _import(self, content: bytes, passphrase: Secret, replacing: bool) -> Merged:
        other = from_age(content, passphrase)
        results: list[Merged] = []

        def edit(contents: Contents) -> Contents:
            _refuse_to_lead_keys_away(contents, other, replacing)
            after, merged = stored.merged(contents, other, replacing)
            results.append(merged)
            return after

        vault_of(self._workspace).change(edit)
        return results[-1]


def _passphrase(body: Json) -> Secret:
    """The passphrase, out of the body: from here on nothing that could be shown holds it."""
    found = Secret(fields.text(body, "passphrase", MAX_KEY_CHARS))
    del body["passphrase"]
    return found


def _content(file: str) -> bytes:
    """The file's bytes: age's armoured text as it is, or its plain form in base64."""
    if file.lstrip().startswith(_ARMOUR):
        return file.strip().encode("utf-8", "replace") + b"\n"
    try:
        return base64.b64decode(file, validate=True)
    except (binascii.Error, ValueError):
        raise Unprocessable(
            '"file" is neither the text of a file of keys nor base64 of one; send what the export answered.'
        ) from None


def _refuse_to_lead_keys_away(contents: Contents, other: Contents, replacing: bool) -> None:
    """No key that the host has may be sent to an address that a file brings: it would leave the host that way."""
    for endpoint in other.endpoints:
        have = contents.endpoint(endpoint.provider)
        if have == endpoint or (have is not None and not replacing):
            continue  # nothing changes
        if have is not None and (have.base_url, have.wire) != (endpoint.base_url, endpoint.wire):
            brought = {key.name for key in other.of(endpoint.provider)}
            if any(key.name not in brought for key in contents.of(endpoint.provider)):
                raise Conflict(
                    f"Keys of '{endpoint.provider}' belong to {have.base_url}, and the file has another address for "
                    'them; remove them first, or import without "replace".'
                )
        if os.environ.get(endpoint.environment):
            raise Conflict(
                f"The file's provider '{endpoint.provider}' would be sent the host's {endpoint.environment}; "
                "unset that variable, or import with 'enigma keys import' on the host."
            )
