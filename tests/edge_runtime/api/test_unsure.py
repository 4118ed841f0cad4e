"""Texts that a router was unsure about, kept by a real daemon, from one run of it to the next."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest

from tests.edge_runtime import tiny
from tests.edge_runtime.conftest import StartDevice, edge
from tests.trainer_host.samples import easy_rows, write_jsonl
from trainer_host.commands import unsure as command
from trainer_host.data.questions import questions_for
from trainer_host.data.transfer import import_rows
from trainer_host.release.devices import Device, remember
from trainer_host.workspace import Workspace


@pytest.mark.parametrize("kept", [0, 20])
def test_an_owner_collects_what_a_router_doubted_and_the_queue_of_a_dataset_gets_it(
    start_device: StartDevice, state: Path, tmp_path: Path, kept: int
) -> None:
    (state / "config.toml").write_text(f"[log]\nunsure = {kept}\n")
    careful = dataclasses.replace(tiny.usable_manifest(), thresholds={"unsure": 0.9999})
    tiny.make_bundle(tmp_path / "careful.enigma", careful, seed=1)
    assert edge("install", tmp_path / "careful.enigma", "--state", state).returncode == 0
    device = start_device()
    doubted = []
    for text in [str(row["text"]) for row in easy_rows(4)] + ["!!", "?"]:
        if device.run(text).json["unsure"]:
            doubted.append(text)
    assert doubted
    assert device.get("/v1/unsure/tiny").status == 401
    device.stop()
    device = start_device()  # what is kept outlasts the daemon
    owner = {"Authorization": f"Bearer {device.token}"}
    found = device.get("/v1/unsure/tiny", **owner).json["unsure"]
    assert [one["text"] for one in found] == (list(reversed(doubted)) if kept else [])
    assert all(one.keys() == {"text", "confidence", "scores"} for one in found)
    if not kept:
        return
    workspace = Workspace(tmp_path / "host")
    import_rows(
        workspace,
        write_jsonl(tmp_path / "rows.jsonl", easy_rows(30, 9)),
        task="router",
        name="easy",
        seed=1,
        held_out=0.3,
    )
    remember(workspace, Device("kitchen", device.url, device.token, ""))
    collect(workspace, "--device", "kitchen", "--specialist", "tiny", "--known", "easy")
    waiting = {one.text for one in questions_for(workspace, "easy").waiting}
    assert waiting and waiting <= set(doubted) - {"!!", "?"}
    assert device.get("/v1/unsure/tiny", **owner).json["unsure"] == []


def collect(workspace: Workspace, *words: str) -> None:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["unsure", *words, "--home", str(workspace.home)])
    args.command(args)
