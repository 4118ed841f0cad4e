"""The syscall filter of the sandbox: what one process without files, network or children needs, and nothing else.

A classic BPF program as in seccomp(2) and Linux' Documentation/userspace-api/seccomp_filter.rst, put together here
so that no library is needed. Anything not listed fails with EPERM; system calls that came after Linux 5.0 (number
424 on all machines) fail with ENOSYS, as C libraries then fall back to older ones.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable

# Name -> number on x86-64 and on arm64 (None where that machine has no such call), from Linux' uapi headers.
_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # memory
    "brk": (12, 214),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "madvise": (28, 233),
    # files that are already open, and the standard library, which is read-only
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "lseek": (8, 62),
    "close": (3, 57),
    "open": (2, None),
    "openat": (257, 56),
    "stat": (4, None),
    "lstat": (6, None),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe": (22, None),
    "pipe2": (293, 59),
    # waiting
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "eventfd2": (290, 19),
    "futex": (202, 98),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "pause": (34, None),
    "restart_syscall": (219, 128),
    # clocks and the process itself
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getitimer": (36, 102),
    "setitimer": (38, 103),
    "alarm": (37, None),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "getrlimit": (97, 163),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "arch_prctl": (158, None),
    "set_tid_address": (218, 96),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
# Allowed for these values of one argument: (x86-64, arm64), which argument, values.
_BY_ARGUMENT: tuple[tuple[tuple[int, int], int, tuple[int, ...]], ...] = (
    # fcntl: F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; with F_SETOWN a pipe would send signals
    ((72, 25), 1, (0, 1, 2, 3, 4, 1030)),
    # prlimit64: this process; without privileges limits only go down
    ((302, 261), 0, (0,)),
    # ioctl: TCGETS (isatty), FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
    ((16, 29), 1, (0x5401, 0x541B, 0x5421, 0x5450, 0x5451)),
    # socketpair: AF_UNIX alone, which asyncio's event loop wakes itself with
    ((53, 199), 0, (1,)),
)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_*
_FIRST_NEWER = 424  # pidfd_send_signal; from here on numbers are the same on all machines

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000  # SECCOMP_RET_ALLOW, _ERRNO, _KILL_PROCESS
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; both machines are little-endian


def program(machine: str) -> bytes | None:
    """The filter as an array of `struct sock_filter`, None for a machine whose numbers aren't listed here.

    machine: as `os.uname().machine` says.
    """
    if machine not in _MACHINES:
        return None
    column, architecture = _MACHINES[machine]
    made = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    for numbers in _ALLOWED.values():
        if (number := numbers[column]) is not None:
            made += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for pair, argument, values in _BY_ARGUMENT:
        made += _by_argument(pair[column], argument, values)
    made += [
        (_AT_LEAST, 0, 1, _FIRST_NEWER),  # x32 calls, which have bit 30 set, too
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    return _packed(made)


def _by_argument(number: int, argument: int, values: Iterable[int]) -> list[tuple[int, int, int, int]]:
    tests: list[tuple[int, int, int, int]] = [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument)]
    for value in values:
        tests += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    tests.append((_RETURN, 0, 0, _ERRNO | errno.EPERM))
    return [(_EQUAL, 0, len(tests), number), *tests]


def _packed(made: Iterable[tuple[int, int, int, int]]) -> bytes:
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in made)
