"""`enigma-companion`: opens the window; answers --help without loading Kivy."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from companion_app import __doc__ as about


def main(arguments: list[str] | None = None) -> int:
    """Open the companion; returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING, stream=sys.stderr)
    config = Path(options.config).expanduser() if options.config else default_config()
    prepare_kivy(config)
    try:
        # SDL opens the window at import, so Kivy comes after the command line is known to be good.
        from kivy.config import Config

        width, height = options.size
        Config.set("graphics", "width", str(width))
        Config.set("graphics", "height", str(height))
        Config.set("kivy", "exit_on_escape", "0")
        # Kivy draws a red dot under the right mouse button otherwise.
        Config.set("input", "mouse", "mouse,disable_multitouch")
        from companion_app.app import CompanionApp, Options
    except ImportError as error:
        sys.stderr.write(f"The window cannot open: {error}. Try: pip install 'enigma[companion]'\n")
        return 1
    inventory = Path(options.inventory).expanduser() if options.inventory else None
    app = CompanionApp(Options(config=config, inventory=inventory, theme=options.theme))
    try:
        asyncio.run(app.serve())
    except KeyboardInterrupt:
        return 130
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
    # The others start xclip or xsel; where neither is installed, Kivy logs two tracebacks and goes on.
    os.environ.setdefault("KIVY_CLIPBOARD", "sdl2")
    logging.getLogger("kivy").addFilter(lambda record: not record.getMessage().startswith("Cutbuffer"))
    Path(os.environ["KIVY_HOME"]).mkdir(parents=True, exist_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="enigma-companion", description=about)
    parser.add_argument("--config", metavar="DIR", help="where paired devices and settings are kept")
    parser.add_argument(
        "--inventory", metavar="FILE", help="the home to talk about (JSON; default: a sample)"
    )
    parser.add_argument(
        "--theme", choices=("dark", "light"), help="default: the one used last, at first dark"
    )
    parser.add_argument("--size", metavar="WxH", type=_size, default=(1100, 700), help="default: 1100x700")
    parser.add_argument("--verbose", action="store_true", help="log what happens to standard error")
    return parser


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (
        width.isdigit() and height.isdigit() and 320 <= int(width) <= 8192 and 320 <= int(height) <= 8192
    ):
        raise argparse.ArgumentTypeError(f"{text} is not a size such as 420x800 (320 at least)")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main())
