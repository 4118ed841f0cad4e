"""A host's certificate has no end; it takes another key when asked, and who is paired goes on."""

from __future__ import annotations

from companion_app.services.host_client import HostClient, HostError
from edge_runtime.identity.pin import read_pin
from tests.trainer_host.server.conftest import serving
from trainer_host.server.run import pairing_code
from trainer_host.workspace import Workspace


async def test_a_paired_companion_goes_on_with_the_certificate_that_the_host_signed_and_never_back(
    workspace: Workspace,
) -> None:
    kept: list[str] = []
    async with serving(workspace, "0.0.0.0") as host:
        url = host.url.replace("0.0.0.0", "127.0.0.1")
        client = HostClient(url, on_renewed=kept.append)
        token = await client.pair(pairing_code(workspace), "phone")
        first = client.certificate
        assert read_pin(first).renewals == 0 and len(read_pin(first).device) == 64
        told = await client._call("POST", "/v1/certificate")
        assert told["renewals"] == 1 and told["certificate"] != read_pin(first).digest
        await client.close()  # it comes again
        await client.tasks()
        assert kept == [client.certificate] and read_pin(kept[0]).renewals == 1
        await client.close()
    async with serving(workspace, "0.0.0.0") as host:  # started again: the same one
        url = host.url.replace("0.0.0.0", "127.0.0.1")
        for certificate, taken in ((kept[0], True), (first, True), (read_pin(first).digest, False)):
            again = HostClient(url, token, certificate)
            try:
                await again.tasks()
                assert taken
            except HostError as error:
                assert not taken and "stands in between" in str(error)
            await again.close()
