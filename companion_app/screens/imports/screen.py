"""A dropped file or folder: what the host found in it, and which dataset it goes into."""

from __future__ import annotations

import re
from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty

from companion_app.i18n import ntr, tr
from companion_app.screens.base import AppScreen
from companion_app.state.model import AppState
from companion_app.state.upkeep import Dropped, DropStage
from companion_app.theme.children import arrange
from companion_app.theme.widgets import Column

SHOWN = 12


class FileRow(Column):
    """A file that can be used, or why it can't."""

    name = StringProperty("")
    about = StringProperty("")
    sample = StringProperty("")
    bad = BooleanProperty(False)


class ImportsScreen(AppScreen):
    """One drop at a time."""

    keeps = ("texts",)

    about = StringProperty("")
    share = NumericProperty(0.0)
    failed = StringProperty("")
    done = StringProperty("")
    busy = BooleanProperty(False)
    texts = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._dropped: Dropped | None = None
        self._paired: bool | None = None
        self._parts = {name: self.ids[name].__self__ for name in ("welcome", "how", "going", "found", "form")}
        self._kinds = self.ids.kinds.__self__

    def show(self, state: AppState) -> None:
        now = state.upkeep.dropped
        tasks = [(task.name, task.title, "") for task in (state.host.offer.tasks if state.host else ())]
        if self.ids.task.options != tasks:
            self.ids.task.options = tasks
        paired = state.host is not None
        if now is self._dropped and self.about and paired == self._paired:
            return
        self._paired = paired
        before, self._dropped = self._dropped, now
        self.failed = now.said if now and now.stage is not DropStage.DONE else ""
        self.done = now.said if now and now.stage is DropStage.DONE else ""
        self.share = now.share if now else 0.0
        self.busy = now is not None and now.stage in (DropStage.READING, DropStage.SENDING, DropStage.ADDING)
        self.about = Path(now.path).name if now else ""
        seen = now is not None and now.stage in (DropStage.SEEN, DropStage.ADDING)
        parts = ["how"] if now is None or now.stage in (DropStage.FAILED, DropStage.DONE) else ["going"]
        if seen:
            parts = ["found", "form"]
        if not paired and now is None:
            parts = ["welcome"]
        arrange(self.ids.parts, [self._parts[name] for name in parts])
        if now is not None and seen and (before is None or before.id != now.id):
            self._fill(now)
        elif before is not None and now is None:
            self.ids.dataset.entry.be("", "")
            self.ids.dataset.entry.text = ""

    def go(self) -> None:
        """Put it into the dataset."""
        kind = "texts" if self.texts else "rows"
        if kind == "rows" and not self.ids.task.value:
            self.ids.task.problem = tr("Say what the rows teach.")
            return
        self.ids.task.problem = ""
        self.app.registry.run("data.add", dataset=self.ids.dataset.text, kind=kind, task=self.ids.task.value)

    def pick(self) -> None:
        """Import what was typed instead of dropped."""
        if self.ids.path.text.strip():
            self.app.registry.run("data.import", path=self.ids.path.text)

    def _fill(self, now: Dropped) -> None:
        rows = [
            FileRow(
                name=name,
                about=ntr("{number} row", "{number} rows", count)
                if kind == "rows"
                else ntr("{number} letter", "{number} letters", count),
                sample=sample,
            )
            for name, kind, count, sample in now.files[:SHOWN]
        ]
        rows += [FileRow(name=name, about=why, bad=True) for name, why in now.refused[:SHOWN]]
        more = len(now.files) + len(now.refused) - len(rows)
        if more > 0:
            rows.append(FileRow(about=ntr("and {number} more", "and {number} more", more)))
        arrange(self.ids.files, rows)
        self.texts = now.rows == 0
        arrange(self.ids.kind, [self._kinds] if now.rows and now.texts else [])
        stem = re.sub(r"[^a-z0-9]+", "-", Path(now.path).stem.lower()).strip("-")[:40]
        self.ids.dataset.entry.be(f"imports.{now.id}", stem)


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
