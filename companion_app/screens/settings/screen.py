"""Settings: looks, language, how much there is to see, the network, accounts, backups, keys, and this version."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from companion_app.i18n import tr
from companion_app.i18n.languages import LANGUAGES
from companion_app.own_commands import THEME_NAMES
from companion_app.screens.base import AppScreen
from companion_app.screens.settings.upkeep import AccountsCard, BackupCard, VersionCard
from companion_app.state.model import AppState
from companion_app.theme.widgets import Choice
from edge_runtime import local_only


class SettingsScreen(AppScreen):
    """Every choice counts at once, and is kept."""

    scale = StringProperty("")
    local_only = BooleanProperty(False)
    local_note = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        for name, title in THEME_NAMES.items():
            choice = Choice(text=tr(title))
            choice.value = name
            choice.bind(on_release=lambda choice: self.app.registry.run("theme.use", theme=choice.value))
            self.ids.themes.add_widget(choice)
        names = [("", tr("As the system"), ""), *((code, name, "") for code, name in LANGUAGES.items())]
        self.ids.language.options = names

    def show(self, state: AppState) -> None:
        chosen = state.preferences
        for choice in self.ids.themes.children:
            choice.on = choice.value == chosen.theme
        self.scale = tr("{percent} %", percent=round(chosen.font_scale * 100))
        self.ids.language.value = chosen.language
        self.ids.simplified.on = chosen.simplified
        self.ids.motion.on = chosen.reduced_motion
        self.ids.speech.on = chosen.speak_focus
        self.local_only = chosen.local_only
        self.local_note = self._local_note()
        self.ids.accounts.show(state.upkeep.accounts)
        self.ids.backup.show(state.upkeep.backup)
        self.ids.version.show(state.upkeep.version)

    def on_leave(self, *args: object) -> None:
        """Whoever goes away leaves no passphrase behind."""
        self.ids.backup.forget()

    def toggle_local_only(self) -> None:
        """On counts at once; off, once the app was closed: nothing in a process can take it back."""
        self.app.choosing.change(local_only=not self.app.choosing.now.local_only)

    def _local_note(self) -> str:
        if local_only.is_on() and not self.local_only:
            return tr("It stays on until the app is closed and opened again.")
        if self.local_only:
            return tr(
                "Only this machine and private networks are contacted; devices and hosts elsewhere, and updates of this app from the internet, are not."
            )
        return tr(
            "When it is on, devices and hosts outside of private networks can't be reached, and this app gets no updates from the internet."
        )


# Named in the rule.
__all__ = ["AccountsCard", "BackupCard", "SettingsScreen", "VersionCard"]

Builder.load_file(str(Path(__file__).with_name("screen.kv")))
