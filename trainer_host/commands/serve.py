"""`enigma serve`: the host's HTTP API, for the companion."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from edge_runtime.identity.tokens import TokenStore
    from trainer_host.presentation import Presenter
    from trainer_host.workspace import Workspace

LISTEN = "127.0.0.1:8770"
SCOPES = ("viewer", "operator", "owner")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma serve`."""
    made = command(commands, "serve", serve, "Let the companion manage keys and run lessons, until Ctrl-C.")
    made.add_argument("--listen", default=LISTEN, metavar="HOST:PORT", help=f"where (default: {LISTEN})")
    made.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name that others call this machine by"
    )
    actions = made.add_mutually_exclusive_group()
    actions.add_argument(
        "--pair", action="store_true", help="print a new pairing code; also beside a server that runs already"
    )
    made.add_argument(
        "--scope",
        choices=SCOPES,
        default="owner",
        help="what the code's client may do: viewer: see; operator: teach too; owner: see to keys too "
        "(default: %(default)s)",
    )
    made.add_argument(
        "--plain-http", action="store_true", help="don't encrypt, though the network reads and changes all then"
    )
    made.add_argument(
        "--chat-budget",
        metavar="DOLLARS",
        help="let paired programs chat with your providers' models, for at most so much a day each",
    )
    actions.add_argument("--paired", action="store_true", help="list who is paired, and end")
    actions.add_argument("--unpair", metavar="ID", help="end a pairing at once, and end")
    actions.add_argument(
        "--renew-certificate",
        action="store_true",
        help="take another key for TLS, where somebody may have got hold of it, and end; who is paired takes it",
    )


def serve(args: argparse.Namespace) -> None:
    """Serve until told to stop, or see to the pairings."""
    workspace, show = workspace_of(args), presenter_for()
    if args.paired:
        return _list(workspace, show)
    if args.unpair is not None:
        return _unpair(workspace, args.unpair, show)
    if args.renew_certificate:
        return _renew(workspace, show)
    _serve(args, workspace, show)


def _serve(args: argparse.Namespace, workspace: Workspace, show: Presenter) -> None:
    import asyncio

    from edge_runtime.addresses import is_loopback
    from edge_runtime.config import parse_listen
    from edge_runtime.errors import ConfigError
    from trainer_host.fleet.watching import beside
    from trainer_host.keys import vault_of
    from trainer_host.server.run import running, serve
    from trainer_host.teacher.budget import checked_limit

    if args.pair and running(workspace):
        show.say(_code(workspace, args.scope))
        return
    try:
        host, port = parse_listen(args.listen)
    except ConfigError as cause:
        raise TrainerError(str(cause)) from None
    budget = None if args.chat_budget is None else format(checked_limit(args.chat_budget), "f")
    vault_of(workspace).read()  # a passphrase is asked for now, while somebody sits at the terminal
    if args.plain_http and not is_loopback(host):
        show.warn(
            "keys that are added and all else cross the network unencrypted, and the token with them; leave out "
            "--plain-http, or use it through a tunnel only."
        )

    def on_listening(url: str) -> None:
        # Before anybody can know the address: a code that '--pair' makes beside this one must not be ended by it.
        said = _code(workspace, args.scope) if args.pair or not _tokens(workspace).paired() else None
        show.say(f"The host's API is at {url}")
        if said is not None:
            show.say(said)
        show.say("Ctrl-C ends it; a lesson that runs then can be resumed.")

    tls = "never" if args.plain_http else "network"

    async def both() -> None:
        async with beside(workspace, show.warn):
            await serve(workspace, host, port, args.allow_host, on_listening, tls, budget)

    asyncio.run(both())
    show.say("The host's API has stopped.")


def _code(workspace: Workspace, scope: str) -> str:
    from trainer_host.server.access import CODE_MINUTES
    from trainer_host.server.run import pairing_code

    return f"Pairing code, for one client within {CODE_MINUTES:.0f} minutes: {pairing_code(workspace, scope)}"


def _list(workspace: Workspace, show: Presenter) -> None:
    from datetime import datetime

    found = _tokens(workspace).paired()
    if not found:
        show.say("Nobody is paired; 'enigma serve --pair' prints a code.")
        return
    rows = [
        [paired.id, paired.name, paired.grant.scope, f"{datetime.fromtimestamp(paired.created):%Y-%m-%d %H:%M}"]
        for paired in found
    ]
    show.table(["id", "name", "scope", "since"], rows)


def _renew(workspace: Workspace, show: Presenter) -> None:
    from edge_runtime.identity.files import IdentityFolder
    from edge_runtime.identity.keys import device_key
    from edge_runtime.identity.tls import renew
    from trainer_host.server.run import folder_of, running

    identity = IdentityFolder(folder_of(workspace))
    certificate, count = renew(identity, device_key(identity))
    show.say(f"Renewed ({count} times by now): SHA-256 {certificate.fingerprint}.")
    if running(workspace):
        show.warn("the server that runs shows the former one until it is started again.")


def _unpair(workspace: Workspace, id_: str, show: Presenter) -> None:
    from edge_runtime.errors import NotFound
    from trainer_host.errors import NotThere

    try:
        gone = _tokens(workspace).remove(id_)
    except NotFound:
        raise NotThere("There is no pairing of that id; 'enigma serve --paired' lists them.") from None
    show.say(f"'{gone.name}' is unpaired; its token no longer works.")


def _tokens(workspace: Workspace) -> TokenStore:
    from edge_runtime.identity.files import IdentityFolder
    from edge_runtime.identity.tokens import TokenStore
    from trainer_host.server.run import folder_of

    return TokenStore(IdentityFolder(folder_of(workspace)))
