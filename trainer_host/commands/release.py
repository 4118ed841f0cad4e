"""`enigma release`: the repository from which devices fetch signed updates."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, group, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from edge_runtime.update.tuf.metadata import Role
    from trainer_host.presentation import Presenter
    from trainer_host.release.cosign import Asked
    from trainer_host.release.repository import Repository
    from trainer_host.release.settle import Done
    from trainer_host.teacher.protocol import Secret

LISTEN = "127.0.0.1:8775"
MAX_DAYS = 365
_ROLES = ("root", "targets", "models", "fleet", "snapshot", "timestamp", "cosigner")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma release` and its actions."""
    actions = group(
        commands,
        "release",
        "Publish bundles as signed updates that devices fetch.",
        "A repository of signed updates: static files for any web server, folder or USB stick.",
    )
    made = command(actions, "init", init, "Make the repository, its roles and their keys.")
    made.add_argument(
        "--root-threshold", type=int, default=1, metavar="N", help="signatures the root needs (default: 1)"
    )
    made.add_argument(
        "--root-key", action="append", default=[], metavar="PUBLIC", help="another key that signs the root; repeat it"
    )
    made.add_argument(
        "--cosigner",
        action="append",
        default=[],
        metavar="PUBLIC",
        help="a phone's key, without which no model is published and no key replaced",
    )
    _no_passphrase(made)
    _add_keys(actions)
    made = command(actions, "publish", publish, "Publish bundles, with deltas from earlier versions.")
    made.add_argument(
        "bundles", nargs="+", metavar="BUNDLE", help="a .enigma file, or a specialist's name for its newest one"
    )
    made.add_argument(
        "--p95-ms", type=int, metavar="N", help="roll back where answers take longer (default: by the gate; 0: never)"
    )
    made.add_argument(
        "--memory-mb", type=int, metavar="N", help="roll back where it takes more (default: by its size; 0: never)"
    )
    made = command(
        actions, "app", app, "Publish the packaged companion, which then offers itself to those that are installed."
    )
    made.add_argument("file", type=Path, metavar="FILE", help="what is installed: an archive, an .apk, an installer")
    made.add_argument("--platform", required=True, metavar="NAME", help="as in linux-x86_64")
    made.add_argument("--version", required=True, metavar="N.N.N", help="its version")
    made = command(actions, "list", show_all, "List what is published, and until when the signatures count.")
    made.add_argument("--json", action="store_true", help="print it as JSON")
    made = command(actions, "withdraw", withdraw, "Take published bundles out.")
    made.add_argument("targets", nargs="+", metavar="TARGET", help="as listed, models/TASK/NAME-VERSION.enigma")
    made = command(actions, "refresh", refresh, "Sign again what would stop counting before long.")
    made.add_argument("--offline", action="store_true", help="root and targets too; asks for their passphrase")
    made = command(actions, "pending", pending, "Show what waits for a signature.")
    made.add_argument("--out", type=Path, metavar="DIR", help="write copies there, to sign them on another machine")
    made = command(actions, "cosign", cosign, "Sign what waits, by a key that another person or device has.")
    made.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="copies of 'pending --out' (default: what waits here)"
    )
    how = made.add_mutually_exclusive_group(required=True)
    how.add_argument("--key", type=Path, metavar="FILE", help="as made by 'enigma release keys new'")
    how.add_argument(
        "--take", action="store_true", help="take over the signatures of copies that were signed elsewhere"
    )
    made.add_argument("--yes", action="store_true", help="don't ask")
    made = command(actions, "rotate", rotate, "Replace a key: a lost one, a stolen one, or as a habit.")
    made.add_argument("role", choices=_ROLES, metavar="ROLE", help="whose key")
    made.add_argument("--old", metavar="PUBLIC", help="the key that ends (default: this host's own)")
    made.add_argument("--new", metavar="PUBLIC", help="the key that takes its place (default: one that is made here)")
    _no_passphrase(made)
    made = command(
        actions, "add-cosigner", add_cosigner, "Let a phone sign too, in a repository that began without one."
    )
    made.add_argument(
        "cosigners", nargs="+", metavar="PUBLIC", help="a phone's key, without which no model is published from then on"
    )
    made.add_argument(
        "--root-key", action="append", default=[], metavar="PUBLIC", help="another key that signs the root; repeat it"
    )
    made = command(actions, "export", export, "Write a copy for devices without a network, as on a USB stick.")
    made.add_argument("folder", type=Path, metavar="DIR", help="to write, or to bring up to date")
    made.add_argument(
        "--days", type=int, metavar="N", help="how long devices take updates from it (default: as long as online)"
    )
    made = command(actions, "serve", serve, "Serve the repository until Ctrl-C, and keep it fresh.")
    made.add_argument("--listen", default=LISTEN, metavar="HOST:PORT", help=f"where (default: {LISTEN})")
    made.add_argument("--no-renew", action="store_true", help="sign nothing; another command keeps it fresh")
    made = command(actions, "verify", verify, "Check the repository, or a copy of it, as a device does.")
    made.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="a copy (default: the repository itself)")


