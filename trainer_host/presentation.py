"""What the command shows: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from trainer_host.tables import text_table

if TYPE_CHECKING:
    from rich.console import Console

# Called with the share done (0 to 1) and a few words on what happens now.
OnStep = Callable[[float, str], None]
PLAIN_EVERY_SECONDS = 10.0  # a log wants to know that work goes on, not each percent of it
FOLLOWED_EVERY_SECONDS = 0.2  # somebody watches
PROGRESS = "ENIGMA_PROGRESS"  # the variable that names the file


class Presenter(Protocol):
    """Shows stages, progress, tables and sentences."""

    def stage(self, title: str) -> None:
        """A stage begins."""

    def working(self, what: str) -> AbstractContextManager[OnStep]:
        """A block of long work; gives an `OnStep`."""

    def say(self, text: str) -> None:
        """One line, or a few."""

    def warn(self, text: str) -> None:
        """Something that the person should know, and that stops nothing."""

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A small table."""


def presenter_for(stream: TextIO | None = None) -> Presenter:
    """Rich where the stream is a terminal, else plain; for another process too where `PROGRESS` names a file."""
    out = stream or sys.stdout
    if path := os.environ.get(PROGRESS):
        return FollowedPresenter(out, Path(path))
    if out.isatty():
        return RichPresenter(out)
    return PlainPresenter(out)


def tell_left_out(show: Presenter, what: str, count: int, reason: str, where: str) -> None:
    """Of an import: so many files or rows (`what`: one of them) that weren't taken, and where one is."""
    show.warn(f"{count} {what} was left out: {reason} ({where})." if count == 1 else f"{count} {what}s were left out: {reason} ({where}).")  # fmt: skip


class PlainPresenter:
    """Lines of text without colours or cursor movements."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def stage(self, title: str) -> None:
        """See `Presenter`."""
        self.say(f"\n{title}")

    @contextmanager
    def working(self, what: str) -> Iterator[OnStep]:
        """See `Presenter`."""
        last = time.monotonic()

        def step(share: float, note: str) -> None:
            nonlocal last
            if time.monotonic() - last >= PLAIN_EVERY_SECONDS:
                last = time.monotonic()
                self.say(f"  {what}: {share:.0%} {note}".rstrip())

        yield step

    def say(self, text: str) -> None:
        """See `Presenter`."""
        self._out.write(text + "\n")
        self._out.flush()

    def warn(self, text: str) -> None:
        """See `Presenter`."""
        self.say(f"Note: {text}")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """See `Presenter`; a cell of several lines becomes several rows."""
        flat: list[list[str]] = []
        for row in rows:
            cells = [cell.split("\n") for cell in row]
            for line in range(max(map(len, cells))):
                flat.append([cell[line] if line < len(cell) else "" for cell in cells])
        self.say(text_table(headers, flat))


class FollowedPresenter(PlainPresenter):
    """Plain lines, and the progress of what is being worked on as JSON in a file that another process reads."""

    def __init__(self, out: TextIO, path: Path) -> None:
        super().__init__(out)
        self._path = path

    @contextmanager
    def working(self, what: str) -> Iterator[OnStep]:
        """See `Presenter`."""
        last = -FOLLOWED_EVERY_SECONDS

        def step(share: float, note: str) -> None:
            nonlocal last
            if share < 1 and time.monotonic() - last < FOLLOWED_EVERY_SECONDS:
                return
            last = time.monotonic()
            part = self._path.with_name(f".{self._path.name}.part")
            part.write_text(json.dumps({"what": what, "share": share, "note": note}), encoding="utf-8")
            part.replace(self._path)

        yield step


class RichPresenter:
    """Colours, bars and tables on a terminal."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console

        self._console: Console = Console(file=out, highlight=False)

    def stage(self, title: str) -> None:
        """See `Presenter`."""
        self._console.print(f"\n[bold cyan]{_escape(title)}[/]")

    @contextmanager
    def working(self, what: str) -> Iterator[OnStep]:
        """See `Presenter`."""
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        with Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]left[/]"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}[/]"),
            console=self._console,
            transient=True,
        ) as progress:
            task = progress.add_task(_escape(what), total=1.0, note="")
            yield lambda share, note: progress.update(task, completed=share, note=_escape(note))

    def say(self, text: str) -> None:
        """See `Presenter`."""
        self._console.print(_escape(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """See `Presenter`."""
        self._console.print(f"[yellow]Note:[/] {_escape(text)}", soft_wrap=True)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """See `Presenter`."""
        from rich.table import Table

        made = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
        for header in headers:
            made.add_column(header, overflow="fold")
        for row in rows:
            made.add_row(*map(_escape, row))
        self._console.print(made)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
