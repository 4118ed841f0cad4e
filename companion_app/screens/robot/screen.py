"""The robot beside a device: its map, driving it, zones, places, and what its sensors say."""

from __future__ import annotations

import io
from pathlib import Path

from kivy.app import App
from kivy.core.image import Image as CoreImage
from kivy.core.window import Keyboard, Window
from kivy.input.motionevent import MotionEvent
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from companion_app.i18n import tr
from companion_app.i18n.figures import number
from companion_app.registry import covers
from companion_app.screens.base import AppScreen
from companion_app.screens.robot.map import MapView
from companion_app.screens.robot.stick import TURNING, Stick
from companion_app.state import robot_actions as act
from companion_app.state.model import AppState
from companion_app.state.phase import Phase
from companion_app.state.robot import Camera, Plan, Robot, Tool
from companion_app.state.robot_words import (
    EVENTS,
    armed_words,
    battery_words,
    camera_line,
    doing,
    mode_words,
    sensor_facts,
    shown_robot,
)
from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.children import arrange, reveal
from companion_app.theme.focus import attached, focus, plain
from companion_app.theme.widgets import Act, Card, Choice, Fact, Page

# What a low window shows of the map at least, and what is kept under it for gaps and the first card, in dp.
LEAST_MAP, AROUND_MAP = 144, 96
SPEEDS = (0.2, 0.4, 0.7, 1.0)  # of the fastest that its robot.toml allows
HOLD_KEY = "h"
MODE_OF = {"take": "manual", "assist": "assisted", "automate": "autonomous"}


class NamedLine(BoxLayout):
    """A place or a zone; `on_go` and `on_remove`."""

    name = StringProperty("")
    note = StringProperty("")

    def __init__(self, goes: bool, removable: bool, **kwargs: object) -> None:
        self.register_event_type("on_go")
        self.register_event_type("on_remove")
        super().__init__(**kwargs)
        for wanted, name in ((goes, "go"), (removable, "trash")):
            if not wanted:
                self.remove_widget(self.ids[name].__self__)

    def on_go(self) -> None:
        """The robot shall go there."""

    def on_remove(self) -> None:
        """It isn't wanted any more."""


class TallChoice(Choice):
    """A chip that a thumb hits while it drives."""


class HoldAct(Act):
    """Held down, it is the deadman of assisted driving."""


class CameraView(Accessible, Widget):
    """A picture as wide as its card."""

    role = Role("image")
    texture = ObjectProperty(None, allownone=True)


class CameraCard(Card):
    """What its camera sees."""

    line = StringProperty("")
    texture = ObjectProperty(None, allownone=True)
    ratio = NumericProperty(0.0)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._shown = b""

    def show(self, camera: Camera, address: str) -> None:
        """Bring it in line; another robot's picture isn't this one's."""
        mine = camera if camera.address == address else Camera(address)
        self.line = camera_line(mine)
        if mine.picture is self._shown:
            return
        self._shown = mine.picture
        try:
            self.texture = CoreImage(io.BytesIO(mine.picture), ext="jpg").texture if mine.picture else None
        except Exception:  # Kivy's loaders raise all kinds for bytes that are no picture, and none of them matters more
            self.texture, self.line = None, tr("The camera's picture can't be read.")
        self.ratio = self.texture.height / self.texture.width if self.texture is not None else 0.0


class MapPane(BoxLayout):
    """The map under its tools."""

    tool = StringProperty("look")

    def pick(self, tool: str) -> None:
        """What a finger on the map does from now on."""
        App.get_running_app().store.dispatch(act.ToolPicked(Tool(tool)))


class RobotPage(Page):
    """A page that stays where it is under a finger on one of `held`: the map and the stick are drawn, not the page."""

    held: tuple[Widget, ...] = ()

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """The map and the stick first."""
        if not self.collide_point(*touch.pos):
            return bool(super().on_touch_down(touch))
        touch.push()
        touch.apply_transform_2d(self.to_local)
        taken = any(widget.parent is not None and widget.dispatch("on_touch_down", touch) for widget in self.held)
        touch.pop()
        return taken or bool(super().on_touch_down(touch))


