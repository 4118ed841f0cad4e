"""Writes docs/cli.md from the argparse parsers of `enigma`, `enigma-edge` and `enigma-bridge`; `--check` only compares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

TARGET = ROOT / "docs" / "cli.md"
HEAD = """# Commands

Made by `python scripts/make_reference.py` from the commands themselves.

`--home DIR` may stand before or behind any command of `enigma`. Every mistake is one sentence on standard error. Exit codes of `enigma`: 0 well done; 1 the command was right and
the result isn't good enough, or a device refused; 2 something to change in the command or in your files; 130 stopped
by Ctrl-C.
"""


def reference() -> str:
    """The whole page."""
    from edge_runtime import cli as edge
    from firmware_bridge import cli as bridge
    from trainer_host import cli as host

    parts = [HEAD]
    for parser in (host.build_parser(), edge.build_parser(), bridge.build_parser()):
        parts += list(_sections(parser, 2))
    return "\n".join(parts)


def _sections(parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    subcommands = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    yield f"{'#' * level} {parser.prog}\n"
    yield f"{parser.description}\n"
    if not subcommands:
        yield f"    {_usage(parser)}\n"
    rows = [row for action in parser._actions if (level == 2 or action.dest != "home") and (row := _row(action))]
    if rows:
        yield "| argument | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"
    for action in subcommands:
        for child in action.choices.values():
            yield from _sections(child, min(level + 1, 4))


def _usage(parser: argparse.ArgumentParser) -> str:
    parts = [parser.prog]
    for action in parser._actions:
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction):
            name = str(action.metavar or action.dest)
            parts.append({"*": f"[{name} ...]", "?": f"[{name}]"}.get(str(action.nargs), name))
        elif action.required and action.option_strings:
            parts.append(f"{action.option_strings[-1]} {_value(action)}")
    return " ".join(parts)


def _row(action: argparse.Action) -> str | None:
    if isinstance(action, argparse._SubParsersAction | argparse._HelpAction | argparse._VersionAction):
        return None
    if action.option_strings:
        name = f"{action.option_strings[-1]} {_value(action)}".strip()
    else:
        name = str(action.metavar or action.dest)
    # The default folder is this machine's; its rule is the same everywhere.
    text = (action.help or "").replace(
        "%(default)s", "ENIGMA_STATE, else device in ENIGMA_HOME or in the user data folder"
    )
    text = text.replace("%%", "%")  # as argparse shows it
    if action.choices:
        text = f"{text} ({', '.join(map(str, action.choices))})".strip()
    return f"| `{name}` | {text.replace('|', chr(92) + '|')} |"


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    return str(action.metavar or action.dest.upper())


def main() -> int:
    """Write the page, or say that it is out of date."""
    text = reference()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != text:
            print(f"{TARGET} is out of date; run 'python scripts/make_reference.py'.", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
