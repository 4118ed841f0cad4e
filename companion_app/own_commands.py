"""The commands about the app itself: how it looks and behaves, whom it is paired with, its own version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from companion_app.i18n import N_
from companion_app.i18n.languages import CODES, LANGUAGES
from companion_app.registry import Choices, Command, CommandError
from companion_app.state.model import AppState
from companion_app.state.preferences import MAX_SCALE, MIN_SCALE, THEME_CHOICES
from companion_app.state.upkeep import DropStage

if TYPE_CHECKING:
    from companion_app.core_commands import Core

TEXT = {"type": "string"}
THEME_NAMES = {
    "system": N_("As the system"),
    "dark": N_("Dark"),
    "light": N_("Light"),
    "contrast_dark": N_("High contrast, dark"),
    "contrast_light": N_("High contrast, light"),
}
NO_REPOSITORY = N_("This app follows no repository of updates yet.")


def commands(core: Core) -> tuple[Command, ...]:
    """All of them."""
    return (*look_commands(core), *upkeep_commands(core))


def look_commands(core: Core) -> tuple[Command, ...]:
    """How the app looks and behaves."""
    choosing = core.choosing
    return (
        Command("theme.toggle", N_("Change the theme"), choosing.toggle_theme, shortcut="ctrl+shift+l", icon="moon"),
        Command(
            "theme.use", N_("Use a theme"), lambda theme: choosing.change(theme=theme),
            arguments={"theme": {**TEXT, "enum": list(THEME_CHOICES)}},
            choices={"theme": lambda state: list(THEME_NAMES.items())},
        ),
        Command("text.larger", N_("Larger letters"), lambda: choosing.scale(1), shortcut="ctrl+plus"),
        Command("text.smaller", N_("Smaller letters"), lambda: choosing.scale(-1), shortcut="ctrl+minus"),
        Command("text.normal", N_("Letters of the usual size"), lambda: choosing.change(font_scale=1.0), shortcut="ctrl+0"),
        Command(
            "text.scale", N_("Set the size of letters"), lambda percent: choosing.change(font_scale=percent / 100),
            arguments={"percent": {"type": "integer", "minimum": 100 * MIN_SCALE, "maximum": 100 * MAX_SCALE}},
        ),
        Command(
            "language.use", N_("Use a language"), lambda language: choosing.change(language=language),
            arguments={"language": {**TEXT, "enum": list(CODES)}},
            choices={"language": lambda state: list(LANGUAGES.items())},
        ),
        Command(
            "simplified.toggle", N_("Fewer choices, or all of them"),
            lambda: choosing.change(simplified=not choosing.now.simplified),
        ),
        Command(
            "motion.toggle", N_("Less motion, or as usual"),
            lambda: choosing.change(reduced_motion=not choosing.now.reduced_motion),
        ),
        Command(
            "speech.toggle", N_("Say aloud what has the focus, or be quiet"),
            lambda: choosing.change(speak_focus=not choosing.now.speak_focus),
        ),
        Command(
            "network.local_only", N_("Connect to private networks only"), lambda: choosing.change(local_only=True),
            when=lambda state: not state.preferences.local_only, lacks=N_("Local-only mode is on already."),
        ),
    )  # fmt: skip


def upkeep_commands(core: Core) -> tuple[Command, ...]:
    """Accounts, files for the host, and the app's own version."""
    upkeep = core.upkeep
    return (
        Command("account.list", N_("See who is paired"), core.accounts.look, told=_accounts),
        Command(
            "account.end", N_("End a pairing"), core.accounts.end, dangerous=True,
            arguments={"address": {**TEXT, "title": N_("Address")}, "id": TEXT}, when=lambda state: bool(state.upkeep.accounts),
            lacks=N_("Nobody is paired, or it wasn't looked yet; open the settings."),
        ),
        Command(
            "data.import", N_("Import a file or a folder"), upkeep.drop, scope="operator", of="host", icon="import",
            arguments={"path": {**TEXT, "title": N_("File or folder")}},
        ),
        Command(
            "data.add", N_("Put what was sent to the host into a dataset"), upkeep.add_dropped, scope="operator", of="host",
            icon="import", when=lambda state: state.upkeep.dropped is not None and state.upkeep.dropped.stage is DropStage.SEEN,
            lacks=N_("Import a file first, so that the host can look at it."),
            arguments={
                "dataset": {**TEXT, "title": N_("Dataset")},
                "kind": {**TEXT, "title": N_("What of it"), "enum": ["rows", "texts"], "default": "rows"},
                "task": {**TEXT, "title": N_("What the rows teach"), "default": ""},
            },
            choices={"kind": lambda state: [("rows", N_("The rows")), ("texts", N_("The texts"))], "task": _tasks},
        ),
        Command(
            "app.look_for_update", N_("Look for a newer version of this app"), upkeep.look_for_update,
            when=lambda state: bool(state.upkeep.version.place), lacks=NO_REPOSITORY, told=_version,
        ),
        Command(
            "app.fetch_update", N_("Fetch the newer version of this app"), upkeep.fetch_update,
            when=lambda state: bool(state.upkeep.version.place), lacks=NO_REPOSITORY, told=_version,
        ),
        Command(
            "app.follow_updates", N_("Say where updates of this app come from"), upkeep.follow_updates, told=_version,
            arguments={
                "place": {**TEXT, "title": N_("Address or folder of the repository")},
                "root": {**TEXT, "title": N_("File of its root metadata (root.json)")},
            },
        ),
    )  # fmt: skip


def _tasks(state: AppState) -> Choices:
    return [(task.name, task.title) for task in (state.host.offer.tasks if state.host else ())]


def _accounts(state: AppState) -> object:
    found = state.upkeep.accounts
    if any(one.others is None and not one.problem for one in found):
        return None
    return [
        {
            "address": one.address,
            "scope": one.scope,
            "since": one.since,
            "pairings": [{"id": it.id, "name": it.name, "scope": it.scope} for it in one.others or ()],
        }
        for one in found
    ]


def _version(state: AppState) -> object:
    version = state.upkeep.version
    if version.busy or not version.said:
        return None
    if version.failed:
        raise CommandError(version.said)
    return {"version": version.own, "newest": version.newest, "file": version.file, "said": version.said}