def _add_keys(actions: Commands[argparse.ArgumentParser]) -> None:
    of = group(actions, "keys", "Make a key for another signer, or show keys.", "Keys of the roles.")
    made = command(of, "new", keys_new, "Make a key file for a phone or a sheet of paper; prints its public half.")
    made.add_argument("file", type=Path, metavar="FILE", help="to write")
    _no_passphrase(made)
    made = command(of, "show", keys_show, "Show the public half of a key file, or who signs what.")
    made.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a key file (default: all roles)")


def _no_passphrase(made: argparse.ArgumentParser) -> None:
    made.add_argument("--no-passphrase", action="store_true", help="leave the key unsealed, for its owner's eyes alone")


def init(args: argparse.Namespace) -> None:
    """The first root."""
    from trainer_host.release.repository import Repository
    from trainer_host.release.roles import RoleKeys, checked_public
    from trainer_host.release.trust import Plan, create

    workspace, show = workspace_of(args), presenter_for()
    plan = Plan(
        args.root_threshold,
        tuple(checked_public(text) for text in args.root_key),
        tuple(checked_public(text) for text in args.cosigner),
    ).checked()
    repository = Repository(workspace.home / "updates", RoleKeys.of(workspace))
    if repository.files.begun():
        raise TrainerError(f"There is an update repository in {repository.folder} already.")
    done = create(repository, plan, _secret(args))
    show.say(f"Made {repository.folder}; its keys are in {repository.keys.folder}.")
    _waits(done, show)
    if not done.waiting:
        root = repository.public / "metadata" / "1.root.json"
        show.say(f"Devices start from {root}\nNext: enigma release publish SPECIALIST, and enigma release serve")


def keys_new(args: argparse.Namespace) -> None:
    """A key of another signer."""
    from trainer_host.release.roles import write_key

    made = write_key(args.file, _secret(args))
    presenter_for().say(f"{made.public.hex()}\nKeep {args.file} where this host can't read it.")


def keys_show(args: argparse.Namespace) -> None:
    """Public halves."""
    from trainer_host.release.authority import authority, group
    from trainer_host.release.roles import read_key

    show = presenter_for()
    if args.file is not None:
        show.say(read_key(args.file).public.hex())
        return
    repository = _repository(args)
    now = repository.state()
    root, targets = now.root.content, now.targets.content
    rows: list[list[str]] = []
    told: set[tuple[str, Role]] = set()
    for name in [*root.roles, *(each.name for each in targets.delegations)]:
        keys, role = authority(name, root, targets)
        if (group(name), role) in told:  # the same keys sign the models of all tasks
            continue
        told.add((group(name), role))
        held = {
            key.public.hex(): "here" if key.sealed is None else "here, sealed"
            for key in repository.keys.held(group(name))
        }
        for number, keyid in enumerate(role.keyids):
            public = keys[keyid].public
            first = [group(name), f"{role.threshold} of {len(role.keyids)}"] if number == 0 else ["", ""]
            rows.append([*first, public, held.get(public, "elsewhere")])
    show.table(["role", "needs", "public key", "private half"], rows)


def publish(args: argparse.Namespace) -> None:
    """Bundles as targets."""
    from trainer_host.release.bundle import find_bundle
    from trainer_host.release.keys import signing_key
    from trainer_host.release.publish import publish_bundles

    workspace, show = workspace_of(args), presenter_for()
    repository = _repository(args)
    bundles = [find_bundle(workspace, name) for name in args.bundles]
    with show.working("publishing") as step:
        done, releases = publish_bundles(
            workspace,
            repository,
            bundles,
            signing_key(workspace).public,
            p95_ms=args.p95_ms,
            memory_mb=args.memory_mb,
            on_step=step,
        )
    for release in releases:
        show.say(f"{release.target}\n  sha256:{release.digest}")
    if not done.changed and not done.waiting:
        show.say("All of it was published already.")
    _waits(done, show)
    if not done.waiting:
        one = releases[-1].manifest
        show.say(f"Next: enigma rollout start {one.name} --release {one.version}")


def app(args: argparse.Namespace) -> None:
    """The companion itself as a target."""
    from trainer_host.release.app import publish_app, target_of

    show = presenter_for()
    done = publish_app(_repository(args), args.file, platform=args.platform, version=args.version)
    show.say(f"{target_of(args.platform)} {args.version}")
    _waits(done, show)


