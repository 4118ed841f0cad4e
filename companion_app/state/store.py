"""The one place that holds the current state and tells who listens."""

from __future__ import annotations

from collections.abc import Callable

from companion_app.state.actions import Action
from companion_app.state.model import AppState
from companion_app.state.reduce import reduce

Listener = Callable[[AppState], None]


class Store:
    """Holds the state. Not thread-safe: everything runs on the one event loop."""

    def __init__(self, state: AppState) -> None:
        self.state = state
        self._listeners: list[Listener] = []

    def dispatch(self, action: Action) -> None:
        """Apply an action and tell the listeners, unless it changed nothing."""
        before = self.state
        self.state = reduce(before, action)
        if self.state is not before:
            for listener in tuple(self._listeners):
                listener(self.state)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change; the returned function ends that."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop
