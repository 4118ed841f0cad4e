"""What waits for a signature on the small fake host; it takes any, and the tests look at what came."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

Json = dict[str, object]


@dataclass
class FakeSignatures:
    """waiting: as the host sends it. deaf: it hears of a signature, and answers nothing."""

    waiting: list[Json] = field(default_factory=list)
    deaf: bool = False

    def add_to(self, routes: web.UrlDispatcher) -> None:
        """The addresses."""
        routes.add_get("/v1/signatures", self._waiting)
        routes.add_post("/v1/signatures", self._sign)

    async def _waiting(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"waiting": self.waiting})

    async def _sign(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if self.deaf:
            return web.json_response({"error": "overloaded", "message": "The host is stopping; try again."}, status=503)
        self.waiting = [one for one in self.waiting if one["role"] != body["role"]]
        return web.json_response({"waiting": self.waiting})