def show_all(args: argparse.Namespace) -> None:
    """What is published."""
    show = presenter_for()
    repository = _repository(args)
    targets, expiries = repository.targets(), repository.expiries()
    bundles = {name: target for name, target in targets.items() if target.custom.get("kind") == "bundle"}
    if args.json:
        listed = [
            {"target": name, "bytes": target.length, "sha256": target.hashes["sha256"], **target.custom}
            for name, target in bundles.items()
        ]
        until = {name: f"{expires:%Y-%m-%dT%H:%M:%SZ}" for name, expires in expiries.items()}
        show.say(json.dumps({"targets": listed, "expires": until}, indent=1))
        return
    if not bundles:
        show.say("Nothing is published yet; publish a bundle with 'enigma release publish SPECIALIST'.")
    else:
        rows = [
            [
                name,
                f"{target.length / 1e6:.2f}",
                _smallest(target.custom.get("sources")),
                str(target.custom.get("licence")),
            ]
            for name, target in bundles.items()
        ]
        show.table(["target", "MB", "smallest delta", "licence"], rows)
    show.table(
        ["role", "counts until"], [[name, f"{expires:%Y-%m-%d %H:%M} UTC"] for name, expires in expiries.items()]
    )
    if waiting := repository.waiting():
        show.warn(f"{len(waiting)} change(s) wait for signatures; see 'enigma release pending'.")


def withdraw(args: argparse.Namespace) -> None:
    """Take bundles out."""
    show = presenter_for()
    repository = _repository(args)
    have = repository.targets()
    for name in args.targets:
        if have.get(name) is None or have[name].custom.get("kind") != "bundle":
            raise TrainerError(f"There is no published bundle {name}; 'enigma release list' names them.")
        if rollout := next((each for each in repository.desired() if each.target == name), None):
            raise TrainerError(f"{name} is what the rollout '{rollout.id}' gives to devices; end that one first.")
    gone = {name for name in have if name in args.targets or have[name].custom.get("of") in args.targets}
    done = repository.publish({}, remove=gone)
    show.say(f"Took out {', '.join(args.targets)}; devices that have it keep it.")
    _waits(done, show)


def refresh(args: argparse.Namespace) -> None:
    """Renew signatures."""
    from trainer_host.release.roles import OFFLINE

    show = presenter_for()
    repository = _repository(args)
    done = repository.refresh(args.offline)
    expiries = repository.expiries()
    show.say(
        f"{'Signed again' if done.changed else 'Nothing to sign'}; the timestamp counts until "
        f"{expiries['timestamp']:%Y-%m-%d %H:%M} UTC."
    )
    _waits(done, show)
    for name in OFFLINE:
        left = expiries[name] - repository.clock()
        if left < timedelta(days=60):
            show.warn(f"The role {name} stops counting in {left.days} days; run 'enigma release refresh --offline'.")


def pending(args: argparse.Namespace) -> None:
    """What waits."""
    from trainer_host.release.cosign import asked, copies

    show = presenter_for()
    repository = _repository(args)
    found = asked(repository)
    if not found:
        show.say("Nothing waits for a signature.")
    for each in found:
        _tell(each, show)
    if args.out is not None and found:
        for path in copies(repository, args.out):
            show.say(f"Wrote {path}")
        show.say("Next: enigma release cosign --key FILE there, and enigma release cosign --take here")


def cosign(args: argparse.Namespace) -> None:
    """Sign what waits, or take signatures over."""
    from trainer_host.release import cosign as signing
    from trainer_host.release.roles import opened_seed, read_key

    show = presenter_for()
    if args.take:
        if not args.files:
            raise TrainerError("Name the copies that were signed elsewhere.")
        repository = _repository(args)
        for path in args.files:
            done = signing.take(repository, *signing.read_copy(path))
        _signed(done, show)
        return
    key = read_key(args.key)
    if args.files:
        from edge_runtime.update.cosign import look

        for path in args.files:
            proposal = look(*signing.read_copy(path))
            show.say(
                "\n".join(
                    [f"{proposal.role} (version {proposal.version})", *(f"  {line}" for line in proposal.changes)]
                )
            )
        _confirm(args)
        seed = opened_seed(key)
        for path in args.files:
            signing.sign_copy(path, seed)
            show.say(f"Signed {path}")
        return
    repository = _repository(args)
    found = signing.asked(repository)
    if not found:
        show.say("Nothing waits for a signature.")
        return
    for each in found:
        _tell(each, show)
    _confirm(args)
    seed = opened_seed(key)
    from edge_runtime.update.cosign import cosign as sign

    for each in found:
        done = signing.take(repository, each.waiting.name, sign(each.waiting.name, each.raw, seed))
    _signed(done, show)


