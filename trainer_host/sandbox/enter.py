"""Enters a sandbox by Linux namespaces alone and runs a command in it: what bubblewrap does, where it is missing.

Started as a program of its own, with little of the standard library as each import costs milliseconds of every run.
System calls are named as in their manual pages: user_namespaces(7), pid_namespaces(7), pivot_root(2),
mount_setattr(2).

Arguments: the user's number inside; how many binds, and for each its path on the host and inside; how many folders
to show empty, and their paths inside; the command.
"""

# `pathlib` costs milliseconds of every run
# ruff: noqa: PTH102, PTH103, PTH106, PTH112, PTH120
from __future__ import annotations

import ctypes
import os
import sys

# linux/sched.h: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NEW_ALL = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR = 442  # Linux 5.12, the same number on all machines
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SIGKILL = 9
_STAGE = "/tmp"  # any folder: the new root is put on it in a mount namespace that only this process has
_OLD = "/.host"

libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    """struct mount_attr"""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns"))


def main() -> int:
    """Enter, run the command, pass its exit code on."""
    left = iter(sys.argv[1:])
    inner = next(left)
    binds = [(next(left), next(left)) for _ in range(int(next(left)))]
    masks = [next(left) for _ in range(int(next(left)))]
    command = list(left)
    _check(libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")
    user, group = os.getuid(), os.getgid()
    _check(libc.unshare(_NEW_ALL), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{inner} {user} 1")
    _write("/proc/self/gid_map", f"{inner} {group} 1")
    child = os.fork()  # the first of the new process numbers: when it ends, all of them do
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _check(libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")
    os.setsid()
    _check(libc.sethostname(b"sandbox", 7), "sethostname")
    _new_root(binds, masks)
    # The user inside isn't root, so that running a command drops all capabilities.
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    os.execv(command[0], command)


def _new_root(binds: list[tuple[str, str]], masks: list[str]) -> None:
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", _STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    os.mkdir(_STAGE + _OLD)
    os.chdir(_STAGE)
    _check(libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", f".{_OLD}".encode()), "pivot_root")
    os.chdir("/")
    for source, target in binds:
        _bind(_OLD + source, target)
    for folder in masks:
        _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
        _read_only(folder)
    _check(libc.umount2(_OLD.encode(), _MNT_DETACH), "umount2")
    os.rmdir(_OLD)
    _read_only("/")


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _write(target, "")
    _mount(source, target, None, _MS_BIND | _MS_REC)
    _read_only(target)


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _read_only(path: str) -> None:
    wanted = _Attributes(_ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV, 0, 0, 0)
    size = ctypes.sizeof(wanted)
    done = libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path.encode(), _AT_RECURSIVE, ctypes.byref(wanted), size)
    _check(done, f"mount_setattr {path}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [text.encode() if text is not None else None for text in (source, target, kind)]
    _check(libc.mount(*texts, ctypes.c_ulong(flags), data.encode() if data else None), f"mount {target}")


def _check(code: int, what: str) -> None:
    if code:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as cause:
        sys.exit(f"{cause.filename or 'the sandbox'}: {cause.strerror}")
