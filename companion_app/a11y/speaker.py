"""Names what has the focus, and reads what changes in live regions: for whoever has no screen reader at hand."""

from __future__ import annotations

from typing import cast

from kivy.clock import Clock
from kivy.core.window import Window
from kivy.uix.widget import Widget

from companion_app import i18n
from companion_app.a11y.nodes import Node
from companion_app.a11y.tree import Tree
from companion_app.a11y.voice import Voice, speech_command
from companion_app.a11y.words import sentence_of, state_of
from companion_app.theme.focus import focus

PACE = 0.1


class Speaker:
    """Speaks from `start` to `stop`."""

    def __init__(self) -> None:
        self._voice = Voice(lambda: speech_command(i18n.language()))
        self._tree: Tree | None = None
        self._named: Widget | None = None
        self._look = Clock.create_trigger(self._told, PACE)

    @property
    def on(self) -> bool:
        """Whether it speaks."""
        return self._tree is not None

    def start(self) -> None:
        """Begin; what has the focus is named at once. What is on screen already isn't read."""
        if self._tree is not None:
            return
        self._tree = Tree(self._look)
        self._tree.update(_roots())
        self._named = None
        Window.bind(children=self._look)
        focus.bind(widget=self._look)
        self._look()

    def stop(self) -> None:
        """Be silent."""
        if self._tree is None:
            return
        Window.unbind(children=self._look)
        focus.unbind(widget=self._look)
        self._look.cancel()
        self._tree.close()
        self._tree = self._named = None
        self._voice.hush()

    async def close(self) -> None:
        """As `stop`, and wait until nothing is said any more."""
        self.stop()
        await self._voice.close()

    def _told(self, *_: object) -> None:
        if self._tree is None:
            return
        before = dict(self._tree.nodes)
        _, changed = self._tree.update(_roots())
        if focus.widget is not self._named:
            self._named = focus.widget
            node = self._tree.nodes.get(focus.widget.uid) if focus.widget is not None else None
            if node is not None:
                self._voice.say(sentence_of(node))
        elif focus.widget is not None and focus.widget.uid in changed:
            change = _change(before.get(focus.widget.uid), changed[focus.widget.uid])
            if change:
                self._voice.say(". ".join(change))
        for number, node in changed.items():
            if _is_news(before.get(number), node):
                self._voice.say(node.name, cut=False)


def _is_news(before: Node | None, node: Node) -> bool:
    return node.live != "off" and bool(node.name) and (before is None or before.name != node.name)


def _change(before: Node | None, node: Node) -> list[str]:
    """What is said of the widget in focus when it changes; letters that are being typed are not."""
    if before is None or node.edited is not None:
        return []
    name = [node.name] if node.name != before.name else []
    state = [state_of(node)] if state_of(node) != state_of(before) else []
    return name + state


def _roots() -> list[Widget]:
    return cast("list[Widget]", Window.children[::-1])
