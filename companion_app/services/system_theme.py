"""Which theme the system uses, where it can be known: GNOME and its kin, macOS, Windows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# A setting is read within milliseconds; a desktop that hangs must not hold up this app.
DEADLINE = 2.0
_WINDOWS = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize"


def system_theme() -> str | None:
    """A name of `theme.tokens.THEMES`, None where the system doesn't say. Takes up to `DEADLINE` per setting."""
    if sys.platform == "win32":
        return _of_windows()
    if sys.platform == "darwin":
        # The setting exists only while the system is dark.
        if shutil.which("defaults") is None:
            return None
        dark = "dark" in (_said("defaults", "read", "-g", "AppleInterfaceStyle") or "").lower()
        raised = _said("defaults", "read", "com.apple.universalaccess", "increaseContrast") == "1"
        return _named(dark, raised)
    # Outside of a desktop it has nothing to say, and leaves files behind.
    if not os.environ.get("XDG_CURRENT_DESKTOP") or shutil.which("gsettings") is None:
        return None
    scheme = _said("gsettings", "get", "org.gnome.desktop.interface", "color-scheme")
    raised = _said("gsettings", "get", "org.gnome.desktop.a11y.interface", "high-contrast") == "true"
    if scheme is None and not raised:
        return None
    return _named("dark" in (scheme or ""), raised)


def _of_windows() -> str | None:
    if sys.platform != "win32":
        return None
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, _WINDOWS) as key:
            light, _ = winreg.QueryValueEx(key, "AppsUseLightTheme")
    except OSError:
        return None
    return "light" if light else "dark"


def _named(dark: bool, raised: bool) -> str:
    return ("contrast_" if raised else "") + ("dark" if dark else "light")


def _said(*command: str) -> str | None:
    """What a command prints, None where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
