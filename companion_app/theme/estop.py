"""The emergency stop: one bar in the frame of every screen while a robot is among the devices; it acts when it is touched."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.widgets import IconText, Toned


class StopAct(IconText):
    """The button: a press counts, and not only its end."""


class StopBar(Accessible, Toned, BoxLayout):
    """said: how the stop stands, or which robot it is for."""

    role = Role("group")
    said = StringProperty("")


Builder.load_file(str(Path(__file__).with_name("estop.kv")))
