"""A real window without a screen: open the app in this process, touch it, type, look at its pixels."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

# Before any import of Kivy: a window without X, none of Kivy's own arguments, logs and dot files.
os.environ["SDL_VIDEODRIVER"] = "offscreen"
os.environ["LC_ALL"] = "C.UTF-8"
os.environ["KIVY_NO_ARGS"] = "1"
os.environ["KIVY_NO_FILELOG"] = "1"
os.environ["KIVY_LOG_MODE"] = "PYTHON"
os.environ["KIVY_WINDOW"] = "sdl2"
os.environ["KIVY_CLIPBOARD"] = "sdl2"
os.environ["KIVY_USE_DEFAULTCONFIG"] = "1"
os.environ["KIVY_HOME"] = tempfile.mkdtemp(prefix="kivy-home-")

# A busy machine may take seconds for one frame; only what never comes waits as long as this.
WAIT = 60.0


class NoWindow(Exception):
    """GL or SDL is not there; the message says what to install."""


def open_display() -> None:
    """Make the one window of this process. Raises NoWindow."""
    from kivy.config import Config

    Config.set("kivy", "exit_on_escape", "0")
    # SDL's offscreen surface keeps the size it was made with; a smaller window uses a part of it.
    Config.set("graphics", "width", "1200")
    Config.set("graphics", "height", "900")
    Config.set("graphics", "multisamples", "0")
    # Many frames, for the tests wait for them; without a limit, waiting would take a whole processor core.
    Config.set("graphics", "maxfps", "200")
    # A finger of a test does not tremble: what it does counts at once.
    Config.set("graphics", "min_state_time", "0")
    Config.set("widgets", "scroll_timeout", "1")
    for name, _ in Config.items("input"):
        Config.remove_option("input", name)
    try:
        from kivy.core.window import Window
    except (ImportError, SystemExit) as error:
        raise NoWindow(str(error)) from None
    if Window is None:
        raise NoWindow("no GL: apt-get install libgl1 libegl1 libgl1-mesa-dri libegl-mesa0 libmtdev1")


class Failures(logging.Handler):
    """What went wrong in the app that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, with its trace."""
        self.said.append(logging.Formatter().format(record))


class Driver:
    """Fingers, keys and eyes on a running app."""

    def __init__(self, app: object, drawn: bool = False) -> None:
        self.app, self.drawn = app, drawn

    async def until(self, condition: Callable[[], object], what: str = "the condition", seconds: float = WAIT) -> None:
        """Let the app run until something holds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110 - a condition on widgets has no event to wait for
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}") from None
        await self.settle()

    async def settle(self) -> None:
        """A few frames, for layout and scheduled work: a layout may need two, its drawing a third."""
        from kivy.clock import Clock

        for _ in range(3):
            frame = Clock.frames
            async with asyncio.timeout(WAIT):
                while Clock.frames == frame:  # noqa: ASYNC110 - Kivy tells nobody that a frame is done
                    await asyncio.sleep(0.005)

    def find(self, kind: str, **properties: object) -> object:
        """The one shown widget of a class name with these property values."""
        found = self.find_all(kind, **properties)
        assert len(found) == 1, f"{len(found)} {kind} with {properties}"
        return found[0]

    def find_all(self, kind: str, **properties: object) -> list:
        """Every shown widget of a class name (or a subclass) with these property values."""
        from kivy.core.window import Window

        # An opened drop-down lies beside the app's own widgets.
        roots = [root for root in Window.children if root is not self.app.shell]
        return [
            widget
            for root in (self.app.shell, *roots)
            for widget in root.walk()
            if any(base.__name__ == kind for base in type(widget).__mro__)
            and all(getattr(widget, name) == value for name, value in properties.items())
        ]

    async def reach(self, widget: object) -> None:
        """Scroll a page until a widget is on it, where it is not yet."""
        page = widget.parent
        while page is not None and not hasattr(page, "scroll_to"):
            page = page.parent if page.parent is not page else None
        if page is not None:
            bottom, top = (widget.to_window(0, y)[1] for y in (widget.y, widget.top))
            lowest, highest = (page.to_window(0, y)[1] for y in (page.y, page.top))
            if bottom < lowest or top > highest:
                page.scroll_to(widget, animate=False)
                await self.settle()

    async def touch(self, widget: object) -> None:
        """Put a finger on the middle of a widget and lift it; where it is off its page, the page is scrolled first."""
        from kivy.core.window import Window
        from kivy.tests.common import UnitTestTouch

        await self.reach(widget)
        x, y = widget.to_window(*widget.center)
        finger = UnitTestTouch(x, y)
        finger.touch_down()
        await self.settle()
        finger.touch_up()
        await self.settle()
        assert Window.width > 0

    async def press(self, key: int, name: str = "", modifiers: tuple[str, ...] = ()) -> None:
        """Press and release a key, by its SDL code."""
        from kivy.core.window import Window

        if not Window.dispatch("on_key_down", key, 0, name, list(modifiers)):
            Window.dispatch("on_keyboard", key, 0, name, list(modifiers))
        Window.dispatch("on_key_up", key, 0)
        await self.settle()

    async def type(self, text: str) -> None:
        """Type into whatever has the focus, as SDL reports text."""
        from kivy.core.window import Window

        for letter in text:
            Window.dispatch("on_textinput", letter)
        await self.settle()

    async def write(self, field: object, text: str) -> None:
        """Touch a text field, empty it, and type."""
        await self.touch(field)
        await self.until(lambda: field.focus, "the focus")
        field.select_all()
        field.delete_selection()
        await self.type(text)

    def clipped(self) -> list[str]:
        """Texts that reach over the sides of their widget, of what that lies in, or of the window.

        Those that are shortened on purpose do not.
        """
        from kivy.core.window import Window

        found = []
        for label in self.find_all("Label"):
            left, right = (label.to_window(x, 0)[0] for x in (label.x, label.right))
            shown = label.text and label.height > 1 and label.get_root_window() is not None
            wide = label.texture_size[0] > label.width + 1 or left < -1 or right > Window.width + 1
            around = label.parent
            wide = wide or label.x < around.x - 1 or label.right > around.right + 1
            if shown and (wide or label.texture_size[1] > label.height + 4):
                found.append(f"{label.text!r}: {label.texture_size} in {label.size} at {left:.0f} to {right:.0f}")
        return found

    def anywhere(self, secret: str) -> list[str]:
        """Where a text is: in any property of any widget, also of screens that are not shown, or in what Kivy keeps."""
        from kivy.cache import Cache
        from kivy.core.window import Window

        found = [
            f"{type(widget).__name__}.{name}"
            for root in (*Window.children, *self.app.shell.manager.screens)
            for widget in root.walk()
            for name, value in [
                *((name, getattr(widget, name, None)) for name in widget.properties()),
                *vars(widget).items(),
            ]
            if isinstance(value, str | list | tuple | dict) and secret in repr(value)
        ]
        found += [f"cache {category}" for category, kept in Cache._objects.items() if secret in repr(list(kept))]
        return found + ["state" for state in [self.app.store.state] if secret in repr(state)]

    async def drop(self, path: Path) -> None:
        """Let a file fall on the window, as SDL reports it."""
        from kivy.core.window import Window

        Window.dispatch("on_drop_file", str(path).encode(), 10, 10)
        await self.settle()

    async def resize(self, width: int, height: int) -> None:
        """Change the window's size."""
        from kivy.core.window import Window

        Window.size = (width, height)
        await self.settle()
        await self.settle()

    def picture(self, path: Path | None = None) -> object:
        """What the window shows, as a PIL image with the top row first."""
        from kivy.core.window import Window
        from kivy.graphics.opengl import GL_RGB, GL_UNSIGNED_BYTE, glReadPixels
        from PIL import Image

        Window.unbind(on_draw=_no_pixels)
        Window.dispatch("on_draw")
        if not self.drawn:
            Window.bind(on_draw=_no_pixels)
        width, height = Window.size
        pixels = glReadPixels(0, 0, width, height, GL_RGB, GL_UNSIGNED_BYTE)
        image = Image.frombytes("RGB", (width, height), bytes(pixels)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        if path is not None:
            image.save(path)
        return image

    def region(self, widget: object) -> tuple[int, int, int, int]:
        """A widget's box in a picture."""
        from kivy.core.window import Window

        left, bottom = widget.to_window(widget.x, widget.y)
        right, top = widget.to_window(widget.right, widget.top)
        return int(left), int(Window.height - top), int(right), int(Window.height - bottom)


@contextlib.asynccontextmanager
async def opened(options: object, size: tuple[int, int] = (420, 800), *, drawn: bool = False) -> AsyncIterator[Driver]:
    """Run the app's own loop, and end it cleanly.

    drawn: whether every frame is. Without a GPU its pixels cost most of the time; layout, texts and touches are the same
    without them, and a picture draws its own.
    """
    open_display()
    from kivy.core.window import Window

    from companion_app.app import CompanionApp

    Window.create_window()
    Window.register()
    Window.initialized = True
    Window.canvas.clear()
    Window.size = size
    if not drawn:
        Window.bind(on_draw=_no_pixels)
    failures = Failures()
    logging.getLogger("companion_app").addHandler(failures)
    app = CompanionApp(options)
    running = asyncio.get_running_loop().create_task(app.serve())
    driver = Driver(app, drawn)
    try:
        async with asyncio.timeout(WAIT):
            while app.shell is None or app.shell.parent is None:
                if running.done():
                    running.result()
                await asyncio.sleep(0.02)
        await driver.settle()
        yield driver
    finally:
        app.stop()
        async with asyncio.timeout(WAIT):
            await running
        logging.getLogger("companion_app").removeHandler(failures)
        Window.unbind(on_draw=_no_pixels)
        for child in Window.children[:]:
            Window.remove_widget(child)
    assert not failures.said, failures.said


def _no_pixels(window: object) -> bool:
    """Ends a drawing before it begins, as Kivy lets handlers do."""
    return True
