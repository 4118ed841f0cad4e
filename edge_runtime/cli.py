"""The command `enigma-edge`: run the device, install bundles, pair, and look after trust and tokens."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime import __version__, local_only
from edge_runtime.command_line import Arguments
from edge_runtime.config import config_of
from edge_runtime.errors import EdgeError
from edge_runtime.home import cli as home
from edge_runtime.identity import cli as identity
from edge_runtime.running import ask_daemon
from edge_runtime.update import cli as updates
from edge_runtime.update.tuf import cli as tuf

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.process_watchdog import ProcessWatchdog


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors are one sentence on standard error."""
    args = build_parser().parse_args(arguments)
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
    except OSError as error:
        if error.strerror is None:  # a deadline that nothing took: ours to mend
            raise
        print(f"enigma-edge: {error.filename or 'a file'} can't be used: {error.strerror}.", file=sys.stderr)
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


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = Arguments(prog="enigma-edge", description="Runs signed specialists on this device.")
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
    documents = command("documents", "List, add, remove, search or ask files of your own.", _documents)
    documents.add_argument("action", choices=("list", "add", "remove", "search", "ask"), nargs="?", default="list")
    documents.add_argument("words", nargs="*", metavar="FILE|FOLDER|NAME|QUESTION")
    documents.add_argument("--limit", type=int, default=3, metavar="N", help="documents at most (default: %(default)s)")
    documents.add_argument("--json", action="store_true", help="list, search and ask: as JSON")
    pair = command("pair", "Print a one-time code for a host or a companion.", identity.pair)
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
    certificate = command(
        "certificate", "Show how others know this device, or renew its key for TLS.", identity.certificate
    )
    certificate.add_argument("action", choices=("show", "renew"), nargs="?", default="show")
    paired = command("paired", "List the paired hosts and companions, or remove one.", identity.paired)
    paired.add_argument("action", choices=("list", "remove"), nargs="?", default="list")
    paired.add_argument("id", nargs="?", metavar="ID")
    trust = command("trust", "List the keys whose bundles are taken, add one, or remove one.", identity.trust)
    trust.add_argument("action", choices=("list", "add", "remove"), nargs="?", default="list")
    trust.add_argument("key", nargs="?", metavar="KEY", help="base64 or hex; to remove: how its hex starts")
    trust.add_argument("--name", default="added by hand", help="what to call the key")
    home.add_arguments(
        command(
            "inventory", "Print a Home Assistant's areas and entities, as a home specialist is asked with.", home.run
        )
    )
    doctor = command("doctor", "Look at all that this device needs, and say how to mend what is wrong.", _doctor)
    doctor.add_argument("--json", action="store_true", help="as JSON")
    unit = command("unit", "Print a unit file that starts this device with the system (systemd).", _unit)
    unit.add_argument("--user", metavar="NAME", help="who runs it (default: for a user's own systemd)")
    updates.add_arguments(
        command("updates", "Follow a repository of updates; show, check or apply what it brings.", updates.run)
    )
    tuf.add_arguments(command("tuf-client", "Ask a TUF repository, as its conformance suite wants it.", tuf.run))
    command("config", "Print the configuration file with all keys and their defaults.", _config)
    return parser


def _run(args: argparse.Namespace) -> None:
    from edge_runtime.process_watchdog import START_SECONDS, ProcessWatchdog, late_start

    watchdog = ProcessWatchdog()
    watchdog.expect(START_SECONDS, late_start(args.state))
    try:
        again = _served(args, watchdog)
    finally:
        watchdog.rest()
    if again:
        # The same process, so that whoever supervises it sees it stay.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _served(args: argparse.Namespace, watchdog: ProcessWatchdog) -> bool:
    import asyncio
    import dataclasses
    import logging

    from edge_runtime.config import parse_listen

    config = config_of(args.state, args.config)
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
    if config.log.format == "json":
        from edge_runtime.json_log import JsonLines

        logging.getLogger().handlers[0].setFormatter(JsonLines())
    from edge_runtime import slim_aiohttp

    asks_others = any((args.state / folder).is_dir() for folder in ("pipelines", "updates"))
    slim_aiohttp.import_all() if asks_others else slim_aiohttp.import_server()

    from edge_runtime.daemon import serve

    return asyncio.run(serve(args.state, config, watchdog, args.port_file))


