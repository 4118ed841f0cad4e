"""`enigma-edge doctor`: looks at all that a device needs, and says of what is wrong how to mend it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_runtime import __version__
from edge_runtime.config import FILE_NAME, Config, load_config, parse_listen
from edge_runtime.errors import EdgeError
from edge_runtime.serving.governor import read, throttled

GOOD, WARNING, BAD = "ok", "warning", "bad"
_FREE_MB = 64
_EARLIEST = 1_750_000_000.0  # seconds since 1970, before this version was written: a clock that stands there is wrong
_HOT_CELSIUS = 80.0  # a Raspberry Pi slows down from here on
# Bits of the firmware's get_throttled, as documented for `vcgencmd`.
_THROTTLED = {
    0: "the supply voltage is too low now",
    1: "the processor is held back now",
    2: "the processor is slowed now",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. level: `GOOD`, `WARNING` or `BAD`; mend: what to do, empty where all is well."""

    what: str
    level: str
    says: str
    mend: str = ""


def examine(state: Path, config_file: Path | None = None, root: Path = Path("/")) -> Iterator[Finding]:
    """All findings, one after the other. root: where /sys and /proc are."""
    yield _system()
    yield from _packages()
    config, finding = _configuration(state, config_file)
    yield finding
    yield from _runtimes(config)
    yield _state(state, config)
    yield _clock()
    yield from _board(root)
    yield from _installed(state, config)
    yield from _pipelines(state)
    yield _trust(state)
    yield _address(state, config)


def _system() -> Finding:
    return Finding("system", GOOD, f"Python {platform.python_version()}, {platform.machine()}, enigma {__version__}")


def _packages() -> Iterator[Finding]:
    for name, package, why in (
        ("numpy", "numpy", "everything"),
        ("aiohttp", "aiohttp", "serving"),
        ("nacl", "PyNaCl", "keys"),
    ):
        if importlib.util.find_spec(name) is None:
            yield Finding(package, BAD, f"missing, needed for {why}", "pip install 'enigma[edge]'")
        else:
            yield Finding(package, GOOD, importlib.metadata.version(package))
    for name, extra, why in (
        ("PIL", "media", "vision, pictures and films"),
        ("manifold3d", "media", "3-D bodies"),
        ("zeroconf", "discovery", "being found on the network"),
    ):
        if importlib.util.find_spec(name) is None:
            yield Finding(
                name, WARNING, f"missing, needed only for {why}", f"pip install 'enigma[{extra}]' if you want that"
            )
    if shutil.which("espeak-ng") is None:
        yield Finding("espeak-ng", WARNING, "missing, needed only for speech", "apt install espeak-ng if you want that")


def _configuration(state: Path, config_file: Path | None) -> tuple[Config, Finding]:
    path = config_file or state / FILE_NAME
    if not path.exists() and config_file is None:
        return Config(), Finding("configuration", GOOD, "all defaults")
    try:
        return load_config(path), Finding("configuration", GOOD, str(path))
    except EdgeError as cause:
        return Config(), Finding(
            "configuration", BAD, str(cause), f"Mend {path}; 'enigma-edge config' prints all keys."
        )


def _runtimes(config: Config) -> Iterator[Finding]:
    from edge_runtime.engines import available_runtimes

    have = available_runtimes()
    for name, version in have.items():
        level = GOOD if name in config.models.runtimes else WARNING
        yield Finding(name, level, version, "" if level == GOOD else "Name it under models.runtimes to use it.")
    if not have:
        yield Finding(
            "runtime",
            BAD,
            "no runtime for models is usable",
            "pip install 'enigma[litert]' (or onnx, or tflite on 32-bit ARM)",
        )


def _state(state: Path, config: Config) -> Finding:
    place = next(folder for folder in (state, *state.absolute().parents) if folder.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding("state folder", BAD, f"{place} can't be written", "Run as its owner, or choose another --state.")
    free = shutil.disk_usage(place).free >> 20
    says = f"{state}, {free:,} MB free"
    if free < _FREE_MB + config.update.keep_free_mb:
        return Finding("state folder", BAD, says, "Free some space: a bundle couldn't be installed.")
    if state.exists() and state.stat().st_mode & 0o077:
        return Finding("state folder", BAD, f"{state} is open to others", f"chmod 700 {state}")
    return Finding("state folder", GOOD, says)


def _clock() -> Finding:
    now = time.time()
    says = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    if now < _EARLIEST:
        return Finding(
            "clock", WARNING, f"{says} can't be", "Set the clock (timedatectl set-ntp true); tokens end by it."
        )
    return Finding("clock", GOOD, says)


def _board(root: Path) -> Iterator[Finding]:
    reading, flags = read(root / "sys"), throttled(root / "sys")
    if reading.celsius is not None:
        mend = "Cool it: a heat sink or a fan." if reading.celsius >= _HOT_CELSIUS else ""
        yield Finding("temperature", WARNING if mend else GOOD, f"{reading.celsius:.0f} °C", mend)
    if flags is not None:
        now = [words for bit, words in _THROTTLED.items() if flags >> bit & 1]
        past = bool(flags >> 16)
        says = "; ".join(now) or ("it was held back since it started" if past else "never held back")
        mend = "Use the power supply that is meant for this board, and a short cable." if now or past else ""
        yield Finding("power", BAD if now else WARNING if past else GOOD, says, mend)
    try:
        lines = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text().splitlines() if ":" in line)
        available = int(lines["MemAvailable"].split()[0]) >> 10
    except (OSError, KeyError, ValueError):
        return
    mend = "Stop other programs, or use smaller models." if available < _FREE_MB else ""
    yield Finding("memory", WARNING if mend else GOOD, f"{available:,} MB available", mend)


