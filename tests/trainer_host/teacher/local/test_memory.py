from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_host.teacher.local.files import gguf
from trainer_host.teacher.local import LocalTeacherError, memory
from trainer_host.teacher.local.gguf import read_head
from trainer_host.teacher.local.memory import bytes_available, bytes_needed, check_memory
from trainer_host.teacher.local.models import Weights

GIB = 1024**3


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    return Weights(path, "tiny", "Tiny", read_head(path))


def test_more_tokens_need_more_memory(weights: Weights) -> None:
    assert bytes_needed(weights.head, 2000) - bytes_needed(weights.head, 1000) == 1000 * weights.head.bytes_per_token


def test_a_bounded_container_has_less_than_its_machine(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable:    4194304 kB\n")
    assert bytes_available(tmp_path, tmp_path) == 4 * GIB
    (tmp_path / "memory.max").write_text("max\n")
    assert bytes_available(tmp_path, tmp_path) == 4 * GIB
    (tmp_path / "memory.max").write_text(f"{2 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB}\n")
    assert bytes_available(tmp_path, tmp_path) == GIB


def test_a_system_that_tells_nothing_stops_nobody(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bytes_available(tmp_path / "none", tmp_path / "none") is None
    monkeypatch.setattr(memory, "bytes_available", lambda: None)
    check_memory(weights, 1 << 40)


def test_too_little_memory_is_one_sentence_with_figures(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "bytes_available", lambda: GIB)
    check_memory(weights, 4096)
    with pytest.raises(LocalTeacherError, match=r"Tiny needs about .* GB of memory for 16,777,216 tokens, and 1\.1 GB"):
        check_memory(weights, 1 << 24)
