"""The device's configuration: a TOML file in which every key is optional, documented and checked."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_runtime.errors import ConfigError

FILE_NAME = "config.toml"


TAG = r"[a-z0-9][a-z0-9_.:=-]{0,63}"  # as in `edge_runtime.update.desired`
MOST_ITEMS = 32  # of a list that may hold anything of its kind
WINDOW = r"(?:(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d)?"


def _key(
    default: object, doc: str, low: float | None = None, high: float | None = None, pattern: str | None = None
) -> Any:
    """pattern: what a text, or each of a list, must be."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high, "pattern": pattern})


@dataclass(frozen=True)
class DeviceConfig:
    """Who this device is."""

    name: str = _key("", "How the device calls itself; empty: the host name.")

    local_only: bool = _key(
        False,
        "Whether the daemon connects to nothing beyond this machine and its private networks, whatever asks it to.",
    )
    tags: tuple[str, ...] = _key(
        (),
        'What a fleet\'s rollouts may choose this device by, as in ["kitchen", "site:berlin"].',
        pattern=TAG,
    )

    @property
    def label(self) -> str:
        """The name to show."""
        return self.name or socket.gethostname()


@dataclass(frozen=True)
class ServerConfig:
    """Where the device listens and what it takes from clients."""

    listen: str = _key(
        "127.0.0.1:8765",
        "Address and port. 0.0.0.0:8765 lets the network in, which then needs tokens.",
    )
    socket: str = _key(
        "",
        "A path for a UNIX socket beside it, for programs on the device itself: who may write to it needs no token to ask. "
        "Empty: none.",
    )
    tls: str = _key(
        "network",
        "Which connections are encrypted: 'network' all but those that only reach this device, 'always', or 'never', "
        "where everybody on the network can read and change what is said.",
    )
    announce: bool = _key(
        True,
        "Whether the device tells the network by mDNS that it is there, where it listens to it (needs the extra "
        "'discovery').",
    )
    open_on_loopback: bool = _key(
        True,
        "Whether programs on the device itself may run specialists without a token. "
        "Set false behind a reverse proxy on the device.",
    )
    max_body_kb: int = _key(1024, "The longest request body, in kilobytes (bundles: see update).", 1, 65536)
    max_file_kb: int = _key(
        8192, "The longest picture or sound that is a request body by itself, in kilobytes.", 1, 65536
    )
    max_connections: int = _key(256, "Connections at once; more are closed at once.", 4, 65536)
    queue: int = _key(64, "Requests that may wait for one specialist; more get 429 with Retry-After.", 1, 4096)
    deadline_seconds: float = _key(
        5.0, "A request not answered after this long gets 504, unless it says its own.", 0.01, 600
    )


