"""The two wires: how a request is written for an API of OpenAI's or of Anthropic's kind, and how a reply is read.

Pure functions. The bytes of a body follow from the request, the endpoint and its dialect alone, for the cache knows
a reply by them; batches write the same bytes.
"""

from __future__ import annotations

from typing import Protocol

from trainer_host.teacher.protocol import Json, Request, Secret
from trainer_host.teacher.providers import Dialect, Endpoint
from trainer_host.teacher.wires import anthropic, openai
from trainer_host.teacher.wires.common import Answer, WireError

__all__ = ["Answer", "Wire", "WireError", "wire_of"]


class Wire(Protocol):
    """What the modules `openai` and `anthropic` both have."""

    def body(self, request: Request, endpoint: Endpoint, dialect: Dialect) -> bytes:
        """The JSON of a request; raises `WireError` for text that isn't Unicode."""

    def headers(self, secret: Secret | None, request_hash: str = "") -> dict[str, str]:
        """The headers of a call, without the endpoint's own; the value with the key has a repr that hides it.

        request_hash: stands for the request where servers know repeated ones by a header.
        """

    def url(self, endpoint: Endpoint) -> str:
        """Where requests are sent."""

    def models_url(self, endpoint: Endpoint) -> str:
        """Where the list of models is; asking for it costs nothing."""

    def read(self, payload: Json) -> Answer:
        """The reply in the body of a 200; raises `WireError` where it is none."""


def wire_of(endpoint: Endpoint) -> Wire:
    """The wire that an endpoint speaks."""
    return anthropic if endpoint.wire == "anthropic" else openai
