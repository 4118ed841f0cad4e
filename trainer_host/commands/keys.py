"""`enigma keys`: the API keys of teachers, sealed on this computer."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, group, workspace_of
from trainer_host.errors import KeysError
from trainer_host.presentation import Presenter, presenter_for

if TYPE_CHECKING:
    from trainer_host.teacher.protocol import Secret
    from trainer_host.teacher.providers import Endpoint
    from trainer_host.teacher.vault.contents import Contents
    from trainer_host.teacher.vault.storage import Vault

MAX_STDIN_CHARS = 16 * 1024  # a key has 4,096 at most


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma keys` and its actions."""
    actions = group(
        commands, "keys", "Store, choose and move API keys.", "API keys of teachers, sealed on this computer."
    )
    made = command(actions, "add", keys_add, "Store a key; it is asked for, or read from standard input.")
    made.add_argument(
        "provider", metavar="PROVIDER", help="a known one (openai, anthropic, ...), or a new name for --base-url"
    )
    made.add_argument("--name", default="default", metavar="NAME", help="what to call the key (default: default)")
    made.add_argument("--base-url", metavar="URL", help="a server of one's own choice that speaks one of the two wires")
    made.add_argument(
        "--wire", choices=("openai", "anthropic"), default="openai", help="of --base-url (default: openai)"
    )
    made.add_argument("--model", default="", metavar="MODEL", help="of --base-url, the one to ask")
    made.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="K=V",
        help="of --base-url, sent too; K alone: its value is asked for",
    )
    made.add_argument("--no-key", action="store_true", help="the server at --base-url wants no key")
    made.add_argument("--replace", action="store_true", help="where the name is taken, put this in its place")
    made = command(actions, "list", keys_list, "List the keys, each by its last characters.")
    made.add_argument("--json", action="store_true", help="print them as JSON")
    made = command(actions, "use", keys_use, "Choose the key that is tried first; the others are spares.")
    _add_key(made)
    made = command(actions, "test", keys_test, "Ask the provider whether it takes a key.")
    made.add_argument("provider", metavar="PROVIDER", help="whose key")
    made.add_argument("name", nargs="?", metavar="NAME", help="of the key (default: the one in use)")
    made = command(actions, "remove", keys_remove, "Remove a key, or a custom provider with all its keys.")
    made.add_argument("provider", metavar="PROVIDER", help="whose key")
    made.add_argument("name", nargs="?", metavar="NAME", help="of the key; without it, the custom provider")
    made.add_argument("--yes", action="store_true", help="don't ask")
    made = command(
        actions, "export", keys_export, "Write all keys into one file, in age format, sealed by a passphrase."
    )
    made.add_argument("file", type=Path, metavar="FILE", help="to write; 'age --decrypt' opens it too")
    made.add_argument("--armor", action="store_true", help="as text, to send or print")
    made.add_argument("--replace", action="store_true", help="write over a file that is there")
    made = command(actions, "import", keys_import, "Take over keys from such a file.")
    made.add_argument("file", type=Path, metavar="FILE", help="as written by 'enigma keys export'")
    made.add_argument("--replace", action="store_true", help="where a name is taken, take the file's key")
    made = command(actions, "protect", keys_protect, "Change what the keys are sealed by.")
    how = made.add_mutually_exclusive_group(required=True)
    how.add_argument("--passphrase", action="store_true", help="a passphrase, new or changed")
    how.add_argument("--keyring", action="store_true", help="the keyring of this system")
    how.add_argument("--key-file", action="store_true", help="a file beside them")


def keys_add(args: argparse.Namespace) -> None:
    """Store a key, or an endpoint, or both."""
    from trainer_host.keys import add_key, masked
    from trainer_host.teacher.vault import contents as stored
    from trainer_host.teacher.vault.checks import checked_key, checked_name

    show = presenter_for()
    vault = _vault(args, show)
    endpoint = _endpoint(args)
    if endpoint is None and args.no_key:
        raise KeysError("--no-key goes with --base-url: say where the server is.")
    checked_name(args.name)
    # Before the key is asked for, so that nobody looks it up in vain.
    known = vault.read() if endpoint is None else stored.with_endpoint(vault.read(), endpoint, args.replace)
    stored.known_endpoint(known, args.provider)
    if endpoint is not None and args.no_key:
        vault.change(lambda contents: stored.with_endpoint(contents, endpoint, args.replace))
        show.say(f"'{args.provider}' is stored; it needs no key.")
        return
    secret = checked_key(_read_key(args.provider))
    after = add_key(vault, args.provider, args.name, secret, replacing=args.replace, endpoint=endpoint)
    first = after.of(args.provider)[0]
    show.say(f"The key '{args.name}' of {args.provider} ({masked(secret)}) is stored.")
    if first.name != args.name:
        show.say(
            f"'{first.name}' stays in use; this one is a spare until 'enigma keys use {args.provider} {args.name}'."
        )


