"""The widgets that every screen is made of; `widgets.kv` holds their looks."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.clock import Clock
from kivy.core.text import Label as CoreLabel
from kivy.event import EventDispatcher
from kivy.graphics import Color, Rectangle
from kivy.lang import Builder
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    NumericProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from kivy.uix.scrollview import ScrollView
from kivy.uix.stacklayout import StackLayout
from kivy.uix.textinput import TextInput
from kivy.uix.widget import Widget

from companion_app import i18n
from companion_app.i18n import bidi
from companion_app.theme import mirror, text
from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.drawings import icon
from companion_app.theme.focus import BACKWARD, FORWARD, Reachable, beside, focus, plain
from companion_app.theme.icons import DIRECTED
from companion_app.theme.short import Short

# The smallest side of what a finger can hit, in dp (Material and WCAG 2.5.5 agree within 4).
TOUCH_TARGET = 44
AS_WIDE_AS_IT_NEEDS = 100_000.0
# A tone's ink and paper, as names of tokens.
TONES = {
    "plain": ("muted", "raised"),
    "accent": ("tint_text", "tint"),
    "good": ("good", "good_tint"),
    "warn": ("warn", "warn_tint"),
    "bad": ("bad", "bad_tint"),
}


class Prose(Accessible, Label):
    """Text that wraps to its width and is as high as it needs."""

    role = Role("label")


class Spoken(Prose):
    """A sentence in a bubble; `natural` is the width it would take on one line."""

    natural = NumericProperty(0.0)

    def on_text(self, *_: object) -> None:
        """Measure anew."""
        line = CoreLabel(text=self.text, font_size=self.font_size, font_name=self.font_name, bold=self.bold)
        line.refresh()
        self.natural = line.content_width


class Heading(Prose):
    """The first line of a screen or a card."""

    role = Role("heading")


class Caption(Prose):
    """Small print."""


class Problem(Prose):
    """What is wrong with the field above; empty text hides it."""


class Mono(Prose):
    """Names that machines read too."""


class Icon(Accessible, Widget):
    """A line drawing from `theme.icons`; an ornament, unless it has a role. colour: `plain`, the text's, where it has none."""

    name = StringProperty("")
    # Two properties: of two rules for one, that wins which a change of theme comes to last.
    colour = ColorProperty(None, allownone=True)
    plain = ColorProperty((1, 1, 1, 1))

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        with self.canvas:
            self._ink = Color(rgba=self.colour or self.plain)
            self._place = Rectangle(size=(0, 0))
        self.bind(colour=self._tint, plain=self._tint)
        # Once a frame, however often it is laid out in it.
        self._draw = Clock.create_trigger(self._show, -1)
        self.bind(name=self._draw, pos=self._draw, size=self._draw)
        self._draw()

    def _tint(self, *_: object) -> None:
        self._ink.rgba = self.colour or self.plain

    def _show(self, *_: object) -> None:
        side = round(min(self.width, self.height)) if self.name else 0
        if side > 0:
            mirrored = self.name in DIRECTED and i18n.right_to_left()
            self._place.texture = icon(self.name, side, mirrored)
        self._place.size = side, side
        # On whole pixels, so that its lines stay as sharp as they were drawn.
        self._place.pos = round(self.center_x - side / 2), round(self.center_y - side / 2)


class Pressable(Reachable, ButtonBehavior, Accessible):
    """Can be touched, reached with Tab and pressed with Enter or Space; arrows go to the next one of its kind."""

    role = Role("button")

    def keyboard_on_key_down(
        self, window: object, keycode: tuple[int, str], text: str | None, modifiers: list[str]
    ) -> bool:
        if keycode[1] in ("enter", "numpadenter", "spacebar") and not self.disabled:
            focus.by_keys = True
            self.trigger_action(0.1)
            return True
        if keycode[1] in FORWARD + BACKWARD and plain(modifiers):
            other = beside(self, keycode[1])
            if other is not None:
                other.focus = True
                return True
        return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))


