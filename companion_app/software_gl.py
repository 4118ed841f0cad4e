"""Drawing without a graphics chip: the driver's queue of frames is kept to one."""

from __future__ import annotations

# As Mesa, Chromium's Angle and Windows call them.
NAMES = (b"llvmpipe", b"softpipe", b"swiftshader", b"gdi generic", b"microsoft basic render")


def is_software(renderer: bytes) -> bool:
    """Whether a renderer, as OpenGL names it, computes on the processor."""
    return any(name in renderer.lower() for name in NAMES)


def wait_for_each_frame() -> None:
    """Where the processor draws, wait for each frame before the next; call it once the window is there.

    Mesa's driver draws in threads of its own, and keeps every frame that isn't drawn yet, some 20 MB each: a busy machine
    held 100 MB of them after a second, for a window that is changed a few times. A graphics chip isn't waited for.
    """
    from kivy.core.window import Window
    from kivy.graphics.opengl import GL_RENDERER, glFinish, glGetString

    if is_software(glGetString(GL_RENDERER) or b""):
        Window.fbind("on_flip", lambda *_: glFinish() and None)
