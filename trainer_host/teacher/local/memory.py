"""How much memory a model takes, and how much there is."""

from __future__ import annotations

from pathlib import Path

from trainer_host.teacher.local import LocalTeacherError
from trainer_host.teacher.local.gguf import Head
from trainer_host.teacher.local.models import Weights

MICRO_BATCH = 512  # tokens that llama.cpp computes at a time by default; their scores over the vocabulary are floats
OTHER_BYTES = 120_000_000  # interpreter, native code and small buffers, measured


def bytes_needed(head: Head, tokens: int) -> int:
    """Memory of a process that serves a model. tokens: of all its requests at a time together."""
    return head.size + tokens * head.bytes_per_token + MICRO_BATCH * head.vocabulary * 4 + OTHER_BYTES


def bytes_available(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Memory that a new process can have: of the machine, or less where a container is bounded; None if unknown."""
    found: list[int] = []
    try:
        for line in (proc / "meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
        bound = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        if bound.isdigit():
            found.append(int(bound) - int((cgroup / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError, IndexError):
        pass  # not Linux, or a container without its own bound
    return min(found, default=None)


def check_memory(weights: Weights, tokens: int) -> None:
    """Raises `LocalTeacherError` where the model wouldn't fit: the kernel would kill it in the middle of work."""
    need, have = bytes_needed(weights.head, tokens), bytes_available()
    if have is not None and need > have:
        raise LocalTeacherError(
            f"{weights.title} needs about {need / 1e9:.1f} GB of memory for {tokens:,} tokens, and {have / 1e9:.1f} GB "
            "are free; choose a smaller --context or --parallel, or a smaller model."
        )
