"""The way to the screen reader of this system, by accesskit: AT-SPI, UI Automation, or NSAccessibility."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable
from typing import Protocol

import accesskit


class Adapter(Protocol):
    """What accesskit's adapters have in common."""

    def update_if_active(self, made: Callable[[], accesskit.TreeUpdate]) -> object:
        """Hand over what changed, if anyone listens. What it returns, if anything, has to `raise_events()`."""


def open_adapter(
    window: object, on_listener: Callable[[], None], on_action: Callable[[accesskit.ActionRequest], None],
    on_nobody: Callable[[], None],
) -> Adapter:  # fmt: skip
    """The adapter of this system. window: Kivy's. All three are called from any thread: that somebody listens from now
    on, what is to be done, and that nobody listens any more."""
    if sys.platform == "win32":
        # accesskit takes a window only as long as nobody has seen it.
        window.hide()  # type: ignore[attr-defined]
        try:
            return accesskit.windows.SubclassingAdapter(_hwnd(window), on_listener, on_action)
        finally:
            window.show()  # type: ignore[attr-defined]
    if sys.platform == "darwin":
        accesskit.macos.add_focus_forwarder_to_window_class("SDLWindow")
        return accesskit.macos.SubclassingAdapter.for_window(_ns_window(), on_listener, on_action)
    return accesskit.unix.Adapter(on_listener, on_action, on_nobody)


def _hwnd(window: object) -> int:
    return int(window.get_window_info().window)  # type: ignore[attr-defined]


def _ns_window() -> int:
    """The pointer to this app's only NSWindow; Kivy doesn't tell it."""
    objc = ctypes.CDLL(ctypes.util.find_library("objc"))
    objc.objc_getClass.restype = objc.sel_registerName.restype = objc.objc_msgSend.restype = ctypes.c_void_p
    objc.objc_getClass.argtypes = objc.sel_registerName.argtypes = [ctypes.c_char_p]
    objc.objc_msgSend.argtypes = [ctypes.c_void_p, ctypes.c_void_p]

    def told(receiver: int, message: bytes) -> int:
        return int(objc.objc_msgSend(receiver, objc.sel_registerName(message)) or 0)

    app = told(objc.objc_getClass(b"NSApplication"), b"sharedApplication")
    window = told(told(app, b"windows"), b"firstObject")
    if not window:
        raise OSError("there is no window")
    return window
