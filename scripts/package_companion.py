"""Packs the companion: a folder for a desktop, and what Android's and iOS's tools make an app of.

    python scripts/package_companion.py desktop [--out build]     # a folder with the program; PyInstaller makes it
    python scripts/package_companion.py desktop --one-file        # that, and a single file that unpacks itself at each start
    python scripts/package_companion.py android [--out build]     # then buildozer, where it is installed
    python scripts/package_companion.py ios [--out build]         # then says what is to be typed on a Mac

A desktop's folder or file runs on the system that it was made on. Android's and iOS's own kits aren't part of any of this.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPES = Path(__file__).with_name("packaging")
NAME = "enigma-companion"
PACKAGES = ("companion_app", "edge_runtime")
KEPT = {".py", ".kv", ".json", ".png", ".ttf", ".mo"}
# Pure Python, so that a phone's tools only copy them; python-bidi from 0.5 on isn't. The last ones are aiohttp's.
PURE = (
    "platformdirs", "arabic-reshaper", "python-bidi==0.4.2", "six", "markdown-it-py", "mdurl", "zeroconf", "ifaddr",
    "multidict", "yarl", "frozenlist", "aiosignal", "attrs", "charset-normalizer", "async-timeout", "idna",
)  # fmt: skip
MAIN = '"""Where a phone begins."""\n\nimport sys\n\nfrom companion_app.__main__ import main\n\nsys.exit(main([]))\n'


def main() -> int:
    """One of the three."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", choices=("desktop", "android", "ios"))
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="where it is put (default: build)")
    parser.add_argument("--one-file", action="store_true", help="desktop: make a single file, too")
    args = parser.parse_args()
    out = args.out.absolute() / args.target
    if args.target == "desktop":
        return desktop(out, args.one_file)
    return {"android": android, "ios": ios}[args.target](out)


def desktop(out: Path, one_file: bool = False) -> int:
    """`out`/enigma-companion, a folder; its program of the same name opens the window, and so does `out`/enigma-companion-one."""
    # Kivy's hooks open a window to see what it needs; nobody has to see that.
    environment = {"SDL_VIDEODRIVER": "offscreen", "KIVY_NO_ARGS": "1", "KIVY_HOME": str(out / "kivy"), **os.environ}
    environment["COMPANION_ONE_FILE"] = "1" if one_file else ""
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", str(out), "--workpath", str(out / "work"), str(RECIPES / "desktop.spec")]
    done = subprocess.run(command, env=environment, check=False)
    shutil.rmtree(out / "work", ignore_errors=True)
    if done.returncode:
        sys.stderr.write("PyInstaller failed, see above; it is installed by: pip install pyinstaller\n")
        return 1
    sys.stdout.write(f"{out / NAME / NAME} opens the companion; copy its whole folder.\n")
    if one_file:
        sys.stdout.write(f"{out / NAME}-one does so too; it is all in one file.\n")
    return 0


def android(out: Path) -> int:
    """`out`/app and buildozer.spec; then an .apk where buildozer is installed."""
    stage(out)
    recipe = (RECIPES / "buildozer.spec").read_text(encoding="utf-8")
    recipe = recipe.replace("@version@", version()).replace("@pure@", ",".join(PURE))
    (out / "buildozer.spec").write_text(recipe, encoding="utf-8")
    if shutil.which("buildozer") is None:
        sys.stdout.write(
            f"{out} holds the app and its buildozer.spec. To build it: pip install buildozer, then in that folder: "
            "buildozer android debug (it fetches Android's SDK and NDK).\n"
        )
        return 0
    return subprocess.run(["buildozer", "android", "debug"], cwd=out, check=False).returncode


def ios(out: Path) -> int:
    """`out`/app, and the commands that a Mac goes on with."""
    stage(out)
    with (RECIPES / "ios.toml").open("rb") as file:
        recipe = tomllib.load(file)
    lines = [
        f"{out / 'app'} is the app. On a Mac with Xcode, after: pip install kivy-ios",
        f"  toolchain build {' '.join(recipe['recipes'])}",
        f"  toolchain pip install aiohttp {' '.join(PURE)}",
        f"  toolchain create Enigma {out / 'app'}",
        f"Add to Info.plist: {', '.join(recipe['plist'])}; the texts are in scripts/packaging/ios.toml.",
        f"kivy-ios has no recipe for {' and '.join(recipe['missing'])}: without one the app doesn't start.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def stage(out: Path) -> None:
    """`out`/app: main.py and the packages that the companion is made of, with what lies beside their code."""
    shutil.rmtree(out / "app", ignore_errors=True)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in KEPT and path.is_file() and "__pycache__" not in path.parts:
                target = out / "app" / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    (out / "app" / "main.py").write_text(MAIN, encoding="utf-8")


def version() -> str:
    """Of Enigma."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


if __name__ == "__main__":
    sys.exit(main())