def _installed(state: Path, config: Config) -> Iterator[Finding]:
    """Every specialist is loaded and asked its golden vectors, as at a start."""
    from edge_runtime.update.admit import admit_installed
    from edge_runtime.update.slots import Slots

    try:
        slots = Slots(state) if state.exists() else None
        pointers = {} if slots is None else slots.pointers()
    except EdgeError as cause:
        yield Finding("specialists", BAD, str(cause), "Install the bundles again.")
        return
    if slots is None or not pointers:
        yield Finding(
            "specialists", WARNING, "none yet", "'enigma push' one from a host, or 'enigma-edge install FILE'."
        )
        return
    for name, pointer in pointers.items():
        if pointer is None:
            yield Finding(name, BAD, "its record is damaged", "Push it again.")
            continue
        try:
            loaded = admit_installed(slots, pointer.active, config.models.threads, config.models.runtimes)
        except EdgeError as cause:
            yield Finding(name, BAD, str(cause), f"'enigma-edge rollback {name}', or bundle it anew and push it.")
            continue
        loaded.engine.close()
        yield Finding(name, GOOD, f"{loaded.manifest.version}, {loaded.manifest.task}, answers its golden vectors")


def _pipelines(state: Path) -> Iterator[Finding]:
    from edge_runtime.pipelines.declare import Camera, Microphone, Serial
    from edge_runtime.pipelines.service import check_files

    for name, found in check_files(state).items():
        what, needs = f"pipeline {name}", None
        if isinstance(found, EdgeError):
            yield Finding(what, BAD, str(found), f"Mend it, then 'enigma-edge pipelines start {name}'.")
            continue
        if isinstance(found.source, Camera) and importlib.util.find_spec("cv2") is None:
            needs = "cameras need OpenCV", "pip install 'enigma[camera]'"
        elif isinstance(found.source, Serial) and importlib.util.find_spec("serial") is None:
            needs = "serial ports need pyserial", "pip install 'enigma[serial]'"
        elif isinstance(found.source, Microphone) and found.source.file is None and shutil.which("arecord") is None:
            needs = "a microphone needs arecord", "apt install alsa-utils"
        yield Finding(what, BAD, *needs) if needs else Finding(what, GOOD, f"from {found.kind}")


def _trust(state: Path) -> Finding:
    from edge_runtime.identity.files import IdentityFolder
    from edge_runtime.identity.trust import TrustStore

    mend = "'enigma-edge pair' prints a code for a host; or 'enigma-edge trust add KEY'."
    if not (state / "identity").exists():
        return Finding("trust", WARNING, "nobody's bundles are taken yet", mend)
    try:
        signers = TrustStore(IdentityFolder(state)).signers()
    except EdgeError as cause:
        return Finding("trust", BAD, str(cause), "Restore the file from a copy, or delete it and pair again.")
    if not signers:
        return Finding("trust", WARNING, "nobody's bundles are taken yet", mend)
    return Finding("trust", GOOD, f"bundles of {', '.join(signer.name for signer in signers)[:200]}")


def _address(state: Path, config: Config) -> Finding:
    from edge_runtime.update.slots import lock

    listen = config.server.listen
    if state.exists():
        handle = lock(state)
        if handle is None:
            return Finding("daemon", GOOD, "runs")
        os.close(handle)
    try:
        host, port = parse_listen(listen)
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except EdgeError as cause:
        return Finding("address", BAD, str(cause), "Mend server.listen.")
    except OSError as cause:
        return Finding(
            "address", BAD, f"can't listen on {listen}: {cause.strerror or cause}", "Choose another server.listen."
        )
    return Finding(
        "daemon",
        WARNING,
        f"doesn't run; {listen} is free",
        "'enigma-edge run', or start it with the system: 'enigma-edge unit'.",
    )


def report(findings: Iterator[Finding], say: Callable[[str], None]) -> int:
    """Tell each finding as it comes; the exit code: 1 where something is bad."""
    bad = 0
    marks = {GOOD: "ok  ", WARNING: "note", BAD: "BAD "}
    for finding in findings:
        bad += finding.level == BAD
        say(f"{marks[finding.level]} {finding.what}: {finding.says}")
        if finding.mend:
            say(f"       {finding.mend}")
    say("Something is wrong; see above." if bad else "All that a device needs is here.")
    return 1 if bad else 0