class NoRobot(Page):
    """How one gets here."""


class RobotScreen(AppScreen):
    """Shows the current device's robot, else the first one."""

    simulated = BooleanProperty(False)
    tool = StringProperty("look")
    corners = NumericProperty(0)
    hint = StringProperty("")
    trouble = StringProperty("")
    mode = StringProperty("")
    mode_tone = StringProperty("plain")
    battery = StringProperty("")
    battery_tone = StringProperty("plain")
    doing = StringProperty("")
    why = StringProperty("")
    armed = StringProperty("")
    armed_tone = StringProperty("plain")
    docked = BooleanProperty(False)
    busy = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._split = self.ids.split.__self__
        self._none = NoRobot()
        self._pair = self._none.ids.pair.__self__
        self._trouble, self._pen = self.ids.trouble.__self__, self.ids.pen.__self__
        self._pen_zone = self.ids.pen_zone.__self__
        self._release, self._may_not = self.ids.release.__self__, self.ids.may_not.__self__
        self._arming, self._arm = self.ids.arming.__self__, self.ids.arm.__self__
        self._may_not_arm, self._disarm = self.ids.may_not_arm.__self__, self.ids.disarm.__self__
        self._pane: MapPane = self.ids.pane.__self__
        self._map: MapView = self._pane.ids.map.__self__
        self._side, self._fixed, self._page = (self.ids[name].__self__ for name in ("side", "fixed", "page"))
        self._driving, self._at_hand = self.ids.driving.__self__, self.ids.at_hand.__self__
        self._cards = self.ids.cards.__self__
        self._stick: Stick = self.ids.stick.__self__
        self._hold: HoldAct = self.ids.hold.__self__
        self._tools = self._pane.ids.tools.__self__
        self._wide: bool | None = None
        for widget in (self._page, self._driving, self._tools):
            widget.bind(height=self._share)
        self._map.bind(on_point=self._point, on_corner=self._corner)
        self._map.bind(on_back=lambda *_: self.take_back(), on_finish=lambda *_: self.finish_zone())
        self._stick.bind(along=self._drive, about=self._drive)
        self._hold.bind(state=lambda _, state: self.app.robots.hold(state == "down"))
        self._robot: Robot | None = None
        self._plan: Plan | None = None
        self._facts: dict[str, Fact] = {}
        self._modes = {
            event: TallChoice(text=tr(name), on_release=lambda _, event=event: self.app.registry.run(f"robot.{event}"))
            for event, name in EVENTS
        }
        for choice in self._modes.values():
            self.ids.modes.add_widget(choice)
        self._speeds: list[tuple[float, Choice]] = []

    def _lay(self, wide: bool) -> None:
        """Beside each other in a wide window: the map, and what drives it. Else under each other in one page."""
        if wide == self._wide:
            return
        self._wide = wide
        self._page.held = () if wide else (self._map, self._stick)
        self._pane.size_hint_y = 1 if wide else None
        if wide:
            arrange(self._split, [self._pane, self._side])
            arrange(self._side, [self._fixed, self._page])
            arrange(self._fixed, [self._driving])
            arrange(self._page.column, [self._cards])
        else:
            arrange(self._split, [self._page])
            arrange(self._page.column, [self._pane, self._driving, self._cards])
            self._share()

    def _share(self, *_: object) -> None:
        """Under each other, the map gets what is left of the height, of which the cards show their beginning."""
        if self._wide is False:
            tools = self._tools.height + self._pane.spacing
            room = self._page.height - tools - self._driving.height - dp(AROUND_MAP)
            self._pane.height = tools + max(dp(LEAST_MAP), room)

    # Keys that are held drive, wherever the focus is, but for a field, the map and what takes arrows itself.

    def on_pre_enter(self) -> None:
        """The screen is shown."""
        Window.bind(on_key_down=self._down, on_key_up=self._up, focus=self._left)

    def on_leave(self) -> None:
        """Another screen is shown: nobody drives."""
        Window.unbind(on_key_down=self._down, on_key_up=self._up, focus=self._left)
        self._left()

    def show(self, state: AppState) -> None:
        self._lay(self.app.frame.wide)
        robot = shown_robot(state)
        drawing = state.robots.drawing
        arrange(self, [self._split] if robot is not None else [self._none])
        if robot is None:
            reveal(self._none.ids.place, self._pair, not state.devices)
            self._left()
            return
        self._robot = robot
        self.tool, self.corners, self.simulated = drawing.tool.value, len(drawing.corners), robot.simulated
        self._map.show(robot, drawing)
        self.mode, self.mode_tone = mode_words(robot)
        self.battery, self.battery_tone = battery_words(robot)
        self.armed, self.armed_tone = armed_words(robot)
        self.doing = doing(robot)
        frame = robot.frame
        there = frame is not None and robot.phase is Phase.ONLINE
        self.why = robot.refused or (
            "; ".join(frame.why) if frame is not None and there and (frame.v or frame.path) else ""
        )
        mode = frame.mode if frame is not None else ""
        self.docked, self.busy = (
            mode == "docked",
            bool(frame and (frame.path or (frame.orders and frame.orders[-1].state == "waiting"))),
        )
        for event, choice in self._modes.items():
            choice.on = MODE_OF[event] == mode
        stick, hold = there and mode == "manual" and not robot.stopped, there and mode == "assisted"
        if not stick:
            self._stick.let_go()
        reveal(self._at_hand, self._stick, stick, top=False)
        reveal(self._driving, self._hold, hold, top=False)
        self._show_trouble(state, robot)
        self._show_arming(state, robot)
        self._show_pen(mode)
        if robot.plan is not None and robot.plan is not self._plan:
            self._plan = robot.plan
            self._show_plan(robot.plan)
        for speed, choice in self._speeds:
            choice.on = frame is not None and abs(frame.limit - speed) < 0.005
        self._show_facts(robot)
        self.ids.camera.show(state.robots.camera, robot.address)

    def finish_zone(self) -> None:
        """The corners that were tapped become a zone."""
        self.app.registry.run("robot.add_zone", name=self.ids.zone_name.text)
        self.ids.zone_name.entry.text = ""

    def take_back(self) -> None:
        """The last corner wasn't meant."""
        self.app.store.dispatch(act.CornerTakenBack())

    def save_place(self) -> None:
        """Where the robot stands gets a name."""
        self.app.registry.run("robot.add_place", name=self.ids.place_name.text)
        self.ids.place_name.entry.text = ""

    def _show_trouble(self, state: AppState, robot: Robot) -> None:
        frame = robot.frame
        stopped, fault = robot.stopped, frame.fault if frame is not None else ""
        wrong = stopped or (frame is not None and frame.mode == "fault")
        self.trouble = (
            tr("Emergency stop") if stopped else fault or tr("A fault is kept: release it once its cause is gone.")
        )
        reveal(self._cards, self._trouble, wrong)
        held = next((device.role for device in state.devices if device.address == robot.address), "")
        reveal(self._trouble, self._release, covers(held, "releaser"), top=False)
        reveal(self._trouble, self._may_not, not covers(held, "releaser"), top=False)

    def _show_arming(self, state: AppState, robot: Robot) -> None:
        """A real robot that isn't armed is armed by an owner, below what is wrong; one that is can be disarmed."""
        armed = robot.frame.armed if robot.frame is not None and robot.phase is Phase.ONLINE else None
        column = self._cards
        if armed is None:
            reveal(column, self._arming, False)
        elif self._arming.parent is None:  # under what is wrong, what is drawn, and what it does
            above = 1 + sum(each.parent is column for each in (self._trouble, self._pen))
            column.add_widget(self._arming, index=len(column.children) - above)
        held = next((device.role for device in state.devices if device.address == robot.address), "")
        owns = covers(held, "owner")
        reveal(self._arming, self._arm, armed == 0 and owns, top=False)
        reveal(self._arming, self._may_not_arm, armed == 0 and not owns, top=False)
        reveal(self._arming, self._disarm, bool(armed), top=False)

    def _show_pen(self, mode: str) -> None:
        if self.tool == Tool.ZONE:
            self.hint = tr("Tap the corners of where it must never go, one after the other.")
        else:
            self.hint = (
                tr("Tap where it shall go.")
                if mode in ("autonomous", "assisted")
                else tr("It goes where you tap once it drives by itself, or assisted.")
            )
        column = self._cards
        if self.tool == Tool.LOOK:
            reveal(column, self._pen, False)
        elif self._pen.parent is None:  # under what is wrong, above all else
            column.add_widget(self._pen, index=len(column.children) - (self._trouble.parent is not None))
        reveal(self._pen, self._pen_zone, self.tool == Tool.ZONE, top=False)

    def _show_plan(self, plan: Plan) -> None:
        rows = []
        for place in plan.places:
            line = NamedLine(True, place.drawn, name=place.name, note=tr("dock") if place.name == plan.dock else "")
            line.bind(on_go=lambda line: self.app.registry.run("robot.go", place=line.name))
            line.bind(on_remove=lambda line: self.app.registry.run("robot.remove_place", place=line.name))
            rows.append(line)
        arrange(self.ids.places, rows)
        rows = []
        for zone in plan.zones:
            line = NamedLine(False, zone.drawn, name=zone.name, note="" if zone.drawn else tr("fixed"))
            line.bind(on_remove=lambda line: self.app.registry.run("robot.remove_zone", zone=line.name))
            rows.append(line)
        arrange(self.ids.zones, rows)
        self._speeds = [
            (
                round(part * plan.most_speed, 2),
                TallChoice(text=tr("{speed} m/s", speed=number(part * plan.most_speed, ".2f"))),
            )
            for part in SPEEDS
        ]
        for speed, choice in self._speeds:
            choice.bind(on_release=lambda _, speed=speed: self.app.registry.run("robot.limit", speed=speed))
        arrange(self.ids.speeds, [choice for _, choice in self._speeds])

    def _show_facts(self, robot: Robot) -> None:
        facts = sensor_facts(robot)
        if [name for name, _ in facts] != list(self._facts):
            self._facts = {name: Fact(name=name) for name, _ in facts}
            arrange(self.ids.facts, list(self._facts.values()))
        for name, value in facts:
            self._facts[name].value = value

    def _point(self, _: MapView, x: float, y: float) -> None:
        if self.tool == Tool.GO:
            self.app.registry.run("robot.go_point", x=x, y=y)
        elif self.tool == Tool.ZONE:
            self.app.store.dispatch(act.CornerAdded((round(x, 3), round(y, 3))))

    def _corner(self, _: MapView, zone: str, number: int, x: float, y: float) -> None:
        self.app.robots.move_corner(zone, number, (x, y))

    def _drive(self, *_: object) -> None:
        robot, stick = self._robot, self._stick
        if robot is None or robot.plan is None:
            return
        most = robot.frame.limit if robot.frame is not None and robot.frame.limit else robot.plan.most_speed
        back = min(most, robot.plan.most_back)
        v = stick.along * (most if stick.along > 0 else back)
        self.app.robots.drive(v, stick.about * robot.plan.most_turn * TURNING)

    def _left(self, *arguments: object) -> None:
        if arguments and arguments[-1] is True:  # the window has the focus again
            return
        self._stick.let_go()
        self.app.robots.hold(False)

    def _down(self, window: object, key: int, scancode: int, text: str | None, modifiers: list[str]) -> bool:
        name = Keyboard.keycode_to_string(window, key)
        free = focus.widget in (None, self._stick) or not attached(focus.widget)
        if not plain(modifiers) or not free or self.app.over.shown is not None:
            return False
        if name == HOLD_KEY and self._hold.parent is not None:
            self.app.robots.hold(True)
            return True
        return self._stick.parent is not None and self._stick.press(name)

    def _up(self, window: object, key: int, *_: object) -> bool:
        name = Keyboard.keycode_to_string(window, key)
        if name == HOLD_KEY:
            self.app.robots.hold(False)
        return self._stick.lift(name)


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
