"""The connections to one peer, which is known by its certificate; of devices' clients and of hosts'."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from edge_runtime.connecting import Seen, checked_by

if TYPE_CHECKING:
    import aiohttp


class Pinned:
    """Opened when something is asked first; an async context manager.

    certificate: see `edge_runtime.connecting.checked_by`. on_renewed: gets the later one that the same peer showed.
    """

    def __init__(self, certificate: str | None, on_renewed: Callable[[str], None] | None = None) -> None:
        self.certificate = certificate
        self._on_renewed = on_renewed
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client can be used again afterwards."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self, seen: Seen | None = None) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            # Deadlines are ours, per call; proxies of the environment aren't meant for what is at home.
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None), trust_env=False, connector=self._connector(seen)
            )
        return self._session

    def _connector(self, seen: Seen | None) -> aiohttp.BaseConnector:
        import aiohttp

        return aiohttp.TCPConnector(ssl=checked_by(self.certificate, seen, self._renewed))

    def _renewed(self, certificate: str) -> None:
        self.certificate = certificate
        if self._on_renewed is not None:
            self._on_renewed(certificate)
