"""How the programs read their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


class Arguments(argparse.ArgumentParser):
    """Refuses what it doesn't know beside the usage of the command itself; argparse shows the whole program's."""

    def parse_known_args(  # type: ignore[override]  # typeshed's overloads tell a namespace's type
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """See `ArgumentParser.parse_known_args`; ends the program where anything is unknown."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown
