"""Snippets that try to break out: each prints "escaped" where it got what it wanted.

`{name}` stands for what a test plants on the host: `secret` (a file), `folder` (a folder that anyone may write),
`port` (a listening TCP port), `unix` (a listening Unix socket), `parent` (the process number of the test).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """works_bare: without a sandbox it surely succeeds and harms nothing, so that a test can show that it is real."""

    name: str
    source: str
    works_bare: bool = False


_SYSCALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(numbers, *args):
    number = numbers[os.uname().machine == "aarch64"]
    # Half of an int that lies on the stack is chance.
    got = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in args))
    if got >= 0:
        print("escaped", got)
    else:
        raise OSError(ctypes.get_errno(), "refused")
"""

FILES = (
    Attack("read a private key", "print('escaped', open({secret!r}).read())", True),
    Attack("read it by a file descriptor", "import os; print('escaped', os.read(os.open({secret!r}, 0), 100))", True),
    Attack("read it as code", "import runpy; runpy.run_path({secret!r}); print('escaped')"),
    Attack("read ~/.ssh", "import os; print('escaped', os.listdir(os.path.expanduser('~/.ssh')))"),
    Attack("read /root/.ssh", "import os; print('escaped', os.listdir('/root/.ssh'))"),
    Attack("read /etc/shadow", "print('escaped', open('/etc/shadow').read())"),
    Attack("read /etc/passwd", "print('escaped', open('/etc/passwd').read())", True),
    Attack("read it through ..", "print('escaped', open('/usr/../../../etc/passwd').read())", True),
    Attack("read the environment in /proc", "print('escaped', open('/proc/self/environ').read())", True),
    Attack("read another's command line", "print('escaped', open('/proc/{parent}/cmdline').read())", True),
    Attack("read the memory of process 1", "print('escaped', open('/proc/1/mem', 'rb').read(1))"),
    Attack(
        "walk the host's root",
        "import glob; found = glob.glob('/etc/*') + glob.glob('/home/*'); found or 1/0; print('escaped', found)",
        True,
    ),
    Attack("write a file", "open({folder!r} + '/planted', 'w').write('x'); print('escaped')", True),
    Attack("write into /tmp", "open('/tmp/enigma-sandbox-planted', 'w').write('x'); print('escaped')"),
    Attack("write where it stands", "open('planted', 'w').write('x'); print('escaped')"),
    Attack("write into the standard library", "import os; open(os.__file__, 'a').write('x'); print('escaped')"),
    Attack("make the library writable", "import os; os.chmod(os.__file__, 0o777); print('escaped')"),
    Attack("delete the library", "import os; os.unlink(os.__file__); print('escaped')"),
    Attack("replace the sandbox's program", "open('/sandbox/inside.py', 'w').write(''); print('escaped')"),
    Attack(
        "make a symbolic link", "import os; os.symlink('/etc/passwd', {folder!r} + '/link'); print('escaped')", True
    ),
    Attack(
        "follow a link out of the root",
        "import os; os.symlink('/etc/passwd', '/x'); print('escaped', open('/x').read())",
    ),
    Attack("make a hard link", "import os; os.link(os.__file__, '/link'); print('escaped')"),
    Attack(
        "make a device",
        "import os, stat; os.mknod('/disk', stat.S_IFBLK | 0o600, os.makedev(254, 0)); print('escaped')",
    ),
    Attack("make a pipe with a name", "import os; os.mkfifo({folder!r} + '/pipe'); print('escaped')", True),
    Attack(
        "use shared memory",
        "from multiprocessing import shared_memory as s; s.SharedMemory(create=True, size=10); print('escaped')",
    ),
    Attack("make a file without a name", "import os; os.write(os.memfd_create('x'), b'x'); print('escaped')"),
    Attack(
        "read a database file",
        "import sqlite3; sqlite3.connect({folder!r} + '/db').execute('create table t(x)'); print('escaped')",
        True,
    ),
    Attack("read the environment", "import os; print('escaped' if os.environ['ENIGMA_TEST_SECRET'] else '')", True),
    Attack("read other packages", "import sys; sys.path.append({packages!r}); import numpy; print('escaped')", True),
)

