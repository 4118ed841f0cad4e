"""The commands of `enigma-edge` about who may do what: pair, certificate, paired, trust."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from edge_runtime.config import config_of
from edge_runtime.errors import EdgeError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.running import ask_daemon, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.config import Config
    from edge_runtime.identity.grants import Grant
    from edge_runtime.identity.invitation import Invitation


def pair(args: argparse.Namespace) -> None:
    """Print a one-time code, or draw it with all else that the other side needs."""
    from edge_runtime.identity.grants import grant
    from edge_runtime.identity.pairing import issue_code

    config = config_of(args.state, args.config)
    pairing = config.pairing
    made = grant(args.scope, tuple(args.only), args.per_minute, args.days)
    inviting = _inviting(args, config) if args.qr else None  # what may fail comes before the code
    code = issue_code(IdentityFolder(args.state), made, pairing.minutes, pairing.tries)
    if inviting is None:
        print(code)
    else:
        from edge_runtime.identity.invitation import drawn

        invitation = inviting(code)
        print(drawn(invitation), end="")
        print(invitation)
    print(f"Valid for {pairing.minutes:g} minutes and one {made}; give it to nobody else.", file=sys.stderr)


def _inviting(args: argparse.Namespace, config: Config) -> Callable[[str], Invitation]:
    """Makes an invitation of a code, to where the daemon listens, or will by its configuration."""
    from edge_runtime.addresses import is_loopback
    from edge_runtime.config import parse_listen
    from edge_runtime.discovery import reached_at
    from edge_runtime.identity.invitation import Invitation, drawn, read_invitation
    from edge_runtime.identity.keys import device_key
    from edge_runtime.identity.tls import Shown

    told = running(args.state) or {}
    listen = str(told.get("listen", config.server.listen))
    host, port = parse_listen(listen)
    identity = IdentityFolder(args.state)
    shown = Shown(identity, device_key(identity), listen, config.server.tls).fingerprint
    digest = str(told.get("certificate", shown))
    if not digest or is_loopback(host) or not port:
        raise EdgeError(
            "A QR code is for others on the network, and this device doesn't listen to them by TLS; set "
            "listen = \"0.0.0.0:8765\" under [server] and start it, or pair with the code of plain 'enigma-edge pair'."
        )
    given = args.address or reached_at(host)
    where = given if given.rpartition(":")[2].isdigit() and not given.endswith("]") else f"{given}:{port}"
    drawn(read_invitation(str(Invitation(where, "0" * 6, digest))))  # a wrong address, or no segno, costs no code
    return lambda code: Invitation(where, code, digest)


def certificate(args: argparse.Namespace) -> None:
    """Show how others know this device, or renew its certificate."""
    from edge_runtime.identity.certificate import device_certificate
    from edge_runtime.identity.keys import device_key
    from edge_runtime.identity.tls import renew, renewals_of

    identity = IdentityFolder(args.state)
    key = device_key(identity)
    if args.action == "renew" and ask_daemon(args.state, lambda client: client.renew_certificate()) is None:
        renew(identity, key)
    renewals = renewals_of(identity)
    print(device_certificate(key.seed, key.id, renewals).fingerprint)
    if args.action == "renew":
        print("Renewed; who is paired takes it by itself, as the device signed it.", file=sys.stderr)
    else:
        print(f"SHA-256 of this device's certificate, renewed {renewals} times.", file=sys.stderr)


def paired(args: argparse.Namespace) -> None:
    """List who is paired, or remove one."""
    from edge_runtime.identity.tokens import TokenStore

    tokens = TokenStore(IdentityFolder(args.state))
    if args.action == "remove":
        gone = tokens.remove(args.id or "")
        print(f"{gone.name} ({gone.grant.scope}) is no longer paired; its signing key stays trusted (see 'trust').")
        return
    for paired in tokens.paired():
        print(f"{paired.id}  {paired.grant.scope:9}  {_day(paired.created)}  {paired.name}{_limits(paired.grant)}")


def _limits(grant: Grant) -> str:
    """What a token is limited to, in brackets; nothing where it isn't."""
    limits = str(grant).removeprefix(grant.scope).removeprefix(", ")
    return f"  ({limits})" if limits else ""


def trust(args: argparse.Namespace) -> None:
    """List the keys whose bundles are taken, add one, or remove one."""
    from edge_runtime.identity.keys import decode_key
    from edge_runtime.identity.trust import TrustStore

    store = TrustStore(IdentityFolder(args.state))
    if args.action == "add":
        key = decode_key(args.key)
        store.add(key, args.name)
        print(f"Bundles signed by {key.hex()} are taken from now on.")
    elif args.action == "remove":
        gone = store.remove(args.key or "")
        print(f"Bundles signed by {gone.key.hex()} ({gone.name}) are no longer taken; installed ones stay.")
    else:
        for signer in store.signers():
            print(f"{signer.key.hex()}  {_day(signer.added)}  {signer.name}")


def _day(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d", time.localtime(seconds))
