"""The command `enigma-edge`: run the device, install bundles, pair, and look after trust and tokens."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime import __version__, local_only
from edge_runtime.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from edge_runtime.client import DeviceClient
    from edge_runtime.config import Config
    from edge_runtime.identity.files import IdentityFolder
    from edge_runtime.identity.grants import Grant
    from edge_runtime.identity.invitation import Invitation

    Call = Callable[[DeviceClient], Awaitable[dict[str, Any]]]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors are one sentence on standard error."""
    args = _parser().parse_args(arguments)
    if local_only.wanted():
        local_only.enforce()
    # One thread per process is enough beside the model's own; read when numpy is first imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        result: int | None = args.command(args)
    except EdgeError as error:
        print(f"enigma-edge: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away, as in `enigma-edge config | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return result or 0


def default_state() -> Path:
    """ENIGMA_STATE, else the folder that `enigma quickstart` fills, where the platform keeps user data."""
    if chosen := os.environ.get("ENIGMA_STATE"):
        return Path(chosen)
    home = os.environ.get("ENIGMA_HOME")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return (Path(home) if home else Path(data) / "enigma") / "device"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="enigma-edge", description="Runs signed specialists on this device.")
    parser.add_argument("--version", action="version", version=f"enigma-edge {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int | None]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=run)
        if name != "config":
            made.add_argument(
                "--state",
                type=Path,
                default=default_state(),
                metavar="DIR",
                help="the device's state folder (default: %(default)s)",
            )
            made.add_argument(
                "--config",
                type=Path,
                metavar="FILE",
                help="configuration (default: config.toml in the state folder)",
            )
        return made

    run = command("run", "Serve the installed specialists.", _run)
    run.add_argument("--listen", metavar="HOST:PORT", help="where to listen (port 0: any free port)")
    run.add_argument("--port-file", type=Path, metavar="FILE", help="write the port here once listening")
    install = command("install", "Install a bundle, also while the daemon runs.", _install)
    install.add_argument("bundle", type=Path, metavar="BUNDLE")
    command("status", "Show what the device serves and whom it trusts.", _status).add_argument(
        "--json", action="store_true", help="as JSON"
    )
    top = command("top", "Show what the device does right now, until Ctrl-C.", _top)
    top.add_argument("--seconds", type=float, default=1.0, metavar="N", help="between two looks (default: %(default)s)")
    top.add_argument("--once", action="store_true", help="look once, as where the output isn't a terminal")
    command("rollback", "Let the previous bundle of a specialist serve again.", _rollback).add_argument(
        "specialist", metavar="SPECIALIST"
    )
    command("remove", "Unload a specialist and forget its bundles.", _remove).add_argument(
        "specialist", metavar="SPECIALIST"
    )
    bench = command("bench", "Measure an installed specialist on this device.", _bench)
    bench.add_argument("specialist", metavar="SPECIALIST")
    bench.add_argument("--seconds", type=float, default=5.0, metavar="N", help="ask for so long (default: %(default)s)")
    bench.add_argument("--json", type=Path, metavar="FILE", help="keep the figures here")
    bench.add_argument(
        "--against", type=Path, metavar="FILE", help="exit code 1 where it is over 15 %% worse than these"
    )
    listen = command("listen", "Print when a wake word's specialist hears its phrase, until Ctrl-C.", _listen)
    listen.add_argument("specialist", metavar="SPECIALIST")
    listen.add_argument("--file", type=Path, metavar="WAV", help="listen to a file in place of a microphone")
    listen.add_argument(
        "--device", metavar="NAME", help="of the microphone (see 'arecord -L'); '-' reads PCM of 16 kHz"
    )
    listen.add_argument("--json", action="store_true", help="a line of JSON for each event")
    pipelines = command("pipelines", "List the device's pipelines; check or try a file; start or stop one.", _pipelines)
    pipelines.add_argument("action", choices=("list", "check", "run", "start", "stop"), nargs="?", default="list")
    pipelines.add_argument(
        "target", nargs="?", metavar="FILE|NAME", help="a file to check or run, a name to start or stop"
    )
    pipelines.add_argument("--deliver", action="store_true", help="run: let the sinks get what is shown, too")
    pipelines.add_argument("--seconds", type=float, metavar="N", help="run: end after so long")
    pipelines.add_argument("--json", action="store_true", help="list: as JSON")
    pair = command("pair", "Print a one-time code for a host or a companion.", _pair)
    pair.add_argument(
        "--scope",
        choices=("viewer", "operator", "releaser", "owner"),
        default="releaser",
        help="viewer: sees; operator: asks specialists too; releaser: pushes bundles too; owner: gives tokens too "
        "(default: %(default)s)",
    )
    pair.add_argument("--only", action="append", default=[], metavar="SPECIALIST", help="an operator may ask this one")
    pair.add_argument("--per-minute", type=int, default=0, metavar="N", help="requests at most (default: any number)")
    pair.add_argument("--days", type=float, default=0.0, metavar="N", help="ends after so long (default: never)")
    pair.add_argument(
        "--qr", action="store_true", help="draw all that the other side needs as a QR code (needs the extra 'qr')"
    )
    pair.add_argument(
        "--address", metavar="HOST[:PORT]", help="with --qr: where others reach this device (default: looked up)"
    )
    certificate = command("certificate", "Show how others know this device, or renew its key for TLS.", _certificate)
    certificate.add_argument("action", choices=("show", "renew"), nargs="?", default="show")
    paired = command("paired", "List the paired hosts and companions, or remove one.", _paired)
    paired.add_argument("action", choices=("list", "remove"), nargs="?", default="list")
    paired.add_argument("id", nargs="?", metavar="ID")
    trust = command("trust", "List the keys whose bundles are taken, add one, or remove one.", _trust)
    trust.add_argument("action", choices=("list", "add", "remove"), nargs="?", default="list")
    trust.add_argument("key", nargs="?", metavar="KEY", help="base64 or hex; to remove: how its hex starts")
    trust.add_argument("--name", default="added by hand", help="what to call the key")
    doctor = command("doctor", "Look at all that this device needs, and say how to mend what is wrong.", _doctor)
    doctor.add_argument("--json", action="store_true", help="as JSON")
    unit = command("unit", "Print a unit file that starts this device with the system (systemd).", _unit)
    unit.add_argument("--user", metavar="NAME", help="who runs it (default: for a user's own systemd)")
    command("config", "Print the configuration file with all keys and their defaults.", _config)
    return parser


@contextlib.contextmanager
def _without_certificates() -> Iterator[None]:
    """Import aiohttp without the system's certificates, which it loads for a client that a daemon lacks.

    Saves 60 to 90 ms of the start and 2 MB. What calls out from the daemon over TLS brings its own context
    (`ssl.create_default_context()`); aiohttp's default one trusts nobody here.
    """
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    former = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, os.devnull))
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _load_config(args: argparse.Namespace) -> Config:
    from edge_runtime.config import FILE_NAME, Config, load_config

    if args.config is not None:
        return load_config(args.config)
    path: Path = args.state / FILE_NAME
    return load_config(path) if path.exists() else Config()