def keys_list(args: argparse.Namespace) -> None:
    """The keys, masked, and what seals them."""
    from trainer_host.keys import listed
    from trainer_host.teacher.vault.storage import PROTECTED_BY

    show = presenter_for()
    vault = _vault(args, show)
    lines = listed(workspace_of(args), vault)
    protection = vault.protection()
    if args.json:
        sealed = protection.name.lower().replace("_", "-") if protection else None
        show.say(json.dumps({"sealed_by": sealed, "keys": [asdict(line) for line in lines]}, indent=1))
        return
    custom = vault.read().endpoints
    if not lines and not custom:
        show.say("There are no keys; store one with 'enigma keys add PROVIDER'.")
    if lines:
        rows = [
            [line.provider, line.name, line.tail, "in use" if line.in_use else "", line.added or "environment"]
            for line in lines
        ]
        show.table(["provider", "name", "key", "", "added"], rows)
    if custom:
        show.table(["endpoint", "wire", "address", "model", "headers"], [_row(endpoint) for endpoint in custom])
    if protection is not None:
        show.say(PROTECTED_BY[protection])


def keys_use(args: argparse.Namespace) -> None:
    """Another key is tried first."""
    from trainer_host.teacher.vault import contents as stored

    show = presenter_for()
    _vault(args, show).change(lambda contents: stored.using(contents, args.provider, args.name))
    show.say(f"'{args.name}' is the key in use of {args.provider}.")


def keys_test(args: argparse.Namespace) -> int:
    """Ask the provider about a key; 1 where it refuses it."""
    import asyncio

    from trainer_host.keys import endpoint_for, keys_for
    from trainer_host.teacher.check import check_key

    workspace = workspace_of(args)
    keys = keys_for(args.provider, workspace, None if args.name is None else (args.name,))
    checked = asyncio.run(check_key(endpoint_for(args.provider, workspace), keys[0] if keys else None))
    presenter_for().say(checked.said)
    return 1 if checked.state == "refused" else 0


def keys_remove(args: argparse.Namespace) -> None:
    """Remove a key or a custom provider."""
    from trainer_host.teacher.vault import contents as stored

    show = presenter_for()
    vault = _vault(args, show)

    def edit(contents: Contents) -> Contents:
        if args.name is None:
            return stored.without_provider(contents, args.provider)
        return stored.without_key(contents, args.provider, args.name)

    edit(vault.read())  # a mistake is told before the question
    what = (
        f"the key '{args.name}' of {args.provider}" if args.name else f"the endpoint {args.provider} and all its keys"
    )
    if not args.yes and not _confirmed(f"Remove {what}?"):
        show.say("Nothing was removed.")
        return
    vault.change(edit)
    show.say(f"Removed {what}; what the provider has of it is ended on the provider's page.")


def keys_export(args: argparse.Namespace) -> None:
    """All keys into one sealed file."""
    from trainer_host.teacher.vault import passphrase
    from trainer_host.teacher.vault.transfer import to_age
    from trainer_host.workspace import storage_errors, write_atomic

    show = presenter_for()
    contents = _vault(args, show).read()
    if not contents.keys and not contents.endpoints:
        raise KeysError("There are no keys to export.")
    path: Path = args.file
    if path.exists() and not args.replace:
        raise KeysError(f"{path} is there already; choose another name, or write over it with --replace.")
    secret = passphrase.new_passphrase((passphrase.EXPORT,), "the file", passphrase.ask_on_terminal)
    with storage_errors(path.parent):
        write_atomic(path, to_age(contents, secret, args.armor), 0o600)
    show.say(f"{_count(len(contents.keys), 'key')} and {_count(len(contents.endpoints), 'endpoint')} are in {path}.")