@dataclass(frozen=True)
class ModelsConfig:
    """How models run."""

    threads: int = _key(1, "Threads per model; one is fastest for small models.", 1, 64)
    at_once: int = _key(
        0, "Models that compute at the same time, over all requests; 0: as many as cores for them.", 0, 64
    )
    memory_mb: int = _key(
        0,
        "Memory that loaded models may take together, in megabytes; those asked longest ago give theirs back and are "
        "loaded again when asked. 0: no bound.",
        0,
        1048576,
    )
    answers: int = _key(
        4,
        "Answers that one language model writes at the same time, token by token in turn, where the memory has room for "
        "the text of each; others wait.",
        1,
        64,
    )
    idle_seconds: float = _key(
        0.0,
        "After how long without a request a model gives its memory back, until it is asked again; one that is pinned in "
        "serving.toml never does. 0: while there is room, none does.",
        0,
        31_536_000,
    )
    hang_seconds: float = _key(
        60.0,
        "After how long a model that doesn't come back from one run, or one token, is given up: who waits for it gets "
        "503, and it is loaded anew.",
        1,
        3600,
    )
    cold: bool = _key(
        False,
        "Whether .onnx models from 1 MB on map their weights from the disk and leave them as they are: for many models that are asked "
        "seldom, as one is loaded in milliseconds and the kernel may drop its weights. Answers take longer, and its "
        "weights lie on the disk twice.",
    )
    small_cache: bool = _key(
        False,
        "Whether .gguf models keep keys and values in int8, in half the memory, also where their bundles don't say so. "
        "One whose golden vectors aren't answered as they were then keeps what its bundle says.",
    )
    runtimes: tuple[str, ...] = _key(
        ("onnxruntime", "ai-edge-litert", "tflite-runtime", "xllamacpp"),
        "The runtimes that may be used, the preferred first.",
    )

    @property
    def ways(self) -> dict[str, bool]:
        """How a model is loaded, as `edge_runtime.update.admit.admit` takes it."""
        return {"cold": self.cold, "small_cache": self.small_cache}

    @property
    def turns(self) -> int:
        """How many models compute at the same time: as the cores allow, where the file doesn't say."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.at_once or max(1, cores // self.threads)


@dataclass(frozen=True)
class UpdateConfig:
    """What a device takes as a bundle, and how it follows a repository of updates ('enigma-edge updates follow')."""

    max_bundle_mb: int = _key(64, "The longest bundle, in megabytes.", 1, 4096)
    keep_free_mb: int = _key(16, "Free space that must remain on the disk after an installation.", 0, 1048576)
    upload_seconds: float = _key(600.0, "The longest that an upload may take.", 1, 86400)
    poll_seconds: float = _key(900.0, "How often the repository is asked what is new, give or take a fifth.", 1, 604800)
    bandwidth_kb: float = _key(
        0.0, "The most that fetching takes of the network, in kilobytes per second; 0: all.", 0, 1e6
    )
    budget_mb: float = _key(
        0.0, "The most that one update may fetch in all, deltas that didn't do included, in megabytes; 0: any.", 0, 1e6
    )
    window: str = _key(
        "", "The hours in which a new version may take over, as in '22:00-06:00'. Empty: all day.", pattern=WINDOW
    )
    condition_days: float = _key(
        14.0,
        "How long a new version that lies ready may wait until the device is idle, docked, charging, within its hours, or its "
        "hook says yes; then it is given up, until another one is wanted. A paused rollout's wait doesn't count.",
        0.0001,
        3650,
    )
    release_days: float = _key(
        30.0,
        "How long a release may take in all, from being wanted to the switch, whatever it waits for, in days that the device runs; "
        "then it is given up, until another one is wanted. A paused rollout's wait doesn't count.",
        0.0001,
        3650,
    )
    trial: bool = _key(
        True,
        "Load each new model in a process of its own first, where it may hang or crash without harm. That takes some 60 MB "
        "beside the model for a moment, and as long again as loading does.",
    )
    probation_requests: int = _key(20, "Requests without a fault after which a new version stays.", 1, 100000)
    probation_seconds: float = _key(
        60.0, "It stays too where fewer came within so long; it goes back at once where something fails.", 1, 86400
    )
    boots: int = _key(3, "Starts that a new version may fail to survive before the one before it serves again.", 1, 100)
    hooks: str = _key(
        "",
        "A folder with the programs 'pre-update', 'post-update', 'is-docked' and 'is-charging', each where wanted, that only "
        "the daemon's user can change. Empty: none.",
    )


@dataclass(frozen=True)
class PairingConfig:
    """One-time pairing codes."""

    minutes: float = _key(10.0, "How long a code is valid.", 0.01, 1440)
    tries: int = _key(5, "Wrong codes before the right one is void.", 1, 100)


@dataclass(frozen=True)
class GovernorConfig:
    """When the device spares itself: low priority waits, one model at a time, smaller ones where serving.toml says so."""

    seconds: float = _key(5.0, "How often heat, supply and battery are read; 0: never.", 0, 3600)
    warm_celsius: float = _key(75.0, "From here on the device spares itself.", 20, 150)
    hot_celsius: float = _key(85.0, "From here on it answers only requests of high priority.", 20, 150)
    battery_low_percent: float = _key(20.0, "Down from here it spares itself, while the battery discharges.", 0, 100)
    battery_empty_percent: float = _key(5.0, "Down from here it answers only requests of high priority.", 0, 100)
    sysfs: str = _key("/sys", "Where the kernel tells of them.")


@dataclass(frozen=True)
class LogConfig:
    """What is written to standard error."""

    level: str = _key("info", "debug, info, warning or error.")
    format: str = _key("text", "text, or json: an object on each line, with the fields of events, for programs.")
    requests: int = _key(64, "The latest requests that are kept in memory, for GET /v1/requests; 0: none.", 0, 4096)
    inputs: bool = _key(False, "Whether they are kept with what was asked, which may be private.")
    unsure: int = _key(
        0,
        "Texts that a router was unsure about, the latest so many, are kept in the state folder for GET /v1/unsure; they "
        "may be private. 0: none.",
        0,
        4096,
    )


@dataclass(frozen=True)
class TelemetryConfig:
    """What is told to an OpenTelemetry collector; never what was asked or answered."""

    traces: str = _key(
        "",
        "Where spans go by OTLP over HTTP, as in http://127.0.0.1:4318/v1/traces (needs the extra 'otel'). Empty: nowhere.",
    )


@dataclass(frozen=True)
class PresenceConfig:
    """What is told to an MQTT broker: that the device is there, and how its models fare. See docs/fleet.md."""

    broker: str = _key(
        "", "Where, as in mqtts://broker.example:8883 (needs the extra 'mqtt'). Empty: nobody is told anything."
    )
    user: str = _key("", "Who the device is to the broker; empty: nobody in particular.")
    password_file: str = _key("", "A file that holds the password and nothing else.")
    ca_file: str = _key("", "Certificates (PEM) that the broker's is checked by; empty: the system's.")
    topic: str = _key("enigma", "What topics begin with.")
    report_seconds: float = _key(900.0, "How often the report is told, besides whenever something changed.", 5, 86400)
    home_assistant: str = _key(
        "",
        "Home Assistant's discovery prefix, usually homeassistant, for it to find this device and its robot. Empty: it isn't "
        "told. See docs/home-assistant.md.",
    )
    home_assistant_acts: bool = _key(
        False, "Whether it may send the robot somewhere and say who drives, besides stopping it."
    )


@dataclass(frozen=True)
class RobotConfig:
    """A robot beside this device, which 'enigma-bridge robot serve' serves. See docs/robots.md."""

    socket: str = _key("", "The robot's UNIX socket, as in /home/me/robot/robot.sock. Empty: there is no robot.")
    token_file: str = _key(
        "",
        "A file that holds a token of 'enigma-bridge robot token edge' with the scopes read, act, drive and manage, or "
        "fewer, and that only the daemon's user can read.",
    )
    may_arm: bool = _key(
        False,
        "Whether an owner may arm a real robot from afar, for some minutes. Without it whoever arms the robot is on its machine.",
    )


@dataclass(frozen=True)
class Config:
    """All of it; the defaults are what an absent file means."""

    device: DeviceConfig = DeviceConfig()
    server: ServerConfig = ServerConfig()
    models: ModelsConfig = ModelsConfig()
    update: UpdateConfig = UpdateConfig()
    pairing: PairingConfig = PairingConfig()
    governor: GovernorConfig = GovernorConfig()
    log: LogConfig = LogConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    presence: PresenceConfig = PresenceConfig()
    robot: RobotConfig = RobotConfig()


def config_of(state: Path, file: Path | None) -> Config:
    """That of a named file, else of the state folder's own one, else the defaults; raises `ConfigError`."""
    if file is not None:
        return load_config(file)
    path = state / FILE_NAME
    return load_config(path) if path.exists() else Config()


