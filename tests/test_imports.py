"""Who may import whom, what a device needs to import, and how fast the commands answer."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("edge_runtime", "trainer_host", "companion_app", "firmware_bridge")
# Package -> which of ours it may import besides itself (a module stands for itself and what is in it).
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "edge_runtime": (),
    "trainer_host": ("edge_runtime",),
    "companion_app": (
        "edge_runtime.client",
        "edge_runtime.bundle",
        "edge_runtime.local_only",
        "edge_runtime.server_sent",  # how a stream of answers is read, from a device and from a host alike
        "edge_runtime.tasks.knobs",  # what "be more creative" turns: rules without I/O, the same wherever it is said
        "edge_runtime.addresses",
        "edge_runtime.strict_json",  # what a number of JSON is that can be worked with: rules without I/O
        "edge_runtime.identity.grants",  # which scope reaches as far as which
        "edge_runtime.discovery",
        "edge_runtime.__version__",
        "edge_runtime.update.desired",  # which devices a query means, and what a condition is: rules without I/O
        "edge_runtime.update.conditions",
        "edge_runtime.update.reach",  # newer versions of the app come from the repository that devices follow
        "edge_runtime.update.source",
        "edge_runtime.update.cosign",  # the phone's half of a signature, without I/O: written once, for whatever signs
    ),
    "firmware_bridge": (),
}
# What a package must not import from others, and why it hurts: see "Folders and who may import whom" in the
# architecture. The device is the strict one: an allow-list.
NEVER: dict[str, frozenset[str]] = {
    "companion_app": frozenset({"torch", "onnxruntime", "onnx", "kivymd"}),
    "firmware_bridge": frozenset({"torch", "aiohttp"}),
    "trainer_host": frozenset({"kivy", "tensorflow"}),
}
BUT = {  # lazily
    ("firmware_bridge", "device.py", "aiohttp"),  # what ROS 2 asks of the device's API
    ("firmware_bridge", "rosbridge_link.py", "aiohttp"),
}
DEVICE_NEEDS = frozenset({"numpy", "aiohttp", "yarl", "nacl"})  # yarl: aiohttp's own addresses
DEVICE_RUNTIMES = frozenset({"onnxruntime", "ai_edge_litert", "tflite_runtime"})
DEVICE_MEDIA = frozenset({"PIL", "manifold3d"})  # what draws and builds, where a device has it
DEVICE_DISCOVERY = frozenset({"zeroconf", "ifaddr"})  # what finds others on the network, where a device has it
DEVICE_TRACES = frozenset({"opentelemetry"})  # what tells a collector, where a device has it and one is named
DEVICE_BROKER = frozenset({"aiomqtt", "paho"})  # what speaks to a broker, where a device has it and one is named
DEVICE_TEMPLATES = frozenset({"jinja2"})  # what renders the chat template of a person's own .gguf file
DEVICE_QR = frozenset({"segno"})  # what draws a pairing's code
DEVICE_DOCUMENTS = frozenset({"safetensors", "pypdf"})  # what reads vectors of words and PDF, where a device has it
HELP_SECONDS = 0.3
NOISE = 2.0  # a test machine may be that much slower


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(full name, lazy) of every import outside `if TYPE_CHECKING`; lazy means inside a function."""

    def visit(node: ast.AST, lazy: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                yield from visit(child, lazy)
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, lazy
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = path.relative_to(ROOT).with_suffix("").parts
                parent = ".".join(base[: len(base) - node.level])
                module = f"{parent}.{node.module}" if node.module else parent
            else:
                module = node.module or ""
            for alias in node.names:
                yield f"{module}.{alias.name}", lazy
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8"), str(path)), False)


def within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == entry or name.startswith(f"{entry}.") for entry in allowed)


@pytest.mark.parametrize("package", OURS)
def test_our_packages_import_only_downwards(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules(package)
        for name, _ in imports(path)
        if name.split(".")[0] in OURS and name.split(".")[0] != package and not within(name, MAY_IMPORT[package])
    ]
    assert wrong == []


