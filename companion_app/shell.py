"""The frame around the screens: navigation at the bottom of a narrow window or in a rail of a wide one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kivy.app import App
from kivy.event import EventDispatcher
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import NoTransition, ScreenManager

from companion_app.screens.base import AppScreen
from companion_app.state.describe import status_of
from companion_app.state.model import AppState, PushPhase, Screen
from companion_app.theme.widgets import NavItem, reveal

# From here on a rail beside the content leaves it wide enough to read.
WIDE = 760

PLACES = (
    (Screen.ASK, "Ask", "ask"),
    (Screen.MODELS, "Specialists", "models"),
    (Screen.HOME, "Home", "home"),
    (Screen.PUSH, "Push", "push"),
    (Screen.DEVICES, "Devices", "devices"),
)
TITLES = {
    Screen.ASK: "Ask",
    Screen.MODELS: "Specialists",
    Screen.HOME: "Home",
    Screen.PUSH: "Push a bundle",
    Screen.DEVICES: "Devices",
    Screen.PAIR: "Pair a device",
}


class Rail(BoxLayout):
    """Navigation of a wide window."""


class TopBar(BoxLayout):
    """Title, device and theme of every window."""


class BottomBar(BoxLayout):
    """Navigation of a narrow window."""


class NoticeBar(BoxLayout):
    """One sentence under the title; empty, it takes no room."""


class Frame(EventDispatcher):
    """What the frame shows, as properties that `shell.kv` follows."""

    wide = BooleanProperty(False)
    title = StringProperty("")
    device = StringProperty("")
    status = StringProperty("")
    tone = StringProperty("plain")
    notice = StringProperty("")


class Shell(BoxLayout):
    """The root widget."""

    def __init__(self, screens: Mapping[Screen, type[AppScreen]], frame: Frame, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.frame = frame
        self.manager = ScreenManager(transition=NoTransition())
        self._screens = screens
        self._state: AppState | None = None
        self._items: list[tuple[Screen, NavItem]] = []
        self.bind(width=self._fit)
        frame.wide = self.width >= dp(WIDE)
        self._arrange()

    def show(self, state: AppState) -> None:
        """Bring the window in line with the state."""
        self._state = state
        if not self.manager.has_screen(state.screen.value):
            # Screens are made when first seen: the first frame comes sooner.
            screen = self._screens[state.screen]()
            screen.name = state.screen.value
            self.manager.add_widget(screen)
        self.manager.current = state.screen.value
        self.frame.title = TITLES[state.screen]
        reveal(self._bar, self._back, state.screen is Screen.PAIR)
        self.frame.device = state.device.name if state.device else ""
        self.frame.status, self.frame.tone = status_of(state.device)
        if state.push.phase in (PushPhase.SENDING, PushPhase.CHECKING) and state.screen is not Screen.PUSH:
            self.frame.status, self.frame.tone = "Pushing", "accent"
        self.frame.notice = state.notice or ""
        for place, item in self._items:
            item.here = place is state.screen or (place is Screen.DEVICES and state.screen is Screen.PAIR)
        self.manager.current_screen.show(state)

    def _fit(self, *_: object) -> None:
        wide = self.width >= dp(WIDE)
        if wide != self.frame.wide:
            self.frame.wide = wide
            self._arrange()

    def _arrange(self) -> None:
        if self.manager.parent:
            self.manager.parent.remove_widget(self.manager)
        self.clear_widgets()
        self.orientation = "horizontal" if self.frame.wide else "vertical"
        bar: BoxLayout = Rail() if self.frame.wide else BottomBar()
        body = BoxLayout(orientation="vertical")
        self._bar = TopBar()
        self._back = self._bar.ids.back.__self__
        if self.frame.wide:
            self._bar.remove_widget(self._bar.ids.theme)
        body.add_widget(self._bar)
        body.add_widget(NoticeBar())
        body.add_widget(self.manager)
        self._items = []
        for place, name, icon in PLACES:
            item = NavItem(text=name, icon=icon, wide=self.frame.wide)
            item.bind(on_release=lambda _, place=place: App.get_running_app().open(place))
            bar.ids.places.add_widget(item)
            self._items.append((place, item))
        for widget in (bar, body) if self.frame.wide else (body, bar):
            self.add_widget(widget)
        if self._state is not None:
            self.show(self._state)


Builder.load_file(str(Path(__file__).with_name("shell.kv")))
