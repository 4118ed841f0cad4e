"""Where passphrases come from: variables of the environment for scripts, else a hidden prompt on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault.checks import checked_passphrase

VAULT = "ENIGMA_PASSPHRASE"
NEW_VAULT = "ENIGMA_NEW_PASSPHRASE"
EXPORT = "ENIGMA_EXPORT_PASSPHRASE"

# Asks a person for something hidden; None where nobody can be asked.
Ask = Callable[[str], Secret | None]


def from_environment(variable: str) -> Secret | None:
    """What the variable holds; an empty one counts as none."""
    value = os.environ.get(variable, "")
    return Secret(value) if value else None


def ask_on_terminal(prompt: str) -> Secret | None:
    """Ask without an echo, or None where there is no terminal or nothing was typed."""
    if not on_terminal():
        return None
    import getpass

    try:
        answer = Secret(getpass.getpass(prompt, stream=None))
    except EOFError:
        return None
    return answer if answer.reveal() else None


def on_terminal() -> bool:
    """Whether a person sees a prompt and can answer, also while standard input is a pipe that brings a key."""
    if sys.stdin is not None and sys.stdin.isatty():
        return True
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    try:
        with Path("/dev/tty").open("rb"):
            return True
    except OSError:
        return False


def new_passphrase(variables: tuple[str, ...], what: str, ask: Ask) -> Secret:
    """A passphrase to seal with, from the first variable that is set or typed twice; raises `KeysError`."""
    for variable in variables:
        if found := from_environment(variable):
            return checked_passphrase(found)
    first = ask(f"New passphrase for {what}: ")
    if first is None:
        raise KeysError(f"Give a passphrase for {what}: in {variables[0]}, or on a terminal.")
    checked_passphrase(first)
    if ask("The same again: ") != first:
        raise KeysError("The two passphrases differ; nothing was changed.")
    return first