def rotate(args: argparse.Namespace) -> None:
    """Replace a key."""
    from trainer_host.release import trust
    from trainer_host.release.roles import OFFLINE, checked_public

    show = presenter_for()
    repository = _repository(args)
    old, new = (None if text is None else checked_public(text) for text in (args.old, args.new))
    secret = _secret(args, replacing=True) if args.role in OFFLINE and new is None else None
    done = trust.rotate(repository, args.role, old, new, secret)
    show.say(f"Replaced the key of {args.role}." if not done.waiting else f"The key of {args.role} is to be replaced.")
    _waits(done, show)


def add_cosigner(args: argparse.Namespace) -> None:
    """One more signer."""
    from trainer_host.release import trust
    from trainer_host.release.roles import checked_public

    show = presenter_for()
    cosigners, others = ([checked_public(text) for text in texts] for texts in (args.cosigners, args.root_key))
    if not others:
        show.warn(
            "Without --root-key, a lost phone leaves a repository that nobody can change; a sheet of paper will do."
        )
    done = trust.add_cosigner(_repository(args), cosigners, others)
    show.say(
        "From the moment that it has signed this, nothing is published without it; until then all goes on as before."
    )
    _waits(done, show)


def export(args: argparse.Namespace) -> None:
    """A copy for a USB stick."""
    from trainer_host.release.export_updates import export as write

    if args.days is not None and not 1 <= args.days <= MAX_DAYS:
        raise TrainerError(f"--days must be from 1 to {MAX_DAYS}.")
    show = presenter_for()
    with show.working("copying") as step:
        made = write(_repository(args), args.folder, None if args.days is None else timedelta(days=args.days), step)
    show.say(
        f"Wrote {made.files} files ({made.bytes / 1e6:.2f} MB) to {args.folder}; "
        f"devices take updates from it until {made.until:%Y-%m-%d}."
    )


def serve(args: argparse.Namespace) -> None:
    """Serve the files."""
    import asyncio

    from edge_runtime.config import parse_listen
    from edge_runtime.errors import ConfigError
    from trainer_host.release.repository import Repository
    from trainer_host.release.roles import RoleKeys
    from trainer_host.release.serve_updates import serve as run

    show, workspace = presenter_for(), workspace_of(args)
    try:
        host, port = parse_listen(args.listen)
    except ConfigError as cause:
        raise TrainerError(str(cause)) from None
    # What is renewed needs no passphrase, and nobody should be asked for one in the middle of the night.
    repository = Repository.of(workspace, RoleKeys.of(workspace, ask=lambda prompt: None))
    repository.state()
    asyncio.run(run(repository, host, port, lambda url: show.say(f"Serving updates at {url}"), not args.no_renew))


def verify(args: argparse.Namespace) -> None:
    """Check as a device does."""
    from trainer_host.release.export_updates import check

    show = presenter_for()
    own = workspace_of(args).home / "updates" / "repository"
    folder: Path = own if args.folder is None else args.folder
    # A copy is checked from this host's own first root, where it has one: the copy's own says nothing of who made it.
    roots = [each / "metadata" / "1.root.json" for each in (own, folder)]
    root = next((each for each in roots if each.is_file()), roots[-1])
    with show.working("checking") as step:
        made = check(folder, root, step)
    show.say(
        f"{folder} is sound: {made.files} files ({made.bytes / 1e6:.2f} MB), until {made.until:%Y-%m-%d %H:%M} UTC."
    )


def _repository(args: argparse.Namespace) -> Repository:
    from trainer_host.release.repository import Repository

    return Repository.of(workspace_of(args))


def _secret(args: argparse.Namespace, replacing: bool = False) -> Secret | None:
    from trainer_host.release.roles import new_root_passphrase

    return None if args.no_passphrase else new_root_passphrase(replacing)


def _waits(done: Done, show: Presenter) -> None:
    if done.waiting:
        show.say(
            f"Signatures are lacking for {', '.join(done.waiting)}, so devices don't see it yet.\n"
            "Next: enigma release pending"
        )


def _signed(done: Done, show: Presenter) -> None:
    if not done.waiting:
        show.say("All signatures are there; devices see it from now on.")
    _waits(done, show)


def _tell(each: Asked, show: Presenter) -> None:
    waiting, proposal = each.waiting, each.proposal
    show.say(
        "\n".join(
            [
                f"{waiting.name} (version {proposal.version}): {waiting.have} of {waiting.need} signatures",
                *(f"  {line}" for line in proposal.changes),
            ]
        )
    )


def _confirm(args: argparse.Namespace) -> None:
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise TrainerError("Say --yes to sign without a question.")
    try:
        answer = input("Sign this? [y/N] ").strip().lower()
    except EOFError:
        answer = ""
    if answer not in ("y", "yes"):
        raise TrainerError("Nothing was signed.")


def _smallest(sources: object) -> str:
    sizes = [each["bytes"] for each in sources if each.get("base")] if isinstance(sources, list) else []
    return f"{min(sizes) / 1e6:.2g}" if sizes else ""