class Column(Accessible, BoxLayout):
    """Children under each other; one of height 0 takes no spacing either, so hiding leaves no gap.

    Every child has a height of its own (`size_hint_y` None).
    """

    @mirror.mirrored
    def do_layout(self, *_: object) -> None:
        """Place the children from the top down."""
        left, top, right, bottom = self.padding
        shown = [child for child in self.children if child.height > 0]
        gaps = self.spacing * max(0, len(shown) - 1)
        self.minimum_height = top + bottom + gaps + sum(child.height for child in shown) if shown else 0
        y = self.top - top
        for child in reversed(self.children):
            if child.size_hint_x is not None:
                child.width = max(0, (self.width - left - right) * child.size_hint_x)
            child.pos = self.x + left, y - child.height
            if child.height > 0:
                y -= child.height + self.spacing


class IconText(Pressable, BoxLayout):
    """Base of what can be pressed and holds an icon and a text."""

    text = StringProperty("")
    icon = StringProperty("")


class Worded(IconText):
    """As wide as its words on one line; where there is no room for that, they wrap. room: for all of it, in pixels."""

    room = NumericProperty(0.0)

    def __init__(self, **kwargs: object) -> None:
        self._around: Widget | None = None
        super().__init__(**kwargs)

    def on_parent(self, widget: Widget, parent: Widget | None) -> None:
        """There is as much room as what it lies in has."""
        if isinstance(self._around, Widget):
            self._around.funbind("width", self._fit)
        self._around = parent
        if isinstance(parent, Widget):
            parent.fbind("width", self._fit)
            self._fit()

    def _fit(self, *_: object) -> None:
        padding = getattr(self._around, "padding", (0, 0, 0, 0))
        around = padding[0] + padding[2] if isinstance(padding, list | tuple) and len(padding) == 4 else 0
        if (
            isinstance(self._around, BoxLayout)
            and self._around.orientation == "horizontal"
            and self._around.size_hint_x is None
        ):
            self.room = AS_WIDE_AS_IT_NEEDS  # the layout is as wide as its buttons, and scrolls
        else:
            self.room = max(0.0, self._around.width - around) if self._around is not None else 0.0

    def natural(self, font_size: float, bold: bool) -> float:
        """The width of its words on one line, in pixels."""
        line = CoreLabel(text=self.text, font_size=font_size, bold=bold)
        line.refresh()
        return float(line.content_width)


class Act(Worded):
    """A button. `kind` primary is for the one thing that a screen is for, danger for what cannot be undone."""

    kind = OptionProperty("primary", options=("primary", "quiet", "danger"))
    paper = ColorProperty((0, 0, 0, 0))
    ink = ColorProperty((0, 0, 0, 0))


class RoundAct(IconText):
    """A button that is only an icon; `text` says what it does, for those who ask."""


class NavItem(IconText):
    """A way to a screen, at the bottom or in the rail."""

    role = Role("link")
    here = BooleanProperty(False)
    wide = BooleanProperty(False)


class Choice(Worded):
    """One of several chips of which one is on."""

    role = Role("radio")
    on = BooleanProperty(False)


class Row(Pressable, Column):
    """A card that can be pressed."""

    on = BooleanProperty(False)


class Card(Column):
    """A surface with round corners, as high as what it holds."""

    colour = ColorProperty((0, 0, 0, 0))


class Toned(EventDispatcher):
    """Has a tone: `ink` for what is drawn, `paper` for what is behind it."""

    tone = OptionProperty("plain", options=tuple(TONES))
    ink = ColorProperty((0, 0, 0, 0))
    paper = ColorProperty((0, 0, 0, 0))

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        palette = App.get_running_app().palette
        palette.bind(name=self._dye)
        self.bind(tone=self._dye)
        self._dye()

    def _dye(self, *_: object) -> None:
        palette = App.get_running_app().palette
        ink, paper = TONES[self.tone]
        self.ink, self.paper = getattr(palette, ink), getattr(palette, paper)


