"""Listening to a pipeline's microphone over a real daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.audio.files import RATE, read_sound, write_sound
from edge_runtime.client import DeviceClient
from edge_runtime.errors import BadRequest, NotFound
from edge_runtime.pipelines.service import FOLDER

from ..conftest import StartDevice


async def test_a_microphone_is_listened_to_only_where_its_file_says_so(
    start_device: StartDevice, state: Path, tmp_path: Path
) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    (tmp_path / "a.wav").write_bytes(write_sound(tone.astype(np.float32)))
    (state / FOLDER).mkdir(parents=True)
    source = f'[source]\nkind = "microphone"\nfile = "{tmp_path / "a.wav"}"\nloop = true\n'
    for name, more in (("open", "heard = true\n"), ("private", "")):
        (state / FOLDER / f"{name}.toml").write_text(f'{source}{more}[[sinks]]\nkind = "topic"\ntopic = "x/{name}"\n')
    device = start_device()
    async with DeviceClient(device.url, device.token) as client, asyncio.timeout(120):
        listed = {each["name"]: each["heard"] for each in (await client.pipelines())["pipelines"]}  # type: ignore[attr-defined]
        assert listed == {"open": True, "private": False}
        content, captured = await client.sound("open", 1.5)
        while (sound := read_sound(content)).seconds < 1.5:  # a device that stood for a while has lost some in between
            content, captured = await client.sound("open", 1.5)
        assert sound.seconds == 1.5 and captured > 1e9
        # The file has a second of the tone and 0.3 of silence: in any second and a half most is the tone.
        assert 0.1 < float(np.sqrt(np.square(sound.samples).mean())) < 0.5
        with pytest.raises(NotFound, match="heard = true"):
            await client.sound("private")
        with pytest.raises(NotFound, match="no pipeline"):
            await client.sound("none")
        for wrong in (0.0, 61.0, float("nan")):
            with pytest.raises(BadRequest, match="seconds"):
                await client.sound("open", wrong)
    assert device.get("/v1/pipelines/open/sound").status == 401, "a program on the device needs a token too"
