"""Pipelines of a real daemon: its folder, its API, its commands, and what is left after it was killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from edge_runtime import doctor
from edge_runtime.cli import main
from edge_runtime.client import BadRequest, DeviceClient, Forbidden, NotFound
from edge_runtime.pipelines.service import FOLDER

from ..conftest import RunningDevice, StartDevice
from .test_sources import write_video

TICK = """
[source]
kind = "timer"
every_seconds = 0.02
value = { text = "turn on the light" }
[[sinks]]
kind = "topic"
topic = "said/tick"
"""
CHAIN = """
[source]
kind = "topic"
topic = "said/#"
[[models]]
specialist = "tiny"
priority = "high"
deadline_ms = 60000
[[sinks]]
kind = "event"
every_seconds = 0
"""
Json = dict[str, object]


def states(device: RunningDevice) -> dict[str, str]:
    told = device.get("/v1/pipelines", Authorization=f"Bearer {device.token}").json["pipelines"]
    return {each["name"]: each["state"] for each in told}


async def told_by(device: RunningDevice, kind: str, **fields: object) -> Json:
    """The next event of a kind with these fields."""
    async with DeviceClient(device.url, device.token) as client, asyncio.timeout(60):
        async for event in client.events():
            if event["type"] == kind and event.items() >= fields.items():
                return event
    raise AssertionError("the device stopped")


async def test_pipelines_go_on_after_a_kill_and_what_was_stopped_stays_so_beside_files_that_are_wrong(
    start_device: StartDevice, bundles: dict[str, Path], state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install", str(bundles["v1"]), "--state", str(state)]) == 0
    folder = state / FOLDER
    folder.mkdir()
    (folder / "tick.toml").write_text(TICK)
    (folder / "chain.toml").write_text(CHAIN)
    (folder / "off.toml").write_text("enabled = false\n" + TICK)
    (folder / "wrong.toml").write_text(TICK.replace("every_seconds", "every_second"))
    (folder / "no-secret.toml").write_text(
        TICK.replace('"topic"\ntopic = "said/tick"', '"webhook"\nurl = "http://127.0.0.1:9/"\nsecret_file = "none"')
    )
    device = start_device()
    assert device.get("/readyz").status == 200 and device.run("turn on the light").status == 200
    event = await told_by(device, "pipeline", pipeline="chain")
    assert event["specialist"] == "tiny" and "label" in event["answer"] and event["model"] == "tiny"  # type: ignore[operator]
    assert states(device) == {
        "chain": "running", "tick": "running", "off": "stopped", "wrong": "wrong", "no-secret": "wrong"
    }  # fmt: skip
    metrics = device.get("/metrics").body.decode()
    assert 'enigma_pipeline_in_total{pipeline="tick"}' in metrics and 'age_seconds{pipeline="chain"}' in metrics
    assert await asyncio.to_thread(main, ["pipelines", "--state", str(state)]) == 0
    shown = capsys.readouterr().out
    assert "wrong.toml: source.every_seconds is missing." in shown and "none can't be read" in shown
    assert await asyncio.to_thread(main, ["pipelines", "stop", "tick", "--state", str(state)]) == 0
    assert capsys.readouterr().out == "tick is stopped.\n"
    await asyncio.to_thread(main, ["status", "--state", str(state)])
    shown = capsys.readouterr().out
    assert "pipeline tick (stopped)" in shown and "pipeline wrong (wrong): wrong.toml: source.every_seconds" in shown
    status = device.get("/v1/status", Authorization=f"Bearer {device.token}").json
    assert next(each for each in status["pipelines"] if each["name"] == "tick")["state"] == "stopped"
    device.kill()

    device = start_device()
    assert states(device)["chain"] == "running" and states(device)["tick"] == "stopped"
    async with DeviceClient(device.url, device.token) as client:
        assert await client.publish("said/by-hand", {"text": "play some jazz"}) == 1
        event = await told_by(device, "pipeline", pipeline="chain")
        assert event["sequence"] == 1 and event["age_ms"] < 20_000  # type: ignore[operator]
        (folder / "wrong.toml").write_text(TICK)
        assert (await client.start_pipeline("wrong"))["state"] == "running"
        assert (await client.start_pipeline("tick"))["state"] == "running"
        (folder / "tick.toml").write_text("[source]\n")
        with pytest.raises(BadRequest, match=r"tick\.toml: source\.kind is missing"):
            await client.start_pipeline("tick")  # which goes on by the file that it has read
        with pytest.raises(NotFound, match="no pipeline 'none'"):
            await client.stop_pipeline("none")
        for wrong in ("a b", "#"):
            with pytest.raises(BadRequest, match="topic"):
                await client.publish(wrong, {})
    assert states(device)["tick"] == "running" and json.loads((folder / "stopped.json").read_text()) == {"stopped": []}
    owner = {"Authorization": f"Bearer {device.token}"}
    early, never = ({"topic": "a", "value": {}, "captured": at} for at in (5, 10**400))
    for body in ({"topic": "a"}, {"topic": "a", "value": 1}, early, never):
        assert device.request("POST", "/v1/topics", body, owner).status == 400, body
    made = device.request("POST", "/v1/tokens", {"name": "x", "scope": "operator", "only": ["tiny"]}, owner).json
    async with DeviceClient(device.url, made["token"]) as client:
        with pytest.raises(Forbidden, match="may reach any specialist"):
            await client.publish("said/x", {})
    assert device.stop() == 0 and "Traceback" not in device.log


def test_without_a_daemon_files_are_listed_checked_and_tried(
    bundles: dict[str, Path], state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def edge(*arguments: str) -> tuple[int, str, str]:
        status = main([*arguments, "--state", str(state)])
        said = capsys.readouterr()
        return status, said.out, said.err

    assert edge("install", str(bundles["v1"]))[0] == 0
    (state / FOLDER).mkdir()
    (state / FOLDER / "tick.toml").write_text(TICK)
    (state / FOLDER / "wrong.toml").write_text("x = 1")
    _, listed, _ = edge("pipelines")
    assert "tick                 not running" in listed and "wrong.toml: source is missing." in listed
    (state / FOLDER / "cam.toml").write_text('[source]\nkind = "camera"\ndevice = "0"\n[[sinks]]\nkind = "event"\n')
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    findings = {each.what: (each.level, each.says, each.mend) for each in doctor._pipelines(state)}
    assert findings["pipeline tick"][:2] == ("ok", "from timer") and findings["pipeline wrong"][0] == "bad"
    assert findings["pipeline cam"] == ("bad", "cameras need OpenCV", "pip install 'enigma[camera]'")
    monkeypatch.undo()
    path = state.parent / "try.toml"
    timer = '[source]\nkind = "timer"\nevery_seconds = 0.01\ncount = 3\nvalue = { text = "play some jazz" }\n'
    path.write_text(
        timer + '[[models]]\nspecialist = "tiny"\n[[models]]\nspecialist = "absent"\n'
        '[[sinks]]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\n'
    )
    status, checked, _ = edge("pipelines", "check", str(path))
    assert status == 0 and "try: timer -> tiny, absent -> webhook" in checked
    assert "absent isn't installed in" in checked and "tiny isn't installed" not in checked
    assert "pipelines start try" in checked
    status, shown, said = edge("pipelines", "run", str(path))
    answers = [json.loads(line) for line in shown.splitlines()]
    assert status == 0 and len(answers) == 3
    assert all(each["model"] == "tiny" and "label" in each["answer"] for each in answers)
    assert "There is no specialist 'absent'" in said and "3 in, 0 dropped, 3 out" in said  # and nothing was posted
    assert "webhook" not in said
    path.write_text("kind = 1")
    for arguments, why in (
        (("check", str(path)), "try.toml: source is missing."),
        (("run", str(path)), "try.toml: source is missing."),
        (("check",), "Say which"),
        (("start", "tick"), "No daemon runs"),
    ):
        status, _, said = edge("pipelines", *arguments)
        assert status == 1 and why in said, arguments


async def test_a_camera_is_looked_at_only_where_its_file_says_so(
    start_device: StartDevice, state: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cv2")
    write_video(tmp_path / "a.avi")
    (state / FOLDER).mkdir(parents=True)
    source = f'[source]\nkind = "camera"\nfile = "{tmp_path / "a.avi"}"\nloop = true\nfps = 1\n'
    for name, more in (("open", "shown = true\n"), ("private", "")):
        (state / FOLDER / f"{name}.toml").write_text(f'{source}{more}[[sinks]]\nkind = "topic"\ntopic = "x/{name}"\n')
    device = start_device()
    async with DeviceClient(device.url, device.token) as client, asyncio.timeout(60):
        listed = {each["name"]: each["shown"] for each in (await client.pipelines())["pipelines"]}  # type: ignore[attr-defined]
        assert listed == {"open": True, "private": False}
        found = None
        while found is None:
            try:
                found = await client.picture("open")
            except NotFound as nothing:  # the first picture takes a moment
                assert "no picture yet" in str(nothing)
                await asyncio.sleep(0.02)
        content, tag, captured = found
        assert content.startswith(b"\xff\xd8\xff") and len(content) < 20_000 and captured > 1e9
        seen = {tag}
        for _ in range(40):  # asked much more often than pictures are made
            newer = await client.picture("open", tag)
            if newer is not None:
                tag = newer[1]
                seen.add(tag)
        assert len(seen) < 20
        with pytest.raises(NotFound, match="shown = true"):
            await client.picture("private")
        with pytest.raises(NotFound, match="no pipeline"):
            await client.picture("none")
    assert device.get("/v1/pipelines/open/picture").status == 401, "a program on the device needs a token too"
