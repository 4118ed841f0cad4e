from __future__ import annotations

import configparser
import importlib.util
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("package_companion", ROOT / "scripts" / "package_companion.py")
assert _SPEC is not None and _SPEC.loader is not None
package_companion = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(package_companion)

STARTED = "Start application main loop"
# What a phone's tools build or copy, by the names that are imported.
ON_A_PHONE = {
    "kivy", "aiohttp", "nacl", "cffi", "_cffi_backend", "pycparser", "platformdirs", "arabic_reshaper", "bidi", "six", "markdown_it", "mdurl",
    "zeroconf", "ifaddr", "multidict", "yarl", "frozenlist", "aiosignal", "attr", "attrs", "charset_normalizer",
    "async_timeout", "idna", "propcache", "aiohappyeyeballs", "typing_extensions", "companion_app", "edge_runtime",
    "filetype", "cython_runtime", "main",
}  # fmt: skip
PHONE = f"""
import sys
known = {sorted(ON_A_PHONE)!r}
class Missing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in known and top not in sys.stdlib_module_names and not top.startswith("_"):
            raise ModuleNotFoundError(f"No module named {{top!r}} on a phone", name=top)
sys.meta_path.insert(0, Missing())
sys.path.insert(0, sys.argv[1])
import companion_app
assert companion_app.__file__.startswith(sys.argv[1]), companion_app.__file__
from companion_app.__main__ import main
sys.exit(main(["--config", sys.argv[2], "--verbose"]))
"""


def opens(command: list[str], cwd: Path) -> None:
    """Wait until the program draws its first frame, then end it."""
    environment = {**os.environ, "SDL_VIDEODRIVER": "offscreen", "LP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as program:
        assert program.stdout is not None
        said = []
        for line in program.stdout:
            said.append(line)
            if STARTED in line:
                break
        else:
            pytest.fail("".join(said)[-3000:])
        program.send_signal(signal.SIGINT)
        rest, _ = program.communicate(timeout=60)
        assert program.returncode in (0, 130), rest[-3000:]


@pytest.mark.slow  # a minute of a processor: PyInstaller follows every import
def test_the_folder_and_the_file_for_a_desktop_open_the_companion(display: None, tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller isn't installed")
    assert package_companion.desktop(tmp_path, one_file=True) == 0
    folder = tmp_path / package_companion.NAME
    assert not (folder / "_internal" / "torch").exists()
    assert list((folder / "_internal").glob("uharfbuzz*")), "what puts Indian scripts together"
    one = tmp_path / f"{package_companion.NAME}-one"
    for program in (folder / package_companion.NAME, one):
        opens([str(program), "--config", str(tmp_path / "config"), "--verbose"], tmp_path)


def test_what_goes_on_a_phone_opens_with_nothing_but_what_its_recipe_names(display: None, tmp_path: Path) -> None:
    package_companion.stage(tmp_path)
    opens([sys.executable, "-c", PHONE, str(tmp_path / "app"), str(tmp_path / "config")], tmp_path)
    assert (tmp_path / "config").is_dir()


def test_androids_recipe_asks_for_what_the_app_uses_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)  # nobody builds here
    package_companion.android(tmp_path)
    recipe = configparser.ConfigParser()
    recipe.read(tmp_path / "buildozer.spec")
    app = recipe["app"]
    assert app["version"] == package_companion.version()
    assert (tmp_path / app["source.dir"] / "main.py").is_file()
    assert {name.strip() for name in app["android.permissions"].split(",")} == {
        "INTERNET",
        "ACCESS_NETWORK_STATE",
        "CHANGE_WIFI_MULTICAST_STATE",
        "CAMERA",
    }
    wanted = {name.partition("==")[0] for name in app["requirements"].split(",")}
    with (package_companion.ROOT / "pyproject.toml").open("rb") as file:
        extra = tomllib.load(file)["project"]["optional-dependencies"]["companion"]
    named = {name.partition(">")[0].partition("[")[0] for name in extra}
    # A screen reader of a desktop, phones have their own; and what draws Indian scripts, which no recipe builds.
    assert named - {"enigma", "accesskit", "uharfbuzz"} <= wanted
    kinds = {path.suffix.lstrip(".") for path in (tmp_path / "app").rglob("*") if path.is_file()}
    assert kinds <= set(app["source.include_exts"].split(","))


def test_ioss_recipe_says_why_it_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert package_companion.ios(tmp_path) == 0
    said = capsys.readouterr().out
    with (package_companion.RECIPES / "ios.toml").open("rb") as file:
        recipe = tomllib.load(file)
    assert all(name in said for name in [*recipe["recipes"], *recipe["plist"], *recipe["missing"]])
    assert all(str(text).endswith(".") for name, text in recipe["plist"].items() if name.endswith("Description"))
    assert (tmp_path / "app" / "main.py").is_file()