class Pill(Toned, Short):
    """A short word on a tone; `dot` draws a light before it."""

    role = Role("label")
    dot = BooleanProperty(False)


class Fact(Accessible, BoxLayout):
    """A figure under its name."""

    role = Role("label")
    name = StringProperty("")
    value = StringProperty("")


class Chip(Short):
    """A thing, by the name people use."""

    role = Role("label")


class Note(Accessible, Toned, BoxLayout):
    """One sentence on a tone, with an icon: an error, a question, a success. Empty text hides it."""

    role = Role("status")
    text = StringProperty("")
    icon = StringProperty("alert")


class Meter(Accessible, Toned, Widget):
    """A bar filled to `value`, 0 to 1."""

    role = Role("progressbar")
    value = NumericProperty(0.0)


class Entry(Reachable, Accessible, TextInput):
    """One line of text; Enter is `on_text_validate`, Tab goes on to the next field. `wrong` colours its border.

    hint: what to type, while nothing is; short: the same in fewer letters, for where that doesn't fit. left_out: the hint
    where neither does, for whoever has room for it.
    draft: the name under which the app's state keeps what is typed, for when screens are built anew; "" keeps nothing.
    given: what the state has of it, which stands there until something else is typed.
    """

    role = Role("textbox")
    secret = False
    wrong = BooleanProperty(False)
    hint = StringProperty("")
    short = StringProperty("")
    left_out = StringProperty("")
    draft = StringProperty("")
    given = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.fbind("text", self._keep)
        for name in ("hint", "short", "width", "font_size", "padding"):
            self.fbind(name, self._fit_hint)
        self._fit_hint()

    def _fit_hint(self, *_: object) -> None:
        """A hint that is cut tells less than none."""
        room = self.width - self.padding[0] - self.padding[2]
        fitting = (text for text in (self.hint, self.short) if text and self._width_of(text) <= room)
        self.hint_text = next(fitting, "")
        self.left_out = "" if self.hint_text else self.hint

    def be(self, draft: str, given: str) -> None:
        """Be the field of this draft and of what the state has of it."""
        self.draft = ""
        self.given, self.draft = given, draft

    def on_draft(self, *_: object) -> None:
        """It is this field now: what was typed in it is in it again."""
        if self.draft:
            self.text = App.get_running_app().draft(self.draft, self.given)

    def forget_draft(self) -> None:
        """What is typed was sent, or dropped."""
        if self.draft:
            App.get_running_app().keep_draft(self.draft, "")

    def _keep(self, *_: object) -> None:
        if self.draft:
            App.get_running_app().keep_draft(self.draft, self.text, self.given)

    def cursor_offset(self) -> float:
        """Where the caret is in its line, which may be drawn in another order than it is read."""
        row, column = int(self.cursor_row), int(self.cursor_col)
        line = self._lines[row] if row < len(self._lines) else ""
        if self.password:
            return float(super().cursor_offset())
        return bidi.caret(line, column, self._width_of)

    def get_cursor_from_xy(self, x: float, y: float) -> tuple[int, int]:
        """The place (column, row) in the text that a finger means."""
        column, row = super().get_cursor_from_xy(x, y)
        line = self._lines[row] if row < len(self._lines) else ""
        if self.password or not (bidi.has_right_to_left(line) or bidi.base_direction(line) == "R"):
            return column, row
        from_right = i18n.right_to_left() if self.halign == "auto" else self.halign == "right"
        room = self.width - self.padding[0] - self.padding[2]
        begin = self.x + self.padding[0] + (max(0, room - self._width_of(line)) if from_right else 0) - self.scroll_x
        carets = [begin + bidi.caret(line, at, self._width_of) for at in range(len(line) + 1)]
        return min(range(len(carets)), key=lambda at: abs(carets[at] - x)), row

    def do_cursor_movement(self, action: str, control: bool = False, alt: bool = False) -> None:
        """An arrow goes where it points, also in a line that begins from the right."""
        sides = {"cursor_left": "cursor_right", "cursor_right": "cursor_left"}
        row = int(self.cursor_row)
        line = self._lines[row] if row < len(self._lines) else ""
        turned = not self.password and bool(line) and bidi.base_direction(line) == "R"
        super().do_cursor_movement(sides.get(action, action) if turned else action, control, alt)

    def _width_of(self, text: str) -> float:
        return float(self._get_text_width(text, self.tab_width, self._label_cached)) if text else 0.0


