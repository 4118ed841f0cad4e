"""All of this folder as one thing that the app starts and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kivy.core.window import Window

from companion_app.a11y.bridge import Bridge
from companion_app.a11y.keeper import Keeper
from companion_app.a11y.paging import page_key
from companion_app.a11y.speaker import Speaker
from companion_app.state.model import AppState
from companion_app.theme.motion import motion

if TYPE_CHECKING:
    from companion_app.app import CompanionApp


class Assist:
    """Follows the app from `start` to `stop`."""

    def __init__(self, app: CompanionApp) -> None:
        self._app = app
        self.bridge = Bridge(app.title)
        self.keeper = Keeper(lambda: app.shell.manager.current_screen if app.shell is not None else None)
        self.speaker = Speaker()
        self._stop_listening = app.store.listen(self._changed)

    def start(self) -> None:
        """The window is there."""
        Window.bind(on_key_down=self._on_key_down)
        self.keeper.start()
        self.bridge.start()
        self._changed(self._app.store.state)

    def stop(self) -> None:
        """The window closes."""
        self._stop_listening()
        Window.unbind(on_key_down=self._on_key_down)
        self.keeper.stop()
        self.bridge.stop()
        self.speaker.stop()

    async def close(self) -> None:
        """Wait until nothing is said any more."""
        await self.speaker.close()

    def _on_key_down(self, window: object, key: int, scancode: int, text: str | None, modifiers: list[str]) -> bool:
        return self._app.shell is not None and page_key(self._app.shell.manager.current_screen, key, modifiers)

    def _changed(self, state: AppState) -> None:
        self.keeper.look()
        motion.reduced = state.preferences.reduced_motion
        if state.preferences.speak_focus and self._app.shell is not None:
            self.speaker.start()
        else:
            self.speaker.stop()
