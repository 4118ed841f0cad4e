"""Carrying a bundle to the current device: a path or a dropped file, and how far it is."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty

from companion_app.i18n import tr
from companion_app.screens.base import AppScreen
from companion_app.state.describe import human_bytes
from companion_app.state.model import AppState, Push, PushPhase
from companion_app.theme.children import reveal


class PushScreen(AppScreen):
    """The bundle on its way."""

    busy = BooleanProperty(False)
    share = NumericProperty(0.0)
    progress = StringProperty("")
    error = StringProperty("")
    success = StringProperty("")
    hint = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._push: Push | None = None
        self._welcome = self.ids.welcome.__self__

    def show(self, state: AppState) -> None:
        push, device = state.push, state.device
        built_anew = self._push is None and self.ids.path.text
        if not built_anew and (self._push is None or push.path != self._push.path):
            self.ids.path.entry.text = push.path
        self._push = push
        self.busy = push.phase in (PushPhase.SENDING, PushPhase.CHECKING)
        self.share = push.sent / push.total if push.total else 0.0
        self.progress = describe(push)
        self.error = push.message or "" if push.phase is PushPhase.FAILED else ""
        self.success = push.message or "" if push.phase is PushPhase.DONE else ""
        reveal(self.ids.place, self._welcome, device is None)
        if device is None or device.role in ("releaser", "owner"):
            self.hint = ""
        else:
            self.hint = tr(
                "{name} lets this companion ask, not push; pair again with a code of 'enigma-edge pair'.",
                name=device.name,
            )

    def push(self) -> None:
        """Send the file in the field."""
        self.app.registry.run("device.push", path=self.ids.path.text)


def describe(push: Push) -> str:
    """Where the bundle is, in words."""
    if push.phase is PushPhase.SENDING:
        return tr("{sent} of {all}", sent=human_bytes(push.sent), all=human_bytes(push.total))
    if push.phase is PushPhase.CHECKING:
        return tr("All sent. The device checks the signature and tries the golden examples.")
    return ""


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
