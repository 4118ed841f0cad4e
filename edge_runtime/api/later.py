"""Routes whose module is imported when one of them is asked first: hardly any device is asked for all of them."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Later:
    """The routes of one class. module: below `edge_runtime.api`; arguments: what the class is made with."""

    def __init__(self, module: str, name: str, *arguments: object) -> None:
        self._module, self._name, self._arguments = module, name, arguments

    @functools.cached_property
    def _class(self) -> type:
        found: type = getattr(importlib.import_module(f"edge_runtime.api.{self._module}"), self._name)
        return found

    @functools.cached_property
    def _routes(self) -> object:
        return self._class(*self._arguments)

    def handler(self, method: str) -> Handler:
        """A handler that asks the class' own."""

        async def handle(request: web.Request) -> web.StreamResponse:
            own: Handler = getattr(self._routes, method)
            return await own(request)

        return handle

    def says(self, method: str) -> str:
        """What the own handler does, in its docstring."""
        return getattr(self._class, method).__doc__ or ""
