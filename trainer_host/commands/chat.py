"""`enigma chat`: a conversation in the terminal, with a device, a bundle or a run."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, finite, workspace_of
from trainer_host.errors import TrainerError

if TYPE_CHECKING:
    from trainer_host.chatting import Answer, Message

HELP = "/system TEXT, /reset, /save FILE.md or FILE.json, /quit; Ctrl-C stops an answer."


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma chat`."""
    made = command(commands, "chat", chat, "Talk to a language model: on a device, out of a bundle, or of a run.")
    where = made.add_mutually_exclusive_group()
    where.add_argument("--device", metavar="NAME", help="a paired device or its URL (default: the only paired one)")
    where.add_argument("--bundle", type=Path, metavar="FILE", help="a .enigma file, loaded here")
    where.add_argument("--run", metavar="NAME", help="an exported run, loaded here")
    made.add_argument("--specialist", metavar="NAME", help="which of the device's language models")
    made.add_argument("--system", metavar="TEXT", help="what the model is told first")
    made.add_argument("--temperature", type=finite, default=0.0, metavar="T", help="0 takes the likeliest (default: 0)")
    made.add_argument("--max-tokens", type=int, metavar="N", help="of an answer (default: what the context has)")
    made.add_argument("--thoughts", action="store_true", help="show in [ ] what a model thinks before it answers")
    made.add_argument("--seed", type=int, metavar="N", help="same seed, same answers")


def chat(args: argparse.Namespace) -> None:
    """Talk until the input ends."""
    from trainer_host import chatting

    wishes = chatting.Wishes(args.temperature, args.max_tokens, args.seed, args.thoughts)
    with contextlib.ExitStack() as stack:
        if args.bundle is not None:
            name, answer = stack.enter_context(chatting.in_bundle(args.bundle, wishes))
        elif args.run is not None:
            name, answer = stack.enter_context(chatting.of_run(workspace_of(args), args.run, wishes))
        else:
            url, token = _device(args)
            name, answer = chatting.on_device(url, token, args.specialist, wishes)
        _converse(name, answer, args.system)


def _device(args: argparse.Namespace) -> tuple[str, str | None]:
    from trainer_host.release import devices

    wanted: str | None = args.device
    if wanted is None or not (":" in wanted or "/" in wanted):
        found = devices.device_named(workspace_of(args), wanted)
        return found.url, found.token
    known = {device.url.rstrip("/"): device.token for device in devices.known_devices(workspace_of(args))}
    url = wanted.rstrip("/")
    return url, known.get(url)


def _converse(name: str, answer: Answer, system: str | None) -> None:
    """One line of the person, one answer; on a terminal with a prompt, else for each line of the input."""
    from trainer_host import chatting

    asks = sys.stdin.isatty()
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    if asks:
        print(f"{name}. {HELP}")
    while (line := _line(asks)) is not None:
        word, _, rest = line.strip().partition(" ")
        try:
            if not word:
                continue
            if word == "/quit":
                return
            if word == "/reset":
                messages = [message for message in messages if message["role"] == "system"]
            elif word == "/system":
                messages = [{"role": "system", "content": rest}] if rest else []
            elif word == "/save":
                chatting.save(Path(rest.strip()), name, messages)
                print(f"Saved {rest.strip()}.")
            elif word.startswith("/"):
                print(HELP)
            else:
                _answer(answer, messages, line.strip())
        except TrainerError as error:
            if not asks:
                raise
            print(f"enigma: {error}", file=sys.stderr)


def _answer(answer: Answer, messages: list[Message], text: str) -> None:
    """Show an answer as it comes and keep it; Ctrl-C ends it and keeps what came, an error takes the question back.

    Thoughts are shown, and not kept: a model doesn't read them again.
    """
    from edge_runtime.errors import EdgeError
    from trainer_host.chatting import Thought

    messages.append({"role": "user", "content": text})
    parts: list[str] = []
    try:
        with contextlib.closing(answer(messages)) as pieces:
            thinking = False
            for piece in pieces:
                if isinstance(piece, Thought) != thinking:
                    thinking = not thinking
                    print("[" if thinking else "]", end="" if thinking else "\n")
                if not thinking:
                    parts.append(piece)
                print(piece, end="", flush=True)
            print("]" if thinking else "", end="")
    except KeyboardInterrupt:
        print(" [stopped]", end="")
    except (TrainerError, EdgeError) as error:
        messages.pop()
        raise TrainerError(str(error)) from None
    print(flush=True)
    messages.append({"role": "assistant", "content": "".join(parts)})


def _line(asks: bool) -> str | None:
    """The next line, None at the end; Ctrl-C on an empty prompt gives an empty line."""
    try:
        return input("> " if asks else "")
    except EOFError:
        return None
    except KeyboardInterrupt:
        if not asks:
            raise
        print()
        return ""
