"""How the programs read their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


class Arguments(argparse.ArgumentParser):
    """Refuses what it doesn't know beside the usage of the command itself; argparse shows the whole program's.

    A command's words may stand before, between or behind its options, also those that may be left out (as `KEY` of
    `trust add --state DIR KEY`), which argparse alone has taken as left out once it saw an option.
    """

    _between = False

    def parse_known_args(  # type: ignore[override]  # typeshed's overloads tell a namespace's type
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """See `ArgumentParser.parse_known_args`; ends the program where anything is unknown."""
        if self._between:
            return super().parse_known_args(args, namespace)
        if self._subparsers is None:
            self._between = True  # it asks this method twice
            try:
                known, unknown = self.parse_known_intermixed_args(args, namespace)
            finally:
                self._between = False
        else:
            known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown
