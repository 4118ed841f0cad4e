"""What the system says of its theme, and what local-only mode closes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from companion_app.services import system_theme
from companion_app.state.preferences import Preferences, scale_from, theme_of
from companion_app.theme.tokens import THEMES


@pytest.mark.parametrize(
    ("scheme", "raised", "theme"),
    [
        ("'prefer-dark'", "false", "dark"),
        ("'default'", "false", "light"),
        ("'default'", "true", "contrast_light"),
        ("'prefer-dark'", "true", "contrast_dark"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems are asked in other ways")
def test_the_theme_of_the_desktop_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, raised: str, theme: str
) -> None:
    script = tmp_path / "gsettings"
    script.write_text(f'#!/bin/sh\ncase "$3" in color-scheme) echo "{scheme}";; *) echo {raised};; esac\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "GNOME")
    assert system_theme.system_theme() == theme
    assert theme in THEMES and theme_of(Preferences(), theme) == theme
    assert theme_of(Preferences("light"), theme) == "light"
    script.write_text("#!/bin/sh\nexit 1\n")
    assert system_theme.system_theme() is None, "it isn't known"
    monkeypatch.delenv("XDG_CURRENT_DESKTOP")
    assert system_theme.system_theme() is None, "outside of a desktop nobody is asked"


def test_scales_have_bounds() -> None:
    assert [scale_from(value) for value in (0.1, 9, 1.5, None, float("nan"), True, 10**400)] == [
        0.8, 3.0, 1.5, 1.0, 1.0, 1.0, 1.0,
    ]  # fmt: skip


def test_local_only_closes_what_is_far_and_is_remembered(tmp_path: Path) -> None:
    """In a process of its own: nothing takes it back."""
    code = """
import socket, sys
from pathlib import Path
from companion_app.services.remember import Memory
from companion_app.start import Options, Services
services = Services(Options(config=Path(sys.argv[1])))
services.choosing.change(local_only=True)
assert Memory(Path(sys.argv[1])).settings().preferences.local_only
socket.socket().connect_ex(("127.0.0.1", 9))
try:
    socket.create_connection(("93.184.215.14", 443), 1)
except PermissionError as refused:
    assert "local-only" in str(refused)
else:
    raise SystemExit("it went out")
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
