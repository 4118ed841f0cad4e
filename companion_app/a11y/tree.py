"""From the window's widgets to nodes, anew only for what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kivy.uix.widget import Widget

from companion_app.a11y.describe import WHOLE, describe, is_control, role_of
from companion_app.a11y.nodes import Node
from companion_app.theme.focus import shown

# What a node is made of; a widget is told of by whichever it has.
WATCHED = (
    *("children", "opacity", "pos", "size", "disabled", "parent"),
    *("role", "spoken", "described", "live", "text", "note", "markup", "is_focusable"),
    *("on", "here", "active", "value", "min", "max", "wrong", "expanded"),
    *("hint", "hint_text", "cursor", "selection_text", "password", "scroll_x", "scroll_y"),
)


@dataclass(slots=True)
class _Known:
    """A widget that was visited. ids: what its parent holds of it. within: its name comprises what is in here."""

    widget: Widget
    within: bool
    watches: list[tuple[str, int]]
    ids: tuple[int, ...] = ()
    held: list[int] = field(default_factory=list)


class Tree:
    """The nodes of all that is shown, by widget (its `uid`)."""

    def __init__(self, on_change: Callable[[], object]) -> None:
        self.nodes: dict[int, Node] = {}
        self._known: dict[int, _Known] = {}
        self._tops: list[Widget] = []
        self._dirty: set[int] = set()
        self._dropped: list[int] = []
        self._new: dict[int, Node] = {}
        self._on_change = on_change
        self._kinds: dict[type, tuple[str, ...]] = {}

    def update(self, roots: Iterable[Widget]) -> tuple[tuple[int, ...], dict[int, Node]]:
        """What lies in the window now, and the nodes that are new or others than before."""
        self._new = {}
        tops, self._tops = self._tops, list(roots)
        ids = tuple(number for widget in self._tops for number in self._visit(widget, False))
        self._dropped += {widget.uid for widget in tops}.difference(widget.uid for widget in self._tops)
        for uid in self._dropped:
            self._drop(uid)
        self._dropped.clear()
        self._dirty.clear()
        return ids, self._new

    def widget(self, number: int) -> Widget | None:
        """The widget of a node."""
        known = self._known.get(number)
        return known.widget if known and number in self.nodes else None

    def close(self) -> None:
        """Let go of every widget."""
        for known in self._known.values():
            _unwatch(known)
        self._known.clear()
        self.nodes.clear()

    def _visit(self, widget: Widget, within: bool) -> tuple[int, ...]:
        uid = widget.uid
        known = self._known.get(uid)
        if known is not None and uid not in self._dirty and known.within is within:
            return known.ids
        if known is None:
            known = self._known[uid] = _Known(widget, within, self._watch(widget))
        known.within = within
        before, known.held = known.held, []
        known.ids = ()
        role = role_of(widget)
        ids: list[int] = []
        if shown(widget):
            whole = within or role in WHOLE
            for child in reversed(widget.children):
                known.held.append(child.uid)
                ids += self._visit(child, whole)
            known.ids = self._node(widget, role, within, tuple(ids))
        if not known.ids or known.ids[0] != uid:
            self.nodes.pop(uid, None)
        self._dropped += set(before).difference(known.held)
        return known.ids

    def _node(self, widget: Widget, role: str, within: bool, ids: tuple[int, ...]) -> tuple[int, ...]:
        # A page shifts what it holds; what shifts has a node, so that scrolling changes only this one.
        x, y = widget.to_parent(0, 0)
        if role and (not within or is_control(widget)):
            node = describe(widget, ids, (x, y))
            if not (node.name or node.children or node.focusable or node.number):
                return ()
        elif (x or y or hasattr(widget, "scroll_y")) and ids:
            node = Node(
                role="",
                box=(widget.x - x, widget.y - y, widget.right - x, widget.top - y),
                shift=(x, y),
                children=ids,
            )
        else:
            return ids
        if self.nodes.get(widget.uid) != node:
            self.nodes[widget.uid] = self._new[widget.uid] = node
        return (widget.uid,)

    def _watch(self, widget: Widget) -> list[tuple[str, int]]:
        kind = type(widget)
        names = self._kinds.get(kind)
        if names is None:
            names = self._kinds[kind] = tuple(name for name in WATCHED if widget.property(name, True) is not None)
        return [(name, widget.fbind(name, self._changed)) for name in names]

    def _changed(self, widget: Widget, value: object) -> None:
        if not self._dirty:
            self._on_change()
        # Whoever is dirty has dirty parents already.
        while isinstance(widget, Widget) and widget.uid not in self._dirty:
            self._dirty.add(widget.uid)
            widget = widget.parent

    def _drop(self, uid: int) -> None:
        known = self._known.get(uid)
        if known is None:
            return
        parent = self._known.get(known.widget.parent.uid) if isinstance(known.widget.parent, Widget) else None
        if parent is not None and uid in parent.held:
            return  # it has moved
        del self._known[uid]
        self.nodes.pop(uid, None)
        _unwatch(known)
        for held in known.held:
            self._drop(held)


def _unwatch(known: _Known) -> None:
    for name, number in known.watches:
        known.widget.unbind_uid(name, number)
