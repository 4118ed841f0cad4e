"""Which widgets a widget holds, and in which order."""

from __future__ import annotations

from kivy.uix.widget import Widget


def reveal(parent: Widget, widget: Widget, shown: bool, *, top: bool = True, over: Widget | None = None) -> None:
    """Add or remove a widget: what is not shown must not take the focus either. over: the last child, if it is there."""
    if shown and widget.parent is None:
        last = 1 if over is not None and over.parent is parent else 0
        parent.add_widget(widget, index=len(parent.children) if top else last)
    elif not shown and widget.parent is not None:
        widget.parent.remove_widget(widget)


def arrange(parent: Widget, widgets: list[Widget]) -> None:
    """Make these the children, in this order, wherever they were; nothing happens where they are it already."""
    if parent.children[::-1] != widgets:
        parent.clear_widgets()
        for widget in widgets:
            if widget.parent is not None:
                widget.parent.remove_widget(widget)
            parent.add_widget(widget)