class Field(Column):
    """An `Entry` under its name, over what is wrong with its text."""

    label = StringProperty("")
    hint = StringProperty("")
    text = StringProperty("")
    problem = StringProperty("")
    entry = ObjectProperty(None)
    draft = StringProperty("")
    password = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_enter")
        super().__init__(**kwargs)

    def on_enter(self) -> None:
        """Enter was pressed in the field."""


class Flow(StackLayout):
    """Chips in rows, as high as it needs."""


class Facts(Flow):
    """Facts in columns of equal width, as many as fit where none is narrower than `least`."""

    least = NumericProperty("132dp")

    def do_layout(self, *arguments: object) -> None:
        """Share the width, then lay out as ever."""
        across = self.spacing[0]
        room = self.width - self.padding[0] - self.padding[2]
        columns = max(1, int((room + across) / (self.least + across)))
        each = max(0.0, (room - across * (columns - 1)) / columns - 0.5)  # rounding mustn't break a row
        for child in self.children:
            child.width = each
        super().do_layout(*arguments)


class Page(ScrollView):
    """A column that scrolls, centred and not wider than one can read."""

    column = ObjectProperty(None)
    widest = NumericProperty("760dp")
    scroll_y: float  # Kivy's: 1 is the top

    def __init__(self, **kwargs: object) -> None:
        self._height = 0.0
        self._wanted = 0.0
        super().__init__(**kwargs)

    @property
    def above(self) -> float:
        """How much is above what is seen, in pixels."""
        return (1 - self.scroll_y) * max(0.0, self._height - self.height)

    def go_back(self, above: float) -> None:
        """Show the place that had so much above it, once there is as much."""
        self._wanted = above
        self._hold(self.column, self._height)

    def on_touch_down(self, touch: object) -> bool:
        """Whoever touches it wants to be elsewhere."""
        self._wanted = 0.0
        return bool(super().on_touch_down(touch))

    def on_kv_post(self, base_widget: object) -> None:
        """The bar is where lines end."""
        self.bar_pos_y = "left" if i18n.right_to_left() else "right"

    def on_column(self, page: Page, column: Column) -> None:
        """The rule has made the column."""
        column.bind(height=self._hold)
        for name in ("height", "scroll_y"):
            self.fbind(name, self._stay_at_top)

    def _stay_at_top(self, *_: object) -> None:
        """A page that is shorter than its place begins at the top, wherever a field that got the focus was looked for."""
        if self.column.height <= self.height and self.scroll_y != 1:
            self.scroll_y = 1

    def _hold(self, column: Column, height: float) -> None:
        """Keep in place what is seen: Kivy keeps a share of the height, and what grows below would move it all."""
        before, now = self._height - self.height, height - self.height
        if before > 0:
            above = (1 - self.scroll_y) * before
            self.scroll_y = 1 - min(1.0, above / now) if now > 0 else 1
        if 0 < self._wanted <= now:
            self.scroll_y, self._wanted = 1 - self._wanted / now, 0.0
        self._height = height
        self._stay_at_top()

    def add_widget(self, widget: Widget, *args: object, **kwargs: object) -> None:
        """What a rule puts into a page goes into its column."""
        if self.column is None:
            super().add_widget(widget, *args, **kwargs)
        else:
            self.column.add_widget(widget, *args, **kwargs)


text.install()
mirror.install()
Builder.load_file(str(Path(__file__).with_name("widgets.kv")))
