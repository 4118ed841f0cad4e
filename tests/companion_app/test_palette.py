"""A change of theme is whole, also while widgets that nobody shows any more are collected."""

from __future__ import annotations

import gc
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("display")


def test_widgets_that_are_collected_do_not_break_a_change_of_theme() -> None:
    from kivy.lang import Builder, global_idmap
    from kivy.properties import ObjectProperty
    from kivy.uix.widget import Widget

    from companion_app.theme.palette import Palette

    class Dropped(Widget):
        colour = ObjectProperty(None)
        itself: Any = None

    def late(colour: object) -> object:
        gc.collect()  # as it may come in the midst of any rule
        return colour

    names: dict[str, Any] = {"palette_of_a_test": Palette(), "late_in_a_test": late}
    global_idmap.update(names)
    palette = names["palette_of_a_test"]
    palette.use("dark")
    Builder.load_string("<Dropped>:\n    colour: late_in_a_test(palette_of_a_test.text)\n")
    gc.disable()
    try:
        made = Dropped()
        made.itself = made  # only the collector finds it
        del made
        gc.enable()
        palette.use("light")
        assert palette.name == "light" and gc.isenabled()
    finally:
        gc.enable()
        for name in names:
            del global_idmap[name]
