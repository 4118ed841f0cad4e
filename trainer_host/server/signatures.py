"""Co-signatures over the API: what waits for one, for a phone to look at and to sign."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from trainer_host.errors import NotThere
from trainer_host.server import fields
from trainer_host.server.fields import Json
from trainer_host.workspace import Workspace

if TYPE_CHECKING:
    from trainer_host.release.repository import Repository

BODY_BYTES = 4096  # a role's name and a signature
MOST_VERSION = 2**31
HEX_CHARS = 128  # of a signature; a key id has half of that


class SignatureRoutes:
    """/v1/signatures."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def waiting(self, request: web.Request) -> web.Response:
        """What waits; none where there is no update repository."""
        return reply({"waiting": await asyncio.to_thread(_waiting, self._workspace)})

    async def sign(self, request: web.Request) -> web.Response:
        """Take a signature; answers what waits then."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "role", "version", "keyid", "signature")
        role, keyid = fields.text(body, "role", 100), fields.text(body, "keyid", HEX_CHARS)
        signature, version = fields.text(body, "signature", HEX_CHARS), fields.whole(body, "version", 1, MOST_VERSION)
        await asyncio.to_thread(_sign, self._workspace, role, version, keyid, signature)
        return reply({"waiting": await asyncio.to_thread(_waiting, self._workspace)})


def _waiting(workspace: Workspace) -> list[Json]:
    from trainer_host.release.cosign import asked

    try:
        found = asked(_repository(workspace))
    except NotThere:
        return []
    return [
        {
            "role": each.waiting.name,
            "version": each.proposal.version,
            "have": each.waiting.have,
            "need": each.waiting.need,
            "lacking": list(each.waiting.lacking),
            "changes": list(each.proposal.changes),
            "metadata": base64.b64encode(each.raw).decode(),
        }
        for each in found
    ]


def _sign(workspace: Workspace, role: str, version: int, keyid: str, signature: str) -> None:
    from trainer_host.release.cosign import take_signature

    take_signature(_repository(workspace), role, version, keyid, signature)


def _repository(workspace: Workspace) -> Repository:
    from trainer_host.release.repository import Repository
    from trainer_host.release.roles import RoleKeys

    return Repository.of(workspace, RoleKeys.of(workspace, ask=lambda prompt: None))  # nobody sits at a server
