"""The frame around the screens: navigation at the bottom of a narrow window or in a rail of a wide one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from kivy.app import App
from kivy.clock import Clock
from kivy.event import EventDispatcher
from kivy.lang import Builder
from kivy.metrics import Metrics, dp
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import NoTransition, ScreenManager

from companion_app.i18n import N_, tr
from companion_app.screens.base import AppScreen, Left
from companion_app.state.describe import status_of
from companion_app.state.model import AppState, PushPhase, Screen
from companion_app.state.robot_words import stop_words
from companion_app.state.teaching import host_status, running_lesson, strip_line
from companion_app.theme.children import reveal
from companion_app.theme.estop import StopBar
from companion_app.theme.focus import focus, reveal_on_page
from companion_app.theme.widgets import Column, Entry, Icon, NavItem, Pressable

# From here on a rail beside the content leaves it wide enough to read.
WIDE = 760
KEPT = 5  # screens that stay as they are: as many as the bar below has places
# From this size of letters on, words beside each other don't fit: icons alone at the bottom, the status under the title.
LARGE = 1.3

PLACES = (
    (Screen.ASK, N_("Ask"), "ask"),
    (Screen.CHAT, N_("Chat"), "chat"),
    (Screen.DEVICES, N_("Devices"), "devices"),
    (Screen.DEVICE, N_("Device"), "models"),
    (Screen.ROBOT, N_("Robot"), "robot"),
    (Screen.TEACH, N_("Teach"), "teach"),
    (Screen.TRAIN, N_("Train"), "train"),
    (Screen.DATA, N_("Data"), "data"),
    (Screen.QUESTIONS, N_("Questions"), "question"),
    (Screen.SIGN, N_("Signatures"), "sign"),
    (Screen.KEYS, N_("API keys"), "key"),
    (Screen.HOME, N_("Home"), "home"),
    (Screen.PUSH, N_("Push"), "push"),
    (Screen.IMPORTS, N_("Import files"), "import"),
    (Screen.SETTINGS, N_("Settings"), "settings"),
)
# Five is what fits beside each other under a phone's thumb; the rest is behind the last one.
NARROW_PLACES = (
    (Screen.ASK, N_("Ask"), "ask"),
    (Screen.DEVICE, N_("Device"), "models"),
    (Screen.TEACH, N_("Teach"), "teach"),
    (Screen.DEVICES, N_("Devices"), "devices"),
    (Screen.MORE, N_("More"), "more"),
)
# All that a person sees who wants few choices; everything else is behind the last one, in a wide window too.
SIMPLE_PLACES = (
    (Screen.ASK, N_("Ask"), "ask"),
    (Screen.DEVICES, N_("Devices"), "devices"),
    (Screen.MORE, N_("More"), "more"),
)
WITHIN = {
    Screen.PAIR: Screen.DEVICES,
    Screen.PAIR_HOST: Screen.DEVICES,
    Screen.JOURNAL: Screen.DEVICE,
    Screen.SHORTCUTS: Screen.SETTINGS,
}
# There it is seen anyway, or the room is for driving.
WITHOUT_STRIP = (Screen.TEACH, Screen.ROBOT)
OF_THE_HOST = (
    Screen.TEACH,
    Screen.IMPORTS,
    Screen.TRAIN,
    Screen.DATA,
    Screen.QUESTIONS,
    Screen.SIGN,
    Screen.KEYS,
    Screen.PAIR_HOST,
)
TITLES = {
    Screen.ASK: N_("Ask"),
    Screen.CHAT: N_("Chat"),
    Screen.DEVICE: N_("Device"),
    Screen.JOURNAL: N_("Journal"),
    Screen.HOME: N_("Home"),
    Screen.PUSH: N_("Push a bundle"),
    Screen.DEVICES: N_("Devices"),
    Screen.PAIR: N_("Pair a device"),
    Screen.PAIR_HOST: N_("Pair with a host"),
    Screen.TEACH: N_("Teach"),
    Screen.TRAIN: N_("Train"),
    Screen.DATA: N_("Data"),
    Screen.QUESTIONS: N_("Questions"),
    Screen.SIGN: N_("Signatures"),
    Screen.KEYS: N_("API keys"),
    Screen.IMPORTS: N_("Import files"),
    Screen.SETTINGS: N_("Settings"),
    Screen.SHORTCUTS: N_("Shortcuts"),
    Screen.ROBOT: N_("Robot"),
    Screen.MORE: N_("More"),
}


class Rail(BoxLayout):
    """Navigation of a wide window."""


class TopBar(BoxLayout):
    """Title, device and theme of every window."""


class BottomBar(BoxLayout):
    """Navigation of a narrow window."""


class NoticeBar(BoxLayout):
    """One sentence under the title; empty, it takes no room."""


class JobStrip(Pressable, Column):
    """The lesson that the host works on, wherever one is in the app; a press shows it."""


class Frame(EventDispatcher):
    """What the frame shows, as properties that `shell.kv` follows."""

    wide = BooleanProperty(False)
    large = BooleanProperty(False)
    title = StringProperty("")
    device = StringProperty("")
    status = StringProperty("")
    tone = StringProperty("plain")
    notice = StringProperty("")
    job = StringProperty("")
    job_told = StringProperty("")
    job_share = NumericProperty(0.0)


class Shell(BoxLayout):
    """The root widget."""

    def __init__(self, screens: Mapping[Screen, Callable[[], AppScreen]], frame: Frame, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.frame = frame
        self.manager = ScreenManager(transition=NoTransition())
        self._screens = screens
        self._state: AppState | None = None
        self._simple = False
        self._items: list[tuple[Screen, NavItem]] = []
        self._left: dict[str, Left] = {}
        self._seen: list[str] = []  # the last one is the one that is shown
        self.bind(width=self.fit)
        frame.wide, frame.large = self._shape()
        self._arrange()

    def show(self, state: AppState) -> None:
        """Bring the window in line with the state."""
        self._state = state
        if state.preferences.simplified != self._simple:
            self._simple = state.preferences.simplified
            self._arrange()
            return
        name = state.screen.value
        if not self.manager.has_screen(name):
            # Screens are made when first seen: the first frame comes sooner.
            screen = self._screens[state.screen]()
            screen.name = name
            self.manager.add_widget(screen)
            if name in self._left:
                screen.go_back(self._left.pop(name))
        if self.manager.current != name:
            self.manager.current = name
            self.manager.current_screen.all_shown = False
            self._let_go()
        self.frame.title = tr(TITLES[state.screen])
        here = self._place_of(state.screen)
        reveal(self._bar, self._back, here is not state.screen)
        if state.screen in OF_THE_HOST:
            self.frame.device = state.host.name if state.host else ""
            self.frame.status, self.frame.tone = host_status(state.host)
        else:
            self.frame.device = state.device.name if state.device else ""
            self.frame.status, self.frame.tone = status_of(state.device)
        if state.push.phase in (PushPhase.SENDING, PushPhase.CHECKING) and state.screen is not Screen.PUSH:
            self.frame.status, self.frame.tone = tr("Pushing"), "accent"
        self.frame.notice = state.notice or ""
        lesson = running_lesson(state)
        if state.host is not None and lesson is not None:
            self.frame.job = strip_line(state.host, lesson, short=self.frame.large)
            self.frame.job_told, self.frame.job_share = strip_line(state.host, lesson), lesson.progress
        self._estop.said, self._estop.tone = stop_words(state)
        reveal(self._body, self._estop, bool(state.robots.known), top=False)
        # Over the stop, which must always be in the same place.
        working = lesson is not None and state.screen not in WITHOUT_STRIP and not self._simple
        reveal(self._body, self._strip, working, top=False, over=self._estop)
        for place, item in self._items:
            if place is here and not item.here and self.frame.wide:
                # The window may be low, and a rail that was just made has no heights before the next frame.
                Clock.schedule_once(lambda *_, item=item: reveal_on_page(item), 0)
            item.here = place is here
        self.manager.current_screen.show(state)

    def _let_go(self) -> None:
        """Screens that were seen long ago give their widgets and textures back. What is typed is in the state; secrets are
        forgotten when a screen is left."""
        now = self.manager.current
        self._seen = [*(name for name in self._seen if name != now and self.manager.has_screen(name)), now]
        for name in self._seen[:-KEPT]:
            self._leave(self.manager.get_screen(name))

    def _leave(self, screen: AppScreen) -> None:
        self._left[screen.name] = screen.left_at()
        self.manager.remove_widget(screen)

    def _place_of(self, screen: Screen) -> Screen:
        """Where in the navigation a screen is."""
        place = WITHIN.get(screen, screen)
        return place if any(place is known for known, _ in self._items) else Screen.MORE

    def places(self) -> tuple[tuple[Screen, str, str], ...]:
        """What the navigation leads to."""
        if self._simple:
            return SIMPLE_PLACES
        return PLACES if self.frame.wide else NARROW_PLACES

    def hidden_places(self) -> tuple[tuple[Screen, str, str], ...]:
        """What the navigation of this window has no room for; More leads there. Where it has room for all, all of them."""
        led = {place for place, _, _ in self.places()} if Screen.MORE in dict(self._items) else set()
        return tuple((place, TITLES[place], icon) for place, _, icon in PLACES if place not in led)

    def rebuild(self) -> None:
        """Make every screen anew, in another language. What is typed is in the state, but for secrets: they never are."""
        secrets = [entry.text for entry in self._secrets()]
        typing = focus.widget.draft if isinstance(focus.widget, Entry) else ""
        for screen in self.manager.screens[:]:
            self._leave(screen)
        self._arrange()
        entries = self._secrets()
        if len(entries) == len(secrets):
            for entry, secret in zip(entries, secrets, strict=True):
                entry.text = secret
        for entry in self._entries():
            if typing and entry.draft == typing:
                entry.focus = True

    def fill(self, draft: str) -> None:
        """The field of this draft has got its text from elsewhere."""
        for entry in self._entries():
            if entry.draft == draft:
                entry.on_draft()

    def _entries(self) -> list[Entry]:
        """Every field that is shown."""
        screen = self.manager.current_screen
        return [widget for widget in screen.walk() if isinstance(widget, Entry)] if screen is not None else []

    def _secrets(self) -> list[Entry]:
        return [entry for entry in self._entries() if entry.secret]

    def fit(self, *_: object) -> None:
        """Arrange anew where the width or the size of letters asks for another shape."""
        shape = self._shape()
        if shape != (self.frame.wide, self.frame.large):
            self.frame.wide, self.frame.large = shape
            self._arrange()

    def _shape(self) -> tuple[bool, bool]:
        """Whether a rail fits beside the content, and whether the letters are large."""
        return self.width >= dp(WIDE) * max(1.0, Metrics.fontscale), Metrics.fontscale > LARGE

    def _arrange(self) -> None:
        if self.manager.parent:
            self.manager.parent.remove_widget(self.manager)
        self.clear_widgets()
        self.orientation = "horizontal" if self.frame.wide else "vertical"
        bar: BoxLayout = Rail() if self.frame.wide else BottomBar()
        # Anew, as the language may be another one, from the other side.
        self._estop, self._strip = StopBar(), JobStrip()
        self._strip.bind(on_release=lambda _: App.get_running_app().open(Screen.TEACH))
        body = self._body = BoxLayout(orientation="vertical")
        self._bar = TopBar()
        self._back = self._bar.ids.back.__self__
        if self.frame.large:
            pill = self._bar.ids.pill.__self__
            self._bar.remove_widget(pill)
            self._bar.ids.line.add_widget(pill)
        if self.frame.wide or self._simple:
            self._bar.remove_widget(self._bar.ids.theme)
        if self.frame.wide and self._simple:
            bar.ids.head.remove_widget(bar.ids.theme)
        body.add_widget(self._bar)
        body.add_widget(NoticeBar())
        body.add_widget(self.manager)
        self._items = []
        for place, name, icon in self.places():
            item = NavItem(text=tr(name), icon=icon, wide=self.frame.wide)
            item.bind(on_release=lambda _, place=place: App.get_running_app().open(place))
            if self.frame.large and not self.frame.wide:
                item.clear_widgets([part for part in item.children if not isinstance(part, Icon)])
                item.padding = 0, dp(10), 0, dp(28)  # on its light, which is at the top
            bar.ids.places.add_widget(item)
            self._items.append((place, item))
        for widget in (bar, body) if self.frame.wide else (body, bar):
            self.add_widget(widget)
        if self._state is not None:
            self.show(self._state)


Builder.load_file(str(Path(__file__).with_name("shell.kv")))
