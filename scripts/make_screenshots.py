"""Makes `docs/images/screens/`: each screen of the companion on a phone, dark, beside a desktop, light; by `make screenshots`.

What they show comes from the tests' furnished app, without a device or a host: examples.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script
os.environ.setdefault("SDL_VIDEODRIVER", "offscreen")
os.environ.setdefault("LP_NUM_THREADS", "1")

OUT = ROOT / "docs" / "images" / "screens"
PHONE, DESKTOP = (420, 800), (1100, 700)
GAP, GREY, COLOURS = 24, "#8A8F98", 128


async def main() -> None:
    """One picture per screen."""
    from PIL import Image

    from tests.companion_app import window

    window.open_display()
    from companion_app.app import SCREENS, Options
    from tests.companion_app.furnished import furnish, furnish_signatures, furnish_training
    from tests.companion_app.picture_words import PEOPLE

    again = {
        "train": partial(furnish_training, words=PEOPLE),
        "data": partial(furnish_training, words=PEOPLE),
        "sign": furnish_signatures,
    }
    OUT.mkdir(parents=True, exist_ok=True)
    made: dict[str, list[Image.Image]] = {screen.value: [] for screen in SCREENS}
    with tempfile.TemporaryDirectory() as folder:
        options = Options(config=Path(folder))
        async with window.opened(options, PHONE) as driver:
            furnish(driver.app.store, PEOPLE)
            for size, theme in ((PHONE, "dark"), (DESKTOP, "light")):
                await driver.resize(*size)
                driver.app.choosing.change(theme=theme, language="en")
                for screen in SCREENS:
                    driver.app.open(screen)
                    await driver.settle()
                    if screen.value in again:
                        again[screen.value](driver.app.store)  # what no host answered
                    await driver.settle()
                    made[screen.value].append(driver.picture())  # type: ignore[arg-type]
    for name, (phone, desktop) in made.items():
        height = max(phone.height, desktop.height) + 2 * GAP
        picture = Image.new("RGB", (phone.width + desktop.width + 3 * GAP, height), GREY)
        picture.paste(phone, (GAP, GAP))
        picture.paste(desktop, (phone.width + 2 * GAP, GAP))
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(OUT / f"{name}.png", optimize=True)
    for old in OUT.glob("*.png"):
        if old.stem not in made:
            old.unlink()
    print(f"{len(made)} pictures in {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    asyncio.run(main())
