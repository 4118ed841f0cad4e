"""Code in marks: what a small model reads and writes, and that the device makes of it what was asked."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import BundleError
from edge_runtime.language.code_marks import MARKS, NUMBERS, CodeReading, Meant
from edge_runtime.language.letters import numbers
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.language.template import CHATML, CODE, Template, encode_chat
from edge_runtime.language.tokenizer import Tokenizer
from edge_runtime.tasks import code
from tests.edge_runtime.language.engines import write_tokenizer, writing_engine
from trainer_host.students.language.tokenizers import train_tokenizer

MARKED = dataclasses.replace(CHATML, marks=CODE)
HEAD = "def only_large(xs: list[int], end: str = ' ') -> list[int]:"
ASKED = f"Keep only the numbers above 12, or -3 where they are 'few'.\n{HEAD}"
PROGRAM = f'''{HEAD}
    """Keep only the numbers above 12, or -3 where they are 'few'."""
    if len(xs) < 2:
        return only_large([-3], f"{{end}}12")
    return [x for x in xs if x > 12 and x != end + "few"]
'''
WRITTEN = '''⓪
    """⓿"""
    if len(➀) < 2:
        return ⓵([②], f"{➁}①")
    return [x for x in ➀ if x > ① and x != ➁ + ❶]
'''


def test_a_model_reads_and_writes_marks_for_what_is_only_copied() -> None:
    reading = CodeReading(ASKED)
    assert reading.said == (
        "keep only the numbers above ①, or ② where they are ❶.\nonly large (➀: list[int], ➁: str) -> list[int]"
    )
    assert reading.shortened(PROGRAM) == WRITTEN
    assert reading.restored(WRITTEN) == PROGRAM.replace('"few"', "'few'")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("Please write a Python function that returns the words longer than five letters.", "return the words longer than ① letters."),
        ("could you write me a function called `cut` which catches the 3rd word?", "catch the ①rd word?"),
        ("Join them by “-”, by \"+\", `*` and '-'.", "join them by ❶, by ❷, ❸ and ❶."),
        ("The words' first letters, 1,000 of them, 0.5 or 007", "the words' first letters, ① of them, ② or ③"),
        ("Write it.\n```python\ndef f(a, *b, c=2, **d):\n```", "write it.\nf (➀ a, *➁ b, ➂ c, **➃ d)"),
        ("Return term k.\ndef f(k: int) -> int:", "return term ➀.\nf (➀: int) -> int"),
        ("Return all. def f(k", "return all. def f(k"),
        ("Add ① and ⓪", "add ? and ?"),
    ],
)  # fmt: skip
def test_free_requests_read_like_those_of_the_training(asked: str, said: str) -> None:
    assert CodeReading(asked).said == said


def test_what_the_request_does_not_name_can_be_written_all_the_same() -> None:
    reading = CodeReading("Return every second word")
    free = 'def second(text: str) -> list[str]:\n    """⓿"""\n    return text.split()[1::2][:100]\n'
    assert reading.restored(free) == free.replace("⓿", "Return every second word")
    assert code.answer({}, reading.restored(free))["unsure"] is False
    assert reading.restored("⓪\n    return ①") == "⓪\n    return ①"  # there is no first line, and no number
    assert code.answer({}, "⓪\n    return ①")["unsure"] is True
    assert CodeReading("007 and 1,000").restored("f(①, ②)") == "f(7, 1000)"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.sampled_from([PROGRAM, "x = 1", "a\n12 '"]))
@settings(max_examples=150, deadline=None)
def test_any_request_can_be_read_and_a_docstring_of_it_is_python(asked: str, program: str) -> None:
    reading = CodeReading(f"{asked}\n{HEAD}")
    if not reading.restored("⓿").strip():
        return
    made = reading.restored('⓪\n    """⓿"""\n    return ➀')
    assert ast.get_docstring(ast.parse(made).body[0]) is not None  # type: ignore[arg-type]
    back = reading.restored(reading.shortened(program))
    assert back.replace("'", '"') == program.replace("'", '"')


def test_each_mark_is_a_token_of_its_own_and_only_that() -> None:
    assert len(set(MARKS)) == len(MARKS) and all(ord(mark) > 0x2000 for mark in MARKS)
    assert re.fullmatch(f"[{numbers()}]+", MARKS)


def test_a_device_reads_what_the_training_showed_and_streams_what_the_marks_stand_for(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json")
    asked = [{"role": "user", "content": ASKED}]
    prompt, _ = encode_chat(tokenizer, MARKED, asked, answering=True)
    whole, learn = encode_chat(tokenizer, MARKED, [*asked, {"role": "assistant", "content": PROGRAM}], answering=False)
    assert whole[: len(prompt)] == prompt and learn.index(True) == len(prompt)
    assert WRITTEN in tokenizer.decode(whole)

    def model(template: Template, text: str) -> LanguageSpecialist:
        begun, _ = encode_chat(tokenizer, template, asked, answering=True)
        engine = writing_engine(tokenizer, len(begun), tokenizer.encode(text), context=1000)
        return LanguageSpecialist(engine, tokenizer, template, 1000, ["code"], {})  # type: ignore[arg-type]

    marked = list(model(MARKED, WRITTEN).stream(asked))
    assert "".join(piece.text for piece in marked) == PROGRAM.replace('"few"', "'few'")
    assert any(piece.text == HEAD for piece in marked)  # it isn't held until the end
    held = model(MARKED, '{"code": "⓿ ❶"}').stream(asked, schema={"type": "object", "properties": {"code": {}}})
    assert json.loads("".join(piece.text for piece in held)) == {"code": f"{ASKED.partition(chr(10))[0]} 'few'"}
    tools = [{"type": "function", "function": {"name": "f"}}]  # which are read as they are
    with_tools = encode_chat(tokenizer, MARKED, asked, tools=tools, answering=True)[0]
    assert with_tools == encode_chat(tokenizer, CHATML, asked, tools=tools, answering=True)[0]
    assert "".join(piece.text for piece in model(CHATML, "Is ① one?").stream(asked)) == "Is ① one?"
    plain, _ = encode_chat(tokenizer, MARKED, asked, task="chat", answering=True)  # another task of the same model
    assert plain == encode_chat(tokenizer, CHATML, asked, task="chat", answering=True)[0]


def test_marks_that_stand_for_nothing_are_not_written(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(train_tokenizer(["keep ① ② ❶ ➀ ⓪ ⓿"] * 20, 400), encoding="utf-8")
    tokenizer = Tokenizer.read(tmp_path / "tokenizer.json")
    asked = [{"role": "user", "content": "Keep 5"}]
    prompt, _ = encode_chat(tokenizer, MARKED, asked, answering=True)
    script = tokenizer.encode("②①➀⓿❶")
    engine = writing_engine(tokenizer, len(prompt), script, context=400)
    language = LanguageSpecialist(engine, tokenizer, MARKED, 400, ["code"], {})  # type: ignore[arg-type]
    made = "".join(piece.text for piece in language.stream(asked, max_tokens=5))
    assert not set(made) & set(MARKS) and "5" in made and "Keep 5" in made
    mask = Meant(CodeReading("Keep 5"), tokenizer).mask()
    assert {mark for mark in "①②❶➀⓪⓿" if mask[tokenizer.encode(mark)].all()} == {"①", "⓿"}


def test_a_bundle_says_whether_its_model_reads_marks() -> None:
    assert "marks" not in CHATML.to_json() and Template.from_json(CHATML.to_json()) == CHATML
    assert Template.from_json(MARKED.to_json()) == MARKED
    with pytest.raises(BundleError, match="update Enigma"):
        Template.from_json({**MARKED.to_json(), "marks": "runes"})
    assert len(NUMBERS) == 12
