from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.language.tokenizer import Tokenizer
from trainer_host.errors import DataError
from trainer_host.students.language.tokenizers import PAD, PLAIN, SPECIALS, TASKS, FastTokenizer, train_tokenizer
from trainer_host.tasks import TASKS as KNOWN

TEXTS = [f"Row {i}: switch on the light in room {i % 7}, please. Größe {i * i}; x = [{i}, 'ünï']\n" for i in range(400)]
TEXT = train_tokenizer(TEXTS, 600)
FAST, DEVICE = FastTokenizer(TEXT), Tokenizer(json.loads(TEXT))


@given(st.text())
@settings(max_examples=300)
def test_any_text_comes_back_and_the_device_reads_the_same_tokens(text: str) -> None:
    ids = FAST.encode(text)
    assert FAST.decode(ids) == text
    assert DEVICE.encode(text) == ids and DEVICE.decode(ids) == text


def test_a_text_that_spells_a_special_token_gives_ordinary_ones() -> None:
    for name in SPECIALS:
        ids = FAST.encode(f"a {name} b")
        special = set(FAST.special.values())
        assert not special & set(ids)
        assert FAST.decode(ids) == f"a {name} b"
        assert DEVICE.encode(f"a {name} b") == ids


def test_marks_that_are_part_of_an_answer_are_one_token_each() -> None:
    for name in PLAIN:
        assert len(FAST.encode(name)) == 1 and name not in FAST.special


def test_special_tokens_have_the_same_ids_in_every_vocabulary() -> None:
    other = FastTokenizer(train_tokenizer(["something else"], 300))
    assert other.special == FAST.special == DEVICE.special
    assert FAST.special[PAD] == 0
    assert FAST.encode("<think>") == other.encode("<think>")


def test_every_task_has_its_token() -> None:
    assert set(TASKS) == set(KNOWN) and len(TASKS) == 12


def test_another_process_trains_the_same_bytes() -> None:
    command = (
        "import sys; from trainer_host.students.language.tokenizers import train_tokenizer; "
        "from tests.trainer_host.students.language.test_tokenizers import TEXTS; "
        "sys.stdout.buffer.write(train_tokenizer(TEXTS, 600).encode())"
    )
    made = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True, timeout=60)
    assert made.stdout == TEXT.encode()


def test_training_makes_texts_shorter_and_keeps_digits_apart() -> None:
    assert 300 < FAST.size <= 600
    line = "Row 5: switch on the light in room 2, please."
    assert len(FAST.encode(line)) <= len(line) / 3
    assert len(FAST.encode("12345")) == 5


def test_a_vocabulary_without_room_for_bytes_and_no_text_are_refused() -> None:
    with pytest.raises(DataError, match="too small"):
        train_tokenizer(TEXTS, 200)
    with pytest.raises(DataError, match="no text"):
        train_tokenizer([], 600)
    with pytest.raises(DataError, match="can't be read"):
        FastTokenizer("{}")
