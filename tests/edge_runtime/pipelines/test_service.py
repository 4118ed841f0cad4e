"""The pipelines of a device, without a daemon around them."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from edge_runtime.errors import NotFound, Overloaded
from edge_runtime.pipelines.asking import Host as AnyHost
from edge_runtime.pipelines.service import FOLDER, MOST, STOPPED_FILE, Pipelines

from .host import EVENT, Host

TICK = '[source]\nkind = "timer"\nevery_seconds = 50\n'


def made(state: Path, *names: str) -> Pipelines:
    (state / FOLDER).mkdir(exist_ok=True)
    for name in names:
        (state / FOLDER / f"{name}.toml").write_text(TICK + EVENT)
    return Pipelines(state, cast(AnyHost, Host()))


def states(pipelines: Pipelines) -> dict[str, object]:
    return {str(each["name"]): each["state"] for each in pipelines.all()}


async def test_so_many_run_and_who_is_over_that_is_told_so(tmp_path: Path) -> None:
    pipelines = made(tmp_path, *(f"p{number:02}" for number in range(MOST + 2)))
    await pipelines.start_all()
    assert sorted(states(pipelines).values()) == ["running"] * MOST + ["wrong"] * 2  # type: ignore[type-var]
    assert pipelines.all()[-1]["last_error"] == "16 pipelines run already; stop one of them."
    with pytest.raises(Overloaded, match="16 pipelines"):
        await pipelines.start("p17")
    await pipelines.stop("p03")
    assert (await pipelines.start("p17"))["state"] == "running"
    assert (await pipelines.start("p17"))["state"] == "running"  # again, in its own place
    await pipelines.close()
    assert states(pipelines)["p00"] == "stopped"


async def test_of_files_that_are_read_again_only_what_changed_begins_anew(tmp_path: Path) -> None:
    pipelines = made(tmp_path, "same", "changed", "off", "damaged", "gone", "stopped")
    await pipelines.start_all()
    await pipelines.stop("stopped")
    running = {name: entry.running for name, entry in pipelines._entries.items()}
    for name, text in {
        "changed": TICK.replace("50", "60") + EVENT,
        "off": "enabled = false\n" + TICK + EVENT,
        "damaged": "[source",
        "new": TICK + EVENT,
        "stopped": TICK.replace("50", "60") + EVENT,
    }.items():
        (tmp_path / FOLDER / f"{name}.toml").write_text(text)
    (tmp_path / FOLDER / "gone.toml").unlink()
    await pipelines.start_all()
    assert states(pipelines) == {
        "same": "running",
        "changed": "running",
        "off": "stopped",
        "damaged": "running",  # by the file before
        "new": "running",
        "stopped": "stopped",
    }
    now = {name: entry.running for name, entry in pipelines._entries.items()}
    assert {name for name, each in running.items() if now.get(name) is each} == {"same", "damaged"}
    await pipelines.close()


async def test_a_damaged_list_of_what_was_stopped_and_no_folder_hinder_nothing(tmp_path: Path) -> None:
    empty = Pipelines(tmp_path, cast(AnyHost, Host()))
    await empty.start_all()
    assert empty.all() == [] and empty.ages() == []
    with pytest.raises(NotFound, match="none yet"):
        await empty.start("tick")
    for damaged in (b"", b"{", b"[]", b'{"stopped": 5}', b'{"stopped": [5]}', b"\xff" * 100):
        pipelines = made(tmp_path, "tick")
        (tmp_path / FOLDER / STOPPED_FILE).write_bytes(damaged)
        await pipelines.start_all()
        assert states(pipelines) == {"tick": "running"}, damaged
        await pipelines.close()
    with pytest.raises(NotFound, match=r"no pipeline '\.\./x'"):
        await made(tmp_path).stop("../x")


async def test_a_pipeline_whose_file_is_gone_is_listed_and_can_be_stopped(tmp_path: Path) -> None:
    pipelines = made(tmp_path, "tick")
    await pipelines.start_all()
    (tmp_path / FOLDER / "tick.toml").unlink()
    assert states(pipelines) == {"tick": "running"}
    assert (await pipelines.stop("tick"))["state"] == "stopped"
    assert states(pipelines) == {}
