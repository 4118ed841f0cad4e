"""`enigma-companion`: opens the window; answers --help without loading Kivy."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from companion_app import __doc__ as about
from companion_app.heap import give_back
from companion_app.i18n.languages import CODES
from companion_app.state.preferences import THEME_CHOICES
from edge_runtime import local_only

if TYPE_CHECKING:
    from kivy.core.window import WindowBase

HELP = (
    "It needs: pip install 'enigma[companion]', and on Debian: "
    "apt install libgl1 libegl1 libgl1-mesa-dri libegl-mesa0 libmtdev1."
)


def main(arguments: list[str] | None = None) -> int:
    """Open the companion; returns the exit status."""
    options = _parser().parse_args(arguments)
    if local_only.wanted():
        local_only.enforce()
    handler = logging.StreamHandler()
    # Kivy logs a traceback for every optional part that it does not find; what matters it raises.
    handler.addFilter(lambda record: options.verbose or not record.name.startswith("kivy"))
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING, handlers=[handler])
    config = Path(options.config).expanduser() if options.config else default_config()
    inventory = Path(options.inventory).expanduser() if options.inventory else None
    if options.action is not None:
        return _without_window(options, config, inventory)
    prepare_kivy(config)
    give_back()
    gc.disable()  # all that is imported and built until the first frame stays: looking for waste in it takes a tenth of the start
    try:
        # SDL opens the window at import, so Kivy comes after the command line is known to be good.
        from kivy.config import Config

        width, height = options.size
        Config.set("graphics", "width", str(width))
        Config.set("graphics", "height", str(height))
        # Our shapes smooth their own edges; multisampling would only cost a small GPU its time.
        Config.set("graphics", "multisamples", "0")
        Config.set("kivy", "exit_on_escape", "0")
        # Kivy draws a red dot under the right mouse button otherwise.
        Config.set("input", "mouse", "mouse,disable_multitouch")
        from kivy.core.window import Window

        if Window is None:
            raise ImportError("there is no display, or OpenGL is missing")
        from companion_app.app import CompanionApp, Options
        from companion_app.software_gl import wait_for_each_frame
    except ImportError as error:
        sys.stderr.write(f"The window cannot open: {error}. {HELP}\n")
        return 1
    app = CompanionApp(Options(config=config, inventory=inventory, theme=options.theme, language=options.language))
    Window.fbind("on_flip", collect_from_now)
    wait_for_each_frame()
    try:
        asyncio.run(app.serve())
    except KeyboardInterrupt:
        return 130
    return 0


def collect_from_now(window: WindowBase, *_: object) -> None:
    """The first frame is shown: collect waste again, but don't look at what is there already each time."""
    window.funbind("on_flip", collect_from_now)
    gc.freeze()
    gc.enable()


def _without_window(options: argparse.Namespace, config: Path, inventory: Path | None) -> int:
    from companion_app import i18n
    from companion_app.headless import listed, run
    from companion_app.i18n.languages import system_language
    from companion_app.registry import CommandError
    from companion_app.start import Options

    i18n.use(options.language or system_language())
    chosen = Options(config=config, inventory=inventory)
    if options.action == "commands":
        sys.stdout.write(listed(chosen) + "\n")
        return 0
    try:
        said = asyncio.run(run(chosen, options.name, options.words))
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(said + "\n")
    return 0


def default_config() -> Path:
    """The platform's folder for the settings of this app."""
    from platformdirs import user_config_dir

    return Path(user_config_dir("enigma-companion", appauthor=False))


def prepare_kivy(config: Path) -> None:
    """Keep Kivy from our command line, our logging and the home folder; call it before Kivy is imported."""
    os.environ["KIVY_NO_ARGS"] = "1"
    os.environ.setdefault("KIVY_LOG_MODE", "PYTHON")
    os.environ.setdefault("KIVY_HOME", str(config / "kivy"))
    os.environ.setdefault("KIVY_NO_FILELOG", "1")
    # The other one, X11 without SDL, ends the process where there is no X server.
    os.environ.setdefault("KIVY_WINDOW", "sdl2")
    # The others start xclip or xsel, which are often not there.
    os.environ.setdefault("KIVY_CLIPBOARD", "sdl2")
    # It reads all that the app shows; the next one would load Pillow.
    os.environ.setdefault("KIVY_IMAGE", "sdl2")
    Path(os.environ["KIVY_HOME"]).mkdir(parents=True, exist_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="enigma-companion", description=about)
    parser.add_argument("--config", metavar="DIR", help="where paired devices and settings are kept")
    parser.add_argument("--inventory", metavar="FILE", help="the home to talk about (JSON; default: a sample)")
    parser.add_argument("--language", choices=CODES, help="default: the one used last, at first the system's")
    parser.add_argument("--theme", choices=THEME_CHOICES, help="default: the one used last, at first the system's")
    parser.add_argument("--size", metavar="WxH", type=_size, default=(1100, 700), help="default: 1100x700")
    parser.add_argument("--verbose", action="store_true", help="log what happens to standard error")
    actions = parser.add_subparsers(dest="action", title="without a window", metavar="")
    actions.add_parser("commands", help="list the commands that run without a window")
    runs = actions.add_parser(
        "run", help="run one of them and print what it says", usage="%(prog)s NAME [--argument VALUE …]"
    )
    runs.add_argument("name", metavar="NAME")
    runs.add_argument("words", metavar="--argument VALUE", nargs=argparse.REMAINDER)
    return parser


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and 320 <= int(width) <= 8192 and 320 <= int(height) <= 8192):
        raise argparse.ArgumentTypeError(f"{text} is not a size such as 420x800 (320 at least)")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main())