def _run(args: argparse.Namespace) -> None:
    import asyncio
    import dataclasses
    import logging

    from edge_runtime.config import parse_listen

    config = _load_config(args)
    if config.device.local_only:
        local_only.enforce()
    if args.listen:
        parse_listen(args.listen)
        config = dataclasses.replace(config, server=dataclasses.replace(config.server, listen=args.listen))
    logging.basicConfig(
        level=config.log.level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    with _without_certificates():
        from edge_runtime.daemon import serve

    asyncio.run(serve(args.state, config, args.port_file))


def _install(args: argparse.Namespace) -> None:
    bundle: Path = args.bundle
    if not bundle.is_file():
        raise EdgeError(f"There is no file {bundle}.")
    answer = _ask_daemon(args.state, lambda client: client.push(bundle))
    if answer is None:
        answer = _install_offline(args, bundle)
    what = "serves now" if answer["changed"] else "served already"
    print(f"{answer['specialist']} {answer['version']} {what} ({answer['bundle']}).")


def _install_offline(args: argparse.Namespace, bundle: Path) -> dict[str, Any]:
    """Install without a daemon: under its lock, by the same steps."""
    import shutil

    from edge_runtime.bundle import read_envelope
    from edge_runtime.identity.trust import TrustStore
    from edge_runtime.update import disk
    from edge_runtime.update.install import Installer
    from edge_runtime.update.slots import Slots, lock

    config = _load_config(args)
    handle = lock(args.state)
    if handle is None:
        raise EdgeError("The daemon starts or stops right now; try again in a moment.")
    slots = Slots(args.state)
    installer = Installer(slots, TrustStore(_identity(args)), config)
    slots.sweep()
    with bundle.open("rb") as source:
        installer.check_head(read_envelope(source))
    upload = slots.new_upload()
    try:
        with disk.storage_errors(args.state):
            shutil.copyfile(bundle, upload)
        installed = installer.install(upload, lambda stage, fields: None)
    finally:
        disk.remove(upload)
        os.close(handle)
    return {
        "specialist": installed.specialist,
        "version": installed.version,
        "bundle": installed.bundle,
        "changed": installed.changed,
    }


def _status(args: argparse.Namespace) -> int:
    import json

    status = _ask_daemon(args.state, lambda client: client.status())
    if status is None:
        raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")
    if args.json:
        print(json.dumps(status, indent=2, ensure_ascii=False))
        return 0
    device = status["device"]
    print(f"{device['name']} ({device['id']}), enigma-edge {status['version']}")
    print(f"{'ready' if status['ready'] else 'NOT ready'}, up {status['uptime_seconds']:.0f} s,", end=" ")
    print(f"{status['rss_bytes'] / 2**20:.0f} MB of memory, {status['free_bytes'] / 2**20:,.0f} MB of disk free")
    for model in status["specialists"]:
        runtime = f"{model['runtime']} {model['runtime_version']}"
        size = f"{model['bytes'] / 2**20:.2f} MB"
        asleep = ", asleep" if model["asleep"] else ""
        print(f"  {model['name']} {model['version']} ({model['task']}, {runtime}, {size}{asleep})")
    if status["governor"]["state"] != "free":
        print(f"  {status['governor']['state']}: {'; '.join(status['governor']['reasons'])}")
    for name in status["plan"]["missing"]:
        print(f"  the plan names {name}, which isn't here")
    for name, why in status["failed"].items():
        print(f"  {name} FAILED: {why}")
    for each in status["pipelines"]:
        print(f"  pipeline {each['name']} ({each['state']}){': ' + each['last_error'] if each['last_error'] else ''}")
    for paired in status["paired"]:
        print(f"  paired: {paired['name']} ({paired['scope']}, {paired['id']})")
    return 0 if status["ready"] else 1


def _top(args: argparse.Namespace) -> None:
    from edge_runtime import top

    if not 0.1 <= args.seconds <= 3600:
        raise EdgeError("--seconds must be from 0.1 to 3600.")
    once = args.once or not top.on_terminal()

    def show(text: str) -> None:
        print(text, flush=True)

    if _ask_daemon(args.state, lambda client: top.watch(client, args.seconds, once, show)) is None:
        raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")


def _rollback(args: argparse.Namespace) -> None:
    answer = _ask_daemon(args.state, lambda client: client.roll_back(args.specialist))
    if answer is None:
        raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")
    print(f"{answer['specialist']} {answer['version']} serves again.")


def _remove(args: argparse.Namespace) -> None:
    answer = _ask_daemon(args.state, lambda client: client.remove(args.specialist))
    if answer is None:
        raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")
    print(f"{answer['specialist']} is removed.")


def _bench(args: argparse.Namespace) -> int:
    from edge_runtime import bench

    if not 0 < args.seconds <= 3600:
        raise EdgeError("--seconds must be above 0 and at most 3600.")
    before = bench.read_figures(args.against) if args.against else None
    figures = bench.measure(args.state, args.specialist, _load_config(args), args.seconds)
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):26} {value}")
    if args.json:
        bench.write_figures(args.json, figures)
    worse = bench.regressions(figures, before) if before is not None else []
    for sentence in worse:
        print(f"enigma-edge: {sentence}", file=sys.stderr)
    return 1 if worse else 0


