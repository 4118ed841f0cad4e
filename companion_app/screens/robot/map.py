"""The map: what stands there, zones, places, the scan, the way, the robot; a finger or arrow keys point at places on it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from kivy.app import App
from kivy.core.image import Image as CoreImage
from kivy.core.text import Label as CoreLabel
from kivy.graphics import Color, Ellipse, InstructionGroup, Line, Mesh, Point, Rectangle, SmoothLine
from kivy.graphics.tesselator import Tesselator
from kivy.graphics.texture import Texture
from kivy.input.motionevent import MotionEvent
from kivy.metrics import dp, sp
from kivy.properties import NumericProperty, OptionProperty
from kivy.uix.stencilview import StencilView

from companion_app.screens.robot.view import View, fitted
from companion_app.state.robot import Drawing, MapLies, Plan, Robot, Tool
from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.focus import Reachable, focus

MOVED = 10  # dp from where a finger came down: then it draws the map along, and points at nothing
NEAR = 22  # dp around a corner that a finger takes hold of
STEP, FAR = 0.1, 0.5  # metres of an arrow key, and with Shift
ZOOM = 1.25
Pixels = tuple[float, float]


class MapView(Reachable, Accessible, StencilView):
    """`on_point` (x, y, metres) where a person points, `on_corner` (zone, number, x, y) where a corner was drawn to,
    `on_back` and `on_finish` for the zone that is drawn."""

    role = Role("group")
    tool = OptionProperty("look", options=[tool.value for tool in Tool])
    pixels_per_metre = NumericProperty(0.0)

    def __init__(self, **kwargs: object) -> None:
        for event in ("on_point", "on_corner", "on_back", "on_finish"):
            self.register_event_type(event)
        super().__init__(**kwargs)
        self._view: View | None = None
        self._robot: Robot | None = None
        self._drawing = Drawing()
        self._picture: tuple[bytes, Texture] | None = None
        self._words: dict[tuple[str, tuple[float, ...]], Texture] = {}
        self._fingers: list[MotionEvent] = []
        self._moved = False
        self._corner: tuple[str, int, Pixels] | None = None
        self._cross: Pixels | None = None
        self._ground, self._live, self._pen = InstructionGroup(), InstructionGroup(), InstructionGroup()
        for layer in (self._ground, self._live, self._pen):
            self.canvas.add(layer)
        palette = App.get_running_app().palette
        palette.bind(name=self._all)
        self.bind(pos=self._all, size=self._all, tool=self._all, focus=self._draw_pen)

    def on_point(self, x: float, y: float) -> None:
        """A person points there."""

    def on_corner(self, zone: str, number: int, x: float, y: float) -> None:
        """A corner of a drawn zone shall be there."""

    def on_back(self) -> None:
        """The last corner wasn't meant."""

    def on_finish(self) -> None:
        """The zone is complete."""

    def show(self, robot: Robot | None, drawing: Drawing) -> None:
        """Bring the layers in line with what is known; those that didn't change stay as they are."""
        before, self._robot = self._robot, robot
        if drawing != self._drawing:
            self._drawing = drawing
            self._all()
        if before is None or robot is None or before.address != robot.address:
            self._view = None
            self._all()
        elif before.plan is not robot.plan or before.picture is not robot.picture:
            self._all()
        elif before is not robot:
            self._draw_live()

    def fit(self) -> None:
        """All of the ground."""
        self._view = None
        self._all()

    def zoom(self, by: float, at: Pixels | None = None) -> None:
        """Larger or smaller, around a pixel or the middle."""
        self._view = self.view.zoomed(by, at or self.center, self.center)
        self._all()

    @property
    def view(self) -> View:
        """What is shown: all of the ground, until a person draws or zooms the map."""
        if self._view is not None:
            return self._view
        robot = self._robot
        points = list(robot.plan.fence) if robot and robot.plan else []
        if not points and robot and robot.lies:
            points = _corners(robot.lies)
        if not points and robot and robot.frame and robot.frame.pose:
            x, y = robot.frame.pose.x, robot.frame.pose.y
            points = [(x - 3, y - 3), (x + 3, y + 3)]
        return fitted(points, self.width, self.height)

    # Fingers and keys.

    def on_touch_down(self, touch: MotionEvent) -> bool:
        if not self.collide_point(*touch.pos):
            return False
        if touch.is_mouse_scrolling:
            self.zoom(ZOOM if touch.button == "scrolldown" else 1 / ZOOM, touch.pos)
            return True
        touch.grab(self)
        self._fingers.append(touch)
        self._moved = len(self._fingers) > 1
        self._corner = self._corner_near(touch.pos) if len(self._fingers) == 1 else None
        return True

    def on_touch_move(self, touch: MotionEvent) -> bool:
        if touch.grab_current is not self:
            return bool(super().on_touch_move(touch))
        self._moved = self._moved or math.dist(touch.pos, touch.opos) > dp(MOVED)
        if self._corner is not None:
            self._corner = (*self._corner[:2], touch.pos)
            self._draw_pen()
        elif len(self._fingers) == 2:
            other = next(finger for finger in self._fingers if finger is not touch)
            before = math.dist((touch.px, touch.py), other.pos)
            if before > 1:
                self.zoom(math.dist(touch.pos, other.pos) / before, other.pos)
        elif self._moved:
            self._view = self.view.moved(touch.dx, touch.dy)
            self._all()
        return True

    def on_touch_up(self, touch: MotionEvent) -> bool:
        if touch.grab_current is not self:
            return bool(super().on_touch_up(touch))
        touch.ungrab(self)
        self._fingers = [finger for finger in self._fingers if finger is not touch]
        corner, self._corner = self._corner, None
        if corner is not None and self._moved:
            self.dispatch("on_corner", *corner[:2], *self.view.here(touch.pos, self.center))
            self._draw_pen()
        elif not self._moved:
            self._cross = self.view.here(touch.pos, self.center)
            self.dispatch("on_point", *self._cross)
        return True

    def keyboard_on_key_down(
        self, window: object, keycode: tuple[int, str], text: str | None, modifiers: list[str]
    ) -> bool:
        steps = {"left": (-1, 0), "right": (1, 0), "up": (0, 1), "down": (0, -1)}
        key = keycode[1]
        if {"ctrl", "alt", "meta"} & set(modifiers):
            return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))
        if key in steps:
            far = FAR if "shift" in modifiers else STEP
            x, y = self.cross
            self._cross = x + steps[key][0] * far, y + steps[key][1] * far
            focus.by_keys = True
            self._draw_pen()
            return True
        if key in ("enter", "numpadenter", "spacebar"):
            self.dispatch("on_point", *self.cross)
            return True
        if key == "backspace":
            self.dispatch("on_back")
            return True
        if text in ("+", "=", "-"):
            self.zoom(1 / ZOOM if text == "-" else ZOOM)
            return True
        if text == "f":
            self.dispatch("on_finish")
            return True
        return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))

    @property
    def cross(self) -> Pixels:
        """Where the keys point, metres: at first where the robot is."""
        if self._cross is None:
            pose = self._robot.frame.pose if self._robot and self._robot.frame else None
            self._cross = (pose.x, pose.y) if pose is not None else self.view.middle
        return self._cross

    def _corner_near(self, pixel: Pixels) -> tuple[str, int, Pixels] | None:
        if self.tool != Tool.ZONE or self._drawing.corners or self._robot is None or self._robot.plan is None:
            return None
        near = [
            (math.dist(self._there(corner), pixel), zone.name, number)
            for zone in self._robot.plan.zones
            if zone.drawn
            for number, corner in enumerate(zone.corners)
        ]
        away, name, number = min(near, default=(math.inf, "", 0))
        return (name, number, pixel) if away < dp(NEAR) else None

    # Layers.

    def _there(self, point: Pixels) -> Pixels:
        return self.view.there(point, self.center)

    def _all(self, *_: object) -> None:
        if App.get_running_app() is None:  # it ended before this frame came
            return
        self.pixels_per_metre = self.view.scale
        self._draw_ground()
        self._draw_live()
        self._draw_pen()

    def _draw_ground(self) -> None:
        palette, layer, robot = App.get_running_app().palette, self._ground, self._robot
        layer.clear()
        layer.add(Color(rgba=palette.field))
        layer.add(Rectangle(pos=self.pos, size=self.size))
        if robot is None:
            return
        if robot.picture and robot.lies is not None:
            (left, bottom), (right, top) = (self._there(corner) for corner in _corners(robot.lies)[::2])
            layer.add(Color(rgba=palette.text))
            layer.add(
                Rectangle(texture=self._texture(robot.picture), pos=(left, bottom), size=(right - left, top - bottom))
            )
        if robot.plan is not None:
            self._draw_plan(robot.plan)

    def _draw_plan(self, plan: Plan) -> None:
        palette, layer = App.get_running_app().palette, self._ground
        if plan.fence:
            layer.add(Color(rgba=palette.outline))
            layer.add(Line(points=self._flat(plan.fence), close=True, width=dp(1), dash_length=4, dash_offset=4))
        for zone in plan.zones:
            self._fill(layer, zone.corners, (*palette.bad[:3], 0.22))
            layer.add(Color(rgba=palette.bad))
            layer.add(SmoothLine(points=self._flat(zone.corners), close=True, width=dp(1.4)))
            middle = [sum(corner[axis] for corner in zone.corners) / len(zone.corners) for axis in (0, 1)]
            self._word(zone.name, (middle[0], middle[1]), palette.bad, 0.0)
            if zone.drawn and self.tool == Tool.ZONE:
                layer.add(Color(rgba=palette.bad))
                for corner in zone.corners:
                    x, y = self._there(corner)
                    layer.add(Ellipse(pos=(x - dp(5), y - dp(5)), size=(dp(10), dp(10))))
        for place in plan.places:
            x, y = self._there((place.x, place.y))
            layer.add(Color(rgba=palette.accent))
            layer.add(Ellipse(pos=(x - dp(4), y - dp(4)), size=(dp(8), dp(8))))
            self._word(place.name, (place.x, place.y), palette.text, dp(14))

    def _draw_live(self) -> None:
        palette, layer, robot = App.get_running_app().palette, self._live, self._robot
        layer.clear()
        if robot is None or robot.frame is None:
            return
        if robot.scan is not None:
            layer.add(Color(rgba=palette.warn))
            layer.add(Point(points=self._scan_points(), pointsize=dp(1.3)))
        pose = robot.frame.pose
        if pose is None:
            return
        if robot.frame.path:
            layer.add(Color(rgba=palette.accent))
            layer.add(SmoothLine(points=self._flat([(pose.x, pose.y), *robot.frame.path]), width=dp(2)))
            x, y = self._there(robot.frame.path[-1])
            layer.add(Line(circle=(x, y, dp(8)), width=dp(1.6)))
        x, y = self._there((pose.x, pose.y))
        radius = (robot.plan.radius if robot.plan else 0.15) * self.view.scale
        if pose.doubt > 0:
            around = radius + pose.doubt * self.view.scale
            layer.add(Color(rgba=(*palette.accent[:3], 0.18)))
            layer.add(Ellipse(pos=(x - around, y - around), size=(2 * around, 2 * around)))
        radius = max(radius, dp(7))
        layer.add(Color(rgba=palette.bad if robot.stopped else palette.accent))
        layer.add(Ellipse(pos=(x - radius, y - radius), size=(2 * radius, 2 * radius)))
        layer.add(Color(rgba=palette.accent_text if not robot.stopped else palette.background))
        ahead = math.radians(pose.degrees)
        nose = [(0.75, 0.0), (-0.45, 0.5), (-0.2, 0.0), (-0.45, -0.5)]
        turned = [
            (
                x + radius * (a * math.cos(ahead) - b * math.sin(ahead)),
                y + radius * (a * math.sin(ahead) + b * math.cos(ahead)),
            )
            for a, b in nose
        ]
        vertices = [value for px, py in turned for value in (px, py, 0, 0)]
        layer.add(Mesh(vertices=vertices, indices=[0, 1, 2, 3], mode="triangle_fan"))

    def _draw_pen(self, *_: object) -> None:
        palette, layer = App.get_running_app().palette, self._pen
        layer.clear()
        corners = self._drawing.corners
        if corners:
            layer.add(Color(rgba=palette.bad))
            if len(corners) > 1:
                layer.add(SmoothLine(points=self._flat(corners), width=dp(2), close=len(corners) > 2))
            for corner in corners:
                x, y = self._there(corner)
                layer.add(Ellipse(pos=(x - dp(6), y - dp(6)), size=(dp(12), dp(12))))
        if self._corner is not None:
            layer.add(Color(rgba=palette.bad))
            layer.add(Line(circle=(*self._corner[2], dp(14)), width=dp(2)))
        if self.focus:
            layer.add(Color(rgba=palette.accent))
            layer.add(Line(rectangle=(self.x + 1, self.y + 1, self.width - 2, self.height - 2), width=dp(1.6)))
            if focus.by_keys:
                x, y = self._there(self.cross)
                layer.add(Line(points=[x - dp(12), y, x + dp(12), y], width=dp(1.4)))
                layer.add(Line(points=[x, y - dp(12), x, y + dp(12)], width=dp(1.4)))

    def _scan_points(self) -> list[float]:
        assert self._robot is not None and self._robot.scan is not None
        scan = self._robot.scan
        points: list[float] = []
        angle, step = math.radians(scan.pose.degrees + scan.first), math.radians(scan.step)
        for metres in scan.metres:
            if metres > 0:
                points += self._there((scan.pose.x + metres * math.cos(angle), scan.pose.y + metres * math.sin(angle)))
            angle += step
        return points

    def _flat(self, points: Sequence[Pixels]) -> list[float]:
        return [value for point in points for value in self._there(point)]

    def _fill(self, layer: InstructionGroup, corners: Sequence[Pixels], colour: tuple[float, ...]) -> None:
        shape = Tesselator()
        shape.add_contour(self._flat(corners))
        if len(corners) > 2 and shape.tesselate():
            layer.add(Color(rgba=colour))
            for vertices, indices in shape.meshes:
                layer.add(Mesh(vertices=vertices, indices=indices, mode="triangle_fan"))

    def _word(self, text: str, point: Pixels, colour: Sequence[float], above: float) -> None:
        around = App.get_running_app().palette.field  # a name is read on walls and zones too
        key = text, (*colour, *around)
        if key not in self._words:
            label = CoreLabel(
                text=text[:40], font_size=sp(13), color=colour, bold=True, outline_width=2, outline_color=around
            )
            label.refresh()
            self._words[key] = label.texture
        texture = self._words[key]
        x, y = self._there(point)
        self._ground.add(Color(rgba=(1, 1, 1, 1)))
        size = texture.size
        self._ground.add(Rectangle(texture=texture, pos=(x - size[0] / 2, y - size[1] / 2 + above), size=size))

    def _texture(self, picture: bytes) -> Texture | None:
        if self._picture is None or self._picture[0] is not picture:
            texture = CoreImage(io.BytesIO(picture), ext="png").texture
            texture.mag_filter = "nearest"
            self._picture = picture, texture
        return self._picture[1]


def _corners(lies: MapLies) -> list[Pixels]:
    east, north = lies.west + lies.columns * lies.cell, lies.south + lies.rows * lies.cell
    return [(lies.west, lies.south), (east, lies.south), (east, north), (lies.west, north)]
