"""What of a shown tree of widgets cannot be read: texts that are cut, and siblings that lie on each other.

assert clipped(driver.app.shell) == []
assert overlapping(driver.app.shell) == []
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kivy.uix.label import Label
    from kivy.uix.widget import Widget

# Rounding of positions, in pixels.
SLACK = 1.5


def labels(root: Widget) -> list[Label]:
    """The shown labels that say something."""
    from kivy.uix.label import Label

    return [widget for widget in shown(root) if isinstance(widget, Label) and widget.text.strip()]


def clipped(root: Widget) -> list[str]:
    """The shown texts that are cut, each with how: wider or higher than the label, or out of what it lies in."""
    from kivy.core.window import Window

    found = []
    for label in labels(root):
        (wide, high), (width, height) = label.texture_size, label.size
        around = label.parent
        why = []
        if wide > width + SLACK:
            why.append(f"{wide} wide in {width:.0f}")
        if high > height + SLACK:
            why.append(f"{high} high in {height:.0f}")
        if label.x < around.x - SLACK or label.right > around.right + SLACK:
            why.append(f"over the sides of its {type(around).__name__}")
        if not _scrolls(around) and (label.y < around.y - SLACK or label.top > around.top + SLACK):
            why.append(f"over the top or bottom of its {type(around).__name__}")
        left, right = (label.to_window(x, 0)[0] for x in (label.x, label.right))
        if not _scrolls_sideways(label) and (left < -SLACK or right > Window.width + SLACK):
            why.append(f"from {left:.0f} to {right:.0f} in a window of {Window.width}")
        if why:
            found.append(f"{type(label).__name__} {label.text!r}: {', '.join(why)}")
    return found


def shortened(root: Widget) -> list[str]:
    """The shown texts that end in dots for want of room; right for names that people give, not for the app's own."""
    return [label.text for label in labels(root) if label.shorten and label.is_shortened]


def overlapping(root: Widget) -> list[str]:
    """The shown children of one layout that lie on each other, in pairs."""
    from kivy.uix.layout import Layout

    found = []
    for parent in shown(root):
        if not isinstance(parent, Layout):
            continue
        children = [child for child in parent.children if _seen(child)]
        for at, one in enumerate(children):
            for other in children[at + 1 :]:
                across = min(one.right, other.right) - max(one.x, other.x)
                along = min(one.top, other.top) - max(one.y, other.y)
                if across > SLACK and along > SLACK:
                    found.append(
                        f"{_called(one)} and {_called(other)} in {type(parent).__name__}: {across:.0f} x {along:.0f}"
                    )
    return found


def shown(root: Widget) -> Iterator[Widget]:
    """A widget and all under it that a person sees."""
    if _seen(root):
        yield root
        for child in root.children:
            yield from shown(child)


def _seen(widget: Widget) -> bool:
    return widget.opacity > 0 and widget.width > 1 and widget.height > 1 and widget.get_root_window() is not None


def _scrolls(widget: Widget) -> bool:
    return hasattr(widget, "scroll_y")


def _scrolls_sideways(widget: Widget) -> bool:
    parent = widget.parent
    while parent is not None and parent.parent is not parent:
        if _scrolls(parent) and parent.do_scroll_x:
            return True
        parent = parent.parent
    return False


def _called(widget: Widget) -> str:
    return f"{type(widget).__name__} {getattr(widget, 'text', '')!r}"