def _listen(args: argparse.Namespace) -> None:
    from edge_runtime import listening
    from edge_runtime.audio import microphone

    pieces = microphone.from_file(args.file) if args.file else microphone.from_microphone(args.device)

    def show(event: dict[str, object]) -> None:
        print(listening.line(event, as_json=args.json), flush=True)

    if not _ask_daemon(args.state, lambda client: listening.listen_there(client, args.specialist, pieces, show)):
        listening.listen_here(args.state, args.specialist, _load_config(args), pieces, show)


def _pipelines(args: argparse.Namespace) -> int:
    import json

    from edge_runtime.pipelines import commands

    action, target = args.action, args.target
    if action == "list":
        answer = _ask_daemon(args.state, lambda client: client.pipelines())
        if args.json:
            print(json.dumps(answer or commands.plain_list(args.state), indent=2, ensure_ascii=False))
            return 0
        lines = commands.listed(answer["pipelines"]) if answer else commands.listed_files(args.state)
        for line in lines:
            print(line)
        return 0
    if not target:
        raise EdgeError(
            f"Say which, as in 'enigma-edge pipelines {action} door{'.toml' if action in 'check run' else ''}'."
        )
    if action == "check":
        for line in commands.checked(Path(target), args.state):
            print(line)
    elif action == "run":
        if args.seconds is not None and not 0 < args.seconds <= 86_400:
            raise EdgeError("--seconds must be above 0 and at most 86400.")

        def show(text: str) -> None:
            print(text, flush=True)

        def warn(text: str) -> None:
            print(f"enigma-edge: {text}", file=sys.stderr)

        commands.run_here(
            args.state,
            _load_config(args),
            Path(target),
            deliver=args.deliver,
            seconds=args.seconds,
            show=show,
            warn=warn,
        )
    else:
        answer = _ask_daemon(
            args.state,
            lambda client: client.start_pipeline(target) if action == "start" else client.stop_pipeline(target),
        )
        if answer is None:
            raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")
        print(f"{answer['name']} is {answer['state']}.")
    return 0


