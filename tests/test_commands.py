"""Of every command of every program: what is missing is named, and a name that no disk takes is one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime import cli as edge
from firmware_bridge import cli as bridge
from trainer_host import cli as host

PROGRAMS = {"enigma": host.build_parser, "enigma-edge": edge.build_parser, "enigma-bridge": bridge.build_parser}


def leaves(parser: argparse.ArgumentParser, *path: str) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command that has no commands below it."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for name, made in action.choices.items():
            yield from leaves(made, *path, name)
    if not below:
        yield path, parser


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_missing_is_named(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser, found = PROGRAMS[program](), 0
    for path, command in leaves(parser):
        if any(action.required and action.nargs not in ("*", "?", "...") for action in command._actions):
            with pytest.raises(SystemExit) as ended:
                parser.parse_args(path)
            said = capsys.readouterr().err
            assert ended.value.code == 2 and f"usage: {program} {' '.join(path)}" in said, path
            assert "are required: " in said or "is required" in said, path
            found += 1
    assert found >= 5


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (edge.main, ["status", "--state"]),
        (edge.main, ["run", "--state"]),
        (bridge.main, ["arm", "check", "--arm"]),
        (host.main, ["runs", "list", "--home"]),
    ],
)
def test_a_name_that_is_too_long_is_one_sentence(
    main: object, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main) and main([*arguments, str(tmp_path / ("a" * 5000))]) != 0
    assert "too long" in capsys.readouterr().err
