"""Runs the daemon and one bundle on emulated 64-bit ARM, beside the same on this machine: answers must be the same.

    make test-arm64 [ARGS="--bundle FILE --work FOLDER"]

Needs Debian's apt (with its network) and, to enter another root, root or user namespaces; nothing is installed on this
machine and nothing is mounted. Into --work (kept, some 400 MB; by default build/arm64) go Debian's arm64 packages of
Python, unpacked, qemu-user-static, and wheels for aarch64 in the versions of constraints.txt. Python runs there under
qemu, so that instructions are ARM's and system calls this kernel's: minutes, and its speed says nothing of a device.
Without --bundle a small router is made. Every golden request is asked over HTTP in all runtimes that the bundle was scored
in, and the answers are compared (all but the
milliseconds that they took); of graphs also the numbers, which float32 may give otherwise in the last digit.
Int8 products are exact on ARM, and saturate in some kernels of x86 without VNNI, so scores of int8 files may differ more.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edge_runtime.bundle import read_envelope, unpack_bundle  # noqa: E402
from edge_runtime.engines import available_runtimes  # noqa: E402
from edge_runtime.tasks import task_module  # noqa: E402

QEMU = "qemu-aarch64-static"
PYTHON = "python3.11"
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
PACKAGES = ("numpy", "aiohttp", "PyNaCl", "onnxruntime", "ai-edge-litert")
READY_SECONDS = 300.0  # Python and a runtime import a hundred times slower there
ANSWER_SECONDS = 120.0
_CODE = "import sys; sys.path[:0] = ['/enigma', '/site']; from edge_runtime.cli import main; sys.exit(main())"


class Stop(Exception):
    """Why it can't go on, in a sentence."""


def main() -> int:
    """Prepare, run both, compare; 1 where an answer differs by more than a golden vector may, 2 where this machine can't do it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="what to serve (default: a small router made here)")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "arm64", help="default: %(default)s")
    parser.add_argument("--cpu", default="cortex-a72", help="qemu's model of a processor (default: %(default)s)")
    args = parser.parse_args()
    try:
        return _run(args.work.resolve(), args.bundle, args.cpu)
    except Stop as cause:
        print(cause, file=sys.stderr)
        return 2


def _run(work: Path, bundle: Path | None, cpu: str) -> int:
    into = _entering()
    work.mkdir(parents=True, exist_ok=True)
    root = _root(work)
    bundle = bundle or _small(work)
    if not bundle.is_file():
        raise Stop(f"There is no bundle {bundle}.")
    with bundle.open("rb") as source:
        envelope = read_envelope(source)
    shutil.rmtree(work / "files", ignore_errors=True)
    (work / "files").mkdir()
    manifest = unpack_bundle(bundle, envelope, work / "files")  # made here, or given by who runs this
    golden = json.loads((work / "files" / manifest.golden.file).read_bytes())
    requests = [json.dumps(item["request"]).encode() for item in golden]
    shutil.rmtree(root / "enigma", ignore_errors=True)
    shutil.copytree(
        ROOT / "edge_runtime", root / "enigma" / "edge_runtime", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copyfile(bundle, root / "one.enigma")
    emulated = [*into, str(root), f"/{QEMU}", "-cpu", cpu, f"/usr/bin/{PYTHON}", "-c", _CODE]
    worst = 0
    for runtime in sorted({scored.runtime for model in manifest.models for scored in model.scored_in}):
        if runtime not in available_runtimes():
            print(f"{runtime}: not installed here, so there is nothing to compare with")
            continue
        asked = (envelope.signer, runtime, manifest.name, requests)
        usual = [sys.executable, "-c", _CODE.replace("'/enigma', '/site'", repr(str(ROOT)))]
        here, numbers = _answers(usual, work / "usual", bundle, *asked)
        began = time.perf_counter()
        there, others = _answers(emulated, root / "state", Path("/one.enigma"), *asked, inside=Path("/state"))
        took = time.perf_counter() - began
        pairs = list(zip(here, there, strict=True))
        differ = [number for number, (one, other) in enumerate(pairs, 1) if one != other]
        wrong = [number for number in differ if not _agrees(manifest.task, *pairs[number - 1])]
        bits = "none, as it has no graph" if numbers is None else "the same to the last digit"
        if numbers != others:
            bits = f"{str(numbers)[:200]} here, {str(others)[:200]} there"
        print(
            f"{runtime} on {cpu}: {len(requests) - len(differ)} of {len(requests)} answers are the same, "
            f"{len(differ) - len(wrong)} as a golden vector may differ, {len(wrong)} others, in {took:.0f} s; "
            f"its graph's tensors: {bits}"
        )
        for number in [*wrong, *differ][:3]:
            print(f"  {number}: {here[number - 1]!r} here, {there[number - 1]!r} there")
        worst = max(worst, int(bool(wrong)))
    return worst


def _entering() -> list[str]:
    """The command that runs another one in another root."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Stop(
            "This needs Debian's apt-get and dpkg-deb to fetch and unpack an arm64 root; run it on Debian or Ubuntu."
        )
    chroot = shutil.which("chroot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "chroot"
    if os.geteuid() == 0:
        return [chroot]
    if shutil.which("unshare") and subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode == 0:  # fmt: skip
        return ["unshare", "-Ur", chroot]
    raise Stop("Entering an arm64 root needs root or user namespaces, and this user has neither; run it with sudo.")


def _root(work: Path) -> Path:
    """A folder with Python, qemu and the packages, made once."""
    root, done = work / "root", work / "done"
    wanted = (ROOT / "constraints.txt").read_text()
    if done.is_file() and done.read_text() == wanted:
        return root
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    debs = _debs(work, "arm64", PYTHON, f"lib{PYTHON}-stdlib", "libstdc++6", "libgcc-s1", "zlib1g")
    for deb in debs:
        _must(["dpkg-deb", "--extract", str(deb), str(root)])
    qemu = work / "qemu"
    shutil.rmtree(qemu, ignore_errors=True)
    for deb in _debs(work, _must(["dpkg", "--print-architecture"]).strip(), "qemu-user-static"):
        if deb.name.startswith("qemu-user-static"):
            _must(["dpkg-deb", "--extract", str(deb), str(qemu)])
    shutil.copyfile(qemu / "usr" / "bin" / QEMU, root / QEMU)
    (root / QEMU).chmod(0o755)
    wheels = work / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    platforms = [part for name in PLATFORMS for part in ("--platform", name)]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(wheels)]
    exact = [
        "--only-binary=:all:",
        "--python-version",
        "311",
        "--implementation",
        "cp",
        "--abi",
        "cp311",
        "--abi",
        "abi3",
    ]
    _must([*pip, *exact, "--abi", "none", *platforms, "--constraint", str(ROOT / "constraints.txt"), *PACKAGES])
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(root / "site")
    # onnxruntime's cpuinfo fails on this machine's /sys, and warns without any.
    cpus = root / "sys" / "devices" / "system" / "cpu"
    cpus.mkdir(parents=True, exist_ok=True)
    for name in ("possible", "present"):
        (cpus / name).write_text("0-1\n")
    for name in ("tmp", "proc", "dev", "etc"):
        (root / name).mkdir(exist_ok=True)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    done.write_text(wanted)
    return root