def load_config(path: Path) -> Config:
    """Read a configuration file; raises `ConfigError` with one sentence that names the key."""
    import tomllib

    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise ConfigError(f"{path} can't be read: {cause.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise ConfigError(f"{path} isn't valid TOML: {cause}.") from None
    return parse_config(raw)


def parse_config(raw: dict[str, object]) -> Config:
    """Check a parsed TOML document against the keys above."""
    sections: dict[str, Any] = {}
    known = {section.name: section for section in dataclasses.fields(Config)}
    for name, values in raw.items():
        if name not in known:
            raise ConfigError(f"The configuration has no section [{name}]; it knows {', '.join(known)}.")
        if not isinstance(values, dict):
            raise ConfigError(f"In the configuration, {name} must be a section, as in [{name}].")
        sections[name] = _section(name, type(known[name].default), values)
    config = Config(**sections)
    if config.log.level not in ("debug", "info", "warning", "error"):
        raise ConfigError("log.level must be debug, info, warning or error.")
    if config.log.format not in ("text", "json"):
        raise ConfigError("log.format must be text or json.")
    parse_listen(config.server.listen)
    return config


def parse_listen(listen: str) -> tuple[str, int]:
    """Split HOST:PORT ([HOST]:PORT for IPv6); port 0 lets the system choose. Raises `ConfigError`."""
    host, _, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"'{listen}' needs brackets around an IPv6 address, as in [::1]:8765.")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"'{listen}' isn't an address to listen on; write HOST:PORT, as in 127.0.0.1:8765.")
    return host, int(port)


