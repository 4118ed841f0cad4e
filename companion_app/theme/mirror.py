"""Layouts that begin from the right where the language does: each child is put where a mirror would show it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from kivy.uix.anchorlayout import AnchorLayout
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.gridlayout import GridLayout
from kivy.uix.layout import Layout
from kivy.uix.stacklayout import StackLayout

from companion_app import i18n


def mirrored(layout: Callable[..., None]) -> Callable[..., None]:
    """A `do_layout` that ends with the mirror; not for one that calls another such."""

    @wraps(layout)
    def do_layout(self: Layout, *arguments: object, **named: object) -> None:
        layout(self, *arguments, **named)
        if i18n.right_to_left():
            for child in self.children:
                # Not `x` alone: what is drawn when `pos` changes would find an old `center_x`.
                child.pos = self.x + self.right - child.right, child.y

    do_layout.is_mirrored = True  # type: ignore[attr-defined]
    return do_layout


def install() -> None:
    """Have Kivy's own layouts mirrored; call it once, before the first one is made."""
    for kind in (BoxLayout, StackLayout, GridLayout, AnchorLayout):
        if not getattr(kind.do_layout, "is_mirrored", False):
            kind.do_layout = mirrored(kind.do_layout)
