"""Which way of isolation this machine offers: bubblewrap, else namespaces of our own; or none, and nothing runs."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from trainer_host.sandbox import seccomp

USER = 65534  # nobody: a user without a name, a home or files
PROGRAM = "/sandbox/inside.py"
_HERE = Path(__file__).parent
# Extension modules that may need a shared library; those of the machine's C library are found beside.
_NEED_LIBRARIES = ("_bz2", "_ctypes", "_hashlib", "_lzma", "_socket", "_sqlite3", "_uuid", "select", "zlib")
_LIST_LIBRARIES = """
import ctypes, importlib, json, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
class Info(ctypes.Structure):
    _fields_ = (("address", ctypes.c_void_p), ("name", ctypes.c_char_p))
names = []
@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Info), ctypes.c_size_t, ctypes.c_void_p)
def each(info, size, data):
    names.append(info.contents.name.decode())
    return 0
ctypes.CDLL(None).dl_iterate_phdr(each, None)
print(json.dumps([name for name in names if name.startswith("/")]))
"""


@dataclass(frozen=True)
class Box:
    """What a sandbox holds, all read-only. binds: (path on the host, path inside). masks: folders shown empty.

    command: what runs in it. environment: its only variables.
    """

    binds: tuple[tuple[str, str], ...]
    masks: tuple[str, ...]
    command: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class Way:
    """A way into the sandbox. argv: the whole command of a run. filter: seccomp's program."""

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    filter: bytes


def offered() -> list[Way]:
    """The ways that may work here, the better first; none outside Linux and on machines without a filter.

    `run.find_way` tries them.
    """
    if not sys.platform.startswith("linux") or (program := seccomp.program(machine())) is None:
        return []
    box = standard_box()
    made = []
    if bwrap := shutil.which("bwrap"):
        made.append(Way("bubblewrap", (bwrap, *_bwrap_arguments(box), "--", *box.command), box.environment, program))
    binds = (str(len(box.binds)), *(path for bind in box.binds for path in bind))
    argv = (*_python(), str(_HERE / "enter.py"), str(USER), *binds, str(len(box.masks)), *box.masks, *box.command)
    made.append(Way("namespaces", argv, box.environment, program))
    return made


@functools.cache
def standard_box() -> Box:
    """The interpreter, its standard library and the shared libraries that these need; nothing else."""
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}  # not those of a virtual environment
    stdlib = dict.fromkeys(sysconfig.get_path(kind, vars=base) for kind in ("stdlib", "platstdlib"))
    folders = [folder for folder in stdlib if Path(folder).is_dir()]
    interpreter = _python()[0]
    libraries = _libraries()
    files = {interpreter: interpreter, PROGRAM: str(_HERE / "inside.py")} | {
        name: str(Path(name).resolve()) for name in libraries if not _within(name, folders)
    }
    masks = [f"{folder}/{name}" for folder in folders for name in ("site-packages", "dist-packages")]
    return Box(
        binds=(
            *((str(Path(folder).resolve()), folder) for folder in folders),
            *((source, target) for target, source in files.items()),
        ),
        masks=tuple(mask for mask in masks if Path(mask).is_dir()),
        command=(*_python(), PROGRAM),
        environment={
            "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}",
            "PYTHONHASHSEED": "0",  # a verdict must not depend on the order of a set
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            "LD_LIBRARY_PATH": ":".join(dict.fromkeys(str(Path(name).parent) for name in libraries)),
        },
    )


def hidden_paths() -> list[str]:
    """Paths of this machine that no sandbox may show: settings, people's files, other processes, devices."""
    return ["/etc", "/proc", "/sys", "/dev", "/run", str(Path.home() / ".ssh"), str(_HERE / "run.py")]


def _bwrap_arguments(box: Box) -> list[str]:
    made = [
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--uid", str(USER), "--gid", str(USER), "--hostname", "sandbox"),
        *("--cap-drop", "ALL", "--die-with-parent", "--as-pid-1", "--new-session", "--chdir", "/"),
    ]
    for source, target in box.binds:
        made += ["--ro-bind", source, target]
    for folder in box.masks:
        made += ["--tmpfs", folder, "--remount-ro", folder]
    return [*made, "--remount-ro", "/"]


def _python() -> tuple[str, ...]:
    """The interpreter itself, outside any virtual environment, with only the standard library on its path."""
    base: str = getattr(sys, "_base_executable", "") or sys.executable
    return str(Path(base).resolve()), "-S", "-s", "-P", "-B"


def _libraries() -> list[str]:
    """The shared libraries of the interpreter, by the names that the loader looks for."""
    done = subprocess.run(
        [*_python(), "-c", _LIST_LIBRARIES, *_NEED_LIBRARIES], capture_output=True, check=True, timeout=60
    )
    names: list[str] = json.loads(done.stdout)
    return names


def _within(name: str, folders: list[str]) -> bool:
    return any(Path(name).is_relative_to(folder) for folder in folders)


def machine() -> str:
    """As `os.uname().machine`, empty where the system has no such call."""
    return os.uname().machine if hasattr(os, "uname") else ""