def _pair(args: argparse.Namespace) -> None:
    from edge_runtime.identity.grants import grant
    from edge_runtime.identity.pairing import issue_code

    config = _load_config(args)
    pairing = config.pairing
    made = grant(args.scope, tuple(args.only), args.per_minute, args.days)
    inviting = _inviting(args, config) if args.qr else None  # what may fail comes before the code
    code = issue_code(_identity(args), made, pairing.minutes, pairing.tries)
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

    running = _running(args.state) or {}
    listen = str(running.get("listen", config.server.listen))
    host, port = parse_listen(listen)
    identity = _identity(args)
    shown = Shown(identity, device_key(identity), listen, config.server.tls).fingerprint
    digest = str(running.get("certificate", shown))
    if not digest or is_loopback(host) or not port:
        raise EdgeError(
            "A QR code is for others on the network, and this device doesn't listen to them by TLS; set "
            "listen = \"0.0.0.0:8765\" under [server] and start it, or pair with the code of plain 'enigma-edge pair'."
        )
    given = args.address or reached_at(host)
    where = given if given.rpartition(":")[2].isdigit() and not given.endswith("]") else f"{given}:{port}"
    drawn(read_invitation(str(Invitation(where, "0" * 6, digest))))  # a wrong address, or no segno, costs no code
    return lambda code: Invitation(where, code, digest)


def _certificate(args: argparse.Namespace) -> None:
    from edge_runtime.identity.certificate import device_certificate
    from edge_runtime.identity.keys import device_key
    from edge_runtime.identity.tls import renew, renewals_of

    identity = _identity(args)
    key = device_key(identity)
    if args.action == "renew" and _ask_daemon(args.state, lambda client: client.renew_certificate()) is None:
        renew(identity, key)
    renewals = renewals_of(identity)
    print(device_certificate(key.seed, key.id, renewals).fingerprint)
    if args.action == "renew":
        print("Renewed; who is paired takes it by itself, as the device signed it.", file=sys.stderr)
    else:
        print(f"SHA-256 of this device's certificate, renewed {renewals} times.", file=sys.stderr)


def _paired(args: argparse.Namespace) -> None:
    from edge_runtime.identity.tokens import TokenStore

    tokens = TokenStore(_identity(args))
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


def _trust(args: argparse.Namespace) -> None:
    from edge_runtime.identity.keys import decode_key
    from edge_runtime.identity.trust import TrustStore

    store = TrustStore(_identity(args))
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


def _doctor(args: argparse.Namespace) -> int:
    import dataclasses
    import json

    from edge_runtime import doctor

    findings = doctor.examine(args.state, args.config)
    if not args.json:
        return doctor.report(findings, print)
    found = list(findings)
    print(json.dumps([dataclasses.asdict(finding) for finding in found], indent=1, ensure_ascii=False))
    return 1 if any(finding.level == doctor.BAD for finding in found) else 0


def _unit(args: argparse.Namespace) -> None:
    from edge_runtime.supervision import unit_file

    print(unit_file(args.state, args.user), end="")


def _config(args: argparse.Namespace) -> None:
    from edge_runtime.config import default_file

    print(default_file(), end="")


def _identity(args: argparse.Namespace) -> IdentityFolder:
    from edge_runtime.identity.files import IdentityFolder

    return IdentityFolder(args.state)


def _ask_daemon(state: Path, call: Call) -> dict[str, Any] | None:
    """Call the daemon that runs on this state folder with its owner's token; None where none runs."""
    import asyncio

    from edge_runtime.client import DeviceClient

    local = _running(state)
    if local is None:
        return None

    async def ask() -> dict[str, Any]:
        async with DeviceClient(
            str(local["url"]), str(local["token"]), certificate=str(local.get("certificate", ""))
        ) as client:
            return await call(client)

    return asyncio.run(ask())


def _running(state: Path) -> dict[str, Any] | None:
    """What the daemon that runs on this state folder tells its owner's commands; None where none runs."""
    from edge_runtime import strict_json
    from edge_runtime.errors import StateError
    from edge_runtime.update.slots import lock

    if not state.is_dir():
        return None
    handle = lock(state)
    if handle is not None:  # nobody holds it: what a killed daemon left behind doesn't count
        os.close(handle)
        return None
    try:
        return strict_json.loads_object((state / "daemon.json").read_bytes(), "daemon.json", StateError)
    except OSError:
        return None


def _day(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d", time.localtime(seconds))


if __name__ == "__main__":
    sys.exit(main())