def default_file() -> str:
    """The documented configuration file with every key at its default, commented out."""
    lines = ["# Configuration of enigma-edge. Every key is optional; the values here are the defaults."]
    for section in dataclasses.fields(Config):
        kind: type[Any] = type(section.default)
        lines += ["", f"# {kind.__doc__}", f"[{section.name}]"]
        for key in dataclasses.fields(kind):
            lines.append(f"# {key.metadata['doc']}")
            lines.append(f"# {key.name} = {_toml(key.default)}")
    return "\n".join(lines) + "\n"


def _section(name: str, kind: type[Any], values: dict[str, object]) -> Any:
    keys = {key.name: key for key in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in keys:
            raise ConfigError(f"The configuration has no key {name}.{key}; [{name}] knows {', '.join(keys)}.")
        _check(f"{name}.{key}", value, keys[key])
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def _check(name: str, value: object, key: dataclasses.Field[Any]) -> None:
    default, pattern = key.default, key.metadata["pattern"]
    if isinstance(default, tuple) and pattern:
        if not isinstance(value, list) or len(value) > MOST_ITEMS or not all(_fits(item, pattern) for item in value):
            raise ConfigError(
                f"{name} must be a list of at most {MOST_ITEMS} texts of small letters, digits and '_.:=-'."
            )
    elif isinstance(default, tuple):
        if not isinstance(value, list) or not value or not all(item in default for item in value):
            raise ConfigError(f"{name} must be a list of some of {', '.join(default)}.")
    elif isinstance(default, bool) or isinstance(value, bool):
        if not (isinstance(default, bool) and isinstance(value, bool)):
            raise ConfigError(f"{name} must be {'true or false' if isinstance(default, bool) else 'no boolean'}.")
    elif isinstance(default, str):
        if not isinstance(value, str) or len(value) > 200 or not (value.isprintable() or not value):
            raise ConfigError(f"{name} must be a short text in quotes.")
        if pattern and not _fits(value, pattern):
            raise ConfigError(f"{name} must be hours as in '22:00-06:00', or empty.")
    else:
        wanted = int if isinstance(default, int) else (int, float)
        low, high = key.metadata["low"], key.metadata["high"]
        if not isinstance(value, wanted) or not low <= value <= high:
            kind = "whole number" if isinstance(default, int) else "number"
            raise ConfigError(f"{name} must be a {kind} from {low} to {high}.")


def _fits(value: object, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
