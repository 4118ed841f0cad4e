"""The rows of a dataset: looked through, filtered, changed, deleted; what is saved is a new version."""

from __future__ import annotations

import json
from pathlib import Path

from kivy.lang import Builder
from kivy.metrics import sp
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.widget import Widget

from companion_app.i18n import N_, ntr, tr
from companion_app.i18n.figures import number
from companion_app.screens.base import AppScreen
from companion_app.screens.data.listing import RowView
from companion_app.state.model import AppState
from companion_app.state.rows import Filter, Rows, WholeRow
from companion_app.state.teaching import host_problem
from companion_app.state.train_words import dataset_note, empty_line
from companion_app.theme.children import arrange, reveal
from companion_app.theme.widgets import Column, Entry

QUALITIES = (
    ("0", N_("Any quality")),
    ("0.5", N_("0.5 and above")),
    ("0.8", N_("0.8 and above")),
    ("1", N_("Faultless")),
)


ROOM = 470  # sp; on a lower screen what is chosen and the rows have no room beside each other


class Area(Entry):
    """Several lines of text."""


class Part(Column):
    """A field of a row under its name."""

    name = StringProperty("")


class DataScreen(AppScreen):
    """What to look at, the list, and below it what isn't saved; a row that is open takes the list's place."""

    keeps = ("unfolded",)

    problem = StringProperty("")
    empty = StringProperty("")
    counted = StringProperty("")
    unsaved = StringProperty("")
    held_out = BooleanProperty(False)
    held_meant = BooleanProperty(False)
    saving = BooleanProperty(False)
    made = StringProperty("")
    row_title = StringProperty("")
    row_meta = StringProperty("")
    unfolded = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._list, self._editor, self._choosing, self._filters, self._fold, self._count = (
            self.ids[name].__self__ for name in ("listing", "editor", "choosing", "filters", "fold", "count")
        )
        self._welcome = self.ids.welcome.__self__
        self._list.fill, self._list.need, self._list.pressed = self._fill, self._need, self._pressed
        self._rows = Rows()
        self._opened: WholeRow | None = None
        self._fields: dict[tuple[str, str], tuple[Area, bool]] = {}
        self.ids.least.options = [(value, tr(name), "") for value, name in QUALITIES]
        self.ids.least.value = f"{self.app.store.state.rows.filter.least:g}"
        self._meant = self.ids.meant.__self__
        self._acts = self.ids.acts.__self__
        self.bind(size=lambda *_: self._rooms(self._opened is not None))

    def show(self, state: AppState) -> None:
        rows, training = state.rows, state.training
        self.problem = host_problem(state.host) or rows.problem
        self.empty = empty_line(training) if state.host is not None else ""
        self._show_missing(state)
        options = [(card.name, card.name, dataset_note(card)) for card in training.datasets]
        if rows.dataset and rows.dataset not in [card.name for card in training.datasets]:
            options.insert(0, (rows.dataset, rows.dataset, ""))
        self.ids.dataset.options, self.ids.dataset.value = options, rows.dataset
        card = next((card for card in training.datasets if card.name == rows.dataset), None)
        labels = card.labels if card else ()
        self.ids.label.options = [("", tr("Every label"), ""), *((label, label, "") for label in labels)]
        self.ids.label.value = rows.filter.label
        self.ids.train.on, self.ids.heldout.on = rows.split == "train", rows.split == "heldout"
        self.counted = ntr("{number} row", "{number} rows", rows.total) if rows.known else ""
        self.unsaved = (
            ntr("{number} row is changed", "{number} rows are changed", len(rows.changes)) if rows.changes else ""
        )
        self.held_out, self.held_meant = rows.changes_held_out, rows.held_out
        self.saving = rows.saving
        self.made = tr("Saved as {name}; what it was made of is as it was.", name=rows.made) if rows.made else ""
        parts: list[Widget] = [self._meant] if self.held_out else []
        arrange(self.ids.below, [*parts, self._acts] if rows.changes else [])
        if rows.opened != self._opened:
            self._open(rows.opened)
        self._rooms(rows.opened is not None)
        fresh = rows is not self._rows
        if (rows.dataset, rows.split, rows.filter) != (self._rows.dataset, self._rows.split, self._rows.filter):
            self._list.offset = 0.0
        self._rows = rows
        if self._list.count != rows.total:
            self._list.count = rows.total
        elif fresh:
            self._list.refresh()

    def turn(self) -> None:
        """Show the filters in the place of the rows, or the rows again: for where large letters leave no room for both."""
        self.unfolded = not self.unfolded
        self._rooms(self._opened is not None)

    def _show_missing(self, state: AppState) -> None:
        """Without a host, or without a dataset on it, there is nothing to look through: the way to it instead."""
        welcome = self._welcome
        if state.host is None:
            welcome.title, welcome.act, welcome.to = tr("No host yet"), tr("Pair with a host"), "pair_host"
            welcome.text = tr(
                "A host keeps the data that specialists are trained with. Pair with one to look through it."
            )
        else:
            welcome.title, welcome.act, welcome.to = tr("No dataset yet"), tr("Import files"), "imports"
            welcome.text = tr("Datasets come from lessons, which a big model writes, or from files of yours.")
        none = state.host is None or (state.training.known and not state.training.datasets and not state.rows.dataset)
        reveal(self.ids.missing, welcome, none)

    def _rooms(self, editing: bool) -> None:
        if self._welcome.parent is not None:
            arrange(self.ids.top, [])
            arrange(self.ids.place, [])
            return
        roomy = self.height >= sp(ROOM)
        self.unfolded = self.unfolded and not roomy
        shown = self._editor if editing else self._choosing if self.unfolded else self._list
        arrange(self.ids.place, [shown])
        arrange(self._choosing.column, [] if roomy else [self._filters])
        arrange(self.ids.top, [self._filters, self._count] if roomy else [self._fold, self._count])

    def search(self, *_: object) -> None:
        """A filter changed."""
        ids = self.ids
        self.app.rows.search(Filter(ids.text.entry.text.strip(), ids.label.value, float(ids.least.value or 0)))

    def pick_label(self, label: str) -> None:
        """Only rows of a label."""
        self.ids.label.value = label
        self.search()

    def pick_least(self, least: str) -> None:
        """Only rows of a quality."""
        self.ids.least.value = least
        self.search()

    def keep_row(self) -> None:
        """Take what was typed."""
        opened = self._opened
        if opened is None:
            return
        made: dict[str, dict[str, object]] = {"input": json.loads(opened.input), "output": json.loads(opened.output)}
        try:
            for (side, name), (area, plain) in self._fields.items():
                made[side][name] = area.text if plain else json.loads(area.text)
        except (ValueError, RecursionError):
            self.app.rows.change("", "")  # says what both have to be
            return
        same = made == {"input": json.loads(opened.input), "output": json.loads(opened.output)}
        texts = [json.dumps(made[side], ensure_ascii=False) for side in ("input", "output")]
        if same:
            self.app.rows.close_row()
        else:
            self.app.rows.change(*texts)

    def delete_row(self) -> None:
        """The open row goes."""
        if self._opened is not None:
            self.app.registry.run("data.delete", row=self._opened.number + 1)
            self.app.rows.close_row()

    def _open(self, row: WholeRow | None) -> None:
        for area, _ in self._fields.values():
            area.forget_draft()
        self._opened = row
        self._fields = {}
        self.ids.fields.clear_widgets()
        if row is None:
            return
        self.row_title = tr("Row {number}", number=row.number + 1)
        self.row_meta = row.meta if row.meta not in ("{}", "null") else ""
        dataset = self.app.store.state.rows.dataset
        for side, text in (("input", row.input), ("output", row.output)):
            for name, value in json.loads(text).items():
                plain = isinstance(value, str)
                shown = value if plain else json.dumps(value, ensure_ascii=False)
                part = Part(name=f"{name}" if side == "input" else tr("{name} (answer)", name=name))
                part.ids.area.be(f"row.{dataset}.{row.split}.{row.number}.{side}.{name}", shown)
                part.ids.area.spoken = part.name
                self._fields[side, name] = (part.ids.area, plain)
                self.ids.fields.add_widget(part)

    def _fill(self, view: RowView, place: int) -> None:
        row = self._rows.row(place)
        if row is None:
            view.text, view.answer, view.about, view.mark = "…", "", "", ""
            view.spoken = tr("Row {number}, on its way", number=place + 1)
            return
        change = self._rows.change_of(row.number)
        quality = "" if row.quality is None else tr("quality {score}", score=number(row.quality, ".2f"))
        view.text, view.answer = row.text, row.answer
        view.about = "  ·  ".join(part for part in (f"{row.number + 1}", row.source, quality, row.why) if part)
        if change is not None:
            view.mark, view.tone = (tr("goes"), "bad") if change.deletes else (tr("changed"), "warn")
        elif row.quality is not None and row.quality < 0.5:
            view.mark, view.tone = tr("doubtful"), "bad"
        else:
            view.mark, view.tone = (tr("edited"), "accent") if row.edited else ("", "plain")
        view.spoken = ", ".join(part for part in (row.text, row.answer, view.about, view.mark) if part)

    def _need(self, place: int) -> None:
        if place < self._rows.total:
            self.app.rows.need(place)

    def _pressed(self, place: int) -> None:
        row = self._rows.row(int(place))
        if row is None:
            return
        if self._rows.change_of(row.number) is not None:
            self.app.registry.run("data.keep", row=row.number + 1)
        else:
            self.app.registry.run("data.edit", row=row.number + 1)


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
