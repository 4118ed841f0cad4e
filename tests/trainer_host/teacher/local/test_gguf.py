from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trainer_host.teacher.local.files import PLAIN, SMOLLM2, gguf, needs_smollm2
from trainer_host.teacher.local import LocalTeacherError
from trainer_host.teacher.local.gguf import read_head
from trainer_host.teacher.local.models import installed
from trainer_host.workspace import Workspace


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return path


def test_the_head_says_what_the_model_reads_and_takes(tmp_path: Path) -> None:
    head = read_head(written(tmp_path, gguf() + b"weights"))
    assert (head.architecture, head.name, head.context, head.vocabulary) == ("llama", "Tiny", 512, 3)
    # Two of eight heads are kept, of 64 / 8 numbers each, for keys and values, in 2 bytes, in 3 layers.
    assert head.bytes_per_token == 3 * 2 * (8 + 8) * 2
    assert head.size == len(gguf()) + 7


def test_heads_of_their_own_size_and_per_layer_are_counted_at_their_largest(tmp_path: Path) -> None:
    fields = {
        "general.architecture": "llama",
        "llama.attention.key_length": 32,
        "llama.attention.value_length": 16,
        **{key: value for key, value in PLAIN.items() if key.startswith("llama.")},
        "llama.attention.head_count_kv": [1, 4, 1],
        "tokenizer.ggml.tokens": ["a"],
    }
    assert read_head(written(tmp_path, gguf(fields))).bytes_per_token == 3 * 4 * (32 + 16) * 2


def test_a_vocabulary_before_the_sizes_is_read_over(tmp_path: Path) -> None:
    turned = dict(reversed(PLAIN.items()))
    assert read_head(written(tmp_path, gguf(turned))).context == 512


@needs_smollm2
def test_the_real_head_is_read(tmp_path: Path) -> None:
    path = installed(Workspace(tmp_path), SMOLLM2)
    assert path is not None
    head = read_head(path)
    assert (head.architecture, head.context, head.vocabulary) == ("llama", 8192, 49152)
    assert head.size == SMOLLM2.size


def test_a_file_cut_off_anywhere_in_its_head_is_one_sentence(tmp_path: Path) -> None:
    whole = gguf({key: value for key, value in PLAIN.items() if not key.startswith("tokenizer.ggml.token_type")})
    needed = whole.index(b"tokenizer.ggml.tokens") + len("tokenizer.ggml.tokens") + 4 + 12
    for length in range(needed):
        with pytest.raises(LocalTeacherError, match=r"GGUF|no language model"):
            read_head(written(tmp_path, whole[:length]))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "isn't a GGUF file"),
        (b"PK\x03\x04 a zip", "isn't a GGUF file"),
        (gguf(version=1), "version 1"),
        (gguf({"general.architecture": "bert"}), "no language model"),
        (gguf({"general.name": "nobody"}), "no language model"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "no language model"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 60), "no language model"),
        (gguf({"a": 1})[:-8] + struct.pack("<I", 99), "no language model"),
        (gguf({"a": 1})[:-8] + struct.pack("<IIQ", 9, 8, 1 << 60), "no language model"),
        (gguf({"a": 1})[:-8] + struct.pack("<IIQ", 9, 9, 3), "no language model"),
    ],
)
def test_other_files_and_heads_that_lie_are_one_sentence(content: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(LocalTeacherError, match=sentence):
        read_head(written(tmp_path, content))


def test_a_folder_and_a_missing_file_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LocalTeacherError, match="is a folder"):
        read_head(tmp_path)
    with pytest.raises(LocalTeacherError, match="There is no file"):
        read_head(tmp_path / "none.gguf")


@settings(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(noise=st.binary(max_size=200), at=st.integers(0, 400))
def test_any_bytes_give_a_head_or_our_error(tmp_path: Path, noise: bytes, at: int) -> None:
    whole = gguf()
    content = whole[:at] + noise + whole[at + len(noise) :]
    with contextlib.suppress(LocalTeacherError):
        assert read_head(written(tmp_path, content)).context > 0