@pytest.mark.parametrize("package", sorted(NEVER))
def test_what_a_package_must_not_pull_in(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules(package)
        for name, lazy in imports(path)
        if name.split(".")[0] in NEVER[package] and not (lazy and (package, path.name, name) in BUT)
    ]
    assert wrong == []


def test_the_device_imports_three_packages_and_others_only_where_they_belong_and_lazily() -> None:
    wrong: list[str] = []
    for path in modules("edge_runtime"):
        for name, lazy in imports(path):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top in DEVICE_NEEDS or top == "edge_runtime":
                continue
            if top in DEVICE_RUNTIMES and lazy and path.parent.name == "engines":
                continue
            if top in DEVICE_MEDIA and lazy and path.parent.name == "media":
                continue
            if top in DEVICE_DISCOVERY and path.name == "discovery.py":
                continue
            if top in DEVICE_TRACES and lazy and path.name == "tracing.py":
                continue
            if top in DEVICE_BROKER and lazy and path.parent.name == "presence":
                continue
            if top in DEVICE_QR and lazy and path.name == "invitation.py":
                continue
            if top in DEVICE_DOCUMENTS and lazy and path.parent.name == "documents":
                continue
            if top in DEVICE_TEMPLATES and lazy and path.name == "jinja_sandbox.py":
                continue
            if top == "cryptography" and lazy and path.name == "verifiers.py":  # the TUF conformance suite's keys
                continue
            if top == "llguidance" and lazy and path.name == "grammar.py":  # optional: there is a way without it
                continue
            wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert wrong == []


_BARE = """
import importlib.abc, pkgutil, sys
class Guard(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {banned!r}:
            raise ImportError("not on a device: " + name)
sys.meta_path.insert(0, Guard())
import edge_runtime
for info in pkgutil.walk_packages(edge_runtime.__path__, "edge_runtime."):
    __import__(info.name)
print(*sorted(name for name in sys.modules if name.split(".")[0] in {heavy!r}))
"""


def test_every_module_of_the_device_imports_without_any_runtime() -> None:
    banned = sorted(
        DEVICE_RUNTIMES
        | DEVICE_MEDIA
        | DEVICE_DISCOVERY
        | DEVICE_TRACES
        | DEVICE_QR
        | DEVICE_DOCUMENTS
        | DEVICE_TEMPLATES
        | {"torch", "rich", "platformdirs", "hassil", "onnx", "kivy", "pydantic"}
    )
    script = _BARE.format(banned=banned, heavy=banned)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def _loaded_by(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_client_loads_neither_numpy_nor_aiohttp() -> None:
    """The companion imports it while its window opens."""
    assert _loaded_by("import edge_runtime.client") & {"numpy", "aiohttp", "nacl"} == set()


def test_serving_an_onnx_model_loads_no_other_runtime() -> None:
    loaded = _loaded_by("import edge_runtime.daemon, edge_runtime.engines.onnx")
    assert loaded & {*DEVICE_RUNTIMES, "torch", "pydantic", "prometheus_client", "cryptography"} == set()


def entry_points() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return dict(project["scripts"])


@pytest.mark.parametrize("command", ["enigma", "enigma-edge", "enigma-bridge"])
def test_help_answers_at_once(command: str) -> None:
    module, _, function = entry_points()[command].partition(":")
    if not (ROOT / f"{module.replace('.', '/')}.py").exists():
        pytest.skip(f"{module} isn't in this checkout")
    script = f"import sys; sys.argv = [{command!r}, '--help']; from {module} import {function}; sys.exit({function}())"

    def once(*program: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "COLUMNS": "100"}
        done = subprocess.run([sys.executable, "-c", *program], cwd=ROOT, capture_output=True, env=environment)
        assert done.returncode == 0, done.stderr.decode()
        assert program != (script,) or b"usage" in done.stdout.lower()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Processor time, the least of several: neighbours on the machine only ever add. The first compiles what isn't yet.
    slowed = max(1.0, min(once("import argparse") for _ in range(3)) / 0.05)  # usual machines need 0.03 to 0.05 s
    assert min(once(script) for _ in range(4)) < HELP_SECONDS * min(slowed, NOISE)


def test_the_version_is_one() -> None:
    from edge_runtime import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
