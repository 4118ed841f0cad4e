"""The commands about a dataset's rows; rows are numbered from 1, as the screen shows them."""

from __future__ import annotations

from typing import Protocol

from companion_app.i18n import N_
from companion_app.registry import Choices, Command
from companion_app.services.rows_commands import RowsCommands
from companion_app.state.model import AppState, Screen
from companion_app.state.rows import Filter

TEXT = {"type": "string"}
ROW = {"row": {"type": "integer", "minimum": 1, "title": N_("Row")}}
NO_DATASET = N_("No dataset is open.")
NO_CHANGE = N_("No row is changed.")


class Core(Protocol):
    """What the commands act on."""

    @property
    def rows(self) -> RowsCommands: ...

    def open(self, screen: Screen | str) -> None:
        """Go to a screen."""


def commands(core: Core) -> tuple[Command, ...]:
    """All of them."""
    rows = core.rows

    def open_dataset(dataset: str) -> None:
        core.open(Screen.DATA)
        rows.open(dataset)

    def narrow(text: str = "", label: str = "", least: float = 0.0) -> None:
        rows.search(Filter(text.strip(), label, least))

    return (
        Command(
            "data.open", N_("Look at a dataset's rows"), open_dataset, scope="operator", of="host", icon="data",
            arguments={"dataset": {**TEXT, "title": N_("Dataset")}}, choices={"dataset": _datasets},
        ),
        Command(
            "data.split", N_("Show rows to train with, or held-out ones"), rows.pick_split, scope="operator", of="host", when=_opened,
            lacks=NO_DATASET, arguments={"split": {**TEXT, "title": N_("Rows"), "enum": ["train", "heldout"]}},
            choices={"split": lambda state: [("train", N_("To train with")), ("heldout", N_("Held out"))]},
        ),
        Command(
            "data.filter", N_("Show only some rows"), narrow, scope="operator", of="host", when=_opened, lacks=NO_DATASET,
            arguments={
                "text": {**TEXT, "title": N_("Holds the text"), "default": ""},
                "label": {**TEXT, "title": N_("Label"), "default": ""},
                "least": {"type": "number", "minimum": 0, "maximum": 1, "title": N_("Quality"), "default": 0},
            },
        ),
        Command(
            "data.edit", N_("Change a row"), lambda row: rows.edit(row - 1), scope="operator", of="host", when=_opened,
            lacks=NO_DATASET, arguments=ROW,
        ),
        Command(
            "data.delete", N_("Delete a row"), lambda row: rows.delete(row - 1), scope="operator", of="host", when=_opened,
            lacks=NO_DATASET, arguments=ROW, icon="trash",
        ),
        Command(
            "data.keep", N_("Drop the change of a row"), lambda row: rows.keep(row - 1), scope="operator", of="host", when=_changed,
            lacks=NO_CHANGE, arguments=ROW, choices={"row": _changes},
        ),
        Command(
            "data.held_out", N_("Allow held-out rows to change, or not"), rows.mean_held_out, scope="operator", of="host",
            when=_opened, lacks=NO_DATASET, arguments={"meant": {"type": "boolean", "title": N_("They may change")}},
        ),
        Command(
            "data.save", N_("Save the changed rows as a new version"), rows.save, scope="operator", of="host", icon="data",
            when=_changed, lacks=NO_CHANGE,
        ),
        Command(
            "data.drop", N_("Drop all changes of rows"), rows.drop_all, scope="operator", of="host", when=_changed, lacks=NO_CHANGE,
            icon="undo",
        ),
    )  # fmt: skip


def _opened(state: AppState) -> bool:
    return bool(state.rows.dataset)


def _changed(state: AppState) -> bool:
    return bool(state.rows.changes)


def _datasets(state: AppState) -> Choices:
    return [(one.name, one.name) for one in state.training.datasets]


def _changes(state: AppState) -> Choices:
    mine = [one for one in state.rows.changes if one.split == state.rows.split]
    return [(str(one.number + 1), str(one.number + 1)) for one in mine]
