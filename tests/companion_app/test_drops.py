"""Row S029: files that fall on the window, by a real host: what is good becomes a dataset, all else is one sentence."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp.web import Request

from companion_app.state.upkeep import Dropped, DropStage
from tests.trainer_host.server.conftest import serving
from tests.trainer_host.server.test_imports import ROWS, jsonl, packed
from trainer_host.data.dataset import open_dataset
from trainer_host.server import imports
from trainer_host.server.run import pairing_code
from trainer_host.workspace import Workspace

from . import window
from .test_teaching_flow import pick

if TYPE_CHECKING:
    from companion_app.app import Options

CSV = b"text,label\n" + b"".join(f"{row['text']} again,{row['label']}\n".encode() for row in ROWS)
PATIENCE = 120.0


def book() -> bytes:
    """Words enough for a base model's dataset."""
    chance = random.Random(5)
    words = ["".join(chance.choices("abdegilmnorstu", k=6)) for _ in range(3000)]
    return "\n\n".join("\n".join(" ".join(chance.choices(words, k=8)) for _ in range(40)) for _ in range(16)).encode()


async def test_what_falls_on_the_window_is_looked_at_and_added_or_refused_in_a_sentence(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, files = Workspace(tmp_path / "home"), tmp_path / "files"
    files.mkdir()
    async with serving(home) as host, window.opened(options) as driver:
        store = driver.app.store
        driver.app.hosting.pair(host.url, pairing_code(home, "owner"))
        await driver.until(lambda: store.state.host and store.state.host.offer.tasks, "the host", PATIENCE)

        async def dropped(name: str, content: bytes, size: int | None = None) -> Dropped:
            """What the app shows of a file that was dropped."""
            (files / name).write_bytes(content)
            if size is not None:
                with (files / name).open("r+b") as file:
                    file.truncate(size)  # sparse: it takes no room
            await driver.drop(files / name)
            await driver.until(
                lambda: store.state.upkeep.dropped.stage in (DropStage.SEEN, DropStage.FAILED), name, PATIENCE
            )
            return store.state.upkeep.dropped

        for name, content, rows in (
            ("mails.jsonl", jsonl(ROWS), 40),
            ("more.csv", CSV, 40),
            ("all.zip", packed({"a/third.csv": b"text,label\na third of them,refund\n", "x.exe": b"MZ"}), 1),
        ):
            seen = await dropped(name, content)
            assert (seen.stage, seen.rows, seen.texts) == (DropStage.SEEN, rows, 0), seen
            row = driver.find_all("FileRow")[0]
            assert row.about == (f"{rows} rows" if rows > 1 else "1 row") and row.sample
            await driver.write(driver.app.screen.ids.dataset.entry, "mails")
            await pick(driver, driver.app.screen.ids.task, "router")
            await driver.touch(driver.find("Act", text="Add to the dataset"))
            await driver.until(
                lambda: store.state.upkeep.dropped.stage is DropStage.DONE, f"the rows of {name}", PATIENCE
            )
            assert driver.find_all("Note", tone="good")[0].text == store.state.upkeep.dropped.said != ""
        dataset = open_dataset(home.dataset("mails"))
        assert sum(1 for split in ("train", "heldout") for _ in dataset.rows(split)) == 81
        for name in ("notes.txt", "book.md"):
            seen = await dropped(name, book())
            assert (seen.stage, seen.rows) == (DropStage.SEEN, 0) and seen.texts > 0
            await driver.write(driver.app.screen.ids.dataset.entry, Path(name).stem)
            await driver.touch(driver.find("Act", text="Add to the dataset"))
            await driver.until(
                lambda: store.state.upkeep.dropped.stage is DropStage.DONE, f"the text of {name}", PATIENCE
            )
            assert open_dataset(home.dataset(Path(name).stem)).task == "base"

        before = sorted(path for path in tmp_path.rglob("*"))
        for name, content, size, says in (
            ("slip.zip", packed({"../../evil.txt": b"x"}), None, "outside of its folder"),
            ("broken.zip", b"PK\x03\x04 no more", None, "can't be unpacked"),
            ("bad.jsonl", b"{not json}\n", None, "line 1"),
            ("bad.csv", b"\xff\xfe\x00", None, "UTF-8"),
            ("notes.md", b"\x00\x01", None, "not text"),
            ("empty.txt", b"", None, "is empty"),
            ("huge.csv", b"text,label\n", 2**30, "1,024 MB"),
        ):
            refused = await dropped(name, content, size)
            assert refused.stage is DropStage.FAILED and says in refused.said, refused
            assert driver.find_all("Note", tone="bad")[0].text == refused.said and "\n" not in refused.said
            assert driver.app.screen.ids.dataset.text != "evil" and not driver.clipped()
        assert {path.name for path in tmp_path.rglob("*")} - {path.name for path in before} <= {
            "slip.zip", "broken.zip", "bad.jsonl", "bad.csv", "notes.md", "empty.txt", "huge.csv", "imports"
        }  # fmt: skip
        assert sorted(path.name for path in home.data.iterdir()) == ["book", "mails", "notes"]

        # The window goes on while a file is sent: the host reads on only once it has drawn more frames.
        from kivy.clock import Clock

        plain, held = imports._blocks, []

        async def slowly(request: Request) -> AsyncIterator[bytes]:
            async for block in plain(request):
                held.append(Clock.frames)
                while Clock.frames < held[-1] + 3:  # noqa: ASYNC110 - Kivy tells nobody that a frame is done
                    await asyncio.sleep(0.005)
                yield block

        monkeypatch.setattr(imports, "_blocks", slowly)
        assert (await dropped("long.txt", book() * 60)).stage is DropStage.SEEN
        assert len(held) >= 3