PROCESSES = (
    Attack("bomb with forks", "import os\nwhile True:\n    os.fork(); print('escaped')"),
    Attack("fork once", "import os; os.fork() or os._exit(0); print('escaped')", True),
    Attack("run a shell", "import os; os.system('true') == 0 or 1/0; print('escaped')", True),
    Attack("run a program", "import subprocess; subprocess.run(['/bin/true']); print('escaped')", True),
    Attack(
        "become a program",
        "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'print(\"escaped\")'])",
        True,
    ),
    Attack("start a worker", "import multiprocessing as m; p = m.Process(target=print); p.start(); print('escaped')"),
    Attack(
        "bomb with threads",
        "import threading, time\nfor _ in range(10**6):\n    threading.Thread(target=time.sleep, args=(9,)).start(); print('escaped')",
    ),
    Attack("signal the parent", "import os; os.kill(os.getppid(), 0); print('escaped')", True),
    Attack("kill the parent", "import os; os.kill(os.getppid(), 9); print('escaped')"),
    Attack("kill the host's process", "import os; os.kill({parent}, 0); print('escaped')", True),
    Attack("kill everyone", "import os; os.kill(-1, 9); print('escaped')"),
    Attack(
        "kill by the owner of a pipe",
        "import fcntl, os\nread, write = os.pipe()\nfcntl.fcntl(read, fcntl.F_SETOWN, os.getppid())\n"
        "fcntl.fcntl(read, 10, 9)\nfcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)\nos.write(write, b'x')\nprint('escaped')",
    ),
    Attack(
        "lower the parent's limits",
        "import os, resource as r; r.prlimit(os.getppid(), r.RLIMIT_NOFILE); print('escaped')",
        True,
    ),
    Attack("trace the parent", _SYSCALL + "call((101, 117), 16, os.getppid(), 0, 0)"),
    Attack("ask to be traced", _SYSCALL + "call((101, 117), 0, 0, 0, 0)", True),
    Attack("read the parent's memory", _SYSCALL + "call((310, 270), os.getppid(), 0, 0, 0, 0, 0)", True),
)

NETWORK = (
    Attack(
        "connect to the host",
        "import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('escaped')",
        True,
    ),
    Attack("listen", "import socket; socket.create_server(('127.0.0.1', 0)); print('escaped')", True),
    Attack(
        "send a datagram",
        "import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port})); print('escaped')",
        True,
    ),
    Attack(
        "use a Unix socket of the host",
        "import socket as s; s.socket(s.AF_UNIX).connect({unix!r}); print('escaped')",
        True,
    ),
    Attack(
        "use an abstract Unix socket",
        "import socket as s; s.socket(s.AF_UNIX).bind('\\0enigma-test'); print('escaped')",
        True,
    ),
    Attack("look a name up", "import socket; print('escaped', socket.getaddrinfo('localhost', 80))", True),
    Attack(
        "fetch a page", "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/', timeout=2); print('escaped')"
    ),
    Attack(
        "open a netlink socket", "import socket as s; s.socket(s.AF_NETLINK, s.SOCK_RAW, 0); print('escaped')", True
    ),
    Attack("open a raw socket", "import socket as s; s.socket(s.AF_PACKET, s.SOCK_RAW); print('escaped')"),
)

