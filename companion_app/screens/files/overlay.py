"""The app's own dialog for files, for where the system has none that we can ask for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kivy.app import App
from kivy.clock import Clock
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty

from companion_app.i18n import ntr, tr
from companion_app.i18n.figures import day_and_clock
from companion_app.state.describe import human_bytes
from companion_app.state.files import ANY, SAVE, Browsing, Item
from companion_app.theme.children import arrange
from companion_app.theme.over import Overlay
from companion_app.theme.recycled import Recycled
from companion_app.theme.widgets import Choice, Row

if TYPE_CHECKING:
    from companion_app.app import CompanionApp


class ItemRow(Row):
    """A file, or a folder to open."""

    text = StringProperty("")
    note = StringProperty("")
    folder = BooleanProperty(False)


class FileDialog(Overlay):
    """A folder with what is in it; a press opens a folder and takes a file."""

    title = StringProperty("")
    folder = StringProperty("")
    about = StringProperty("")
    problem = StringProperty("")
    takes_folders = BooleanProperty(False)
    saves = BooleanProperty(False)

    def __init__(self, browsing: Browsing, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._seen: Browsing | None = None
        self._list = Recycled(make=self._make, gap=dp(4), spoken=tr("Files"))
        self.ids.rows.add_widget(self._list)
        self._acts = [self.ids[name].__self__ for name in ("take", "take_folder", "cancel")]
        for name, path in browsing.places:
            place = Choice(text=name, role="button")
            place.bind(on_release=lambda _, path=path: _app().files.enter(path))
            self.ids.places.add_widget(place)
        self.show(browsing)
        self.ids.name.entry.text = self.ids.name.text or browsing.name
        Clock.schedule_once(lambda *_: setattr(self.ids.name.entry, "focus", True), 0)

    def gone(self) -> None:
        """Nothing was chosen, or it is in its field already."""
        self.ids.name.entry.text = ""
        _app().files.end()

    def show(self, browsing: Browsing) -> None:
        """Bring it in line with the state."""
        wanted = browsing.wanted
        self.title, self.problem = wanted.title, browsing.problem
        self.spoken = wanted.title
        self.saves, self.takes_folders = wanted.way == SAVE, wanted.way == ANY
        arrange(self.ids.acts, self._acts if self.takes_folders else [self._acts[0], self._acts[2]])
        if self._seen is not None and browsing.folder == self._seen.folder and browsing.items is self._seen.items:
            return
        self._seen, self.folder = browsing, browsing.folder
        self.ids.page.scroll_y = 1
        if not self.saves:
            self.ids.name.entry.text = ""
        self._list.data = [_row(item) for item in browsing.items]
        if browsing.more:
            self.about = ntr("and {number:,} more; type its name", "and {number:,} more; type its name", browsing.more)
        else:
            self.about = "" if browsing.items else tr("Nothing here that can be used.")

    def take(self) -> None:
        """Take what is typed."""
        _app().files.take(self.ids.name.text)

    def _make(self) -> ItemRow:
        row = ItemRow()
        row.bind(on_release=lambda row: self._pressed(row))
        return row

    def _pressed(self, row: ItemRow) -> None:
        if self.saves and not row.folder:
            self.ids.name.entry.text = row.text
        else:
            _app().files.take(row.text)


def _row(item: Item) -> dict[str, object]:
    note = "" if item.folder else human_bytes(item.size)
    if item.changed and not item.folder:
        note = f"{note}  ·  {day_and_clock(datetime.fromtimestamp(item.changed))}"
    spoken = tr("Folder {name}", name=item.name) if item.folder else f"{item.name}, {note}"
    return {"key": item.name, "text": item.name, "note": note, "folder": item.folder, "spoken": spoken}


def _app() -> CompanionApp:
    return cast("CompanionApp", App.get_running_app())


Builder.load_file(str(Path(__file__).with_name("overlay.kv")))
