"""Co-signatures over the API: what waits for one, for a phone to look at and to sign."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import EdgeError
from trainer_host.errors import NotThere
from trainer_host.server import fields
from trainer_host.server.fields import Json
from trainer_host.workspace import Workspace

if TYPE_CHECKING:
    from trainer_host.release.cosign import Asked
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
        repository = _repository(workspace)
        found = asked(repository)
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
            "scores": _scores(repository, each),
        }
        for each in found
    ]


def _scores(repository: Repository, each: Asked) -> Json:
    """By target and runtime, the share of examples that a new bundle had right in the gate, as its manifest says."""
    from edge_runtime.bundle import HEADER_BYTES, Manifest, list_members, read_envelope

    made: Json = {}
    for one in each.proposal.bundles:
        try:
            with repository.files.file(each.waiting.signed.content.targets[one.target]).open("rb") as opened:
                envelope = read_envelope(opened)
                members = {member.name: member for member in list_members(opened, HEADER_BYTES, envelope.length)}
                opened.seek(members["manifest.json"].offset)
                manifest = Manifest.from_json(opened.read(members["manifest.json"].size))
        except (EdgeError, OSError, KeyError):
            continue  # it can't be signed wrongly for that: what counts is its hash
        scored = [score for model in manifest.models for score in model.scored_in if score.accuracy is not None]
        made[one.target] = {f"{score.runtime} {score.version}": score.accuracy for score in scored}
    return made


def _sign(workspace: Workspace, role: str, version: int, keyid: str, signature: str) -> None:
    from trainer_host.release.cosign import take_signature

    take_signature(_repository(workspace), role, version, keyid, signature)


def _repository(workspace: Workspace) -> Repository:
    from trainer_host.release.repository import Repository
    from trainer_host.release.roles import RoleKeys

    return Repository.of(workspace, RoleKeys.of(workspace, ask=lambda prompt: None))  # nobody sits at a server