PRIVILEGES = (
    Attack("become root", "import os; os.setuid(0); print('escaped')"),
    Attack("change groups", "import os; os.setgroups([0]); print('escaped')"),
    Attack("mount", _SYSCALL + "call((165, 40), b'none', b'/sandbox', b'tmpfs', 0, 0)"),
    Attack("make the root writable", _SYSCALL + "call((165, 40), b'none', b'/', b'', 32, 0)"),
    Attack("unmount", _SYSCALL + "call((166, 39), b'/sandbox/inside.py', 2)"),
    Attack("enter new namespaces", _SYSCALL + "call((272, 97), 0x10000000)", True),
    Attack("clone into new namespaces", _SYSCALL + "call((56, 220), 0x10000011, 0, 0, 0, 0) if os.getpid() else 0"),
    Attack("clone3", _SYSCALL + "call((435, 435), (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17), 88) or os._exit(0)"),
    Attack("change the root", _SYSCALL + "call((161, 51), b'/sandbox')"),
    Attack("pivot the root", _SYSCALL + "call((155, 41), b'/', b'/')"),
    Attack("load a BPF program", _SYSCALL + "call((321, 280), 0, (ctypes.c_uint32 * 18)(1, 4, 4, 1), 72)"),
    Attack("use the kernel's keys", _SYSCALL + "call((250, 219), 0, -3, 0)"),
    Attack("use io_uring", _SYSCALL + "call((425, 425), 1, (ctypes.c_uint32 * 30)())"),
    Attack("handle page faults", _SYSCALL + "call((323, 282), 1)"),
    Attack("watch performance counters", _SYSCALL + "call((298, 241), (ctypes.c_uint64 * 16)(1, 128), 0, -1, -1, 0)"),
    Attack("open by handle", _SYSCALL + "call((304, 265), 0, (ctypes.c_uint64 * 4)(), 0)"),
    Attack("set the clock", "import time; time.clock_settime(0, time.clock_gettime(0)); print('escaped')"),
    Attack("rename the host", "import socket; socket.sethostname('owned'); print('escaped')"),
    Attack("type into the terminal", "import fcntl; fcntl.ioctl(0, 0x5412, b'x'); print('escaped')"),
    Attack("raise its limits", "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1)); print('escaped')", True),
    Attack("call the kernel as x32", _SYSCALL + "call((0x40000000 + 39, 0x40000000 + 39)); print('escaped')"),
    Attack(
        "call the kernel as i386",  # int 0x80 for getpid, an own piece of machine code
        "import ctypes, mmap, os\nos.uname().machine == 'x86_64' or 1/0\n"
        "page = mmap.mmap(-1, 4096, prot=7)\npage.write(bytes.fromhex('b814000000cd80c3'))\n"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(page))\nprint('escaped', ctypes.CFUNCTYPE(ctypes.c_int)(at)())",
    ),
)

# Their ends are told apart, so each comes with the status that it must have.
RESOURCES = (
    ("take 10 GB", "x = bytearray(10 * 2**30); print('escaped')", "memory"),
    ("grow a list for ever", "x = []\nwhile True:\n    x.append(bytes(10**6))", "memory"),
    ("map 10 GB", "import mmap; mmap.mmap(-1, 10 * 2**30); print('escaped')", "error"),
    ("loop for ever", "while True: pass", "timeout"),
    (
        "loop through every error",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "timeout",
    ),
    (
        "ignore the CPU's signal",
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        "timeout",
    ),
    ("compute 10 ** 10 ** 9", "10 ** 10 ** 9", "timeout"),
    ("wait for a line", "input()", "error"),
    ("write for ever", "while True: print('x' * 1000)", "output"),
    ("recurse for ever", "def f(): f()\nf()", "error"),
    ("open files for ever", "import os\nwhile True: os.dup(0)", "error"),
    ("crash the interpreter", "import ctypes; ctypes.string_at(1)", "killed"),
    ("abort", "import os; os.abort()", "killed"),
    ("leave early", "import os; os._exit(0)", "killed"),
    ("leave early, politely", "import sys; sys.exit(0)", "error"),
    ("report itself", "import os; os.write(3, b'0' * 32 + b'\\n[\"ok\", \"\", 0]'); os._exit(0)", "killed"),
    ("write over the report", "import os\nwhile True: os.write(3, b'x' * 1000)", "output"),
    ("raise what can't be shown", "class E(Exception):\n    def __str__(self): return 1/0\nraise E", "error"),
    (
        "raise what never shows",
        "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
        "timeout",
    ),
    ("nest without end", "(" * 5000, "error"),
)

BREAKING_OUT = (*FILES, *PROCESSES, *NETWORK, *PRIVILEGES)