def _debs(work: Path, architecture: str, *names: str) -> list[Path]:
    """Packages and all that they need, fetched with lists of their own, so that this system's stay as they are."""
    apt = work / f"apt-{architecture}"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
    }
    base = [
        "apt-get",
        "--quiet=2",
        "--yes",
        *(part for key, value in options.items() for part in ("-o", f"{key}={value}")),
    ]
    _must([*base, "update"])
    _must([*base, "--download-only", "install", *names])
    return sorted((apt / "cache" / "archives").glob("*.deb"))


def _small(work: Path) -> Path:
    """A bundle of the tests' small router."""
    from tests.edge_runtime import tiny

    path = work / "tiny.enigma"
    tiny.make_bundle(path, tiny.usable_manifest(), seed=1)
    return path


def _answers(
    python: Sequence[str],
    state: Path,
    bundle: Path,
    signer: bytes,
    runtime: str,
    name: str,
    requests: Sequence[bytes],
    inside: Path | None = None,
) -> tuple[list[object], object]:
    """What a fresh device answers, and what its graph gives for numbers. inside: the state folder's path for the device, where it sees another root."""
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(mode=0o700)
    (state / "config.toml").write_text(
        f'[models]\nruntimes = ["{runtime}"]\n[server]\ndeadline_seconds = {ANSWER_SECONDS}\n[governor]\nseconds = 0\n'
    )
    seen = str(inside or state)
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
    for words in (["trust", "add", signer.hex()], ["install", str(bundle)]):
        _must([*python, *words, "--state", seen], environment)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with _daemon([*python, "run", "--state", seen, "--listen", f"127.0.0.1:{port}"], environment, port):
        url = f"http://127.0.0.1:{port}/v1/run/{name}"
        return [_told(_ask(url, body)) for body in requests], _tensors(port, name)


@contextlib.contextmanager
def _daemon(command: Sequence[str], environment: dict[str, str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        ends = time.monotonic() + READY_SECONDS
        while not _ready(port):
            if process.poll() is not None:
                said = process.stderr.read() if process.stderr else ""
                raise Stop(f"The daemon ended with {process.returncode}: {said.strip()[-600:]}")
            if time.monotonic() > ends:
                raise Stop(f"The daemon wasn't ready within {READY_SECONDS:.0f} s.")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _ask(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as reply:
            return bytes(reply.read())
    except urllib.error.HTTPError as cause:
        return f"{cause.code}: {cause.read().decode()[:200]}".encode()


def _agrees(task: str, one: object, other: object) -> bool:
    """Whether the device would take one for the other at admission."""
    return isinstance(one, dict) and isinstance(other, dict) and task_module(task).agrees(one, other)


def _told(answer: bytes) -> object:
    """An answer without what differs from one time to the next."""
    try:
        fields = json.loads(answer)
    except ValueError:
        return answer
    fields.pop("ms", None)
    return fields


def _tensors(port: int, name: str) -> object:
    """The graph's outputs for small numbers that come again, to the last digit; None for language models."""
    url = f"http://127.0.0.1:{port}/v2/models/{name}"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as reply:
            wanted = json.loads(reply.read())["inputs"]
    except (urllib.error.HTTPError, KeyError):
        return None
    inputs = []
    for tensor in wanted:
        shape = [max(size, 1) for size in tensor["shape"]]
        whole = not tensor["datatype"].startswith("FP")
        data = [number * 5 % 7 if whole else number * 5 % 7 / 7 for number in range(math.prod(shape))]
        inputs.append({**tensor, "shape": shape, "data": data})
    return json.loads(_ask(f"{url}/infer", json.dumps({"inputs": inputs}).encode())).get("outputs")


def _must(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    """What a command printed; raises `Stop` with the end of what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise Stop(f"{' '.join(map(str, command))[:200]} failed: {said}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
