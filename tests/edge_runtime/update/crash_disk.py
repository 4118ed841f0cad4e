"""A disk that forgets what wasn't synced: replays the system calls of a real process, as strace wrote them down.

    disk = CrashDisk(before)                    # a folder as it was, all of it durable
    for call in calls(log, root):               # what a process did below `root`
        disk.do(call)
        for tree in disk.after_a_cut(random):   # what may be on the disk where the power goes here
            ...

The rules are those that POSIX leaves a file system, not what one happens to do: `fsync` of a file makes its bytes
durable and not its name; `fsync` of a folder makes the names in it durable. Of what isn't durable anything may survive:
nothing, all, the first names alone, names without their bytes (or with zeros or a half of them), bytes without their
names, or any mix. A rename is one step in each folder: both, or the new name beside the old one; never neither.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM_CALLS = (
    "openat,open,creat,write,pwrite64,writev,pwritev,lseek,ftruncate,truncate,fsync,fdatasync,rename,renameat,renameat2,"
    "unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,dup,dup2,dup3,sendfile,copy_file_range,fallocate"
)
STRACE = ("-qq", "-y", "-xx", "-s", "100000000", "-e", "trace=" + ",".join("?" + c for c in SYSTEM_CALLS.split(",")))
_RELATIVE = ("openat", "unlinkat", "mkdirat", "renameat", "renameat2")  # to a folder that is open
_LINE = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+)(?:<.*>)?(?: .*)?")
_FD = re.compile(
    r"(?:AT_FDCWD|\d+)(?:<((?:\\x[0-9a-f]{2})*)>)?.*"
)  # without a path: a pipe, or what has no name any more
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
# A tree: the path below the root -> a file's bytes, None for a folder.
Tree = dict[str, bytes | None]


@dataclass(frozen=True)
class Call:
    """A system call that changed something below the root. path, to: relative; at: the offset of a write, or a length."""

    kind: str
    path: str
    to: str = ""
    data: bytes = b""
    at: int = 0
    flags: str = ""


def calls(log: Path, root: Path) -> list[Call]:
    """What a log of strace with `STRACE` says was done below a folder; fails on a call that it can't replay."""
    found: list[Call] = []
    offsets: dict[str, int] = {}  # of the descriptors, by number: they are opened one after the other
    sizes: dict[str, int] = {}
    for line in log.read_text("ascii").splitlines():
        read = _LINE.fullmatch(line)
        if read is None or int(read[3]) < 0:
            continue
        name, arguments, result = read[1], read[2].split(", "), int(read[3])
        for call in _calls(name, arguments, result, offsets, sizes, str(root)):
            found.append(call)
            sizes[call.path] = _size(call, sizes.get(call.path, 0))
    return found


def _size(call: Call, before: int) -> int:
    if call.kind == "write":
        return max(before, call.at + len(call.data))
    return call.at if call.kind == "ftruncate" else 0 if "O_TRUNC" in call.flags else before


def _calls(
    name: str, arguments: list[str], result: int, offsets: dict[str, int], sizes: Mapping[str, int], root: str
) -> Iterator[Call]:
    def path(at: int) -> str | None:
        """The path below the root of the argument at an index, of a file that is open or by its name."""
        opened = _FD.fullmatch(arguments[at])
        if opened is not None:
            if opened[1] is None or opened[0].endswith("(deleted)"):
                return None
            full = _bytes(opened[1]).decode()
            if at + 1 < len(arguments) and (below := _TEXT.fullmatch(arguments[at + 1])) and name in _RELATIVE:
                full = str(Path(full) / _bytes(below[1]).decode())
        else:
            text = _TEXT.fullmatch(arguments[at])
            assert text is not None, (name, arguments)
            full = _bytes(text[1]).decode()
        return full[len(root) + 1 :] if full.startswith(f"{root}/") else "" if full == root else None

    where = path(0)
    number = arguments[0].partition("<")[0]
    if name == "openat":
        offsets[str(result)] = 0
        if where is not None and "O_CREAT" in arguments[2]:
            yield Call("open", where, flags=arguments[2])
    elif name == "lseek":
        offsets[number] = result
    elif name.startswith("rename"):
        to = path(2 if "at" in name else 1)
        assert (where is None) == (to is None), "a rename into or out of the folder"
        if where is not None and to is not None:
            yield Call("rename", where, to)
    elif where is None:
        return
    elif name in ("write", "pwrite64"):
        text = _TEXT.fullmatch(arguments[1])
        assert text is not None, arguments
        assert not text[2], "strace cut a write short"
        data = _bytes(text[1])[:result]
        at = int(arguments[3]) if name == "pwrite64" else offsets.get(number, 0)
        yield Call("write", where, data=data, at=at)
        if name == "write":
            offsets[number] = at + len(data)
    elif name in ("ftruncate", "truncate"):
        yield Call("ftruncate", where, at=int(arguments[1]))
    elif name in ("fsync", "fdatasync"):
        yield Call("fsync", where)
    elif name in ("unlink", "unlinkat"):
        yield Call("rmdir" if "AT_REMOVEDIR" in arguments[-1] else "unlink", where)
    elif name in ("mkdir", "mkdirat", "rmdir"):
        yield Call("rmdir" if name == "rmdir" else "mkdir", where)
    else:
        raise AssertionError(f"the crash disk doesn't know {name}({', '.join(arguments)[:200]})")


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


