"""What other servers were seen to do, each by its name, held against this one; docs/serving.md lists the tests elsewhere."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edge_runtime.addresses import is_loopback
from edge_runtime.config import Config, parse_listen
from edge_runtime.engines import BY_SUFFIX, Engine, available_runtimes, open_engine
from edge_runtime.identity import tokens
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import Grant
from edge_runtime.pipelines.declare import Microphone
from edge_runtime.pipelines.sources import open_source
from edge_runtime.pipelines.topics import Topics
from edge_runtime.serving.turns import Turns
from edge_runtime.serving.worker import Answer, Worker
from tests.edge_runtime import tiny
from tests.edge_runtime.conftest import StartDevice
from tests.edge_runtime.pipelines.host import EVENT, Host, Kept, pipeline, running, until
from tests.edge_runtime.serving.test_batching import Rows, Summed, row


async def test_mlserver_1306_an_output_that_loses_its_rows_is_never_dealt_out() -> None:
    """There the first client got all answers, and the others none: here such a run is done again, one by one."""
    engine = Rows(lambda x: x.sum(axis=1) if len(x) == 1 else x.sum(axis=1)[:-1])
    worker = Worker("s", Summed(engine), 64, lambda: None, Turns(1), cast(Engine, engine), 8)
    engine.gate.clear()
    asking = [asyncio.create_task(worker.run(row(number), 60)) for number in range(4)]
    await asyncio.sleep(0)
    engine.gate.set()
    found = cast("list[Answer]", await asyncio.gather(*asking))
    assert [each.value for each in found] == [{"sum": number + 1.0} for number in range(4)]
    assert max(engine.runs) > 1
    worker.stop()


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_onnxruntime_11841_no_model_brings_threads_that_could_spin(tmp_path: Path, suffix: str) -> None:
    """openpilot#22736, headroom#2540, rf-detr#1456: pools of several models spin beside one another."""
    if not any(name in available_runtimes() for name in BY_SUFFIX[suffix]):
        pytest.skip("no runtime for this format here")
    pytest.importorskip("onnx" if suffix == ".onnx" else "flatbuffers")
    path, names = tmp_path / f"m{suffix}", ({}, {})  # type: tuple[Path, tuple[dict[str, str], dict[str, str]]]
    if suffix == ".onnx":
        tiny.write_wide_onnx(path, hidden=256)
    else:
        tiny.write_tflite(path, 1)
        names = {"tokens": "args_0"}, {"probabilities": "output_0"}
    tokens_in = {"tokens": np.ones([1, tiny.FEATURES.length], np.int32)}
    engines = [open_engine(path, 1, None, *names)]  # the first one also loads the runtime
    engines[0].run(tokens_in)
    before = len(list(Path("/proc/self/task").iterdir()))
    engines += [open_engine(path, 1, None, *names) for _ in range(3)]
    for engine in engines:
        engine.run(tokens_in)
    assert len(list(Path("/proc/self/task").iterdir())) <= before  # one of before may have ended
    for engine in engines:
        engine.close()


def test_bentoml_3434_a_device_that_says_ready_has_loaded_and_asked_its_models(
    start_device: StartDevice, two_versions: Path
) -> None:
    """roboflow/inference#383, PR#2263: there the first request loads, or fetches, the model."""
    device = start_device()
    while device.get("/readyz").status != 200:
        assert device.process.poll() is None
    (model,) = device.get("/v1/models").json["models"]
    assert (model["name"], model["asleep"]) == ("tiny", False)
    assert 'enigma_model_loads{specialist="tiny"} 1' in device.get("/metrics").body.decode()
    assert device.run("play some jazz").status == 200
    assert 'enigma_model_loads{specialist="tiny"} 1' in device.get("/metrics").body.decode()


def test_litert_lm_serve_is_open_to_the_network_and_this_listens_to_its_own_machine() -> None:
    assert is_loopback(parse_listen(Config().server.listen)[0])


def test_litserve_compares_keys_by_their_first_difference_and_this_all_of_every_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, compared = tokens.TokenStore(IdentityFolder(tmp_path)), list[tuple[str, str]]()
    given = [store.add(f"p{number}", Grant("viewer")) for number in range(3)]
    usual = tokens.hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append((one, other))
        return usual(one, other)

    monkeypatch.setattr(tokens.hmac, "compare_digest", counted)
    for token in (*given, "enigma_wrong"):
        compared.clear()
        store.find(token)
        assert len(compared) == 3 and all(len(one) == len(other) == 64 for one, other in compared)


ARECORD = """#!/bin/sh
{ignores}
i=0
while [ $i -lt {pieces} ]; do
    head -c 1600 /dev/zero
    head -c {says} /dev/zero | tr '\\0' '!' >&2
    i=$((i + 1))
done
echo " the device is gone" >&2
{ends}
"""


def recorder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pieces: int, says: int = 1, ends: str = "exit 1", ignores: str = ""
) -> Microphone:
    """A microphone whose program gives so many pieces of sound, complains with each, and ends or hangs."""
    program = folder / "arecord"
    program.write_text(ARECORD.format(pieces=pieces, says=says, ends=ends, ignores=ignores))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Microphone("", None, False, False)


MICROPHONE = '[source]\nkind = "microphone"\nretry_seconds = 0.01\nretry_most_seconds = 0.02\nquiet_seconds = {quiet}\n'


async def test_wyoming_satellite_78_a_microphone_that_complains_all_the_time_is_heard_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that nobody reads holds 64 kB, which a recorder on a busy machine fills with its overruns in some hours."""
    kept, source = 0, open_source(recorder(tmp_path, monkeypatch, 40, says=4_000), Topics()).items()
    with pytest.raises(Exception, match="the device is gone"):
        async for item in source:
            kept = item.sequence
    assert kept >= 38  # the shell's pieces may be joined


async def test_wyoming_satellite_274_a_microphone_that_hangs_is_ended_and_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = recorder(tmp_path, monkeypatch, 2, ends="exec sleep 600")
    kept = Kept()
    opened = running(pipeline(MICROPHONE.format(quiet=1) + EVENT), Host(), open_source(declared, Topics()), kept)
    task = asyncio.create_task(opened.run())
    await until(lambda: opened.restarts >= 1)
    heard = len(kept.items)
    await until(lambda: len(kept.items) > heard)
    assert "still hangs" not in str(opened.plain()["last_error"])
    task.cancel()
    await asyncio.wait([task], timeout=60)


async def test_frigate_9382_a_source_that_fails_again_and_again_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There each restart of a camera kept memory: here no process, no thread, no open file and no task stays."""
    declared = recorder(tmp_path, monkeypatch, 1)
    opened = running(pipeline(MICROPHONE.format(quiet=0) + EVENT), Host(), open_source(declared, Topics()), Kept())
    before: Mapping[str, int] = {}
    task = asyncio.create_task(opened.run())
    for restarts in (3, 20):
        await until(lambda wanted=restarts: opened.restarts >= wanted)  # type: ignore[misc]
        before = before or left()
    task.cancel()
    await asyncio.wait([task], timeout=60)
    after = left()
    assert all(after[what] <= before[what] for what in after), (before, after)


def left() -> Mapping[str, int]:
    """What this process holds."""
    return {
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": sum(thread.name.startswith("pipeline-") for thread in threading.enumerate()),
        "processes": sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children")),
        "tasks": len(asyncio.all_tasks()),
    }