def _install(args: argparse.Namespace) -> None:
    bundle: Path = args.bundle
    if not bundle.is_file():
        raise EdgeError(f"There is no file {bundle}.")
    answer = ask_daemon(args.state, lambda client: client.push(bundle))
    if answer is None:
        answer = _install_offline(args, bundle)
    what = "serves now" if answer["changed"] else "served already"
    print(f"{answer['specialist']} {answer['version']} {what} ({answer['bundle']}).")


def _install_offline(args: argparse.Namespace, bundle: Path) -> dict[str, Any]:
    """Install without a daemon: under its lock, by the same steps."""
    import shutil

    from edge_runtime.bundle import read_envelope
    from edge_runtime.identity.files import IdentityFolder
    from edge_runtime.identity.trust import TrustStore
    from edge_runtime.update import disk
    from edge_runtime.update.install import Installer
    from edge_runtime.update.slots import Slots, lock

    config = config_of(args.state, args.config)
    handle = lock(args.state)
    if handle is None:
        raise EdgeError("The daemon starts or stops right now; try again in a moment.")
    slots = Slots(args.state)
    installer = Installer(slots, TrustStore(IdentityFolder(args.state)), config)
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

    status = ask_daemon(args.state, lambda client: client.status())
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

    if ask_daemon(args.state, lambda client: top.watch(client, args.seconds, once, show)) is None:
        raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")


def _rollback(args: argparse.Namespace) -> None:
    answer = ask_daemon(args.state, lambda client: client.roll_back(args.specialist))
    if answer is None:
        raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")
    print(f"{answer['specialist']} {answer['version']} serves again.")


def _remove(args: argparse.Namespace) -> None:
    answer = ask_daemon(args.state, lambda client: client.remove(args.specialist))
    if answer is None:
        raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")
    print(f"{answer['specialist']} is removed.")


def _bench(args: argparse.Namespace) -> int:
    from edge_runtime import bench

    if not 0 < args.seconds <= 3600:
        raise EdgeError("--seconds must be above 0 and at most 3600.")
    before = bench.read_figures(args.against) if args.against else None
    figures = bench.measure(args.state, args.specialist, config_of(args.state, args.config), args.seconds)
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):26} {value}")
    if args.json:
        bench.write_figures(args.json, figures)
    if float(str(figures["noise"])) > bench.NOISE:
        print("Other programs were at work meanwhile; on a quieter machine the figures repeat better.", file=sys.stderr)
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

    if not ask_daemon(args.state, lambda client: listening.listen_there(client, args.specialist, pieces, show)):
        listening.listen_here(args.state, args.specialist, config_of(args.state, args.config), pieces, show)


def _documents(args: argparse.Namespace) -> int:
    from edge_runtime.documents.cli import documents

    return documents(args)


def _pipelines(args: argparse.Namespace) -> int:
    import json

    from edge_runtime.pipelines import commands

    action, target = args.action, args.target
    if action == "list":
        answer = ask_daemon(args.state, lambda client: client.pipelines())
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
            config_of(args.state, args.config),
            Path(target),
            deliver=args.deliver,
            seconds=args.seconds,
            show=show,
            warn=warn,
        )
    else:
        answer = ask_daemon(
            args.state,
            lambda client: client.start_pipeline(target) if action == "start" else client.stop_pipeline(target),
        )
        if answer is None:
            raise EdgeError(f"No daemon runs on {args.state}; start it with 'enigma-edge run'.")
        print(f"{answer['name']} is {answer['state']}.")
    return 0


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


if __name__ == "__main__":
    sys.exit(main())