def keys_import(args: argparse.Namespace) -> None:
    """Keys from a sealed file."""
    from trainer_host.teacher.vault import contents as stored
    from trainer_host.teacher.vault import passphrase
    from trainer_host.teacher.vault.transfer import MAX_BYTES, from_age
    from trainer_host.workspace import storage_errors

    show = presenter_for()
    with storage_errors(args.file), args.file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    secret = passphrase.from_environment(passphrase.EXPORT) or passphrase.ask_on_terminal("Passphrase of the file: ")
    if secret is None:
        raise KeysError(f"Give the passphrase of the file: in {passphrase.EXPORT}, or on a terminal.")
    other = from_age(content, secret)
    results: list[stored.Merged] = []

    def edit(contents: Contents) -> Contents:
        after, merged = stored.merged(contents, other, args.replace)
        results.append(merged)
        return after

    _vault(args, show).change(edit)
    done = results[-1]
    show.say(
        f"{len(done.added)} added, {len(done.replaced)} replaced, {len(done.same)} already here, {len(done.skipped)} skipped."
    )
    if done.skipped:
        show.warn(f"Another one has the name here of {', '.join(done.skipped)}; --replace takes the file's.")


def keys_protect(args: argparse.Namespace) -> None:
    """Seal the vault in another way."""
    from trainer_host.teacher.vault import passphrase
    from trainer_host.teacher.vault.sealing import Protection
    from trainer_host.teacher.vault.storage import PROTECTED_BY

    show = presenter_for()
    vault = _vault(args, show)
    secret: Secret | None = None
    by = Protection.KEYRING if args.keyring else Protection.KEY_FILE
    if args.passphrase:
        by = Protection.PASSPHRASE
        vault.read()  # so that the old passphrase is asked for before the new one
        # While a passphrase seals it, ENIGMA_PASSPHRASE is the old one.
        old = (passphrase.VAULT,) if vault.protection() is not by else ()
        secret = passphrase.new_passphrase((passphrase.NEW_VAULT, *old), "the key vault", passphrase.ask_on_terminal)
    changed = vault.protect(by, secret)
    show.say(PROTECTED_BY[by] if changed else f"Nothing to change. {PROTECTED_BY[by]}")
    if changed:
        show.say("Copies of the vault that were made before still open in the old way.")


def _add_key(made: argparse.ArgumentParser) -> None:
    made.add_argument("provider", metavar="PROVIDER", help="whose key")
    made.add_argument("name", metavar="NAME", help="of the key")


def _vault(args: argparse.Namespace, show: Presenter) -> Vault:
    from trainer_host.teacher.vault.storage import Vault

    return Vault(workspace_of(args), on_made=show.warn)


def _endpoint(args: argparse.Namespace) -> Endpoint | None:
    from trainer_host.teacher.vault.contents import custom_endpoint

    if args.base_url is None:
        if args.model or args.header or args.wire != "openai":
            raise KeysError("--wire, --model and --header go with --base-url.")
        return None
    headers = [_header(text) for text in args.header]
    return custom_endpoint(args.provider, args.wire, args.base_url, args.model, headers, needs_key=not args.no_key)


def _header(text: str) -> tuple[str, Secret]:
    from trainer_host.teacher.protocol import Secret
    from trainer_host.teacher.vault.passphrase import ask_on_terminal

    name, given, value = text.partition("=")
    if given:
        return name, Secret(value)
    asked = ask_on_terminal(f"Value of the header {name} (not shown): ")
    if asked is None:
        raise KeysError("--header takes NAME=VALUE; NAME alone asks for the value, on a terminal.")
    return name, asked


def _read_key(provider: str) -> Secret:
    """From a hidden prompt or standard input; never from an argument, which the shell's history and `ps` would show."""
    from trainer_host.teacher.protocol import Secret
    from trainer_host.teacher.vault.passphrase import ask_on_terminal

    if sys.stdin.isatty():
        return ask_on_terminal(f"Key of {provider} (not shown): ") or Secret("")
    try:
        # One line end belongs to `echo`; any other stays, to be refused.
        return Secret(sys.stdin.read(MAX_STDIN_CHARS).removesuffix("\n").removesuffix("\r"))
    except UnicodeDecodeError:
        raise KeysError("What came on standard input isn't text; pipe the key alone into the command.") from None


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise KeysError("Say --yes to remove without a question.")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _row(endpoint: Endpoint) -> list[str]:
    return [
        endpoint.provider,
        endpoint.wire,
        endpoint.base_url,
        endpoint.model,
        ", ".join(name for name, _ in endpoint.headers),
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
