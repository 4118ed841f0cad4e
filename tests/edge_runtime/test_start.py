"""What a daemon that serves one bundle loads: each module costs every start some time, and memory until its end."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from .conftest import edge, edge_environment

# Starts a daemon, asks it once when it is ready, and prints what is loaded then.
_SCRIPT = """
import http.client, json, os, signal, sys, threading
from pathlib import Path
from edge_runtime import cli
from edge_runtime.serving import memory

state = Path(sys.argv[1])

def ask():
    try:
        asked = http.client.HTTPConnection("127.0.0.1", int((state / "port").read_text()), timeout=60)
        statuses, known = [], []
        for method, path in (("POST", "/v1/run/tiny"), ("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/v1/nothing")):
            asked.request(method, path, b'{"text": "light"}', {"Content-Type": "application/json"})
            answer = asked.getresponse()
            answer.read()
            statuses.append(answer.status)
            known = known + [sorted(sys.modules)]
        print(json.dumps([statuses, *known[-2:]]))
    finally:
        os.kill(os.getpid(), signal.SIGTERM)

memory.settle = threading.Thread(target=ask).start
sys.exit(cli.main(["run", "--state", str(state), "--listen", "127.0.0.1:0", "--port-file", str(state / "port")]))
"""
# Only who is asked for it, or has it in the configuration, pays for it.
LATER = (
    "aiohttp.client",
    "aiohttp.connector",
    "edge_runtime.api.listen",
    "edge_runtime.api.manage",
    "edge_runtime.api.openai",
    "edge_runtime.api.openai_audio",
    "edge_runtime.api.openai_embeddings",
    "edge_runtime.api.openai_wire",
    "edge_runtime.api.openapi",
    "edge_runtime.api.pipelines",
    "edge_runtime.api.updates",
    "edge_runtime.audio",
    "edge_runtime.client",
    "edge_runtime.discovery",
    "edge_runtime.doctor",
    "edge_runtime.identity.handshake",
    "edge_runtime.identity.pairing",
    "edge_runtime.identity.spake2",
    "edge_runtime.language",
    "edge_runtime.pipelines.declare",
    "edge_runtime.pipelines.items",
    "edge_runtime.pipelines.topics",
    "edge_runtime.presence",
    "edge_runtime.serving.streaming",
    "edge_runtime.update.agent",
    "edge_runtime.update.tuf.client",
    *(("numpy.random",) if int(version("numpy").split(".")[0]) >= 2 else ()),  # numpy 1 imports it by itself
    "html.entities",
    "urllib.request",
)
MAIL = "email._header_value_parser"  # aiohttp's way to answer at an address that there isn't reads its own head with it
OTHERS = frozenset({"brotli", "cryptography", "opentelemetry", "PIL", "psutil", "pydantic", "torch", "zeroconf"})


def test_a_daemon_that_serves_one_bundle_loads_nothing_that_it_has_no_use_for(
    state: Path, bundles: dict[str, Path]
) -> None:
    installed = edge("install", bundles["v1"], "--state", state)
    assert installed.returncode == 0, installed.stderr
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, state], env=edge_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    statuses, before, loaded = json.loads(done.stdout)
    assert statuses == [200, 200, 200, 404], done.stderr
    assert [name for name in loaded if name in LATER or name.startswith(tuple(f"{each}." for each in LATER))] == []
    assert MAIL not in before
    assert {name.partition(".")[0] for name in loaded} & OTHERS == set()
    assert len({"onnxruntime", "ai_edge_litert", "tflite_runtime"}.intersection(loaded)) == 1