@dataclass(eq=False)
class _Node:
    """A file or a folder. durable: the bytes (of a file) or the names (of a folder) that a power cut leaves at least."""

    folder: bool
    data: bytes = b""
    durable: bytes = b""
    names: dict[str, _Node] = field(default_factory=dict)
    durable_names: dict[str, _Node] = field(default_factory=dict)


@dataclass(eq=False)
class _Change:
    """A name set to a node in a folder, or removed (None), and not durable yet. after: what must survive for it to."""

    folder: _Node
    name: str
    node: _Node | None
    after: _Change | None = None


class CrashDisk:
    """A folder's disk: what a process sees of it, and what is durable."""

    def __init__(self, before: Path) -> None:
        self._root = self._scan(before)
        self._pending: list[_Change] = []

    def do(self, call: Call) -> None:
        """One system call."""
        match call.kind:
            case "open":
                parent, name = self._parent(call.path)
                if name not in parent.names:
                    self._set(parent, name, _Node(False))
                elif "O_TRUNC" in call.flags:
                    parent.names[name].data = b""
            case "write":
                node = self._node(call.path)
                held = node.data.ljust(call.at, b"\0")
                node.data = held[: call.at] + call.data + held[call.at + len(call.data) :]
            case "ftruncate":
                node = self._node(call.path)
                node.data = node.data[: call.at].ljust(call.at, b"\0")
            case "fsync":
                node = self._node(call.path)
                if node.folder:
                    node.durable_names = dict(node.names)
                    self._pending = [change for change in self._pending if change.folder is not node]
                else:
                    node.durable = node.data
            case "mkdir":
                self._set(*self._parent(call.path), _Node(True))
            case "rename":
                (parent, name), (target, new) = self._parent(call.path), self._parent(call.to)
                added = self._set(target, new, parent.names[name])
                self._set(parent, name, None, added)
            case "unlink" | "rmdir":
                self._set(*self._parent(call.path), None)
            case other:
                raise AssertionError(other)

    def after_a_cut(self, draw: random.Random, mixes: int = 2) -> Iterator[Tree]:
        """The trees that a power cut may leave now, without repeats; mixes: how many at random besides the extremes."""
        count = len(self._pending)
        choices = [[True] * count, [False] * count, *([i < k for i in range(count)] for k in range(1, count))]
        extremes = list(itertools.product(choices, ("none", "all", "zeros", "half")))
        for _ in range(mixes):
            extremes.append(([draw.random() < 0.5 for _ in range(count)], "mix"))
        seen: set[object] = set()
        for survives, data in extremes:
            tree = self._tree(survives, data, draw)
            key = tuple(sorted(tree.items()))
            if key not in seen:
                seen.add(key)
                yield tree

    def live(self) -> Tree:
        """What a process sees."""
        return self._walk(self._root, {}, lambda node: node.data, live=True)

    def _tree(self, survives: list[bool], data: str, draw: random.Random) -> Tree:
        names: dict[_Node, dict[str, _Node]] = {}
        kept: set[_Change] = set()
        for change, stays in zip(self._pending, survives, strict=True):
            pending = change.after is not None and change.after in self._pending
            if not stays or (pending and change.after not in kept):
                continue
            kept.add(change)
            held = names.setdefault(change.folder, dict(change.folder.durable_names))
            if change.node is None:
                held.pop(change.name, None)
            else:
                held[change.name] = change.node

        def content(node: _Node) -> bytes:
            old, new = node.durable, node.data
            match draw.choice(("none", "all", "zeros", "half")) if data == "mix" else data:
                case "none":
                    return old
                case "zeros":  # the length is durable, what was written isn't
                    return old[: len(new)].ljust(len(new), b"\0")
                case "half":  # of what was appended, or of what was written over it
                    half = (len(old) + len(new)) // 2 if len(new) > len(old) else len(new) // 2
                    return new[:half] + old[half : len(new)]
            return new

        return self._walk(self._root, names, content, live=False)

    def _walk(self, top: _Node, names: Mapping[_Node, dict[str, _Node]], content: object, live: bool) -> Tree:
        tree: Tree = {}

        def walk(node: _Node, path: str) -> None:
            held = node.names if live else names.get(node, node.durable_names)
            for name, below in sorted(held.items()):
                where = f"{path}/{name}" if path else name
                tree[where] = None if below.folder else content(below)  # type: ignore[operator]
                if below.folder:
                    walk(below, where)

        walk(top, "")
        return tree

    def _set(self, parent: _Node, name: str, node: _Node | None, after: _Change | None = None) -> _Change:
        if node is None:
            parent.names.pop(name)
        else:
            parent.names[name] = node
        change = _Change(parent, name, node, after)
        self._pending.append(change)
        return change

    def _node(self, path: str) -> _Node:
        node = self._root
        for part in Path(path).parts:
            node = node.names[part]
        return node

    def _parent(self, path: str) -> tuple[_Node, str]:
        where = Path(path)
        return self._node(str(where.parent)), where.name

    def _scan(self, path: Path) -> _Node:
        if path.is_dir():
            names = {below.name: self._scan(below) for below in sorted(path.iterdir())}
            return _Node(True, names=names, durable_names=dict(names))
        return _Node(False, path.read_bytes(), path.read_bytes())


def put(tree: Tree, folder: Path) -> None:
    """Write a tree into an empty folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir(mode=0o700)
        else:
            (folder / path).write_bytes(content)
            (folder / path).chmod(0o600)
